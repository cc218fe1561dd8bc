package translate

import (
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// DaemonSets pairs DaemonSets with global services.
type DaemonSets struct{}

var _ Lens = DaemonSets{}

// Kind implements Lens.
func (DaemonSets) Kind() string { return "DaemonSet" }

// Groups implements Lens.
func (DaemonSets) Groups() []GroupKind { return []GroupKind{GroupService} }

// Get implements Lens.
func (DaemonSets) Get(w World, g Group) []Derived {
	wl := w.Workload(g.ID)
	if wl == nil || wl.Gone && !heldByTasks(wl) {
		return nil
	}
	ds, ok := wl.Object.(*appsv1.DaemonSet)
	if !ok {
		return nil
	}
	tasks := w.Tasks(g.ID)
	status, wake := daemonSetStatus(w, wl, tasks, w.Now())
	return []Derived{{
		Key: KeyOf(ds),
		Parts: []any{
			wl, status.ObservedGeneration,
			[4]int32{status.DesiredNumberScheduled, status.NumberReady, status.NumberAvailable, status.UpdatedNumberScheduled},
		},
		Index: highest(w, wl.Service, tasks),
		Wake:  wake,
		Build: func() (Object, error) {
			ds := *ds
			ds.Status = status
			return &ds, nil
		},
	}}
}

// placing is how long Swarm may take to give a new global service its first tasks. Until then nothing is known of how
// many there are to be.
const placing = 3 * time.Second

func daemonSetStatus(w Reports, wl *Workload, tasks []*swarm.Task, now time.Time) (appsv1.DaemonSetStatus, time.Time) {
	ds := wl.Object.(*appsv1.DaemonSet)
	all, byHash := tallies(w, wl, tasks, time.Duration(ds.Spec.MinReadySeconds)*time.Second, now)
	status := appsv1.DaemonSetStatus{
		ObservedGeneration:     ds.Generation,
		CurrentNumberScheduled: all.replicas,
		DesiredNumberScheduled: all.replicas,
		NumberReady:            all.ready,
		NumberAvailable:        all.available,
		NumberUnavailable:      all.replicas - all.available,
	}
	if current := byHash[wl.Hash]; current != nil && !wl.Behind {
		status.UpdatedNumberScheduled = current.replicas
	}
	if placed := wl.Service.CreatedAt.Add(placing); len(tasks) == 0 && !wl.Gone && now.Before(placed) {
		status.ObservedGeneration = 0
		return status, placed
	}
	return status, all.wake
}

// Put implements Lens.
func (DaemonSets) Put(w World, g Group, old, object Object) (Plan, error) {
	ds := object.DeepCopyObject().(*appsv1.DaemonSet)
	return putRolled(w, g, old, ds, ds.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType, ds.Spec.RevisionHistoryLimit)
}

// putRolled is Put for kinds whose service is rolled out as a whole. With onDelete the template that is sent waits in the
// object: Swarm would replace the Pods that run.
func putRolled(w World, g Group, old, object Object, onDelete bool, keep *int32) (Plan, error) {
	wl := w.Workload(g.ID)
	if plan, done, err := collect(w, wl, object); done {
		return plan, err
	}
	template := templateOf(object)
	if old == nil || wl == nil {
		return createWorkload(w, object, &template)
	}
	if onDelete || sameTemplate(&template, &wl.Template) && firstOrdinal(object) == firstOf(&wl.Service.Spec.TaskTemplate) {
		return updateWorkload(w, wl, object, &wl.Template, wl.Hash)
	}
	next := revisionFor(w, wl, object, &template)
	plan, err := updateWorkload(w, wl, object, &template, next)
	if err != nil {
		return Plan{}, err
	}
	before, after, err := turnEdition(w, wl, next, keep)
	if err != nil {
		return Plan{}, err
	}
	plan.Before, plan.After = append(plan.Before, before), append(plan.After, after...)
	return plan, nil
}

// revisionFor is the hash of the past template that this one is, or a new one.
func revisionFor(w World, wl *Workload, object Object, template *corev1.PodTemplateSpec) string {
	if firstOrdinal(object) == 0 && firstOf(&wl.Service.Spec.TaskTemplate) == 0 {
		for hash, e := range editions(w, wl) {
			if hash != wl.Hash && sameTemplate(e.template, template) {
				return hash
			}
		}
	}
	return hashRevision(object, template)
}

// Remove implements Lens.
func (DaemonSets) Remove(w World, g Group, _ Object) (Plan, error) { return removeService(w, g) }
