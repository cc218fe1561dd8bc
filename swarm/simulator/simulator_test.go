package simulator

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state/store"
	"github.com/sirupsen/logrus"
)

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard) // SwarmKit tells each step
	os.Exit(m.Run())
}

// simulate starts a Swarm that ends with the test.
func simulate(tb testing.TB, o Options) *Simulator {
	tb.Helper()
	if o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	s, err := New(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// service is a replicated service's specification.
func service(name string, replicas uint64, labels map[string]string) *api.ServiceSpec {
	return &api.ServiceSpec{
		Annotations: api.Annotations{Name: name, Labels: labels},
		Task: api.TaskSpec{
			Runtime: &api.TaskSpec_Container{Container: &api.ContainerSpec{Image: "nginx:alpine"}},
			Restart: &api.RestartPolicy{Condition: api.RestartOnAny, Delay: gogotypes.DurationProto(50 * time.Millisecond)},
		},
		Mode: &api.ServiceSpec_Replicated{Replicated: &api.ReplicatedService{Replicas: replicas}},
	}
}

func (s *Simulator) create(tb testing.TB, spec *api.ServiceSpec) *api.Service {
	tb.Helper()
	made, err := s.control.CreateService(tb.Context(), &api.CreateServiceRequest{Spec: spec})
	if err != nil {
		tb.Fatal(err)
	}
	return made.Service
}

// tasks are a service's.
func (s *Simulator) tasksOf(service string) []*api.Task {
	var tasks []*api.Task
	s.store.View(func(tx store.ReadTx) { tasks, _ = store.FindTasks(tx, store.ByServiceID(service)) })
	return tasks
}

func (s *Simulator) inState(service string, state api.TaskState) (found []*api.Task) {
	for _, t := range s.tasksOf(service) {
		if t.Status.State == state {
			found = append(found, t)
		}
	}
	return found
}

// eventually fails the test unless check returns "" within ten seconds; else check says what is missing.
func eventually(tb testing.TB, check func() string) {
	tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		missing := check()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatal(missing)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// running waits until a service has that many running tasks.
func (s *Simulator) running(tb testing.TB, service string, count int) []*api.Task {
	tb.Helper()
	eventually(tb, func() string {
		if n := len(s.inState(service, api.TaskStateRunning)); n != count {
			return fmt.Sprintf("%d tasks run, not %d", n, count)
		}
		return ""
	})
	return s.inState(service, api.TaskStateRunning)
}

func TestServiceRunsOnAllNodes(t *testing.T) {
	s := simulate(t, Options{Nodes: 3})
	web := s.create(t, service("web", 3, nil))
	nodes := map[string]bool{}
	for _, task := range s.running(t, web.ID, 3) {
		nodes[task.NodeID] = true
		if task.Status.GetContainer().ContainerID == "" {
			t.Errorf("task %s runs without a container", task.ID)
		}
	}
	if len(nodes) != 3 {
		t.Errorf("three replicas are on %d nodes", len(nodes))
	}
	if _, err := s.control.RemoveService(t.Context(), &api.RemoveServiceRequest{ServiceID: web.ID}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if n := len(s.tasksOf(web.ID)); n != 0 {
			return fmt.Sprintf("%d tasks of a removed service are left", n)
		}
		return ""
	})
}

// What was asked for before a part of the manager has begun is not lost.
func TestWhatComesBeforeThePartsIsTaken(t *testing.T) {
	s := simulate(t, Options{Nodes: 1, Seed: 3})
	web := s.create(t, service("web", 2, nil))
	s.running(t, web.ID, 2)
	late := newAgent(s.store, s.options)
	go func() { _ = late.run(t.Context()) }()
	t.Cleanup(late.stop)
	eventually(t, func() string {
		late.mu.Lock()
		defer late.mu.Unlock()
		if len(late.containers) != 2 || len(late.down) != 1 {
			return "an agent that begins late does not know the tasks and nodes that are there"
		}
		return ""
	})
}

func BenchmarkScale(b *testing.B) {
	for b.Loop() {
		s, err := New(context.Background(), Options{Nodes: 100, Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		for i := range 1000 {
			s.create(b, service(fmt.Sprintf("web-%d", i), 10, nil))
		}
		b.ReportMetric(time.Since(began).Seconds(), "created-s")
		for {
			total := 0
			s.store.View(func(tx store.ReadTx) {
				all, _ := store.FindTasks(tx, store.All)
				for _, t := range all {
					if t.Status.State == api.TaskStateRunning {
						total++
					}
				}
			})
			if total == 10000 {
				break
			}
			if time.Since(began) > 2*time.Minute {
				b.Fatal(total)
			}
			time.Sleep(100 * time.Millisecond)
		}
		b.ReportMetric(time.Since(began).Seconds(), "running-s")
		s.Close()
	}
}
