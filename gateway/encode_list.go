package gateway

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

// encodingBatch is how many items are converted and encoded at once: little of a long list is in memory twice.
const encodingBatch = 256

// listCodecs are Kubernetes' codecs, but for long lists: those are put together of items' encodings that are kept
// from list to list. What is written is to the byte what the codecs write.
type listCodecs struct {
	runtime.NegotiatedSerializer
	kept   *encodings
	sealed map[schema.GroupKind]bool // of these nothing is kept
}

// EncoderForVersion implements runtime.NegotiatedSerializer.
func (c listCodecs) EncoderForVersion(serializer runtime.Encoder, version runtime.GroupVersioner) runtime.Encoder {
	upstream := c.NegotiatedSerializer.EncoderForVersion(serializer, version)
	media := c.mediaOf(serializer)
	allocating, ok := upstream.(runtime.EncoderWithAllocator)
	if media == nil || !ok {
		return upstream
	}
	return &listEncoder{EncoderWithAllocator: allocating, codecs: c, media: media, version: version}
}

// mediaOf is how the serializer's lists are joined; nil for those that are left alone, such as YAML and the JSON
// that is indented for people.
func (c listCodecs) mediaOf(serializer runtime.Encoder) media {
	for _, info := range c.SupportedMediaTypes() {
		if info.Serializer != serializer {
			continue
		}
		switch info.MediaType {
		case runtime.ContentTypeJSON:
			return jsonMedia{}
		case runtime.ContentTypeProtobuf:
			return protobufMedia{}
		}
	}
	return nil
}

// media is what differs between media types.
type media interface {
	name() string
	// item is an item's part of the list.
	item(o runtime.Object) ([]byte, error)
	// joinable says whether lists of this type are joined from such parts.
	joinable(list reflect.Type) bool
	// join writes a list like the empty one, which was encoded by Kubernetes, but with the parts that next returns
	// batch by batch, until there are none.
	join(w *bufio.Writer, empty []byte, next func() ([]packed, error)) error
}

type listEncoder struct {
	runtime.EncoderWithAllocator
	codecs  listCodecs
	media   media
	version runtime.GroupVersioner
}

// Encode implements runtime.Encoder.
func (e *listEncoder) Encode(o runtime.Object, w io.Writer) error {
	if list, ok := e.listOf(o); ok {
		return e.encode(list, w)
	}
	return e.EncoderWithAllocator.Encode(o, w)
}

// EncodeWithAllocator implements runtime.EncoderWithAllocator.
func (e *listEncoder) EncodeWithAllocator(o runtime.Object, w io.Writer, a runtime.MemoryAllocator) error {
	if list, ok := e.listOf(o); ok {
		return e.encode(list, w)
	}
	return e.EncoderWithAllocator.EncodeWithAllocator(o, w, a)
}

// list is one list under way.
type list struct {
	value reflect.Value // the internal list's struct
	items reflect.Value
	form  form
}

// listOf returns what is joined, false for all that Kubernetes' codecs write themselves.
func (e *listEncoder) listOf(o runtime.Object) (list, bool) {
	value := reflect.ValueOf(o)
	if value.Kind() != reflect.Pointer || value.IsNil() || !shapedAsList(value.Type().Elem()) {
		return list{}, false
	}
	value = value.Elem()
	items := value.Field(2)
	if items.Len() == 0 {
		return list{}, false
	}
	f, ok := e.planFor(o, value.Type())
	return list{value, items, f}, ok
}

var (
	typeMetaType  = reflect.TypeFor[metav1.TypeMeta]()
	listMetaType  = reflect.TypeFor[metav1.ListMeta]()
	objectType    = reflect.TypeFor[metav1.Object]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	nestingType   = reflect.TypeFor[runtime.NestedObjectEncoder]()
)

// shapedAsList says whether a type is TypeMeta, ListMeta and a slice of objects, as lists are but for a few.
func shapedAsList(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t.NumField() != 3 || t.Field(0).Type != typeMetaType || t.Field(1).Type != listMetaType {
		return false
	}
	items := t.Field(2).Type
	return items.Kind() == reflect.Slice && items.Elem().Kind() == reflect.Struct && reflect.PointerTo(items.Elem()).Implements(objectType)
}

// plans are the forms of lists' types, 0 for lists that are not joined, by formName.
var plans sync.Map

func (e *listEncoder) planFor(o runtime.Object, t reflect.Type) (form, bool) {
	name := formName{t, e.version.Identifier(), e.media.name()}
	if f, ok := plans.Load(name); ok {
		return f.(form), f.(form) != 0
	}
	f := form(0)
	if e.joinable(o, t) {
		f = formOf(name)
	}
	plans.Store(name, f)
	return f, f != 0
}

// joinable says whether an internal list's type becomes one that can be joined.
func (e *listEncoder) joinable(o runtime.Object, t reflect.Type) bool {
	kinds, unversioned, err := legacyscheme.Scheme.ObjectKinds(o)
	if err != nil || unversioned || kinds[0].Version != runtime.APIVersionInternal {
		return false
	}
	item := reflect.New(t.Field(2).Type.Elem()).Interface().(runtime.Object)
	if kinds, _, err = legacyscheme.Scheme.ObjectKinds(item); err != nil || e.codecs.sealed[kinds[0].GroupKind()] {
		return false
	}
	converted, err := legacyscheme.Scheme.ConvertToVersion(reflect.New(t).Interface().(runtime.Object), e.version)
	if err != nil {
		return false
	}
	to := reflect.TypeOf(converted)
	return shapedAsList(to.Elem()) && !to.Implements(marshalerType) && !to.Implements(nestingType) && e.media.joinable(to.Elem())
}

var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 64<<10) }}

func (e *listEncoder) encode(l list, w io.Writer) error {
	var empty writtenBytes
	if err := e.EncoderWithAllocator.Encode(l.with(0, 0), &empty); err != nil {
		return err
	}
	out := writers.Get().(*bufio.Writer)
	out.Reset(w)
	defer func() {
		out.Reset(nil)
		writers.Put(out)
	}()
	from := 0
	next := func() ([]packed, error) {
		to := min(from+encodingBatch, l.items.Len())
		parts, err := e.parts(l, from, to)
		from = to
		return parts, err
	}
	if err := e.media.join(out, empty, next); err != nil {
		return err
	}
	return out.Flush()
}

type writtenBytes []byte

// Write implements io.Writer.
func (b *writtenBytes) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// with is the list with some of its items, none of them when from is to.
func (l list) with(from, to int) runtime.Object {
	part := reflect.New(l.value.Type())
	part.Elem().Field(0).Set(l.value.Field(0))
	part.Elem().Field(1).Set(l.value.Field(1))
	part.Elem().Field(2).Set(l.items.Slice(from, to))
	return part.Interface().(runtime.Object)
}

// parts are the encodings of some of a list's items.
func (e *listEncoder) parts(l list, from, to int) ([]packed, error) {
	ids := make([]identity, to-from)
	for i := range ids {
		item := l.items.Index(from + i)
		ids[i] = e.codecs.kept.identify(item.Addr().Interface().(metav1.Object), item, l.form)
	}
	return e.codecs.kept.parts(l.form, ids, func(missing []int) ([][]byte, error) { return e.made(l, from, missing) })
}

// made converts and encodes items. They are converted as a list of their own, since an object that is converted
// alone is given a kind and an apiVersion, which items do not have.
func (e *listEncoder) made(l list, from int, which []int) ([][]byte, error) {
	items := reflect.MakeSlice(l.items.Type(), len(which), len(which))
	for n, i := range which {
		items.Index(n).Set(l.items.Index(from + i))
	}
	some := list{value: l.value, items: items}
	converted, err := legacyscheme.Scheme.UnsafeConvertToVersion(some.with(0, len(which)), e.version)
	if err != nil {
		return nil, err
	}
	out := reflect.ValueOf(converted).Elem().Field(2)
	if out.Len() != len(which) {
		return nil, fmt.Errorf("%d items became %d", len(which), out.Len())
	}
	made := make([][]byte, out.Len())
	for i := range made {
		if made[i], err = e.media.item(out.Index(i).Addr().Interface().(runtime.Object)); err != nil {
			return nil, err
		}
	}
	return made, nil
}
