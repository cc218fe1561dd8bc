package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/pkg/stdcopy"

	"skep/translate/manifest"
)

// Command is the agent's program in skep's image.
const Command = "/skep-agent"

// labelFor is on a helper: the ID of the container that it is for.
const labelFor = "skep.helper.for"

// helperLost is the age at which a helper that does not run is taken for one whose agent is gone: between creation and
// start there are only moments.
const helperLost = 2 * time.Minute

// startHelper starts a container of skep's image that is removed when it ends, and connects to it. Nothing of what passes
// through is logged, and it may do nothing that host does not let it do. It ends when its input does.
func (a *Agent) startHelper(ctx context.Context, of string, host *container.HostConfig, args ...string) (string, types.HijackedResponse, error) {
	host.AutoRemove = true
	host.ReadonlyRootfs = true
	host.CapDrop = []string{"ALL"}
	host.SecurityOpt = append(host.SecurityOpt, "no-new-privileges")
	host.LogConfig = container.LogConfig{Type: "none"}
	made, err := a.docker.ContainerCreate(ctx, &container.Config{
		Image: a.options.Image, Entrypoint: []string{Command}, Cmd: args,
		OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		Labels: map[string]string{manifest.LabelRole: manifest.RoleHelper, labelFor: of},
	}, host, nil, nil, "")
	if errdefs.IsNotFound(err) {
		return "", types.HijackedResponse{}, fmt.Errorf("node %s has not the image %s, which this needs: load or pull it there (%w)",
			a.options.Node, a.options.Image, err)
	}
	if err != nil {
		return "", types.HijackedResponse{}, fmt.Errorf("node %s: create a helper: %w", a.options.Node, err)
	}
	stream, err := a.docker.ContainerAttach(ctx, made.ID, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err == nil {
		if err = a.docker.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
			stream.Close()
		}
	}
	if err != nil {
		a.removeHelper(ctx, made.ID)
		return "", types.HijackedResponse{}, fmt.Errorf("node %s: start a helper: %w", a.options.Node, err)
	}
	return made.ID, stream, nil
}

// removeHelper removes a helper, whatever becomes of ctx. One that is being removed already is left to that.
func (a *Agent) removeHelper(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := a.docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		a.log(err, "a helper could not be removed", "container", short(id))
	}
}

// kill ends a command in a container by the process that the Engine knows of it.
func (a *Agent) kill(ctx context.Context, id string, pid int) error {
	helper, stream, err := a.startHelper(ctx, id, &container.HostConfig{
		PidMode: "host", UsernsMode: "host", NetworkMode: "none", CapAdd: []string{"KILL"},
		// Docker's AppArmor profile lets nobody signal a process that has another.
		SecurityOpt: []string{"apparmor=unconfined"},
	}, "kill", strconv.Itoa(pid), id)
	if err != nil {
		return err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() {
		stream.Close()
		a.removeHelper(ctx, helper)
	})
	defer stop()
	var said bytes.Buffer
	if _, err := stdcopy.StdCopy(&said, &said, stream.Reader); err != nil {
		return fmt.Errorf("output of a helper: %w", err)
	}
	if said.Len() > 0 {
		return errors.New(said.String())
	}
	return nil
}

// sweep removes the helpers whose agent ended before it could start them, or before it could remove them. One that runs
// ends by itself when its agent does, because its input ends then.
func (a *Agent) sweep(ctx context.Context) error {
	left, err := a.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", manifest.LabelRole+"="+manifest.RoleHelper),
		filters.Arg("status", "created"), filters.Arg("status", "exited"), filters.Arg("status", "dead"),
	)})
	if err != nil {
		return fmt.Errorf("helpers that are left: %w", err)
	}
	for i := range left {
		if time.Since(time.Unix(left[i].Created, 0)) > helperLost {
			a.removeHelper(ctx, left[i].ID)
		}
	}
	return nil
}
