package swarm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// fakeSwarm is a Swarm in memory, as the Engine API would show it: a version index for all of
// them, conflicts, and events. What it does not know panics.
type fakeSwarm struct {
	api // nil

	mu       sync.Mutex
	index    uint64
	made     int
	configs  map[string]swarm.Config
	streams  map[chan events.Message]chan error
	services map[string]swarm.Service
	tasks    map[string]swarm.Task
	// slow is how long a list of all tasks takes; asked is of how many services each was asked for, 0 for all.
	slow  time.Duration
	asked []int
	// broken is what every call returns, while it is set.
	broken error
}

func newFakeSwarm() *fakeSwarm {
	return &fakeSwarm{configs: map[string]swarm.Config{}, services: map[string]swarm.Service{}, tasks: map[string]swarm.Task{}, streams: map[chan events.Message]chan error{}}
}

// fakeEngine is an Engine over a fake.
func fakeEngine() (*Engine, *fakeSwarm) {
	f := newFakeSwarm()
	return &Engine{api: f}, f
}

// disconnect ends all event streams and fails every call, until reconnect.
func (f *fakeSwarm) disconnect() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = errors.New("connection refused")
	for stream, failed := range f.streams {
		delete(f.streams, stream)
		failed <- f.broken
	}
}

func (f *fakeSwarm) reconnect() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = nil
}

func (f *fakeSwarm) Events(ctx context.Context, _ events.ListOptions) (<-chan events.Message, <-chan error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stream, failed := make(chan events.Message, 4096), make(chan error, 1)
	if f.broken != nil {
		failed <- f.broken
		return stream, failed
	}
	f.streams[stream] = failed
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, open := f.streams[stream]; open {
			delete(f.streams, stream)
			failed <- ctx.Err()
		}
	})
	return stream, failed
}

// tell sends an event about a config. The fake is locked.
func (f *fakeSwarm) tell(action events.Action, id string) {
	f.send(events.ConfigEventType, action, id, nil)
}

// send sends an event. The fake is locked.
func (f *fakeSwarm) send(kind events.Type, action events.Action, id string, attributes map[string]string) {
	for stream := range f.streams {
		stream <- events.Message{Type: kind, Action: action, Actor: events.Actor{ID: id, Attributes: attributes}}
	}
}

func (f *fakeSwarm) ConfigCreate(_ context.Context, spec swarm.ConfigSpec) (swarm.ConfigCreateResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return swarm.ConfigCreateResponse{}, f.broken
	}
	for _, c := range f.configs {
		if c.Spec.Name == spec.Name {
			return swarm.ConfigCreateResponse{}, fmt.Errorf("rpc error: code = AlreadyExists desc = config %s already exists: %w", spec.Name, cerrdefs.ErrConflict)
		}
	}
	f.index++
	f.made++
	id := fmt.Sprintf("c%024d", f.made)
	f.configs[id] = swarm.Config{ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: f.index}}, Spec: spec}
	f.tell(events.ActionCreate, id)
	return swarm.ConfigCreateResponse{ID: id}, nil
}

func (f *fakeSwarm) ConfigUpdate(_ context.Context, id string, version swarm.Version, spec swarm.ConfigSpec) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, err := f.get(id)
	if err != nil {
		return err
	}
	if c.Version != version {
		return errors.New("rpc error: code = Unknown desc = update out of sequence")
	}
	f.index++
	c.Version.Index, c.Spec = f.index, spec
	f.configs[id] = c
	f.tell(events.ActionUpdate, id)
	return nil
}

func (f *fakeSwarm) ConfigRemove(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.get(id); err != nil {
		return err
	}
	f.index++
	delete(f.configs, id)
	f.tell(events.ActionRemove, id)
	return nil
}

// get finds a config by ID or name. The fake is locked.
func (f *fakeSwarm) get(id string) (swarm.Config, error) {
	if f.broken != nil {
		return swarm.Config{}, f.broken
	}
	for _, c := range f.configs {
		if c.ID == id || c.Spec.Name == id {
			return c, nil
		}
	}
	return swarm.Config{}, fmt.Errorf("config %s: %w", id, cerrdefs.ErrNotFound)
}

func (f *fakeSwarm) ConfigInspectWithRaw(_ context.Context, id string) (swarm.Config, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, err := f.get(id)
	return c, nil, err
}

func (f *fakeSwarm) ConfigList(context.Context, swarm.ConfigListOptions) ([]swarm.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.configs)), f.broken
}

func (f *fakeSwarm) ServiceList(context.Context, swarm.ServiceListOptions) ([]swarm.Service, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.services)), f.broken
}

func (f *fakeSwarm) ServiceInspectWithRaw(_ context.Context, id string, _ swarm.ServiceInspectOptions) (swarm.Service, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.services[id]
	if !ok {
		return swarm.Service{}, nil, fmt.Errorf("service %s: %w", id, cerrdefs.ErrNotFound)
	}
	return s, nil, nil
}

func (f *fakeSwarm) SecretList(context.Context, swarm.SecretListOptions) ([]swarm.Secret, error) {
	return nil, nil
}

func (f *fakeSwarm) NodeList(context.Context, swarm.NodeListOptions) ([]swarm.Node, error) {
	return nil, nil
}

// TaskList takes as long as its share of all tasks.
func (f *fakeSwarm) TaskList(_ context.Context, o swarm.TaskListOptions) ([]swarm.Task, error) {
	f.mu.Lock()
	var list []swarm.Task
	of := o.Filters.Get("service")
	for _, t := range f.tasks {
		if len(of) == 0 || slices.Contains(of, t.ServiceID) {
			list = append(list, t)
		}
	}
	f.asked = append(f.asked, len(of))
	takes := f.slow * time.Duration(len(list)) / time.Duration(max(1, len(f.tasks)))
	f.mu.Unlock()
	time.Sleep(takes)
	return list, nil
}

func (f *fakeSwarm) NetworkList(context.Context, network.ListOptions) ([]network.Inspect, error) {
	return nil, nil
}

// aConfig is a change to a config of a suite's Pod at a version.
func (l podLens) aConfig(tb testing.TB, id string, index uint64, namespace, name, note string) change {
	tb.Helper()
	pod := examplePod(namespace, name, note)
	plan, err := l.Put(nil, translate.Group{}, nil, pod)
	if err != nil {
		tb.Fatal(err)
	}
	return change{kind: translate.GroupConfig, id: id, object: &swarm.Config{
		ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: index}}, Spec: *plan.Commit.Config,
	}}
}

// gone is the removal of a config; index is 0 where the feed does not know it.
func gone(id string, index uint64) change {
	return change{kind: translate.GroupConfig, id: id, index: index}
}
