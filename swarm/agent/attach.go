package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// attacher is upstream's interface to attach, for one container.
type attacher struct {
	agent     *Agent
	options   remotecommand.Options
	container container.InspectResponse
}

var _ remotecommand.Attacher = attacher{}

// AttachContainer implements remotecommand.Attacher. It ends with the container. Whether there is a terminal was decided
// when the container was made, whatever the client believes.
func (t attacher) AttachContainer(ctx context.Context, _, _, id string, in io.Reader, out, errOut io.WriteCloser, _ bool, resize <-chan remotecommand.TerminalSize) error {
	s := newStdio(t.options, in, out, errOut, resize)
	s.tty = t.container.Config.Tty
	a := t.agent
	stream, err := a.docker.ContainerAttach(ctx, id, container.AttachOptions{
		Stream: true, Stdin: s.in != nil, Stdout: s.out != nil, Stderr: s.err != nil && !s.tty, DetachKeys: detachKeys,
	})
	if err != nil {
		return fmt.Errorf("failed to attach to container: %w", err)
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, stream.Close)
	defer stop()
	if s.tty {
		go a.resize(ctx, resize, func(o container.ResizeOptions) error { return a.docker.ContainerResize(ctx, id, o) })
	}
	// Unless the container's input is for one client only, Docker ends the output with the input, so that it stays open.
	go s.copyIn(stream, t.container.Config.StdinOnce && !s.tty)
	if err := s.copyOut(stream.Reader); ctx.Err() != nil {
		return errors.New("the client has gone")
	} else if err != nil {
		return fmt.Errorf("output of the container: %w", err)
	}
	return nil
}

// resize gives a terminal the sizes that the client sends. The first comes before the terminal is there, so it is tried
// for a while.
func (a *Agent) resize(ctx context.Context, sizes <-chan remotecommand.TerminalSize, set func(container.ResizeOptions) error) {
	if sizes == nil {
		return
	}
	var retry <-chan time.Time
	var size remotecommand.TerminalSize
	left := 0
	for {
		select {
		case <-ctx.Done():
			return
		case next, open := <-sizes:
			if !open {
				sizes = nil
				if retry == nil {
					return
				}
				continue
			}
			size, left = next, 40
		case <-retry:
		}
		retry = nil
		if size.Height == 0 || size.Width == 0 {
			continue
		}
		if err := set(container.ResizeOptions{Height: uint(size.Height), Width: uint(size.Width)}); err != nil && left > 0 {
			left--
			retry = time.After(50 * time.Millisecond)
		}
	}
}
