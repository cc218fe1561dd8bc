package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/docker/docker/client"
)

// simulatorName is the program of swarm/simulator, which is a module of its own: it lies beside skep.
const simulatorName = "skep-simulate"

// SimulatorPath finds the simulator beside this program, else in PATH.
func SimulatorPath() (string, error) {
	own, err := os.Executable()
	if err == nil {
		beside := filepath.Join(filepath.Dir(own), simulatorName)
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath(simulatorName)
	if err != nil {
		return "", fmt.Errorf("the simulator is not here: put the program %s beside skep, or into PATH (make build makes both)", simulatorName)
	}
	return path, nil
}

// Simulation is a simulated Swarm that this program has started.
type Simulation struct {
	Options // that reach it

	command *exec.Cmd
	tie     io.Closer // the simulator ends when it is closed, so it cannot be left behind
	dir     string
	exited  chan struct{}
}

// simulationStart is how long a simulator may take to answer.
const simulationStart = 30 * time.Second

// Simulate starts a Swarm of simulated nodes and waits until it answers. Its errors are sentences for a person.
func Simulate(ctx context.Context, nodes int) (*Simulation, error) {
	path, err := SimulatorPath()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "skep-simulated-")
	if err != nil {
		return nil, err
	}
	s := &Simulation{
		Options: Options{Host: "unix://" + filepath.Join(dir, "docker.sock"), ControlSocket: filepath.Join(dir, "swarm", "control.sock")},
		command: exec.Command(path, "--until-eof", "--nodes", strconv.Itoa(nodes), "--dir", dir),
		dir:     dir, exited: make(chan struct{}),
	}
	s.command.Stderr = os.Stderr
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is for us: we end it when we are done
	if s.tie, err = s.command.StdinPipe(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("the simulator does not start: %w", err), os.RemoveAll(dir))
	}
	go func() {
		defer close(s.exited)
		_ = s.command.Wait() // what it has to say it has said to standard error
	}()
	if err := s.await(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// await waits until the simulated Engine answers.
func (s *Simulation) await(ctx context.Context) error {
	c, err := client.NewClientWithOpts(client.WithHost(s.Host))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // it holds idle connections only
	ctx, cancel := context.WithTimeout(ctx, simulationStart)
	defer cancel()
	for {
		if _, err = c.Ping(ctx); err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return errors.New("the simulator has ended at once; what it said stands above")
		case <-ctx.Done():
			return fmt.Errorf("the simulator does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the Swarm and removes its files.
func (s *Simulation) Stop() {
	_ = s.tie.Close()
	select {
	case <-s.exited:
	case <-time.After(5 * time.Second):
		_ = s.command.Process.Kill()
		<-s.exited
	}
	_ = os.RemoveAll(s.dir) // temporary
}
