package agent

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate/manifest"
)

// startErrorCode is the exit code that a kubelet gives to a container that could not be started.
const startErrorCode = 128

// getEphemeral answers with the statuses of the ephemeral containers beside a container, by name.
func (a *Agent) getEphemeral(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	list, err := a.ephemeral(r.Context(), id, "")
	if err != nil {
		fail(w, err)
		return
	}
	statuses := []corev1.ContainerStatus{}
	for i := range list {
		c, err := a.docker.ContainerInspect(r.Context(), list[i].ID)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			fail(w, err)
			return
		}
		statuses = append(statuses, statusOf(c))
	}
	for _, waiting := range a.waiting(id) {
		if !slices.ContainsFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == waiting.Name }) {
			statuses = append(statuses, waiting)
		}
	}
	slices.SortFunc(statuses, func(x, y corev1.ContainerStatus) int { return strings.Compare(x.Name, y.Name) })
	answer(w, statuses)
}

// waiting are the statuses of those that are not made yet.
func (a *Agent) waiting(beside string) []corev1.ContainerStatus {
	a.pullMu.Lock()
	defer a.pullMu.Unlock()
	var out []corev1.ContainerStatus
	for key, failed := range a.pulls {
		if key.beside != beside {
			continue
		}
		w := &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
		if failed != "" {
			w.Reason, w.Message = "ErrImagePull", failed
		}
		out = append(out, corev1.ContainerStatus{Name: key.name, State: corev1.ContainerState{Waiting: w}})
	}
	return out
}

// statusOf is a container's in the kubelet's words.
func statusOf(c container.InspectResponse) corev1.ContainerStatus {
	s := corev1.ContainerStatus{
		Name: c.Config.Labels[manifest.LabelContainer], Image: c.Config.Image, ImageID: c.Image, ContainerID: "docker://" + c.ID,
	}
	started, finished := timeOf(c.State.StartedAt), timeOf(c.State.FinishedAt)
	switch {
	case c.State.Running:
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: started}
	case c.State.Error != "" && started.IsZero():
		s.State.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: startErrorCode, Reason: "StartError", Message: c.State.Error, ContainerID: s.ContainerID, FinishedAt: timeOf(c.Created),
		}
	case started.IsZero():
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	default:
		reason := "Completed"
		if c.State.OOMKilled {
			reason = "OOMKilled"
		} else if c.State.ExitCode != 0 {
			reason = "Error"
		}
		s.State.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: int32(c.State.ExitCode), Reason: reason, StartedAt: started, FinishedAt: finished, ContainerID: s.ContainerID,
		}
	}
	return s
}

// timeOf reads Docker's times, which are of the year 1 for what did not happen.
func timeOf(text string) metav1.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return metav1.Time{}
	}
	return metav1.NewTime(t)
}
