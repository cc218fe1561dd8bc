package swarm

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"

	"skep/translate"
)

// Tasks have their service's spec in its memory, whichever comes first, and keep it when the service changes.
func TestTasksShareSpecs(t *testing.T) {
	c := newColony(t, 1, 1, 3)
	service := change{kind: translate.GroupService, id: c.services[0].ID, object: c.services[0]}
	tasks := []change{taskChange(c.tasks[0]), taskChange(c.tasks[1]), taskChange(c.tasks[2])}
	for _, order := range [][]change{append([]change{service}, tasks...), append(tasks, service)} {
		m := NewMirror(testSealer(t))
		for _, ch := range order {
			m.apply([]change{ch})
		}
		spec := m.services[service.id].Spec.TaskTemplate.ContainerSpec
		for _, task := range m.tasks[service.id] {
			if task.Spec.ContainerSpec != spec {
				t.Errorf("%s has a spec of its own", task.ID)
			}
		}
		next := remade(t, c.services[0])
		next.Version.Index += 1000
		m.apply([]change{{kind: translate.GroupService, id: next.ID, object: next}})
		if m.services[service.id].Spec.TaskTemplate.ContainerSpec != spec {
			t.Error("a service that changed has its spec anew")
		}
	}
}

// What a task says over and over is kept once, and with it nothing of the list that it came in.
func TestTasksShareWords(t *testing.T) {
	c := newColony(t, 1, 1, 2)
	m := NewMirror(testSealer(t))
	m.replace(c.all())
	a, b := m.task[c.tasks[0].ID], m.task[c.tasks[1].ID]
	for what, texts := range map[string][2]string{
		"state": {string(a.Status.State), string(b.Status.State)}, "message": {a.Status.Message, b.Status.Message},
		"service": {a.ServiceID, b.ServiceID}, "node": {a.NodeID, b.NodeID},
		"network": {a.NetworksAttachments[0].Network.ID, b.NetworksAttachments[0].Network.ID},
	} {
		if texts[0] != texts[1] || unsafe.StringData(texts[0]) != unsafe.StringData(texts[1]) {
			t.Errorf("the %s is kept twice: %q, %q", what, texts[0], texts[1])
		}
	}
	if a == c.tasks[0] {
		t.Error("the list's own memory is kept")
	}
	if n := a.NetworksAttachments[0].Network; n.Spec.DriverConfiguration != nil || n.Spec.Labels != nil {
		t.Errorf("of a network nobody asks for this: %+v", n)
	}
}

// A service's earlier versions do not stay in memory.
func TestEarlierServicesAreForgotten(t *testing.T) {
	m := NewMirror(testSealer(t))
	freed := make(chan int, 100)
	var last *swarm.ServiceSpec
	for i := range 100 {
		s := aService("svc", "web", "", uint64(10+i), time.Unix(1, 0), map[string]string{"n": fmt.Sprint(i)}).object.(*swarm.Service)
		if last != nil {
			s.PreviousSpec = remade(t, last)
		}
		last = remade(t, &s.Spec)
		runtime.AddCleanup(s, func(i int) { freed <- i }, i)
		m.apply([]change{{kind: translate.GroupService, id: s.ID, object: s}})
	}
	eventually(t, func() string {
		runtime.GC()
		if n := len(freed); n < 95 {
			return fmt.Sprintf("of 100 versions %d are forgotten", n)
		}
		return ""
	})
}

// A task without its spec is an earlier one's next version, and nothing without it.
func TestKnownTask(t *testing.T) {
	m := NewMirror(testSealer(t))
	m.apply([]change{aTask("one", "svc", 10)})
	next := func(id string) change {
		return change{kind: kindTask, id: id, known: true, object: &swarm.Task{ID: id, ServiceID: "svc", Meta: swarm.Meta{Version: swarm.Version{Index: 20}}}}
	}
	m.apply([]change{next("one"), next("two")})
	if one := m.task["one"]; one.Version.Index != 20 || one.Spec.ContainerSpec == nil {
		t.Errorf("one is %+v", one)
	}
	if m.task["two"] != nil {
		t.Error("two came to be without a spec")
	}
}

// However fast they come, a watch cache is told that its history's worth of events took its history's time;
// of a few it is told the truth.
func TestRecordTimes(t *testing.T) {
	b := newBench(t)
	w, err := b.store.Watch(t.Context(), "/pods", storage.ListOptions{Recursive: true, ResourceVersion: "1", RecordTimestamps: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	var times []time.Time
	for i := range uint64(cachedEvents + 1) {
		b.m.apply([]change{b.pod("a", 100+i, "a", fmt.Sprint(i))})
		ev := <-w.ResultChan()
		told, ok := ev.Object.(storage.WatchEventWithRecordTime)
		if !ok || told.Unwrap().(*example.Pod).Labels["note"] != fmt.Sprint(i) {
			t.Fatalf("told of %v", ev)
		}
		times = append(times, told.RecordTime())
	}
	if first := time.Until(times[0]); first > 0 || first < -time.Minute {
		t.Errorf("the first event was %v ago", -first)
	}
	if span := times[cachedEvents].Sub(times[0]); span < cacher.DefaultEventFreshDuration {
		t.Errorf("%d events are said to have taken %v", cachedEvents, span)
	}
}

// Events are forgotten when there are too many, and after their time; the view forgets them with the log.
func TestEventsAreForgotten(t *testing.T) {
	m := NewMirror(testSealer(t))
	view := m.AddView(translate.Events{}, asIs{})
	for i := range eventsMax + 10 {
		e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint("e", i)}}
		m.putEvent(translate.Step{Group: translate.GroupEvent, ID: translate.EventID(e), Event: e})
	}
	if n := len(view.entries); n != eventsMax {
		t.Errorf("%d Events are shown, not %d", n, eventsMax)
	}
	m.mu.Lock()
	touched := dirty{}
	m.events.forget(time.Now().Add(time.Second), touched)
	m.refresh(m.rev, touched)
	m.mu.Unlock()
	if n := len(view.entries); n != 0 {
		t.Errorf("%d Events are shown after their time", n)
	}
	if ev := view.history[len(view.history)-1]; ev.kind != watch.Deleted {
		t.Errorf("the last that was told is %s", ev.kind)
	}
}
