package swarm

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"skep/translate"
	"skep/translate/manifest"
)

// Mirror holds the Swarm in memory. One feed writes it, in batches; views are told what each batch touched
// while it is locked, so what they show is always one state of the Swarm.
type Mirror struct {
	Sealer
	// Networking has to be set before the feed starts.
	Networking translate.Networking
	// ClusterCA is the certificate by which Pods know the gateway, as PEM; "" gives them none. As Networking.
	ClusterCA string
	// APIPort is where the managers' addresses have the gateway; 0 for not at all. As Networking.
	APIPort int32

	mu       sync.RWMutex
	services map[string]*swarm.Service
	gone     map[string]*swarm.Service // removed, with tasks left
	task     map[string]*swarm.Task
	tasks    map[string][]*swarm.Task // by service ID, newest first; a slice is replaced, never changed
	// reports are what sandboxes say of their Pods, and sandboxes the tasks that are some, by task ID.
	reports   map[string]*manifest.Report
	sandboxes map[string]bool
	untold    untold
	departed  map[string]uint64 // by service ID: the index at which one of its tasks was last removed
	nodes     map[string]*swarm.Node
	configs   map[string]*swarm.Config
	secrets   map[string]*swarm.Secret
	networks  map[string]Network
	owned     map[string]map[string]*swarm.Config // by service ID
	claims    map[translate.Identity][]claim
	stacks    map[string]*stack // by namespace

	removed *simplelru.LRU[string, struct{}] // IDs
	words   map[string]string                // what tasks say over and over, once

	parsing   sync.Mutex
	workloads map[string]parsed // by service ID
	// rev is the highest index that resourceVersions were made of. It is Swarm's raft index, but for a change
	// without one of its own (a removal, the passing of time) it is one more than the last.
	rev     uint64
	changed chan struct{} // closed at each batch
	synced  bool
	failure error // why nothing is heard from the Swarm

	// overdue are the groups that time has changed since the last mark.
	overdue dirty
	due     chan struct{}

	waiting atomic.Int32  // for what they wrote, see takeIn
	hurry   chan struct{} // someone began to

	exposures  exposures
	provisions provisions
	views      []*View
	born       time.Time
	events     *eventLog
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

// stack is what is known of a Docker stack, and so of a namespace.
type stack struct {
	name     string
	ids      map[string]bool // of all that is in it
	since    time.Time       // when its oldest part was made
	index    uint64          // the version index of the first part that was heard of
	document string          // ID of the namespace's manifest; empty for none
}

// change is one Swarm object as it now is; gone when object is nil.
type change struct {
	kind   translate.GroupKind // of the object itself; kindTask and kindNetwork beside the groups
	id     string
	object any
	index  uint64 // of a removal, where it is known
	known  bool   // a task without its spec, of which the mirror has an earlier version
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
		Sealer: sealer, Networking: translate.DefaultNetworking, exposures: newExposures(), provisions: newProvisions(),
		services: map[string]*swarm.Service{}, gone: map[string]*swarm.Service{},
		task: map[string]*swarm.Task{}, tasks: map[string][]*swarm.Task{}, words: map[string]string{},
		reports: map[string]*manifest.Report{}, sandboxes: map[string]bool{}, untold: newUntold(),
		departed: map[string]uint64{}, nodes: map[string]*swarm.Node{}, configs: map[string]*swarm.Config{}, secrets: map[string]*swarm.Secret{},
		networks: map[string]Network{}, owned: map[string]map[string]*swarm.Config{},
		claims: map[translate.Identity][]claim{}, stacks: map[string]*stack{},
		workloads: map[string]parsed{}, changed: make(chan struct{}), overdue: dirty{}, due: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		removed: removed, events: newEventLog(), rev: beginning, born: time.Now(), failure: errors.New("the Swarm has not been read yet"),
	}
}

// Ready returns nil while changes are heard from the Swarm, else why not.
func (m *Mirror) Ready() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.failure
}

// Revision is the highest index that the resourceVersion of any object was made of.
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
	m.markUpdates(touched)
	m.show(before, touched)
}

// show brings up to date what is derived of what was touched, and tells the views.
func (m *Mirror) show(before uint64, touched dirty) {
	m.expose(touched)
	m.events.tell(m.world(), touched)
	m.refresh(before, touched)
}

// showQuietly is show for what Swarm knows nothing of: it takes no index that a change of Swarm may have, so that all
// gateways give those the same resourceVersions.
func (m *Mirror) showQuietly(touched dirty) {
	m.expose(touched)
	m.events.tell(m.world(), touched)
	pending := make([][]event, len(m.views))
	full := false
	for i, v := range m.views {
		pending[i] = v.refresh(touched)
		full = full || !v.private && v.rev+uint64(len(pending[i])) >= (m.rev+1)*perIndex
	}
	before := m.rev
	if full || m.rev == beginning {
		m.rev++
	}
	m.publish(pending, before)
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
	note(kindTask, slices.Collect(maps.Keys(m.task)))
	note(translate.GroupService, slices.Collect(maps.Keys(m.services)))
	note(translate.GroupNode, slices.Collect(maps.Keys(m.nodes)))
	note(translate.GroupConfig, slices.Collect(maps.Keys(m.configs)))
	note(translate.GroupSecret, slices.Collect(maps.Keys(m.secrets)))
	note(kindNetwork, slices.Collect(maps.Keys(m.networks)))
	touched := dirty{}
	for _, ns := range translate.BuiltinNamespaces {
		touched.add(translate.GroupNamespace, ns)
	}
	touched.add(translate.GroupAddress, translate.AddressID(translate.APIService))
	m.synced, m.failure = true, nil
	m.removed.Purge() // a full read knows better
	m.applyBatch(append(all, lost...), touched)
	m.removed.Purge() // what it has not may be newer than it
	for _, v := range m.views {
		v.floor = v.rev // what happened meanwhile, and in which order, is not known
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
	m.publish(pending, before)
}

// publish has the views tell of their events, and all who wait look again.
func (m *Mirror) publish(pending [][]event, before uint64) {
	for i, v := range m.views {
		v.publish(pending[i], before, m.rev)
		if !v.private && m.rev > before || len(pending[i]) > 0 {
			v.progress()
		}
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// parsed is a service as it was read on first use, or, until it is read anew, as it was before.
type parsed struct{ now, before *translate.Workload }

// workload and keepWorkload guard the parsed services, which readers fill in too.
func (m *Mirror) workload(id string) parsed {
	m.parsing.Lock()
	defer m.parsing.Unlock()
	return m.workloads[id]
}

func (m *Mirror) keepWorkload(id string, wl *translate.Workload) {
	m.parsing.Lock()
	defer m.parsing.Unlock()
	m.workloads[id] = parsed{now: wl}
}

// outdate has a service read anew, and returns it as it was.
func (m *Mirror) outdate(id string) *translate.Workload {
	p := m.workloads[id]
	if p.now == nil {
		return p.before
	}
	m.workloads[id] = parsed{before: p.now}
	return p.now
}
