// Command skep-pod is the sandbox of one Pod: see package sandbox. Without an argument it is process 1 of a Swarm task's
// container, on a node whose Docker socket it has. "skep-pod ready", the task's health check, ends with 0 once the Pod has
// been ready; "skep-pod take" gives the sandbox a manifest.Update from standard input.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/docker/docker/client"

	"skep/swarm/sandbox"
	"skep/swarm/sandbox/spec"
	"skep/translate/manifest"
)

func main() {
	logger := log.New(os.Stderr, "", log.LstdFlags|log.Lmsgprefix)
	switch {
	case len(os.Args) == 1:
		os.Exit(live(logger))
	case len(os.Args) == 2 && os.Args[1] == "ready":
		ask(os.Args[1], nil)
	case len(os.Args) == 2 && os.Args[1] == "take":
		ask(os.Args[1], os.Stdin)
	default:
		fmt.Fprintln(os.Stderr, "usage: skep-pod [ready | take]")
		os.Exit(2)
	}
}

// ask asks the sandbox whose container this is.
func ask(question string, body io.Reader) {
	if err := sandbox.Ask(sandbox.ControlSocket, question, body); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// live lives the Pod's life, and says the exit code.
func live(logger *log.Logger) int {
	// One for each Pod: its heap of a few MiB is worth some processor time.
	debug.SetGCPercent(25)
	if os.Getpid() == 1 {
		go sandbox.ReapZombies()
	}
	go sandbox.Trim()
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	engine, err := client.NewClientWithOpts(client.WithHost("unix://"+manifest.EngineSocket), client.WithAPIVersionNegotiation())
	if err != nil {
		logger.Printf("cannot use the engine at %s: %v", manifest.EngineSocket, err)
		return 1
	}
	facts, sources, err := sandbox.Load(stop, engine)
	if err != nil {
		logger.Printf("cannot start the pod: %v", err)
		return 1
	}
	go func() {
		if err := sandbox.Reap(context.WithoutCancel(stop), engine); err != nil {
			logger.Printf("cannot remove what other sandboxes left: %v", err)
		}
	}()
	s := sandbox.New(sandbox.Config{
		Pod: facts.Pod, Sandbox: facts.Sandbox, Engine: sandbox.Docker(engine), Maker: spec.New(facts, sources),
		Reports: os.Stdout, Log: logger,
	})
	if err := s.Serve(sandbox.ControlSocket); err != nil {
		logger.Printf("cannot start the pod: %v", err)
		return 1
	}
	return s.Run(stop)
}
