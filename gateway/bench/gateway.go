package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// Gateway is skep over an Engine.
type Gateway struct {
	*Client
	Process *Process
	Port    int
	Startup time.Duration // from before its start until /readyz was answered with 200
}

// GatewayOptions says how to start skep. Dir keeps its credentials: the second start with the same Dir finds them.
type GatewayOptions struct {
	Dir           string
	Socket        string // the engine's
	ControlSocket string // SwarmKit's; "none": skep does without and polls for what Docker's events do not tell
	Port          int    // 0: one that is free
}

// StartGateway starts skep and waits until it is ready.
func StartGateway(ctx context.Context, o GatewayOptions) (*Gateway, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	program, err := GatewayProgram()
	if err != nil {
		return nil, err
	}
	if o.Port == 0 {
		if o.Port, err = FreePort(); err != nil {
			return nil, err
		}
	}
	kubeconfig := filepath.Join(o.Dir, "kubeconfig")
	if err := os.RemoveAll(kubeconfig); err != nil { // an old one names the old port
		return nil, err
	}
	args := []string{
		"serve", "--docker-host", "unix://" + o.Socket, "--listen", fmt.Sprintf("127.0.0.1:%d", o.Port),
		"--data-dir", filepath.Join(o.Dir, "data"), "--kubeconfig", kubeconfig,
		"--control-socket", o.ControlSocket,
	}
	started := time.Now()
	process, err := Start(filepath.Join(o.Dir, "skep.log"), program, args...)
	if err != nil {
		return nil, err
	}
	gateway := &Gateway{Process: process, Port: o.Port}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = process.Await(ctx, func(ctx context.Context) error {
		if gateway.Client == nil {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			if gateway.Client, err = NewKubernetesClient(config); err != nil {
				return err
			}
		}
		return gateway.ready(ctx)
	})
	gateway.Startup = time.Since(started)
	if err != nil {
		process.Stop()
		return nil, err
	}
	return gateway, nil
}

// Stop ends skep.
func (g *Gateway) Stop() { g.Process.Stop() }

// GatewayProgram is the skep to measure.
func GatewayProgram() (string, error) {
	program := os.Getenv("SKEP_BIN")
	if program == "" {
		module, err := Module()
		if err != nil {
			return "", err
		}
		program = filepath.Join(module, "..", "..", "bin", "skep")
	}
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("no skep to measure (make build makes it, SKEP_BIN names another): %w", err)
	}
	return program, nil
}
