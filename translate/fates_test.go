package translate

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
)

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

// TestEveryFieldHasAFate also finds rows that name no field of their kind.
func TestEveryFieldHasAFate(t *testing.T) {
	for _, kind := range allKinds() {
		for _, fault := range faultsOf(kind, kind.allRows()) {
			t.Error(fault)
		}
	}
}

// TestFateIsMissed: a row that is taken away leaves a field without a fate, in each list of containers that it is for.
func TestFateIsMissed(t *testing.T) {
	pod := workloadFates[0]
	for _, c := range []struct {
		without string
		missed  []string
	}{
		{"spec.containers[].tty", []string{"spec.containers[].tty", "spec.ephemeralContainers[].tty", "spec.initContainers[].tty"}},
		{"spec.containers[].securityContext.procMount", []string{
			"spec.containers[].securityContext.procMount", "spec.ephemeralContainers[].securityContext.procMount", "spec.initContainers[].securityContext.procMount",
		}},
		{"spec.activeDeadlineSeconds", []string{"spec.activeDeadlineSeconds"}},
		{"spec.volumes[].image", []string{"spec.volumes[].image.pullPolicy", "spec.volumes[].image.reference"}},
	} {
		rows := slices.DeleteFunc(pod.allRows(), func(row fate) bool { return row.path == c.without })
		var want []string
		for _, path := range c.missed {
			want = append(want, "Pod: "+path+" has no fate")
		}
		if got := faultsOf(pod, rows); !slices.Equal(got, want) {
			t.Errorf("without %s: %q", c.without, got)
		}
	}
	if got := faultsOf(pod, append(pod.allRows(), fate{path: "spec.containers[].colour"})); len(got) != 1 {
		t.Errorf("a row of no field: %q", got)
	}
}

// faultsOf are a kind's fields without a fate, and rows without a field, in order.
func faultsOf(kind kindFates, all []fate) []string {
	rows := newChecker(all).rows
	fields, leaves := sets.New[string](), sets.New[string]()
	for _, obj := range kind.objects {
		fieldsOf(reflect.TypeOf(obj), "", func(pattern string) { fields.Insert(pattern) })
		leaves.Insert(leavesOf(reflect.TypeOf(obj).Elem())...)
	}
	var faults []string
	for pattern := range leaves { // what holds other fields needs no fate of its own
		path := pattern
		if like := alike.Replace(pattern); fields.Has(like) {
			path = like // whatever is said of the list as a whole
		}
		if !covered(rows, path) {
			faults = append(faults, kind.kind+": "+pattern+" has no fate")
		}
	}
	for pattern := range rows {
		if !fields.Has(pattern) {
			faults = append(faults, kind.kind+": the row "+pattern+" names no field")
		}
	}
	slices.Sort(faults)
	return faults
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
	if refused, warnings := Check("Gadget", &corev1.Pod{}, DefaultNetworking); refused != nil || warnings != nil {
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
			nil,
			[]string{"spec.strategy.type"},
		},
		{"Deployment", &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: new(int32(0)), Paused: true, Strategy: appsv1.DeploymentStrategy{Type: "RollingUpdate"}}}, nil, nil},
		{"ReplicaSet", &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Template: template}}, nil, nil},
		{"DaemonSet", &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{
			Template: template, MinReadySeconds: 5,
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: "RollingUpdate", RollingUpdate: &appsv1.RollingUpdateDaemonSet{
				MaxUnavailable: new(intstr.FromString("100%")), MaxSurge: new(intstr.FromString("30%")),
			}},
		}}, nil, []string{"spec.updateStrategy.rollingUpdate.maxSurge"}},
		{"DaemonSet", &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Template: template, UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: "OnDelete"}}}, nil, []string{"spec.updateStrategy.type"}},
		{"StatefulSet", &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Template: template, Replicas: new(int32(1)), PodManagementPolicy: "OrderedReady"}}, nil, nil},
		{"StatefulSet", &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{
			Template: template, Replicas: new(int32(2)), PodManagementPolicy: "OrderedReady", ServiceName: "db",
			UpdateStrategy:                       appsv1.StatefulSetUpdateStrategy{Type: "RollingUpdate", RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: new(int32(1))}},
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenDeleted: "Delete", WhenScaled: "Retain"},
		}}, []string{"spec.updateStrategy.rollingUpdate.partition"}, []string{"spec.serviceName", "spec.podManagementPolicy", "spec.persistentVolumeClaimRetentionPolicy.whenDeleted"}},
		{"Job", &batchv1.Job{Spec: batchv1.JobSpec{Template: template, Suspend: new(false), BackoffLimit: new(int32(0))}}, nil, nil},
		{"Job", &batchv1.Job{Spec: batchv1.JobSpec{Template: template, Suspend: new(true), Parallelism: new(int32(2)), SuccessPolicy: &batchv1.SuccessPolicy{}, ManagedBy: new("me")}}, []string{"spec.successPolicy", "spec.managedBy"}, []string{"spec.parallelism", "spec.suspend"}},
		{"CronJob", &batchv1.CronJob{Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{AnnotationSwarmMode: "global"}},
			Spec:       batchv1.JobSpec{Template: template, Completions: new(int32(3)), BackoffLimitPerIndex: new(int32(1))},
		}}}, []string{"spec.jobTemplate.spec.backoffLimitPerIndex", "spec.jobTemplate.spec.completions"}, nil},
		{"ConfigMap", &corev1.ConfigMap{Data: map[string]string{"a": "b"}, Immutable: new(true)}, nil, nil},
		{"Secret", &corev1.Secret{Data: map[string][]byte{"a": []byte("b")}}, nil, nil},
		{"ServiceAccount", &corev1.ServiceAccount{ImagePullSecrets: []corev1.LocalObjectReference{{Name: "a"}}}, nil, []string{"imagePullSecrets"}},
		{"Event", &eventsv1.Event{Note: "a"}, nil, nil},
		{"Event", &corev1.Event{Message: "a"}, nil, nil},
		{"Node", &corev1.Node{Spec: corev1.NodeSpec{Unschedulable: true, Taints: []corev1.Taint{{Key: corev1.TaintNodeUnschedulable}}}}, nil, nil},
		{"Node", &corev1.Node{Spec: corev1.NodeSpec{PodCIDR: "10.0.0.0/8", Taints: []corev1.Taint{{Key: "a"}}}}, []string{"spec.podCIDR", "spec.taints"}, nil},
		{"Namespace", &corev1.Namespace{Status: corev1.NamespaceStatus{Phase: "Active"}}, nil, nil},
	} {
		refused, warnings := Check(c.kind, c.obj, DefaultNetworking)
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
