package translate

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestDeploymentPutGet(t *testing.T) { someLaws(t, 60, lawOfKind("Deployment")) }
func TestReplicaSetPutGet(t *testing.T) { someLaws(t, 60, lawOfKind("ReplicaSet")) }
func TestDaemonSetPutGet(t *testing.T)  { someLaws(t, 60, lawOfKind("DaemonSet")) }
func TestStatefulSetLaw(t *testing.T)   { someLaws(t, 60, lawOfKind(kindStatefulSet)) }
func TestBarePodPutGet(t *testing.T)    { someLaws(t, 60, lawOfKind("Pod")) }
func TestServiceGetPut(t *testing.T)    { someLaws(t, 60, lawServiceGetPut("Deployment")) }
func TestGlobalGetPut(t *testing.T)     { someLaws(t, 60, lawServiceGetPut("DaemonSet")) }
func TestServiceGlobalGet(t *testing.T) { someLaws(t, 60, lawServiceShown) }
func FuzzDeploymentPutGet(f *testing.F) { f.Fuzz(lawOfKind("Deployment")) }
func FuzzReplicaSetPutGet(f *testing.F) { f.Fuzz(lawOfKind("ReplicaSet")) }
func FuzzDaemonSetPutGet(f *testing.F)  { f.Fuzz(lawOfKind("DaemonSet")) }
func FuzzStatefulSetLaw(f *testing.F)   { f.Fuzz(lawOfKind(kindStatefulSet)) }
func FuzzBarePodPutGet(f *testing.F)    { f.Fuzz(lawOfKind("Pod")) }
func FuzzServiceGetPut(f *testing.F)    { f.Fuzz(lawServiceGetPut("Deployment")) }
func FuzzGlobalGetPut(f *testing.F)     { f.Fuzz(lawServiceGetPut("DaemonSet")) }
func FuzzServiceGlobalGet(f *testing.F) { f.Fuzz(lawServiceShown) }

// lawOfKind: what was created is what is read back, and so is every change, with no more restarts and
// revisions than the change asks for.
func lawOfKind(kind string) func(*testing.T, int64) {
	return func(t *testing.T, seed int64) {
		t.Helper()
		d, w, lens := diceOf(seed), newWorld(), lensOf(t, kind)
		object, src := d.object(kind)
		w.stock(t, src, object.GetNamespace())
		if refused, _ := Check(kind, object, DefaultNetworking); len(refused) > 0 {
			t.Fatalf("seed %d: refused: %v", seed, refused)
		}
		plan, err := w.put(t, lens, Group{Kind: GroupService}, nil, object)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		id := w.run(t, plan)
		for range 4 {
			got := w.get(t, lens, KeyOf(object))
			if got == nil {
				t.Fatalf("seed %d: %v is not there", seed, KeyOf(object))
			}
			if diff := objectsDiffer(object, got.object); diff != "" {
				t.Fatalf("seed %d: sent and read back differ:\n%s", seed, diff)
			}
			object = got.object.DeepCopyObject().(Object)
			what := d.edit(object)
			before := w.services[id]
			runs := w.Workload(id).Template
			plan, err := w.put(t, lens, got.group, got.object, object)
			if err != nil && kind == "Pod" && object.GetLabels()["app"] != "web" && what == "template" {
				return // its affinity selected the labels that it has no more
			}
			if err != nil {
				t.Fatalf("seed %d: %s: %v", seed, what, err)
			}
			if plan.Commit.Empty() {
				continue
			}
			w.run(t, plan)
			checkRestarts(t, w, what, object, &runs, before, w.services[id])
			if t.Failed() {
				t.Fatalf("seed %d: after %s", seed, what)
			}
		}
	}
}

// checkRestarts checks that a task template changes, with a revision more, only where the object asks for it.
func checkRestarts(t *testing.T, w *fakeWorld, what string, object Object, runs *corev1.PodTemplateSpec, before, after *swarm.Service) {
	t.Helper()
	asked := false
	switch o := object.(type) {
	case *appsv1.Deployment:
		asked = !o.Spec.Paused && !sameTemplate(runs, &o.Spec.Template)
		rev := revisionOf(w.Workload(after.ID).Object) - revisionOf(object)
		if asked && rev != 1 || !asked && rev != 0 {
			t.Errorf("%s raised the revision by %d", what, rev)
		}
	case *appsv1.DaemonSet:
		asked = o.Spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType && !sameTemplate(runs, &o.Spec.Template)
	case *appsv1.StatefulSet:
		moved := firstOf(&before.Spec.TaskTemplate) != firstOrdinal(o)
		asked = o.Spec.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType && (moved || !sameTemplate(runs, &o.Spec.Template))
	case *corev1.Pod:
		asked = what == "template" && !equality.Semantic.DeepEqual(runs.Spec, o.Spec)
	}
	if same := reflect.DeepEqual(before.Spec.TaskTemplate, after.Spec.TaskTemplate); same == asked {
		t.Errorf("%s: asked to restart: %v, restarts: %v\n%s", what, asked, !same, differ(before.Spec.TaskTemplate, after.Spec.TaskTemplate))
	}
}

// objectsDiffer compares metadata and spec; what the Deployment controller and Get add does not count.
func objectsDiffer(sent, got Object) string {
	docs := [2]Object{sent.DeepCopyObject().(Object), got.DeepCopyObject().(Object)}
	for _, o := range docs {
		o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		notes := maps.Clone(o.GetAnnotations())
		delete(notes, revisionAnnotation)
		o.SetAnnotations(notes)
		switch o := o.(type) {
		case *appsv1.Deployment:
			o.Status = appsv1.DeploymentStatus{}
		case *appsv1.ReplicaSet:
			o.Status = appsv1.ReplicaSetStatus{}
		case *appsv1.DaemonSet:
			o.Status = appsv1.DaemonSetStatus{}
		case *appsv1.StatefulSet:
			o.Status = appsv1.StatefulSetStatus{}
		case *corev1.Pod:
			o.Status = corev1.PodStatus{}
		}
	}
	if equality.Semantic.DeepEqual(docs[0], docs[1]) {
		return ""
	}
	return differ(docs[0], docs[1])
}

// stock puts what Pods refer to into a namespace.
func (w *fakeWorld) stock(t *testing.T, src sources, namespace string) {
	t.Helper()
	for name, cm := range src.configMaps {
		cm.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: name}
		plan, err := w.put(t, lensOf(t, "ConfigMap"), Group{Kind: GroupConfig}, nil, named(t, cm, "ConfigMap"))
		if err != nil {
			t.Fatal(err)
		}
		w.run(t, plan)
	}
	for name, s := range src.secrets {
		s.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: name}
		plan, err := w.put(t, lensOf(t, "Secret"), Group{Kind: GroupConfig}, nil, named(t, s, "Secret"))
		if err != nil {
			t.Fatal(err)
		}
		w.run(t, plan)
	}
}

func named(t *testing.T, o Object, kind string) Object {
	t.Helper()
	o.GetObjectKind().SetGroupVersionKind(typed(t, kind))
	return o
}

// lawServiceGetPut: handing back what was read of a service that docker made changes nothing but skep's own
// labels, and so does every edit but for what it is about.
func lawServiceGetPut(kind string) func(*testing.T, int64) {
	return func(t *testing.T, seed int64) {
		t.Helper()
		serviceGetPut(t, seed, kind)
	}
}

func serviceGetPut(t *testing.T, seed int64, kind string) {
	t.Helper()
	lens, all := lensOf(t, kind), []string{"nothing", "labels", "scale", "nothing", "image", "scale", "nothing"}
	d, w := diceOf(seed), newWorld()
	s := copyOf(t, d.service())
	fillIn(t, &s.Spec.TaskTemplate)
	c := s.Spec.TaskTemplate.ContainerSpec
	c.Env = withoutPrefix(c.Env, "COMMA,") // the one template that a new image makes a literal
	if kind == "DaemonSet" {
		s.Spec.Mode, all = swarm.ServiceMode{Global: &swarm.GlobalService{}}, []string{"nothing", "labels", "nothing", "image", "nothing"}
	}
	w.services[s.ID] = s
	for _, what := range all {
		live := &w.services[s.ID].Spec
		list := w.list(t, lens)
		if len(list) != 1 {
			t.Fatalf("seed %d: %d of %s", seed, len(list), kind)
		}
		object := list[0].object.DeepCopyObject().(Object)
		switch what {
		case "labels":
			object.SetLabels(withEntry(object.GetLabels(), "added", "x"))
			object.SetAnnotations(withEntry(object.GetAnnotations(), "note", "{{"))
		case "scale":
			d := object.(*appsv1.Deployment)
			d.Spec.Replicas = new(*d.Spec.Replicas + 2)
		case "image":
			template := templateOf(object)
			template.Spec.Containers[0].Image = "other:9"
		}
		plan, err := w.put(t, lens, list[0].group, list[0].object, object)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, what, err)
		}
		want, got := copyOf(t, live), copyOf(t, plan.Commit.Service)
		ownLabels(want)
		ownLabels(got)
		switch what {
		case "labels":
			want.Labels["added"] = "x"
		case "scale":
			*want.Mode.Replicated.Replicas += 2
		case "image":
			keepsContainer(t, seed, want.TaskTemplate.ContainerSpec, got.TaskTemplate.ContainerSpec)
			want.TaskTemplate.ContainerSpec = got.TaskTemplate.ContainerSpec
		}
		if diff := differ(want, got); diff != "" {
			t.Fatalf("seed %d: %s changes:\n%s", seed, what, diff)
		}
		if what != "image" && !reflect.DeepEqual(live.TaskTemplate, plan.Commit.Service.TaskTemplate) {
			t.Fatalf("seed %d: %s restarts", seed, what)
		}
		w.run(t, plan)
	}
}

// keepsContainer: a new image changes nothing else but the labels and the hostname, which names the Pod.
func keepsContainer(t *testing.T, seed int64, was, now *swarm.ContainerSpec) {
	t.Helper()
	if now.Image != "other:9" {
		t.Errorf("seed %d: the image is %s", seed, now.Image)
	}
	for k, v := range was.Labels {
		if now.Labels[k] != v && !swarmOnly(k) && k != LabelHash {
			t.Errorf("seed %d: the label %q is %q", seed, k, now.Labels[k])
		}
	}
	kept := *now
	kept.Image, kept.Labels, kept.Hostname, kept.Env = was.Image, was.Labels, was.Hostname, was.Env
	if diff := differ(unordered(*was), unordered(kept)) + differ(lastOfEach(was.Env), lastOfEach(now.Env)); diff != "" {
		t.Errorf("seed %d: a new image changes more:\n%s", seed, diff)
	}
}

// unordered sorts the lists whose order means nothing.
func unordered(c swarm.ContainerSpec) swarm.ContainerSpec {
	c.Mounts, c.Configs, c.Secrets = slices.Clone(c.Mounts), slices.Clone(c.Configs), slices.Clone(c.Secrets)
	slices.SortFunc(c.Mounts, func(a, b mount.Mount) int { return cmp.Compare(a.Target, b.Target) })
	slices.SortFunc(c.Configs, func(a, b *swarm.ConfigReference) int { return cmp.Compare(configKey(a), configKey(b)) })
	slices.SortFunc(c.Secrets, func(a, b *swarm.SecretReference) int { return cmp.Compare(secretKey(a), secretKey(b)) })
	return c
}

// lastOfEach are the variables that a container sees, but for the Pod's name, which is new.
func lastOfEach(env []string) map[string]string {
	last := map[string]string{}
	for _, entry := range env {
		if name, value, _ := strings.Cut(entry, "="); !strings.Contains(value, "%.5s") && !strings.Contains(value, ".Task.ID") {
			last[name] = value
		}
	}
	return last
}

// ownLabels takes skep's labels out.
func ownLabels(s *swarm.ServiceSpec) {
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	maps.DeleteFunc(s.Labels, func(k, _ string) bool { return strings.HasPrefix(k, "skep.") })
}

// lawServiceShown: a service of any mode shows as just one object, and reading it changes nothing.
func lawServiceShown(t *testing.T, seed int64) {
	t.Helper()
	d, w := diceOf(seed), newWorld()
	s := d.service()
	kind := "DaemonSet"
	switch d.Intn(3) {
	case 0:
		s.Spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
	case 1:
		s.Spec.Mode, kind = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{TotalCompletions: new(uint64(2))}}, "Job"
	case 2:
		s.Spec.Mode, kind = swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}, "Job"
	}
	w.services[s.ID] = s
	before := w.snapshot(t)
	for _, lens := range lenses {
		list := w.list(t, lens)
		everywhere := lens.Kind() == "Namespace" || lens.Kind() == "ServiceAccount" // of namespaces, not of services
		is := lens.Kind() == kind || lens.Kind() == kindRevision && kind == "DaemonSet"
		if is && len(list) != 1 || !is && len(list) != 0 && !everywhere {
			t.Errorf("seed %d: %d of %s", seed, len(list), lens.Kind())
		}
		if lens.Kind() == kind && kind == "Job" {
			if plan, err := w.put(t, lens, list[0].group, list[0].object, list[0].object); err != nil || !plan.Commit.Empty() {
				t.Errorf("seed %d: writing what was read changes the %s: %v %+v", seed, kind, err, plan.Commit)
			}
		}
	}
	if w.snapshot(t) != before {
		t.Errorf("seed %d: reading changed the Swarm", seed)
	}
}

// TestSecretIsSealed: the clear text of a Secret is nowhere in what is sent to Swarm.
func TestSecretIsSealed(t *testing.T) {
	w, lens := newWorld(), lensOf(t, "Secret")
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "keys"}, Data: map[string][]byte{"token": []byte("s3cr3t-value")}}
	secret.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"stringData":{"token":"s3cr3t-value"}}`}
	defaultObject(named(t, secret, "Secret"))
	for _, data := range []string{"s3cr3t-value", "s3cr3t-other"} {
		next := secret.DeepCopy()
		next.Data["token"] = []byte(data)
		var old Object
		g := Group{Kind: GroupConfig}
		if f := w.get(t, lens, KeyOf(secret)); f != nil {
			old, g = f.object, f.group
		}
		plan, err := w.put(t, lens, g, old, next)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		labels := fmt.Sprint(plan.Commit.Config.Labels, string(plan.Commit.Config.Data))
		for _, clear := range []string{"s3cr3t", base64.StdEncoding.EncodeToString([]byte(data))} {
			if strings.Contains(string(doc), clear) || strings.Contains(labels, clear) {
				t.Errorf("%q is in the plan", clear)
			}
		}
		w.run(t, plan)
		if got := w.get(t, lens, KeyOf(secret)).object.(*corev1.Secret); string(got.Data["token"]) != data {
			t.Errorf("%q is read back", got.Data)
		}
	}
}
