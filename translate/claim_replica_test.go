package translate

import (
	"slices"
	"testing"

	"github.com/docker/docker/api/types/volume"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// store is a StatefulSet of three Pods, each with a claim of its own.
func store() *appsv1.StatefulSet {
	labels := map[string]string{"app": "store"}
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: DefaultNamespace, Name: "store"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: new(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "main", Image: "app:1", VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
				}}},
			},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "data", Labels: map[string]string{"tier": "slow"}},
				Spec:       dataClaim().Spec,
			}},
		},
	}
}

// replicas are those that the one service has in Swarm, and those that its object asks for.
func (w *fakeWorld) replicas(t *testing.T) (swarm uint64, asked int32) {
	t.Helper()
	for _, s := range w.services {
		swarm = *replicasOf(&s.Spec)
	}
	return swarm, *w.list(t, StatefulSets{})[0].object.(*appsv1.StatefulSet).Spec.Replicas
}

// TestReplicaClaims: the first Pod decides where all volumes are, and the others come when that is known.
func TestReplicaClaims(t *testing.T) {
	w := newWorld()
	w.write(t, BuiltinClasses()[0])
	w.write(t, store())
	before, steps := w.supply(t)
	if have, asked := w.replicas(t); steps != 0 || have != 1 || asked != 3 {
		t.Fatalf("after %d steps there are %d of %d", steps, have, asked)
	}
	set := w.list(t, StatefulSets{})[0].object.(*appsv1.StatefulSet)
	var names []string
	for _, claim := range ReplicaClaims(set) {
		names = append(names, claim.Name+" "+VolumeNameOf(claim))
		if claim.Labels["app"] != "store" || claim.Labels["tier"] != "slow" || claim.Spec.StorageClassName == nil {
			t.Errorf("the claim is %v", claim)
		}
	}
	if want := []string{"data-store-0 default_data-store-0", "data-store-1 default_data-store-1", "data-store-2 default_data-store-2"}; !slices.Equal(names, want) {
		t.Errorf("the claims are %q", names)
	}

	claim := ReplicaClaims(set)[0]
	claim.UID = "u1"
	w.write(t, claim)
	pv := ProvisionVolume("pvc-u1", BuiltinClasses()[0], claim, "node2")
	pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID}
	w.write(t, pv)
	after, steps := w.supply(t)
	if have, asked := w.replicas(t); steps != 1 || have != 3 || asked != 3 {
		t.Errorf("after %d steps there are %d of %d", steps, have, asked)
	}
	if want := []string{"NODE.hostname==node2"}; after.Placement == nil || !slices.Equal(after.Placement.Constraints, want) {
		t.Errorf("the Pods are placed by %+v", after.Placement)
	}
	after.Placement = before.Placement
	if diff := differ(before, after); diff != "" {
		t.Errorf("more than the constraints changed, and restarts the tasks:\n%s", diff)
	}
}

// TestReplicaClaimsByDocker: who scales the service by Docker's means while it waits for its first Pod gets what they ask for.
func TestReplicaClaimsByDocker(t *testing.T) {
	w := newWorld()
	w.write(t, BuiltinClasses()[0])
	w.write(t, store())
	for _, s := range w.services {
		setReplicas(&s.Spec, 2)
		s.Version.Index++
	}
	w.workloads = map[string]*Workload{}
	w.supply(t)
	if have, asked := w.replicas(t); have != 2 || asked != 2 {
		t.Errorf("there are %d of %d", have, asked)
	}
}

// TestReplicaClaimMade: the claim of a Pod that runs already has the volume that the Pod made.
func TestReplicaClaimMade(t *testing.T) {
	w := newWorld()
	w.write(t, BuiltinClasses()[0])
	claim := ReplicaClaims(store())[0]
	w.volumes[VolumeGroupID("n1", "default_data-store-0")] = &DockerVolume{NodeID: "n1", Volume: &volume.Volume{Name: "default_data-store-0"}}
	w.write(t, claim)
	got := w.get(t, PersistentVolumeClaims{}, KeyOf(claim)).object.(*corev1.PersistentVolumeClaim)
	if name := VolumeNameOf(got); name != "default_data-store-0" {
		t.Errorf("the claim's volume is %q", name)
	}
}
