package swarm

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
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
	rev      uint64 // the resourceVersion of the whole
	// private views number their changes themselves, by the microsecond: what they show is not in the Swarm.
	private bool
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
	rev    uint64         // its resourceVersion
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
const historyLength = 512

// AddView adds a resource. It has to be called before the feed starts.
func (m *Mirror) AddView(lens translate.Lens, scheme Scheme) *View {
	v := &View{
		m: m, lens: lens, kinds: lens.Groups(), scheme: scheme, versioner: storage.APIObjectVersioner{},
		entries: map[translate.Key]*entry{}, groups: map[translate.Group][]*entry{},
		alarms: map[translate.Group]*time.Timer{}, watchers: map[*watcher]struct{}{},
		private: slices.Contains(lens.Groups(), translate.GroupEvent), rev: uint64(time.Now().UnixMicro()),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !v.private {
		v.rev = lastRevision(m.rev)
	}
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
	e := &entry{key: d.Key, group: g, parts: d.Parts, index: d.Index}
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

// publish gives each event its resourceVersion, above those of the index before and not above those of the last, and
// tells watchers in that order.
func (v *View) publish(events []event, before, last uint64) {
	v.stamp(events, before, last)
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

// stamp puts events in order, and their resourceVersions and times into them and the view.
func (v *View) stamp(events []event, before, last uint64) {
	switch {
	case v.private:
		v.numberOwn(events)
	case last > before:
		v.number(events, before, last)
		v.rev = lastRevision(last)
		if n := len(events); n > 0 && events[n-1].now.rev > lastRevision(last-1) {
			v.rev = events[n-1].now.rev // no more will come of that index
		}
	default:
		for i := range events {
			v.rev++
			events[i].now.rev = v.rev
		}
	}
	for i := range events {
		ev := &events[i]
		ev.at = v.recordTime()
		if ev.now.object == nil {
			continue
		}
		if ev.kind == watch.Deleted {
			ev.now.object = copyOf(ev.now.object)
		}
		if err := v.versioner.UpdateObject(ev.now.object, ev.now.rev); err != nil {
			klog.ErrorS(err, "resourceVersion cannot be set", "kind", v.lens.Kind())
		}
	}
}

// progress tells those watchers how far the view is that want to know: then a consistent read need not ask.
func (v *View) progress() {
	for w := range v.watchers {
		if w.progress {
			w.enqueue(queued{bookmark: v.rev})
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

// number gives each event its revision, no two the same: that of the index of what changed, where that is news, else
// that of the last. Events are then in order. When a name goes from one object to another, the end of the old comes
// before the new.
func (v *View) number(events []event, before, last uint64) {
	begins := map[translate.Key]uint64{}
	for _, ev := range events {
		index := last
		if ev.kind != watch.Deleted && ev.now.index > before && ev.now.index <= last {
			index = ev.now.index
		}
		ev.now.rev = revisionOf(index, ev.now.key)
		if ev.kind == watch.Added {
			begins[ev.now.key] = ev.now.rev
		}
	}
	for _, ev := range events {
		if begin, ok := begins[ev.now.key]; ok && ev.kind == watch.Deleted {
			ev.now.rev = begin - 1
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.now.rev, b.now.rev), cmp.Compare(a.now.key.Namespace, b.now.key.Namespace), cmp.Compare(a.now.key.Name, b.now.key.Name))
	})
	for i := 1; i < len(events); i++ {
		events[i].now.rev = max(events[i].now.rev, events[i-1].now.rev+1)
	}
}

// numberOwn numbers the events of a private view.
func (v *View) numberOwn(events []event) {
	slices.SortStableFunc(events, func(a, b event) int { return ends(b) - ends(a) })
	if len(events) > 0 {
		v.rev = max(v.rev+uint64(len(events)), uint64(time.Now().UnixMicro()))
	}
	for i, ev := range events {
		ev.now.rev = v.rev - uint64(len(events)-1-i)
	}
}

// ends is 1 for a removal, else 0.
func ends(ev event) int {
	if ev.kind == watch.Deleted {
		return 1
	}
	return 0
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

// Revision is the highest resourceVersion of the view.
func (v *View) Revision() uint64 {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	return v.rev
}

// reach is the highest resourceVersion that the view can answer for. The mirror is locked.
func (v *View) reach() uint64 {
	if v.private {
		return v.rev
	}
	return max(v.rev, lastRevision(v.m.rev))
}

// find returns an object's entry; nil when there is none.
func (v *View) find(key translate.Key) *entry {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	return v.entries[key]
}

// Ahead says whether a resourceVersion is of a change that Swarm knows nothing of, and that another gateway, or this one
// before it started anew, has told of: what happened since is not known here by such numbers.
func (v *View) Ahead(rev uint64) bool {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	return !v.private && rev > v.rev && rev/perIndex == v.rev/perIndex && rev%perIndex >= perIndex-perIndexQuiet
}
