package translate

import (
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// rollout is what an UpdateConfig says about pace; how failures are counted has no Kubernetes counterpart.
type rollout struct {
	Order       string
	Parallelism uint64
	AllAtOnce   bool
	Delay       time.Duration
}

// pace reads an UpdateConfig. Without one Swarm replaces task by task, the old one stopped first.
func pace(c *swarm.UpdateConfig) rollout {
	if c == nil {
		return rollout{Order: swarm.UpdateOrderStopFirst, Parallelism: 1}
	}
	r := rollout{Order: c.Order, Parallelism: c.Parallelism, Delay: c.Delay, AllAtOnce: c.Parallelism == 0}
	if r.Order == "" {
		r.Order = swarm.UpdateOrderStopFirst
	}
	return r
}

// putStrategy makes the UpdateConfig of a Deployment. Percentages are of its replicas, rounded as the
// Deployment controller rounds them: surge up, unavailable down, and never both zero.
func putStrategy(d *appsv1.Deployment) *swarm.UpdateConfig {
	c := &swarm.UpdateConfig{
		FailureAction: swarm.UpdateFailureActionPause, // like a rollout that waits for Pods that never get ready
		Order:         swarm.UpdateOrderStopFirst,
		Delay:         time.Duration(d.Spec.MinReadySeconds) * time.Second,
	}
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return c // parallelism 0: all at once
	}
	surge, unavailable := bounds(d)
	many, of := unavailable, (*intstr.IntOrString)(nil)
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		of = r.MaxUnavailable
		if surge > 0 || isAll(r.MaxSurge) {
			c.Order, many, of = swarm.UpdateOrderStartFirst, surge, r.MaxSurge
		}
	}
	if !isAll(of) { // all stay all when it is scaled
		c.Parallelism = uint64(many)
	}
	return c
}

// putDaemonStrategy makes the UpdateConfig of a DaemonSet. Nobody knows its number of Pods here, so a percentage counts as
// one, but for all.
func putDaemonStrategy(ds *appsv1.DaemonSet) *swarm.UpdateConfig {
	c := inTurn(ds.Spec.MinReadySeconds)
	r := ds.Spec.UpdateStrategy.RollingUpdate
	if r == nil {
		return c
	}
	share := r.MaxUnavailable
	if surge := r.MaxSurge; surge != nil && *surge != intstr.FromInt32(0) && *surge != intstr.FromString("0%") {
		c.Order, share = swarm.UpdateOrderStartFirst, surge
	}
	c.Parallelism = atATime(share)
	return c
}

// putStatefulStrategy makes the UpdateConfig of a StatefulSet.
func putStatefulStrategy(set *appsv1.StatefulSet) *swarm.UpdateConfig {
	c := inTurn(set.Spec.MinReadySeconds)
	if r := set.Spec.UpdateStrategy.RollingUpdate; r != nil {
		c.Parallelism = atATime(r.MaxUnavailable)
	}
	if set.Spec.UpdateStrategy.Type == appsv1.RecreateStatefulSetStrategyType {
		c.Parallelism = 0
	}
	return c
}

// inTurn replaces task by task, and waits where one does not start.
func inTurn(minReadySeconds int32) *swarm.UpdateConfig {
	return &swarm.UpdateConfig{
		Parallelism: 1, FailureAction: swarm.UpdateFailureActionPause, Order: swarm.UpdateOrderStopFirst,
		Delay: time.Duration(minReadySeconds) * time.Second,
	}
}

// atATime is a share as a parallelism; 0 is all.
func atATime(share *intstr.IntOrString) uint64 {
	switch {
	case isAll(share):
		return 0
	case share == nil || share.Type == intstr.String:
		return 1
	}
	return uint64(max(1, share.IntVal))
}

// isAll says whether a share is all there are, however many.
func isAll(share *intstr.IntOrString) bool {
	return share != nil && share.Type == intstr.String && share.StrVal == "100%"
}

// bounds are maxSurge and maxUnavailable of a Deployment in Pods.
func bounds(d *appsv1.Deployment) (surge, unavailable int) {
	replicas := int(replicasOr1(d.Spec.Replicas))
	r := d.Spec.Strategy.RollingUpdate
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType || r == nil {
		return 0, replicas
	}
	surge, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(r.MaxSurge, intstr.FromInt32(0)), replicas, true)
	if err != nil {
		surge = 0
	}
	unavailable, err = intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(r.MaxUnavailable, intstr.FromInt32(0)), replicas, false)
	if err != nil {
		unavailable = 0
	}
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

// getStrategy is the other direction.
func getStrategy(s *swarm.ServiceSpec, object *Object) {
	r := pace(s.UpdateConfig)
	seconds := int32(r.Delay / time.Second)
	some, none := intstr.FromInt32(int32(min(r.Parallelism, 1<<31-1))), intstr.FromInt32(0)
	if r.AllAtOnce {
		some = intstr.FromString("100%")
	}
	unavailable, surge := &some, &none
	if r.Order == swarm.UpdateOrderStartFirst {
		unavailable, surge = &none, &some
	}
	switch o := (*object).(type) {
	case *appsv1.Deployment:
		o.Spec.MinReadySeconds = seconds
		o.Spec.Strategy = appsv1.DeploymentStrategy{
			Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: unavailable, MaxSurge: surge},
		}
	case *appsv1.DaemonSet:
		o.Spec.MinReadySeconds = seconds
		o.Spec.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{
			Type: appsv1.RollingUpdateDaemonSetStrategyType, RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: unavailable, MaxSurge: surge},
		}
	case *appsv1.StatefulSet: // in which order, it does not say
		o.Spec.MinReadySeconds = seconds
		o.Spec.UpdateStrategy = appsv1.StatefulSetUpdateStrategy{
			Type: appsv1.RollingUpdateStatefulSetStrategyType, RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{MaxUnavailable: &some},
		}
	}
}

func replicasOr1(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}
