package agent

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hangup notices that a client with an upgraded connection is gone: net/http does not tell a handler so, once it has the
// connection, nor does Kubernetes' streaming code tell an executor. The request's context ends with the connection.
type hangup struct {
	http.ResponseWriter
	ctx  context.Context
	gone context.CancelFunc
	mu   sync.Mutex
	conn net.Conn
}

// watchHangup is the writer and the request for the streaming code to use. The caller calls done.
func watchHangup(w http.ResponseWriter, r *http.Request) (*hangup, *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	return &hangup{ResponseWriter: w, ctx: ctx, gone: cancel}, r.WithContext(ctx)
}

func (h *hangup) done() { h.gone() }

// end hangs up on the client.
func (h *hangup) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone()
	if h.conn != nil {
		_ = h.conn.Close()
	}
}

// Hijack implements http.Hijacker.
func (h *hangup) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.mu.Lock()
	h.conn = conn
	h.mu.Unlock()
	go h.poll(conn)
	// What the server has read ahead is still to be read: hence its reader, not the connection.
	watched := &watchedConn{Conn: conn, from: buffered.Reader, gone: h.gone}
	return watched, bufio.NewReadWriter(bufio.NewReader(watched), buffered.Writer), nil
}

type watchedConn struct {
	net.Conn
	from *bufio.Reader
	gone context.CancelFunc
}

// Read ends the request's context when the connection has ended. The streaming code reads all the time, except when the
// container does not take what was sent to it: see poll.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if err != nil {
		c.gone()
	}
	return n, err
}

// Close implements net.Conn.
func (c *watchedConn) Close() error {
	c.gone()
	return c.Conn.Close()
}

// poll asks the kernel now and then whether the other end has hung up, which a reader does not see as long as there is
// something before the end that nobody reads.
func (h *hangup) poll(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	fd, err := raw.SyscallConn()
	if err != nil {
		return
	}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
			if hungUp(fd) {
				h.end()
				return
			}
		}
	}
}

func hungUp(conn syscall.RawConn) bool {
	var gone bool
	err := conn.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(fds, 0)
		gone = err == nil && n > 0 && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone || err != nil
}
