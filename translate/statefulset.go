package translate

import (
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

const kindStatefulSet = "StatefulSet"

// StatefulSets pairs StatefulSets with replicated services whose replicas have names that last: see ordinal.
type StatefulSets struct{}

var _ Lens = StatefulSets{}

// Kind implements Lens.
func (StatefulSets) Kind() string { return kindStatefulSet }

// Groups implements Lens.
func (StatefulSets) Groups() []GroupKind { return []GroupKind{GroupService} }

// Get implements Lens. What Docker's tools make is a Deployment, so there is none that skep did not write.
func (StatefulSets) Get(w World, g Group) []Derived {
	wl := w.Workload(g.ID)
	if wl == nil || wl.Gone && !heldByTasks(wl) {
		return nil
	}
	set, ok := wl.Object.(*appsv1.StatefulSet)
	if !ok {
		return nil
	}
	tasks := w.Tasks(g.ID)
	status, wake := statefulSetStatus(w, wl, tasks, w.Now())
	return []Derived{{
		Key: KeyOf(set),
		Parts: []any{
			wl, status.CurrentRevision, status.UpdateRevision,
			[5]int32{status.Replicas, status.ReadyReplicas, status.CurrentReplicas, status.UpdatedReplicas, status.AvailableReplicas},
		},
		Index: highest(w, wl.Service, tasks),
		Wake:  wake,
		Build: func() (Object, error) {
			set := *set
			set.Status = status
			return &set, nil
		},
	}}
}

// statefulSetStatus counts as the StatefulSet controller does: a roll-out is over when no Pod of another revision is left.
func statefulSetStatus(w Reports, wl *Workload, tasks []*swarm.Task, now time.Time) (appsv1.StatefulSetStatus, time.Time) {
	set := wl.Object.(*appsv1.StatefulSet)
	all, byHash := tallies(w, wl, tasks, time.Duration(set.Spec.MinReadySeconds)*time.Second, now)
	current, update := wl.Hash, wl.Hash
	if wl.Behind || firstOrdinal(set) != firstOf(&wl.Service.Spec.TaskTemplate) {
		update = hashRevision(set, &set.Spec.Template)
	}
	for _, in := range wl.instances(tasks) { // of each slot the newest first
		if hash := wl.HashOf(in.task); !in.ended && hash != update {
			current = hash
		}
	}
	status := appsv1.StatefulSetStatus{
		ObservedGeneration: set.Generation,
		Replicas:           all.replicas,
		ReadyReplicas:      all.ready,
		AvailableReplicas:  all.available,
		CurrentRevision:    revisionName(set.Name, current),
		UpdateRevision:     revisionName(set.Name, update),
		CollisionCount:     new(int32(0)),
	}
	if n := byHash[current]; n != nil {
		status.CurrentReplicas = n.replicas
	}
	if n := byHash[update]; n != nil {
		status.UpdatedReplicas = n.replicas
	}
	return status, all.wake
}

// Put implements Lens.
func (StatefulSets) Put(w World, g Group, old, object Object) (Plan, error) {
	set := object.DeepCopyObject().(*appsv1.StatefulSet)
	plan, err := putRolled(w, g, old, set, set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType, set.Spec.RevisionHistoryLimit)
	if err == nil {
		plan.Warnings = append(plan.Warnings, NewWarnings(replicaWarnings(w, set), replicaWarningsOf(w, old))...)
	}
	return plan, err
}

func replicaWarningsOf(src Sources, object Object) []string {
	if set, ok := object.(*appsv1.StatefulSet); ok {
		return replicaWarnings(src, set)
	}
	return nil
}

// Remove implements Lens.
func (StatefulSets) Remove(w World, g Group, _ Object) (Plan, error) { return removeService(w, g) }

// firstOrdinal is the number of a StatefulSet's first Pod.
func firstOrdinal(object Object) int32 {
	if set, ok := object.(*appsv1.StatefulSet); ok && set.Spec.Ordinals != nil {
		return set.Spec.Ordinals.Start
	}
	return 0
}

// ordinalOf is the number of the Pod that a StatefulSet's task is, by what the task was made of.
func ordinalOf(t *swarm.Task) int {
	return t.Slot - 1 + int(firstOf(&t.Spec))
}

// firstOf is the first ordinal that a task was made with.
func firstOf(spec *swarm.TaskSpec) int32 {
	first, err := strconv.ParseInt(containerSpec(spec).Labels[LabelFirst], 10, 32)
	if err != nil {
		return 0
	}
	return int32(first)
}

// running is the object as what runs was made of it: a StatefulSet whose strategy is OnDelete may ask for other ordinals.
func (w *Workload) running() Object {
	first := firstOf(&w.Service.Spec.TaskTemplate)
	if w.Object == nil || firstOrdinal(w.Object) == first || !w.numbered() {
		return w.Object
	}
	set := *w.Object.(*appsv1.StatefulSet)
	set.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: first}
	return &set
}

// numbered says whether a workload's Pods have ordinals for names.
func (w *Workload) numbered() bool { return w.Identity.Kind == kindStatefulSet }

// hashRevision is the hash of a template that is new, with all else that its object's Pods are made of.
func hashRevision(object Object, template *corev1.PodTemplateSpec) string {
	if set, ok := object.(*appsv1.StatefulSet); ok {
		return shortHash([]any{kindStatefulSet, template, firstOrdinal(set)}) // a DaemonSet of that name has other revisions
	}
	return hashTemplate(template)
}

// revisionName is the name of a StatefulSet's or DaemonSet's ControllerRevision.
func revisionName(name, hash string) string { return name + "-" + hash }

// revisionLabel is the label by which a StatefulSet's Pods say their revision: its name, where that is short enough.
func revisionLabel(name, hash string) string {
	if label := revisionName(name, hash); hash != "" && len(validation.IsValidLabelValue(label)) == 0 {
		return label
	}
	return hash
}

// revisionLabels are the labels by which owners tell their templates apart.
func (id PodIdentity) revisionLabels() map[string]string {
	labels := map[string]string{}
	if id.Hash != "" {
		labels[LabelHash] = id.Hash
	}
	if id.Revision != "" {
		labels[appsv1.ControllerRevisionHashLabelKey] = id.Revision
	}
	return labels
}

// withRevision adds to a Pod's labels the one that says which template it is of.
func (w *Workload) withRevision(labels map[string]string, hash string) map[string]string {
	switch w.Identity.Kind {
	case "Deployment":
		return withEntry(labels, LabelHash, hash)
	case "DaemonSet":
		return withEntry(labels, appsv1.ControllerRevisionHashLabelKey, hash)
	case kindStatefulSet:
		return withEntry(labels, appsv1.ControllerRevisionHashLabelKey, revisionLabel(w.Identity.Name, hash))
	}
	return labels
}

// withOrdinal adds the labels that tell one Pod of a StatefulSet from the others.
func withOrdinal(labels map[string]string, pod string, ordinal int) map[string]string {
	return withEntry(withEntry(labels, appsv1.StatefulSetPodNameLabel, pod), appsv1.PodIndexLabel, strconv.Itoa(ordinal))
}

// number gives a Pod of a StatefulSet what its ordinal makes of it.
func (w *Workload) number(pod *corev1.Pod, t *swarm.Task) {
	set, ok := w.Object.(*appsv1.StatefulSet)
	if !ok {
		return
	}
	pod.Labels = withOrdinal(pod.Labels, pod.Name, ordinalOf(t))
	pod.Spec.Hostname, pod.Spec.Subdomain = pod.Name, set.Spec.ServiceName
	pod.Spec.Volumes = withClaims(set, pod.Spec.Volumes, ordinalOf(t))
}

// onePerSlot leaves of the Pods that have one name the one that a cluster would have: a Pod's successor is made when it is
// gone. found is in the order of slots, the newest first.
func onePerSlot(found []instance) []instance {
	out := make([]instance, 0, len(found))
	for begin := 0; begin < len(found); {
		end := begin + 1
		for end < len(found) && slotOf(found[end].task) == slotOf(found[begin].task) {
			end++
		}
		slot := found[begin:end]
		at := slices.IndexFunc(slot, func(in instance) bool {
			return stateOrder[in.task.Status.State] >= stateOrder[swarm.TaskStateStarting] && !in.failedRoll
		})
		out = append(out, slot[max(at, 0)])
		begin = end
	}
	return out
}
