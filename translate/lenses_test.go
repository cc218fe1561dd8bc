package translate

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	// The kinds themselves.
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	batchdefaults "k8s.io/kubernetes/pkg/apis/batch/v1"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	discoverydefaults "k8s.io/kubernetes/pkg/apis/discovery/v1"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingdefaults "k8s.io/kubernetes/pkg/apis/networking/v1"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	storagedefaults "k8s.io/kubernetes/pkg/apis/storage/v1"
)

// lenses are all there are. The documents stand for those of other kinds.
var lenses = []Lens{
	Deployments{},
	ReplicaSets{},
	Pods{},
	DaemonSets{},
	StatefulSets{},
	ControllerRevisions{},
	Jobs{},
	CronJobs,
	Nodes{},
	Namespaces{},
	Events{},
	Services{},
	EndpointsOf{},
	EndpointSlices{},
	Ingresses{},
	NetworkPolicies{},
	PersistentVolumes{},
	PersistentVolumeClaims{},
	StorageClasses,
	Documents{Of: "IngressClass", New: func() Object { return &networkingv1.IngressClass{} }},
	ConfigMaps,
	ServiceAccounts,
	Documents{
		Of: "Secret", Native: GroupSecret, Sealed: true, New: func() Object { return &corev1.Secret{} },
		Default: func(o Object) { coredefaults.SetObjectDefaults_Secret(o.(*corev1.Secret)) },
	},
}

func lensOf(t *testing.T, kind string) Lens {
	t.Helper()
	for _, l := range lenses {
		if strings.EqualFold(l.Kind(), kind) {
			return l
		}
	}
	t.Fatalf("no lens of %q", kind)
	return nil
}

// newObject makes an empty object of a kind.
func newObject(t *testing.T, kind string) Object {
	t.Helper()
	if o := newWorkloadObject(kind); o != nil {
		return o
	}
	switch kind {
	case kindRevision:
		return &appsv1.ControllerRevision{}
	case "Node":
		return &corev1.Node{}
	case "Namespace":
		return &corev1.Namespace{}
	case "Event":
		return &corev1.Event{}
	case "Service":
		return &corev1.Service{}
	case "Endpoints":
		return &corev1.Endpoints{}
	case "EndpointSlice":
		return &discoveryv1.EndpointSlice{}
	case "Ingress":
		return &networkingv1.Ingress{}
	case "NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	case kindClaim:
		return &corev1.PersistentVolumeClaim{}
	case kindVolume:
		return &corev1.PersistentVolume{}
	}
	if l, ok := lensOf(t, kind).(Given); ok {
		return l.New()
	}
	return lensOf(t, kind).(Documents).New()
}

// typed is the kind as the store names it on what it hands to a lens.
func typed(t *testing.T, kind string) schema.GroupVersionKind {
	t.Helper()
	kinds, _, err := legacyscheme.Scheme.ObjectKinds(newObject(t, kind))
	if err != nil {
		t.Fatal(err)
	}
	return kinds[0]
}

// defaultObject fills in what the API server would.
func defaultObject(object Object) {
	defaultWorkload(object)
	switch o := object.(type) {
	case *corev1.Secret:
		coredefaults.SetObjectDefaults_Secret(o)
	case *corev1.Namespace:
		coredefaults.SetObjectDefaults_Namespace(o)
	case *corev1.Service:
		coredefaults.SetObjectDefaults_Service(o)
	case *corev1.Endpoints:
		coredefaults.SetObjectDefaults_Endpoints(o)
	case *discoveryv1.EndpointSlice:
		discoverydefaults.SetObjectDefaults_EndpointSlice(o)
	case *corev1.PersistentVolumeClaim:
		coredefaults.SetObjectDefaults_PersistentVolumeClaim(o)
	case *corev1.PersistentVolume:
		coredefaults.SetObjectDefaults_PersistentVolume(o)
	case *batchv1.CronJob:
		batchdefaults.SetObjectDefaults_CronJob(o)
	case *storagev1.StorageClass:
		storagedefaults.SetObjectDefaults_StorageClass(o)
	case *networkingv1.NetworkPolicy:
		networkingdefaults.SetObjectDefaults_NetworkPolicy(o)
	}
}

// specOf is the part of an object whose change makes a new generation.
func specOf(object Object) any {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return o.Spec
	case *appsv1.ReplicaSet:
		return o.Spec
	case *appsv1.DaemonSet:
		return o.Spec
	case *appsv1.StatefulSet:
		return o.Spec
	case *batchv1.Job:
		return o.Spec
	case *batchv1.CronJob:
		return o.Spec
	case *corev1.Pod:
		return o.Spec
	case *networkingv1.Ingress:
		return o.Spec
	case *networkingv1.NetworkPolicy:
		return o.Spec
	case *discoveryv1.EndpointSlice:
		return []any{o.AddressType, o.Endpoints, o.Ports}
	}
	return nil
}

// TestAllLensesAreTested: who adds a lens adds it to the tests, and a golden case.
func TestAllLensesAreTested(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	declared := regexp.MustCompile(`(?m)^var _ Lens = (\w+)\{\}`)
	for _, name := range files {
		doc, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllStringSubmatch(string(doc), -1) {
			if !slices.ContainsFunc(lenses, func(l Lens) bool { return typeName(l) == m[1] }) {
				t.Errorf("%s: the lens %s is not among those that are tested", name, m[1])
			}
		}
	}
}

func typeName(l Lens) string { return reflect.TypeOf(l).Name() }
