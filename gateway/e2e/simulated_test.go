package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// simulatedRules make the simulated Swarm behave as an engine with the test images does.
const simulatedRules = `
tasks:
- {image: "*:nowhere*", pull: "No such image: skep-test:nowhere"}
- {stop: 500ms} # so long a Pod is seen to terminate
`

// simulate starts a simulated Swarm of one node whose files are in dir.
func simulate(dir string) (host, control string, end func(), err error) {
	rules := filepath.Join(filepath.Dir(dir), "rules.yaml")
	if err := os.WriteFile(rules, []byte(simulatedRules), 0o600); err != nil {
		return "", "", nil, err
	}
	cmd := exec.Command(skepBin, "simulate", "--nodes", "1", "--dir", dir, "--seed", "1", "--rules", rules)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return "", "", nil, err
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // that it ends is all there is to know
	}()
	end = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-exited
	}
	host, control = "unix://"+filepath.Join(dir, "docker.sock"), filepath.Join(dir, "swarm", "control.sock")
	for range 200 {
		if exec.Command("docker", "-H", host, "info").Run() == nil {
			return host, control, end, nil
		}
		select {
		case <-exited:
			return "", "", nil, errors.New("the simulator has ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
	end()
	return "", "", nil, fmt.Errorf("the simulator does not answer at %s", host)
}
