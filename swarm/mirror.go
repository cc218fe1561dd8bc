package swarm

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"skep/translate"
)

// Mirror holds the Swarm in memory. One feed writes it, in batches; views are told what each batch touched
// while it is locked, so what they show is always one state of the Swarm.
type Mirror struct {
	Sealer

	mu       sync.RWMutex
	services map[string]*swarm.Service
	gone     map[string]*swarm.Service // removed, with tasks left
	tasks    map[string]map[string]*swarm.Task
	taskOf   map[string]string // task ID -> service ID
	nodes    map[string]*swarm.Node
	configs  map[string]*swarm.Config
	secrets  map[string]*swarm.Secret
	networks map[string]Network
	owned    map[string]map[string]*swarm.Config // by service ID
	claims   map[translate.Identity][]claim
	stacks   map[string]map[string]part // by namespace, then ID

	removed *simplelru.LRU[string, struct{}] // IDs

	parsing   sync.Mutex
	workloads map[string]*translate.Workload // parsed on first use
	// rev is the highest resourceVersion given out. It is Swarm's raft index, but for a change without
	// one of its own (a removal, the passing of time) it is one more than the last.
	rev     uint64
	changed chan struct{} // closed at each batch
	synced  bool
	failure error // why nothing is heard from the Swarm

	// overdue are the groups that time has changed since the last mark.
	overdue dirty
	due     chan struct{}

	views  []*View
	born   time.Time
	events *eventLog
}

// Network is what the mirror keeps of a network.
type Network struct {
	ID, Name string
	Labels   map[string]string
	Created  time.Time
	Ingress  bool
}

// claim is a Swarm object that would be the object of an identity.
type claim struct {
	id      string
	ours    bool // its labels say so
	created time.Time
}

// part is one of the objects that make a stack.
type part struct {
	stack   string
	created time.Time
	index   uint64
}

// change is one Swarm object as it now is; gone when object is nil.
type change struct {
	kind   translate.GroupKind // of the object itself; kindTask and kindNetwork beside the groups
	id     string
	object any
	index  uint64 // of a removal, where it is known
}

const (
	kindTask    translate.GroupKind = "task"
	kindNetwork translate.GroupKind = "network"
)

// NewMirror returns an empty mirror.
func NewMirror(sealer Sealer) *Mirror {
	removed, err := simplelru.NewLRU[string, struct{}](removedMax, nil)
	if err != nil {
		panic(err) // a size that is not positive
	}
	return &Mirror{
		Sealer:   sealer,
		services: map[string]*swarm.Service{}, gone: map[string]*swarm.Service{},
		tasks: map[string]map[string]*swarm.Task{}, taskOf: map[string]string{},
		nodes: map[string]*swarm.Node{}, configs: map[string]*swarm.Config{}, secrets: map[string]*swarm.Secret{},
		networks: map[string]Network{}, owned: map[string]map[string]*swarm.Config{},
		claims: map[translate.Identity][]claim{}, stacks: map[string]map[string]part{},
		workloads: map[string]*translate.Workload{}, changed: make(chan struct{}), overdue: dirty{}, due: make(chan struct{}, 1),
		removed: removed, events: newEventLog(), rev: 1, born: time.Now(), failure: errors.New("the Swarm has not been read yet"),
	}
}

// Ready returns nil while changes are heard from the Swarm, else why not.
func (m *Mirror) Ready() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.failure
}

// Revision is the highest resourceVersion that any object has had.
func (m *Mirror) Revision() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.rev
}

func (m *Mirror) setFailure(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// WaitSynced waits until the whole Swarm has been read once.
func (m *Mirror) WaitSynced(ctx context.Context) error {
	return m.await(ctx, func() bool { return m.synced })
}

// await waits until done, which is called with the mirror locked for reading.
func (m *Mirror) await(ctx context.Context, done func() bool) error {
	for {
		m.mu.RLock()
		ok, changed := done(), m.changed
		m.mu.RUnlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dirty collects the groups that a batch touched.
type dirty map[translate.Group]bool

func (d dirty) add(kind translate.GroupKind, id string) {
	if id != "" {
		d[translate.Group{Kind: kind, ID: id}] = true
	}
}

// apply takes in a batch of changes in the order in which they happened.
func (m *Mirror) apply(changes []change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applyBatch(changes, dirty{})
}

func (m *Mirror) applyBatch(changes []change, touched dirty) {
	before := m.rev
	for _, c := range changes {
		if index := m.applyOne(c, touched); index > m.rev {
			m.rev = index
		}
	}
	m.events.tell(world{m}, touched)
	m.refresh(before, touched)
}

// replace makes the mirror hold exactly these objects: a full read of the Swarm.
func (m *Mirror) replace(all []change) {
	present := map[translate.GroupKind]map[string]bool{}
	for _, c := range all {
		if present[c.kind] == nil {
			present[c.kind] = map[string]bool{}
		}
		present[c.kind][c.id] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var lost []change
	note := func(kind translate.GroupKind, ids []string) {
		for _, id := range ids {
			if !present[kind][id] {
				lost = append(lost, change{kind: kind, id: id})
			}
		}
	}
	note(kindTask, slices.Collect(maps.Keys(m.taskOf)))
	note(translate.GroupService, slices.Collect(maps.Keys(m.services)))
	note(translate.GroupNode, slices.Collect(maps.Keys(m.nodes)))
	note(translate.GroupConfig, slices.Collect(maps.Keys(m.configs)))
	note(translate.GroupSecret, slices.Collect(maps.Keys(m.secrets)))
	note(kindNetwork, slices.Collect(maps.Keys(m.networks)))
	touched := dirty{}
	for _, ns := range translate.BuiltinNamespaces {
		touched.add(translate.GroupNamespace, ns)
	}
	m.synced, m.failure = true, nil
	m.removed.Purge() // a full read knows better
	m.applyBatch(append(all, lost...), touched)
	m.removed.Purge() // what it has not may be newer than it
	for _, v := range m.views {
		v.floor = v.revision() // what happened meanwhile, and in which order, is not known
	}
}

// refresh has the views look at what was touched, then tells all who wait.
func (m *Mirror) refresh(before uint64, touched dirty) {
	pending := make([][]event, len(m.views))
	any := false
	for i, v := range m.views {
		pending[i] = v.refresh(touched)
		any = any || len(pending[i]) > 0 && !v.private
	}
	if any && m.rev == before {
		m.rev++ // no index of its own: after all that was seen before
	}
	for i, v := range m.views {
		v.publish(pending[i], before, m.rev)
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// applyOne puts one change into the maps and returns its version index.
func (m *Mirror) applyOne(c change, touched dirty) uint64 {
	if c.kind != kindTask && m.isLate(c) {
		return 0
	}
	switch c.kind {
	case translate.GroupService:
		return m.applyService(c, touched)
	case kindTask:
		return m.applyTask(c, touched)
	case translate.GroupNode:
		return m.applyNode(c, touched)
	case translate.GroupConfig:
		return m.applyConfig(c, touched)
	case translate.GroupSecret:
		return m.applySecret(c, touched)
	case kindNetwork:
		return m.applyNetwork(c, touched)
	}
	return 0
}

// isLate says whether a change was overtaken by its object's removal: who reads one object by itself may come
// after the feed. Swarm never gives an ID twice.
func (m *Mirror) isLate(c change) bool {
	if c.object == nil {
		m.removed.Add(c.id, struct{}{})
		return false
	}
	return m.removed.Contains(c.id)
}

// removedMax is how many removals are remembered.
const removedMax = 4096

func (m *Mirror) applyService(c change, touched dirty) uint64 {
	old := m.services[c.id]
	s, _ := c.object.(*swarm.Service)
	if s != nil && old != nil && s.Version.Index <= old.Version.Index {
		return 0
	}
	touched.add(translate.GroupService, c.id)
	before := m.workloads[c.id]
	delete(m.workloads, c.id)
	if old != nil {
		m.unclaim(translate.ServiceIdentity(&old.Spec), c.id, touched)
		m.leaveStack(old.Spec.Labels, c.id, touched)
	}
	if s == nil {
		delete(m.services, c.id)
		if old != nil && len(m.tasks[c.id]) > 0 {
			m.gone[c.id] = old
		}
		return c.index
	}
	m.services[c.id] = s
	delete(m.gone, c.id)
	m.claim(translate.ServiceIdentity(&s.Spec), claim{c.id, s.Spec.Labels[translate.LabelObject] != "", s.CreatedAt}, touched)
	m.joinStack(s.Spec.Labels, c.id, s.Meta, touched)
	if old == nil || before != nil {
		m.events.note(observed{service: s, before: before})
	}
	return s.Version.Index
}

func (m *Mirror) applyTask(c change, touched dirty) uint64 {
	service := m.taskOf[c.id]
	old := m.tasks[service][c.id]
	t, _ := c.object.(*swarm.Task)
	if t == nil {
		if old == nil {
			return 0
		}
		m.events.note(observed{oldTask: old})
		delete(m.taskOf, c.id)
		delete(m.tasks[service], c.id)
		touched.add(translate.GroupService, service)
		if len(m.tasks[service]) == 0 {
			delete(m.tasks, service)
			if _, ok := m.gone[service]; ok {
				delete(m.gone, service)
				delete(m.workloads, service)
			}
		}
		return c.index
	}
	if old != nil && t.Version.Index <= old.Version.Index || t.ServiceID == "" {
		return 0
	}
	if m.tasks[t.ServiceID] == nil {
		m.tasks[t.ServiceID] = map[string]*swarm.Task{}
	}
	if old != nil {
		t.Spec = old.Spec // a task's spec never changes: share it
	}
	m.tasks[t.ServiceID][c.id] = t
	m.taskOf[c.id] = t.ServiceID
	touched.add(translate.GroupService, t.ServiceID)
	m.events.note(observed{oldTask: old, task: t})
	return t.Version.Index
}

func (m *Mirror) applyNode(c change, touched dirty) uint64 {
	old := m.nodes[c.id]
	n, _ := c.object.(*swarm.Node)
	if n != nil && old != nil && n.Version.Index <= old.Version.Index {
		return 0
	}
	touched.add(translate.GroupNode, c.id)
	if old != nil {
		m.unclaim(translate.NodeIdentity(old), c.id, touched)
	}
	if n == nil {
		delete(m.nodes, c.id)
		return c.index
	}
	m.nodes[c.id] = n
	m.claim(translate.NodeIdentity(n), claim{id: c.id, created: n.CreatedAt}, touched)
	if old == nil || old.Status != n.Status || old.Description.Hostname != n.Description.Hostname {
		for id, tasks := range m.tasks { // Pods show their node's name and address
			for _, t := range tasks {
				if t.NodeID == c.id {
					touched.add(translate.GroupService, id)
					break
				}
			}
		}
	}
	m.events.note(observed{oldNode: old, node: n})
	return n.Version.Index
}

func (m *Mirror) applyConfig(c change, touched dirty) uint64 {
	old := m.configs[c.id]
	n, _ := c.object.(*swarm.Config)
	if n != nil && old != nil && n.Version.Index <= old.Version.Index {
		return 0
	}
	touched.add(translate.GroupConfig, c.id)
	if old != nil {
		m.leaveConfig(old, touched)
	}
	if n == nil {
		delete(m.configs, c.id)
		return c.index
	}
	m.configs[c.id] = n
	if n.Spec.Labels[translate.LabelMaterial] == labelledMark {
		maps.Copy(touched, m.overdue)
		clear(m.overdue)
	}
	if owner := n.Spec.Labels[translate.LabelOwner]; owner != "" {
		if m.owned[owner] == nil {
			m.owned[owner] = map[string]*swarm.Config{}
		}
		m.owned[owner][c.id] = n
		touched.add(translate.GroupService, owner)
	} else {
		m.claim(translate.ConfigIdentity(n.Spec.Annotations, "ConfigMap"),
			claim{c.id, n.Spec.Labels[translate.LabelKind] != "", n.CreatedAt}, touched)
	}
	if n.Spec.Labels[translate.LabelMaterial] == "" {
		m.joinStack(n.Spec.Labels, c.id, n.Meta, touched)
	}
	return n.Version.Index
}

func (m *Mirror) leaveConfig(old *swarm.Config, touched dirty) {
	m.leaveStack(old.Spec.Labels, old.ID, touched)
	owner := old.Spec.Labels[translate.LabelOwner]
	if owner == "" {
		m.unclaim(translate.ConfigIdentity(old.Spec.Annotations, "ConfigMap"), old.ID, touched)
		return
	}
	delete(m.owned[owner], old.ID)
	if len(m.owned[owner]) == 0 {
		delete(m.owned, owner)
	}
	touched.add(translate.GroupService, owner)
}

func (m *Mirror) applySecret(c change, touched dirty) uint64 {
	old := m.secrets[c.id]
	n, _ := c.object.(*swarm.Secret)
	if n != nil && old != nil && n.Version.Index <= old.Version.Index {
		return 0
	}
	touched.add(translate.GroupSecret, c.id)
	if old != nil {
		m.leaveStack(old.Spec.Labels, c.id, touched)
		m.unclaim(translate.ConfigIdentity(old.Spec.Annotations, "Secret"), c.id, touched)
	}
	if n == nil {
		delete(m.secrets, c.id)
		return c.index
	}
	m.secrets[c.id] = n
	m.claim(translate.ConfigIdentity(n.Spec.Annotations, "Secret"), claim{id: c.id, created: n.CreatedAt}, touched)
	if n.Spec.Labels[translate.LabelMaterial] == "" {
		m.joinStack(n.Spec.Labels, c.id, n.Meta, touched)
	}
	return n.Version.Index
}

func (m *Mirror) applyNetwork(c change, touched dirty) uint64 {
	if old, ok := m.networks[c.id]; ok {
		m.leaveStack(old.Labels, c.id, touched)
	}
	n, ok := c.object.(Network)
	if !ok {
		delete(m.networks, c.id)
		return c.index
	}
	m.networks[c.id] = n
	m.joinStack(n.Labels, c.id, swarm.Meta{CreatedAt: n.Created}, touched)
	return c.index
}

// claim enters an object for an identity; who else claims it may get another name by that.
func (m *Mirror) claim(id translate.Identity, c claim, touched dirty) {
	list := append(m.claims[id], c)
	slices.SortFunc(list, func(a, b claim) int {
		switch {
		case a.ours != b.ours && a.ours:
			return -1
		case a.ours != b.ours:
			return 1
		case !a.created.Equal(b.created):
			return a.created.Compare(b.created)
		}
		return cmp.Compare(a.id, b.id)
	})
	m.claims[id] = list
	m.touchClaims(list, touched)
}

func (m *Mirror) unclaim(id translate.Identity, swarmID string, touched dirty) {
	list := slices.DeleteFunc(slices.Clone(m.claims[id]), func(c claim) bool { return c.id == swarmID })
	if len(list) == 0 {
		delete(m.claims, id)
		return
	}
	m.claims[id] = list
	m.touchClaims(list, touched)
}

// touchClaims has everything that claims an identity looked at again: its name depends on the others.
func (m *Mirror) touchClaims(list []claim, touched dirty) {
	for _, c := range list {
		delete(m.workloads, c.id)
		m.touchID(c.id, touched)
	}
}

func (m *Mirror) touchID(id string, touched dirty) {
	if _, ok := m.services[id]; ok {
		touched.add(translate.GroupService, id)
	}
	if _, ok := m.configs[id]; ok {
		touched.add(translate.GroupConfig, id)
	}
	if _, ok := m.secrets[id]; ok {
		touched.add(translate.GroupSecret, id)
	}
	if _, ok := m.nodes[id]; ok {
		touched.add(translate.GroupNode, id)
	}
}

func (m *Mirror) joinStack(labels map[string]string, id string, meta swarm.Meta, touched dirty) {
	stack := labels[translate.LabelStack]
	if stack == "" {
		return
	}
	ns := translate.DNSName(stack)
	if m.stacks[ns] == nil {
		m.stacks[ns] = map[string]part{}
	}
	_, known := m.stacks[ns][id]
	m.stacks[ns][id] = part{stack, meta.CreatedAt, meta.Version.Index}
	if !known || labels[translate.LabelKind] == "Namespace" {
		touched.add(translate.GroupNamespace, ns)
	}
}

func (m *Mirror) leaveStack(labels map[string]string, id string, touched dirty) {
	stack := labels[translate.LabelStack]
	if stack == "" {
		return
	}
	ns := translate.DNSName(stack)
	delete(m.stacks[ns], id)
	if len(m.stacks[ns]) == 0 {
		delete(m.stacks, ns)
	}
	touched.add(translate.GroupNamespace, ns)
}

// workload and keepWorkload guard the parsed services, which readers fill in too.
func (m *Mirror) workload(id string) (*translate.Workload, bool) {
	m.parsing.Lock()
	defer m.parsing.Unlock()
	wl, ok := m.workloads[id]
	return wl, ok
}

func (m *Mirror) keepWorkload(id string, wl *translate.Workload) {
	m.parsing.Lock()
	defer m.parsing.Unlock()
	m.workloads[id] = wl
}

// taskChanges are the tasks of a full list that the mirror does not have so, and those that it has and the
// list has not.
func (m *Mirror) taskChanges(list []change) []change {
	m.mu.RLock()
	defer m.mu.RUnlock()
	present := make(map[string]bool, len(list))
	var changes []change
	for _, c := range list {
		present[c.id] = true
		t := c.object.(*swarm.Task)
		if old := m.tasks[m.taskOf[c.id]][c.id]; old == nil || old.Version.Index < t.Version.Index {
			changes = append(changes, c)
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Compare(a.object.(*swarm.Task).Version.Index, b.object.(*swarm.Task).Version.Index)
	})
	for id := range m.taskOf {
		if !present[id] {
			changes = append(changes, change{kind: kindTask, id: id})
		}
	}
	return changes
}
