package swarm

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// LogRequest is what a client asks of a Pod's log.
type LogRequest struct {
	Follow, Timestamps, Previous bool
	Stdout, Stderr               bool
	Since                        time.Time
	SinceSeconds                 int64
	Tail, LimitBytes             *int64
}

var (
	// ErrNoPrevious says that the container was not started before.
	ErrNoPrevious = errors.New("no previous container")
	// ErrNotStarted says that there is no container yet.
	ErrNotStarted = errors.New("no container yet")
)

// Logs reads the log of a Pod's task. annotations are the Pod's: they name the task.
func (e *Engine) Logs(ctx context.Context, m *Mirror, annotations map[string]string, r LogRequest) (io.ReadCloser, error) {
	t := m.logTask(annotations[translate.AnnotationTask], r.Previous)
	if t == nil && r.Previous {
		return nil, ErrNoPrevious
	}
	if t == nil || t.Status.ContainerStatus == nil || t.Status.ContainerStatus.ContainerID == "" {
		return nil, ErrNotStarted
	}
	options := container.LogsOptions{ShowStdout: r.Stdout, ShowStderr: r.Stderr, Follow: r.Follow, Timestamps: r.Timestamps, Tail: "all"}
	if r.Tail != nil {
		options.Tail = strconv.FormatInt(*r.Tail, 10)
	}
	if r.SinceSeconds > 0 {
		r.Since = time.Now().Add(-time.Duration(r.SinceSeconds) * time.Second)
	}
	if !r.Since.IsZero() {
		options.Since = strconv.FormatFloat(float64(r.Since.UnixNano())/1e9, 'f', 9, 64)
	}
	ctx, cancel := context.WithCancel(ctx)
	if r.Follow {
		go m.endWithTask(ctx, t.ID, cancel)
	}
	body, err := e.TaskLogs(ctx, t.ID, options)
	if err != nil {
		cancel()
		return nil, err
	}
	out := &logReader{body: body, cancel: cancel, left: -1, raw: t.Spec.ContainerSpec != nil && t.Spec.ContainerSpec.TTY}
	if r.LimitBytes != nil {
		out.left = *r.LimitBytes
	}
	return out, nil
}

// logTask is the task whose log is asked for: the Pod's, or the one that it took over from.
func (m *Mirror) logTask(id string, previous bool) *swarm.Task {
	m.mu.RLock()
	defer m.mu.RUnlock()
	t := m.task[id]
	if t == nil || !previous {
		return t
	}
	return translate.PreviousTask(m.world(), t)
}

// endWithTask ends a followed log when the task has ended: Docker itself never does. What the task said
// last is given a moment to arrive.
func (m *Mirror) endWithTask(ctx context.Context, id string, cancel func()) {
	ended := func() bool {
		t := m.task[id]
		return t == nil || translate.Ended(t)
	}
	if m.await(ctx, ended) != nil {
		return
	}
	select {
	case <-time.After(500 * time.Millisecond):
		cancel()
	case <-ctx.Done():
	}
}

// logReader takes the frames off Docker's log stream: 8 bytes before each piece, the last four its length.
// A container with a terminal has none.
type logReader struct {
	body    io.ReadCloser
	cancel  func()
	raw     bool
	pending uint32
	left    int64 // bytes still wanted; -1: all
}

// Read implements io.Reader.
func (r *logReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.left > 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	if !r.raw {
		for r.pending == 0 {
			var frame [8]byte
			if _, err := io.ReadFull(r.body, frame[:]); err != nil {
				return 0, endOfLog(err)
			}
			r.pending = binary.BigEndian.Uint32(frame[4:])
		}
		p = p[:min(len(p), int(r.pending))]
	}
	n, err := r.body.Read(p)
	if !r.raw {
		r.pending -= uint32(n)
	}
	if r.left > 0 {
		r.left -= int64(n)
	}
	return n, endOfLog(err)
}

// endOfLog makes an end of what we ended ourselves.
func endOfLog(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// Close implements io.Closer.
func (r *logReader) Close() error {
	r.cancel()
	return r.body.Close()
}
