package swarm

import (
	"context"

	"github.com/containerd/errdefs"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"skep/translate"
)

// Delete implements storage.Interface.
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
	e := s.view.find(k)
	if e == nil {
		return storage.NewKeyNotFoundError(key, 0)
	}
	if e.err != nil && !opts.ExpectTransformOrDecodeError {
		return storage.NewInternalError(e.err)
	}
	object := e.object
	if e.err != nil {
		object = s.newFunc() // what cannot be read can still be removed
	}
	if preconditions != nil {
		if err := preconditions.Check(key, object); err != nil {
			return err
		}
	}
	if err := validate(ctx, object.DeepCopyObject()); err != nil {
		return err
	}
	old, err := s.view.scheme.ToExternal(object)
	if err != nil {
		return err
	}
	plan, err := s.plan(func(w translate.World) (translate.Plan, error) { return s.view.lens.Remove(w, e.group, old) })
	if err != nil {
		return s.statusError(key, err)
	}
	if _, err := s.engine.run(ctx, s.view.m, plan); err != nil {
		if errdefs.IsNotFound(err) {
			return storage.NewKeyNotFoundError(key, 0)
		}
		return s.statusError(key, err)
	}
	last := object.DeepCopyObject()
	if err := s.versioner.UpdateObject(last, s.view.Revision()); err != nil {
		return err
	}
	return copyInto(last, out)
}
