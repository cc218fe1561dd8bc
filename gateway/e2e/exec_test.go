package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// spdy makes kubectl speak as it did before it knew WebSockets.
var spdy = []string{"KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false", "KUBECTL_PORT_FORWARD_WEBSOCKETS=false"}

// protocols are how kubectl speaks to containers.
var protocols = map[string][]string{"websocket": nil, "spdy": spdy}

// command is kubectl in the namespace, not started yet.
func (s *space) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	program := append(slices.Clone(s.gateway.inside), kubectlBin)
	program = append(program, s.args(args)...)
	cmd := exec.CommandContext(ctx, program[0], program[1:]...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// said is what a program left.
type said struct {
	stdout, stderr string
	code           int
}

// calls runs kubectl with an environment and an input, to its end, whatever that is.
func (s *space) calls(env []string, stdin io.Reader, args ...string) said {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 8*time.Minute)
	defer cancel()
	cmd := s.command(ctx, env, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// noise is so many bytes that no protocol can guess, always the same.
func noise(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{5}).Read(data)
	return data
}

// targets are Pods of each kind: a plain task, a sandbox with two containers, and one that docker service create made.
// Each is named by what exec needs to find its container.
func (s *space) targets() map[string][]string {
	s.t.Helper()
	s.applyText(sandboxed("plain", "Always", "  containers:\n"+shell("main", "sleep 3600")) +
		sandboxed("pair", "Always", "  containers:\n"+shell("main", "sleep 3600")+shell("other", "sleep 3600")))
	s.docker("service", "create", "--detach", "--name", s.ns+"_foreign", "--label", "com.docker.stack.namespace="+s.ns,
		"--stop-grace-period", "1s", "--no-resolve-image", "busybox", "sleep", "3600")
	s.t.Cleanup(func() {
		_, _ = run(context.Background(), "", "docker", "-H", s.dockerHost, "service", "rm", s.ns+"_foreign")
	})
	s.ready("plain", "pair")
	s.waitField(waitLong, "deployment/foreign", ".status.readyReplicas", "1")
	return map[string][]string{"plain": {"plain"}, "sandbox": {"pair", "-c", "other"}, "foreign": {"deployment/foreign"}}
}

func TestExec(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	data := noise(3 << 20)
	sum := fmt.Sprintf("%x  -\n", sha256.Sum256(data))
	for kind, target := range s.targets() {
		for protocol, env := range protocols {
			in := func(stdin []byte, flags []string, line string) said {
				args := append(append([]string{"exec"}, flags...), target...)
				return s.calls(env, bytes.NewReader(stdin), append(args, "--", "sh", "-c", line)...)
			}
			what := kind + " by " + protocol
			if got := in(nil, nil, "echo out; echo err >&2; exit 7"); got.code != 7 || got.stdout != "out\n" ||
				!strings.HasPrefix(got.stderr, "err\n") || !strings.Contains(got.stderr, "command terminated with exit code 7") {
				t.Errorf("%s: exec says %+v", what, got)
			}
			if got := in(data, []string{"-i"}, "sha256sum"); got.stdout != sum || got.code != 0 {
				t.Errorf("%s: %d bytes arrive as %+v, want %s", what, len(data), got, sum)
			}
			if got := in(data, []string{"-i"}, "cat"); got.stdout != string(data) || got.code != 0 {
				t.Errorf("%s: of %d bytes %d come back, and code %d: %s", what, len(data), len(got.stdout), got.code, got.stderr)
			}
			if got := in(nil, nil, "/no/such/program"); got.code != 127 {
				t.Errorf("%s: a program that is missing: %+v", what, got)
			}
		}
		got := s.calls(nil, nil, append(append([]string{"exec"}, target...), "--", "/no/such/program")...)
		if got.code == 0 || !strings.Contains(got.stderr, "/no/such/program") {
			t.Errorf("%s: without a shell a program that is missing: %+v", kind, got)
		}
	}
	contains(t, s.refused("", "exec", "plain", "-c", "nosuch", "--", "true"), "container nosuch is not valid for pod plain")
}

// 100 MB, byte for byte.
func TestExecMuch(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(sandboxed("pair", "Always", "  containers:\n"+shell("main", "sleep 3600")+shell("other", "sleep 3600")))
	s.ready("pair")
	data := noise(100 << 20)
	want := fmt.Sprintf("%x  -\n", sha256.Sum256(data))
	if got := s.calls(nil, bytes.NewReader(data), "exec", "-i", "pair", "-c", "other", "--", "sha256sum"); got.stdout != want {
		t.Errorf("100 MB arrive as %+v, want %s", got, want)
	}
}

// A client that goes takes along what it started.
func TestExecDropped(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	for kind, target := range s.targets() {
		ctx, drop := context.WithCancel(t.Context())
		cmd := s.command(ctx, nil, append(append([]string{"exec"}, target...), "--", "sleep", "4711")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		there := func(want bool) {
			t.Helper()
			eventually(t, waitLong, func() error {
				got := s.calls(nil, nil, append(append([]string{"exec"}, target...), "--", "ps")...)
				if got.code != 0 || strings.Contains(got.stdout, "sleep 4711") != want {
					return fmt.Errorf("%s: the process is to be there: %v; code %d:\n%s%s", kind, want, got.code, got.stdout, got.stderr)
				}
				return nil
			})
		}
		there(true)
		drop()
		_ = cmd.Wait() // it was killed
		there(false)
	}
}

// terminal is a pseudo terminal: the side that is typed at, and the one that a program has.
func terminal(t *testing.T, rows, columns uint16) (typed, program *os.File) {
	t.Helper()
	typed, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a pseudo terminal: %v", err)
	}
	t.Cleanup(func() { _ = typed.Close() })
	fd := int(typed.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	resize(t, typed, rows, columns)
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return typed, program
}

func resize(t *testing.T, terminal *os.File, rows, columns uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
}

// output may be read while a program writes it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String implements fmt.Stringer.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// onTerminal starts kubectl on a terminal; what it prints there is to be had from the function.
func (s *space) onTerminal(env []string, args ...string) (cmd *exec.Cmd, typed *os.File, printed func() string) {
	s.t.Helper()
	typed, program := terminal(s.t, 33, 101)
	cmd = s.command(s.t.Context(), env, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	out := &output{}
	go func() { _, _ = io.Copy(out, typed) }() // ends with the terminal
	return cmd, typed, out.String
}

// A terminal: it is one, it has the client's size, follows it, and its exit code comes back.
func TestExecTerminal(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(sandboxed("pair", "Always", "  containers:\n"+shell("main", "sleep 3600")+shell("other", "sleep 3600")))
	s.ready("pair")
	for protocol, env := range protocols {
		t.Run(protocol, func(t *testing.T) {
			cmd, typed, printed := s.onTerminal(env, "exec", "-it", "pair", "-c", "other", "--", "sh")
			// The size comes after the start, on a stream of its own: until then there is none.
			sized := func(want string) {
				t.Helper()
				eventually(t, waitLong, func() error {
					fmt.Fprintln(typed, "test -t 0 && stty size")
					if !strings.Contains(printed(), want) {
						return fmt.Errorf("of a terminal of %s stands there %q", want, printed())
					}
					return nil
				})
			}
			sized("33 101")
			resize(t, typed, 44, 122)
			sized("44 122")
			fmt.Fprintln(typed, "exit 9")
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 9 {
				t.Errorf("the shell's end: %v, after %q", err, printed())
			}
		})
	}
}

// attach, and run -it --rm.
func TestAttach(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	for protocol, env := range protocols {
		name := "echo-" + protocol
		s.applyText(sandboxed(name, "Never", "  containers:\n"+shell("main", "while read line; do echo got $line; done; echo over", "    stdin: true\n    stdinOnce: true\n")+
			shell("other", "sleep 1; echo other")))
		eventually(t, waitLong, func() error {
			if s.container(name, "main", ".state.running.startedAt") == "" {
				return errors.New("the container does not run")
			}
			return nil
		})
		got := s.calls(env, strings.NewReader("one\ntwo\n"), "attach", "-i", name, "-c", "main")
		if got.code != 0 || !strings.Contains(got.stdout, "got one\ngot two\n") {
			t.Errorf("attach by %s says %+v", protocol, got)
		}
		s.waitField(waitLong, "pod/"+name, ".status.phase", "Succeeded")
		contains(t, s.kubectl("logs", name, "-c", "main"), "got two", "over")

		got = s.calls(env, strings.NewReader("bees\n"), "run", "ask-"+protocol, "-i", "--rm", "--restart=Never", "--image=busybox",
			"--image-pull-policy=IfNotPresent", "--pod-running-timeout=2m", "--", "sh", "-c", "read x; echo hello $x; exit 0")
		if got.code != 0 || !strings.Contains(got.stdout, "hello bees") || !strings.Contains(got.stdout, "deleted") {
			t.Errorf("run -i --rm by %s says %+v", protocol, got)
		}
		got = s.calls(env, strings.NewReader(""), "run", "fail-"+protocol, "-i", "--rm", "--restart=Never", "--image=busybox",
			"--image-pull-policy=IfNotPresent", "--pod-running-timeout=2m", "--", "sh", "-c", "read x; exit 6")
		if got.code != 6 {
			t.Errorf("run -i --rm of what fails, by %s, says %+v", protocol, got)
		}
	}
	cmd, typed, printed := s.onTerminal(nil, "run", "typed", "-it", "--rm", "--restart=Never", "--image=busybox",
		"--image-pull-policy=IfNotPresent", "--pod-running-timeout=2m", "--", "sh")
	eventually(t, waitLong, func() error {
		fmt.Fprintln(typed, "echo $((6*7))-$(stty size)")
		if !strings.Contains(printed(), "42-33 101") {
			return fmt.Errorf("the terminal shows %q", printed())
		}
		return nil
	})
	fmt.Fprintln(typed, "exit")
	if err := cmd.Wait(); err != nil {
		t.Errorf("run -it: %v, after %q", err, printed())
	}
	eventually(t, waitLong, func() error {
		if s.field("pod/typed", ".metadata.name") != "" {
			return errors.New("--rm has left the Pod")
		}
		return nil
	})
}

// cp both ways, with tar in the container as kubectl has it.
func TestCopy(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	dir := t.TempDir()
	data := noise(2 << 20)
	if err := os.MkdirAll(filepath.Join(dir, "tree/sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"tree/blob": data, "tree/sub/text": []byte("hello\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for kind, target := range s.targets() {
		pod, flags := target[0], target[1:]
		if deployment, found := strings.CutPrefix(pod, "deployment/"); found {
			pods := strings.Fields(s.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.name}"))
			pod = pods[slices.IndexFunc(pods, func(name string) bool { return strings.HasPrefix(name, deployment+"-") })]
		}
		for protocol, env := range protocols {
			back := filepath.Join(dir, kind+protocol)
			cp := func(from, to string) {
				t.Helper()
				if got := s.calls(env, nil, append([]string{"cp", from, to}, flags...)...); got.code != 0 {
					t.Errorf("%s by %s: cp says %+v", kind, protocol, got)
				}
			}
			cp(filepath.Join(dir, "tree"), pod+":/tmp/"+protocol)
			cp(pod+":/tmp/"+protocol, back)
			if got, err := os.ReadFile(filepath.Join(back, "blob")); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s by %s: a file comes back with %d bytes, %v", kind, protocol, len(got), err)
			}
			if got, err := os.ReadFile(filepath.Join(back, "sub/text")); err != nil || string(got) != "hello\n" {
				t.Errorf("%s by %s: a file of a folder comes back as %q, %v", kind, protocol, got, err)
			}
		}
	}
}
