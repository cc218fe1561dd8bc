package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// revisionAnnotation is the Deployment controller's, on Deployments and their ReplicaSets.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// Deployments pairs Deployments with replicated services.
type Deployments struct{}

var _ Lens = Deployments{}

// Kind implements Lens.
func (Deployments) Kind() string { return "Deployment" }

// Groups implements Lens.
func (Deployments) Groups() []GroupKind { return []GroupKind{GroupService} }

// Get implements Lens.
func (Deployments) Get(w World, g Group) []Derived {
	wl := w.Workload(g.ID)
	if wl == nil || wl.Identity.Kind != "Deployment" || wl.Gone && !heldByTasks(wl) {
		return nil
	}
	tasks := w.Tasks(g.ID)
	status, wake := deploymentStatus(wl, tasks, w.Now())
	return []Derived{{
		Key:   Key{wl.Identity.Namespace, wl.Identity.Name},
		Index: highest(wl.Service.Version.Index, tasks),
		Base:  wl.Service.Version.Index,
		Wake:  wake,
		Build: func() (Object, error) {
			d := wl.Object.DeepCopyObject().(*appsv1.Deployment)
			d.Status = status
			return d, nil
		},
	}}
}

// Put implements Lens. The spec that is sent is the live one with the difference between the two
// objects laid over it, so what Kubernetes cannot say stays, and what did not change restarts nothing.
func (Deployments) Put(w World, g Group, old, object Object) (Plan, error) {
	d := object.DeepCopyObject().(*appsv1.Deployment)
	wl := w.Workload(g.ID)
	if plan, done, err := collect(w, wl, d); done {
		return plan, err
	}
	if old == nil || wl == nil {
		d.Annotations = withEntry(d.Annotations, revisionAnnotation, "1")
		return createWorkload(w, d, &d.Spec.Template)
	}
	rolls := !sameTemplate(&d.Spec.Template, &wl.Template)
	if !rolls || d.Spec.Paused {
		return updateWorkload(w, wl, d, &wl.Template, wl.Hash)
	}
	was := wl.Object.(*appsv1.Deployment)
	outgoing := revisionOf(was)
	d.Annotations = withEntry(d.Annotations, revisionAnnotation, strconv.FormatInt(lastRevision(w, wl)+1, 10))
	plan, err := updateWorkload(w, wl, d, &d.Spec.Template, hashFor(w, wl, &d.Spec.Template))
	if err != nil {
		return Plan{}, err
	}
	past, err := putRevision(w, wl, outgoing)
	if err != nil {
		return Plan{}, err
	}
	plan.Before = append(plan.Before, past)
	plan.After = append(plan.After, surplusRevisions(w, wl, d)...)
	return plan, nil
}

// Remove implements Lens.
func (Deployments) Remove(w World, g Group, _ Object) (Plan, error) { return removeService(w, g) }

// removeService takes a service away, then the documents that belong to it.
func removeService(w World, g Group) (Plan, error) {
	wl := w.Workload(g.ID)
	if wl == nil || wl.Gone {
		return Plan{}, nil
	}
	plan := Plan{Commit: Step{Group: GroupService, ID: g.ID, Version: wl.Service.Version}}
	for _, doc := range w.Owned(g.ID) {
		plan.After = append(plan.After, Step{Group: GroupConfig, ID: doc.ID})
	}
	return plan, nil
}

// hashFor is the hash of the past revision that has this template, as the Deployment controller takes a
// ReplicaSet up again that has it, or a new one.
func hashFor(w World, wl *Workload, template *corev1.PodTemplateSpec) string {
	for _, r := range pastRevisions(w, wl) {
		hash := r.rs.Labels[LabelHash]
		past := r.rs.Spec.Template.DeepCopy()
		delete(past.Labels, LabelHash)
		if hash != "" && sameTemplate(past, template) {
			return hash
		}
	}
	return hashTemplate(template)
}

// encodeWorkload is the whole Swarm spec of an object that runs template; hash is empty for a bare Pod.
func encodeWorkload(w World, object Object, template *corev1.PodTemplateSpec, hash string) (swarm.ServiceSpec, PodPlan, error) {
	kind := gvkOf(object).Kind
	identity := Identity{kind, object.GetNamespace(), object.GetName()}
	pod := PodIdentity{Namespace: identity.Namespace, Name: identity.Name, Generated: kind != "Pod"}
	if kind == "Deployment" {
		pod.Name, pod.Hash = identity.Name+"-"+hash, hash
	}
	run, err := PutPod(template, pod, w)
	if err != nil {
		return swarm.ServiceSpec{}, PodPlan{}, err
	}
	spec := swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: identity.ServiceName(), Labels: putServiceLabels(object)},
		TaskTemplate: run.Task,
	}
	one := uint64(1)
	spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &one}
	switch o := object.(type) {
	case *appsv1.Deployment:
		n := uint64(replicasOr1(o.Spec.Replicas))
		spec.Mode.Replicated.Replicas = &n
		spec.UpdateConfig = putStrategy(o)
	case *appsv1.ReplicaSet:
		n := uint64(replicasOr1(o.Spec.Replicas))
		spec.Mode.Replicated.Replicas = &n
	}
	return spec, run, nil
}

// createWorkload plans a new service.
func createWorkload(w World, object Object, template *corev1.PodTemplateSpec) (Plan, error) {
	hash := hashTemplate(template)
	spec, run, err := encodeWorkload(w, object, template, hash)
	if err != nil {
		return Plan{}, err
	}
	signTask(&spec.TaskTemplate)
	if err := label(&spec, object, nil); err != nil {
		return Plan{}, err
	}
	spec.Labels[LabelStack] = w.Stack(object.GetNamespace())
	return Plan{
		Materials: run.Materials,
		Networks:  networksOf(&spec.TaskTemplate),
		Commit:    Step{Group: GroupService, Service: &spec},
	}, nil
}

// updateWorkload plans the change of a service to object, running template from now on.
func updateWorkload(w World, wl *Workload, object Object, template *corev1.PodTemplateSpec, hash string) (Plan, error) {
	before, _, err := encodeWorkload(w, wl.Object, &wl.Template, wl.Hash)
	if err != nil {
		return Plan{}, err
	}
	after, run, err := encodeWorkload(w, object, template, hash)
	if err != nil {
		return Plan{}, err
	}
	rolls := hash != wl.Hash
	live := &wl.Service.Spec
	if rolls {
		adopt(&before.TaskTemplate, &live.TaskTemplate)
	} else {
		run.Materials = nil // what runs keeps what it was started with
	}
	after.Name, before.Name = live.Name, live.Name // a service cannot be renamed
	spec, err := merge(live, &before, &after)
	if err != nil {
		return Plan{}, err
	}
	if spec.TaskTemplate, err = mergeTask(&live.TaskTemplate, &before.TaskTemplate, &after.TaskTemplate, rolls); err != nil {
		return Plan{}, err
	}
	if rolls {
		signTask(&spec.TaskTemplate)
	}
	if rolls {
		spec.Labels = withEntry(spec.Labels, LabelRevised, w.Now().UTC().Format(time.RFC3339))
	}
	var running *corev1.PodTemplateSpec
	if own := templateOf(object); !sameTemplate(template, &own) {
		running = template
	}
	if err := label(&spec, object, running); err != nil {
		return Plan{}, err
	}
	return Plan{
		Materials: run.Materials,
		Commit:    Step{Group: GroupService, ID: wl.Service.ID, Version: wl.Service.Version, Service: &spec},
	}, nil
}

// adopt gives a task that Docker made the labels of one that skep made: they are new, whatever says
// before. Docker's own labels stay.
func adopt(before, live *swarm.TaskSpec) {
	if live.ContainerSpec != nil && live.ContainerSpec.Labels[LabelPod] == "" {
		before.ContainerSpec.Labels = userLabels(live.ContainerSpec.Labels)
	}
}

// signTask marks a task spec as written by skep.
func signTask(spec *swarm.TaskSpec) {
	c := *spec.ContainerSpec // it may be the live one
	c.Labels = maps.Clone(c.Labels)
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	spec.ContainerSpec = &c
	c.Labels[LabelSpec] = specVersion + "-" + specDigest(spec)
}

// label writes the object and what was sent with it into the service's labels. They restart nothing.
func label(spec *swarm.ServiceSpec, object Object, running *corev1.PodTemplateSpec) error {
	doc, err := encodeObject(object)
	if err != nil {
		return err
	}
	seen := look(serviceFacets, spec)
	for name, hash := range SeenPod(&spec.TaskTemplate) {
		seen[name] = hash
	}
	seenDoc, err := json.Marshal(seen)
	if err != nil {
		return fmt.Errorf("encode %s: %w", LabelSeen, err)
	}
	spec.Labels = maps.Clone(spec.Labels) // they may be the live ones
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	spec.Labels[LabelObject] = doc
	spec.Labels[LabelSeen] = string(seenDoc)
	spec.Labels[LabelKind] = gvkOf(object).Kind
	spec.Labels[LabelName] = object.GetName()
	delete(spec.Labels, LabelRunning)
	if running != nil {
		doc, err := json.Marshal(running)
		if err != nil {
			return fmt.Errorf("encode %s: %w", LabelRunning, err)
		}
		spec.Labels[LabelRunning] = string(doc)
	}
	return nil
}

// networksOf are the overlays that a task spec names and that have to exist before it.
func networksOf(spec *swarm.TaskSpec) []string {
	var names []string
	for _, n := range spec.Networks {
		if n.Target == Network {
			names = append(names, n.Target)
		}
	}
	return names
}

// highest is the highest version index of a service and its tasks.
func highest(index uint64, tasks []*swarm.Task) uint64 {
	for _, t := range tasks {
		index = max(index, t.Version.Index)
	}
	return index
}

// gvkOf is the kind of an object that skep keeps.
func gvkOf(object Object) schema.GroupVersionKind {
	switch object.(type) {
	case *appsv1.Deployment:
		return appsv1.SchemeGroupVersion.WithKind("Deployment")
	case *appsv1.ReplicaSet:
		return appsv1.SchemeGroupVersion.WithKind("ReplicaSet")
	case *appsv1.DaemonSet:
		return appsv1.SchemeGroupVersion.WithKind("DaemonSet")
	case *corev1.Pod:
		return corev1.SchemeGroupVersion.WithKind("Pod")
	}
	return object.GetObjectKind().GroupVersionKind()
}
