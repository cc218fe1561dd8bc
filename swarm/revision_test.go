package swarm

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/docker/docker/api/types/swarm"
	swarmapi "github.com/moby/swarmkit/v2/api"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"

	"skep/translate"
)

// A watch that is cut off anywhere within a transaction and resumes from what it saw last hears of all the rest.
func TestResumeWithinTransaction(t *testing.T) {
	b := newBench(t)
	var made, changed []change
	for i := range 200 {
		name := fmt.Sprint("p", i)
		made = append(made, b.pod(name, 10, name, "1"))
		changed = append(changed, b.pod(name, 11, name, "2"))
	}
	changed[7], changed[8] = gone("p7", 0), gone("p8", 0)
	b.m.apply(made)
	b.m.apply(changed)
	told := slices.Clone(b.view.history)
	if len(told) != 400 {
		t.Fatalf("%d events, not 400", len(told))
	}
	for cut := 0; cut < len(told); cut += 13 {
		w, err := b.store.Watch(t.Context(), "/pods", storage.ListOptions{Recursive: true, ResourceVersion: fmt.Sprint(told[cut].now.rev)})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range told[cut+1:] {
			got := <-w.ResultChan()
			for got.Type == watch.Bookmark {
				got = <-w.ResultChan()
			}
			o, err := meta.Accessor(got.Object)
			if err != nil {
				t.Fatal(err)
			}
			if got.Type != want.kind || o.GetName() != want.now.key.Name || o.GetResourceVersion() != fmt.Sprint(want.now.rev) {
				t.Fatalf("resumed after event %d: told of %s %s@%s, not of %s %s@%d",
					cut, got.Type, o.GetName(), o.GetResourceVersion(), want.kind, want.now.key.Name, want.now.rev)
			}
		}
		w.Stop()
	}
}

// What an object's resourceVersion is does not depend on what else a gateway saw.
func TestRevisionsAgree(t *testing.T) {
	one, other, late := newBench(t), newBench(t), newBench(t)
	var all []change
	for i := range 100 {
		name := fmt.Sprint("p", i)
		all = append(all, one.pod(name, 20+uint64(i/50), name, "1"))
	}
	one.m.apply(all)
	for half := range 2 {
		other.m.apply(all[half*50 : half*50+50])
	}
	late.m.replace(all)
	for key, e := range one.view.entries {
		for what, b := range map[string]*bench{"in two batches": other, "read as a whole": late} {
			if got := b.view.entries[key]; got == nil || got.rev != e.rev {
				t.Errorf("%s, %s is %v, not %d", what, key.Name, got, e.rev)
			}
		}
	}
	if one.view.Revision() != other.view.Revision() {
		t.Errorf("the views are at %d and %d", one.view.Revision(), other.view.Revision())
	}
}

// What Swarm knows nothing of gets resourceVersions of its own, in order, and takes none of those that Swarm's changes give:
// gateways that hear other things in between agree on them.
func TestQuietRevisions(t *testing.T) {
	one, other := newBench(t), newBench(t)
	for _, b := range []*bench{one, other} {
		b.m.apply([]change{b.pod("a", 20, "a", "1"), b.pod("b", 20, "b", "1")})
	}
	last := one.view.Revision()
	for i := range 3 { // as a report does: the object is another, and its index the same
		one.m.mu.Lock()
		one.m.configs["a"] = one.pod("a", 20, "a", fmt.Sprint("quiet ", i)).object.(*swarm.Config)
		touched := dirty{}
		touched.add(translate.GroupConfig, "a")
		one.m.showQuietly(touched)
		one.m.mu.Unlock()
		e := one.view.find(translate.Key{Namespace: "ns", Name: "a"})
		if e.rev <= last || e.rev/perIndex != 20 || one.view.Revision() != e.rev {
			t.Fatalf("a quiet change after %d has %d, and the view is at %d", last, e.rev, one.view.Revision())
		}
		if !other.view.Ahead(e.rev) && e.rev%perIndex >= perIndex-perIndexQuiet {
			t.Errorf("%d is not known to be another's", e.rev)
		}
		last = e.rev
	}
	for _, b := range []*bench{one, other} {
		b.m.apply([]change{b.pod("b", 21, "b", "2")})
	}
	key := translate.Key{Namespace: "ns", Name: "b"}
	if x, y := one.view.find(key).rev, other.view.find(key).rev; x != y || x <= last {
		t.Errorf("the next change of Swarm is %d through one and %d through the other, after %d", x, y, last)
	}
}

// Two names that draw the same digits have different ones nevertheless.
func TestRevisionsDiffer(t *testing.T) {
	b := newBench(t)
	var all []change
	drawn := map[uint64]bool{}
	for i := 0; len(all) < 30_000; i++ {
		name := fmt.Sprint("p", i)
		all = append(all, b.pod(name, 30, name, ""))
	}
	b.m.apply(all)
	last := uint64(0)
	for _, ev := range b.view.history {
		if ev.now.rev <= last || ev.now.rev/perIndex != 30 {
			t.Fatalf("%s has %d after %d", ev.now.key.Name, ev.now.rev, last)
		}
		last = ev.now.rev
	}
	for key := range b.view.entries {
		drawn[revisionOf(30, key)] = true
	}
	if len(drawn) == len(all) {
		t.Error("no two of 30,000 names drew the same digits: nothing was tested")
	}
}

func aTaskMessage(action swarmapi.WatchActionKind, id string, index uint64) *swarmapi.WatchMessage_Event {
	return &swarmapi.WatchMessage_Event{Action: action, Object: &swarmapi.Object{Object: &swarmapi.Object_Task{Task: &swarmapi.Task{
		ID: id, ServiceID: "s", Meta: swarmapi.Meta{Version: swarmapi.Version{Index: index}},
		Spec: swarmapi.TaskSpec{Runtime: &swarmapi.TaskSpec_Container{Container: &swarmapi.ContainerSpec{}}},
	}}}}
}

// SwarmKit leaves out most messages' versions. What was removed has one all the same, and on every gateway the same.
func TestCommits(t *testing.T) {
	const update, remove = swarmapi.WatchActionKindUpdate, swarmapi.WatchActionKindRemove
	message := func(version uint64, events ...*swarmapi.WatchMessage_Event) *swarmapi.WatchMessage {
		m := &swarmapi.WatchMessage{Events: events}
		if version > 0 {
			m.Version = &swarmapi.Version{Index: version}
		}
		return m
	}
	pushed := &commits{}
	for _, c := range []struct {
		what    string
		message *swarmapi.WatchMessage
		want    uint64 // of the last change
	}{
		{"before anything is known", message(0, aTaskMessage(remove, "z", 5)), 0},
		{"with a version, which is the next one's", message(40, aTaskMessage(remove, "a", 30)), 39},
		{"with something else that changed", message(45, aTaskMessage(update, "b", 44), aTaskMessage(remove, "c", 20)), 44},
		{"by themselves", message(0, aTaskMessage(remove, "d", 20), aTaskMessage(remove, "e", 20)), 45},
		{"once more", message(47, aTaskMessage(remove, "f", 44)), 46},
		{"after what nobody hears of", message(60, aTaskMessage(remove, "g", 44)), 59},
	} {
		changes := pushed.changes(c.message)
		last := changes[len(changes)-1]
		if last.object != nil || last.index != c.want {
			t.Errorf("removed %s: the index is %d, not %d", c.what, last.index, c.want)
		}
	}
}

// How far a view is only rises, whatever is told in between: a watch cache takes the last bookmark's word for it.
func TestBookmarksRise(t *testing.T) {
	b := newBench(t)
	b.m.AddView(translate.Events{}, asIs{})
	w, err := b.store.Watch(t.Context(), "/pods", storage.ListOptions{Recursive: true, ResourceVersion: "1", ProgressNotify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	heard := func(kind watch.EventType) uint64 {
		t.Helper()
		ev := <-w.ResultChan()
		o, err := meta.Accessor(ev.Object)
		if err != nil || ev.Type != kind {
			t.Fatalf("told of %v, not of %s", ev, kind)
		}
		version, err := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	b.m.apply([]change{b.pod("a", 10, "a", "1")})
	heard(watch.Added)
	heard(watch.Bookmark)
	if err := b.store.RequestWatchProgress(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := heard(watch.Bookmark)
	e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "e"}}
	b.m.putEvent(translate.Step{Group: translate.GroupEvent, ID: translate.EventID(e), Event: e})
	b.m.apply([]change{b.pod("a", 10, "a", "1")}) // late
	if now := b.view.Revision(); now < last {
		t.Errorf("the view is at %d after it was at %d", now, last)
	}
	b.m.apply([]change{b.pod("a", 11, "a", "2")})
	if now := heard(watch.Modified); now <= last {
		t.Errorf("a change at %d after the view was at %d", now, last)
	}
}
