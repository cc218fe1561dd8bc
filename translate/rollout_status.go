package translate

import (
	"fmt"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tally counts the Pods of a service, or of one template of it, as the Deployment controller does.
type tally struct {
	replicas, ready, available, stopping int32
	// progress is when a Pod last became ready, or was made where none has.
	progress time.Time
	// wake is when the next ready Pod becomes available.
	wake time.Time
}

// counts are what a status is made of.
func (c *tally) counts() [4]int32 { return [4]int32{c.replicas, c.ready, c.available, c.stopping} }

func (c *tally) add(w Reports, in instance, minReady time.Duration, now time.Time) {
	if in.stopping {
		c.stopping++
		return
	}
	if in.ended {
		return
	}
	c.replicas++
	c.progress = latest(c.progress, in.task.CreatedAt)
	since, ready := readyOf(w, in.task)
	if !ready {
		return
	}
	c.ready++
	c.progress = latest(c.progress, since)
	since = since.Add(minReady)
	if minReady > 0 && now.Before(since) { // without it, a node whose clock is ahead is no reason to wait
		c.wake = soonest(c.wake, since)
		return
	}
	c.available++
	c.progress = latest(c.progress, since)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tallies counts all Pods of a workload, and by the hash of their template.
func tallies(w Reports, wl *Workload, tasks []*swarm.Task, minReady time.Duration, now time.Time) (all tally, byHash map[string]*tally) {
	byHash = map[string]*tally{}
	for _, in := range wl.instances(tasks) {
		all.add(w, in, minReady, now)
		hash := wl.HashOf(in.task)
		if byHash[hash] == nil {
			byHash[hash] = &tally{}
		}
		byHash[hash].add(w, in, minReady, now)
	}
	return all, byHash
}

// deploymentStatus is what a Deployment controller would say of a service and its tasks, and when it
// would say something else without anything happening.
func deploymentStatus(w Reports, wl *Workload, tasks []*swarm.Task, now time.Time) (appsv1.DeploymentStatus, time.Time) {
	d := wl.Object.(*appsv1.Deployment)
	all, byHash := tallies(w, wl, tasks, time.Duration(d.Spec.MinReadySeconds)*time.Second, now)
	current := byHash[wl.Hash]
	if current == nil {
		current = &tally{}
	}
	want := replicasOr1(d.Spec.Replicas)
	stopping := all.stopping
	status := appsv1.DeploymentStatus{
		ObservedGeneration:  d.Generation,
		Replicas:            all.replicas,
		UpdatedReplicas:     current.replicas,
		ReadyReplicas:       all.ready,
		AvailableReplicas:   all.available,
		UnavailableReplicas: max(0, want-all.available),
		TerminatingReplicas: &stopping,
	}
	if wl.Behind {
		status.UpdatedReplicas = 0 // paused: what the spec asks for has not begun
	}
	progressing, wake := progressingCondition(wl, d, status, current, now)
	status.Conditions = []appsv1.DeploymentCondition{availableCondition(d, status, all, wl.Service), progressing}
	return status, soonest(all.wake, wake)
}

// deploymentFacts are all that a status says, to be compared.
type deploymentFacts struct {
	counts     [6]int32
	conditions [2]appsv1.DeploymentCondition
}

func factsOf(s *appsv1.DeploymentStatus) deploymentFacts {
	return deploymentFacts{
		[6]int32{s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas, s.UnavailableReplicas, *s.TerminatingReplicas},
		[2]appsv1.DeploymentCondition(s.Conditions),
	}
}

func availableCondition(d *appsv1.Deployment, status appsv1.DeploymentStatus, all tally, s *swarm.Service) appsv1.DeploymentCondition {
	_, unavailable := bounds(d)
	c := appsv1.DeploymentCondition{
		Type: appsv1.DeploymentAvailable, Status: corev1.ConditionFalse,
		Reason: "MinimumReplicasUnavailable", Message: "Deployment does not have minimum availability.",
	}
	if status.AvailableReplicas >= replicasOr1(d.Spec.Replicas)-int32(unavailable) {
		c.Status, c.Reason, c.Message = corev1.ConditionTrue, "MinimumReplicasAvailable", "Deployment has minimum availability."
	}
	c.LastUpdateTime = stamp(latest(s.CreatedAt, all.progress))
	c.LastTransitionTime = c.LastUpdateTime
	return c
}

// progressingCondition follows the Deployment controller's syncRolloutStatus: complete, progressing, or
// past the deadline since a Pod of the new template last came further.
func progressingCondition(wl *Workload, d *appsv1.Deployment, status appsv1.DeploymentStatus, current *tally, now time.Time) (appsv1.DeploymentCondition, time.Time) {
	began := latest(rollBegan(wl), current.progress)
	name := fmt.Sprintf("ReplicaSet %q", d.Name+"-"+wl.Hash)
	c := appsv1.DeploymentCondition{
		Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue,
		Reason: "ReplicaSetUpdated", Message: name + " is progressing.",
		LastUpdateTime: stamp(began), LastTransitionTime: stamp(wl.Service.CreatedAt),
	}
	want := replicasOr1(d.Spec.Replicas)
	if status.UpdatedReplicas == want && status.Replicas == want && status.AvailableReplicas == want {
		c.Reason, c.Message = "NewReplicaSetAvailable", name+" has successfully progressed."
		return c, time.Time{}
	}
	if d.Spec.Paused {
		c.Status, c.Reason, c.Message = corev1.ConditionUnknown, "DeploymentPaused", "Deployment is paused"
		return c, time.Time{}
	}
	seconds := d.Spec.ProgressDeadlineSeconds
	if seconds == nil || *seconds == 1<<31-1 {
		return c, time.Time{}
	}
	deadline := began.Add(time.Duration(*seconds) * time.Second)
	if now.Before(deadline) {
		return c, deadline
	}
	c.Status, c.Reason, c.Message = corev1.ConditionFalse, "ProgressDeadlineExceeded", name+" has timed out progressing."
	c.LastUpdateTime, c.LastTransitionTime = stamp(deadline), stamp(deadline)
	return c, time.Time{}
}

// rollBegan is when the rollout in course, or the last one, began.
func rollBegan(wl *Workload) time.Time {
	began := revised(wl)
	if u := wl.Service.UpdateStatus; u != nil && u.StartedAt != nil {
		began = latest(began, *u.StartedAt)
	}
	return began
}

// revised is when the running template came to be.
func revised(wl *Workload) time.Time {
	if at, err := time.Parse(time.RFC3339, wl.Service.Spec.Labels[LabelRevised]); err == nil {
		return at
	}
	return wl.Service.CreatedAt
}

// stamp is a time as Kubernetes writes it, in whole seconds.
func stamp(t time.Time) metav1.Time { return metav1.NewTime(t).Rfc3339Copy() }
