package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/compose/convert"
	"github.com/docker/cli/cli/compose/loader"
	composetypes "github.com/docker/cli/cli/compose/types"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// deploy does what `docker stack deploy -c FILE NAME` does on a Swarm that has no such stack yet, for who has no docker
// to type it. what is NAME=FILE.
func deploy(ctx context.Context, host, what string) error {
	name, file, ok := strings.Cut(what, "=")
	if !ok || name == "" {
		return fmt.Errorf("--stack %q is not NAME=FILE", what)
	}
	config, err := load(file)
	if err != nil {
		return err
	}
	c, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // it holds idle connections only
	namespace := convert.NewNamespace(name)
	if err := createNetworks(ctx, c, namespace, config); err != nil {
		return err
	}
	if err := createFiles(ctx, c, namespace, config); err != nil {
		return err
	}
	services, err := convert.Services(ctx, namespace, config, c)
	if err != nil {
		return err
	}
	for _, s := range services {
		if _, err := c.ServiceCreate(ctx, s, swarm.ServiceCreateOptions{}); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	return nil
}

func load(file string) (*composetypes.Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	parsed, err := loader.ParseYAML(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	version, _ := parsed["version"].(string)
	config, err := loader.Load(composetypes.ConfigDetails{
		WorkingDir: filepath.Dir(file), Version: version,
		ConfigFiles: []composetypes.ConfigFile{{Filename: file, Config: parsed}},
		Environment: environment(),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return config, nil
}

func environment() map[string]string {
	all := map[string]string{}
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		all[name] = value
	}
	return all
}

func createNetworks(ctx context.Context, c *client.Client, namespace convert.Namespace, config *composetypes.Config) error {
	joined := map[string]struct{}{}
	for _, s := range config.Services {
		if len(s.Networks) == 0 {
			joined["default"] = struct{}{}
		}
		for n := range s.Networks {
			joined[n] = struct{}{}
		}
	}
	networks, _ := convert.Networks(namespace, config.Networks, joined)
	for name, options := range networks {
		if options.Driver == "" {
			options.Driver = "overlay"
		}
		options.Scope = "swarm"
		if _, err := c.NetworkCreate(ctx, name, network.CreateOptions(options)); err != nil {
			return fmt.Errorf("network %s: %w", name, err)
		}
	}
	return nil
}

// createFiles makes the stack's secrets and configs.
func createFiles(ctx context.Context, c *client.Client, namespace convert.Namespace, config *composetypes.Config) error {
	secrets, err := convert.Secrets(namespace, config.Secrets)
	if err != nil {
		return err
	}
	for _, s := range secrets {
		if _, err := c.SecretCreate(ctx, s); err != nil {
			return fmt.Errorf("secret %s: %w", s.Name, err)
		}
	}
	configs, err := convert.Configs(namespace, config.Configs)
	if err != nil {
		return err
	}
	for _, s := range configs {
		if _, err := c.ConfigCreate(ctx, s); err != nil {
			return fmt.Errorf("config %s: %w", s.Name, err)
		}
	}
	return nil
}
