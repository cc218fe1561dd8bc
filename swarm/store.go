package swarm

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// syncTimeout is how long a request waits for the first reading of the Swarm.
const syncTimeout = 10 * time.Second

// ready waits until the whole Swarm has been read once: before, nothing can be said.
func (s *Store) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	if err := s.view.m.WaitSynced(ctx); err != nil {
		why := s.view.m.Ready()
		if why == nil {
			why = err
		}
		return apierrors.NewServiceUnavailable(why.Error())
	}
	return nil
}

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
	s.view.m.mu.Lock()
	defer s.view.m.mu.Unlock()
	s.view.rev = s.view.reach() // what is told once is not taken back
	for w := range s.view.watchers {
		w.enqueue(queued{bookmark: s.view.rev})
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

// prepare checks a key by kube-apiserver's own rule; one that is listed below gets a slash at its end. An
// empty namespace may leave two slashes in it.
func (s *Store) prepare(key string, recursive bool) (string, error) {
	key, err := storage.PrepareKey(s.prefix+"/", key, recursive)
	return strings.ReplaceAll(key, "//", "/"), err
}

// parse splits the key of one object.
func (s *Store) parse(key string) (translate.Key, error) {
	key, err := s.prepare(key, false)
	if err != nil {
		return translate.Key{}, err
	}
	namespace, name, namespaced := strings.Cut(strings.TrimPrefix(key, s.prefix+"/"), "/")
	switch {
	case !namespaced:
		return translate.Key{Name: namespace}, nil
	case strings.Contains(name, "/"):
		return translate.Key{}, fmt.Errorf("invalid key: %q", key)
	}
	return translate.Key{Namespace: namespace, Name: name}, nil
}

// within says whether an object is what a prepared key names: the object itself, or all that is below.
func (s *Store) within(key string, recursive bool) func(*entry) bool {
	return func(e *entry) bool {
		have := s.keyOf(e.key)
		return have == key || recursive && strings.HasPrefix(have, key)
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
	if err := s.ready(ctx); err != nil {
		return err
	}
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

// renew reads an object's Swarm object, for what is refused must not be refused because the mirror is late. It
// says whether there was news.
func (s *Store) renew(ctx context.Context, e *entry) bool {
	kind, id := s.view.m.storedIn(e.group)
	if err := s.engine.look(ctx, s.view.m, kind, id); err != nil {
		return false
	}
	now := s.view.find(e.key)
	return now == nil || now.rev != e.rev
}

// outdated says whether the object has changed since e. The mirror is locked.
func (v *View) outdated(e *entry) bool {
	now := v.entries[e.key]
	return now == nil || now.rev != e.rev
}

func (s *Store) notOlderThan(resourceVersion string) error {
	if resourceVersion == "" {
		return nil
	}
	least, err := s.versioner.ParseResourceVersion(resourceVersion)
	if err != nil {
		return err
	}
	s.view.m.mu.RLock()
	now := s.view.reach()
	s.view.m.mu.RUnlock()
	if least > now {
		return storage.NewTooLargeResourceVersionError(least, now, 0)
	}
	return nil
}

// copyInto sets *out to *object, where an out is wanted.
func copyInto(object, out runtime.Object) error {
	if out == nil {
		return nil
	}
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
