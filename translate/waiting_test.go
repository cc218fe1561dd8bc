package translate

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// change puts what change makes of the one Deployment there is.
func (w *fakeWorld) change(t *testing.T, change func(*appsv1.Deployment)) {
	t.Helper()
	f := w.list(t, Deployments{})[0]
	d := f.object.DeepCopyObject().(*appsv1.Deployment)
	change(d)
	plan, err := w.put(t, Deployments{}, f.group, f.object, d)
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, plan)
}

// needsSettings makes a template refer to a ConfigMap.
func needsSettings(d *appsv1.Deployment) {
	d.Spec.Template.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{
		ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}},
	}}
}

func settings() sources {
	return sources{configMaps: map[string]*corev1.ConfigMap{"settings": {Data: map[string]string{"color": "blue"}}}}
}

// TestSupply: a service that docker made and that waits for a ConfigMap gets it, and loses nothing.
func TestSupply(t *testing.T) {
	w := newWorld()
	s := &swarm.Service{ID: "legacy1", Spec: swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "web"},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: "app:1", Env: []string{"BARE", "A=1"}, Ulimits: []*container.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}}},
			Placement:     &swarm.Placement{Constraints: []string{"engine.labels.a == b"}},
			LogDriver:     &swarm.Driver{Name: "syslog"}, ForceUpdate: 4,
			Networks: []swarm.NetworkAttachmentConfig{{Target: "n1", Aliases: []string{"web"}}},
		},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: new(uint64(1))}},
	}}
	fillIn(t, &s.Spec.TaskTemplate)
	w.services[s.ID] = s
	w.change(t, needsSettings)
	live := w.services[s.ID].Spec.TaskTemplate
	if !Waits(&live) {
		t.Fatalf("it does not wait: %v", live.Placement)
	}
	if plan, err := Supply(w, s.ID); err != nil || !plan.Commit.Empty() {
		t.Fatalf("nothing has come, and it plans %+v, %v", plan.Commit, err)
	}
	w.stock(t, settings(), DefaultNamespace)
	before := w.snapshot(t)
	plan, err := Supply(w, s.ID)
	if err != nil || plan.Commit.Empty() {
		t.Fatalf("%+v, %v", plan, err)
	}
	if w.snapshot(t) != before {
		t.Error("Supply changed the Swarm")
	}
	w.run(t, plan)
	got := w.services[s.ID].Spec.TaskTemplate
	if Waits(&got) || !slices.Contains(got.ContainerSpec.Env, "color=blue") {
		t.Errorf("it waits: %v, env %q", got.Placement, got.ContainerSpec.Env)
	}
	want := live
	c := *live.ContainerSpec
	c.Env, c.Labels = got.ContainerSpec.Env, got.ContainerSpec.Labels
	want.ContainerSpec, want.Placement = &c, &swarm.Placement{Constraints: []string{"engine.labels.a == b"}}
	if diff := differ(prune(want), prune(got)); diff != "" {
		t.Errorf("more changes:\n%s", diff)
	}
	if plan, err := Supply(w, s.ID); err != nil || !plan.Commit.Empty() {
		t.Errorf("it has all, and it plans %+v, %v", plan.Commit, err)
	}
	if d := w.list(t, Deployments{})[0].object.(*appsv1.Deployment); revisionOf(d) != 2 {
		t.Errorf("the revision is %d", revisionOf(d))
	}
}

// TestSupplySandbox: a sandbox that waits for a ConfigMap is laid it, and nothing else changes.
func TestSupplySandbox(t *testing.T) {
	w := newWorld()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	d.Spec.Template.Labels = d.Spec.Selector.MatchLabels
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "app:1"}, {Name: "beside", Image: "log:1"}}
	needsSettings(d)
	defaultWorkload(d)
	plan, err := w.put(t, Deployments{}, Group{}, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	id := w.run(t, plan)
	live := w.services[id].Spec.TaskTemplate
	if !Waits(&live) || formOf(&live) != sandboxed {
		t.Fatalf("it does not wait: %v", live.Placement)
	}
	if plan, err := Supply(w, id); err != nil || !plan.Commit.Empty() {
		t.Fatalf("nothing has come, and it plans %+v, %v", plan.Commit, err)
	}
	w.stock(t, settings(), DefaultNamespace)
	if plan, err = Supply(w, id); err != nil || plan.Commit.Empty() {
		t.Fatalf("%+v, %v", plan, err)
	}
	w.run(t, plan)
	got := w.services[id].Spec.TaskTemplate
	laid := PodPlan{Task: got, Materials: plan.Materials}
	if doc := string(laidFile(t, &laid, "/pod/configmaps/settings.json")); Waits(&got) || !strings.Contains(doc, `"color":"blue"`) {
		t.Errorf("it waits: %v, and finds %q", got.Placement, doc)
	}
	want := live
	c := *live.ContainerSpec
	c.Configs, c.Labels = got.ContainerSpec.Configs, got.ContainerSpec.Labels
	want.ContainerSpec, want.Placement = &c, nil
	if diff := differ(prune(want), prune(got)); diff != "" || len(c.Configs) != 2 {
		t.Errorf("more changes:\n%s", diff)
	}
}

// TestSupplyPaused: what runs gets what it waits for, and what is to run after the pause stays in waiting.
func TestSupplyPaused(t *testing.T) {
	w := newWorld()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	d.Spec.Template.Labels = d.Spec.Selector.MatchLabels
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "app:1"}}
	needsSettings(d)
	defaultWorkload(d)
	plan, err := w.put(t, Deployments{}, Group{}, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	id := w.run(t, plan)
	w.change(t, func(d *appsv1.Deployment) {
		d.Spec.Paused = true
		d.Spec.Template.Spec.Containers[0].Image = "app:2"
	})
	w.stock(t, settings(), DefaultNamespace)
	if plan, err = Supply(w, id); err != nil || plan.Commit.Empty() {
		t.Fatalf("%+v, %v", plan, err)
	}
	w.run(t, plan)
	wl := w.Workload(id)
	runs, wants := wl.Template.Spec.Containers[0].Image, templateOf(wl.Object).Spec.Containers[0].Image
	if runs != "app:1" || wants != "app:2" {
		t.Errorf("%s runs, %s is wanted", runs, wants)
	}
	w.change(t, func(d *appsv1.Deployment) { d.Spec.Paused = false })
	if image := w.services[id].Spec.TaskTemplate.ContainerSpec.Image; image != "app:2" {
		t.Errorf("after the pause %s runs", image)
	}
}

// TestNewRefusals: what was there already is no reason to refuse.
func TestNewRefusals(t *testing.T) {
	a, b := field.Forbidden(field.NewPath("a"), "x"), field.Forbidden(field.NewPath("b"), "x")
	if got := NewRefusals(field.ErrorList{a, b}, field.ErrorList{a}); len(got) != 1 || got[0] != b {
		t.Error(got)
	}
	if got := NewWarnings([]string{"a", "b"}, []string{"b"}); !slices.Equal(got, []string{"a"}) {
		t.Error(got)
	}
	if msg := (Refusal{b}).Error(); msg != "b: Forbidden: x" {
		t.Error(msg)
	}
}
