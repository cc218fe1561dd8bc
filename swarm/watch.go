package swarm

import (
	"context"
	"sort"

	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/util/flowcontrol"
)

// Watch implements storage.Interface. From version 0 it begins with all that is there; from a version
// that the view's history no longer reaches back to, it ends at once with the error "expired".
func (s *Store) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	from, err := s.versioner.ParseResourceVersion(opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	key, err = s.prepare(key, opts.Recursive)
	if err != nil {
		return nil, err
	}
	w := newWatcher(s, opts, s.within(key, opts.Recursive))
	ctx, w.cancel = context.WithCancel(ctx)
	s.view.m.mu.Lock()
	s.view.begin(w, from, opts.SendInitialEvents)
	w.most = len(w.queue) + queueLength
	s.view.watchers[w] = struct{}{}
	s.view.m.mu.Unlock()
	flowcontrol.WatchInitialized(ctx)
	go w.run(ctx)
	return w, nil
}

// begin queues what a watch from a revision starts with.
func (v *View) begin(w *watcher, from uint64, initial *bool) {
	everything := from == 0 && initial == nil || initial != nil && *initial
	if everything {
		list := make([]*entry, 0, len(v.entries))
		for _, e := range v.entries {
			list = append(list, e)
		}
		sort.Slice(list, func(i, j int) bool { return list[i].rev < list[j].rev })
		for _, e := range list {
			w.push(&event{kind: watch.Added, now: e})
		}
		if initial != nil {
			w.enqueue(queued{bookmark: v.rev, initial: true})
		}
		return
	}
	if from == 0 {
		return // from now on
	}
	if from < v.floor {
		w.enqueue(queued{failure: errExpired("watch")})
		return
	}
	for _, ev := range v.history {
		if ev.now.rev > from {
			w.push(&ev)
		}
	}
}
