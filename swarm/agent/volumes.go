package agent

import (
	"encoding/json"
	"net/http"

	"github.com/docker/docker/api/types/volume"
)

// listVolumes answers with the node's Docker volumes, as an array of Docker's objects.
func (a *Agent) listVolumes(w http.ResponseWriter, r *http.Request) {
	list, err := a.docker.VolumeList(r.Context(), volume.ListOptions{})
	if err != nil {
		fail(w, err)
		return
	}
	if list.Volumes == nil {
		list.Volumes = []*volume.Volume{}
	}
	answer(w, list.Volumes)
}

// createVolume takes Docker's volume.CreateOptions and answers with the volume. One that is there already, with the same
// driver, is left as it is: that is Docker's rule.
func (a *Agent) createVolume(w http.ResponseWriter, r *http.Request) {
	var options volume.CreateOptions
	if err := readJSON(w, r, &options); err != nil {
		fail(w, err)
		return
	}
	made, err := a.docker.VolumeCreate(r.Context(), options)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, made)
}

// removeVolume answers 409 for a volume in use and 404 for one that is not there.
func (a *Agent) removeVolume(w http.ResponseWriter, r *http.Request) {
	if err := a.docker.VolumeRemove(r.Context(), r.PathValue("name"), false); err != nil {
		fail(w, err)
	}
}

func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		return failure(http.StatusBadRequest, "the body is not what is wanted here: %w", err)
	}
	return nil
}

func answer(w http.ResponseWriter, with any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(with)
}
