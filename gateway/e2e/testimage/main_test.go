package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is the program as well, where this is set.
const asProgram = "SKEP_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program is the program with those arguments, not yet started.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0") // a second each, else
	return cmd
}

// output runs the program, which must end with that code, and returns its stdout.
func output(t *testing.T, code int, args ...string) string {
	t.Helper()
	var errs bytes.Buffer
	cmd := program(t, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v: code %d, want %d: %s%s", args, got, code, out, errs.String())
	}
	return string(out)
}

// freePort is one that nobody listens on, on TCP.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func accepts(port string) bool {
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// serving starts the program on a port and waits until it answers there.
func serving(t *testing.T, port string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := program(t, append([]string{"--port", port}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	within(t, "it listens", func() bool { return accepts(port) })
	return cmd
}

// within calls check until it is true.
func within(t *testing.T, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !check(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time:", what)
		}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	port, file := freePort(t), filepath.Join(t.TempDir(), "ready")
	begin := time.Now()
	serving(t, port, "--ready-after", "400ms", "--ready-file", file)
	url := "http://127.0.0.1:" + port + "/readyz"
	output(t, 1, "probe", url)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	within(t, "ready", func() bool { return program(t, "probe", url).Run() == nil })
	if after := time.Since(begin); after < 400*time.Millisecond {
		t.Errorf("ready after %v", after)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	output(t, 1, "probe", url)
	output(t, 2, "probe")
}

// get says whether the connection is to be closed after the answer.
func get(url string) (last bool, err error) {
	resp, err := http.Get(url)
	if err != nil {
		return false, err
	}
	return resp.Close, resp.Body.Close()
}

// After a signal requests come and are answered for a while; then none is accepted, and those under way are finished.
func TestLinger(t *testing.T) {
	t.Parallel()
	port, lines := freePort(t), freePort(t)
	cmd := serving(t, port, "--linger", "1s", "--tcp", lines)
	url := "http://127.0.0.1:" + port
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	within(t, "the end begins", func() bool {
		last, err := get(url)
		return err == nil && last
	})
	slow := make(chan error, 1)
	go func() {
		_, err := get(url + "/delay?ms=1500")
		slow <- err
	}()
	within(t, "nothing is accepted", func() bool { return !accepts(port) })
	if err := <-slow; err != nil {
		t.Error("a request under way:", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestTalk(t *testing.T) {
	t.Parallel()
	port, lines := freePort(t), freePort(t)
	serving(t, port, "--tcp", lines, "--udp", lines)
	long := strings.Repeat("long ", 300)
	for _, args := range [][]string{
		{"tcp", "127.0.0.1:" + lines, "hello"},
		{"udp", "127.0.0.1:" + lines, "hello you"},
		{"ws", "ws://127.0.0.1:" + port + "/web/ws", "hello"},
		{"ws", "--host", "example.com", "ws://127.0.0.1:" + port + "/ws?a=b", long},
	} {
		want := hostname() + " " + args[len(args)-1] + "\n"
		if got := output(t, 0, args...); got != want {
			t.Errorf("%v: %q", args, got)
		}
	}
	output(t, 1, "tcp", "127.0.0.1:"+freePort(t), "hello")
	output(t, 1, "ws", "ws://127.0.0.1:"+port+"/", "hello")
	if got := output(t, 0, "resolve", "localhost"); !strings.HasPrefix(got, "localhost 127.0.0.1") {
		t.Errorf("localhost: %q", got)
	}
}
