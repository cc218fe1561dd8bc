// Command skep puts the Kubernetes API in front of a Docker Swarm.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"skep/compose"
	"skep/gateway"
	"skep/swarm"
	"skep/translate"
)

// release is set by the build; without it the module's own version is told.
var release string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "skep",
		Short:         "The Kubernetes API in front of a Docker Swarm",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(serve(), compose.Command(engine), simulate(), kubeconfig(), version())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "skep: "+err.Error())
		os.Exit(1)
	}
}

// dataDir is where credentials are kept when nothing else is said.
func dataDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ".skep"
	}
	return filepath.Join(home, ".skep")
}

func serve() *cobra.Command {
	o := gateway.Options{GracePeriod: 5 * time.Second, Networking: translate.DefaultNetworking}
	var format string
	var nodes int
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the Kubernetes API of the Swarm that a Docker Engine manages",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := logTo(format); err != nil {
				return err
			}
			if nodes > 0 {
				simulation, err := swarm.Simulate(c.Context(), nodes)
				if err != nil {
					return err
				}
				defer simulation.Stop()
				o.Swarm = simulation.Options
				if o.ServiceMode == gateway.ServiceModeAuto {
					o.ServiceMode = gateway.ServiceModeVIP // a simulated kernel has all
				}
				klog.InfoS("Containers are simulated: nothing runs, and what is stored ends with this program", "nodes", nodes, "dockerHost", o.Swarm.Host)
			}
			return gateway.Serve(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Swarm.Host, "docker-host", "", "address of a Docker Engine that manages the Swarm (default: DOCKER_HOST, else the local socket)")
	f.StringVar(&o.Swarm.ControlSocket, "control-socket", "", `SwarmKit's control socket, <exec-root>/swarm/control.sock; "none" to do without (default: looked for at Docker's own place)`)
	f.StringVar(&o.Listen, "listen", "127.0.0.1:6443", "address to serve on, host:port")
	f.StringSliceVar(&o.ExtraHosts, "tls-san", nil, "more names and addresses for the serving certificate")
	f.StringVar(&o.DataDir, "data-dir", dataDir(), "directory of the credentials: CA, serving certificate, tokens, sealing key")
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "file to write an administrator's context into")
	f.StringVar(&o.Context, "context", "skep", "name of that context")
	f.StringVar(&o.Networking.Network, "network", o.Networking.Network, "overlay network that all workloads join; made when it is missing")
	f.StringVar(&o.Networking.CIDR, "network-cidr", o.Networking.CIDR, "addresses of that network: of Pods and Services")
	f.StringVar(&o.Networking.Domain, "cluster-domain", o.Networking.Domain, "DNS domain of the cluster")
	f.StringVar((*string)(&o.ServiceMode), "service-mode", string(gateway.ServiceModeAuto), "vip: Services have virtual IPs and the routing mesh; dnsrr: for kernels without IPVS, "+
		"names answer with the addresses of tasks and ports are those of the nodes; auto: looked for")
	f.StringVar(&o.Networking.ProxyImage, "proxy-image", o.Networking.ProxyImage, "image of the proxies that carry Services and Ingresses: nginx with its stream module")
	f.Uint32Var(&o.Networking.HTTPPort, "ingress-http-port", o.Networking.HTTPPort, "port of the nodes for HTTP to Ingresses; 0 for none")
	f.Uint32Var(&o.Networking.HTTPSPort, "ingress-https-port", o.Networking.HTTPSPort, "port of the nodes for HTTPS to Ingresses; 0 for none")
	f.StringVar(&o.Networking.Image, "image", o.Networking.Image, "skep's own image, which runs the sandboxes of Pods; it has to be on every node, or in a registry that the nodes reach")
	f.StringVar(&o.Networking.EngineSocket, "engine-socket", o.Networking.EngineSocket, "the Docker Engine's socket on every node, for the sandboxes of Pods")
	f.IntVar(&o.AgentPort, "agent-port", gateway.DefaultAgentPort, "port of the agents on the Swarm's other nodes")
	f.StringVar(&format, "log-format", "text", "text or json")
	f.IntVar(&nodes, "simulate", 0, "serve a Swarm of that many simulated nodes, which ends with skep; no Docker is needed")
	f.Lookup("simulate").NoOptDefVal = "3"
	c.MarkFlagsMutuallyExclusive("simulate", "docker-host")
	c.MarkFlagsMutuallyExclusive("simulate", "control-socket")
	return c
}

// simulate becomes the simulator, a program of its own: SwarmKit's manager cannot be linked with Kubernetes' code.
func simulate() *cobra.Command {
	return &cobra.Command{
		Use:                "simulate [--nodes 3] [--listen unix:///path]",
		Short:              "Serve the Docker Engine API of a Swarm whose containers are simulated",
		DisableFlagParsing: true, // they are the simulator's
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := swarm.SimulatorPath()
			if err != nil {
				return err
			}
			return syscall.Exec(path, append([]string{"skep simulate"}, args...), os.Environ())
		},
	}
}

// engine reaches a Docker Engine that manages a Swarm, to read what it runs.
func engine(ctx context.Context, host string) (compose.API, func(), error) {
	e, err := swarm.Connect(ctx, swarm.Options{Host: host, ControlSocket: "none"})
	if err != nil {
		return nil, nil, err
	}
	return e.Client(), e.Close, nil
}

// logTo sends all logs, Kubernetes' own among them, to standard error as structured lines.
func logTo(format string) error {
	var handler slog.Handler
	switch format {
	case "text":
		handler = slog.NewTextHandler(os.Stderr, nil)
	case "json":
		handler = slog.NewJSONHandler(os.Stderr, nil)
	default:
		return fmt.Errorf("--log-format %q: there is text and json", format)
	}
	klog.SetSlogLogger(slog.New(handler))
	return nil
}

func kubeconfig() *cobra.Command {
	var dir, server, file, name string
	c := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Write an administrator's kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !gateway.Exists(dir) {
				return fmt.Errorf("there are no credentials in %s: start \"skep serve --data-dir %s\" first", dir, dir)
			}
			credentials, err := gateway.OpenCredentials(dir, nil)
			if err != nil {
				return err
			}
			config, err := credentials.Kubeconfig(server, name)
			if err != nil {
				return err
			}
			if file != "-" {
				return gateway.MergeKubeconfig(file, config)
			}
			out, err := clientcmd.Write(*config)
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(out)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "data-dir", dataDir(), "directory of the credentials, as given to skep serve")
	f.StringVar(&server, "server", "https://127.0.0.1:6443", "URL of skep")
	f.StringVar(&file, "kubeconfig", "-", "file to write the context into; - for standard output")
	f.StringVar(&name, "context", "skep", "name of the context")
	return c
}

func version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print skep's version and that of the Kubernetes API that it serves",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			build := release
			if info, ok := debug.ReadBuildInfo(); ok && build == "" {
				build = info.Main.Version
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "skep %s, Kubernetes v%s\n", build, gateway.KubernetesVersion)
			return err
		},
	}
}
