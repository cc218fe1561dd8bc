package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/swarm/sandbox/spec"
	"skep/translate/manifest"
)

// stubborn takes no notice of its stop signal.
const stubborn = time.Hour

// run is how a container of the fake engine behaves once it is started.
type run struct {
	lasts   time.Duration // 0: until it is stopped
	code    int
	oom     bool
	lingers time.Duration // after its stop signal
	message string
	log     string
	fails   error // the Engine cannot start it
}

// fakeEngine is an Engine in memory, in a bubble of package synctest: its clock is the test's.
type fakeEngine struct {
	mu         sync.Mutex
	images     map[string]bool
	registry   map[string]error // what a pull says
	runs       map[string][]run // by name of the container in its Pod: by attempt, the last one for all further
	containers map[string]*fakeContainer
	trace      []string
	exec       func(c *fakeContainer, command []string) (int, string, time.Duration)
	died       func(id string)
}

type fakeContainer struct {
	id, name string
	run      run
	labels   map[string]string
	host     *container.HostConfig
	state    State
	ended    chan struct{}
}

func newFakeEngine() *fakeEngine {
	return &fakeEngine{
		images: map[string]bool{"app:latest": true}, registry: map[string]error{}, runs: map[string][]run{},
		containers: map[string]*fakeContainer{},
	}
}

func (e *fakeEngine) note(format string, args ...any) {
	e.trace = append(e.trace, fmt.Sprintf(format, args...))
}

func (e *fakeEngine) Image(_ context.Context, ref string) (Image, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.images[ref] {
		return Image{}, errNotFound
	}
	return Image{ID: "sha256:" + ref, Size: 7}, nil
}

func (e *fakeEngine) Pull(_ context.Context, ref, _ string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.note("pull %s", ref)
	err, known := e.registry[ref]
	if !known {
		return errors.New("no such image in the registry")
	}
	e.images[ref] = err == nil
	return err
}

func (e *fakeEngine) Create(_ context.Context, name string, config *container.Config, host *container.HostConfig) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	who := config.Labels[manifest.LabelContainer]
	c := &fakeContainer{id: "id-" + name, name: who, labels: config.Labels, host: host, ended: make(chan struct{})}
	if runs := e.runs[who]; len(runs) > 0 {
		c.run = runs[0]
		if len(runs) > 1 {
			e.runs[who] = runs[1:]
		}
	}
	e.containers[c.id] = c
	return c.id, nil
}

func (e *fakeEngine) Start(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c.run.fails != nil {
		return c.run.fails
	}
	e.note("start %s", c.name)
	c.state = State{Running: true, StartedAt: time.Now()}
	if c.run.lasts > 0 {
		time.AfterFunc(c.run.lasts, func() { e.exit(c, c.run.code) })
	}
	return nil
}

func (e *fakeEngine) exit(c *fakeContainer, code int) {
	e.mu.Lock()
	if !c.state.Running {
		e.mu.Unlock()
		return
	}
	e.note("end %s", c.name)
	c.state.Running, c.state.ExitCode, c.state.FinishedAt, c.state.OOMKilled = false, code, time.Now(), c.run.oom
	close(c.ended)
	died := e.died
	e.mu.Unlock()
	if died != nil {
		go died(c.id)
	}
}

func (e *fakeEngine) State(_ context.Context, id string) (State, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return State{}, errNotFound
	}
	return c.state, nil
}

func (e *fakeEngine) Stop(_ context.Context, id string, grace time.Duration) error {
	e.mu.Lock()
	c := e.containers[id]
	if c == nil {
		e.mu.Unlock()
		return errNotFound
	}
	e.note("stop %s %v", c.name, grace)
	alive, lingers := c.state.Running, c.run.lingers
	e.mu.Unlock()
	if !alive {
		return nil
	}
	code := 143
	if lingers > grace {
		lingers, code = grace, 137
	}
	select {
	case <-time.After(lingers):
		e.exit(c, code)
	case <-c.ended:
	}
	return nil
}

func (e *fakeEngine) Remove(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.containers, id)
	return nil
}

func (e *fakeEngine) Siblings(_ context.Context, sandbox string) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []string
	for id, c := range e.containers {
		if c.labels[manifest.LabelSandbox] == sandbox {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (e *fakeEngine) Exec(ctx context.Context, id string, command []string) (int, []byte, error) {
	e.mu.Lock()
	c := e.containers[id]
	e.note("exec %s %s", c.name, strings.Join(command, " "))
	e.mu.Unlock()
	code, out, takes := e.exec(c, command)
	select {
	case <-time.After(takes):
		return code, []byte(out), nil
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

func (e *fakeEngine) Tail(_ context.Context, id string, _ int) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return []byte(e.containers[id].run.log), nil
}

func (e *fakeEngine) Deaths(ctx context.Context, _ string, ready func(), died func(id string)) error {
	e.mu.Lock()
	e.died = died
	e.mu.Unlock()
	ready()
	<-ctx.Done()
	return ctx.Err()
}

// traced are the notes that begin so.
func (e *fakeEngine) traced(verbs ...string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, line := range e.trace {
		if verb, _, _ := strings.Cut(line, " "); slices.Contains(verbs, verb) {
			out = append(out, line)
		}
	}
	return out
}

// fakeMaker is a Maker without files.
type fakeMaker struct {
	engine *fakeEngine
	mu     sync.Mutex
	setup  []error // of the first calls
	config error
	took   []spec.Sources
}

func (m *fakeMaker) Setup() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.setup) == 0 {
		return nil
	}
	err := m.setup[0]
	m.setup = m.setup[1:]
	return err
}

func (m *fakeMaker) Update(_, _ map[string]string, s spec.Sources) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took = append(m.took, s)
	return nil
}

func (m *fakeMaker) Container(*corev1.Container, spec.ImageConfig, int) (*container.Config, *container.HostConfig, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.config != nil {
		return nil, nil, m.config
	}
	return &container.Config{}, &container.HostConfig{}, nil
}

func (m *fakeMaker) TerminationMessage(c *corev1.Container, attempt int) (string, error) {
	m.engine.mu.Lock()
	defer m.engine.mu.Unlock()
	for _, made := range m.engine.containers {
		if made.name == c.Name && made.labels[manifest.LabelAttempt] == fmt.Sprint(attempt) {
			return made.run.message, nil
		}
	}
	return "", nil
}

func (m *fakeMaker) RegistryAuth(string) string { return "" }

// life is a sandbox that runs in a bubble.
type life struct {
	t       *testing.T
	engine  *fakeEngine
	maker   *fakeMaker
	sandbox *Sandbox
	cancel  context.CancelFunc
	out     *lines
	exit    chan int
}

// lines collects what is written.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

// live runs a Pod on a fake engine, with a clock that jumps. arrange prepares the engine and the maker.
func live(t *testing.T, pod *corev1.Pod, arrange func(e *fakeEngine, m *fakeMaker), story func(l *life)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := newFakeEngine()
		m := &fakeMaker{engine: e}
		if arrange != nil {
			arrange(e, m)
		}
		pod.Name, pod.Namespace, pod.UID, pod.Status.PodIP = "web", "shop", "u1", "10.0.0.9"
		l := &life{t: t, engine: e, maker: m, out: &lines{}, exit: make(chan int, 1)}
		l.sandbox = New(Config{
			Pod: pod, Sandbox: "sandbox", Engine: e, Maker: m, Reports: l.out, Log: log.New(io.Discard, "", 0),
		})
		ctx, cancel := context.WithCancel(t.Context())
		l.cancel = cancel
		go func() { l.exit <- l.sandbox.Run(ctx) }()
		story(l)
		cancel()
		time.Sleep(10 * time.Minute) // for what is still under way, such as a grace period
		synctest.Wait()
	})
}

// pass lets time go by, and all that is due in it happen.
func (l *life) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// reports are all that the sandbox has said.
func (l *life) reports() []manifest.Report {
	l.t.Helper()
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	var all []manifest.Report
	for line := range strings.Lines(l.out.String()) {
		var r manifest.Report
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			l.t.Fatalf("not a report: %q: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// status is the last that was reported.
func (l *life) status() corev1.PodStatus {
	l.t.Helper()
	all := l.reports()
	if len(all) == 0 {
		l.t.Fatal("no report yet")
	}
	return all[len(all)-1].Status
}

func (l *life) container(name string) corev1.ContainerStatus {
	l.t.Helper()
	st := l.status()
	for _, c := range slices.Concat(st.InitContainerStatuses, st.ContainerStatuses, st.EphemeralContainerStatuses) {
		if c.Name == name {
			return c
		}
	}
	l.t.Fatalf("no status of container %s", name)
	return corev1.ContainerStatus{}
}

// events are the events with this reason, as "message".
func (l *life) events(reason string) []string {
	l.t.Helper()
	var out []string
	for _, r := range l.reports() {
		for _, e := range r.Events {
			if e.Reason == reason {
				out = append(out, e.Message)
			}
		}
	}
	return out
}

// exited is the sandbox's exit code; it fails the test if the sandbox still runs.
func (l *life) exited() int {
	l.t.Helper()
	synctest.Wait()
	select {
	case code := <-l.exit:
		return code
	default:
		l.t.Fatal("the sandbox still runs")
		return -1
	}
}

// podOf is a Pod of containers of image app.
func podOf(policy corev1.RestartPolicy, names ...string) *corev1.Pod {
	grace := int64(30)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{}, Spec: corev1.PodSpec{
		RestartPolicy: policy, TerminationGracePeriodSeconds: &grace,
	}}
	for _, n := range names {
		p.Spec.Containers = append(p.Spec.Containers, app(n))
	}
	return p
}

func app(name string) corev1.Container {
	return corev1.Container{Name: name, Image: "app", ImagePullPolicy: corev1.PullIfNotPresent}
}

func sidecar(name string) corev1.Container {
	c := app(name)
	always := corev1.ContainerRestartPolicyAlways
	c.RestartPolicy = &always
	return c
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func equalAll(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
