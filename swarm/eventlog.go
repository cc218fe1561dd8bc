package swarm

import (
	"slices"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	corev1 "k8s.io/api/core/v1"

	"skep/translate"
)

// Events are forgotten after an hour, as by kube-apiserver, and the oldest when there are too many.
const (
	eventTTL  = time.Hour
	eventsMax = 4096
)

// eventLog keeps Events in memory and makes those that changes of the Swarm stand for. The mirror's lock
// guards it.
type eventLog struct {
	kept    *simplelru.LRU[string, keptEvent]
	changes []observed
	dropped []string // IDs, since the last tell
}

type keptEvent struct {
	*corev1.Event
	since time.Time
}

// observed is a change to be told as Events, once the batch that it is of is all in.
type observed struct {
	oldTask, task *swarm.Task
	oldNode, node *swarm.Node
	service       *swarm.Service
	before        *translate.Workload
}

func newEventLog() *eventLog {
	l := &eventLog{}
	kept, err := simplelru.NewLRU(eventsMax, func(id string, _ keptEvent) { l.dropped = append(l.dropped, id) })
	if err != nil {
		panic(err) // a size that is not positive
	}
	l.kept = kept
	return l
}

// note remembers a change until tell.
func (l *eventLog) note(o observed) { l.changes = append(l.changes, o) }

// at is when a change happened, or at least not before.
func (o *observed) at() time.Time {
	switch {
	case o.task != nil:
		return latest(o.task.CreatedAt, o.task.UpdatedAt, o.task.Status.Timestamp)
	case o.oldTask != nil:
		return o.oldTask.UpdatedAt
	case o.node != nil:
		return o.node.UpdatedAt
	}
	return latest(o.service.CreatedAt, o.service.UpdatedAt)
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}

// tell turns the changes of a batch into Events. What happened long ago is no news, and of a full read, which
// brings everything at once, only the latest has room.
func (l *eventLog) tell(w world, touched dirty) {
	since := time.Now().Add(-eventTTL)
	l.changes = slices.DeleteFunc(l.changes, func(o observed) bool { return o.at().Before(since) })
	if over := len(l.changes) - eventsMax; over > 0 {
		slices.SortStableFunc(l.changes, func(a, b observed) int { return a.at().Compare(b.at()) })
		l.changes = l.changes[over:]
	}
	for _, o := range l.changes {
		for _, e := range o.events(w) {
			if e.LastTimestamp.After(since) {
				l.keep(e, touched)
			}
		}
	}
	l.changes = nil
	l.forget(since, touched)
}

// forget drops what was kept before a time, and has all that is dropped looked at.
func (l *eventLog) forget(since time.Time, touched dirty) {
	for {
		_, oldest, ok := l.kept.GetOldest()
		if !ok || oldest.since.After(since) {
			break
		}
		l.kept.RemoveOldest()
	}
	for _, id := range l.dropped {
		touched.add(translate.GroupEvent, id)
	}
	l.dropped = nil
}

func (o *observed) events(w world) []*corev1.Event {
	switch {
	case o.task != nil || o.oldTask != nil:
		return translate.TaskEvents(w, o.oldTask, o.task)
	case o.node != nil:
		return translate.NodeEvents(w, o.oldNode, o.node)
	}
	return translate.ServiceEvents(o.before, w.Workload(o.service.ID))
}

func (l *eventLog) keep(e *corev1.Event, touched dirty) {
	id := translate.EventID(e)
	l.kept.Add(id, keptEvent{e, time.Now()})
	touched.add(translate.GroupEvent, id)
}

// count keeps an Event that may have happened before: then it is the same one, counted once more. What is not newer is
// known already.
func (l *eventLog) count(e *corev1.Event, touched dirty) {
	if before, ok := l.kept.Peek(translate.EventID(e)); ok {
		if !e.LastTimestamp.After(before.LastTimestamp.Time) {
			return
		}
		e.Count, e.FirstTimestamp, e.CreationTimestamp = before.Count+1, before.FirstTimestamp, before.CreationTimestamp
	}
	l.keep(e, touched)
}

// Event implements translate.World.
func (w world) Event(id string) *corev1.Event {
	e, _ := w.m.events.kept.Peek(id)
	return e.Event
}

// putEvent keeps or removes an Event that a client wrote.
func (m *Mirror) putEvent(s translate.Step) {
	m.mu.Lock()
	defer m.mu.Unlock()
	touched := dirty{}
	if s.Event == nil {
		m.events.kept.Remove(s.ID)
		touched.add(translate.GroupEvent, s.ID)
	} else {
		m.events.keep(s.Event, touched)
	}
	m.events.forget(time.Now().Add(-eventTTL), touched)
	m.refresh(m.rev, touched)
}
