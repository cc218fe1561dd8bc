package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The Deployment controller's annotations, the first on Deployments, all on their ReplicaSets.
const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	desiredAnnotation  = "deployment.kubernetes.io/desired-replicas"
	maxAnnotation      = "deployment.kubernetes.io/max-replicas"
)

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
	status, wake := deploymentStatus(w, wl, tasks, w.Now())
	return []Derived{{
		Key:   Key{wl.Identity.Namespace, wl.Identity.Name},
		Parts: []any{wl, factsOf(&status)},
		Index: highest(w, wl.Service, tasks),
		Wake:  wake,
		Build: func() (Object, error) {
			d := *wl.Object.(*appsv1.Deployment)
			d.Status = status
			return &d, nil
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
	next := hashFor(w, wl, &d.Spec.Template)
	plan, err := updateWorkload(w, wl, d, &d.Spec.Template, next)
	if err != nil {
		return Plan{}, err
	}
	past, err := putRevision(w, wl, outgoing)
	if err != nil {
		return Plan{}, err
	}
	plan.Before = append(plan.Before, past)
	plan.After = append(plan.After, surplusRevisions(w, wl, d, next)...)
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

// encodeTask is the task of an object that runs template; hash is empty for a bare Pod.
func encodeTask(src Sources, object Object, template *corev1.PodTemplateSpec, hash string, f form) (PodPlan, error) {
	kind := gvkOf(object).Kind
	pod := PodIdentity{Namespace: object.GetNamespace(), Name: object.GetName(), Generated: kind != "Pod"}
	switch kind {
	case "Deployment":
		pod.Name, pod.Hash = object.GetName()+"-"+hash, hash
	case "DaemonSet":
		pod.Revision = hash
	case kindStatefulSet:
		pod.Revision, pod.First = revisionLabel(object.GetName(), hash), new(firstOrdinal(object))
		template = withReplicaClaims(object, template)
		for _, claim := range claimTemplates(object) {
			pod.Claims = append(pod.Claims, claim.Name)
		}
	case "Pod":
		pod.UID = object.GetUID()
	}
	job, isJob := object.(*batchv1.Job)
	pod.Indexed = isJob && isIndexed(job)
	plan, err := putPodAs(template, pod, src, f)
	if isJob {
		putJobRestart(job, template, &plan.Task)
	}
	return plan, err
}

// encodeService is the Swarm spec of an object but for its task.
func encodeService(object Object) swarm.ServiceSpec {
	identity := Identity{gvkOf(object).Kind, object.GetNamespace(), object.GetName()}
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: identity.ServiceName(), Labels: putServiceLabels(object)}}
	n := uint64(1)
	switch o := object.(type) {
	case *appsv1.Deployment:
		n = uint64(replicasOr1(o.Spec.Replicas))
		spec.UpdateConfig = putStrategy(o)
	case *appsv1.ReplicaSet:
		n = uint64(replicasOr1(o.Spec.Replicas))
	case *appsv1.StatefulSet:
		n = uint64(replicasOr1(o.Spec.Replicas))
		spec.UpdateConfig = putStatefulStrategy(o)
	case *appsv1.DaemonSet:
		spec.Mode.Global, spec.UpdateConfig = &swarm.GlobalService{}, putDaemonStrategy(o)
	}
	if job, ok := object.(*batchv1.Job); ok {
		spec.Mode = putJobMode(job)
	}
	if spec.Mode == (swarm.ServiceMode{}) {
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &n}
	}
	putServiceOnly(object, &spec)
	return spec
}

// holding knows the configs and secrets that a service has mounted, too. They may be those of another
// stack ("external: true"), which others cannot refer to.
type holding struct {
	Sources
	spec *swarm.ContainerSpec
}

// NativeConfig implements Sources.
func (h holding) NativeConfig(namespace, name, key string) string {
	if native := h.Sources.NativeConfig(namespace, name, key); native != "" || h.spec == nil {
		return native
	}
	if DNSName(key) == name && slices.ContainsFunc(h.spec.Configs, func(ref *swarm.ConfigReference) bool { return ref.ConfigName == key }) {
		return key
	}
	return ""
}

// NativeSecret implements Sources.
func (h holding) NativeSecret(namespace, name, key string) string {
	if native := h.Sources.NativeSecret(namespace, name, key); native != "" || h.spec == nil {
		return native
	}
	if DNSName(key) == name && slices.ContainsFunc(h.spec.Secrets, func(ref *swarm.SecretReference) bool { return ref.SecretName == key }) {
		return key
	}
	return ""
}

// createWorkload plans a new service.
func createWorkload(w World, object Object, template *corev1.PodTemplateSpec) (Plan, error) {
	run, err := encodeTask(w, object, template, hashRevision(object, template), formFor(withReplicaClaims(object, template), w.Networking()))
	if err != nil {
		return Plan{}, err
	}
	spec := encodeService(object)
	spec.TaskTemplate = run.Task
	signTask(&spec.TaskTemplate)
	hold(&spec, object)
	holdReplicas(w, &spec, object)
	if err := label(&spec, object, template); err != nil {
		return Plan{}, err
	}
	spec.Labels[LabelStack] = w.Stack(object.GetNamespace())
	connect(w, &spec, object.GetNamespace(), template)
	return Plan{
		Materials: run.Materials,
		Networks:  networksOf(w, &spec.TaskTemplate),
		Commit:    Step{Group: GroupService, Service: &spec, RegistryAuth: run.RegistryAuth},
	}, nil
}

// updateWorkload plans the change of a service to object, running template from now on.
func updateWorkload(w World, wl *Workload, object Object, template *corev1.PodTemplateSpec, hash string) (Plan, error) {
	live := &wl.Service.Spec
	before, after := encodeService(wl.Object), encodeService(object)
	after.Name, before.Name = live.Name, live.Name // a service cannot be renamed
	spec, err := merge(live, &before, &after)
	if err != nil {
		return Plan{}, err
	}
	if live.UpdateConfig == nil && digest(before.UpdateConfig) != digest(after.UpdateConfig) {
		spec.UpdateConfig = after.UpdateConfig // no change of what was not there: without parallelism Swarm updates all at once
	}
	spec.TaskTemplate = live.TaskTemplate // what runs keeps what it was started with
	var run PodPlan
	if hash != wl.Hash {
		if run, err = rollTask(w, wl, object, template, hash); err != nil {
			return Plan{}, err
		}
		spec.TaskTemplate = run.Task
		spec.Labels = withEntry(spec.Labels, LabelRevised, w.Now().UTC().Format(time.RFC3339))
		reconnect(w, wl, &spec, template)
	}
	release(&spec, live, object)
	holdReplicas(w, &spec, object)
	if err := label(&spec, object, template); err != nil {
		return Plan{}, err
	}
	return Plan{
		Materials: run.Materials,
		Networks:  networksOf(w, &spec.TaskTemplate), // a policy may move it as well
		Commit: Step{
			Group: GroupService, ID: wl.Service.ID, Version: wl.Service.Version, Service: &spec, RegistryAuth: run.RegistryAuth,
		},
	}, nil
}

// rollTask is a service's task with the change from what runs to template laid over it.
func rollTask(w World, wl *Workload, object Object, template *corev1.PodTemplateSpec, hash string) (PodPlan, error) {
	live := &wl.Service.Spec.TaskTemplate
	src := holding{w, live.ContainerSpec}
	form := formOf(live)
	before, err := encodeTask(src, wl.running(), &wl.Template, wl.Hash, form)
	if err != nil {
		return PodPlan{}, err
	}
	next := nextForm(form, withReplicaClaims(wl.Object, &wl.Template), withReplicaClaims(object, template), src.Networking())
	kept := plainBefore(live)
	if next == plainTask && kept != nil {
		src = holding{w, kept.Task.ContainerSpec}
	}
	after, err := encodeTask(src, object, template, hash, next)
	if err != nil {
		return PodPlan{}, err
	}
	adopt(&before.Task, live)
	task, err := mergeTask(live, &before.Task, &after.Task, true)
	switch {
	case err != nil:
	case form == plainTask && next == sandboxed:
		err = becomeSandbox(&task, live, &before.Task, &after.Task)
	case form == sandboxed && next == plainTask && kept != nil:
		err = becomePlain(&task, kept, &after.Task)
	}
	if err != nil {
		return PodPlan{}, err
	}
	if live.ContainerSpec != nil && task.ContainerSpec != nil && asWritten(live) { // by a skep that knew no names of Services yet, perhaps
		c := *task.ContainerSpec
		c.DNSConfig = after.Task.ContainerSpec.DNSConfig
		task.ContainerSpec = &c
	}
	signTask(&task)
	after.Task = task
	return after, nil
}

// adopt gives a task that Docker made the labels of one that skep made: they are new, whatever says
// before. Docker's own labels stay, and those that Kubernetes does not allow.
func adopt(before, live *swarm.TaskSpec) {
	if live.ContainerSpec != nil && live.ContainerSpec.Labels[LabelPod] == "" {
		before.ContainerSpec.Labels = containerLabels(live.ContainerSpec)
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
// template is what runs; of a bare Pod that is what the object says.
func label(spec *swarm.ServiceSpec, object Object, template *corev1.PodTemplateSpec) error {
	doc, err := encodeObject(object)
	if err != nil {
		return err
	}
	seen := look(serviceFacets, spec)
	for name, hash := range SeenPod(&spec.TaskTemplate) {
		seen[name] = hash
	}
	seen[seenHash] = taskHash(&spec.TaskTemplate)
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
	if own := templateOf(object); gvkOf(object).Kind != "Pod" && !sameTemplate(template, &own) {
		doc, err := json.Marshal(template)
		if err != nil {
			return fmt.Errorf("encode %s: %w", LabelRunning, err)
		}
		spec.Labels[LabelRunning] = string(doc)
	}
	return nil
}

// highest is the highest version index of a service, its tasks, and those that it no longer has.
func highest(w World, s *swarm.Service, tasks []*swarm.Task) uint64 {
	index := max(s.Version.Index, w.Departed(s.ID))
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
	case *appsv1.StatefulSet:
		return appsv1.SchemeGroupVersion.WithKind(kindStatefulSet)
	case *appsv1.ControllerRevision:
		return appsv1.SchemeGroupVersion.WithKind(kindRevision)
	case *batchv1.Job:
		return batchv1.SchemeGroupVersion.WithKind("Job")
	case *corev1.Pod:
		return corev1.SchemeGroupVersion.WithKind("Pod")
	}
	return object.GetObjectKind().GroupVersionKind()
}
