package swarm

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"

	"skep/translate"
)

// Store is one resource of the Swarm as a storage.Interface. Its verbs know no kind: what differs is in
// the lens. Keys are "<prefix>/<namespace>/<name>", or "<prefix>/<name>" for cluster-scoped resources.
type Store struct {
	engine    *Engine
	view      *View
	prefix    string
	resource  schema.GroupResource
	newFunc   func() runtime.Object
	versioner storage.Versioner
}

var _ storage.Interface = (*Store)(nil)

// NewStore returns the store of a view. newFunc makes an empty object of the registry's version.
func NewStore(engine *Engine, view *View, resource schema.GroupResource, prefix string, newFunc func() runtime.Object) *Store {
	return &Store{
		engine: engine, view: view, resource: resource, prefix: strings.TrimSuffix(prefix, "/"),
		newFunc: newFunc, versioner: storage.APIObjectVersioner{},
	}
}

// Versioner implements storage.Interface.
func (s *Store) Versioner() storage.Versioner { return s.versioner }

// Stats implements storage.Interface.
func (s *Store) Stats(context.Context) (storage.Stats, error) {
	s.view.m.mu.RLock()
	defer s.view.m.mu.RUnlock()
	return storage.Stats{ObjectCount: int64(len(s.view.entries))}, nil
}

// ReadinessCheck implements storage.Interface.
func (s *Store) ReadinessCheck() error {
	if s.view.m.Ready() != nil {
		return storage.ErrStorageNotReady
	}
	return nil
}

// RequestWatchProgress implements storage.Interface: every watch is told how far the mirror is.
func (s *Store) RequestWatchProgress(context.Context) error {
	s.view.m.mu.RLock()
	defer s.view.m.mu.RUnlock()
	for w := range s.view.watchers {
		w.enqueue(queued{bookmark: s.view.revision()})
	}
	return nil
}

// GetCurrentResourceVersion implements storage.Interface.
func (s *Store) GetCurrentResourceVersion(context.Context) (uint64, error) {
	return s.view.Revision(), nil
}

// EnableResourceSizeEstimation implements storage.Interface. There is nothing to estimate from.
func (s *Store) EnableResourceSizeEstimation(storage.KeysFunc) error { return nil }

// CompactRevision implements storage.Interface: up to here no event can be replayed.
func (s *Store) CompactRevision() int64 {
	s.view.m.mu.RLock()
	defer s.view.m.mu.RUnlock()
	return int64(s.view.floor)
}

// BaseRevision is the version index of what a write to the object would change: a client that has seen
// this much has seen all of the object but its status.
func (s *Store) BaseRevision(key translate.Key) uint64 {
	if e := s.view.find(key); e != nil {
		return e.base
	}
	return 0
}

// parse splits a key.
func (s *Store) parse(key string) (translate.Key, error) {
	rest, ok := strings.CutPrefix(key, s.prefix)
	if !ok || strings.Contains(rest, "/../") || strings.HasSuffix(rest, "/..") {
		return translate.Key{}, fmt.Errorf("invalid key: %q", key)
	}
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	switch {
	case rest == "" || parts[0] == "":
		return translate.Key{}, nil
	case len(parts) == 1 && strings.HasSuffix(key, "/"):
		return translate.Key{Namespace: parts[0]}, nil
	case len(parts) == 1:
		return translate.Key{Name: parts[0]}, nil
	case len(parts) == 2:
		return translate.Key{Namespace: parts[0], Name: parts[1]}, nil
	}
	return translate.Key{}, fmt.Errorf("invalid key: %q", key)
}

// within says whether an object is at or below a key.
func (s *Store) within(key string, recursive bool) func(*entry) bool {
	want := strings.TrimSuffix(key, "/")
	return func(e *entry) bool {
		have := s.keyOf(e.key)
		if !recursive {
			return have == want
		}
		return have == want || strings.HasPrefix(have, want+"/")
	}
}

func (s *Store) keyOf(k translate.Key) string {
	if k.Namespace == "" {
		return s.prefix + "/" + k.Name
	}
	return s.prefix + "/" + k.Namespace + "/" + k.Name
}

// Get implements storage.Interface.
func (s *Store) Get(ctx context.Context, key string, opts storage.GetOptions, out runtime.Object) error {
	k, err := s.parse(key)
	if err != nil {
		return err
	}
	if err := s.notOlderThan(opts.ResourceVersion); err != nil {
		return err
	}
	e := s.view.find(k)
	if e == nil {
		if opts.IgnoreNotFound {
			return runtime.SetZeroValue(out)
		}
		return storage.NewKeyNotFoundError(key, 0)
	}
	if e.err != nil {
		return storage.NewInternalError(e.err)
	}
	return copyInto(e.object.DeepCopyObject(), out)
}

func (s *Store) notOlderThan(resourceVersion string) error {
	if resourceVersion == "" {
		return nil
	}
	least, err := s.versioner.ParseResourceVersion(resourceVersion)
	if err != nil {
		return err
	}
	if now := s.view.Revision(); least > now {
		return storage.NewTooLargeResourceVersionError(least, now, 0)
	}
	return nil
}

// copyInto sets *out to *object.
func copyInto(object, out runtime.Object) error {
	v, err := conversion.EnforcePtr(out)
	if err != nil {
		return fmt.Errorf("unable to convert output object to pointer: %w", err)
	}
	o, err := conversion.EnforcePtr(object)
	if err != nil {
		return err
	}
	if v.Type() != o.Type() {
		return fmt.Errorf("have %v, want %v", o.Type(), v.Type())
	}
	v.Set(o)
	return nil
}

// itemsOf is the slice that a list's items are in.
func itemsOf(list runtime.Object) (reflect.Value, error) {
	ptr, err := meta.GetItemsPtr(list)
	if err != nil {
		return reflect.Value{}, err
	}
	v, err := conversion.EnforcePtr(ptr)
	if err != nil || v.Kind() != reflect.Slice {
		return reflect.Value{}, errors.New("need a pointer to a slice")
	}
	return v, nil
}
