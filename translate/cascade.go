package translate

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// collect does what Kubernetes' garbage collector does for an owner that is to be deleted in the
// foreground or leaving its dependents behind. The API server marks those with a finalizer; when it is the
// last one, the owner's time has come.
func collect(w World, wl *Workload, object Object) (plan Plan, done bool, err error) {
	if wl == nil || wl.Gone || object.GetDeletionTimestamp() == nil || len(object.GetFinalizers()) != 1 {
		return Plan{}, false, nil
	}
	switch object.GetFinalizers()[0] {
	case metav1.FinalizerDeleteDependents:
		plan, err = deleteForeground(w, wl, object)
		return plan, true, err
	case metav1.FinalizerOrphanDependents:
		plan, err = orphan(w, wl, object)
		return plan, true, err
	}
	return Plan{}, false, nil
}

// deleteForeground writes the mark into the service before it goes, so that the object still shows while
// its tasks stop.
func deleteForeground(w World, wl *Workload, object Object) (Plan, error) {
	spec := wl.Service.Spec
	spec.Labels = withEntry(spec.Labels, LabelKind, wl.Identity.Kind)
	if err := label(&spec, object, &wl.Template); err != nil {
		return Plan{}, err
	}
	plan, err := removeService(w, Group{GroupService, wl.Service.ID})
	plan.Before = []Step{{Group: GroupService, ID: wl.Service.ID, Version: wl.Service.Version, Service: &spec}}
	return plan, err
}

// heldByTasks says whether an object whose service is gone waits for its tasks to be gone, too.
func heldByTasks(wl *Workload) bool {
	return wl.Object.GetDeletionTimestamp() != nil && slices.Contains(wl.Object.GetFinalizers(), metav1.FinalizerDeleteDependents)
}

// orphan leaves a Deployment's Pods to its ReplicaSet: the service becomes that, by its labels alone.
func orphan(w World, wl *Workload, object Object) (Plan, error) {
	d, ok := object.(*appsv1.Deployment)
	if !ok {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("propagationPolicy"),
			"the Pods of a "+wl.Identity.Kind+" are tasks of one Swarm service and cannot outlive it; delete with --cascade=background or foreground")}
	}
	rs := replicaSetFor(wl, &wl.Template, wl.Hash, revisionOf(d))
	rs.OwnerReferences = nil
	rs.Spec.Replicas = d.Spec.Replicas
	spec := wl.Service.Spec
	spec.Labels = withEntry(spec.Labels, LabelKind, "ReplicaSet")
	if err := label(&spec, rs, &rs.Spec.Template); err != nil {
		return Plan{}, err
	}
	plan := Plan{Commit: Step{Group: GroupService, ID: wl.Service.ID, Version: wl.Service.Version, Service: &spec}}
	for _, doc := range w.Owned(wl.Service.ID) {
		plan.After = append(plan.After, Step{Group: GroupConfig, ID: doc.ID})
	}
	return plan, nil
}
