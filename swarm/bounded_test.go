package swarm

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"

	"skep/translate"
)

// sizes are how much everything holds that a mirror keeps.
func (m *Mirror) sizes() map[string]int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := map[string]int{
		"services": len(m.services), "gone": len(m.gone), "departed": len(m.departed), "task": len(m.task), "tasks": len(m.tasks), "nodes": len(m.nodes),
		"configs": len(m.configs), "owned": len(m.owned), "claims": len(m.claims), "stacks": len(m.stacks), "removed": m.removed.Len(),
		"workloads": len(m.workloads), "overdue": len(m.overdue), "words": len(m.words),
		"events": m.events.kept.Len(), "noted": len(m.events.changes), "dropped": len(m.events.dropped),
	}
	for _, v := range m.views {
		kind := v.lens.Kind()
		s["history of "+kind], s["history's room of "+kind] = len(v.history), cap(v.history)
		s["entries of "+kind], s["groups of "+kind], s["alarms of "+kind] = len(v.entries), len(v.groups), len(v.alarms)
		s["watchers of "+kind] = len(v.watchers)
		for w := range v.watchers {
			w.mu.Lock()
			s["queue of "+kind] = len(w.queue)
			w.mu.Unlock()
		}
	}
	return s
}

// storm is changes of all kinds that leave the colony as large as it was.
func (c *colony) storm(m *Mirror, changes int) {
	for i := range changes {
		c.now = time.Now().UTC()
		switch i % 20 {
		case 0:
			c.replaceTask(m, i)
		case 1:
			c.comeAndGo(m, i)
		case 2:
			node := *c.nodes[i%len(c.nodes)]
			c.index++
			node.Version.Index = c.index
			node.Status.State = []swarm.NodeState{swarm.NodeStateDown, swarm.NodeStateReady}[i/20%2]
			m.apply([]change{{kind: translate.GroupNode, id: node.ID, object: &node}})
		default:
			m.apply([]change{c.churn(i)})
		}
	}
}

// replaceTask has another task take over a slot.
func (c *colony) replaceTask(m *Mirror, i int) {
	old := c.tasks[i%len(c.tasks)]
	now := *old
	now.ID = c.id("t")
	now.CreatedAt = c.now
	c.advance(&now, swarm.TaskStateRunning)
	c.tasks[i%len(c.tasks)] = &now
	m.apply([]change{{kind: kindTask, id: old.ID, index: c.index}, taskChange(&now)})
}

// comeAndGo has a service with a task and a document come, change and go: now and then the task last.
func (c *colony) comeAndGo(m *Mirror, i int) {
	s := c.addService(m, i, 1)
	c.services = c.services[:len(c.services)-1]
	t := c.newTask(s, 1, swarm.TaskStateRunning)
	doc := change{kind: translate.GroupConfig, id: c.id("c"), object: &swarm.Config{Meta: c.meta(), Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{
		Name: fmt.Sprint("doc", i), Labels: map[string]string{
			translate.LabelOwner: s.ID, translate.LabelKind: "ReplicaSet", translate.LabelName: fmt.Sprint("rs", i), translate.LabelObject: "{}",
		},
	}}}}
	doc.object.(*swarm.Config).ID = doc.id
	m.apply([]change{{kind: translate.GroupService, id: s.ID, object: s}, taskChange(t), doc})
	c.index++
	service, task := change{kind: translate.GroupService, id: s.ID, index: c.index}, change{kind: kindTask, id: t.ID, index: c.index}
	if i%40 == 1 {
		service, task = task, service
	}
	m.apply([]change{service})
	m.apply([]change{task, {kind: translate.GroupConfig, id: doc.id, index: c.index}})
}

// However much happens, what is kept of the past has its bounds, also for watchers that do not listen.
func TestBounded(t *testing.T) {
	m, views := fullMirror(t)
	c := newColony(t, 10, 50, 10)
	c.index += 1 << 20
	m.replace(c.all())
	for _, s := range shelves() {
		store := NewStore(&Engine{}, views[s.kind], s.resource, "/"+s.resource.Resource, s.newFunc)
		w, err := store.Watch(t.Context(), "/"+s.resource.Resource, storage.ListOptions{Recursive: true, Predicate: storage.Everything})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
	}
	first, more := 20_000, 30_000
	if testing.Short() {
		first, more = 10_000, 5_000
	}
	c.storm(m, first)
	before, heap := m.sizes(), liveHeap()
	c.storm(m, more)
	bounds := map[string]int{"removed": removedMax, "events": eventsMax, "words": wordsMax, "entries of Event": eventsMax, "groups of Event": eventsMax}
	for _, s := range shelves() {
		bounds["queue of "+s.kind] = before["entries of "+s.kind] + queueLength
	}
	for _, v := range m.views {
		bounds["history of "+v.lens.Kind()], bounds["history's room of "+v.lens.Kind()] = historyLength, 2*historyLength
	}
	for what, n := range m.sizes() {
		if bound, ok := bounds[what]; ok && n <= bound {
			continue
		}
		if n > before[what]+before[what]/2+20 {
			t.Errorf("%s: %d, and before %d", what, n, before[what])
		}
	}
	if now := liveHeap(); now > heap*1.2+5 {
		t.Errorf("%.0f MiB are in use, and before %.0f", now, heap)
	}
}

// A watcher that does not listen is told to begin again once it does.
func TestSlowWatcher(t *testing.T) {
	b := newBench(t)
	w, err := b.store.Watch(t.Context(), "/pods", storage.ListOptions{Recursive: true, ResourceVersion: "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for i := range uint64(queueLength + 500) {
		b.m.apply([]change{b.pod("a", 100+i, "a", fmt.Sprint(i))})
	}
	if waiting := b.m.sizes()["queue of Pod"]; waiting > 1 {
		t.Errorf("%d events are kept for a watch that is to end", waiting)
	}
	told := 0
	for ev := range w.ResultChan() {
		if told++; ev.Type == watch.Error {
			return
		}
	}
	t.Errorf("the watch ended after %d events without an error", told)
}
