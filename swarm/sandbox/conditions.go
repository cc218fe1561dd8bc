package sandbox

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditions are those of the Pod that a kubelet sets, but for PodScheduled. The time of one that does not change its status
// is kept from before.
func conditions(pod *corev1.Pod, st corev1.PodStatus, before []corev1.PodCondition) []corev1.PodCondition {
	contained := containersReady(pod, st)
	all := []corev1.PodCondition{
		{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue},
		initializedCondition(pod, st),
		ready(pod, contained),
		contained,
	}
	now := metav1.Now().Rfc3339Copy()
	for i := range all {
		all[i].LastTransitionTime = now
		for _, old := range before {
			if old.Type == all[i].Type && old.Status == all[i].Status {
				all[i].LastTransitionTime = old.LastTransitionTime
			}
		}
	}
	return all
}

// containersReady is about the containers and the sidecars of the Pod.
func containersReady(pod *corev1.Pod, st corev1.PodStatus) corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse}
	switch st.Phase {
	case corev1.PodSucceeded:
		c.Reason = "PodCompleted"
		return c
	case corev1.PodFailed:
		c.Reason = "PodFailed"
		return c
	default:
	}
	isReady := map[string]bool{}
	for _, s := range append(st.InitContainerStatuses[:len(st.InitContainerStatuses):len(st.InitContainerStatuses)], st.ContainerStatuses...) {
		isReady[s.Name] = s.Ready
	}
	var unready []string
	for _, i := range pod.Spec.InitContainers {
		if p := i.RestartPolicy; p != nil && *p == corev1.ContainerRestartPolicyAlways && !isReady[i.Name] {
			unready = append(unready, i.Name)
		}
	}
	for _, i := range pod.Spec.Containers {
		if !isReady[i.Name] {
			unready = append(unready, i.Name)
		}
	}
	if len(unready) > 0 {
		c.Reason, c.Message = "ContainersNotReady", fmt.Sprintf("containers with unready status: %s", unready)
		return c
	}
	c.Status = corev1.ConditionTrue
	return c
}

// ready follows the containers; the Pod's readiness gates are set by others, of whom the sandbox does not hear.
func ready(pod *corev1.Pod, contained corev1.PodCondition) corev1.PodCondition {
	c := contained
	c.Type = corev1.PodReady
	if c.Status != corev1.ConditionTrue || len(pod.Spec.ReadinessGates) == 0 {
		return c
	}
	var missing []string
	for _, g := range pod.Spec.ReadinessGates {
		missing = append(missing, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", string(g.ConditionType)))
	}
	c.Status, c.Reason, c.Message = corev1.ConditionFalse, "ReadinessGatesNotReady", strings.Join(missing, ", ")
	return c
}

// initializedCondition is true for good once a container that is no init container has been started.
func initializedCondition(pod *corev1.Pod, st corev1.PodStatus) corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}
	if st.Phase == corev1.PodSucceeded {
		c.Reason = "PodCompleted"
		return c
	}
	for _, s := range st.ContainerStatuses {
		if s.State.Running != nil || s.State.Terminated != nil || s.RestartCount > 0 {
			return c
		}
	}
	var incomplete []string
	for i, s := range st.InitContainerStatuses {
		done := s.Ready
		if p := pod.Spec.InitContainers[i].RestartPolicy; p != nil && *p == corev1.ContainerRestartPolicyAlways {
			done = s.Started != nil && *s.Started
		}
		if !done {
			incomplete = append(incomplete, s.Name)
		}
	}
	if len(incomplete) > 0 {
		c.Status, c.Reason = corev1.ConditionFalse, "ContainersNotInitialized"
		c.Message = fmt.Sprintf("containers with incomplete status: %s", incomplete)
	}
	return c
}
