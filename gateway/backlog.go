package gateway

import (
	linked "container/list"
	"context"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"

	"skep/swarm"
)

// The watch cache has room for some twenty events a watch, and ends the watch of who is further behind. A Swarm that
// starts a thousand tasks at once puts everyone behind; all of them begin anew, and are served less by that. So
// each watch has a backlog: who is late finds there what happened meanwhile, of each object the last state only. What
// comes fast is handed on in bursts, for a write to the network costs more than what is written.

const (
	// backlogPause is from one burst to the next. What comes after a longer silence is handed on at once.
	backlogPause = 4 * time.Millisecond
	// backlogReady are the events that may be handed on before the client takes one.
	backlogReady = 64
	// backlogMost is how many late events wait. They are shared by all watches, as are their encodings.
	backlogMost = 4096
	// backlogOwn is the same where the events are a watch's own, such as those that it begins with.
	backlogOwn = 16
)

// patient is a watch cache whose watches have backlogs.
type patient struct {
	storage.Interface
	view *swarm.View
}

// Watch implements storage.Interface.
func (p patient) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	if rev, err := strconv.ParseUint(opts.ResourceVersion, 10, 64); err == nil && p.view.Ahead(rev) {
		return nil, apierrors.NewResourceExpired("too old resource version: " + opts.ResourceVersion + " is another gateway's")
	}
	from, err := p.Interface.Watch(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	b := &backlog{from: from, out: make(chan watch.Event, backlogReady), stopped: make(chan struct{}), latest: map[types.UID]*linked.Element{}}
	go b.run()
	return b, nil
}

// backlog is a watch that takes events at once and hands them on in time.
type backlog struct {
	from    watch.Interface
	out     chan watch.Event
	once    sync.Once
	stopped chan struct{}

	waiting linked.List // of watch.Event
	latest  map[types.UID]*linked.Element
}

var _ watch.Interface = (*backlog)(nil)

// ResultChan implements watch.Interface.
func (b *backlog) ResultChan() <-chan watch.Event { return b.out }

// Stop implements watch.Interface.
func (b *backlog) Stop() {
	b.once.Do(func() {
		b.from.Stop()
		close(b.stopped)
	})
}

// run takes what is there, hands it on when it is time to, and waits for more.
func (b *backlog) run() {
	defer close(b.out)
	pause := time.NewTimer(0) // until more is handed on
	defer pause.Stop()
	open := false
	for in := b.from.ResultChan(); ; {
		in = b.take(in)
		if open && b.give() {
			open = false
			pause.Reset(backlogPause)
		}
		if in == nil && b.waiting.Len() == 0 {
			return
		}
		var next watch.Event
		taking, giving := in, chan<- watch.Event(nil)
		if first := b.waiting.Front(); first != nil && open {
			next, giving = first.Value.(watch.Event), b.out
		}
		if b.full() {
			taking = nil
		}
		select {
		case ev, more := <-taking:
			if !more {
				in = nil
			} else {
				b.add(ev)
			}
		case giving <- next:
			b.drop(b.waiting.Front())
		case <-pause.C:
			open = true
		case <-b.stopped:
			return
		}
	}
}

// take queues what is there already. It returns nil once no more will come.
func (b *backlog) take(in <-chan watch.Event) <-chan watch.Event {
	for !b.full() {
		select {
		case ev, more := <-in:
			if !more {
				return nil
			}
			b.add(ev)
		default:
			return in
		}
	}
	return in
}

// give hands on what is ready. It returns true when that was the end of a burst.
func (b *backlog) give() (burst bool) {
	for e := b.waiting.Front(); e != nil; e = b.waiting.Front() {
		ev := e.Value.(watch.Event)
		select {
		case b.out <- ev:
			b.drop(e)
			burst = shared(ev)
		default:
			return false
		}
	}
	return burst
}

// shared says whether an event is that of all watches, or next to nothing, and not an object of the watch's own.
func shared(ev watch.Event) bool {
	_, ok := ev.Object.(runtime.CacheableObject)
	return ok || ev.Type == watch.Bookmark
}

// full says whether no more may wait: then the watch cache is to see that this watch is late.
func (b *backlog) full() bool {
	last := b.waiting.Back()
	return last != nil && (b.waiting.Len() >= backlogMost || b.waiting.Len() >= backlogOwn && !shared(last.Value.(watch.Event)))
}

// add queues an event in the place of an earlier one of the same object, where that is old news by it.
func (b *backlog) add(ev watch.Event) {
	if ev.Type == watch.Bookmark {
		clear(b.latest) // what came before it stays before it: it may be the end of a list
	}
	uid := uidOf(ev)
	if before := b.latest[uid]; uid != "" && before != nil {
		switch was := before.Value.(watch.Event).Type; {
		case was == watch.Added && ev.Type == watch.Modified:
			ev.Type = watch.Added
			b.drop(before)
		case was == watch.Modified && ev.Type != watch.Added:
			b.drop(before)
		}
	}
	e := b.waiting.PushBack(ev)
	if uid != "" {
		b.latest[uid] = e
	}
}

func (b *backlog) drop(e *linked.Element) {
	if uid := uidOf(b.waiting.Remove(e).(watch.Event)); b.latest[uid] == e {
		delete(b.latest, uid)
	}
}

// uidOf is the UID of the object that an event is about; empty where it is about none.
func uidOf(ev watch.Event) types.UID {
	if ev.Type == watch.Bookmark || ev.Type == watch.Error {
		return ""
	}
	o, err := meta.Accessor(ev.Object)
	if err != nil {
		return ""
	}
	return o.GetUID()
}
