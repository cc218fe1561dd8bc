package agent

import (
	"net/http"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// removeContainer takes a container away, DELETE /containers/{id}: the task that it is has failed then, and Swarm starts
// another. One that is not there is gone already.
func (a *Agent) removeContainer(w http.ResponseWriter, r *http.Request) {
	err := a.docker.ContainerRemove(r.Context(), r.PathValue("id"), container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
