package swarm

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/warning"

	"skep/translate"
)

// Delete implements storage.Interface. Swarm removes whatever version there is, so what was validated is
// held against the mirror as late as can be; a change in the last moment goes unseen.
func (s *Store) Delete(
	ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, _ runtime.Object, opts storage.DeleteOptions,
) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	k, err := s.parse(key)
	if err != nil {
		return err
	}
	for {
		done, err := s.deleteOnce(ctx, key, k, out, preconditions, validate, opts)
		if done {
			return err
		}
		if err := ctx.Err(); err != nil {
			return storage.NewInternalError(err)
		}
	}
}

// deleteOnce is one round; done is false when the object changed meanwhile, whatever err says.
func (s *Store) deleteOnce(
	ctx context.Context, key string, k translate.Key, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, opts storage.DeleteOptions,
) (done bool, err error) {
	e := s.view.find(k)
	if e == nil {
		return true, storage.NewKeyNotFoundError(key, 0)
	}
	object, err := s.deletable(key, e, opts)
	if err != nil {
		return true, err
	}
	if err := preconditions.Check(key, object); err != nil {
		return !s.renew(ctx, e), err
	}
	if err := validate(ctx, object.DeepCopyObject()); err != nil {
		return !s.renew(ctx, e), err
	}
	old, err := s.view.scheme.ToExternal(object)
	if err != nil {
		return true, err
	}
	plan, err := s.plan(func(w translate.World) (translate.Plan, error) {
		if s.view.outdated(e) {
			return translate.Plan{}, errStale
		}
		return s.view.lens.Remove(w, e.group, old)
	})
	switch {
	case errors.Is(err, errStale):
		return false, nil
	case err != nil:
		return true, s.statusError(key, err)
	}
	for _, text := range plan.Warnings {
		warning.AddWarning(ctx, "", text)
	}
	if _, err := s.engine.run(ctx, s.view.m, plan); err != nil {
		if errdefs.IsNotFound(err) {
			return true, storage.NewKeyNotFoundError(key, 0)
		}
		return true, s.statusError(key, err)
	}
	last := object.DeepCopyObject()
	if err := s.versioner.UpdateObject(last, s.view.departed(e)); err != nil {
		return true, err
	}
	return true, copyInto(last, out)
}

// deletable is the object that is validated. What cannot be read can be removed by who expects just that.
func (s *Store) deletable(key string, e *entry, opts storage.DeleteOptions) (runtime.Object, error) {
	switch {
	case e.err == nil && opts.ExpectTransformOrDecodeError:
		return nil, storage.NewInvalidObjError(key, "it was to be removed as unreadable, and can be read")
	case e.err == nil:
		return e.object, nil
	case opts.ExpectTransformOrDecodeError:
		return s.newFunc(), nil
	}
	return nil, storage.NewInternalError(fmt.Errorf("unable to transform key %q: %w", key, e.err))
}

// departed is the revision of an entry's removal; that of the view when it is still there.
func (v *View) departed(e *entry) uint64 {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	for i := len(v.history) - 1; i >= 0 && v.history[i].now.rev > e.rev; i-- {
		if ev := v.history[i]; ev.kind == watch.Deleted && ev.now.key == e.key && ev.now.group == e.group {
			return ev.now.rev
		}
	}
	return v.rev
}
