package translate

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestFormChanges(t *testing.T)      { someLaws(t, 60, lawFormChanges) }
func TestFormOfDocker(t *testing.T)     { someLaws(t, 60, lawFormOfDocker) }
func TestOwnServiceGetPut(t *testing.T) { someLaws(t, 60, lawOwnServiceGetPut) }
func FuzzFormChanges(f *testing.F)      { f.Fuzz(lawFormChanges) }
func FuzzFormOfDocker(f *testing.F)     { f.Fuzz(lawFormOfDocker) }
func FuzzOwnServiceGetPut(f *testing.F) { f.Fuzz(lawOwnServiceGetPut) }

// inForm has a template run in a form: as one that a plain task can hold, by its annotation, or as a sandboxed one.
func (d dice) inForm(tpl *corev1.PodTemplateSpec, f form) {
	if f == sandboxed {
		d.needSandbox(tpl)
		return
	}
	tpl.Annotations = withEntry(tpl.Annotations, AnnotationSandbox, "never")
}

// deployed is a Deployment in a form, and a Swarm where it runs.
func (d dice) deployed(t *testing.T, f form) (*fakeWorld, string) {
	t.Helper()
	w := newWorld()
	tpl, src := randomPod(d.Rand)
	d.inForm(tpl, f)
	dep := d.objectOf("Deployment", tpl).(*appsv1.Deployment)
	dep.Spec.Paused = false
	w.stock(t, src, dep.Namespace)
	plan, err := w.put(t, Deployments{}, Group{Kind: GroupService}, nil, dep)
	if err != nil {
		t.Fatal(err)
	}
	id := w.run(t, plan)
	if got := formOf(&w.services[id].Spec.TaskTemplate); got != f {
		t.Fatalf("of form %d, want %d", got, f)
	}
	return w, id
}

// only is the one Deployment there is, to be changed.
func (w *fakeWorld) only(t *testing.T) (found, *appsv1.Deployment) {
	t.Helper()
	list := w.list(t, Deployments{})
	if len(list) != 1 {
		t.Fatalf("%d Deployments", len(list))
	}
	return list[0], list[0].object.DeepCopyObject().(*appsv1.Deployment)
}

// meaning is a task without what is empty, skep's digest of it, and what a sandbox remembers of the plain task before.
func meaning(t *testing.T, spec *swarm.TaskSpec) any {
	t.Helper()
	out := clone(t, spec)
	delete(out.ContainerSpec.Labels, LabelSpec)
	delete(out.ContainerSpec.Labels, LabelPlain)
	return prune(out)
}

// lawFormChanges: a template that needs the sandbox, then does not, then does, runs at each step as it would have if
// the service had been made so.
func lawFormChanges(t *testing.T, seed int64) {
	d := diceOf(seed)
	w, id := d.deployed(t, plainTask)
	first := *copyOf(t, &w.services[id].Spec.TaskTemplate)
	_, was := w.only(t)
	next := was.DeepCopy()
	delete(next.Spec.Template.Annotations, AnnotationSandbox)
	d.needSandbox(&next.Spec.Template)
	w.change(t, func(dep *appsv1.Deployment) { dep.Spec.Template = next.Spec.Template })

	second := w.services[id].Spec.TaskTemplate
	if formOf(&second) != sandboxed {
		t.Fatalf("seed %d: it is no sandbox", seed)
	}
	fresh, err := createWorkload(w, next, &next.Spec.Template)
	if err != nil {
		t.Fatal(err)
	}
	made := fresh.Commit.Service.TaskTemplate
	fillIn(t, &made)
	if diff := differ(meaning(t, &made), meaning(t, &second)); diff != "" {
		t.Errorf("seed %d: a new one is not like the one that it became:\n%s", seed, diff)
	}
	w.change(t, func(dep *appsv1.Deployment) { dep.Spec.Template = was.Spec.Template })
	third := w.services[id].Spec.TaskTemplate
	if diff := differ(meaning(t, &first), meaning(t, &third)); diff != "" {
		t.Errorf("seed %d: back, it is not what it was:\n%s", seed, diff)
	}
	if got, want := w.Workload(id).Template, was.Spec.Template; !sameTemplate(&got, &want) {
		t.Errorf("seed %d: back, another template is read:\n%s", seed, differ(want, got))
	}
}

// lawFormOfDocker: a service that docker made becomes a sandbox by what only a sandbox can do, and when that goes is
// again what docker made of it.
func lawFormOfDocker(t *testing.T, seed int64) {
	d, w := diceOf(seed), newWorld()
	s := copyOf(t, d.service())
	s.Spec.TaskTemplate.LogDriver = &swarm.Driver{Name: "syslog", Options: map[string]string{"syslog-address": "udp://10.0.0.9"}}
	fillIn(t, &s.Spec.TaskTemplate)
	c := s.Spec.TaskTemplate.ContainerSpec
	c.Env = withoutPrefix(c.Env, "COMMA,") // the one template that a change makes a literal
	w.services[s.ID] = s
	for _, image := range []string{"other:8", "other:9"} { // the second is a change of what skep wrote
		w.change(t, func(dep *appsv1.Deployment) { dep.Spec.Template.Spec.Containers[0].Image = image })
	}
	_, was := w.only(t)
	first := *copyOf(t, &w.services[s.ID].Spec.TaskTemplate)
	if formOf(&first) != plainTask {
		t.Fatalf("seed %d: a new image makes it a sandbox", seed)
	}
	w.change(t, func(dep *appsv1.Deployment) {
		tpl := &dep.Spec.Template
		tpl.Spec.Containers = append(tpl.Spec.Containers, corev1.Container{Name: "beside", Image: "busybox"})
		defaultWorkload(dep)
	})
	second := w.services[s.ID].Spec.TaskTemplate
	if formOf(&second) != sandboxed {
		t.Fatalf("seed %d: it is no sandbox", seed)
	}
	runsAsSandbox(t, seed, w, s.ID)
	w.change(t, func(dep *appsv1.Deployment) { dep.Spec.Template.Spec.Containers[1].Image = "busybox:2" })
	runsAsSandbox(t, seed, w, s.ID)
	w.change(t, func(dep *appsv1.Deployment) {
		dep.Spec.Template = was.Spec.Template
	})
	third := w.services[s.ID].Spec.TaskTemplate
	if formOf(&third) != plainTask {
		if needOf(&was.Spec.Template, DefaultNetworking) == better {
			return // it may stay a sandbox: that does more of what the template asks for
		}
		t.Fatalf("seed %d: it stays a sandbox", seed)
	}
	keepsContainerOf(t, seed, &first, &third)
}

// runsAsSandbox checks that nothing which docker put on a service keeps its sandbox from its work.
func runsAsSandbox(t *testing.T, seed int64, w *fakeWorld, id string) {
	t.Helper()
	wl := w.Workload(id)
	live := &wl.Service.Spec.TaskTemplate
	fresh, err := encodeTask(w, wl.Object, &wl.Template, wl.Hash, sandboxed)
	if err != nil {
		t.Fatal(err)
	}
	a, b := live.ContainerSpec, fresh.Task.ContainerSpec
	for what, pair := range map[string][2]any{
		"image":      {a.Image, b.Image},
		"command":    {a.Command, b.Command},
		"args":       {a.Args, b.Args},
		"user":       {a.User, b.User},
		"directory":  {a.Dir, b.Dir},
		"signal":     {a.StopSignal, b.StopSignal},
		"grace":      {a.StopGracePeriod, b.StopGracePeriod},
		"health":     {a.Healthcheck, b.Healthcheck},
		"read-only":  {a.ReadOnly, b.ReadOnly},
		"privileges": {a.Privileges, b.Privileges},
		"log":        {live.LogDriver, fresh.Task.LogDriver},
	} {
		if diff := differ(prune(pair[0]), prune(pair[1])); diff != "" {
			t.Errorf("seed %d: the sandbox's %s is not its own:\n%s", seed, what, diff)
		}
	}
}

// keepsContainerOf compares two tasks without regard to order, and to what skep names anew.
func keepsContainerOf(t *testing.T, seed int64, was, now *swarm.TaskSpec) {
	t.Helper()
	a, b := *was, *now
	ac, bc := unordered(*was.ContainerSpec), unordered(*now.ContainerSpec)
	if diff := differ(lastOfEach(ac.Env), lastOfEach(bc.Env)); diff != "" {
		t.Errorf("seed %d: the environment differs:\n%s", seed, diff)
	}
	ac.Env, bc.Env = nil, nil
	for _, c := range []*swarm.ContainerSpec{&ac, &bc} {
		c.Labels = maps.Clone(c.Labels)
		delete(c.Labels, LabelSpec)
		c.Hosts, c.Groups = slices.Sorted(slices.Values(c.Hosts)), slices.Sorted(slices.Values(c.Groups))
		c.CapabilityAdd = slices.Sorted(slices.Values(c.CapabilityAdd))
	}
	a.ContainerSpec, b.ContainerSpec = &ac, &bc
	for _, s := range []*swarm.TaskSpec{&a, &b} {
		if s.Placement != nil {
			p := *s.Placement
			p.Constraints = slices.Sorted(slices.Values(p.Constraints))
			s.Placement = &p
		}
	}
	if diff := differ(prune(a), prune(b)); diff != "" {
		t.Errorf("seed %d: what docker put there is not there:\n%s", seed, diff)
	}
}

// lawOwnServiceGetPut: of a service that skep made in either form, and that docker's tools put something on which
// Kubernetes cannot say, no change but one of the template restarts anything, and that keeps what docker put there.
func lawOwnServiceGetPut(t *testing.T, seed int64) {
	d := diceOf(seed)
	f := form(1 + d.Intn(2))
	w, id := d.deployed(t, f)
	live := copyOf(t, w.services[id])
	task := &live.Spec.TaskTemplate
	task.ForceUpdate++
	task.ContainerSpec.Ulimits = []*container.Ulimit{{Name: "nofile", Hard: 5, Soft: 5}}
	task.ContainerSpec.Labels["Not A Label"] = "x"
	task.ContainerSpec.Env = append(task.ContainerSpec.Env, "BARE")
	task.Placement.Constraints = append(task.Placement.Constraints, "engine.labels.a == b")
	live.Spec.Labels["Not A Label"] = "y"
	live.Spec.RollbackConfig = d.pace()
	w.services[id] = live
	for _, what := range []string{"nothing", "labels", "scale", "strategy", "nothing", "image", "nothing"} {
		before := copyOf(t, &w.services[id].Spec)
		f, dep := w.only(t)
		switch what {
		case "labels":
			dep.Labels = withEntry(dep.Labels, "added", "x")
		case "scale":
			dep.Spec.Replicas = new(*dep.Spec.Replicas + 2)
		case "strategy":
			dep.Spec.Strategy = d.strategy()
			defaultObject(dep)
		case "image":
			dep.Spec.Template.Spec.Containers[0].Image = "other:9"
		}
		plan, err := w.put(t, Deployments{}, f.group, f.object, dep)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, what, err)
		}
		w.run(t, plan)
		after := copyOf(t, &w.services[id].Spec)
		if restarts := !reflect.DeepEqual(before.TaskTemplate, after.TaskTemplate); restarts != (what == "image") {
			t.Fatalf("seed %d: %s restarts: %v\n%s", seed, what, restarts, differ(before.TaskTemplate, after.TaskTemplate))
		}
		c := after.TaskTemplate.ContainerSpec
		if len(c.Ulimits) != 1 || c.Labels["Not A Label"] != "x" || !slices.Contains(c.Env, "BARE") || after.TaskTemplate.ForceUpdate != 1 ||
			!slices.Contains(constraintsOf(&after.TaskTemplate), "engine.labels.a == b") {
			t.Fatalf("seed %d: %s takes away what docker put there: %+v", seed, what, after.TaskTemplate)
		}
		if what == "nothing" {
			ownLabels(before)
			ownLabels(after)
			if diff := differ(before, after); diff != "" {
				t.Fatalf("seed %d: applying what was read changes:\n%s", seed, diff)
			}
		}
	}
}
