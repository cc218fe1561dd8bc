package swarm

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// polled is a fake Swarm of running tasks, two to a service, and a mirror that follows it by polling.
func polled(t *testing.T, services int, slow time.Duration) (*Mirror, *fakeSwarm) {
	t.Helper()
	e, f := fakeEngine()
	f.slow = slow
	f.index = 100
	for i := range services {
		s := *aService(fmt.Sprintf("service%04d", i), fmt.Sprintf("web%d", i), "", 100, time.Unix(1000, 0), nil).object.(*swarm.Service)
		f.services[s.ID] = s
		for slot := range 2 {
			task := *aTask(fmt.Sprintf("task%04d-%d", i, slot), s.ID, 100).object.(*swarm.Task)
			task.Slot, task.DesiredState, task.Status.State = slot+1, swarm.TaskStateRunning, swarm.TaskStateRunning
			f.tasks[task.ID] = task
		}
	}
	m := NewMirror(testSealer(t))
	m.AddView(translate.Pods{}, asIs{})
	follow(t, m, e)
	return m, f
}

// set changes a task in the Swarm without a word.
func (f *fakeSwarm) set(id string, desired, state swarm.TaskState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index++
	task := f.tasks[id]
	task.Version.Index, task.DesiredState, task.Status.State = f.index, desired, state
	f.tasks[id] = task
}

// polls are what was asked for within a time.
func (f *fakeSwarm) polls(within time.Duration) []int {
	f.mu.Lock()
	f.asked = nil
	f.mu.Unlock()
	time.Sleep(within)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (m *Mirror) stateOf(id string) swarm.TaskState {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if task := m.task[id]; task != nil {
		return task.Status.State
	}
	return "gone"
}

func awaitState(t *testing.T, m *Mirror, id string, want swarm.TaskState) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, func() string {
		if state := m.stateOf(id); state != want {
			return fmt.Sprintf("%s is %s, not %s", id, state, want)
		}
		return ""
	})
	return time.Since(began)
}

// A small Swarm is looked at every 400 ms, which costs nothing, and whatever happens is seen.
func TestPollSmall(t *testing.T) {
	t.Parallel()
	m, f := polled(t, 3, 0)
	f.set("task0001-0", swarm.TaskStateRunning, swarm.TaskStateFailed)
	if took := awaitState(t, m, "task0001-0", swarm.TaskStateFailed); took > 2*taskPoll {
		t.Errorf("a task that failed was seen after %v", took)
	}
	f.mu.Lock()
	delete(f.tasks, "task0002-1")
	f.mu.Unlock()
	awaitState(t, m, "task0002-1", "gone")
}

// A Swarm whose tasks take long to list is left alone while nothing moves: polls take a sixtieth of the time.
func TestPollQuiet(t *testing.T) {
	t.Parallel()
	_, f := polled(t, 3, 50*time.Millisecond)
	time.Sleep(3 * taskPoll)
	if asked := f.polls(3 * time.Second); len(asked) > 2 {
		t.Errorf("in three seconds tasks were asked for %d times: %v", len(asked), asked)
	}
}

// What converges is looked at often, and nothing else; what stays as it is less and less often.
func TestPollConverging(t *testing.T) {
	t.Parallel()
	m, f := polled(t, 3, 50*time.Millisecond)
	time.Sleep(3 * taskPoll)
	f.set("task0001-0", swarm.TaskStateRunning, swarm.TaskStatePending)
	f.mu.Lock()
	f.send(events.ContainerEventType, events.ActionDie, "container", map[string]string{"com.docker.swarm.service.id": "service0001"})
	f.mu.Unlock()
	if took := awaitState(t, m, "task0001-0", swarm.TaskStatePending); took > 2*taskPoll {
		t.Errorf("what a container's event told of was seen after %v", took)
	}
	narrow := 0
	for _, of := range f.polls(stirred) {
		if of == 1 {
			narrow++
		}
	}
	if narrow < 8 {
		t.Errorf("the service that converges was looked at %d times in %v", narrow, stirred)
	}
	if asked := f.polls(stirred); len(asked) > 7 {
		t.Errorf("a task that stays pending was looked at %d times in %v more", len(asked), stirred)
	}
	f.set("task0001-0", swarm.TaskStateRunning, swarm.TaskStateRunning)
	p := newPoller(nil, m)
	if got := m.converging(p.hot); len(got) != 1 {
		t.Errorf("these converge: %v", got)
	}
}

// A large Swarm is gone through part by part.
func TestPollParts(t *testing.T) {
	t.Parallel()
	m, f := polled(t, 250, 0)
	f.set("task0240-1", swarm.TaskStateShutdown, swarm.TaskStateShutdown)
	awaitState(t, m, "task0240-1", swarm.TaskStateShutdown)
	for _, of := range f.polls(4 * taskPoll) {
		if of == 0 || of > partServices {
			t.Errorf("tasks of %d services were asked for at once", of)
		}
	}
}

// A service that is made has its tasks soon, and a node that changes has all looked at.
func TestPollHears(t *testing.T) {
	t.Parallel()
	m, f := polled(t, 3, 100*time.Millisecond)
	time.Sleep(3 * taskPoll)
	f.mu.Lock()
	s := *aService("service-new", "new", "", 500, time.Unix(1000, 0), nil).object.(*swarm.Service)
	f.services[s.ID] = s
	task := *aTask("task-new", s.ID, 501).object.(*swarm.Task)
	task.DesiredState, task.Status.State = swarm.TaskStateRunning, swarm.TaskStateNew
	f.tasks[task.ID] = task
	f.send(events.ServiceEventType, events.ActionCreate, s.ID, nil)
	f.mu.Unlock()
	if took := awaitState(t, m, "task-new", swarm.TaskStateNew); took > 2*taskPoll {
		t.Errorf("the new service's task was seen after %v", took)
	}
	p := newPoller(nil, m)
	if p.hear(events.Message{Type: events.NodeEventType}) || len(m.converging(p.hot)) != 4 {
		t.Error("after a node's event not all is looked at")
	}
	if !p.hear(events.Message{Type: events.ContainerEventType}) {
		t.Error("a container's event was taken for another's")
	}
}
