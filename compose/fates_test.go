package compose

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// allFates are the rows without their groups.
func allFates() []keyFate {
	var all []keyFate
	for _, group := range keyFates() {
		all = append(all, group.rows...)
	}
	return all
}

// TestEveryKeyHasAFate: no key of Compose's schema is one that the table does not know.
func TestEveryKeyHasAFate(t *testing.T) {
	paths := schema.AttributePaths()
	if len(paths) < 500 {
		t.Fatalf("the schema has %d keys only", len(paths))
	}
	for _, path := range paths {
		node, known := fates(), true
		for _, part := range path.Parts() {
			if node, known = node.next(part); !known || node == nil {
				break
			}
		}
		if !known {
			t.Errorf("%s has no row", path)
		}
	}
}

// notInSchema are the keys that older formats and docker stack deploy have, and Compose's schema has not.
var notInSchema = []string{"x-*", "services.*.x-*", "volumes.*.x-cluster-spec"}

// TestRowsNameKeys: a row about a key that nobody can write would promise what never happens.
func TestRowsNameKeys(t *testing.T) {
	keys := map[string]bool{}
	for _, path := range schema.AttributePaths() {
		parts := path.Parts()
		for i := range parts {
			keys[strings.ReplaceAll(strings.Join(parts[:i+1], "."), ".[]", "[]")] = true
		}
	}
	for _, row := range allFates() {
		item := strings.TrimSuffix(strings.TrimSuffix(row.path, "[]"), ".*")
		if !keys[row.path] && !keys[item] && !slices.Contains(notInSchema, row.path) {
			t.Errorf("%s is no key", row.path)
		}
	}
}

// TestRowsAreSound: each can be reached, and says what its Finding needs.
func TestRowsAreSound(t *testing.T) {
	whole, titles := map[string]bool{}, map[string]bool{}
	for _, row := range allFates() {
		switch title := row.title(); {
		case titles[title]:
			t.Errorf("%s has two rows", title)
		case whole[row.path]:
			t.Errorf("%s stands behind a row that holds for all values", title)
		case row.reason == "" && row.fate != Mapped:
			t.Errorf("%s does not say what to do", title)
		case row.to == "" && row.reason == "":
			t.Errorf("%s says nothing", title)
		case row.told && row.once, row.decide && row.fate == Mapped:
			t.Errorf("%s contradicts itself", title)
		}
		titles[row.title()] = true
		whole[row.path] = whole[row.path] || row.when == nil
	}
}

// TestFieldsExist: what the table promises are fields of Kubernetes.
func TestFieldsExist(t *testing.T) {
	kinds := map[string]reflect.Type{"Pod": reflect.TypeFor[corev1.Pod]()}
	for _, object := range []any{
		appsv1.Deployment{},
		appsv1.StatefulSet{},
		appsv1.DaemonSet{},
		batchv1.Job{},
		batchv1.CronJob{},
		corev1.Service{},
		corev1.ConfigMap{},
		corev1.Secret{},
		corev1.Namespace{},
		corev1.PersistentVolume{},
		corev1.PersistentVolumeClaim{},
		networkingv1.Ingress{},
		networkingv1.NetworkPolicy{},
	} {
		kinds[reflect.TypeOf(object).Name()] = reflect.TypeOf(object)
	}
	for _, row := range allFates() {
		for _, field := range row.fields() {
			kind, path, _ := strings.Cut(field, ".")
			if at, ok := kinds[kind]; !ok || !hasField(at, strings.Split(path, ".")) {
				t.Errorf("%s: Kubernetes has no field %s", row.title(), field)
			}
		}
	}
}

// hasField follows the names of fields in JSON.
func hasField(t reflect.Type, path []string) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if len(path) == 0 {
		return true
	}
	name, list := strings.CutSuffix(path[0], "[]")
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == name:
			if list {
				return f.Type.Kind() == reflect.Slice && hasField(f.Type.Elem(), path[1:])
			}
			return hasField(f.Type, path[1:])
		case f.Anonymous && tag == "" && hasField(f.Type, path):
			return true
		}
	}
	return false
}

// TestUnknownKeyIsTold: what no row knows is not passed over.
func TestUnknownKeyIsTold(t *testing.T) {
	found := audit(&Stack{
		Model:  map[string]any{"services": map[string]any{"web": map[string]any{"image": "nginx", "imagee": "nginx"}}},
		Places: Places{"services.web.imagee": {File: "compose.yaml", Line: 4}},
	})
	if len(found) != 1 || found[0].Fate != Refused || found[0].Path != "services.web.imagee" || found[0].Line != 4 || found[0].Service != "web" {
		t.Errorf("got %v", found)
	}
}

// TestToldOnce: what says nothing in a cluster is told of once, where it stands first.
func TestToldOnce(t *testing.T) {
	service := map[string]any{"image": "nginx", "develop": map[string]any{"watch": []any{}}, "attach": true}
	found := audit(&Stack{
		Model: map[string]any{"services": map[string]any{"a": service, "b": service}},
		Places: Places{
			"services.a.develop": {File: "compose.yaml", Line: 9}, "services.b.develop": {File: "compose.yaml", Line: 3},
			"services.a.attach": {File: "compose.yaml", Line: 12}, "services.b.attach": {File: "compose.yaml", Line: 5},
		},
	})
	if len(found) != 2 || found[0].Line != 3 || found[1].Path != "services.b.attach" {
		t.Errorf("got %v", found)
	}
}

// TestListedMapping: a mapping that is written as a list has the fates of its names.
func TestListedMapping(t *testing.T) {
	found := audit(&Stack{
		Model: map[string]any{"services": map[string]any{"web": map[string]any{
			"sysctls": []any{"net.core.somaxconn=1024", "net.ipv4.tcp_syncookies=0"}, "extra_hosts": []any{"db:10.0.0.9", "me:host-gateway"},
		}}},
		Places: Places{"services.web.sysctls[0]": {Line: 7}},
	})
	if len(found) != 2 || found[0].Path != "services.web.extra_hosts.me" || found[1].Path != "services.web.sysctls.net.core.somaxconn" || found[1].Line != 7 {
		t.Errorf("got %v", found)
	}
}
