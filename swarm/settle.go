package swarm

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"k8s.io/klog/v2"

	"skep/translate"
)

// settleTimeout is how long a write waits for the feed before it looks itself.
const settleTimeout = 300 * time.Millisecond

// settle waits until the mirror shows a write, so that who wrote reads it.
func (e *Engine) settle(ctx context.Context, m *Mirror, kind translate.GroupKind, id string, after uint64, removed bool) {
	wait, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	done := func() bool {
		index, ok := m.indexOf(kind, id)
		if removed {
			return !ok
		}
		return ok && index > after
	}
	if m.awaitSoon(wait, done) == nil {
		return
	}
	if err := e.look(ctx, m, kind, id); err != nil {
		klog.ErrorS(err, "A write was done and cannot be read back yet", "kind", kind, "id", id)
	}
}

// look makes sure that the mirror has one object as the Swarm has it now. The feed is given the time to bring it: an
// object that comes before what happened before it has that numbered later here than in other gateways.
func (e *Engine) look(ctx context.Context, m *Mirror, kind translate.GroupKind, id string) error {
	c, err := e.read(ctx, kind, id)
	if err != nil || c.kind == "" || kind == kindNetwork { // a network has no version to wait for
		return err
	}
	wait, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	brought := func() bool {
		index, ok := m.indexOf(kind, id)
		return ok == (c.object != nil) && index >= c.index
	}
	if m.awaitSoon(wait, brought) != nil {
		m.apply([]change{c})
	}
	return nil
}

// read reads one object from the Swarm, with its version; it is gone in a change without an object. What is no object
// of the Swarm gives no change.
func (e *Engine) read(ctx context.Context, kind translate.GroupKind, id string) (change, error) {
	c := change{kind: kind, id: id}
	var err error
	switch kind {
	case translate.GroupService:
		var s swarm.Service
		s, _, err = e.ServiceInspectWithRaw(ctx, id, swarm.ServiceInspectOptions{})
		c.object, c.index = &s, s.Version.Index
	case translate.GroupConfig:
		var s swarm.Config
		s, _, err = e.ConfigInspectWithRaw(ctx, id)
		c.object, c.index = slimConfig(&s), s.Version.Index
	case translate.GroupSecret:
		var s swarm.Secret
		s, _, err = e.SecretInspectWithRaw(ctx, id)
		c.object, c.index = &s, s.Version.Index
	case translate.GroupNode:
		var n swarm.Node
		n, _, err = e.NodeInspectWithRaw(ctx, id)
		c.object, c.index = &n, n.Version.Index
	case kindNetwork:
		var list []network.Inspect
		list, err = e.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("id", id))})
		for _, n := range list {
			if n.Scope == "swarm" && n.ID == id { // the filter takes what begins so, too
				c = networkChange(n)
			}
		}
	default:
		return change{}, nil
	}
	if errdefs.IsNotFound(err) {
		c.object, c.index, err = nil, 0, nil
	}
	return c, err
}

// indexOf is the version index of an object that the mirror holds.
func (m *Mirror) indexOf(kind translate.GroupKind, id string) (uint64, bool) {
	switch kind {
	case translate.GroupService:
		if o := m.services[id]; o != nil {
			return o.Version.Index, true
		}
	case translate.GroupConfig:
		if o := m.configs[id]; o != nil {
			return o.Version.Index, true
		}
	case translate.GroupSecret:
		if o := m.secrets[id]; o != nil {
			return o.Version.Index, true
		}
	case translate.GroupNode:
		if o := m.nodes[id]; o != nil {
			return o.Version.Index, true
		}
	case kindNetwork:
		_, ok := m.networks[id]
		return 1, ok
	default:
	}
	return 0, false
}

// errStale says that the Swarm has a newer version than the one that a plan was made for.
var errStale = errors.New("the object has changed")

// stale turns Swarm's version conflict into errStale, once the mirror knows the newer version.
func (e *Engine) stale(ctx context.Context, m *Mirror, s translate.Step, err error) error {
	if !isOutOfSequence(err) && (!errdefs.IsNotFound(err) || s.ID == "") {
		return err
	}
	if lookErr := e.look(ctx, m, s.Group, s.ID); lookErr != nil {
		return lookErr
	}
	if errdefs.IsNotFound(err) {
		return err
	}
	return errStale
}

func isOutOfSequence(err error) bool {
	return err != nil && strings.Contains(err.Error(), "update out of sequence")
}

// lookNamed reads the service of a name into the mirror.
func (e *Engine) lookNamed(ctx context.Context, m *Mirror, name string) error {
	s, _, err := e.ServiceInspectWithRaw(ctx, name, swarm.ServiceInspectOptions{})
	if err != nil {
		return err
	}
	m.apply([]change{{kind: translate.GroupService, id: s.ID, object: &s}})
	return nil
}

// lookConfig reads the config that has the name that a step wanted for its own.
func (e *Engine) lookConfig(ctx context.Context, m *Mirror, s translate.Step) error {
	if s.Config == nil {
		return errStale
	}
	c, _, err := e.ConfigInspectWithRaw(ctx, s.Config.Name)
	if err != nil {
		return err
	}
	m.apply([]change{{kind: translate.GroupConfig, id: c.ID, object: slimConfig(&c)}})
	return nil
}
