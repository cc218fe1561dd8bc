package simulator

import (
	"strings"
	"testing"
	"time"

	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

func labels(pairs ...string) map[string]string {
	all := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		all[Label+pairs[i]] = pairs[i+1]
	}
	return all
}

// await waits for a task of the service that is in the state and says so.
func (s *Simulator) await(tb testing.TB, service string, state api.TaskState) *api.Task {
	tb.Helper()
	eventually(tb, func() string {
		if len(s.inState(service, state)) == 0 {
			return "no task is " + state.String()
		}
		return ""
	})
	return s.inState(service, state)[0]
}

func TestContainersFail(t *testing.T) {
	s := simulate(t, Options{Nodes: 1})
	for _, c := range []struct {
		name    string
		labels  map[string]string
		state   api.TaskState
		failure string
		code    int32
	}{
		{"no-image", labels("pull", "No such image: nginx"), api.TaskStateRejected, "No such image: nginx", 0},
		{"bad-label", labels("start", "soon"), api.TaskStateRejected, "simulate.start", 0},
		{"crash", labels("exit", "20ms", "code", "3"), api.TaskStateFailed, "task: non-zero exit (3)", 3},
		{"sick", labels("unhealthy", "20ms"), api.TaskStateFailed, "unhealthy container", 137},
		{"done", labels("exit", "20ms"), api.TaskStateCompleted, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			made := s.create(t, service(c.name, 1, c.labels))
			task := s.await(t, made.ID, c.state)
			if !strings.Contains(task.Status.Err, c.failure) {
				t.Errorf("it says %q, not %q", task.Status.Err, c.failure)
			}
			if container := task.Status.GetContainer(); container != nil && container.ExitCode != c.code {
				t.Errorf("the code is %d, not %d", container.ExitCode, c.code)
			}
			eventually(t, func() string { // SwarmKit starts another, and another
				if n := len(s.tasksOf(made.ID)); n < 3 {
					return "a container that ends is not replaced"
				}
				return ""
			})
		})
	}
}

func TestJobRunsToItsEnd(t *testing.T) {
	s := simulate(t, Options{Nodes: 2})
	spec := service("job", 0, labels("exit", "10ms-30ms"))
	spec.Task.Restart = &api.RestartPolicy{Condition: api.RestartOnNone}
	spec.Mode = &api.ServiceSpec_ReplicatedJob{ReplicatedJob: &api.ReplicatedJob{TotalCompletions: 4, MaxConcurrent: 2}}
	job := s.create(t, spec)
	eventually(t, func() string {
		if n := len(s.inState(job.ID, api.TaskStateCompleted)); n != 4 {
			return "the job does not complete"
		}
		return ""
	})
}

func TestHealthCheckKeepsATaskStarting(t *testing.T) {
	s := simulate(t, Options{Nodes: 1})
	spec := service("checked", 1, nil)
	spec.Task.GetContainer().Healthcheck = &api.HealthConfig{Test: []string{"CMD", "true"}, Interval: gogotypes.DurationProto(time.Second)}
	began := time.Now()
	made := s.create(t, spec)
	s.await(t, made.ID, api.TaskStateStarting)
	s.running(t, made.ID, 1)
	if took := time.Since(began); took < time.Second {
		t.Errorf("it runs after %s, before its first check", took)
	}
}

func TestStoppingTakesItsTime(t *testing.T) {
	s := simulate(t, Options{Nodes: 1})
	spec := service("slow", 1, labels("stop", "1m"))
	spec.Task.GetContainer().StopGracePeriod = gogotypes.DurationProto(300 * time.Millisecond)
	made := s.create(t, spec)
	s.running(t, made.ID, 1)
	began := time.Now()
	if _, err := s.control.RemoveService(t.Context(), &api.RemoveServiceRequest{ServiceID: made.ID}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if len(s.tasksOf(made.ID)) > 0 {
			return "the task is still there"
		}
		return ""
	})
	if took := time.Since(began); took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("a container with a grace period of 300 ms took %s to stop", took)
	}
}

func TestNodesFailAndReturn(t *testing.T) {
	rules, err := ParseRules([]byte(`nodes: [{match: sim-2, down: 300ms, back: 1500ms, cpus: 2, memory: 1GiB, labels: {zone: b}}]`))
	if err != nil {
		t.Fatal(err)
	}
	s := simulate(t, Options{Nodes: 2, Rules: rules, Seed: 7})
	id := nodeID(7, 2)
	node := func() (n *api.Node) {
		s.store.View(func(tx store.ReadTx) { n = store.GetNode(tx, id) })
		return n
	}
	if r := node().Description.Resources; r.NanoCPUs != 2e9 || r.MemoryBytes != 1<<30 || node().Spec.Annotations.Labels["zone"] != "b" {
		t.Errorf("the node is not as its rule says: %v", node())
	}
	web := s.create(t, service("web", 4, nil))
	s.running(t, web.ID, 4)
	eventually(t, func() string {
		if node().Status.State != api.NodeStatus_DOWN {
			return "the node does not fail"
		}
		return ""
	})
	eventually(t, func() string { // SwarmKit starts them elsewhere; what ran there is not heard of
		elsewhere, lost := 0, 0
		for _, task := range s.inState(web.ID, api.TaskStateRunning) {
			if task.NodeID == id {
				lost++
			} else {
				elsewhere++
			}
		}
		if elsewhere != 4 || lost != 2 {
			return "the replicas have not moved"
		}
		return ""
	})
	eventually(t, func() string {
		if node().Status.State != api.NodeStatus_READY {
			return "the node does not return"
		}
		return ""
	})
	s.running(t, web.ID, 4) // and what was lost is shut down
}

func TestRolesFollowTheSpecification(t *testing.T) {
	s := simulate(t, Options{Nodes: 2, Seed: 7})
	set := func(id string, role api.NodeRole) error {
		got, err := s.control.GetNode(t.Context(), &api.GetNodeRequest{NodeID: id})
		if err != nil {
			t.Fatal(err)
		}
		spec := got.Node.Spec
		spec.DesiredRole = role
		_, err = s.control.UpdateNode(t.Context(), &api.UpdateNodeRequest{NodeID: id, NodeVersion: &got.Node.Meta.Version, Spec: &spec})
		return err
	}
	if err := set(s.NodeID(), api.NodeRoleWorker); err == nil || !strings.Contains(err.Error(), "last manager") {
		t.Errorf("the last manager is demoted: %v", err)
	}
	if _, err := s.control.RemoveNode(t.Context(), &api.RemoveNodeRequest{NodeID: s.NodeID(), Force: true}); err == nil {
		t.Error("a manager is removed")
	}
	for _, role := range []api.NodeRole{api.NodeRoleManager, api.NodeRoleWorker} {
		if err := set(nodeID(7, 2), role); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			got, err := s.control.GetNode(t.Context(), &api.GetNodeRequest{NodeID: nodeID(7, 2)})
			if err != nil || got.Node.Role != role || (got.Node.ManagerStatus != nil) != (role == api.NodeRoleManager) {
				return "the role does not become " + role.String()
			}
			return ""
		})
	}
}

func TestPublishedPorts(t *testing.T) {
	s := simulate(t, Options{Nodes: 1})
	publish := func(name string, number uint32) *api.Service {
		spec := service(name, 1, nil)
		spec.Endpoint = &api.EndpointSpec{Ports: []*api.PortConfig{{TargetPort: 80, PublishedPort: number}}}
		return s.create(t, spec)
	}
	portOf := func(id string) uint32 {
		var got uint32
		s.store.View(func(tx store.ReadTx) {
			if e := store.GetService(tx, id).Endpoint; e != nil && len(e.Ports) > 0 && len(e.VirtualIPs) == 1 {
				got = e.Ports[0].PublishedPort
			}
		})
		return got
	}
	chosen, drawn := publish("chosen", firstDynamicPort), publish("drawn", 0)
	s.running(t, chosen.ID, 1)
	s.running(t, drawn.ID, 1)
	if a, b := portOf(chosen.ID), portOf(drawn.ID); a != firstDynamicPort || b <= firstDynamicPort || b > lastDynamicPort {
		t.Errorf("the ports are %d and %d", a, b)
	}
}

func TestOutput(t *testing.T) {
	s := simulate(t, Options{Nodes: 1})
	made := s.create(t, service("talks", 1, labels("log", "one\ntwo")))
	task := s.running(t, made.ID, 1)[0]
	lines, more, ended := s.Output(task.ID)
	if len(lines) != 2 || lines[0].Text != "one" || ended {
		t.Fatalf("it wrote %v, ended: %v", lines, ended)
	}
	if !s.Kill(t.Context(), task.Status.GetContainer().ContainerID) {
		t.Fatal("a running container cannot be killed")
	}
	select {
	case <-more:
	case <-time.After(5 * time.Second):
		t.Fatal("its end is not told")
	}
	if lines, _, ended := s.Output(task.ID); !ended || len(lines) != 3 || !lines[2].Stderr {
		t.Errorf("after its end: %v, ended: %v", lines, ended)
	}
	if s.Kill(t.Context(), task.Status.GetContainer().ContainerID) {
		t.Error("a container is killed twice")
	}
}
