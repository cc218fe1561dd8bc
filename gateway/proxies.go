package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/util/proxy"
)

// podTransport carries HTTP to the addresses of Pods, which the gateway's own network need not reach: the agent of a
// Pod's node connects from within the Pod.
func (a *agents) podTransport() *http.Transport {
	return &http.Transport{DialContext: a.dialPod, IdleConnTimeout: time.Minute, DisableCompression: true}
}

// dialPod connects with a port of the Pod that has an address.
func (a *agents) dialPod(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	node, container := a.mirror.TaskAt(host)
	if container == "" {
		return nil, fmt.Errorf("no Pod that runs has the address %s", host)
	}
	base, transport, err := a.on(node)
	if err != nil {
		return nil, err
	}
	u := base.JoinPath("dial", "address", host, container, port)
	conn, err := proxy.DialURL(ctx, u, transport)
	if err != nil {
		return nil, err
	}
	through, err := switchProtocol(ctx, conn, u)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return through, nil
}

// switchProtocol asks the agent to pass the connection on.
func switchProtocol(ctx context.Context, conn net.Conn, u *url.URL) (net.Conn, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "tcp")
	if err := r.Write(conn); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, r) //nolint:bodyclose // after 101 the body is the connection
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return nil, errors.New(string(text))
	}
	return bufferedConn{conn, reader}, nil
}

// bufferedConn is a connection of which some was read already.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

// Read implements net.Conn.
func (c bufferedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }
