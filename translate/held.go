package translate

import (
	"maps"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
)

// hold makes the service of a Deployment that is created paused one without tasks: a cluster makes no Pods
// before it is resumed.
func hold(spec *swarm.ServiceSpec, object Object) {
	if d, ok := object.(*appsv1.Deployment); ok && d.Spec.Paused {
		spec.Labels = withEntry(spec.Labels, LabelHeld, "true")
		setReplicas(spec, 0)
	}
}

// release lets a held Deployment have its Pods once it is resumed. Who gives it tasks by Docker's means has
// released it, too.
func release(spec, live *swarm.ServiceSpec, object Object) {
	d, ok := object.(*appsv1.Deployment)
	if _, held := live.Labels[LabelHeld]; !held || !ok {
		return
	}
	n := replicasOf(live)
	waiting := n != nil && *n == 0
	if waiting && d.Spec.Paused {
		setReplicas(spec, 0)
		return
	}
	spec.Labels = maps.Clone(spec.Labels)
	delete(spec.Labels, LabelHeld)
	if waiting {
		setReplicas(spec, uint64(replicasOr1(d.Spec.Replicas)))
	}
}

// setReplicas changes a copy: the mode may be shared with the live spec.
func setReplicas(spec *swarm.ServiceSpec, n uint64) {
	spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &n}
}
