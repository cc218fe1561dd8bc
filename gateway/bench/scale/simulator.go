package scale

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"skep/gateway/bench"
)

// Simulator is a Swarm whose nodes and containers are make-believe, in a process of its own.
type Simulator struct {
	*bench.Engine
	Process *bench.Process
}

// StartSimulator starts a Swarm of so many nodes with its sockets in dir, whose path must be short.
func StartSimulator(ctx context.Context, dir string, nodes int) (*Simulator, error) {
	program, err := buildSimulator(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	process, err := bench.Start(filepath.Join(dir, "simulator.log"), program,
		"--nodes", strconv.Itoa(nodes), "--dir", dir, "--seed", "1")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "docker.sock")
	s := &Simulator{Process: process, Engine: &bench.Engine{
		Client: bench.NewEngineClient(socket), Socket: socket, ControlSocket: filepath.Join(dir, "swarm", "control.sock"),
	}}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := process.Await(ctx, s.answers); err != nil {
		process.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Simulator) answers(ctx context.Context) error {
	if _, err := s.Do(ctx, bench.Request{Method: http.MethodGet, Path: "/_ping"}); err != nil {
		return err
	}
	_, err := os.Stat(s.ControlSocket)
	return err
}

// Stop ends the Swarm.
func (s *Simulator) Stop() { s.Process.Stop() }

// buildSimulator leaves the program in bin/ at the top of the tree: it is of another module than this one.
func buildSimulator(ctx context.Context) (string, error) {
	if program := os.Getenv("SIMULATE_BIN"); program != "" {
		return program, nil
	}
	module, err := bench.Module()
	if err != nil {
		return "", err
	}
	top := filepath.Join(module, "..", "..")
	program := filepath.Join(top, "bin", "skep-simulate")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./skep-simulate")
	build.Dir, build.Stderr = filepath.Join(top, "swarm", "simulator"), os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("%v in %s: %w", build.Args, build.Dir, err)
	}
	return program, nil
}
