package scale

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// witness is the store of a client-go reflector. It keeps no objects, only what tells them apart, and it writes down
// every event that must not be: one that is older than what was known, an object that is added though it is known, or
// that changes or goes though it is not.
type witness struct {
	mu      sync.Mutex
	known   map[string]sighting // by namespace and name
	listed  uint64              // resourceVersion of the last list
	removed map[types.UID]string
	wrong   []string
	events  int
	lists   int
	last    time.Time // when anything was told
}

// sighting is an object as it was last seen.
type sighting struct {
	uid     types.UID
	version uint64
	digest  uint64 // of all of it
}

var _ cache.ReflectorStore = (*witness)(nil)

func newWitness() *witness {
	return &witness{known: map[string]sighting{}, removed: map[types.UID]string{}}
}

// sight reads an object of a kind that Kubernetes can write as protobuf.
func sight(o any) (key string, s sighting, err error) {
	object, ok := o.(interface {
		runtime.Object
		Marshal() ([]byte, error)
	})
	if !ok {
		return "", s, fmt.Errorf("%T is not an object of Kubernetes' own", o)
	}
	metadata, err := meta.Accessor(object)
	if err != nil {
		return "", s, err
	}
	version, err := strconv.ParseUint(metadata.GetResourceVersion(), 10, 64)
	if err != nil {
		return "", s, err
	}
	text, err := object.Marshal()
	if err != nil {
		return "", s, err
	}
	digest := fnv.New64a()
	_, _ = digest.Write(text) // never fails
	key = metadata.GetNamespace() + "/" + metadata.GetName()
	return key, sighting{metadata.GetUID(), version, digest.Sum64()}, nil
}

// told takes in an event.
func (w *witness) told(o any, judge func(key string, was sighting, known bool, now sighting)) error {
	key, now, err := sight(o)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events++
	w.last = time.Now()
	if err != nil {
		w.complain("an event that cannot be read: %v", err)
		return err
	}
	was, known := w.known[key]
	if known && was.uid == now.uid && now.version < was.version {
		w.complain("%s goes back from version %d to %d", key, was.version, now.version)
	}
	judge(key, was, known, now)
	return nil
}

func (w *witness) complain(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// Add implements cache.ReflectorStore.
func (w *witness) Add(o any) error {
	return w.told(o, func(key string, was sighting, known bool, now sighting) {
		if known {
			w.complain("%s was added at version %d though it was there at %d", key, now.version, was.version)
		}
		if _, gone := w.removed[now.uid]; gone {
			w.complain("%s was deleted and is there again at version %d", key, now.version)
		}
		w.known[key] = now
	})
}

// Update implements cache.ReflectorStore.
func (w *witness) Update(o any) error {
	return w.told(o, func(key string, was sighting, known bool, now sighting) {
		switch {
		case !known:
			w.complain("%s changed at version %d though it was not there", key, now.version)
		case was.version == now.version:
			w.complain("%s changed twice at version %d", key, now.version)
		}
		w.known[key] = now
	})
}

// Delete implements cache.ReflectorStore.
func (w *witness) Delete(o any) error {
	return w.told(o, func(key string, _ sighting, known bool, now sighting) {
		if !known {
			w.complain("%s was deleted at version %d though it was not there", key, now.version)
		}
		w.removed[now.uid] = key
		delete(w.known, key)
	})
}

// Replace implements cache.ReflectorStore: a list says what is there, and what is no more.
func (w *witness) Replace(list []any, version string) error {
	now, err := sightAll(list)
	at, parsed := strconv.ParseUint(version, 10, 64)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists++
	w.last = time.Now()
	if err = errors.Join(err, parsed); err != nil {
		w.complain("a list that cannot be read: %v", err)
		return err
	}
	if at < w.listed {
		w.complain("a list of version %d came after one of %d", at, w.listed)
	}
	w.listed = at
	for key, was := range w.known {
		is, there := now[key]
		switch {
		case !there || is.uid != was.uid:
			w.removed[was.uid] = key
		case is.version < was.version:
			w.complain("%s goes back from version %d to %d in a list", key, was.version, is.version)
		}
	}
	w.known = now
	return nil
}

// Resync implements cache.ReflectorStore.
func (w *witness) Resync() error { return nil }

func sightAll(list []any) (map[string]sighting, error) {
	all := make(map[string]sighting, len(list))
	for _, o := range list {
		key, s, err := sight(o)
		if err != nil {
			return nil, err
		}
		all[key] = s
	}
	return all, nil
}

// equals says whether the store holds just what there is.
func (w *witness) equals(truth map[string]sighting) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.known) != len(truth) {
		return false
	}
	for key, s := range truth {
		if w.known[key] != s {
			return false
		}
	}
	return true
}

// faults are the events that must not have been, given what there is: what was said to be gone must not be there.
func (w *witness) faults(truth map[string]sighting) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.wrong
	for key, s := range truth {
		if _, gone := w.removed[s.uid]; gone {
			all = append(all, key+" was said to be deleted, and is there")
		}
	}
	return all
}
