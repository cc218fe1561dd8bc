package translate

import (
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
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

// TestCheckOfKinds asks for what is said of objects that are no Pods, and of those that hold templates.
func TestCheckOfKinds(t *testing.T) {
	template := corev1.PodTemplateSpec{Spec: corev1.PodSpec{HostPID: true, Containers: []corev1.Container{{Name: "a", ImagePullPolicy: "Never"}}}}
	for _, c := range []struct {
		kind     string
		obj      runtime.Object
		refused  []string
		warnings []string
	}{
		{
			"Deployment", &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: template, Strategy: appsv1.DeploymentStrategy{Type: "Recreate"}}},
			[]string{"spec.template.spec.hostPID"},
			[]string{"spec.template.spec.containers[0].imagePullPolicy", "spec.strategy.type"},
		},
		{"Deployment", &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: new(int32(0)), Paused: true, Strategy: appsv1.DeploymentStrategy{Type: "RollingUpdate"}}}, nil, nil},
		{"ReplicaSet", &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Template: template}}, []string{"spec.template.spec.hostPID"}, []string{"spec.template.spec.containers[0].imagePullPolicy"}},
		{"DaemonSet", &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{MinReadySeconds: 5}}, []string{"spec"}, nil},
		{"Job", &batchv1.Job{Spec: batchv1.JobSpec{Suspend: new(false)}}, []string{"spec"}, nil},
		{"ConfigMap", &corev1.ConfigMap{Data: map[string]string{"a": "b"}, Immutable: new(true)}, nil, nil},
		{"Secret", &corev1.Secret{Data: map[string][]byte{"a": []byte("b")}}, nil, nil},
		{"ServiceAccount", &corev1.ServiceAccount{ImagePullSecrets: []corev1.LocalObjectReference{{Name: "a"}}}, nil, []string{"imagePullSecrets"}},
		{"Event", &eventsv1.Event{Note: "a"}, nil, nil},
		{"Event", &corev1.Event{Message: "a"}, nil, nil},
		{"Node", &corev1.Node{Spec: corev1.NodeSpec{Unschedulable: true, Taints: []corev1.Taint{{Key: corev1.TaintNodeUnschedulable}}}}, nil, nil},
		{"Node", &corev1.Node{Spec: corev1.NodeSpec{PodCIDR: "10.0.0.0/8", Taints: []corev1.Taint{{Key: "a"}}}}, []string{"spec.podCIDR", "spec.taints"}, nil},
		{"Namespace", &corev1.Namespace{Status: corev1.NamespaceStatus{Phase: "Active"}}, nil, nil},
	} {
		refused, warnings := Check(c.kind, c.obj)
		for i, err := range refused {
			if i >= len(c.refused) || err.Field != c.refused[i] {
				t.Errorf("%s: %v", c.kind, err)
			}
		}
		for i, warning := range warnings {
			if path, _, _ := strings.Cut(warning, ":"); i >= len(c.warnings) || path != c.warnings[i] {
				t.Errorf("%s: %s", c.kind, warning)
			}
		}
		if len(refused) != len(c.refused) || len(warnings) != len(c.warnings) {
			t.Errorf("%s: %v, %q; want %q, %q", c.kind, refused, warnings, c.refused, c.warnings)
		}
	}
}
