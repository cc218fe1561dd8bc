package gateway

import (
	"context"
	"net/http"
	"net/url"

	"github.com/docker/docker/api/types/volume"

	"skep/swarm"
)

// nodeVolumes are the Docker volumes of the Swarm's other nodes, by their agents.
type nodeVolumes struct{ *agents }

var _ swarm.Volumes = nodeVolumes{}

// List implements swarm.Volumes.
func (v nodeVolumes) List(ctx context.Context, nodeID string) ([]volume.Volume, error) {
	var volumes []volume.Volume
	return volumes, v.call(ctx, nodeID, http.MethodGet, "/volumes", nil, &volumes)
}

// Remove implements swarm.Volumes.
func (v nodeVolumes) Remove(ctx context.Context, nodeID, name string) error {
	return v.call(ctx, nodeID, http.MethodDelete, "/volumes/"+url.PathEscape(name), nil, nil)
}
