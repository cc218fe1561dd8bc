package swarm

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/warning"

	"skep/translate"
)

// GuaranteedUpdate implements storage.Interface. The write is checked against the Swarm version that
// tryUpdate saw; when another was faster, tryUpdate sees the new state and decides again.
func (s *Store) GuaranteedUpdate(
	ctx context.Context, key string, out runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, tryUpdate storage.UpdateFunc, _ runtime.Object,
) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if _, err := conversion.EnforcePtr(out); err != nil {
		return fmt.Errorf("unable to convert output object to pointer: %w", err)
	}
	k, err := s.parse(key)
	if err != nil {
		return err
	}
	for {
		done, err := s.tryOnce(ctx, key, k, out, ignoreNotFound, preconditions, tryUpdate)
		if done {
			return err
		}
		if err := ctx.Err(); err != nil {
			return storage.NewInternalError(err)
		}
	}
}

// tryOnce is one round; done is false when the object changed meanwhile, whatever err says.
func (s *Store) tryOnce(
	ctx context.Context, key string, k translate.Key, out runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, tryUpdate storage.UpdateFunc,
) (done bool, err error) {
	e := s.view.find(k)
	switch {
	case e == nil && !ignoreNotFound:
		return true, storage.NewKeyNotFoundError(key, 0)
	case e != nil && e.err != nil:
		return true, storage.NewInternalError(e.err)
	}
	current, response := s.newFunc(), storage.ResponseMeta{}
	if e != nil {
		current, response.ResourceVersion = e.object.DeepCopyObject(), e.rev
	}
	updated, err := attempt(key, current, response, preconditions, tryUpdate)
	if err != nil {
		return e == nil || !s.renew(ctx, e), err
	}
	if err := s.versioner.PrepareObjectForStorage(updated); err != nil {
		return true, err
	}
	if e == nil {
		return s.createAbsent(ctx, key, k, updated, out)
	}
	plan, err := s.planUpdate(e, updated)
	if errors.Is(err, errStale) {
		return false, nil
	}
	if err != nil {
		return true, s.statusError(key, err)
	}
	if plan.Commit.Empty() && len(plan.Before) == 0 || s.view.m.unchanged(plan.Commit) {
		return true, copyInto(e.object.DeepCopyObject(), out)
	}
	for _, text := range plan.Warnings {
		warning.AddWarning(ctx, "", text)
	}
	return s.commit(ctx, key, k, plan, updated, out)
}

// commit does the plan of an update; done is false when another was faster.
func (s *Store) commit(ctx context.Context, key string, k translate.Key, plan translate.Plan, updated, out runtime.Object) (done bool, err error) {
	id, err := s.engine.run(ctx, s.view.m, plan)
	switch {
	case errors.Is(err, errStale):
		return false, nil
	case isNameConflict(err):
		if err := s.engine.lookConfig(ctx, s.view.m, plan.Commit); err != nil && !errors.Is(err, errStale) {
			return true, s.statusError(key, err)
		}
		return false, nil
	case err != nil:
		return true, s.statusError(key, err)
	}
	return true, s.readBack(k, id, updated, out)
}

// attempt is what the caller makes of the current state.
func attempt(
	key string, current runtime.Object, response storage.ResponseMeta, preconditions *storage.Preconditions, tryUpdate storage.UpdateFunc,
) (runtime.Object, error) {
	if err := preconditions.Check(key, current); err != nil {
		return nil, err
	}
	updated, _, err := tryUpdate(current, response)
	return updated, err
}

// createAbsent creates what an update did not find. When another was faster, there is something to update.
func (s *Store) createAbsent(ctx context.Context, key string, k translate.Key, object, out runtime.Object) (done bool, err error) {
	err = s.Create(ctx, key, object.DeepCopyObject(), out, 0)
	if storage.IsExist(err) && s.view.find(k) != nil {
		return false, nil
	}
	return true, err
}

func (s *Store) planUpdate(e *entry, updated runtime.Object) (translate.Plan, error) {
	old, err := s.view.scheme.ToExternal(e.object)
	if err != nil {
		return translate.Plan{}, err
	}
	object, err := s.view.scheme.ToExternal(updated)
	if err != nil {
		return translate.Plan{}, err
	}
	s.view.m.mu.RLock()
	defer s.view.m.mu.RUnlock()
	// The plan is checked by Swarm against the version that the mirror has now, so now has to be what
	// tryUpdate saw.
	if s.view.outdated(e) {
		return translate.Plan{}, errStale
	}
	return s.view.lens.Put(s.view.m.world(), e.group, old, object)
}
