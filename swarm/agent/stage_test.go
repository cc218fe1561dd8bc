package agent_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"

	"skep/swarm/agent"
	"skep/translate/manifest"
)

// testImage is skep's image for these tests: the agent's program and nothing else.
const testImage = "skep-agent-test:latest"

// patience is for what must happen, however slow the machine.
const patience = 60 * time.Second

// stage is an agent on a real Engine, its address and how to be let in.
type stage struct {
	docker *client.Client
	url    string
	tls    rest.TLSClientConfig
}

// client says how clients connect.
func (s *stage) client() *rest.Config { return &rest.Config{Host: s.url, TLSClientConfig: s.tls} }

func newStage(t *testing.T) *stage {
	t.Helper()
	return newStageOf(t, testImage)
}

// newStageOf is a stage whose agent makes its helpers of an image.
func newStageOf(t *testing.T, image string) *stage {
	t.Helper()
	host := os.Getenv("SKEP_TEST_DOCKER_HOST")
	if host == "" {
		t.Skip("this needs a Docker Engine with the image busybox: name it in SKEP_TEST_DOCKER_HOST")
	}
	docker, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	importImage(t, docker)
	server := httptest.NewServer(agent.New(docker, agent.Options{Image: image, Node: "here"}).Handler())
	t.Cleanup(server.Close)
	return &stage{docker: docker, url: server.URL}
}

// programs are the agent's and the one that its ports are forwarded to, by name.
var programs = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "skep-agent")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // of a test
	out := map[string][]byte{}
	for _, name := range []string{"skep-agent", "testserver"} {
		path := filepath.Join(dir, name)
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", path, "skep/swarm/agent/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return nil, err
		}
		if out[name], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return out, nil
})

// importImage makes testImage of the programs.
func importImage(t *testing.T, docker *client.Client) {
	t.Helper()
	binaries, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	files := archive(t, binaries)
	progress, err := docker.ImageImport(t.Context(), image.ImportSource{Source: files, SourceName: "-"}, testImage, image.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer progress.Close() //nolint:errcheck // it was only read
	if _, err := io.Copy(io.Discard, progress); err != nil {
		t.Fatal(err)
	}
}

// archive is a tar of programs.
func archive(t *testing.T, programs map[string][]byte) io.Reader {
	t.Helper()
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for name, program := range programs {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(program))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(program); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &files
}

// run starts a container of busybox.
func (s *stage) run(t *testing.T, change func(*container.Config, *container.HostConfig), command ...string) string {
	t.Helper()
	config := &container.Config{Image: "busybox", Cmd: command}
	host := &container.HostConfig{}
	if change != nil {
		change(config, host)
	}
	made, err := s.docker.ContainerCreate(t.Context(), config, host, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.remove(t, made.ID) })
	if err := s.docker.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func (s *stage) remove(t *testing.T, id string) {
	t.Helper()
	err := s.docker.ContainerRemove(context.WithoutCancel(t.Context()), id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		t.Error(err)
	}
}

// idle is a container that waits.
func (s *stage) idle(t *testing.T) string {
	t.Helper()
	return s.run(t, nil, "sleep", "100000")
}

// stream is upstream's client for a stream of the agent's: verb and ID are its path, q what else it is asked.
func (s *stage) stream(t *testing.T, verb, id string, q url.Values, o remotecommand.StreamOptions) remotecommand.Executor {
	t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + verb + "/default/pod/" + id
	for name, wanted := range map[string]bool{"input": o.Stdin != nil, "output": o.Stdout != nil, "error": o.Stderr != nil, "tty": o.Tty} {
		if wanted {
			q.Set(name, "1")
		}
	}
	u.RawQuery = q.Encode()
	executor, err := remotecommand.NewSPDYExecutor(s.client(), "POST", u)
	if err != nil {
		t.Fatal(err)
	}
	return executor
}

// exec runs a command as kubectl does.
func (s *stage) exec(ctx context.Context, t *testing.T, id string, o remotecommand.StreamOptions, command ...string) error {
	t.Helper()
	return s.stream(t, "exec", id, url.Values{"command": command}, o).StreamWithContext(ctx, o)
}

// through puts something between the clients and the agent that can be cut, as when a client's machine is gone.
func (s *stage) through(t *testing.T) (cut func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	agent := strings.TrimPrefix(s.url, "http://")
	s.url = "http://" + listener.Addr().String()
	var mu sync.Mutex
	var conns []*net.TCPConn
	cut = func() {
		_ = listener.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
	t.Cleanup(cut)
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", agent)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			conns = append(conns, near.(*net.TCPConn), far.(*net.TCPConn))
			mu.Unlock()
			go func() { _, _ = io.Copy(near, far) }()
			go func() { _, _ = io.Copy(far, near) }()
		}
	}()
	return cut
}

// output is what a command in a container writes.
func (s *stage) output(t *testing.T, id string, command ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if err := s.exec(t.Context(), t, id, remotecommand.StreamOptions{Stdout: &out, Stderr: &errOut}, command...); err != nil {
		t.Fatalf("%q: %v, %s", command, err, errOut.String())
	}
	return out.String()
}

// processes are the commands that run in a container.
func (s *stage) processes(t *testing.T, id string) string {
	t.Helper()
	top, err := s.docker.ContainerTop(t.Context(), id, []string{"-eo", "pid,args"})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range top.Processes {
		lines = append(lines, strings.Join(p[1:], " "))
	}
	return strings.Join(lines, "\n")
}

// helpers are the containers that work for the agent on behalf of one.
func (s *stage) helpers(t *testing.T, of string) int {
	t.Helper()
	list, err := s.docker.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", manifest.LabelRole+"="+manifest.RoleHelper), filters.Arg("label", "skep.helper.for="+of),
	)})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// eventually waits until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if so() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

// safeBuffer may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
