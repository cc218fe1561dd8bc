package translate

import (
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// DaemonSets shows global services as DaemonSets.
type DaemonSets struct{}

var _ Lens = DaemonSets{}

// Kind implements Lens.
func (DaemonSets) Kind() string { return "DaemonSet" }

// Groups implements Lens.
func (DaemonSets) Groups() []GroupKind { return []GroupKind{GroupService} }

// Get implements Lens.
func (DaemonSets) Get(w World, g Group) []Derived {
	wl := w.Workload(g.ID)
	if wl == nil || wl.Gone || wl.Identity.Kind != "DaemonSet" {
		return nil
	}
	tasks := w.Tasks(g.ID)
	return []Derived{{
		Key: KeyOf(wl.Object), Index: highest(w, wl.Service, tasks),
		Build: func() (Object, error) {
			ds := *wl.Object.(*appsv1.DaemonSet)
			ds.Status = daemonSetStatus(w, wl, &ds, tasks, w.Now())
			return &ds, nil
		},
	}}
}

func daemonSetStatus(w Reports, wl *Workload, ds *appsv1.DaemonSet, tasks []*swarm.Task, now time.Time) appsv1.DaemonSetStatus {
	all, byHash := tallies(w, wl, tasks, time.Duration(ds.Spec.MinReadySeconds)*time.Second, now)
	updated := int32(0)
	if current := byHash[wl.Hash]; current != nil {
		updated = current.replicas
	}
	return appsv1.DaemonSetStatus{
		ObservedGeneration:     ds.Generation,
		CurrentNumberScheduled: all.replicas,
		DesiredNumberScheduled: all.replicas,
		NumberReady:            all.ready,
		NumberAvailable:        all.available,
		NumberUnavailable:      all.replicas - all.available,
		UpdatedNumberScheduled: updated,
	}
}

// Put implements Lens.
func (DaemonSets) Put(World, Group, Object, Object) (Plan, error) { return Plan{}, readOnlyKind() }

// Remove implements Lens.
func (DaemonSets) Remove(w World, g Group, _ Object) (Plan, error) { return removeService(w, g) }

func readOnlyKind() error {
	return Refusal{field.Forbidden(field.NewPath("kind"), "skep shows these and cannot change them yet; use docker service")}
}
