package swarm

import (
	"maps"
	"reflect"
	"slices"
	"sort"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2"

	"skep/translate"
)

// View is all objects of one resource, as its lens sees them in the mirror, and who watches them.
type View struct {
	m         *Mirror
	lens      translate.Lens
	kinds     []translate.GroupKind // of the groups that the lens reads
	scheme    Scheme
	versioner storage.Versioner

	// Guarded by the mirror's lock.
	entries  map[translate.Key]*entry
	groups   map[translate.Group][]*entry
	alarms   map[translate.Group]*time.Timer
	history  []event
	floor    uint64 // what happened up to here is not in history
	watchers map[*watcher]struct{}
	// private views number their changes themselves, by the microsecond: what they show is not in the Swarm.
	private bool
	own     uint64
	// recorded is the time of the last event, as watch caches are told.
	recorded time.Time
}

// Scheme converts between the external objects of lenses and those that a registry keeps.
type Scheme interface {
	ToInternal(translate.Object) (runtime.Object, error)
	ToExternal(runtime.Object) (translate.Object, error)
}

// entry is one object. It is replaced, never changed.
type entry struct {
	key    translate.Key
	group  translate.Group
	parts  []any
	index  uint64
	rev    uint64
	base   uint64
	object runtime.Object // internal version, with resourceVersion; nil when err is set
	err    error
}

// event is what watchers are told.
type event struct {
	kind watch.EventType
	old  *entry
	now  *entry // of a removal, the last state with the removal's revision
	at   time.Time
}

// historyLength is how many events a view can replay; who comes later lists again.
const historyLength = 2048

// AddView adds a resource. It has to be called before the feed starts.
func (m *Mirror) AddView(lens translate.Lens, scheme Scheme) *View {
	v := &View{
		m: m, lens: lens, kinds: lens.Groups(), scheme: scheme, versioner: storage.APIObjectVersioner{},
		entries: map[translate.Key]*entry{}, groups: map[translate.Group][]*entry{},
		alarms: map[translate.Group]*time.Timer{}, watchers: map[*watcher]struct{}{},
		private: slices.Contains(lens.Groups(), translate.GroupEvent), own: uint64(time.Now().UnixMicro()),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.views = append(m.views, v)
	return v
}

// refresh asks the lens what the touched groups hold now, and returns what changed.
func (v *View) refresh(touched dirty) []event {
	var events []event
	for g := range touched {
		if slices.Contains(v.kinds, g.Kind) {
			events = append(events, v.refreshGroup(g)...)
		}
	}
	return events
}

func (v *View) refreshGroup(g translate.Group) []event {
	found := v.lens.Get(v.m.world(), g)
	before := roll{entries: v.groups[g]}
	var events []event
	now := make([]*entry, 0, len(found))
	var wake time.Time
	for i, d := range found {
		if !d.Wake.IsZero() && (wake.IsZero() || d.Wake.Before(wake)) {
			wake = d.Wake
		}
		old := before.take(i, d.Key)
		if old != nil && d.Parts != nil && slices.Equal(old.parts, d.Parts) {
			now = append(now, old)
			continue
		}
		e := v.build(g, d)
		now = append(now, e)
		if old != nil && old.err == nil && e.err == nil && v.same(old, e) {
			e.object, e.rev = old.object, old.rev
			v.entries[e.key] = e
			continue
		}
		kind := watch.Modified
		if old == nil {
			kind = watch.Added
		}
		events = append(events, event{kind: kind, old: old, now: e})
	}
	for _, old := range before.left() {
		gone := *old
		events = append(events, event{kind: watch.Deleted, old: old, now: &gone})
	}
	v.setGroup(g, now)
	v.setAlarm(g, wake)
	return events
}

// roll is what a group held before. Mostly it holds the same now, in the same order.
type roll struct {
	entries []*entry
	taken   int // so many from the beginning
	byKey   map[translate.Key]*entry
}

// take is the i-th entry when it has the key, else the one that has; nil when none has.
func (r *roll) take(i int, k translate.Key) *entry {
	if r.byKey == nil {
		if i < len(r.entries) && r.entries[i].key == k {
			r.taken++
			return r.entries[i]
		}
		r.byKey = make(map[translate.Key]*entry, len(r.entries)-r.taken)
		for _, e := range r.entries[r.taken:] {
			r.byKey[e.key] = e
		}
	}
	e := r.byKey[k]
	delete(r.byKey, k)
	return e
}

// left are the entries that nothing took.
func (r *roll) left() []*entry {
	if r.byKey == nil {
		return r.entries[r.taken:]
	}
	return slices.Collect(maps.Values(r.byKey))
}

func (v *View) setGroup(g translate.Group, now []*entry) {
	if len(now) == 0 {
		delete(v.groups, g)
		return
	}
	v.groups[g] = now
}

// build makes the entry of a derived object. One that cannot be made is kept with its error: it exists.
func (v *View) build(g translate.Group, d translate.Derived) *entry {
	e := &entry{key: d.Key, group: g, parts: d.Parts, index: d.Index, base: d.Base}
	external, err := d.Build()
	if err == nil {
		e.object, err = v.scheme.ToInternal(external)
	}
	if err != nil {
		e.object, e.err = nil, err
		klog.ErrorS(err, "an object cannot be read", "kind", v.lens.Kind(), "namespace", d.Key.Namespace, "name", d.Key.Name)
	}
	return e
}

// same says whether a rebuilt object is what it was. Its parts are compared from the last on: mostly it is
// the status that changed. Memory that both share is equal at once.
func (v *View) same(old, now *entry) bool {
	accessor, err := meta.Accessor(now.object)
	if err != nil {
		return false
	}
	before, err := meta.Accessor(old.object)
	if err != nil {
		return false
	}
	accessor.SetResourceVersion(before.GetResourceVersion())
	a, b := reflect.ValueOf(old.object).Elem(), reflect.ValueOf(now.object).Elem()
	if a.Type() != b.Type() {
		return false
	}
	for i := a.NumField() - 1; i >= 0; i-- {
		if !equality.Semantic.DeepEqual(a.Field(i).Addr().Interface(), b.Field(i).Addr().Interface()) {
			return false
		}
	}
	return true
}

// publish gives each event its resourceVersion, above all before it and at most rev, and tells watchers
// in that order.
func (v *View) publish(events []event, before, rev uint64) {
	if len(events) == 0 {
		return
	}
	if v.private {
		before = v.own
		v.own = max(v.own+1, uint64(time.Now().UnixMicro()))
		rev = v.own
	}
	v.number(events, before, rev)
	for i := range events {
		events[i].at = v.recordTime()
	}
	for _, ev := range events {
		if ev.now.object != nil {
			if ev.kind == watch.Deleted {
				ev.now.object = copyOf(ev.now.object)
			}
			if err := v.versioner.UpdateObject(ev.now.object, ev.now.rev); err != nil {
				klog.ErrorS(err, "resourceVersion cannot be set", "kind", v.lens.Kind())
			}
		}
	}
	// A name can go from one group to another in one batch: first all that goes.
	for _, ev := range events {
		if ev.kind == watch.Deleted && v.entries[ev.now.key] == ev.old {
			delete(v.entries, ev.now.key)
		}
	}
	for _, ev := range events {
		if ev.kind != watch.Deleted {
			v.entries[ev.now.key] = ev.now
		}
	}
	v.remember(events)
	for w := range v.watchers {
		for i := range events {
			w.push(&events[i])
		}
	}
}

// remember appends events to the history and forgets the oldest. append moves what is left now and then, so
// a change costs the same however long the history.
func (v *View) remember(events []event) {
	v.history = append(v.history, events...)
	if over := len(v.history) - historyLength; over > 0 {
		v.floor = v.history[over-1].now.rev
		clear(v.history[:over])
		v.history = v.history[over:]
	}
}

// copyOf is an object that can be given another resourceVersion: all else is shared.
func copyOf(o runtime.Object) runtime.Object {
	from := reflect.ValueOf(o)
	to := reflect.New(from.Type().Elem())
	to.Elem().Set(from.Elem())
	return to.Interface().(runtime.Object)
}

// number gives each event its revision: the index of what changed, where that is news, else rev. Events are
// then in order. When a name goes from one object to another, the end of the old comes before the new.
func (v *View) number(events []event, before, rev uint64) {
	begins := map[translate.Key]uint64{}
	for _, ev := range events {
		ev.now.rev = rev
		if ev.kind != watch.Deleted && ev.now.index > before && ev.now.index <= rev {
			ev.now.rev = ev.now.index
		}
		if ev.kind == watch.Added {
			begins[ev.now.key] = ev.now.rev
		}
	}
	for _, ev := range events {
		if begin, ok := begins[ev.now.key]; ok && ev.kind == watch.Deleted {
			ev.now.rev = max(begin-1, before+1)
		}
	}
	sort.SliceStable(events, func(i, j int) bool {
		a, b := events[i], events[j]
		if a.now.rev != b.now.rev {
			return a.now.rev < b.now.rev
		}
		return a.kind == watch.Deleted && b.kind != watch.Deleted
	})
}

// setAlarm has a group looked at again, with the next mark, when time alone changes it.
func (v *View) setAlarm(g translate.Group, wake time.Time) {
	if t := v.alarms[g]; t != nil {
		t.Stop()
		delete(v.alarms, g)
	}
	if wake.IsZero() {
		return
	}
	v.alarms[g] = time.AfterFunc(max(time.Until(wake), 0)+time.Millisecond, func() {
		v.m.mu.Lock()
		defer v.m.mu.Unlock()
		v.m.overdue[g] = true
		v.m.ring()
	})
}

// revision is the highest resourceVersion of the view. The mirror is locked.
func (v *View) revision() uint64 {
	if v.private {
		return v.own
	}
	return v.m.rev
}

// Revision is the highest resourceVersion of the view.
func (v *View) Revision() uint64 {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	return v.revision()
}

// find returns an object's entry; nil when there is none.
func (v *View) find(key translate.Key) *entry {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	return v.entries[key]
}
