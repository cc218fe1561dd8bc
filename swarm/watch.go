package swarm

import (
	"context"
	"sort"

	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
)

// Watch implements storage.Interface. From version 0 it begins with all that is there; from a version
// that the view's history no longer reaches back to, it is refused as expired.
func (s *Store) Watch(ctx context.Context, key string, opts storage.ListOptions) (watch.Interface, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	from, err := s.versioner.ParseResourceVersion(opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	w := newWatcher(s.view, opts.Predicate, s.newFunc, s.within(key, opts.Recursive))
	ctx, w.cancel = context.WithCancel(ctx)
	s.view.m.mu.Lock()
	err = s.view.begin(w, from, opts.SendInitialEvents)
	if err == nil {
		s.view.watchers[w] = struct{}{}
	}
	s.view.m.mu.Unlock()
	if err != nil {
		w.cancel()
		return nil, err
	}
	go w.run(ctx)
	return w, nil
}

// begin queues what a watch from a revision starts with.
func (v *View) begin(w *watcher, from uint64, initial *bool) error {
	everything := from == 0 && initial == nil || initial != nil && *initial
	if everything {
		list := make([]*entry, 0, len(v.entries))
		for _, e := range v.entries {
			list = append(list, e)
		}
		sort.Slice(list, func(i, j int) bool { return list[i].rev < list[j].rev })
		for _, e := range list {
			w.push(event{kind: watch.Added, now: e})
		}
		if initial != nil {
			w.enqueue(queued{bookmark: v.revision(), initial: true})
		}
		return nil
	}
	if from == 0 {
		return nil // from now on
	}
	if from < v.floor {
		return errExpired()
	}
	for _, ev := range v.history {
		if ev.now.rev > from {
			w.push(ev)
		}
	}
	return nil
}
