package translate

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Fate is what becomes of a field that a client sends. There is no fate for dropping it silently.
type Fate string

// The fates.
const (
	// Native: Swarm does it.
	Native Fate = "native"
	// ViaSandbox: the Pod runs under skep's sandbox, which does it.
	ViaSandbox Fate = "sandbox"
	// ViaGateway: skep does it, or keeps it with the object.
	ViaGateway Fate = "gateway"
	// Warned: accepted and approximated; the client is told.
	Warned Fate = "warned"
	// Refused: a 422 with the field, the reason and what to do instead.
	Refused Fate = "refused"
)

// fate is a row: what becomes of the field at path and, unless a longer path says otherwise, of all
// beneath it. Elements of lists are written [], values of maps {}. With when, the row holds only for
// values that it describes; of the rows for one path the first that holds decides.
//
// A field whose fate is ViaSandbox makes its Pod a sandboxed one, unless the Pod is told to stay plain (see
// AnnotationSandbox): then it is refused, or with plain approximated as that says.
type fate struct {
	path   string
	fate   Fate
	reason string
	when   *condition
	// plain is what comes of a field of ViaSandbox in a plain task.
	plain string
	// onlyPlain: of a sandboxed Pod the row does not hold: the sandbox does it.
	onlyPlain bool
}

// condition tells the values that a row is about.
type condition struct {
	text string
	is   func(subject) bool
}

// subject is a value that is looked at, with what stands around it.
type subject struct {
	value  any    // never a pointer
	key    string // of a map's value
	within any    // the struct that the field belongs to
	pod    *corev1.PodSpec
	c      *corev1.Container
	net    Networking
}

// kindFates are the fates of one kind. Those of a Pod template are the same everywhere.
type kindFates struct {
	kind    string
	objects []runtime.Object // of which types; an Event has two
	// template is the path of the Pod template: "" for a Pod itself, "none" where there is none.
	template string
	note     string
	rows     []fate
}

const noTemplate = "none"

// allRows puts the template's rows under the kind's path for them.
func (k kindFates) allRows() []fate {
	rows := append(append([]fate{}, metadataFates...), k.rows...)
	if k.template == noTemplate {
		return rows
	}
	for _, part := range podFates {
		for _, row := range part {
			row.path = join(join(k.template, "spec"), row.path)
			rows = append(rows, row)
		}
	}
	return rows
}

func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// checker walks an object by its fates.
type checker struct {
	rows map[string][]fate
	form form
	// needed is how much the object's Pod template asks for the sandbox; see need.
	needed   need
	refused  field.ErrorList
	warnings []string
}

func newChecker(rows []fate) *checker {
	byPath := make(map[string][]fate, len(rows))
	for _, row := range rows {
		byPath[row.path] = append(byPath[row.path], row)
	}
	return &checker{rows: byPath}
}

// alike are lists whose elements share the rows of the Pod's containers.
var alike = strings.NewReplacer("initContainers[]", "containers[]", "ephemeralContainers[]", "containers[]")

// walk looks at one value. What is refused or warned of as a whole is not looked into.
func (k *checker) walk(v reflect.Value, pattern string, at *field.Path, s subject) {
	said := v.Kind() == reflect.Pointer && !v.IsNil() // then a false or a zero was meant
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if !said && v.IsZero() {
		return
	}
	if s.value = v.Interface(); k.decide(pattern, at, s) {
		return
	}
	switch {
	case isLeaf(v.Type()):
	case v.Kind() == reflect.Struct:
		k.walkStruct(v, pattern, at, s)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			k.walk(v.Index(i), pattern+"[]", at.Index(i), s)
		}
	case v.Kind() == reflect.Map:
		for _, key := range sortedKeys(stringKeys(v)) {
			s.key = key
			k.walk(v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key())), pattern+"{}", at.Key(key), s)
		}
	}
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// isLeaf tells types that are one value in JSON, whatever they are made of: quantities, times.
func isLeaf(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(marshaler) || t == reflect.TypeFor[[]byte]()
}

func stringKeys(m reflect.Value) map[string]bool {
	out := map[string]bool{}
	for _, key := range m.MapKeys() {
		out[key.String()] = true
	}
	return out
}

func (k *checker) walkStruct(v reflect.Value, pattern string, at *field.Path, s subject) {
	if v.CanAddr() {
		s.within = v.Addr().Interface()
	}
	switch o := s.within.(type) {
	case *corev1.PodSpec:
		s.pod = o
	case *corev1.Container:
		s.c = o
	}
	for i := range v.NumField() {
		name, inline, ok := jsonName(v.Type().Field(i))
		switch {
		case !ok:
		case inline:
			k.walkStruct(v.Field(i), pattern, at, s)
		default:
			k.walk(v.Field(i), join(pattern, name), at.Child(name), s)
		}
	}
}

// noSandboxReason is said of what a Pod asks for that may not have a sandbox.
const noSandboxReason = "is done by skep's sandbox, which the annotation " + AnnotationSandbox + ": never rules out: leave the annotation out"

// jsonName is a field's name in JSON. The type's own kind and version are no fields of ours.
func jsonName(f reflect.StructField) (name string, inline, ok bool) {
	if !f.IsExported() || f.Name == "TypeMeta" {
		return "", false, false
	}
	name, _, _ = strings.Cut(f.Tag.Get("json"), ",")
	return name, f.Anonymous && name == "", name != "-"
}

// decide applies the first row that holds; true when there is nothing more to say.
func (k *checker) decide(pattern string, at *field.Path, s subject) bool {
	for _, row := range k.rows[alike.Replace(pattern)] {
		if row.when != nil && !row.when.is(s) || row.onlyPlain && k.form == sandboxed {
			continue
		}
		switch {
		case row.fate == ViaSandbox && k.form != plainTask:
			k.needed = max(k.needed, row.need())
			return false
		case row.fate == ViaSandbox && row.plain == "":
			k.refused = append(k.refused, field.Forbidden(at, noSandboxReason))
		case row.fate == Refused:
			k.refused = append(k.refused, field.Forbidden(at, row.reason))
		case row.fate == ViaSandbox: // what is below it may be less than approximated
			k.warnings = append(k.warnings, at.String()+": "+row.plain)
			return false
		case row.fate == Warned:
			k.warnings = append(k.warnings, at.String()+": "+row.reason)
		default:
			return false
		}
		return true
	}
	return false
}

// allKinds are the kinds in the order of docs/support.md.
func allKinds() []kindFates {
	return slices.Concat(workloadFates, jobFates, networkFates, storageFates, otherFates)
}
