package agent

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/libp2p/go-yamux/v5"
	"k8s.io/cri-streaming/pkg/streaming/portforward"

	"skep/swarm/agent/helper"
)

// forwarder is upstream's interface to port-forward, for one session: one helper in the container's network namespace for
// all the connections of one client.
type forwarder struct {
	agent     *Agent
	ctx       context.Context
	container container.InspectResponse

	mu      sync.Mutex
	closed  bool
	helper  string
	session *yamux.Session
}

var _ portforward.PortForwarder = (*forwarder)(nil)

// newForwarder begins a session. Its helper is started at once, so that it is there when the first connection comes. When
// the container ends, end is called: there is nothing more to be reached.
func (a *Agent) newForwarder(ctx context.Context, c container.InspectResponse, end func()) *forwarder {
	f := &forwarder{agent: a, ctx: ctx, container: c}
	go func() { _, _ = f.connect() }() // who connects is told why not
	go func() {
		over, failed := a.docker.ContainerWait(ctx, c.ID, container.WaitConditionNotRunning)
		select {
		case <-over:
			end()
		case err := <-failed:
			if ctx.Err() == nil {
				a.log(err, "the end of a container will not end its port-forward", "container", short(c.ID))
			}
		}
	}()
	return f
}

// PortForward implements portforward.PortForwarder for one connection. As the kubelet's runtimes do, it ends when the
// container's side has said all.
func (f *forwarder) PortForward(_ context.Context, _, _ string, port int32, client io.ReadWriteCloser) error {
	session, err := f.connect()
	if err != nil {
		return err
	}
	target, err := helper.Dial(f.ctx, session, uint16(port))
	if err != nil {
		return fmt.Errorf("failed to execute portforward in the network namespace of container %s: %w", short(f.container.ID), err)
	}
	defer target.Reset() //nolint:errcheck // all has been read
	go func() {
		if _, err := io.Copy(target, client); err == nil {
			_ = target.CloseWrite()
		}
	}()
	if _, err := io.Copy(client, target); err != nil && f.ctx.Err() == nil {
		return fmt.Errorf("connection to port %d of container %s: %w", port, short(f.container.ID), err)
	}
	return nil
}

// connect is the session with the helper, which is started if there is none.
func (f *forwarder) connect() (*yamux.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.session != nil && !f.session.IsClosed() {
		return f.session, nil
	}
	if f.closed {
		return nil, context.Canceled
	}
	f.drop()
	id, stream, err := f.agent.startHelper(f.ctx, f.container.ID, &container.HostConfig{
		NetworkMode: namespaceOf(f.container),
	}, "forward")
	if err != nil {
		return nil, err
	}
	f.helper = id
	from, to := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(to, io.Discard, stream.Reader)
		_ = to.CloseWithError(err) // nil: io.EOF
	}()
	f.session, err = helper.Client(helper.Conn(from, stream.Conn, func() error {
		_ = from.Close()
		stream.Close()
		return nil
	}))
	return f.session, err
}

// drop ends the helper, if there is one.
func (f *forwarder) drop() {
	if f.session != nil {
		_ = f.session.Close()
		f.session = nil
	}
	if f.helper != "" {
		f.agent.removeHelper(f.ctx, f.helper)
		f.helper = ""
	}
}

// close ends the session.
func (f *forwarder) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.drop()
}

// namespaceOf is the network mode of a container that is to share the network of c, which may itself share another's.
func namespaceOf(c container.InspectResponse) container.NetworkMode {
	if mode := c.HostConfig.NetworkMode; mode.IsContainer() || mode.IsHost() {
		return mode
	}
	return container.NetworkMode("container:" + c.ID)
}
