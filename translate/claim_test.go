package translate

import (
	"reflect"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// write creates an object by its lens.
func (w *fakeWorld) write(t *testing.T, object Object) {
	t.Helper()
	kind := typedObject(t, object)
	lens := lensOf(t, kind)
	defaultObject(object)
	plan, err := w.put(t, lens, Group{lens.Groups()[0], object.GetName()}, nil, object)
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, plan)
}

// typedObject gives an object its kind as the store does, and returns it.
func typedObject(t *testing.T, object Object) string {
	t.Helper()
	for _, kind := range []string{"StorageClass", kindClaim, kindVolume, "Deployment", kindStatefulSet, "ConfigMap"} {
		if empty := newObject(t, kind); reflect.TypeOf(empty) == reflect.TypeOf(object) {
			object.GetObjectKind().SetGroupVersionKind(typed(t, kind))
			return kind
		}
	}
	t.Fatalf("%T", object)
	return ""
}

func dataClaim() *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: DefaultNamespace, Name: "data", UID: "u1"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: new(StorageClassLocal),
		},
	}
}

// keeper is a Deployment that mounts the claim data.
func keeper() *appsv1.Deployment {
	labels := map[string]string{"app": "keeper"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: DefaultNamespace, Name: "keeper"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					NodeSelector: map[string]string{"disk": "ssd"},
					Containers: []corev1.Container{{
						Name: "main", Image: "app:1", VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
					}},
					Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
						PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
					}}},
				},
			},
		},
	}
}

// supply takes the steps of Supply for the one service there is, and returns its task.
func (w *fakeWorld) supply(t *testing.T) (task swarm.TaskSpec, steps int) {
	t.Helper()
	for id := range w.services {
		for steps < 10 {
			plan, err := Supply(w, id)
			if err != nil {
				t.Fatal(err)
			}
			if plan.Commit.Empty() {
				return w.services[id].Spec.TaskTemplate, steps
			}
			w.run(t, plan)
			steps++
		}
	}
	t.Fatal("there is no end to it")
	return task, steps
}

// bind gives the claim data a PersistentVolume on a node.
func (w *fakeWorld) bind(t *testing.T, node string) {
	t.Helper()
	claim := w.get(t, PersistentVolumeClaims{}, Key{DefaultNamespace, "data"}).object.(*corev1.PersistentVolumeClaim)
	pv := ProvisionVolume("pvc-u1", BuiltinClasses()[0], claim, node)
	pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID}
	w.write(t, pv)
}

// TestPins: a Pod's volume is known to be on a node once the Pod is; that says so to Swarm, and neither changes the Pod
// nor what Swarm starts tasks for.
func TestPins(t *testing.T) {
	w := newWorld()
	w.write(t, BuiltinClasses()[0])
	w.write(t, dataClaim())
	w.write(t, keeper())
	before, steps := w.supply(t)
	if steps != 0 || len(before.ContainerSpec.Mounts) != 1 || before.ContainerSpec.Mounts[0].Source != "default_data" {
		t.Fatalf("%d steps to %+v", steps, before.ContainerSpec.Mounts)
	}
	w.bind(t, "node2")
	after, steps := w.supply(t)
	if want := []string{"node.labels.disk==ssd", "NODE.hostname==node2"}; steps != 1 || !slices.Equal(after.Placement.Constraints, want) {
		t.Fatalf("after %d steps the constraints are %q", steps, after.Placement.Constraints)
	}
	plain := after
	plain.Placement = before.Placement
	if diff := differ(before, plain); diff != "" {
		t.Errorf("more than the constraints changed, and restarts the tasks:\n%s", diff)
	}
	d := w.list(t, Deployments{})[0].object.(*appsv1.Deployment)
	if spec := d.Spec.Template.Spec; spec.Affinity != nil || len(spec.NodeSelector) != 1 {
		t.Errorf("the template asks for %v, %v", spec.NodeSelector, spec.Affinity)
	}
	w.change(t, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "app:2" })
	w.change(t, func(d *appsv1.Deployment) { d.Labels = map[string]string{"a": "b"} })
	rolled, steps := w.supply(t)
	if steps != 0 || !slices.Equal(rolled.Placement.Constraints, after.Placement.Constraints) || rolled.ContainerSpec.Image != "app:2" {
		t.Errorf("a roll-out leaves %q, %+v", rolled.Placement.Constraints, rolled.ContainerSpec)
	}
	w.change(t, func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Volumes, d.Spec.Template.Spec.Containers[0].VolumeMounts = nil, nil
	})
	if free, _ := w.supply(t); !slices.Equal(free.Placement.Constraints, before.Placement.Constraints) || len(free.ContainerSpec.Mounts) > 0 {
		t.Errorf("without the claim it has %q, %v", free.Placement.Constraints, free.ContainerSpec.Mounts)
	}
}

// TestPinsAlone: being kept with its volume gives a running task no new values of ConfigMaps.
func TestPinsAlone(t *testing.T) {
	w := newWorld()
	w.stock(t, settings(), DefaultNamespace)
	w.write(t, BuiltinClasses()[0])
	w.write(t, dataClaim())
	d := keeper()
	needsSettings(d)
	w.write(t, d)
	f := w.get(t, lensOf(t, "ConfigMap"), Key{DefaultNamespace, "settings"})
	later := f.object.DeepCopyObject().(*corev1.ConfigMap)
	later.Data = map[string]string{"color": "red"}
	later.GetObjectKind().SetGroupVersionKind(typed(t, "ConfigMap"))
	plan, err := w.put(t, lensOf(t, "ConfigMap"), f.group, f.object, later)
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, plan)
	w.bind(t, "node2")
	task, _ := w.supply(t)
	if !slices.Contains(task.ContainerSpec.Env, "color=blue") || !slices.Contains(task.Placement.Constraints, "NODE.hostname==node2") {
		t.Errorf("it has %q and %q", task.ContainerSpec.Env, task.Placement.Constraints)
	}
}

// TestClaimComes: what waits for its claim mounts it when it comes.
func TestClaimComes(t *testing.T) {
	w := newWorld()
	w.write(t, BuiltinClasses()[0])
	w.write(t, keeper())
	if task, _ := w.supply(t); !Waits(&task) || len(task.ContainerSpec.Mounts) > 0 {
		t.Fatalf("it does not wait: %q, %v", task.Placement.Constraints, task.ContainerSpec.Mounts)
	}
	w.write(t, dataClaim())
	task, steps := w.supply(t)
	if steps != 1 || Waits(&task) || len(task.ContainerSpec.Mounts) != 1 {
		t.Errorf("after %d steps: %q, %v", steps, task.Placement.Constraints, task.ContainerSpec.Mounts)
	}
	if d := w.list(t, Deployments{})[0].object.(*appsv1.Deployment); d.Spec.Template.Spec.Volumes[0].PersistentVolumeClaim.ClaimName != "data" {
		t.Errorf("its volumes are %+v", d.Spec.Template.Spec.Volumes)
	}
}

// TestClaimGoes: a claim that is deleted changes nothing for the Pods that run; the next ones wait for another.
func TestClaimGoes(t *testing.T) {
	w := newWorld()
	w.write(t, BuiltinClasses()[0])
	w.write(t, dataClaim())
	w.write(t, keeper())
	w.bind(t, "node2")
	before, _ := w.supply(t)
	for id := range w.services {
		w.tasks["t1"] = &swarm.Task{ID: "t1", ServiceID: id, DesiredState: swarm.TaskStateRunning}
	}
	delete(w.configs, w.find(Identity{kindClaim, DefaultNamespace, "data"}))
	if task, steps := w.supply(t); steps != 0 {
		t.Errorf("what runs has become %s", differ(before, task))
	}
	delete(w.tasks, "t1")
	if task, _ := w.supply(t); !Waits(&task) {
		t.Errorf("it does not wait: %q", constraintsOf(&task))
	}
	w.write(t, dataClaim())
	if task, _ := w.supply(t); Waits(&task) || len(task.ContainerSpec.Mounts) != 1 {
		t.Errorf("with another claim it has %q, %v", constraintsOf(&task), task.ContainerSpec.Mounts)
	}
}

// TestDockersVolumeStays: a claim of the same name changes nothing for a service that docker made.
func TestDockersVolumeStays(t *testing.T) {
	w := newWorld()
	s := &swarm.Service{ID: "legacy1", Spec: swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "web"},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "app:1", Mounts: []mount.Mount{{
			Type: mount.TypeVolume, Source: "data", Target: "/data", VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: "rexray"}},
		}}}},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: new(uint64(1))}},
	}}
	fillIn(t, &s.Spec.TaskTemplate)
	w.services[s.ID] = s
	w.write(t, BuiltinClasses()[0])
	w.write(t, dataClaim())
	w.bind(t, "node2")
	before := s.Spec.TaskTemplate
	w.change(t, func(d *appsv1.Deployment) { d.Labels = map[string]string{"a": "b"} })
	if task, _ := w.supply(t); digest(task) != digest(before) {
		t.Errorf("it has become %s", differ(before, task))
	}
	w.change(t, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "app:2" })
	task, _ := w.supply(t)
	if len(constraintsOf(&task)) > 0 || digest(task.ContainerSpec.Mounts) != digest(before.ContainerSpec.Mounts) {
		t.Errorf("it has become %s", differ(before, task))
	}
}

func TestPlacementOf(t *testing.T) {
	term := func(es ...corev1.NodeSelectorRequirement) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: es}
	}
	host := corev1.NodeSelectorRequirement{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{"node2"}}
	for name, c := range map[string]struct {
		terms []corev1.NodeSelectorTerm
		want  []string
		all   bool
	}{
		"none":      {nil, nil, true},
		"one host":  {[]corev1.NodeSelectorTerm{term(host)}, []string{"NODE.hostname==node2"}, true},
		"two terms": {[]corev1.NodeSelectorTerm{term(host), term(host)}, nil, false},
		"a label and not another": {[]corev1.NodeSelectorTerm{term(
			corev1.NodeSelectorRequirement{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}},
			corev1.NodeSelectorRequirement{Key: "kubernetes.io/arch", Operator: corev1.NodeSelectorOpNotIn, Values: []string{"amd64"}},
		)}, []string{"NODE.labels.zone==a", "NODE.platform.arch!=x86_64"}, true},
		"either of two hosts": {[]corev1.NodeSelectorTerm{term(
			corev1.NodeSelectorRequirement{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{"a", "b"}},
		)}, nil, false},
	} {
		got, all := placementOf(&corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: c.terms}})
		if !slices.Equal(got, c.want) || all != c.all {
			t.Errorf("%s: %q, %v", name, got, all)
		}
	}
}

// TestShownVolume: what has a name shows; what only a Pod or a service has for itself does not.
func TestShownVolume(t *testing.T) {
	for name, v := range map[string]volume.Volume{
		"named":     {Name: "data"},
		"a claim's": {Name: "default_data", Labels: VolumeLabels(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{UID: types.UID("u")}}, "default")},
	} {
		if !ShownVolume(&v) {
			t.Errorf("%s does not show", name)
		}
	}
	for name, v := range map[string]volume.Volume{
		"anonymous":       {Name: "4f5b3cd93a2a4e8a9b1b8f2e5f5c7d0e4f5b3cd93a2a4e8a9b1b8f2e5f5c7d0e"},
		"named anonymous": {Name: "x", Labels: map[string]string{"com.docker.volume.anonymous": ""}},
		"a Pod's":         {Name: "default_web-s", Labels: map[string]string{LabelEphemeral: "true"}},
		"an NFS mount's":  {Name: "nfs.a.b", Labels: nfsVolume(&corev1.NFSVolumeSource{Server: "a", Path: "/"}, nil).Labels},
	} {
		if ShownVolume(&v) {
			t.Errorf("%s shows", name)
		}
	}
}
