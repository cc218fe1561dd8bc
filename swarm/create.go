package swarm

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/warning"

	"skep/translate"
)

// Create implements storage.Interface. That two clients cannot both create an object is Swarm's doing: its
// name is made of the object's, and Swarm takes a name once.
func (s *Store) Create(ctx context.Context, key string, obj, out runtime.Object, _ uint64) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	k, err := s.parse(key)
	if err != nil {
		return err
	}
	if version, err := s.versioner.ObjectResourceVersion(obj); err == nil && version != 0 {
		return storage.ErrResourceVersionSetOnCreate
	}
	if err := s.versioner.PrepareObjectForStorage(obj); err != nil {
		return err
	}
	external, err := s.view.scheme.ToExternal(obj)
	if err != nil {
		return err
	}
	if s.exists(ctx, k) {
		return storage.NewKeyExistsError(key, 0)
	}
	plan, err := s.plan(func(w translate.World) (translate.Plan, error) {
		return s.view.lens.Put(w, translate.Group{Kind: groupOf(s.view.lens), ID: k.Name}, nil, external)
	})
	if err != nil {
		return s.statusError(key, err)
	}
	for _, text := range plan.Warnings {
		warning.AddWarning(ctx, "", text)
	}
	id, err := s.runCreate(ctx, k, plan)
	if isNameConflict(err) {
		if lookErr := s.engine.lookConfig(ctx, s.view.m, plan.Commit); lookErr != nil && !errors.Is(lookErr, errStale) {
			return s.statusError(key, lookErr)
		}
		if plan.Commit.Service != nil && s.view.find(k) == nil {
			return apierrors.NewConflict(s.resource, k.Name, fmt.Errorf("a service that is another object has the name %s, or had it until now: try again", plan.Commit.Service.Name))
		}
		return storage.NewKeyExistsError(key, 0)
	}
	if err != nil {
		return s.statusError(key, err)
	}
	return s.readBack(k, id, obj, out)
}

// exists says whether there is an object, looking once more where the mirror says so.
func (s *Store) exists(ctx context.Context, k translate.Key) bool {
	e := s.view.find(k)
	if e == nil {
		return false
	}
	return !s.renew(ctx, e) || s.view.find(k) != nil
}

// runCreate does the plan of a creation. A service whose name another object has gets another name: a longer one that
// says its kind, and where Docker's tools gave just that to another, one of its own.
func (s *Store) runCreate(ctx context.Context, k translate.Key, plan translate.Plan) (id string, err error) {
	id, err = s.engine.run(ctx, s.view.m, plan)
	if plan.Commit.Service == nil {
		return id, err
	}
	for _, name := range translate.ServiceIdentity(plan.Commit.Service).OtherNames() {
		if !isNameConflict(err) || !s.conflictIsOther(ctx, plan.Commit, k) {
			break
		}
		plan.Commit.Service.Name = name
		id, err = s.engine.run(ctx, s.view.m, plan)
	}
	return id, err
}

// conflictIsOther says whether the service that has the name wanted is not the object that is to be made.
func (s *Store) conflictIsOther(ctx context.Context, commit translate.Step, k translate.Key) bool {
	if commit.Service == nil {
		return false
	}
	if err := s.engine.lookNamed(ctx, s.view.m, commit.Service.Name); err != nil {
		return false
	}
	return s.view.find(k) == nil
}

// groupOf is the kind of the group in which a new object of the lens will be.
func groupOf(lens translate.Lens) translate.GroupKind { return lens.Groups()[0] }

// plan has the lens plan while the mirror stands still.
func (s *Store) plan(make func(translate.World) (translate.Plan, error)) (translate.Plan, error) {
	s.view.m.mu.RLock()
	defer s.view.m.mu.RUnlock()
	return make(s.view.m.world())
}

// readBack gives what a write made of an object. Where nothing shows any more (a Pod whose service is
// already gone), it is what was written.
func (s *Store) readBack(k translate.Key, id string, written, out runtime.Object) error {
	e := s.view.find(k)
	if e == nil || e.err != nil || id != "" && e.group.ID != id && !isGathered(e.group.Kind) && !e.ownedBy(s, id) {
		if e != nil && e.err != nil {
			return storage.NewInternalError(e.err)
		}
		o := written.DeepCopyObject()
		if err := s.versioner.UpdateObject(o, s.view.Revision()); err != nil {
			return err
		}
		return copyInto(o, out)
	}
	return copyInto(e.object.DeepCopyObject(), out)
}

// isGathered says whether a group is more than one object of the Swarm.
func isGathered(kind translate.GroupKind) bool {
	return kind == translate.GroupNamespace || kind == translate.GroupAddress
}

// ownedBy says whether a write to the Swarm object id was a write to this entry's document.
func (e *entry) ownedBy(s *Store, id string) bool {
	s.view.m.mu.RLock()
	defer s.view.m.mu.RUnlock()
	_, ok := s.view.m.owned[e.group.ID][id]
	return ok
}
