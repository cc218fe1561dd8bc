package swarm

import (
	"context"
	goruntime "runtime"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
)

// watcher is one watch on a view. The mirror never waits for it: events queue up.
type watcher struct {
	view    *View
	pred    storage.SelectionPredicate
	within  func(key *entry) bool
	newFunc func() runtime.Object
	record  bool // events are told with their times

	progress bool // bookmarks are told without being asked for

	mu     sync.Mutex
	queue  []queued
	most   int  // so many may wait
	over   bool // more did: it ends
	sent   int  // since it began
	wake   chan struct{}
	result chan watch.Event
	cancel context.CancelFunc
}

// queued is an event, or a failure, or with neither a bookmark of a revision.
type queued struct {
	event    *event
	failure  *apierrors.StatusError
	bookmark uint64
	initial  bool // the bookmark ends the initial events
}

func (q queued) isBookmark() bool { return q.event == nil && q.failure == nil }

var _ watch.Interface = (*watcher)(nil)

func newWatcher(s *Store, opts storage.ListOptions, within func(*entry) bool) *watcher {
	return &watcher{
		view: s.view, pred: opts.Predicate, within: within, newFunc: s.newFunc, record: opts.RecordTimestamps, progress: opts.ProgressNotify,
		wake: make(chan struct{}, 1), result: make(chan watch.Event, 64),
	}
}

// ResultChan implements watch.Interface.
func (w *watcher) ResultChan() <-chan watch.Event { return w.result }

// Stop implements watch.Interface.
func (w *watcher) Stop() { w.cancel() }

func (w *watcher) push(ev *event) { w.enqueue(queued{event: ev}) }

// queueLength is how many events may wait for a watcher beyond what it began with.
const queueLength = 4096

// enqueue has a watcher told. Of one that does not listen no more is kept than that it has to begin again. Of
// bookmarks that follow one another the last says it all.
func (w *watcher) enqueue(q queued) {
	w.mu.Lock()
	if w.most > 0 && len(w.queue) >= w.most {
		w.queue, w.over, q = nil, true, queued{failure: errExpired("watch")}
	} else if w.over {
		w.mu.Unlock()
		return
	}
	if n := len(w.queue); n > 0 && q.isBookmark() && w.queue[n-1].isBookmark() && !w.queue[n-1].initial {
		w.queue[n-1] = q
	} else {
		w.queue = append(w.queue, q)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run delivers until the context ends, or an error was delivered: what comes after one would be taken for
// the whole of what happened.
func (w *watcher) run(ctx context.Context) {
	defer close(w.result)
	defer func() {
		w.view.m.mu.Lock()
		delete(w.view.watchers, w)
		w.view.m.mu.Unlock()
	}()
	for {
		w.mu.Lock()
		batch := w.queue
		w.queue = nil
		w.mu.Unlock()
		for _, q := range batch {
			for _, out := range w.deliverable(q) {
				select {
				case w.result <- out:
				case <-ctx.Done():
					return
				}
				if out.Type == watch.Error {
					return
				}
			}
			if q.event != nil && !q.event.at.IsZero() {
				w.yield()
			}
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
}

// breath is after how many events of a large batch, and for how long, a watcher lets others go first.
const (
	breathEvents = 8
	breathTime   = time.Millisecond
)

// yield lets the watch cache's clients take what they were told: it cuts off those that are ten events
// behind, and to begin again costs them and skep far more than a short wait.
func (w *watcher) yield() {
	if w.sent++; w.sent%breathEvents == 0 {
		time.Sleep(breathTime)
		return
	}
	goruntime.Gosched()
}

// deliverable is what this watch is told of an event: an object that begins or ceases to match the
// selection is added or deleted for it.
func (w *watcher) deliverable(q queued) []watch.Event {
	if q.failure != nil {
		return []watch.Event{{Type: watch.Error, Object: &q.failure.ErrStatus}}
	}
	if q.event == nil {
		mark := w.newFunc()
		if err := w.view.versioner.UpdateObject(mark, q.bookmark); err != nil {
			return nil
		}
		if q.initial {
			if err := storage.AnnotateInitialEventsEndBookmark(mark); err != nil {
				return nil
			}
		}
		return []watch.Event{{Type: watch.Bookmark, Object: mark}}
	}
	ev := q.event
	if !w.within(ev.now) {
		return nil
	}
	if ev.now.err != nil {
		status := apierrors.NewInternalError(ev.now.err).Status()
		return []watch.Event{{Type: watch.Error, Object: &status}}
	}
	had := ev.old != nil && ev.old.object != nil && w.matches(ev.old.object)
	has := ev.kind != watch.Deleted && w.matches(ev.now.object)
	switch { // objects are shared: an entry is replaced, never changed, and a watch cache changes nothing
	case had && has:
		return w.told(watch.Modified, ev.now.object, ev.at)
	case has:
		return w.told(watch.Added, ev.now.object, ev.at)
	case had:
		gone := copyOf(ev.old.object)
		if err := w.view.versioner.UpdateObject(gone, ev.now.rev); err != nil {
			return nil
		}
		return w.told(watch.Deleted, gone, ev.at)
	}
	return nil
}

// told is an event with its time, where that was asked for. What a watch begins with has none.
func (w *watcher) told(kind watch.EventType, o runtime.Object, at time.Time) []watch.Event {
	if w.record && !at.IsZero() {
		o = &timed{o, at}
	}
	return []watch.Event{{Type: kind, Object: o}}
}

func (w *watcher) matches(o runtime.Object) bool {
	if w.pred.Empty() {
		return true
	}
	ok, err := w.pred.Matches(o)
	return err == nil && ok
}
