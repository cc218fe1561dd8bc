package swarm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"skep/translate"
)

// GetList implements storage.Interface. A list at a past revision, such as the next page of one, is the
// present with the view's history taken back; what happened before that reaches is refused as expired.
func (s *Store) GetList(ctx context.Context, key string, opts storage.ListOptions, listObj runtime.Object) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	items, err := itemsOf(listObj)
	if err != nil {
		return err
	}
	prefix, err := s.prepare(key, opts.Recursive)
	if err != nil {
		return err
	}
	at, from, err := storage.ValidateListOptions(prefix, s.versioner, opts)
	if err != nil {
		return err
	}
	if err := s.notOlderThan(opts.ResourceVersion); err != nil {
		return err
	}
	entries, rev, err := s.entriesAt(prefix, opts.Recursive, at)
	if err != nil {
		return expiredPage(err, from, prefix, opts)
	}
	last, left, err := fill(items, entries, from, opts.Predicate)
	if err != nil {
		return err
	}
	next, remaining, err := storage.PrepareContinueToken(last, prefix, int64(rev), int64(items.Len())+left, left > 0, opts)
	if err != nil {
		return err
	}
	return s.versioner.UpdateList(listObj, rev, next, remaining)
}

// fill puts a page of the entries from a path on into items. It returns the last path looked at and how
// many entries are left.
func fill(items reflect.Value, entries []placed, from string, pred storage.SelectionPredicate) (last string, left int64, err error) {
	items.Set(reflect.MakeSlice(items.Type(), 0, 0))
	for i, e := range entries {
		if e.path < from {
			continue
		}
		if pred.Limit > 0 && int64(items.Len()) >= pred.Limit {
			return last, int64(len(entries) - i), nil
		}
		if e.err != nil {
			return "", 0, storage.NewInternalError(fmt.Errorf("unable to transform key %q: %w", e.path, e.err))
		}
		last = e.path
		ok, err := matches(pred, e.object)
		if err != nil {
			return "", 0, err
		}
		if ok {
			items.Set(reflect.Append(items, reflect.ValueOf(e.object.DeepCopyObject()).Elem()))
		}
	}
	return last, 0, nil
}

type placed struct {
	*entry
	path string
}

// entriesAt returns what is below a key, ordered, and the revision; at is the one asked for, 0 for now.
func (s *Store) entriesAt(key string, recursive bool, at int64) ([]placed, uint64, error) {
	all, rev, err := s.view.at(uint64(max(at, 0)))
	if err != nil {
		return nil, 0, err
	}
	in := s.within(key, recursive)
	entries := make([]placed, 0, len(all))
	for _, e := range all {
		if in(e) {
			entries = append(entries, placed{e, s.keyOf(e.key)})
		}
	}
	slices.SortFunc(entries, func(a, b placed) int { return cmp.Compare(a.path, b.path) })
	return entries, rev, nil
}

// at returns the entries at a revision, 0 for now.
func (v *View) at(rev uint64) (map[translate.Key]*entry, uint64, error) {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	entries := maps.Clone(v.entries)
	switch now := v.reach(); {
	case rev == 0:
		return entries, v.rev, nil
	case rev > now:
		return nil, 0, storage.NewTooLargeResourceVersionError(rev, now, 0)
	case rev < v.floor:
		return nil, 0, errExpired("list")
	}
	for i := len(v.history) - 1; i >= 0 && v.history[i].now.rev > rev; i-- {
		if ev := v.history[i]; ev.old != nil {
			entries[ev.old.key] = ev.old
		} else {
			delete(entries, ev.now.key)
		}
	}
	return entries, rev, nil
}

// expiredPage tells a client whose continue token has expired how to go on with the present, in the words
// and by the token of kube-apiserver's own store.
func expiredPage(err error, from, prefix string, opts storage.ListOptions) error {
	if !apierrors.IsResourceExpired(err) || opts.Predicate.Continue == "" {
		return err
	}
	token, encodeErr := storage.EncodeContinue(from, prefix, -1)
	if encodeErr != nil {
		return err
	}
	status := apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result. " +
		"You can start a new list without the continue parameter, or use the continue token in this response to retrieve the " +
		"remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, " +
		"modified, or deleted between the time the first chunk was returned and now may show up in the list.")
	status.ErrStatus.Continue = token
	return status
}

func matches(p storage.SelectionPredicate, o runtime.Object) (bool, error) {
	if p.Empty() {
		return true, nil
	}
	return p.Matches(o)
}
