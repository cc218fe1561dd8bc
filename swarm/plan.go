package swarm

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
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
		made, err := e.ServiceCreate(ctx, *s.Service, swarm.ServiceCreateOptions{})
		return made.ID, err
	}
	_, err := e.ServiceUpdate(ctx, s.ID, s.Version, *s.Service, swarm.ServiceUpdateOptions{})
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
	}
	return fmt.Errorf("a %s cannot be removed", s.Group)
}

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
	if m.await(wait, done) == nil {
		return
	}
	if err := e.look(ctx, m, kind, id); err != nil {
		klog.ErrorS(err, "A write was done and cannot be read back yet", "kind", kind, "id", id)
	}
}

// look reads one object from the Swarm into the mirror.
func (e *Engine) look(ctx context.Context, m *Mirror, kind translate.GroupKind, id string) error {
	c := change{kind: kind, id: id}
	var err error
	switch kind {
	case translate.GroupService:
		var s swarm.Service
		s, _, err = e.ServiceInspectWithRaw(ctx, id, swarm.ServiceInspectOptions{})
		c.object = &s
	case translate.GroupConfig:
		var s swarm.Config
		s, _, err = e.ConfigInspectWithRaw(ctx, id)
		c.object = slimConfig(&s)
	case translate.GroupSecret:
		var s swarm.Secret
		s, _, err = e.SecretInspectWithRaw(ctx, id)
		c.object = &s
	case translate.GroupNode:
		var n swarm.Node
		n, _, err = e.NodeInspectWithRaw(ctx, id)
		c.object = &n
	default:
		return nil
	}
	if errdefs.IsNotFound(err) {
		c.object, err = nil, nil
	}
	if err != nil {
		return err
	}
	m.apply([]change{c})
	return nil
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
	}
	return 0, false
}

// errStale says that the Swarm has a newer version than the one that a plan was made for.
var errStale = errors.New("the object has changed")

// stale turns Swarm's version conflict into errStale, once the mirror knows the newer version.
func (e *Engine) stale(ctx context.Context, m *Mirror, s translate.Step, err error) error {
	if !isOutOfSequence(err) && !(errdefs.IsNotFound(err) && s.ID != "") {
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

// ensureNetwork makes an attachable overlay unless it is there.
func (e *Engine) ensureNetwork(ctx context.Context, m *Mirror, name string) error {
	if m.hasNetwork(name) {
		return nil
	}
	_, err := e.NetworkCreate(ctx, name, network.CreateOptions{
		Driver: "overlay", Scope: "swarm", Attachable: true, Labels: map[string]string{translate.LabelMaterial: "network"},
	})
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		return fmt.Errorf("create the network %q: %w", name, err)
	}
	return nil
}

func (m *Mirror) hasNetwork(name string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, n := range m.networks {
		if n.Name == name {
			return true
		}
	}
	return false
}

// ensureMaterial makes the config or secret that a container mounts unless it is there. It is named by its
// content, so one of that name is the same.
func (e *Engine) ensureMaterial(ctx context.Context, m *Mirror, material translate.Material) error {
	if m.materialID(material.Name, material.Secret) != "" {
		return nil
	}
	a := swarm.Annotations{Name: material.Name, Labels: map[string]string{translate.LabelMaterial: "true"}}
	var err error
	var id string
	kind := translate.GroupConfig
	if material.Secret {
		kind = translate.GroupSecret
		var made swarm.SecretCreateResponse
		made, err = e.SecretCreate(ctx, swarm.SecretSpec{Annotations: a, Data: material.Data})
		id = made.ID
	} else {
		var made swarm.ConfigCreateResponse
		made, err = e.ConfigCreate(ctx, swarm.ConfigSpec{Annotations: a, Data: material.Data})
		id = made.ID
	}
	if isNameConflict(err) {
		id, err = e.materialNamed(ctx, material)
	}
	if err != nil {
		return err
	}
	e.settle(ctx, m, kind, id, 0, false)
	return nil
}

// materialNamed finds what another gateway made meanwhile.
func (e *Engine) materialNamed(ctx context.Context, material translate.Material) (string, error) {
	named := filters.NewArgs(filters.Arg("name", material.Name))
	if material.Secret {
		list, err := e.SecretList(ctx, swarm.SecretListOptions{Filters: named})
		for _, s := range list {
			if s.Spec.Name == material.Name {
				return s.ID, err
			}
		}
		return "", err
	}
	list, err := e.ConfigList(ctx, swarm.ConfigListOptions{Filters: named})
	for _, c := range list {
		if c.Spec.Name == material.Name {
			return c.ID, err
		}
	}
	return "", err
}

func isNameConflict(err error) bool {
	return err != nil && (errdefs.IsConflict(err) || errdefs.IsAlreadyExists(err) ||
		strings.Contains(err.Error(), "name conflicts with an existing object"))
}

// materialID is the ID of the config or secret of a name; empty when there is none.
func (m *Mirror) materialID(name string, secret bool) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	kind := "ConfigMap"
	if secret {
		kind = "Secret"
	}
	for _, c := range m.claims[translate.Identity{Kind: kind, Namespace: translate.DefaultNamespace, Name: translate.DNSName(name)}] {
		if n := m.configs[c.id]; !secret && n != nil && n.Spec.Name == name {
			return n.ID
		}
		if n := m.secrets[c.id]; secret && n != nil && n.Spec.Name == name {
			return n.ID
		}
	}
	return ""
}

// resolve fills in the IDs of configs and secrets that a spec names.
func (m *Mirror) resolve(spec *swarm.ServiceSpec) {
	c := spec.TaskTemplate.ContainerSpec
	if c == nil {
		return
	}
	for i, ref := range c.Configs {
		if ref.ConfigID == "" && ref.ConfigName != "" {
			filled := *ref
			filled.ConfigID = m.namedID(ref.ConfigName, false)
			c.Configs[i] = &filled
		}
	}
	for i, ref := range c.Secrets {
		if ref.SecretID == "" && ref.SecretName != "" {
			filled := *ref
			filled.SecretID = m.namedID(ref.SecretName, true)
			c.Secrets[i] = &filled
		}
	}
}

// namedID is the ID of any config or secret of a name.
func (m *Mirror) namedID(name string, secret bool) string {
	if id := m.materialID(name, secret); id != "" {
		return id
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if secret {
		for id, s := range m.secrets {
			if s.Spec.Name == name {
				return id
			}
		}
		return ""
	}
	for id, c := range m.configs {
		if c.Spec.Name == name {
			return id
		}
	}
	return ""
}

// errNoTaskRemoval says what is missing for deleting a Pod of another node.
var errNoTaskRemoval = errors.New("a Pod on another node can only be deleted through SwarmKit's control socket: " +
	"run skep on a manager where it can be read (--control-socket), or scale the workload")

// removeTask takes a task away: by SwarmKit on any node, else by the Engine when it runs here.
func (e *Engine) removeTask(ctx context.Context, m *Mirror, id string) error {
	m.mu.RLock()
	t := m.tasks[m.taskOf[id]][id]
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
		_ = m.await(wait, func() bool { _, ok := m.taskOf[id]; return !ok }) //nolint:errcheck // the feed will tell
		return nil
	}
	if t.NodeID != e.Info.Swarm.NodeID || t.Status.ContainerStatus == nil || t.Status.ContainerStatus.ContainerID == "" {
		return errNoTaskRemoval
	}
	return e.ContainerRemove(ctx, t.Status.ContainerStatus.ContainerID, container.RemoveOptions{Force: true})
}

// unchanged says whether a commit would change nothing.
func (m *Mirror) unchanged(s translate.Step) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	switch {
	case s.ID == "":
		return false
	case s.Service != nil:
		live := m.services[s.ID]
		return live != nil && reflect.DeepEqual(live.Spec, *s.Service)
	case s.Config != nil:
		live := m.configs[s.ID]
		return live != nil && reflect.DeepEqual(live.Spec.Labels, s.Config.Labels)
	case s.Node != nil:
		live := m.nodes[s.ID]
		return live != nil && reflect.DeepEqual(live.Spec, *s.Node)
	}
	return false
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
