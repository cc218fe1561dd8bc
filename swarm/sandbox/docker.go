package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"

	"skep/swarm/sandbox/spec"
	"skep/translate/manifest"
)

// docker is the Engine behind a Docker client, from Docker 20.10 (API 1.41) on.
type docker struct{ client *client.Client }

// Docker is the Engine that the client speaks to.
func Docker(c *client.Client) Engine { return docker{c} }

// missing makes of Docker's "not found" ours.
func missing(err error) error {
	if errdefs.IsNotFound(err) {
		return fmt.Errorf("%w: %w", errNotFound, err)
	}
	return err
}

func (d docker) Image(ctx context.Context, ref string) (Image, error) {
	i, err := d.client.ImageInspect(ctx, ref)
	if err != nil {
		return Image{}, missing(err)
	}
	out := Image{ID: i.ID, Size: i.Size}
	if len(i.RepoDigests) > 0 {
		out.ID = i.RepoDigests[0]
	}
	if c := i.Config; c != nil {
		out.Config = spec.ImageConfig{
			User: c.User, Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd,
			WorkingDir: c.WorkingDir, StopSignal: c.StopSignal,
		}
	}
	return out, nil
}

// Pull reads the Engine's progress to its end, which is where a failure is told.
func (d docker) Pull(ctx context.Context, ref, auth string) error {
	progress, err := d.client.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer progress.Close() //nolint:errcheck // it was only read
	decoder := json.NewDecoder(progress)
	for {
		var line struct {
			Error string `json:"error"`
		}
		switch err := decoder.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("progress of the pull: %w", err)
		case line.Error != "":
			return errors.New(line.Error)
		}
	}
}

// Create takes the name from a container that has it already: one whose creation was never answered.
func (d docker) Create(ctx context.Context, name string, config *container.Config, host *container.HostConfig) (string, error) {
	made, err := d.client.ContainerCreate(ctx, config, host, nil, nil, name)
	if errdefs.IsConflict(err) {
		if err := d.Remove(ctx, name); err != nil {
			return "", err
		}
		made, err = d.client.ContainerCreate(ctx, config, host, nil, nil, name)
	}
	return made.ID, missing(err)
}

func (d docker) Start(ctx context.Context, id string) error {
	return missing(d.client.ContainerStart(ctx, id, container.StartOptions{}))
}

func (d docker) State(ctx context.Context, id string) (State, error) {
	c, err := d.client.ContainerInspect(ctx, id)
	if err != nil {
		return State{}, missing(err)
	}
	s := State{Running: c.State.Running, ExitCode: c.State.ExitCode, OOMKilled: c.State.OOMKilled, Error: c.State.Error}
	s.StartedAt, _ = time.Parse(time.RFC3339Nano, c.State.StartedAt)
	s.FinishedAt, _ = time.Parse(time.RFC3339Nano, c.State.FinishedAt)
	return s, nil
}

func (d docker) Stop(ctx context.Context, id string, grace time.Duration) error {
	seconds := int(math.Ceil(grace.Seconds()))
	return missing(d.client.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds}))
}

func (d docker) Remove(ctx context.Context, id string) error {
	err := d.client.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	// In conflict is what somebody else is removing already.
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}

func (d docker) Siblings(ctx context.Context, sandbox string) ([]string, error) {
	list, err := d.client.ContainerList(ctx, container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", manifest.LabelSandbox+"="+sandbox)),
	})
	ids := make([]string, 0, len(list))
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	return ids, err
}

func (d docker) Exec(ctx context.Context, id string, command []string) (int, []byte, error) {
	made, err := d.client.ContainerExecCreate(ctx, id, container.ExecOptions{
		Cmd: command, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, nil, missing(err)
	}
	stream, err := d.client.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, nil, missing(err)
	}
	defer stream.Close()
	// The connection is no longer the client's, and does not heed the context.
	stop := context.AfterFunc(ctx, stream.Close)
	defer stop()
	var output limited
	output.left = execOutput
	if _, err := stdcopy.StdCopy(&output, &output, stream.Reader); err != nil && ctx.Err() == nil {
		return 0, output.Bytes(), fmt.Errorf("output of the command: %w", err)
	}
	if ctx.Err() != nil {
		return 0, output.Bytes(), ctx.Err()
	}
	done, err := d.client.ContainerExecInspect(ctx, made.ID)
	return done.ExitCode, output.Bytes(), missing(err)
}

func (d docker) Tail(ctx context.Context, id string, lines int) ([]byte, error) {
	c, err := d.client.ContainerInspect(ctx, id)
	if err != nil {
		return nil, missing(err)
	}
	log, err := d.client.ContainerLogs(ctx, id, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(lines),
	})
	if err != nil {
		return nil, missing(err)
	}
	defer log.Close() //nolint:errcheck // it was only read
	var end tail
	if c.Config.Tty {
		_, err = io.Copy(&end, log)
	} else {
		_, err = stdcopy.StdCopy(&end, &end, log)
	}
	return end.bytes, err
}

// Deaths asks for what was a second ago as well, so that nothing is lost between this call and the stream's beginning; a
// death that is told twice does no harm.
func (d docker) Deaths(ctx context.Context, sandbox string, ready func(), died func(id string)) error {
	messages, failed := d.client.Events(ctx, events.ListOptions{
		Since: fmt.Sprint(time.Now().Add(-time.Second).Unix()),
		Filters: filters.NewArgs(
			filters.Arg("type", string(events.ContainerEventType)),
			filters.Arg("event", string(events.ActionDie)),
			filters.Arg("label", manifest.LabelSandbox+"="+sandbox),
		),
	})
	ready()
	for {
		select {
		case m := <-messages:
			died(m.Actor.ID)
		case err := <-failed:
			return fmt.Errorf("events of the engine: %w", err)
		}
	}
}

// limited keeps the first bytes and takes all.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	keep := p[:min(len(p), l.left)]
	l.left -= len(keep)
	l.Buffer.Write(keep)
	return len(p), nil
}

// tail keeps the last bytes: as many as a termination message from a log may have.
type tail struct{ bytes []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.bytes = append(t.bytes, p...)
	if extra := len(t.bytes) - messageFromLog; extra > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[extra:]...)
	}
	return len(p), nil
}
