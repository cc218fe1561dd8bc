package swarm

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
)

// GetList implements storage.Interface. The mirror knows the present only: a list at a past version, or
// the next page of one after something changed, is refused as expired, and the client lists again.
func (s *Store) GetList(ctx context.Context, key string, opts storage.ListOptions, listObj runtime.Object) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	items, err := itemsOf(listObj)
	if err != nil {
		return err
	}
	prefix := key
	if opts.Recursive && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	at, from, err := storage.ValidateListOptions(prefix, s.versioner, opts)
	if err != nil {
		return err
	}
	if err := s.notOlderThan(opts.ResourceVersion); err != nil {
		return err
	}
	entries, rev, err := s.entriesAt(key, opts.Recursive, at)
	if err != nil {
		return err
	}
	var last string
	more, left := false, int64(0)
	for i, e := range entries {
		if e.path < from {
			continue
		}
		if opts.Predicate.Limit > 0 && int64(items.Len()) >= opts.Predicate.Limit {
			more, left = true, int64(len(entries)-i)
			break
		}
		if e.err != nil {
			return storage.NewInternalError(e.err)
		}
		last = e.path
		if ok, err := matches(opts.Predicate, e.object); err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		items.Set(reflect.Append(items, reflect.ValueOf(e.object.DeepCopyObject()).Elem()))
	}
	if items.IsNil() {
		items.Set(reflect.MakeSlice(items.Type(), 0, 0))
	}
	next, remaining, err := storage.PrepareContinueToken(last, prefix, int64(rev), int64(items.Len())+left, more, opts)
	if err != nil {
		return err
	}
	if more && remaining != nil {
		*remaining = left
	}
	return s.versioner.UpdateList(listObj, rev, next, remaining)
}

type placed struct {
	*entry
	path string
}

// entriesAt returns what is below a key, ordered, and the revision; at is the one asked for, 0 for now.
func (s *Store) entriesAt(key string, recursive bool, at int64) ([]placed, uint64, error) {
	all, rev := s.view.all("")
	in := s.within(key, recursive)
	entries := make([]placed, 0, len(all))
	for _, e := range all {
		if in(e) {
			entries = append(entries, placed{e, s.keyOf(e.key)})
		}
	}
	slices.SortFunc(entries, func(a, b placed) int { return cmp.Compare(a.path, b.path) })
	if at <= 0 || uint64(at) == rev {
		return entries, rev, nil
	}
	if uint64(at) > rev {
		return nil, 0, storage.NewTooLargeResourceVersionError(uint64(at), rev, 0)
	}
	if s.view.changedSince(uint64(at)) {
		return nil, 0, errExpired()
	}
	return entries, uint64(at), nil
}

// changedSince says whether any object of the view changed after a revision, as far as is known.
func (v *View) changedSince(rev uint64) bool {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	if rev < v.floor {
		return true
	}
	n := len(v.history)
	return n > 0 && v.history[n-1].now.rev > rev
}

func matches(p storage.SelectionPredicate, o runtime.Object) (bool, error) {
	if p.Empty() {
		return true, nil
	}
	return p.Matches(o)
}
