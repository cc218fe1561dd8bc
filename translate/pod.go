package translate

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/swarm"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// AnnotationTask is the ID of the Swarm task that a Pod is.
const AnnotationTask = "skep/task"

// Pods pairs Pods with tasks. A bare Pod is a service of one whose task template is the Pod.
type Pods struct{}

var _ Lens = Pods{}

// Kind implements Lens.
func (Pods) Kind() string { return "Pod" }

// Groups implements Lens.
func (Pods) Groups() []GroupKind { return []GroupKind{GroupService} }

// Get implements Lens.
func (Pods) Get(w World, g Group) []Derived {
	wl := w.Workload(g.ID)
	if wl == nil {
		return nil
	}
	found := wl.instances(w.Tasks(g.ID))
	if _, ok := wl.Object.(*corev1.Pod); ok {
		return barePod(w, wl, found)
	}
	if wl.numbered() {
		found = onePerSlot(found)
	}
	if wl.Gone && wl.Identity.Kind == "Job" {
		found = leftBehind(found)
	}
	notes := podNotes(w, g.ID)
	seen := map[string]bool{}
	all := make([]Derived, 0, len(found))
	for _, in := range found {
		if in.failedRoll && wl.HashOf(in.task) != wl.Hash {
			continue // of a template that was given up
		}
		name := podName(wl, in.task)
		if seen[name] {
			name += "-" + in.task.ID[5:10] // five characters of two tasks' IDs can be the same
		}
		seen[name] = true
		all = append(all, ownedPod(w, wl, in, name, notes[name]))
	}
	return all
}

// leftBehind are the Pods of a removed job: those that run have to stop. Engines before 23 leave the tasks of a removed
// job as they were, for ever.
func leftBehind(found []instance) []instance {
	var all []instance
	for _, in := range found {
		if !in.ended {
			in.stopping = true
			all = append(all, in)
		}
	}
	return all
}

// podName is the name of a task's Pod, which is the container's hostname too.
func podName(wl *Workload, t *swarm.Task) string {
	base := wl.originOf(t).base
	if wl.numbered() {
		return base + "-" + strconv.Itoa(ordinalOf(t))
	}
	if job, ok := wl.Object.(*batchv1.Job); ok && isIndexed(job) {
		base += "-" + strconv.Itoa(t.Slot)
	}
	return base + "-" + t.ID[:5]
}

// podNotes are the documents with what clients wrote on a service's Pods, by Pod name.
func podNotes(w World, serviceID string) map[string]*swarm.Config {
	notes := map[string]*swarm.Config{}
	for _, doc := range w.Owned(serviceID) {
		if doc.Spec.Labels[LabelKind] == "Pod" {
			notes[doc.Spec.Labels[LabelName]] = doc
		}
	}
	return notes
}

func ownedPod(w World, wl *Workload, in instance, name string, note *swarm.Config) Derived {
	node := w.Node(in.task.NodeID)
	d := Derived{
		Key:   Key{wl.Identity.Namespace, name},
		Parts: []any{wl, in.task, node, note, len(in.previous), in.stopping, w.Report(in.task.ID)},
		Index: in.task.Version.Index,
		Build: func() (Object, error) { return buildOwnedPod(w, wl, in, name, note) },
	}
	if note != nil {
		d.Index = max(d.Index, note.Version.Index)
	}
	return d
}

// buildOwnedPod makes a Pod of its own and the memory that it shares with its template's other Pods.
func buildOwnedPod(w World, wl *Workload, in instance, name string, note *swarm.Config) (Object, error) {
	pod := *wl.prototype(templateOfTask(w, wl, in.task), wl.HashOf(in.task))
	pod.Name = name
	wl.number(&pod, in.task)
	wl.indexPod(&pod, in.task)
	finishPod(w, &pod, in)
	if written := readNote(note); written != nil && written.UID == pod.UID { // not of an earlier Pod of that name
		pod.Labels, pod.Annotations, pod.Finalizers = written.Labels, written.Annotations, written.Finalizers
		pod.ManagedFields = written.ManagedFields
		pod.Spec.EphemeralContainers = written.Spec.EphemeralContainers
	}
	pod.Annotations = withEntry(pod.Annotations, AnnotationTask, in.task.ID)
	return &pod, nil
}

// finishPod fills in what the task alone knows. What the Pod shares with others stays as it is.
func finishPod(w World, pod *corev1.Pod, in instance) {
	t := in.task
	if pod.UID == "" {
		pod.UID = swarmUID(t.ID)
	}
	pod.CreationTimestamp = stamp(t.CreatedAt)
	if in.stopping {
		markStopping(pod, t.UpdatedAt)
	}
	node := w.Node(t.NodeID)
	if node != nil {
		pod.Spec.NodeName = NodeName(w, node)
	}
	pod.Status = podStatus(w, pod, in, node)
}

// markStopping marks a Pod as terminating, as the API server does when it is deleted gracefully.
func markStopping(pod *corev1.Pod, since time.Time) {
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		grace = *s
	}
	at := stamp(since.Add(time.Duration(grace) * time.Second))
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &at, &grace
}

func podOwner(wl *Workload, hash string) metav1.OwnerReference {
	o := wl.Object
	switch wl.Identity.Kind {
	case "Deployment":
		return owner("apps/v1", "ReplicaSet", o.GetName()+"-"+hash, swarmUID(string(o.GetUID()), hash))
	case "Job":
		return owner("batch/v1", "Job", o.GetName(), o.GetUID())
	}
	return owner("apps/v1", wl.Identity.Kind, o.GetName(), o.GetUID())
}

// barePod is one Pod through all restarts of its task, and there before its first task is.
func barePod(w World, wl *Workload, found []instance) []Derived {
	if wl.Gone && len(found) == 0 {
		return nil
	}
	in := instance{task: &swarm.Task{Meta: swarm.Meta{CreatedAt: wl.Service.CreatedAt, UpdatedAt: wl.Service.UpdatedAt}}}
	if len(found) > 0 {
		in = found[0]
	}
	return []Derived{{
		Key:   Key{wl.Identity.Namespace, wl.Identity.Name},
		Parts: []any{wl, wl.Gone, in.task, w.Node(in.task.NodeID), len(in.previous), in.stopping, w.Report(in.task.ID)},
		Index: max(wl.Service.Version.Index, in.task.Version.Index),
		Build: func() (Object, error) {
			pod := wl.Object.DeepCopyObject().(*corev1.Pod)
			created := pod.CreationTimestamp
			coredefaults.SetObjectDefaults_Pod(pod)
			finishPod(w, pod, in)
			pod.CreationTimestamp = created
			if wl.Gone && pod.DeletionTimestamp == nil {
				markStopping(pod, in.task.UpdatedAt)
			}
			if in.task.ID != "" {
				pod.Annotations = withEntry(pod.Annotations, AnnotationTask, in.task.ID)
			}
			return pod, nil
		},
	}}
}

// Put implements Lens.
func (Pods) Put(w World, g Group, old, object Object) (Plan, error) {
	pod := object.DeepCopyObject().(*corev1.Pod)
	wl := w.Workload(g.ID)
	if old == nil || wl == nil {
		pod.Status = corev1.PodStatus{}
		template := templateOf(pod)
		return createWorkload(w, pod, &template)
	}
	was := old.(*corev1.Pod)
	if was.DeletionTimestamp == nil && pod.DeletionTimestamp != nil && len(pod.Finalizers) == 0 {
		return (Pods{}).Remove(w, g, old)
	}
	clearDerived(pod)
	if bare, ok := wl.Object.(*corev1.Pod); ok {
		return putBarePod(w, wl, bare, was, pod)
	}
	if !sameContainers(&was.Spec, &object.(*corev1.Pod).Spec) {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("spec"), fmt.Sprintf(
			"a Swarm task cannot be changed; change the Pod template of %s %q, which replaces the Pod", wl.Identity.Kind, wl.Identity.Name))}
	}
	if sameMeta(was, object) && equality.Semantic.DeepEqual(was.Spec, object.(*corev1.Pod).Spec) {
		return Plan{}, nil
	}
	note := &corev1.Pod{ObjectMeta: pod.ObjectMeta, Spec: corev1.PodSpec{EphemeralContainers: pod.Spec.EphemeralContainers}}
	step, err := putDocument(w, note, wl.Service.ID, podNotes(w, g.ID)[pod.Name])
	return Plan{Commit: step}, err
}

// putBarePod changes a bare Pod's service. Kubernetes lets images, tolerations and deadlines change.
func putBarePod(w World, wl *Workload, bare, was, pod *corev1.Pod) (Plan, error) {
	pod.Spec.NodeName = bare.Spec.NodeName
	if pod.Spec.NodeName == "" {
		pod.Spec.NodeName = wl.Template.Spec.NodeName
	}
	template := templateOf(pod)
	if sameContainers(&was.Spec, &pod.Spec) || sameContainers(&bare.Spec, &pod.Spec) {
		template = wl.Template // labels alone are no reason to start the container anew
	}
	hash := wl.Hash
	if !equality.Semantic.DeepEqual(template.Spec, wl.Template.Spec) {
		hash = hashTemplate(&template)
	}
	return updateWorkload(w, wl, pod, &template, hash)
}

// sameContainers compares specs but for what changes of a Pod that runs: ephemeral containers, and tolerations, which
// no task knows of.
func sameContainers(a, b *corev1.PodSpec) bool {
	x, y := *a, *b
	x.EphemeralContainers, y.EphemeralContainers = nil, nil
	x.Tolerations, y.Tolerations = nil, nil
	return equality.Semantic.DeepEqual(x, y)
}

// clearDerived takes out of a Pod what Get puts in.
func clearDerived(pod *corev1.Pod) {
	pod.Status = corev1.PodStatus{}
	if pod.Annotations != nil {
		pod.Annotations = maps.Clone(pod.Annotations)
		delete(pod.Annotations, AnnotationTask)
	}
}

func sameMeta(a, b Object) bool {
	return equality.Semantic.DeepEqual(a.GetLabels(), b.GetLabels()) &&
		equality.Semantic.DeepEqual(a.GetAnnotations(), b.GetAnnotations()) &&
		equality.Semantic.DeepEqual(a.GetFinalizers(), b.GetFinalizers()) &&
		equality.Semantic.DeepEqual(a.GetDeletionTimestamp(), b.GetDeletionTimestamp()) &&
		equality.Semantic.DeepEqual(a.GetManagedFields(), b.GetManagedFields())
}

// Remove implements Lens. Removing the task of a workload makes Swarm start another.
func (Pods) Remove(w World, g Group, old Object) (Plan, error) {
	wl := w.Workload(g.ID)
	if wl == nil {
		return Plan{}, nil
	}
	if _, ok := wl.Object.(*corev1.Pod); ok {
		return removeService(w, g)
	}
	id := old.GetAnnotations()[AnnotationTask]
	if id == "" {
		for _, t := range w.Tasks(g.ID) {
			if swarmUID(t.ID) == old.GetUID() {
				id = t.ID
			}
		}
	}
	plan := Plan{Commit: Step{Task: id}}
	if note := podNotes(w, g.ID)[old.GetName()]; note != nil {
		plan.After = append(plan.After, Step{Group: GroupConfig, ID: note.ID})
	}
	return plan, nil
}
