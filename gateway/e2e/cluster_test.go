package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// top is the folder of go.mod.
var top = func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}()

// rig is a Swarm of .ci/engine, named by its folder.
type rig struct {
	dir string
}

// run calls .ci/engine for this rig.
func (r rig) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(top, ".ci/engine"), args...)
	cmd.Env = append(os.Environ(), "ENGINE_DIR="+r.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf(".ci/engine %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func (r rig) host(node int) string { return fmt.Sprintf("unix://%s/%d/docker.sock", r.dir, node) }

func (r rig) control(node int) string {
	return fmt.Sprintf("%s/%d/exec/swarm/control.sock", r.dir, node)
}

// stage is what the tests share; nil where there is none.
var stage *struct {
	dockerHost string
	control    string
	gateway    *gateway
}

const skipped = "needs a Swarm and the built programs: run `make e2e` (SKEP_E2E=1: real, as root), or `make e2e-simulated` (SKEP_E2E=simulated)"

// simulated says whether the Swarm's containers are make-believe.
var simulated = os.Getenv("SKEP_E2E") == "simulated"

// needContainers skips a walk that looks into containers where they are simulated.
func needContainers(t *testing.T) {
	t.Helper()
	needStage(t)
	if simulated {
		t.Skip("looks into containers, which are simulated here: run `make e2e`")
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("SKEP_E2E") == "" {
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		down, err := setUp()
		defer down()
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		return m.Run()
	}())
}

// setUp starts a Swarm, if none is given, and the gateway. The function that it returns ends what it started.
func setUp() (down func(), err error) {
	var undo []func()
	down = func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
	for _, program := range []string{skepBin, kubectlBin} {
		if _, err := os.Stat(program); err != nil {
			return down, fmt.Errorf("%w: run `make build` first", err)
		}
	}
	work, err := os.MkdirTemp("", "skep-e2e-")
	if err != nil {
		return down, err
	}
	undo = append(undo, func() { _ = os.RemoveAll(work) })

	host, control := os.Getenv("SKEP_E2E_DOCKER_HOST"), os.Getenv("SKEP_E2E_CONTROL_SOCKET")
	switch {
	case simulated:
		var end func()
		if host, control, end, err = simulate(filepath.Join(work, "swarm")); err != nil {
			return down, err
		}
		undo = append(undo, end)
	case host == "":
		r := rig{dir: os.Getenv("ENGINE_DIR")}
		if r.dir == "" {
			r.dir = filepath.Join(work, "swarm")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if _, err := os.Stat(r.dir); err != nil {
			undo = append(undo, func() { _, _ = r.run(context.Background(), "down") })
		}
		if _, err := r.run(ctx, "up"); err != nil {
			return down, err
		}
		host, control = r.host(1), r.control(1)
	}

	g, err := start(options{dockerHost: host, control: control, dataDir: filepath.Join(work, "data"), dir: work})
	if err != nil {
		return down, err
	}
	undo = append(undo, g.stop)
	stage = &struct {
		dockerHost string
		control    string
		gateway    *gateway
	}{host, control, g}
	return down, nil
}

// needStage skips the test where there is nothing to walk on.
func needStage(t *testing.T) {
	t.Helper()
	if stage == nil {
		t.Skip(skipped)
	}
}

// eventually calls check until it returns nil, and fails the test with its last error after timeout.
func eventually(t *testing.T, timeout time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", timeout, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
