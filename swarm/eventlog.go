package swarm

import (
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/hashicorp/golang-lru/v2/expirable"
	corev1 "k8s.io/api/core/v1"

	"skep/translate"
)

// Events are forgotten after an hour, as by kube-apiserver, and the oldest when there are too many.
const (
	eventTTL  = time.Hour
	eventsMax = 8192
)

// eventLog keeps Events in memory and makes those that changes of the Swarm stand for.
type eventLog struct {
	kept    *expirable.LRU[string, *corev1.Event]
	changes []observed
	expired chan string
}

// observed is a change to be told as Events, once the batch that it is of is all in.
type observed struct {
	oldTask, task *swarm.Task
	oldNode, node *swarm.Node
	service       *swarm.Service
	before        *translate.Workload
}

func newEventLog() *eventLog {
	l := &eventLog{expired: make(chan string, eventsMax)}
	l.kept = expirable.NewLRU(eventsMax, func(id string, _ *corev1.Event) {
		select {
		case l.expired <- id:
		default: // it is looked up again when it is next read
		}
	}, eventTTL)
	return l
}

// note remembers a change until tell.
func (l *eventLog) note(o observed) { l.changes = append(l.changes, o) }

// tell turns the changes of a batch into Events. What happened long ago is no news.
func (l *eventLog) tell(w world, touched dirty) {
	for _, o := range l.changes {
		var events []*corev1.Event
		switch {
		case o.task != nil || o.oldTask != nil:
			events = translate.TaskEvents(w, o.oldTask, o.task)
		case o.node != nil:
			events = translate.NodeEvents(w, o.oldNode, o.node)
		case o.service != nil:
			events = translate.ServiceEvents(o.before, w.Workload(o.service.ID))
		}
		for _, e := range events {
			if time.Since(e.LastTimestamp.Time) < eventTTL {
				l.keep(e, touched)
			}
		}
	}
	l.changes = nil
	for {
		select {
		case id := <-l.expired:
			touched.add(translate.GroupEvent, id)
		default:
			return
		}
	}
}

func (l *eventLog) keep(e *corev1.Event, touched dirty) {
	id := translate.EventID(e)
	l.kept.Add(id, e)
	touched.add(translate.GroupEvent, id)
}

// Event implements translate.World.
func (w world) Event(id string) *corev1.Event {
	e, _ := w.m.events.kept.Peek(id)
	return e
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
	m.refresh(m.rev, touched)
}
