package sandbox

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate/manifest"
)

// podStatus is the Pod's status as of now.
func (s *Sandbox) podStatus() corev1.PodStatus {
	st := corev1.PodStatus{
		StartTime: &s.startTime,
		HostIP:    s.Pod.Status.HostIP, HostIPs: s.Pod.Status.HostIPs,
		PodIP: s.Pod.Status.PodIP, PodIPs: s.Pod.Status.PodIPs,
	}
	for _, u := range s.units {
		c := s.containerStatus(u)
		switch u.role {
		case manifest.RoleInit:
			st.InitContainerStatuses = append(st.InitContainerStatuses, c)
		case manifest.RoleContainer:
			st.ContainerStatuses = append(st.ContainerStatuses, c)
		default:
			st.EphemeralContainerStatuses = append(st.EphemeralContainerStatuses, c)
		}
	}
	slices.SortFunc(st.ContainerStatuses, func(a, b corev1.ContainerStatus) int { return strings.Compare(a.Name, b.Name) })
	st.Phase = s.podPhase()
	if e := s.ending; e != nil && e.reason != "" {
		st.Reason, st.Message = e.reason, e.message
	}
	st.Conditions = conditions(s.Pod, st, s.status.Conditions)
	return st
}

// containerStatus is the unit's status, as a kubelet words it.
func (s *Sandbox) containerStatus(u *unit) corev1.ContainerStatus {
	if u.phase == starting {
		return u.shown
	}
	started := u.phase == running && u.started
	st := corev1.ContainerStatus{
		Name: u.spec.Name, Image: u.spec.Image, ImageID: u.imageID, ContainerID: containerID(u.id),
		RestartCount: u.restarts, Started: &started,
		Ready:                started && u.ready && !u.once() || u.once() && u.succeeded(),
		LastTerminationState: corev1.ContainerState{Terminated: u.last},
	}
	switch {
	case u.phase == running:
		st.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(u.startedAt)}
	case u.phase == idle:
		st.State.Waiting = s.waitingState(u)
	case u.waiting == nil || s.ending != nil || !again(u, s.Pod.Spec.RestartPolicy):
		st.State.Terminated = u.end
	default:
		st.State.Waiting, st.LastTerminationState.Terminated = u.waiting, u.end
	}
	return st
}

// waitingState is why a unit waits of which there is no container.
func (s *Sandbox) waitingState(u *unit) *corev1.ContainerStateWaiting {
	switch {
	case u.waiting != nil:
		return u.waiting
	case u.attempts > 0:
		return &corev1.ContainerStateWaiting{
			Reason: "RestartingAllContainers", Message: "The container is removed because RestartAllContainers in place",
		}
	case len(s.Pod.Spec.InitContainers) > 0:
		return &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
	default:
		return &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	}
}
