package swarm

import (
	"slices"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// An Engine before 23 leaves the tasks of a removed job as they were. A namespace waits for those that run, and takes them
// away; for those that have ended it does not wait, for they stay for ever.
func TestEmptyStackOfJobs(t *testing.T) {
	m := NewMirror(testSealer(t))
	once := swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{}}
	left := func(id, stack string, mode swarm.ServiceMode, states ...swarm.TaskState) {
		m.gone[id] = &swarm.Service{ID: id, Spec: swarm.ServiceSpec{
			Annotations: swarm.Annotations{Name: id, Labels: map[string]string{translate.LabelStack: stack}}, Mode: mode,
		}}
		for _, state := range states {
			m.tasks[id] = append(m.tasks[id], &swarm.Task{ID: id + "-" + string(state), ServiceID: id, Status: swarm.TaskStatus{State: state}})
		}
	}
	left("job", "shop", once, swarm.TaskStateRunning, swarm.TaskStateComplete)
	left("other", "blog", once, swarm.TaskStateRunning)
	running, ended := m.jobTasks("shop")
	if want := []translate.Step{{Task: "job-running"}}; !slices.Equal(running, want) {
		t.Errorf("running are %v", running)
	}
	if want := []translate.Step{{Task: "job-complete"}}; !slices.Equal(ended, want) {
		t.Errorf("ended are %v", ended)
	}
	if _, _, stopping := m.stackSteps("shop"); stopping {
		t.Error("it waits for the job's tasks to be gone by themselves")
	}
	left("web", "shop", swarm.ServiceMode{Replicated: &swarm.ReplicatedService{}}, swarm.TaskStateRunning)
	if _, _, stopping := m.stackSteps("shop"); !stopping {
		t.Error("it does not wait for a service's tasks to stop")
	}
}
