package translate

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// fieldsOf lists the patterns of all fields below a type, in the words of the fates. ObjectMeta is
// walked once, by TestMetadataHasFates.
func fieldsOf(t reflect.Type, pattern string, visit func(string)) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case isLeaf(t):
	case t.Kind() == reflect.Slice:
		visit(pattern + "[]")
		fieldsOf(t.Elem(), pattern+"[]", visit)
	case t.Kind() == reflect.Map:
		visit(pattern + "{}")
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			name, inline, ok := jsonName(t.Field(i))
			switch {
			case !ok:
			case inline:
				fieldsOf(t.Field(i).Type, pattern, visit)
			default:
				visit(join(pattern, name))
				fieldsOf(t.Field(i).Type, join(pattern, name), visit)
			}
		}
	}
}

// covered tells whether a row says what becomes of a field: its own, or one above that holds always.
func covered(rows map[string][]fate, pattern string) bool {
	if len(rows[pattern]) > 0 {
		return true
	}
	for above := parent(pattern); above != ""; above = parent(above) {
		for _, row := range rows[above] {
			if row.when == nil {
				return true
			}
		}
	}
	return false
}

func parent(pattern string) string {
	for _, end := range []string{"[]", "{}"} {
		if cut, ok := strings.CutSuffix(pattern, end); ok {
			return cut
		}
	}
	if i := strings.LastIndex(pattern, "."); i >= 0 {
		return pattern[:i]
	}
	return ""
}

// TestEveryFieldHasAFate also finds rows that name no field of their kind.
func TestEveryFieldHasAFate(t *testing.T) {
	for _, kind := range allKinds() {
		rows := newChecker(kind.allRows()).rows
		known := sets.New[string]()
		all := sets.New[string]()
		for _, obj := range kind.objects {
			fieldsOf(reflect.TypeOf(obj), "", func(pattern string) { all.Insert(pattern) })
		}
		for pattern := range all {
			known.Insert(pattern)
			// What holds other fields needs no fate of its own.
			holds := false
			for other := range all {
				holds = holds || strings.HasPrefix(other, pattern+".") || strings.HasPrefix(other, pattern+"[") || strings.HasPrefix(other, pattern+"{")
			}
			if !holds && !covered(rows, pattern) {
				t.Errorf("%s: %s has no fate", kind.kind, pattern)
			}
		}
		for pattern := range rows {
			if !known.Has(pattern) {
				t.Errorf("%s: the row %s names no field", kind.kind, pattern)
			}
		}
	}
}

func TestFatesAreSaid(t *testing.T) {
	fates := sets.New(Native, ViaGateway, ViaSandbox, Warned, Refused)
	for _, kind := range allKinds() {
		for _, row := range kind.allRows() {
			if row.reason == "" || !fates.Has(row.fate) {
				t.Errorf("%s: %s: fate %q, reason %q", kind.kind, row.path, row.fate, row.reason)
			}
		}
	}
}

func TestCheckOfUnknownKind(t *testing.T) {
	if refused, warnings := Check("Gadget", &corev1.Pod{}); refused != nil || warnings != nil {
		t.Error(refused, warnings)
	}
}
