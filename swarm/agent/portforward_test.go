package agent_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// session is what upstream's dialer wants for a session.
func (s *stage) session(t *testing.T, id string) (spdy.Upgrader, *http.Client, string, *url.URL) {
	t.Helper()
	transport, upgrader, err := spdy.RoundTripperFor(s.client())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.url + "/portForward/default/pod/" + id)
	if err != nil {
		t.Fatal(err)
	}
	return upgrader, &http.Client{Transport: transport}, "POST", u
}

// forward is kubectl port-forward, to one port: where it listens, its end, and how to make that come.
func (s *stage) forward(t *testing.T, id string, port int) (addr string, ended chan error, stop func()) {
	t.Helper()
	stopped, ready := make(chan struct{}), make(chan struct{})
	f, err := portforward.NewOnAddresses(spdy.NewDialer(s.session(t, id)), []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, stopped, ready, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() { close(stopped) })
	t.Cleanup(stop)
	ended = make(chan error, 1)
	go func() { ended <- f.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	ports, err := f.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local), ended, stop
}

// refusal is what a client is told of a connection that cannot be made.
func (s *stage) refusal(t *testing.T, id string, port int) string {
	t.Helper()
	conn, _, err := spdy.NewDialer(s.session(t, id)).Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // of a test
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	failed, err := conn.CreateStream(headers)
	if err != nil {
		t.Fatal(err)
	}
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	if _, err := conn.CreateStream(headers); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(failed)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// send sends something, then its end, and reads all that comes back.
func send(addr string, r io.Reader) ([]byte, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // of a test
	go func() {
		_, _ = io.Copy(c, r)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	return io.ReadAll(c)
}

// serving is a container with the test's server, which says a word.
func (s *stage) serving(t *testing.T, word string, mode container.NetworkMode) string {
	t.Helper()
	id := s.run(t, func(c *container.Config, h *container.HostConfig) {
		c.Image, h.NetworkMode = testImage, mode
	}, "/testserver", word)
	eventually(t, "the server in the container listens", func() bool { return strings.Contains(s.log(t, id), "ready") })
	return id
}

func (s *stage) log(t *testing.T, id string) string {
	t.Helper()
	_, text := s.do(t, "GET", "/containerLogs/default/pod/"+id, "")
	return text
}

func TestForwardMany(t *testing.T) {
	s := newStage(t)
	id := s.serving(t, "", "")
	addr, _, stop := s.forward(t, id, 7007)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			data := make([]byte, 300000+i)
			rand.New(rand.NewSource(int64(i))).Read(data)
			got, err := send(addr, bytes.NewReader(data))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("connection %d: %d bytes came back of %d, or others (%v)", i, len(got), len(data), err)
			}
		})
	}
	all.Wait()
	if n := s.helpers(t, id); n != 1 {
		t.Errorf("%d helpers for one session", n)
	}
	stop()
	eventually(t, "the helper is gone", func() bool { return s.helpers(t, id) == 0 })
}

// A server that answers when its client has said all needs to be told so.
func TestForwardHalfClose(t *testing.T) {
	s := newStage(t)
	addr, _, _ := s.forward(t, s.serving(t, "", ""), 7008)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	got, err := send(addr, bytes.NewReader(data))
	if want := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || string(got) != want {
		t.Errorf("%q came back, not %q (%v)", got, want, err)
	}
}

func TestForwardRefused(t *testing.T) {
	s := newStage(t)
	if got := s.refusal(t, s.idle(t), 81); !strings.Contains(got, "failed to connect to localhost:81: dial tcp 127.0.0.1:81: connect: connection refused") {
		t.Errorf("of a port where nobody listens the client is told %q", got)
	}
}

func TestForwardHostNetwork(t *testing.T) {
	s := newStage(t)
	id := s.serving(t, "the node", "host")
	addr, _, _ := s.forward(t, id, 7009)
	if got, err := send(addr, strings.NewReader("")); string(got) != "the node" {
		t.Errorf("%q came from the node's loopback (%v)", got, err)
	}
}

// A container of a sandboxed Pod has the network of the sandbox.
func TestForwardSharedNetwork(t *testing.T) {
	s := newStage(t)
	owner := s.serving(t, "the sandbox", "")
	id := s.run(t, func(_ *container.Config, h *container.HostConfig) {
		h.NetworkMode = container.NetworkMode("container:" + owner)
	},
		"sleep", "100000")
	addr, _, _ := s.forward(t, id, 7009)
	if got, err := send(addr, strings.NewReader("")); string(got) != "the sandbox" {
		t.Errorf("%q came from the shared loopback (%v)", got, err)
	}
}

func TestForwardDroppedClient(t *testing.T) {
	s := newStage(t)
	id := s.serving(t, "", "")
	direct := *s
	cut := s.through(t)
	addr, _, _ := s.forward(t, id, 7007)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // of a test
	answer := make([]byte, 4)
	if _, err := c.Write([]byte("here")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "here" {
		t.Fatalf("%q came back (%v)", answer, err)
	}
	cut()
	eventually(t, "the helper is gone", func() bool { return s.helpers(t, id) == 0 })
	eventually(t, "the connection in the container is gone", func() bool { return strings.Contains(direct.log(t, id), "closed") })
}

func TestForwardEndsWithContainer(t *testing.T) {
	s := newStage(t)
	id := s.serving(t, "", "")
	_, ended, _ := s.forward(t, id, 7007)
	eventually(t, "the helper is there", func() bool { return s.helpers(t, id) == 1 })
	if err := s.docker.ContainerKill(t.Context(), id, "KILL"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the session ended as if the client had wanted it")
	}
	eventually(t, "the helper is gone", func() bool { return s.helpers(t, id) == 0 })
}

func TestForwardWithoutImage(t *testing.T) {
	s := newStageOf(t, "skep-not-here:latest")
	if got := s.refusal(t, s.idle(t), 81); !strings.Contains(got, "node here has not the image skep-not-here:latest") {
		t.Errorf("the client is told %q", got)
	}
}
