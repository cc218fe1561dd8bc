package engine

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
	"github.com/sirupsen/logrus"

	"skep/swarm/simulator"
)

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard) // SwarmKit and the Engine's server tell each step
	os.Exit(m.Run())
}

// rig is a simulated Swarm, its API, and a client of that.
type rig struct {
	*client.Client
	tb  testing.TB
	sim *simulator.Simulator
	url string
}

// simulate starts a Swarm that ends with the test. A backend may put something between the two.
func simulate(tb testing.TB, o simulator.Options, between func(*simulator.Simulator) Backend) *rig {
	tb.Helper()
	o.Dir = tb.TempDir()
	sim, err := simulator.New(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(sim.Close)
	backend := Backend(sim)
	if between != nil {
		backend = between(sim)
	}
	handler, err := New(tb.Context(), backend)
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	c, err := client.NewClientWithOpts(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithAPIVersionNegotiation())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return &rig{Client: c, tb: tb, sim: sim, url: server.URL}
}

// ask makes a plain request, and returns the answer's status, headers and body.
func (r *rig) ask(method, path, body string) (int, http.Header, string) {
	r.tb.Helper()
	request, err := http.NewRequestWithContext(r.tb.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		r.tb.Fatal(err)
	}
	return response.StatusCode, response.Header, string(data)
}

// answer is the body of what must be an answer of status 200.
func (r *rig) answer(path string, into any) {
	r.tb.Helper()
	status, _, body := r.ask(http.MethodGet, path, "")
	if status != http.StatusOK {
		r.tb.Fatalf("GET %s: status %d: %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		r.tb.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

func spec(name string, replicas uint64) swarm.ServiceSpec {
	return swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: name},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "nginx:alpine"}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
	}
}

func (r *rig) create(s swarm.ServiceSpec) string {
	r.tb.Helper()
	made, err := r.ServiceCreate(r.tb.Context(), s, swarm.ServiceCreateOptions{})
	if err != nil {
		r.tb.Fatal(err)
	}
	return made.ID
}

// service is one that is there.
func (r *rig) service(term string) swarm.Service {
	r.tb.Helper()
	s, _, err := r.ServiceInspectWithRaw(r.tb.Context(), term, swarm.ServiceInspectOptions{})
	if err != nil {
		r.tb.Fatal(err)
	}
	return s
}

// running waits until a service has that many running tasks, and returns them.
func (r *rig) running(service string, want int) []swarm.Task {
	r.tb.Helper()
	var found []swarm.Task
	eventually(r.tb, func() bool {
		all, err := r.TaskList(r.tb.Context(), swarm.TaskListOptions{
			Filters: filters.NewArgs(filters.Arg("service", service), filters.Arg("desired-state", "running")),
		})
		if err != nil {
			r.tb.Fatal(err)
		}
		found = nil
		for _, task := range all {
			if task.Status.State == swarm.TaskStateRunning {
				found = append(found, task)
			}
		}
		return len(found) == want
	})
	return found
}

func eventually(tb testing.TB, check func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !check(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("it did not come to pass within ten seconds")
		}
	}
}

func TestPing(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		status, headers, _ := r.ask(method, "/_ping", "")
		if status != http.StatusOK {
			t.Errorf("%s: status %d", method, status)
		}
		for key, want := range map[string]string{
			"Api-Version": "1.51", "Docker-Experimental": "false", "Swarm": "active/manager",
			"Ostype": "linux", "Server": "Docker/28.5.2 (linux)",
		} {
			if got := headers.Get(key); got != want {
				t.Errorf("%s: %s is %q, not %q", method, key, got, want)
			}
		}
	}
}

func TestInfo(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 3}, nil)
	info, err := r.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	node, _, err := r.NodeInspectWithRaw(t.Context(), info.Swarm.NodeID)
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != node.Description.Hostname || info.DockerRootDir != r.sim.Dir() || !strings.Contains(info.OperatingSystem, "simulator") {
		t.Errorf("the node is not told: %+v", info)
	}
	s := info.Swarm
	if s.LocalNodeState != swarm.LocalNodeStateActive || !s.ControlAvailable || s.Nodes != 3 || s.Managers != 1 ||
		s.NodeAddr != node.Status.Addr || len(s.RemoteManagers) != 1 || s.Cluster.ID != r.sim.ClusterID() {
		t.Errorf("the Swarm is not told: %+v", s)
	}
	whole, err := r.SwarmInspect(t.Context())
	if err != nil || whole.JoinTokens.Worker == "" || whole.Spec.Name != "default" {
		t.Errorf("the cluster is not told: %+v, %v", whole, err)
	}
	version, err := r.ServerVersion(t.Context())
	if err != nil || version.Version != Version || version.Components[0].Name != "Engine" {
		t.Errorf("the version is %+v, %v", version, err)
	}
	for _, old := range []string{"v1.24", "v1.38", "v1.41", "v1.46"} { // each has fields of its own
		r.answer("/"+old+"/info", &struct{}{})
	}
}

func TestStreamsEndWithTheClient(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	id := r.create(spec("web", 1))
	r.running(id, 1)
	ctx, leave := context.WithCancel(t.Context())
	logs, err := r.ServiceLogs(ctx, id, logOptions("all", true))
	if err != nil {
		t.Fatal(err)
	}
	leave()
	if _, err := io.Copy(io.Discard, logs); err == nil {
		t.Error("a followed log ended by itself")
	}
}
