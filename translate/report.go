package translate

import (
	"time"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate/manifest"
)

// Reports are what sandboxes say of their Pods.
type Reports interface {
	// Report is the last one of a task; nil while there is none.
	Report(taskID string) *manifest.Report
}

// Reported says whether a task's Pod is told of by its sandbox.
func Reported(t *swarm.Task) bool { return isSandbox(&t.Spec) }

// readyOf says whether a task's Pod is ready, and since when.
func readyOf(w Reports, t *swarm.Task) (since time.Time, ready bool) {
	if t.Status.State != swarm.TaskStateRunning && !isSandbox(&t.Spec) || hasEnded(t) {
		return time.Time{}, false
	}
	if !isSandbox(&t.Spec) {
		return t.Status.Timestamp, true
	}
	r := w.Report(t.ID)
	if r == nil {
		return time.Time{}, false
	}
	for _, c := range r.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.LastTransitionTime.Time, c.Status == corev1.ConditionTrue
		}
	}
	return time.Time{}, false
}

// takeReport lays what the sandbox said over what the Swarm says of its task. What the Swarm alone knows stands: that
// the sandbox is gone, and with it its containers; on which node it is; how often it was replaced.
func takeReport(status *corev1.PodStatus, r *manifest.Report, in instance, lost bool) {
	said := r.Status.DeepCopy()
	status.InitContainerStatuses, status.ContainerStatuses = said.InitContainerStatuses, said.ContainerStatuses
	status.EphemeralContainerStatuses = said.EphemeralContainerStatuses
	for _, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses} {
		for i := range list {
			list[i].RestartCount += int32(len(in.previous))
		}
	}
	finished := said.Phase == corev1.PodSucceeded || said.Phase == corev1.PodFailed
	if hasEnded(in.task) && !finished {
		endContainers(status, in.task)
		return // the phase is Swarm's to say
	}
	status.Phase, status.Reason, status.Message = said.Phase, said.Reason, said.Message
	if said.StartTime != nil {
		status.StartTime = said.StartTime
	}
	status.Conditions = withConditions(status.Conditions, said.Conditions)
	if lost {
		notReady(status.Conditions)
	}
}

// withConditions lays conditions over those of the same types.
func withConditions(all, over []corev1.PodCondition) []corev1.PodCondition {
	for _, c := range over {
		found := false
		for i := range all {
			if all[i].Type == c.Type {
				all[i], found = c, true
			}
		}
		if !found {
			all = append(all, c)
		}
	}
	return all
}

// notReady has the conditions of a node that is lost, as the node lifecycle controller writes them.
func notReady(conditions []corev1.PodCondition) {
	for i := range conditions {
		if conditions[i].Type == corev1.PodReady {
			conditions[i].Status, conditions[i].Reason = corev1.ConditionFalse, "NodeNotReady"
		}
	}
}

// endContainers marks as ended what was said to run when its sandbox was last heard.
func endContainers(status *corev1.PodStatus, t *swarm.Task) {
	for _, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses, status.EphemeralContainerStatuses} {
		for i := range list {
			c := &list[i]
			c.Ready, c.Started = false, new(false)
			if c.State.Running == nil {
				continue
			}
			c.State = corev1.ContainerState{Terminated: unheard(t, *c)}
		}
	}
}

// creating are the statuses of the containers of a sandboxed Pod of which nothing was heard: its sandbox is about to
// start, or could not, or ended without a word.
func creating(pod *corev1.Pod, in instance) (inits, containers []corev1.ContainerStatus) {
	state := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
	if len(pod.Spec.InitContainers) > 0 {
		state.Waiting.Reason = "PodInitializing"
	}
	switch order := stateOrder[in.task.Status.State]; {
	case in.task.Status.State == swarm.TaskStateRejected:
		state.Waiting = rejected(in.task)
	case hasEnded(in.task):
		state = corev1.ContainerState{Terminated: unheard(in.task, corev1.ContainerStatus{})}
	case len(in.previous) > 0 && order < stateOrder[swarm.TaskStateStarting]:
		state.Waiting = waiting(in)
	}
	all := func(list []corev1.Container) []corev1.ContainerStatus {
		var out []corev1.ContainerStatus
		for i := range list {
			out = append(out, corev1.ContainerStatus{
				Name: list[i].Name, Image: list[i].Image, Started: new(false), State: *state.DeepCopy(), RestartCount: int32(len(in.previous)),
			})
		}
		return out
	}
	return all(pod.Spec.InitContainers), all(pod.Spec.Containers)
}

// unheard is the end of a container that nobody saw end, as the kubelet words it.
func unheard(t *swarm.Task, c corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	end := &corev1.ContainerStateTerminated{
		ExitCode: 137, Reason: "ContainerStatusUnknown", Message: "The container could not be located when the pod was terminated",
		FinishedAt: metav1.NewTime(t.Status.Timestamp), ContainerID: c.ContainerID,
	}
	if c.State.Running != nil {
		end.StartedAt = c.State.Running.StartedAt
	}
	return end
}
