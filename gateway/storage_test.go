package gateway

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"skep/translate"
)

// stored is a store of objects.
func stored(t *testing.T, objects ...any) cache.Indexer {
	t.Helper()
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	for _, o := range objects {
		if err := store.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

func nodeNamed(name string, ready corev1.ConditionStatus, cordoned bool) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Spec:       corev1.NodeSpec{Unschedulable: cordoned},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
	}
}

// volumeOn is a PersistentVolume of a claim, on a host.
func volumeOn(name, host string) *corev1.PersistentVolume {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"}}
	pv := translate.ProvisionVolume(name, translate.BuiltinClasses()[0], claim, host)
	pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "default", Name: "data"}
	return pv
}

// TestPlace: a claim that does not wait is where there are fewest; one that waits is where its Pod is, or asks again.
func TestPlace(t *testing.T) {
	p := provisioner{
		nodes: corelisters.NewNodeLister(stored(t,
			nodeNamed("a", corev1.ConditionTrue, false), nodeNamed("b", corev1.ConditionTrue, false),
			nodeNamed("c", corev1.ConditionUnknown, false), nodeNamed("d", corev1.ConditionTrue, true))),
		volumes: corelisters.NewPersistentVolumeLister(stored(t, volumeOn("1", "a"))),
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"}}
	provision := func(node string) (string, controller.ProvisioningState, error) {
		pv, state, err := p.Provision(t.Context(), controller.ProvisionOptions{
			StorageClass: translate.BuiltinClasses()[0], PVName: "pvc", PVC: claim, SelectedNodeName: node,
		})
		if err != nil {
			return "", state, err
		}
		return strings.Join(translate.PinnedTo(pv), " "), state, nil
	}
	if host, _, err := provision(""); host != "b" || err != nil {
		t.Errorf("without a Pod it is on %q, %v", host, err)
	}
	if host, _, err := provision("d"); host != "d" || err != nil {
		t.Errorf("with its Pod on d it is on %q, %v", host, err)
	}
	if _, state, err := provision("gone"); err == nil || state != controller.ProvisioningReschedule {
		t.Errorf("of a node that has left: %v, %v", state, err)
	}
	claim.Spec.Selector = &metav1.LabelSelector{}
	if _, _, err := provision(""); err == nil {
		t.Error("a claim that chooses among what is there got a new volume")
	}
}

// TestLacks: what a pending Pod is told about its claim.
func TestLacks(t *testing.T) {
	now := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "now"}, VolumeBindingMode: new(storagev1.VolumeBindingImmediate)}
	b := &binder{
		volumes: corelisters.NewPersistentVolumeLister(stored(t, volumeOn("ok", "a"), volumeOn("down", "b"), volumeOn("cordoned", "c"), volumeOn("left", "z"))),
		classes: storagelisters.NewStorageClassLister(stored(t, now, translate.BuiltinClasses()[0])),
		nodes: corelisters.NewNodeLister(stored(t,
			nodeNamed("a", corev1.ConditionTrue, false), nodeNamed("b", corev1.ConditionUnknown, false), nodeNamed("c", corev1.ConditionTrue, true))),
	}
	for _, c := range []struct{ volume, class, want string }{
		{"ok", "", ""},
		{"down", "", `0/3 nodes are available: the volume of persistentvolumeclaim "data" is on node "b", which is not ready`},
		{"cordoned", "", `0/3 nodes are available: the volume of persistentvolumeclaim "data" is on node "c", which takes no new Pods`},
		{"left", "", `0/3 nodes are available: the volume of persistentvolumeclaim "data" is on node "z", which has left the Swarm`},
		{"lost", "", `persistentvolume "lost" of persistentvolumeclaim "data" not found`},
		{"", "local", ""},
		{"", "now", `pod has unbound immediate PersistentVolumeClaims: "data"`},
	} {
		claim := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"},
			Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: c.volume, StorageClassName: &c.class},
		}
		if got := b.lacks(claim); got != c.want {
			t.Errorf("volume %q, class %q: %q, not %q", c.volume, c.class, got, c.want)
		}
	}
}

// TestPending: only Pods that are on no node are told, and none of Docker's.
func TestPending(t *testing.T) {
	pod := func(name, node string, labels map[string]string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels},
			Spec:       corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{Phase: corev1.PodPending},
		}
	}
	pods := []*corev1.Pod{pod("waits", "", nil), pod("starts", "a", nil), pod("docker", "", map[string]string{translate.LabelServiceName: "shop_web"})}
	told := pending(pods, "why")
	if len(told) != 1 || told[0].Key.Name != "waits" || told[0].Reason != "FailedScheduling" || told[0].Message != "why" {
		t.Errorf("told are %+v", told)
	}
	if told := pending(pods, ""); len(told) > 0 {
		t.Errorf("with nothing to tell, told are %+v", told)
	}
}
