// Command skep-agent serves the kubelet's API on a node of the Swarm: see package agent.
//
//	skep-agent --cert FILE --key FILE --client-ca FILE    serve, and reap what Pods left
//	skep-agent forward                                    in a helper: connections to this network's loopback, over stdio
//	skep-agent kill PID CONTAINER                         in a helper: end a command that an exec started
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"skep/swarm/agent"
	"skep/swarm/agent/helper"
	"skep/swarm/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "forward":
			return forward(ctx)
		case "kill":
			return kill(args[1:])
		}
	}
	return serve(ctx, args)
}

func serve(ctx context.Context, args []string) error {
	o := agent.ServeOptions{Reap: sandbox.Reap}
	flags := flag.NewFlagSet("skep-agent", flag.ContinueOnError)
	flags.StringVar(&o.Listen, "listen", agent.DefaultListen, "`address` to serve the gateway on")
	flags.StringVar(&o.CertFile, "cert", "", "`file` with the agent's certificate")
	flags.StringVar(&o.KeyFile, "key", "", "`file` with the agent's key")
	flags.StringVar(&o.ClientCAFile, "client-ca", "", "`file` with the certificate of the authority of clients")
	flags.StringVar(&o.ClientName, "client-name", agent.DefaultClient, "common `name` of the gateway's certificate")
	flags.StringVar(&o.DockerHost, "docker-host", "", "`address` of the Docker Engine (default: DOCKER_HOST, else the local socket)")
	flags.StringVar(&o.Image, "image", "", "skep's `image` for helpers (default: that of the agent's own container, else "+agent.DefaultImage+")")
	flags.StringVar(&o.Node, "node", "", "`name` of the node, for messages (default: the Engine's host name)")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("skep-agent: %q is no command: forward and kill are, for helpers", flags.Arg(0))
	}
	o.Ready = func(at net.Addr) { fmt.Fprintf(os.Stderr, "serving the gateway on %s\n", at) }
	return agent.Serve(ctx, o)
}

// forward ends when its input does, or at once when it is told to: a read from the input cannot be broken off.
func forward(ctx context.Context) error {
	context.AfterFunc(ctx, func() { os.Exit(0) })
	err := helper.Forward(ctx, helper.Stdio(os.Stdin, os.Stdout))
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func kill(args []string) error {
	if len(args) != 2 {
		return errors.New("skep-agent kill: PID CONTAINER are wanted")
	}
	pid, err := strconv.Atoi(args[0])
	if err != nil || pid <= 1 {
		return fmt.Errorf("skep-agent kill: %q is no process of a container", args[0])
	}
	return helper.Kill(pid, args[1])
}
