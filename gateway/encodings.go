package gateway

import (
	"context"
	"hash/maphash"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

const (
	// encodingsBound is how much the kept encodings may take, in bytes. 10,000 Pods in three forms take some 16 MiB.
	encodingsBound = 48 << 20
	// encodingOverhead is what an encoding takes beside its bytes: its place in the map, and what the allocator
	// rounds up.
	encodingOverhead = 160
	// encodingsIdle is how long an encoding stays that nobody asks for.
	encodingsIdle = time.Minute
	// encodingsSpare is that time when others wait for the room. Lists ask for all of their items in turn, so an
	// encoding is either asked for in the time that a client takes from list to list, or not at all.
	encodingsSpare = 10 * time.Second
	// sweepInterval is how often idle encodings are looked for. A look at 30,000 takes about a millisecond.
	sweepInterval = 5 * time.Second
)

var (
	encodingHits = metrics.NewCounter(&metrics.CounterOpts{
		Name: "skep_encoding_cache_hits_total", Help: "Items of lists whose encoding was at hand.", StabilityLevel: metrics.ALPHA,
	})
	encodingMisses = metrics.NewCounter(&metrics.CounterOpts{
		Name: "skep_encoding_cache_misses_total", Help: "Items of lists that had to be encoded.", StabilityLevel: metrics.ALPHA,
	})
	encodingBytes = metrics.NewGauge(&metrics.GaugeOpts{
		Name: "skep_encoding_cache_bytes", Help: "What the kept encodings take.", StabilityLevel: metrics.ALPHA,
	})
	registerEncodingMetrics = sync.OnceFunc(func() { legacyregistry.MustRegister(encodingHits, encodingMisses, encodingBytes) })
)

// encodings keeps the items of lists as they were encoded, so that the next list joins them instead of encoding
// them again. Objects of the watch cache are replaced, never changed, and a list's items are shallow copies of
// them; so what an item holds is told by its own memory, without what it points to (see sealOf).
//
// A full store takes nothing new until a sweep has found something idle, unlike an LRU: a list longer than an LRU
// would throw out each encoding just before the next list asks for it.
type encodings struct {
	bound int64
	began time.Time
	sown  maphash.Seed

	mu    sync.RWMutex
	items map[encodingKey]*encoding
	dicts map[form]dictionary
	bytes int64
	full  bool // something was turned away since the last sweep
}

// encodingKey has no version: an object's new version takes the place of the old one at once.
type encodingKey struct {
	uid  types.UID
	form form
}

// form is what an encoding is of: a Go type, an API version and a media type, numbered by formOf.
type form uint32

// encoding is an object's encoding, or without data the mark that it was asked for.
type encoding struct {
	packed
	version string // the object's resourceVersion
	seal    uint64
	used    atomic.Int64 // seconds since the beginning
}

func (k *encoding) takes() int64 { return int64(cap(k.data)) + k.dict.share + encodingOverhead }

// identity is what an object's encoding is kept under: nothing is, without known.
type identity struct {
	key     encodingKey
	version string
	seal    uint64
	known   bool
}

func newEncodings(bound int64) *encodings {
	registerEncodingMetrics()
	return &encodings{
		bound: bound, began: time.Now(), sown: maphash.MakeSeed(),
		items: map[encodingKey]*encoding{}, dicts: map[form]dictionary{},
	}
}

// now is the time by which uses are counted, in seconds.
func (e *encodings) now() int64 { return int64(time.Since(e.began) / time.Second) }

// parts returns the encodings of objects of one form, and has those made that are not at hand, which are then kept.
func (e *encodings) parts(f form, ids []identity, encode func(missing []int) ([][]byte, error)) ([]packed, error) {
	parts, now := make([]packed, len(ids)), e.now()
	var missing []int
	for i, id := range ids {
		if kept := e.get(id, now); kept != nil {
			parts[i] = kept.packed
		} else {
			missing = append(missing, i)
		}
	}
	encodingHits.Add(float64(len(ids) - len(missing)))
	encodingMisses.Add(float64(len(missing)))
	if len(missing) == 0 {
		return parts, nil
	}
	made, err := encode(missing)
	if err != nil {
		return nil, err
	}
	var again []int // positions in made
	for n, i := range missing {
		parts[i] = packed{data: made[n], size: len(made[n])}
		if ids[i].known && e.asked(ids[i].key, now) {
			again = append(again, n)
		}
	}
	p := packer{dictionary: e.dictFor(f, made, again)}
	for _, n := range again {
		e.put(ids[missing[n]], now, p.pack(made[n]))
	}
	return parts, nil
}

// asked says whether an object was in a list before, whatever its version then; what is listed but once is not worth
// compressing.
func (e *encodings) asked(key encodingKey, now int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.items[key] != nil {
		return true
	}
	e.keep(key, &encoding{}, now)
	return false
}

// get returns the encoding of just this object, nil when there is none.
func (e *encodings) get(id identity, now int64) *encoding {
	if !id.known {
		return nil
	}
	e.mu.RLock()
	found := e.items[id.key]
	e.mu.RUnlock()
	if found == nil || found.data == nil || found.seal != id.seal || found.version != id.version {
		return nil
	}
	if found.used.Load() != now {
		found.used.Store(now)
	}
	return found
}

// put keeps an encoding when there is room.
func (e *encodings) put(id identity, now int64, p packed) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.items[id.key]; old != nil {
		e.drop(id.key, old)
	}
	e.keep(id.key, &encoding{packed: p, version: id.version, seal: id.seal}, now)
}

// keep is called with the lock held.
func (e *encodings) keep(key encodingKey, kept *encoding, now int64) {
	if e.bytes+kept.takes() > e.bound {
		e.full = true
		return
	}
	kept.used.Store(now)
	e.items[key] = kept
	e.bytes += kept.takes()
}

func (e *encodings) drop(key encodingKey, old *encoding) {
	delete(e.items, key)
	e.bytes -= old.takes()
}

// sweep drops what is idle.
func (e *encodings) sweep(now int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	idle := int64(encodingsIdle / time.Second)
	if e.full {
		idle = int64(encodingsSpare / time.Second)
	}
	e.full = false
	before := len(e.items)
	for key, kept := range e.items {
		if now-kept.used.Load() > idle {
			e.drop(key, kept)
		}
	}
	if len(e.items) == 0 {
		clear(e.dicts)
	}
	if len(e.items) < before/2 {
		e.items = shrunk(e.items)
	}
	encodingBytes.Set(float64(e.bytes))
}

// shrunk is the same map in as much memory as it needs: Go's maps never give any back.
func shrunk(m map[encodingKey]*encoding) map[encodingKey]*encoding {
	small := make(map[encodingKey]*encoding, len(m))
	for key, kept := range m {
		small[key] = kept
	}
	return small
}

// run sweeps until the context ends.
func (e *encodings) run(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			e.sweep(e.now())
		case <-ctx.Done():
			return
		}
	}
}

// sealOf is a hash of the memory of a struct of objects' type: strings and everything else that it points to count
// by where they are. Two shallow copies of one object have the same seal. Two different objects with the same seal
// would have to be made of the very same parts, so they would be equal.
//
// The UID and the resourceVersion alone do not do: an update with dryRun answers with the new content under the old
// resourceVersion, and a Table of such an answer comes this way too. A part's place can be taken by another's once it
// is collected; but as long as a list can show a resourceVersion, the watch cache holds that version's parts.
func (e *encodings) sealOf(object reflect.Value) uint64 {
	return maphash.Bytes(e.sown, unsafe.Slice((*byte)(object.Addr().UnsafePointer()), object.Type().Size()))
}

// identify tells what an object's encoding is kept under. Those that no server has given an identity have none.
func (e *encodings) identify(o metav1.Object, seal reflect.Value, f form) identity {
	uid, version := o.GetUID(), o.GetResourceVersion()
	if uid == "" || version == "" {
		return identity{}
	}
	return identity{key: encodingKey{uid, f}, version: version, seal: e.sealOf(seal), known: true}
}

var (
	forms    sync.Map // formName to form
	lastForm atomic.Uint32
)

type formName struct {
	of      reflect.Type
	version string // a runtime.GroupVersioner's identifier, or an apiVersion
	media   string
}

// formOf numbers the forms. There are as many as there are kinds, versions and media types.
func formOf(name formName) form {
	if f, ok := forms.Load(name); ok {
		return f.(form)
	}
	f, _ := forms.LoadOrStore(name, form(lastForm.Add(1)))
	return f.(form)
}
