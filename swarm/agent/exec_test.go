package agent_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
)

func TestExecExitCode(t *testing.T) {
	s := newStage(t)
	id := s.idle(t)
	var out, errOut bytes.Buffer
	err := s.exec(t.Context(), t, id, remotecommand.StreamOptions{Stdout: &out, Stderr: &errOut},
		"sh", "-c", "echo here; echo there >&2; exit 42")
	var exit utilexec.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 42 {
		t.Errorf("exit code 42 came as %v", err)
	}
	if out.String() != "here\n" || errOut.String() != "there\n" {
		t.Errorf("stdout %q, stderr %q", out.String(), errOut.String())
	}
}

// The output may end long before the command.
func TestExecOutputClosed(t *testing.T) {
	s := newStage(t)
	err := s.exec(t.Context(), t, s.idle(t), remotecommand.StreamOptions{Stdout: io.Discard, Stderr: io.Discard},
		"sh", "-c", "exec >&- 2>&-; sleep 1; exit 3")
	var exit utilexec.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 3 {
		t.Errorf("exit code 3 came as %v", err)
	}
}

func TestExecRefused(t *testing.T) {
	s := newStage(t)
	id := s.idle(t)
	var out safeBuffer
	o := remotecommand.StreamOptions{Stdout: &out, Stderr: &out}
	err := s.exec(t.Context(), t, id, o, "no-such-command")
	if err == nil || !strings.Contains(err.Error(), "executable file not found") || out.String() != "" {
		t.Errorf("a command that is not there: %v, output %q", err, out.String())
	}
	const mine = "OCI runtime exec failed: says the user"
	if got := s.output(t, id, "printf", mine); got != mine {
		t.Errorf("a command's own output came as %q", got)
	}
	err = s.exec(t.Context(), t, strings.Repeat("0", 64), o, "true")
	if err == nil || !strings.Contains(err.Error(), "container not found") {
		t.Errorf("a container that is not there: %v", err)
	}
	seconds := 0
	if err := s.docker.ContainerStop(t.Context(), id, container.StopOptions{Timeout: &seconds}); err != nil {
		t.Fatal(err)
	}
	err = s.exec(t.Context(), t, id, o, "true")
	if err == nil || !strings.Contains(err.Error(), "container not running") {
		t.Errorf("a container that does not run: %v", err)
	}
}

func TestExecStdin(t *testing.T) {
	s := newStage(t)
	const size = 100 << 20
	sum := sha256.New()
	in := io.TeeReader(io.LimitReader(rand.New(rand.NewSource(1)), size), sum)
	var out bytes.Buffer
	if err := s.exec(t.Context(), t, s.idle(t), remotecommand.StreamOptions{Stdin: in, Stdout: &out, Stderr: io.Discard}, "sha256sum"); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x  -\n", sum.Sum(nil)); out.String() != want {
		t.Errorf("100 MiB arrived as %q, not %q", out.String(), want)
	}
}

func TestExecStdout(t *testing.T) {
	s := newStage(t)
	sum := sha256.New()
	o := remotecommand.StreamOptions{Stdout: sum, Stderr: io.Discard}
	if err := s.exec(t.Context(), t, s.idle(t), o, "sh", "-c", "yes | head -c 100000000"); err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(bytes.Repeat([]byte("y\n"), 50000000))
	if !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Error("100 MB of output did not arrive as they were written")
	}
}

// sizes is a terminal whose size changes when told.
type sizes chan remotecommand.TerminalSize

func (s sizes) Next() *remotecommand.TerminalSize {
	size, ok := <-s
	if !ok {
		return nil
	}
	return &size
}

func TestExecTerminal(t *testing.T) {
	s := newStage(t)
	id := s.idle(t)
	in, keys := io.Pipe()
	var out safeBuffer
	size := make(sizes, 1)
	size <- remotecommand.TerminalSize{Width: 111, Height: 33}
	done := make(chan error, 1)
	go func() {
		o := remotecommand.StreamOptions{Stdin: in, Stdout: &out, Tty: true, TerminalSizeQueue: size}
		done <- s.exec(t.Context(), t, id, o, "sh", "-c", `while read x; do
			case $x in size) echo size: $(stty size);; end) exit 7;; *) echo got: $x;; esac; done`)
	}()
	eventually(t, "the first size is the terminal's", func() bool {
		fmt.Fprintln(keys, "size")
		return strings.Contains(out.String(), "size: 33 111")
	})
	size <- remotecommand.TerminalSize{Width: 80, Height: 24}
	eventually(t, "the second size is the terminal's", func() bool {
		fmt.Fprintln(keys, "size")
		return strings.Contains(out.String(), "size: 24 80")
	})
	fmt.Fprint(keys, "\x10\x11end of Docker's default detach keys\n")
	eventually(t, "ctrl-p ctrl-q detach nothing", func() bool { return strings.Contains(out.String(), "end of Docker's default") })
	fmt.Fprintln(keys, "end")
	var exit utilexec.ExitError
	if err := <-done; !errors.As(err, &exit) || exit.ExitStatus() != 7 {
		t.Errorf("exit code 7 came as %v", err)
	}
	close(size)
}

func TestExecDroppedClient(t *testing.T) {
	for _, c := range []struct {
		name    string
		stdin   io.Reader
		tty     bool
		command string
	}{
		{"deaf", nil, false, "sleep 4711"},
		{"family", nil, false, "sleep 4711 & (trap '' HUP; sleep 4711; true)"},
		{"terminal", neverRead{}, true, "sleep 4711"},
		{"shell", neverRead{}, false, "cat; sleep 4711"},
		// What it was sent stays unread, so that nothing after it is seen.
		{"flooded", zeros{}, false, "sleep 4711"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			id := s.idle(t)
			cut := s.through(t)
			o := remotecommand.StreamOptions{Stdin: c.stdin, Stdout: io.Discard, Tty: c.tty}
			client := s.stream(t, "exec", id, url.Values{"command": {"sh", "-c", c.command + "; true # 4711"}}, o)
			go func() { _ = client.StreamWithContext(t.Context(), o) }() // some never return, which is how clients are
			eventually(t, "the command runs", func() bool { return strings.Contains(s.processes(t, id), "4711") })
			cut()
			eventually(t, "the command has ended", func() bool { return !strings.Contains(s.processes(t, id), "4711") })
			eventually(t, "the helper is gone", func() bool { return s.helpers(t, id) == 0 })
			if !strings.Contains(s.processes(t, id), "sleep 100000") {
				t.Error("the container's own process ended as well")
			}
		})
	}
}

// neverRead is a person who types nothing.
type neverRead struct{}

func (neverRead) Read([]byte) (int, error) { select {} }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAttach(t *testing.T) {
	s := newStage(t)
	id := s.run(t, func(c *container.Config, _ *container.HostConfig) { c.OpenStdin, c.StdinOnce = true, true },
		"sh", "-c", "while read x; do echo got: $x; echo also: $x >&2; done; echo end")
	var out, errOut bytes.Buffer
	o := remotecommand.StreamOptions{Stdin: strings.NewReader("one\ntwo\n"), Stdout: &out, Stderr: &errOut}
	if err := s.stream(t, "attach", id, url.Values{}, o).StreamWithContext(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if out.String() != "got: one\ngot: two\nend\n" || errOut.String() != "also: one\nalso: two\n" {
		t.Errorf("stdout %q, stderr %q", out.String(), errOut.String())
	}
}

// A client that has no more input still sees what the container writes.
func TestAttachSharedStdin(t *testing.T) {
	s := newStage(t)
	id := s.run(t, func(c *container.Config, _ *container.HostConfig) { c.OpenStdin = true },
		"sh", "-c", "read x; sleep 2; echo got: $x; read y; echo never")
	var out safeBuffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		o := remotecommand.StreamOptions{Stdin: strings.NewReader("one\n"), Stdout: &out}
		done <- s.stream(t, "attach", id, url.Values{}, o).StreamWithContext(ctx, o)
	}()
	eventually(t, "the container's answer arrives", func() bool { return out.String() == "got: one\n" })
	cancel()
	if err := <-done; err == nil {
		t.Error("the first client ended before it left")
	}
	var second safeBuffer
	o := remotecommand.StreamOptions{Stdin: strings.NewReader("two\n"), Stdout: &second}
	if err := s.stream(t, "attach", id, url.Values{}, o).StreamWithContext(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if second.String() != "never\n" {
		t.Errorf("a second client saw %q", second.String())
	}
}

func TestAttachTerminal(t *testing.T) {
	s := newStage(t)
	id := s.run(t, func(c *container.Config, _ *container.HostConfig) { c.OpenStdin, c.StdinOnce, c.Tty = true, true, true },
		"sh", "-c", "while read x; do echo size: $(stty size); [ $x != end ] || exit; done")
	in, keys := io.Pipe()
	var out safeBuffer
	size := make(sizes, 1)
	size <- remotecommand.TerminalSize{Width: 99, Height: 44}
	done := make(chan error, 1)
	go func() {
		o := remotecommand.StreamOptions{Stdin: in, Stdout: &out, Tty: true, TerminalSizeQueue: size}
		done <- s.stream(t, "attach", id, url.Values{}, o).StreamWithContext(t.Context(), o)
	}()
	eventually(t, "the size is the terminal's", func() bool {
		fmt.Fprintln(keys, "size")
		return strings.Contains(out.String(), "size: 44 99")
	})
	fmt.Fprintln(keys, "end")
	if err := <-done; err != nil {
		t.Error(err)
	}
	close(size)
}
