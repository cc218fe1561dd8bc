package swarm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"

	"skep/translate"
)

// asIs is a Scheme for lenses whose objects are kept as they are.
type asIs struct{}

func (asIs) ToInternal(o translate.Object) (runtime.Object, error) { return o, nil }
func (asIs) ToExternal(o runtime.Object) (translate.Object, error) { return o.(translate.Object), nil }

// bench is a mirror that a test writes itself, with a view of Pods.
type bench struct {
	t     *testing.T
	m     *Mirror
	lens  podLens
	view  *View
	store *Store
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, m: NewMirror(testSealer(t))}
	b.lens = podLens{"bench", &podTransformer{storagetesting.NewPrefixTransformer(nil, false), new(int)}}
	b.view = b.m.AddView(b.lens, podConverter{})
	b.store = NewStore(&Engine{}, b.view, podsAre, "/pods", newPod)
	b.m.replace(nil)
	return b
}

func (b *bench) pod(id string, index uint64, name, note string) change {
	b.t.Helper()
	return b.lens.aConfig(b.t, id, index, "ns", name, note)
}

// since are the view's events after an index: "ADDED a@5".
func (b *bench) since(index uint64) []string {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	var told []string
	for _, ev := range b.view.history {
		if ev.now.rev > lastRevision(index) {
			told = append(told, fmt.Sprintf("%s %s@%d", ev.kind, ev.now.key.Name, ev.now.rev/perIndex))
		}
	}
	return told
}

func (b *bench) expect(since uint64, want ...string) {
	b.t.Helper()
	if got := b.since(since); !slices.Equal(got, want) {
		b.t.Errorf("the watchers were told %q, not %q", got, want)
	}
}

func TestRevisions(t *testing.T) {
	for _, c := range []struct {
		name  string
		apply [][]change
		want  []string
		rev   uint64
	}{
		{"a version is the revision", [][]change{{{index: 20}}}, []string{"ADDED a@20"}, 20},
		{
			"in the order of versions, whatever the order of the batch",
			[][]change{{{id: "b", index: 23}, {id: "a", index: 21}, {id: "c", index: 22}}},
			[]string{"ADDED a@21", "ADDED c@22", "ADDED b@23"},
			23,
		},
		{
			"a version below the last comes after it",
			[][]change{{{id: "a", index: 30}}, {{id: "b", index: 25}}},
			[]string{"ADDED a@30", "ADDED b@31"},
			31,
		},
		{"an old version of an object is no news", [][]change{{{id: "a", index: 30}}, {{id: "a", index: 29}}}, []string{"ADDED a@30"}, 30},
		{"a removal has one more than the last", [][]change{{{id: "a", index: 30}}, {{id: "-a"}}}, []string{"ADDED a@30", "DELETED a@31"}, 31},
		{
			"a removal has its own version where it is known",
			[][]change{{{id: "a", index: 30}}, {{id: "-a", index: 40}}},
			[]string{"ADDED a@30", "DELETED a@40"},
			40,
		},
		{
			"what is read late does not bring back what is gone",
			[][]change{{{id: "a", index: 30}}, {{id: "-a"}}, {{id: "a", index: 30}}},
			[]string{"ADDED a@30", "DELETED a@31"},
			31,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			for _, batch := range c.apply {
				var changes []change
				for i, ch := range batch {
					name := ch.id
					if name == "" {
						name = "a"
					}
					if rest, ok := strings.CutPrefix(name, "-"); ok {
						changes = append(changes, gone(rest, ch.index))
						continue
					}
					changes = append(changes, b.pod(name, ch.index, name, fmt.Sprint(ch.index, i)))
				}
				b.m.apply(changes)
			}
			b.expect(1, c.want...)
			if got := b.m.Revision(); got != c.rev {
				t.Errorf("the revision is %d, not %d", got, c.rev)
			}
			for _, e := range b.view.entries {
				if m, err := meta.Accessor(e.object); err != nil || m.GetResourceVersion() != fmt.Sprint(e.rev) {
					t.Errorf("%s has the resourceVersion %s, not %d (%v)", e.key.Name, m.GetResourceVersion(), e.rev, err)
				}
			}
		})
	}
}

// A name that goes from one Swarm object to another within one batch ends before it begins again.
func TestNameChangesHands(t *testing.T) {
	for range 20 { // the order of a batch's groups is random
		b := newBench(t)
		b.m.apply([]change{b.pod("old", 10, "web", "1")})
		b.m.apply([]change{gone("old", 0), b.pod("new", 12, "web", "2")})
		b.expect(10, "DELETED web@12", "ADDED web@12")
		if e := b.view.find(translate.Key{Namespace: "ns", Name: "web"}); e == nil || e.group.ID != "new" {
			t.Fatalf("web is %v", e)
		}
	}
}

func TestUnchangedObjectIsNoEvent(t *testing.T) {
	b := newBench(t)
	b.m.apply([]change{b.pod("a", 10, "a", "same")})
	b.m.apply([]change{b.pod("a", 11, "a", "same")})
	b.expect(1, "ADDED a@10")
	b.m.apply([]change{b.pod("a", 12, "a", "other")})
	b.expect(10, "MODIFIED a@12")
}

// After a lost connection, the views hear what changed and what vanished meanwhile.
func TestReplaceTellsOfWhatVanished(t *testing.T) {
	b := newBench(t)
	b.m.replace([]change{b.pod("kept", 10, "kept", ""), b.pod("lost", 11, "lost", ""), b.pod("changed", 12, "changed", "")})
	b.m.replace([]change{b.pod("kept", 10, "kept", ""), b.pod("changed", 20, "changed", "2"), b.pod("new", 19, "new", "")})
	if got := b.since(12); len(got) != 3 || got[0] != "ADDED new@19" || !slices.Contains(got, "DELETED lost@20") || !slices.Contains(got, "MODIFIED changed@20") {
		t.Errorf("the watchers were told %q", got)
	}
	if _, _, err := b.view.at(lastRevision(15)); err == nil {
		t.Error("a list at a revision in the gap was given")
	}
	// What a full read does not have may be newer than it: the feed brings it again.
	b.m.apply([]change{b.pod("lost", 21, "lost", "")})
	b.expect(20, "ADDED lost@21")
}

// The same through a feed: the connection breaks, and what the fake Swarm lost meanwhile is told.
func TestFollowAfterBreak(t *testing.T) {
	e, f := fakeEngine()
	lens := podLens{"break", &podTransformer{storagetesting.NewPrefixTransformer(nil, false), new(int)}}
	m := NewMirror(testSealer(t))
	store := NewStore(e, m.AddView(lens, podConverter{}), podsAre, "/pods", newPod)
	if err := m.Ready(); err == nil {
		t.Error("a mirror that was never filled says that it is ready")
	}
	follow(t, m, e)
	for _, name := range []string{"a", "b"} {
		in := &example.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
		if err := store.Create(t.Context(), "/pods/ns/"+name, in, &example.Pod{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	w, err := store.Watch(t.Context(), "/pods", storage.ListOptions{Recursive: true, ResourceVersion: fmt.Sprint(lastRevision(m.Revision()))})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	f.disconnect()
	eventually(t, func() string {
		if m.Ready() == nil {
			return "the mirror says that it is ready"
		}
		return ""
	})
	if err := store.ReadinessCheck(); err == nil {
		t.Error("the store says that it is ready")
	}
	f.mu.Lock()
	for id, c := range f.configs {
		if c.Spec.Labels[labelPodName] == "a" {
			delete(f.configs, id)
		}
	}
	f.mu.Unlock()
	f.reconnect()
	select {
	case ev := <-w.ResultChan():
		if pod, ok := ev.Object.(*example.Pod); ev.Type != watch.Deleted || !ok || pod.Name != "a" {
			t.Errorf("told of %v", ev)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nobody told of the removal")
	}
	eventually(t, func() string {
		if err := m.Ready(); err != nil {
			return err.Error()
		}
		return ""
	})
}

func TestListAtThePast(t *testing.T) {
	b := newBench(t)
	b.m.apply([]change{b.pod("a", 10, "a", "1"), b.pod("b", 11, "b", "1")})
	b.m.apply([]change{b.pod("a", 12, "a", "2")})
	b.m.apply([]change{gone("b", 13)})
	b.m.apply([]change{b.pod("c", 14, "c", "1")})
	for rev, want := range map[uint64]string{10: "a1", 11: "a1 b1", 12: "a2 b1", 13: "a2", 14: "a2 c1", 0: "a2 c1"} {
		list := &example.PodList{}
		opts := storage.ListOptions{Recursive: true, ResourceVersion: fmt.Sprint(lastRevision(rev)), ResourceVersionMatch: metav1.ResourceVersionMatchExact}
		if rev == 0 {
			opts = storage.ListOptions{Recursive: true}
		}
		if err := b.store.GetList(t.Context(), "/pods/ns", opts, list); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range list.Items {
			got = append(got, p.Name+p.Labels["note"])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("at %d there is %q, not %q", rev, got, want)
		}
	}
}

// A history that is full forgets from its beginning, and says so.
func TestHistoryForgets(t *testing.T) {
	b := newBench(t)
	for i := range uint64(historyLength + 10) {
		b.m.apply([]change{b.pod("a", 100+i, "a", fmt.Sprint(i))})
	}
	if got := len(b.view.history); got != historyLength {
		t.Errorf("%d events are kept, not %d", got, historyLength)
	}
	if got := b.store.CompactRevision(); got/perIndex != 109 {
		t.Errorf("forgotten up to %d, not the index 109", got)
	}
	for index, want := range map[uint64]watch.EventType{108: watch.Error, 109: watch.Modified} {
		w, err := b.store.Watch(t.Context(), "/pods", storage.ListOptions{Recursive: true, ResourceVersion: fmt.Sprint(lastRevision(index))})
		if err != nil {
			t.Fatal(err)
		}
		if ev := <-w.ResultChan(); ev.Type != want {
			t.Errorf("from %d the first event is %v", index, ev)
		}
		w.Stop()
	}
}

// Once a watch has told of an error it ends: what comes after would pass for all that happened.
func TestWatchEndsWithError(t *testing.T) {
	b := newBench(t)
	w, err := b.store.Watch(t.Context(), "/pods", storage.ListOptions{Recursive: true, ResourceVersion: "1"})
	if err != nil {
		t.Fatal(err)
	}
	broken := b.pod("a", 10, "a", "")
	broken.object.(*swarm.Config).Spec.Labels[translate.LabelObject] = "{"
	b.m.apply([]change{broken, b.pod("b", 11, "b", "")})
	if ev := <-w.ResultChan(); ev.Type != watch.Error {
		t.Errorf("the first event is %v", ev)
	}
	if ev, open := <-w.ResultChan(); open {
		t.Errorf("after the error came %v", ev)
	}
	err = b.store.Get(t.Context(), "/pods/ns/a", storage.GetOptions{}, &example.Pod{})
	if !storage.IsInternalError(err) {
		t.Errorf("what cannot be read is answered with %v", err)
	}
}

// Events are numbered by themselves: they move no revision of the Swarm, and its changes do not move theirs.
func TestPrivateView(t *testing.T) {
	b := newBench(t)
	private := b.m.AddView(translate.Events{}, asIs{})
	before, own := b.m.Revision(), private.Revision()
	put := func(name, reason string) {
		e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Reason: reason}
		b.m.putEvent(translate.Step{Group: translate.GroupEvent, ID: translate.EventID(e), Event: e})
	}
	put("one", "First")
	first := private.Revision()
	put("two", "Second")
	second := private.Revision()
	if own >= first || first >= second {
		t.Errorf("the Events' revisions are %d, %d, %d", own, first, second)
	}
	if got := b.m.Revision(); got != before {
		t.Errorf("Events moved the Swarm's revision from %d to %d", before, got)
	}
	b.m.apply([]change{b.pod("a", 50, "a", "")})
	if got := private.Revision(); got != second {
		t.Errorf("the Swarm moved the Events' revision from %d to %d", second, got)
	}
	b.m.putEvent(translate.Step{Group: translate.GroupEvent, ID: "ns/one"})
	if private.find(translate.Key{Namespace: "ns", Name: "one"}) != nil || private.find(translate.Key{Namespace: "ns", Name: "two"}) == nil {
		t.Error("of one and two, one was to be removed")
	}
	if got := private.Revision(); got <= second {
		t.Errorf("a removal left the revision at %d", got)
	}
}

func aService(id, name, stack string, index uint64, created time.Time, labels map[string]string) change {
	one := uint64(1)
	spec := swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: name, Labels: map[string]string{}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "busybox"}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
	}
	for k, v := range labels {
		spec.Labels[k] = v
	}
	if stack != "" {
		spec.Labels[translate.LabelStack] = stack
	}
	return change{kind: translate.GroupService, id: id, object: &swarm.Service{
		ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: index}, CreatedAt: created}, Spec: spec,
	}}
}

// Two services that claim one key get two names. The first has the plain one, and they stay as they are
// whatever the order in which they are heard of.
func TestClaims(t *testing.T) {
	early, late := time.Unix(1000, 0), time.Unix(2000, 0)
	first := func(index uint64) change { return aService("aaaaaaaa", "web", "", index, early, nil) }
	second := func(index uint64) change { return aService("bbbbbbbb", "default_web", "default", index, late, nil) }
	for _, order := range [][]change{{first(10), second(11)}, {second(11), first(10)}} {
		m := NewMirror(testSealer(t))
		view := m.AddView(translate.Deployments{}, asIs{})
		for _, c := range order {
			m.apply([]change{c})
		}
		names := func() string {
			var names []string
			for k, e := range view.entries {
				names = append(names, k.Name+"="+e.group.ID[:1])
			}
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		if got := names(); got != "web-bbbbb=b web=a" {
			t.Errorf("the names are %s", got)
		}
		m.apply([]change{first(20)})
		m.apply([]change{second(21)})
		if got := names(); got != "web-bbbbb=b web=a" {
			t.Errorf("after updates the names are %s", got)
		}
		m.apply([]change{{kind: translate.GroupService, id: "aaaaaaaa"}})
		if got := names(); got != "web=b" {
			t.Errorf("when the first is gone, the names are %s", got)
		}
	}
}

// What has our labels has the name before what merely looks so, however old.
func TestClaimOfOurs(t *testing.T) {
	m := NewMirror(testSealer(t))
	ours := map[string]string{translate.LabelObject: "{}", translate.LabelKind: "Deployment", translate.LabelName: "web"}
	m.apply([]change{aService("docker00", "web", "", 10, time.Unix(1000, 0), nil), aService("ours0000", "default_web", "", 11, time.Unix(2000, 0), ours)})
	id := translate.Identity{Kind: "Deployment", Namespace: "default", Name: "web"}
	w := m.world()
	if got := w.Name(id, "ours0000"); got != "web" {
		t.Errorf("ours is %s", got)
	}
	if got := w.Name(id, "docker00"); got != "web-docke" {
		t.Errorf("the other is %s", got)
	}
}

func aTask(id, service string, index uint64) change {
	return change{kind: kindTask, id: id, object: &swarm.Task{
		ID: id, ServiceID: service, Meta: swarm.Meta{Version: swarm.Version{Index: index}},
		Spec: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{}},
	}}
}

func TestTaskChanges(t *testing.T) {
	m := NewMirror(testSealer(t))
	m.apply([]change{aTask("same", "s", 10), aTask("newer", "s", 11), aTask("gone", "s", 12), aTask("ahead", "s", 30)})
	listed := func(all ...change) (list []swarm.Task) {
		for _, c := range all {
			list = append(list, *c.object.(*swarm.Task))
		}
		return list
	}
	got := m.taskChanges(listed(aTask("late", "s", 22), aTask("newer", "s", 20), aTask("same", "s", 10), aTask("ahead", "s", 29)), nil)
	var told []string
	for _, c := range got {
		told = append(told, fmt.Sprintf("%s %v", c.id, c.object != nil))
	}
	if want := []string{"newer true", "late true", "gone false"}; !slices.Equal(told, want) {
		t.Errorf("the changes are %q, not %q", told, want)
	}
	m.apply(got)
	if again := m.taskChanges(listed(aTask("late", "s", 22), aTask("newer", "s", 20), aTask("same", "s", 10), aTask("ahead", "s", 30)), nil); len(again) > 0 {
		t.Errorf("once applied, there are still changes: %v", again)
	}
}

func TestLitter(t *testing.T) {
	now := time.Now()
	old, young := now.Add(-2*leaveAlone), now.Add(-leaveAlone/2)
	config := func(id string, created time.Time, labels map[string]string) change {
		return change{kind: translate.GroupConfig, id: id, object: &swarm.Config{
			ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: 1}, CreatedAt: created}, Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: id, Labels: labels}},
		}}
	}
	secret := func(id string, created time.Time, labels map[string]string) change {
		return change{kind: translate.GroupSecret, id: id, object: &swarm.Secret{
			ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: 1}, CreatedAt: created}, Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: id, Labels: labels}},
		}}
	}
	material := map[string]string{translate.LabelMaterial: "true"}
	owned := func(by string) map[string]string { return map[string]string{translate.LabelOwner: by} }
	service := aService("svc", "web", "", 5, old, nil)
	s := service.object.(*swarm.Service)
	s.Spec.TaskTemplate.ContainerSpec.Configs = []*swarm.ConfigReference{{ConfigID: "in-spec"}}
	s.PreviousSpec = &swarm.ServiceSpec{TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{
		Configs: []*swarm.ConfigReference{{ConfigID: "in-previous"}}, Secrets: []*swarm.SecretReference{{SecretID: "secret-in-previous"}},
	}}}
	task := aTask("task1", "svc", 6)
	task.object.(*swarm.Task).Spec.ContainerSpec.Configs = []*swarm.ConfigReference{{ConfigID: "in-task"}}

	m := NewMirror(testSealer(t))
	m.apply([]change{
		service, task,
		config("in-spec", old, material), config("in-previous", old, material), config("in-task", old, material),
		config("unused", old, material), config("unused-young", young, material), config("docker's own", old, nil),
		config("owned", old, owned("svc")), config("orphan", old, owned("nobody")), config("orphan-young", young, owned("nobody")),
		secret("secret-in-previous", old, material), secret("secret-unused", old, material), secret("secret-young", young, material), secret("secret-docker", old, nil),
	})
	var got []string
	for _, step := range m.litter(now) {
		got = append(got, string(step.Group)+" "+step.ID)
	}
	slices.Sort(got)
	if want := []string{"config orphan", "config unused", "secret secret-unused"}; !slices.Equal(got, want) {
		t.Errorf("the litter is %q, not %q", got, want)
	}
}

// Readers, watchers and plans go on while the feed writes. The race detector is the judge.
func TestReadersWhileWritten(t *testing.T) {
	b := newBench(t)
	deployments := b.m.AddView(translate.Deployments{}, asIs{})
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var reads [4]int
	work := []func(){
		func() {
			list := &example.PodList{}
			if err := b.store.GetList(ctx, "/pods", storage.ListOptions{Recursive: true}, list); err != nil {
				t.Error(err)
			}
			for i := range list.Items {
				list.Items[i].Labels["note"] = "mine" // a copy is its reader's
			}
		},
		func() {
			w, err := b.store.Watch(ctx, "/pods", storage.ListOptions{Recursive: true, ResourceVersion: "0"})
			if err != nil {
				t.Error(err)
				return
			}
			<-w.ResultChan()
			w.Stop()
		},
		func() {
			b.m.mu.RLock()
			entries := slices.Collect(maps.Values(deployments.entries))
			b.m.mu.RUnlock()
			for _, e := range entries {
				_ = e.object.DeepCopyObject()
			}
		},
		func() {
			b.m.mu.RLock()
			defer b.m.mu.RUnlock()
			for id := range b.m.services {
				_ = b.m.world().Workload(id).Object
			}
		},
	}
	for i, one := range work {
		readers.Go(func() {
			for ctx.Err() == nil {
				one()
				reads[i]++
			}
		})
	}
	index := uint64(100)
	for range 200 {
		index += 2
		b.m.apply([]change{
			b.pod("a", index, "a", fmt.Sprint(index)), b.pod(fmt.Sprint("x", index), index, fmt.Sprint("x", index), ""),
			aService("svc", "web", "", index+1, time.Unix(1, 0), map[string]string{"n": fmt.Sprint(index)}), aTask("task1", "svc", index),
		})
		time.Sleep(100 * time.Microsecond)
	}
	cancel()
	readers.Wait()
	for i, n := range reads {
		if n == 0 {
			t.Errorf("reader %d read nothing", i)
		}
	}
}
