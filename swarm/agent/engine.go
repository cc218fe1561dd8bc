package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Docker is what an agent asks of its node's Engine. Docker's client implements it.
type Docker interface {
	Ping(ctx context.Context) (types.Ping, error)
	Info(ctx context.Context) (system.Info, error)
	Events(ctx context.Context, options events.ListOptions) (<-chan events.Message, <-chan error)

	ContainerInspect(ctx context.Context, id string) (container.InspectResponse, error)
	ContainerList(ctx context.Context, options container.ListOptions) ([]container.Summary, error)
	ContainerLogs(ctx context.Context, id string, options container.LogsOptions) (io.ReadCloser, error)
	ContainerStatsOneShot(ctx context.Context, id string) (container.StatsResponseReader, error)
	ContainerCreate(ctx context.Context, config *container.Config, host *container.HostConfig, network *network.NetworkingConfig, platform *ocispec.Platform, name string) (container.CreateResponse, error)
	ContainerStart(ctx context.Context, id string, options container.StartOptions) error
	ContainerWait(ctx context.Context, id string, condition container.WaitCondition) (<-chan container.WaitResponse, <-chan error)
	ContainerRemove(ctx context.Context, id string, options container.RemoveOptions) error
	ContainerAttach(ctx context.Context, id string, options container.AttachOptions) (types.HijackedResponse, error)
	ContainerResize(ctx context.Context, id string, options container.ResizeOptions) error

	ContainerExecCreate(ctx context.Context, id string, options container.ExecOptions) (container.ExecCreateResponse, error)
	ContainerExecAttach(ctx context.Context, exec string, options container.ExecAttachOptions) (types.HijackedResponse, error)
	ContainerExecInspect(ctx context.Context, exec string) (container.ExecInspect, error)
	ContainerExecResize(ctx context.Context, exec string, options container.ResizeOptions) error

	ImageInspect(ctx context.Context, ref string, options ...client.ImageInspectOption) (image.InspectResponse, error)
	ImagePull(ctx context.Context, ref string, options image.PullOptions) (io.ReadCloser, error)

	VolumeList(ctx context.Context, options volume.ListOptions) (volume.ListResponse, error)
	VolumeCreate(ctx context.Context, options volume.CreateOptions) (volume.Volume, error)
	VolumeRemove(ctx context.Context, name string, force bool) error
}

var _ Docker = (*client.Client)(nil)

// statusError is an error with the HTTP status that it is answered with.
type statusError struct {
	code int
	err  error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func failure(code int, format string, args ...any) error {
	return &statusError{code, fmt.Errorf(format, args...)}
}

// fail answers with the error as plain text, as a kubelet does: kubectl shows it.
func fail(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	var status *statusError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &status):
		code = status.code
	case errors.As(err, &large):
		code = http.StatusRequestEntityTooLarge
	case errdefs.IsNotFound(err):
		code = http.StatusNotFound
	case errdefs.IsConflict(err):
		code = http.StatusConflict
	case errdefs.IsInvalidArgument(err):
		code = http.StatusBadRequest
	}
	http.Error(w, err.Error(), code)
}

// container is the container with this ID. A missing one is told in the kubelet's words.
func (a *Agent) container(ctx context.Context, id string) (container.InspectResponse, error) {
	c, err := a.docker.ContainerInspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return c, failure(http.StatusNotFound, "container not found (%q)", short(id))
	}
	if err != nil {
		return c, fmt.Errorf("node %s: inspect container %s: %w", a.options.Node, short(id), err)
	}
	return c, nil
}

// running is the container with this ID, which runs.
func (a *Agent) running(ctx context.Context, id string) (container.InspectResponse, error) {
	c, err := a.container(ctx, id)
	if err == nil && !c.State.Running {
		err = failure(http.StatusConflict, "container not running (%s)", short(id))
	}
	return c, err
}

// short is an ID as people know it from docker ps.
func short(id string) string { return id[:min(len(id), 12)] }
