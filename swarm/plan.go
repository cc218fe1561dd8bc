package swarm

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	"k8s.io/klog/v2"

	"skep/translate"
)

// run does a plan and waits until the mirror shows it. It returns the ID of what was committed. On
// errStale nothing was committed, and the mirror has by then what made the plan stale.
func (e *Engine) run(ctx context.Context, m *Mirror, plan translate.Plan) (string, error) {
	for _, name := range plan.Networks {
		if err := e.ensureNetwork(ctx, m, name); err != nil {
			return "", err
		}
	}
	for _, material := range plan.Materials {
		if err := e.ensureMaterial(ctx, m, material); err != nil {
			return "", err
		}
	}
	for _, step := range plan.Before {
		if _, err := e.step(ctx, m, step); err != nil && !errdefs.IsNotFound(err) {
			return "", err
		}
	}
	if plan.Commit.Empty() {
		return "", nil
	}
	id, err := e.step(ctx, m, plan.Commit)
	if err != nil {
		return "", err
	}
	if len(plan.After) > 0 {
		go e.cleanUp(m, plan.After)
	}
	return id, nil
}

// cleanUp does what may as well fail: the next one to come by does it again.
func (e *Engine) cleanUp(m *Mirror, steps []translate.Step) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, step := range steps {
		if _, err := e.step(ctx, m, step); err != nil && !errdefs.IsNotFound(err) {
			klog.V(2).InfoS("Not cleaned up", "kind", step.Group, "id", step.ID, "err", err)
		}
	}
}

// step does one change and waits until the mirror has it.
func (e *Engine) step(ctx context.Context, m *Mirror, s translate.Step) (string, error) {
	if s.Task != "" {
		return s.Task, e.removeTask(ctx, m, s.Task)
	}
	if s.Group == translate.GroupEvent {
		m.putEvent(s)
		return s.ID, nil
	}
	id, err := s.ID, error(nil)
	switch {
	case s.Service != nil:
		m.resolve(s.Service)
		id, err = e.putService(ctx, s)
	case s.Config != nil && s.ID == "":
		var made swarm.ConfigCreateResponse
		made, err = e.ConfigCreate(ctx, *s.Config)
		id = made.ID
	case s.Config != nil:
		err = e.ConfigUpdate(ctx, s.ID, s.Version, *s.Config)
	case s.Node != nil:
		err = e.NodeUpdate(ctx, s.ID, s.Version, *s.Node)
	default:
		err = e.remove(ctx, s)
	}
	if err != nil {
		return "", e.stale(ctx, m, s, err)
	}
	removed := s.Service == nil && s.Config == nil && s.Node == nil
	e.settle(ctx, m, s.Group, id, s.Version.Index, removed)
	return id, nil
}

func (e *Engine) putService(ctx context.Context, s translate.Step) (string, error) {
	if s.ID == "" {
		made, err := e.ServiceCreate(ctx, *s.Service, swarm.ServiceCreateOptions{EncodedRegistryAuth: s.RegistryAuth})
		return made.ID, err
	}
	_, err := e.ServiceUpdate(ctx, s.ID, s.Version, *s.Service, swarm.ServiceUpdateOptions{EncodedRegistryAuth: s.RegistryAuth})
	return s.ID, err
}

func (e *Engine) remove(ctx context.Context, s translate.Step) error {
	switch s.Group {
	case translate.GroupService:
		return e.ServiceRemove(ctx, s.ID)
	case translate.GroupConfig:
		return e.ConfigRemove(ctx, s.ID)
	case translate.GroupSecret:
		return e.SecretRemove(ctx, s.ID)
	case translate.GroupNode:
		return e.NodeRemove(ctx, s.ID, swarm.NodeRemoveOptions{})
	case kindNetwork:
		return e.NetworkRemove(ctx, s.ID)
	default:
		return fmt.Errorf("a %s cannot be removed", s.Group)
	}
}

// errNoTaskRemoval says what is missing for deleting a Pod of another node.
var errNoTaskRemoval = errors.New("a Pod on another node can only be deleted through SwarmKit's control socket or that node's agent: " +
	"run skep on a manager where the socket can be read (--control-socket), deploy the agent there, or scale the workload")

// removeTask takes a task away: by SwarmKit on any node, else by the Engine when it runs here.
func (e *Engine) removeTask(ctx context.Context, m *Mirror, id string) error {
	m.mu.RLock()
	t := m.task[id]
	m.mu.RUnlock()
	if t == nil {
		return nil
	}
	if e.control != nil {
		if err := e.control.removeTask(ctx, id); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, settleTimeout)
		defer cancel()
		_ = m.awaitSoon(wait, func() bool { _, ok := m.task[id]; return !ok }) // else the feed will tell
		return nil
	}
	switch {
	case !started(t):
		return errNoTaskRemoval
	case t.NodeID == e.Info.Swarm.NodeID:
		return e.ContainerRemove(ctx, t.Status.ContainerStatus.ContainerID, container.RemoveOptions{Force: true})
	case e.Elsewhere == nil:
		return errNoTaskRemoval
	}
	if err := e.Elsewhere(ctx, t.NodeID, t.Status.ContainerStatus.ContainerID); err != nil {
		return fmt.Errorf("%w (%w)", errNoTaskRemoval, err)
	}
	return nil
}

// unchanged says whether a commit would change nothing of the version that it was planned for. Of a later
// one it might be that another client just wrote the same: then this client's write has to fail.
func (m *Mirror) unchanged(s translate.Step) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	switch {
	case s.ID == "":
		return false
	case s.Service != nil:
		live := m.services[s.ID]
		return live != nil && live.Version == s.Version && reflect.DeepEqual(live.Spec, *s.Service)
	case s.Config != nil:
		live := m.configs[s.ID]
		return live != nil && live.Version == s.Version && reflect.DeepEqual(live.Spec.Labels, s.Config.Labels)
	case s.Node != nil:
		live := m.nodes[s.ID]
		return live != nil && live.Version == s.Version && reflect.DeepEqual(live.Spec, *s.Node)
	}
	return false
}
