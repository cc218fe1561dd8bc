package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Engine is a Docker Engine with a new Swarm of this one manager: the project's own rig, .ci/engine, which puts it into
// namespaces of its own.
type Engine struct {
	*Client
	Socket        string
	ControlSocket string
	dir           string
}

// StartEngine starts an engine under dir, ending first what an interrupted run left there. dir must be short (the rig
// says how short: unix sockets have short paths) and its last element names the rig's network namespaces.
func StartEngine(ctx context.Context, dir string) (*Engine, error) {
	engine := &Engine{dir: dir}
	if err := engine.up(ctx); err != nil {
		return nil, errors.Join(err, engine.Stop())
	}
	engine.Client = NewEngineClient(engine.Socket)
	return engine, nil
}

func (e *Engine) up(ctx context.Context) error {
	for _, verb := range []string{"down", "up"} {
		if _, err := e.rig(ctx, verb); err != nil {
			return err
		}
	}
	var err error
	if e.Socket, err = e.rig(ctx, "sock"); err != nil {
		return err
	}
	e.ControlSocket, err = e.rig(ctx, "control")
	return err
}

// Stop ends the engine and removes what it left.
func (e *Engine) Stop() error {
	_, err := e.rig(context.Background(), "down")
	return err
}

// rig runs a verb of .ci/engine and returns what it printed. The output passes through a file: the engines that "up"
// leaves running would hold a pipe open.
func (e *Engine) rig(ctx context.Context, verb string) (string, error) {
	out, err := os.CreateTemp("", "skep-bench-rig-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(out.Name()) }() // a temporary file
	defer func() { _ = out.Close() }()           // the child has its own copy
	command := exec.CommandContext(ctx, filepath.Join("..", "..", ".ci", "engine"), verb)
	command.Env = append(os.Environ(), "ENGINE_DIR="+e.dir)
	command.Stdout, command.Stderr = out, out
	failed := command.Run()
	text, err := os.ReadFile(out.Name())
	if failed != nil {
		return "", fmt.Errorf(".ci/engine %s: %w: %s", verb, failed, text)
	}
	return strings.TrimSpace(string(text)), err
}
