package swarm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The engine that the store is tested on: SKEP_TEST_DOCKER_HOST and SKEP_TEST_CONTROL_SOCKET name it, as
// `make test` does; without them one is started by .ci/engine, where that can be.

// rig is the engine that these tests started; TestMain ends it.
var rig struct {
	dir  string
	host string
	err  error
	up   bool
}

func TestMain(m *testing.M) {
	code := m.Run()
	if simulated.simulation != nil {
		simulated.simulation.Stop()
	}
	if rig.dir != "" {
		if out, err := engineScript("down").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s\n%v\n", out, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func engineScript(verb string) *exec.Cmd {
	cmd := exec.Command("../.ci/engine", verb)
	cmd.Env = append(os.Environ(), "ENGINE_DIR="+rig.dir)
	return cmd
}

// needHost returns the addresses of an engine and its control socket ("none" when there is none), or skips
// the test.
func needHost(t *testing.T) (host, control string) {
	t.Helper()
	if host := os.Getenv("SKEP_TEST_DOCKER_HOST"); host != "" {
		if control = os.Getenv("SKEP_TEST_CONTROL_SOCKET"); control == "" {
			control = "none"
		}
		return host, control
	}
	const needs = "this needs a Docker Engine that manages a Swarm: name it in SKEP_TEST_DOCKER_HOST, or run as root where dockerd is installed"
	if testing.Short() {
		t.Skip(needs + "; -short starts none")
	}
	if !rig.up {
		rig.up = true
		rig.err = startRig()
	}
	if errors.Is(rig.err, exec.ErrNotFound) || errors.Is(rig.err, os.ErrPermission) {
		t.Skipf("%s (%v)", needs, rig.err)
	}
	if rig.err != nil { // an engine that is there and does not start is no reason to pass
		t.Fatalf("the test engine does not start: %v", rig.err)
	}
	return rig.host, filepath.Join(rig.dir, "1/exec/swarm/control.sock")
}

func startRig() error {
	if _, err := exec.LookPath("dockerd"); err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return os.ErrPermission
	}
	dir, err := os.MkdirTemp("", "skep-swarm-")
	if err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil { // .ci/engine makes it
		return err
	}
	rig.dir, rig.host = dir, "unix://"+filepath.Join(dir, "1/docker.sock")
	if out, err := engineScript("up").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// simulated is the simulated Swarm of these tests; TestMain ends it.
var simulated struct {
	once       sync.Once
	simulation *Simulation
	err        error
}

// needSimulation returns a simulated Swarm, by a simulator that is built of what is in the tree.
func needSimulation(t *testing.T) *Simulation {
	t.Helper()
	if testing.Short() {
		t.Skip("this needs a simulated Swarm, whose program is built first: run without -short")
	}
	simulated.once.Do(func() {
		bin := filepath.Join(os.TempDir(), fmt.Sprintf("skep-test-%d", os.Getpid()))
		defer func() { _ = os.RemoveAll(bin) }() // it is not needed once it runs
		build := exec.Command("go", "-C", "simulator", "build", "-o", filepath.Join(bin, simulatorName), "./"+simulatorName)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			simulated.err = fmt.Errorf("%w: %s", err, out)
			return
		}
		t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
		simulated.simulation, simulated.err = Simulate(context.Background(), 3)
	})
	if simulated.err != nil {
		t.Fatalf("no simulated Swarm: %v", simulated.err)
	}
	return simulated.simulation
}

// feeds are the ways to hear of changes: the two of a real Swarm, those of a simulated one, and a fake that needs
// neither.
var feeds = []string{"fake", "simulated-pushed", "simulated-events", "pushed", "events"}

// needEngine connects to an engine by one of the feeds, or skips the test.
func needEngine(t *testing.T, feed string) *Engine {
	t.Helper()
	if feed == "fake" {
		e, _ := fakeEngine()
		return e
	}
	var host, control string
	if kind, ok := strings.CutPrefix(feed, "simulated-"); ok {
		o := needSimulation(t).Options
		host, control, feed = o.Host, o.ControlSocket, kind
	} else {
		host, control = needHost(t)
	}
	if feed == "pushed" && control == "none" {
		t.Skip("this needs SwarmKit's control socket: name it in SKEP_TEST_CONTROL_SOCKET")
	}
	if feed == "events" {
		control = "none"
	}
	e, err := Connect(t.Context(), Options{Host: host, ControlSocket: control})
	if err != nil {
		t.Fatal(err)
	}
	if e.Pushed() != (feed == "pushed") {
		t.Fatalf("changes are pushed: %v, wanted by %s", e.Pushed(), feed)
	}
	t.Cleanup(e.Close)
	return e
}

// follow has the mirror follow the engine until the test ends.
func follow(t *testing.T, m *Mirror, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Follow(ctx, e)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	wait, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	if err := m.WaitSynced(wait); err != nil {
		t.Fatalf("the Swarm was not read: %v", m.Ready())
	}
}

// testSealer seals with a key of zeros.
func testSealer(tb testing.TB) Sealer {
	tb.Helper()
	s, err := NewSealer(make([]byte, 32))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// eventually fails the test unless check returns "" within five seconds; else check says what is missing.
func eventually(t *testing.T, check func() string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		missing := check()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(missing)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// contains fails the test unless text has the part.
func contains(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q is missing in %q", part, text)
	}
}
