package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// detachKeys are for nobody to press: Docker takes away those that detach from a terminal, by default ctrl-p and ctrl-q,
// and has no way to have none.
const detachKeys = "ctrl-^,ctrl-@,ctrl-^,ctrl-_,ctrl-@,ctrl-^,ctrl-_"

// stdio is what a client has connected to a command or a container. What it did not ask for is nil.
type stdio struct {
	in       io.Reader
	out, err io.Writer
	tty      bool
	resize   <-chan remotecommand.TerminalSize
}

// newStdio is what was asked for of the streams: with WebSockets there are always all of them.
func newStdio(o remotecommand.Options, in io.Reader, out, errOut io.Writer, resize <-chan remotecommand.TerminalSize) stdio {
	s := stdio{tty: o.TTY, resize: resize}
	if o.Stdin {
		s.in = in
	}
	if o.Stdout {
		s.out = out
	}
	if o.Stderr {
		s.err = errOut
	}
	return s
}

// copyOut hands on what Docker sends, until that ends or the client does not take it.
func (s stdio) copyOut(from io.Reader) error {
	out, errOut := orDiscard(s.out), orDiscard(s.err)
	if s.tty {
		_, err := io.Copy(out, from)
		return err
	}
	_, err := stdcopy.StdCopy(out, errOut, from)
	return err
}

// copyIn hands on what the client sends, and then its end unless the input must stay open.
func (s stdio) copyIn(to types.HijackedResponse, closeAfter bool) {
	if s.in == nil {
		return
	}
	_, _ = io.Copy(to.Conn, s.in) // how it ended shows in the output
	if closeAfter {
		_ = to.CloseWrite()
	}
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// executor is upstream's interface to exec.
type executor struct {
	agent   *Agent
	options remotecommand.Options
}

var _ remotecommand.Executor = executor{}

// ExecInContainer implements remotecommand.Executor: container is a Docker container's ID.
func (e executor) ExecInContainer(ctx context.Context, _, _, container string, command []string, in io.Reader, out, errOut io.WriteCloser, _ bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	code, err := e.agent.exec(ctx, container, command, newStdio(e.options, in, out, errOut, resize))
	if err == nil && code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", code), Code: code}
	}
	return err
}

// exec runs a command in a container and returns its exit code. When ctx ends before the command, the command is ended.
func (a *Agent) exec(ctx context.Context, id string, command []string, s stdio) (int, error) {
	made, err := a.docker.ContainerExecCreate(ctx, id, container.ExecOptions{
		Cmd: command, Tty: s.tty, DetachKeys: detachKeys,
		AttachStdin: s.in != nil, AttachStdout: s.out != nil, AttachStderr: s.err != nil && !s.tty,
	})
	if err != nil {
		return 0, fmt.Errorf("failed to exec in container: %w", err)
	}
	stream, err := a.docker.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: s.tty})
	if err != nil {
		return 0, fmt.Errorf("failed to exec in container: %w", err)
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, stream.Close)
	defer stop()
	go a.resize(ctx, s.resize, func(o container.ResizeOptions) error { return a.docker.ContainerExecResize(ctx, made.ID, o) })
	// Docker ends a terminal's output with its input, so that one stays open.
	go s.copyIn(stream, !s.tty)
	refused := &refusal{to: orDiscard(s.out)}
	s.out = refused
	err = s.copyOut(stream.Reader)
	var done container.ExecInspect
	if err == nil && ctx.Err() == nil {
		done, err = a.execEnded(ctx, made.ID)
	}
	if err != nil || ctx.Err() != nil {
		stream.Close()
		a.endExec(context.WithoutCancel(ctx), id, made.ID)
		return 0, fmt.Errorf("the command was left: %w", errors.Join(err, ctx.Err()))
	}
	return done.ExitCode, refused.settle(done)
}

// execEnded waits for the end of an exec whose output has ended: usually a moment, but a command can close its output
// long before it ends. Docker has nothing to wait with.
func (a *Agent) execEnded(ctx context.Context, exec string) (container.ExecInspect, error) {
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		e, err := a.docker.ContainerExecInspect(ctx, exec)
		switch {
		case errdefs.IsNotFound(err):
			return e, errors.New("the container ended before the command, so its exit code is not known")
		case err != nil:
			return e, fmt.Errorf("exit code of the command: %w", err)
		case !e.Running:
			return e, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return e, ctx.Err()
		}
	}
}

// endExec ends a command whose client is gone. One that reads its input has seen the end of it; for the others Docker has
// no API, so that a helper kills them.
func (a *Agent) endExec(ctx context.Context, id, exec string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	moment, enough := context.WithTimeout(ctx, time.Second)
	defer enough()
	e, err := a.execEnded(moment, exec)
	if err != nil && moment.Err() == nil || err == nil {
		return // it has ended, or its container has
	}
	if e, err = a.docker.ContainerExecInspect(ctx, exec); err != nil || !e.Running || e.Pid == 0 {
		return
	}
	if err := a.kill(ctx, id, e.Pid); err != nil {
		a.log(err, "a command whose client is gone still runs", "container", short(id), "pid", e.Pid)
	}
}

// refusalPrefix is how Docker begins, on the command's output, why a command could not be started.
var refusalPrefix = []byte("OCI runtime exec failed: ")

// refusal holds back Docker's own message from the command's output, so that it becomes an error as it is with a kubelet.
type refusal struct {
	to    io.Writer
	begun bool
	held  []byte
}

// Write implements io.Writer.
func (r *refusal) Write(p []byte) (int, error) {
	if !r.begun && bytes.HasPrefix(p, refusalPrefix) && len(p) < 4096 {
		r.held = append(r.held, p...)
	}
	r.begun = true
	if len(r.held) > 0 {
		if bytes.Equal(r.held, p) {
			return len(p), nil
		}
		if err := r.release(); err != nil {
			return 0, err
		}
	}
	return r.to.Write(p)
}

func (r *refusal) release() error {
	_, err := r.to.Write(r.held)
	r.held = nil
	return err
}

// settle says why the command did not start. A command that did start may have written such a message itself.
func (r *refusal) settle(e container.ExecInspect) error {
	if len(r.held) == 0 {
		return nil
	}
	if e.Pid == 0 && (e.ExitCode == 126 || e.ExitCode == 127) {
		return fmt.Errorf("failed to exec in container: %s", bytes.TrimSpace(r.held))
	}
	return r.release()
}
