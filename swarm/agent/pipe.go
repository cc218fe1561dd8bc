package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// PipeListener accepts the connections that DialContext makes, within one process. They are pairs of sockets, which the
// kernel buffers and which tell when the other end is gone, as with TCP.
type PipeListener struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

var _ net.Listener = (*PipeListener)(nil)

// Pipe is a listener in memory, for an agent's Handler in the gateway's own process.
func Pipe() *PipeListener {
	return &PipeListener{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

// DialContext connects; network and address mean nothing. It fits http.Transport.
func (l *PipeListener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there, err := socketPair()
	if err != nil {
		return nil, err
	}
	failed := net.ErrClosed
	select {
	case l.accepted <- there:
		return here, nil
	case <-l.closed:
	case <-ctx.Done():
		failed = ctx.Err()
	}
	_, _ = here.Close(), there.Close()
	return nil, failed
}

// Accept implements net.Listener.
func (l *PipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that were made live on.
func (l *PipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *PipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func socketPair() (net.Conn, net.Conn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("a connection to this node's agent: %w", err)
	}
	here, err := connOf(fds[0])
	there, err2 := connOf(fds[1])
	if err == nil && err2 == nil {
		return here, there, nil
	}
	for _, c := range []net.Conn{here, there} {
		if c != nil {
			_ = c.Close()
		}
	}
	return nil, nil, fmt.Errorf("a connection to this node's agent: %w, %w", err, err2)
}

// connOf takes over the descriptor.
func connOf(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "pipe")
	defer f.Close() //nolint:errcheck // the connection has a duplicate
	return net.FileConn(f)
}
