// Package helper is what skep-agent does in a helper's container: what Docker's API cannot do from outside.
package helper

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-yamux/v5"
)

// MaxForwards is how many connections one session may have at a time.
const MaxForwards = 1000

// muxConfig is what both ends use. The one end notices by the keep-alive that the other is gone when Docker, in between,
// keeps the helper's input open: an Engine that lets containers live on while it restarts.
func muxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.KeepAliveInterval = time.Minute
	c.MeasureRTTInterval = time.Hour
	c.ConnectionWriteTimeout = time.Minute // a machine may be busy
	c.MaxIncomingStreams = MaxForwards
	c.MaxStreamWindowSize = 1 << 20
	c.LogOutput = io.Discard
	return c
}

// Forward serves connections to ports of this network namespace's loopback, which come in by conn, until that ends.
// Each is a stream: two bytes with the port, answered by a message (see Dial), then the connection's bytes.
func Forward(ctx context.Context, conn net.Conn) error {
	session, err := yamux.Server(conn, muxConfig(), nil)
	if err != nil {
		return err
	}
	defer session.Close() //nolint:errcheck // it is over
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	defer stop()
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return err
		}
		go serve(ctx, stream)
	}
}

// serve connects one stream. It ends when the target has nothing more to say, as port-forwarding clients do.
func serve(ctx context.Context, stream *yamux.Stream) {
	// What was written before a CloseWrite still arrives.
	defer stream.Reset() //nolint:errcheck // the other end has nothing to lose any more
	var port [2]byte
	if _, err := io.ReadFull(stream, port[:]); err != nil {
		return
	}
	target, err := dialLoopback(ctx, binary.BigEndian.Uint16(port[:]))
	if err != nil {
		_ = sendMessage(stream, err.Error())
		_ = stream.CloseWrite()
		return
	}
	defer target.Close() //nolint:errcheck // it is over
	if sendMessage(stream, "") != nil {
		return
	}
	go func() {
		if _, err := io.Copy(target, stream); err != nil {
			_ = target.Close() // the client is gone
			return
		}
		_ = target.CloseWrite()
	}()
	if _, err := io.Copy(stream, target); err == nil {
		_ = stream.CloseWrite()
	}
}

// dialLoopback tries IPv4 first, as the kubelet's runtimes do.
func dialLoopback(ctx context.Context, port uint16) (*net.TCPConn, error) {
	var dialer net.Dialer
	var failed []string
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
		if err == nil {
			return c.(*net.TCPConn), nil
		}
		failed = append(failed, err.Error())
	}
	return nil, fmt.Errorf("failed to connect to localhost:%d: %s", port, strings.Join(failed, ", "))
}

// Client is the other end's session with a Forward.
func Client(conn net.Conn) (*yamux.Session, error) { return yamux.Client(conn, muxConfig(), nil) }

// Dial connects to a port by way of a Forward. Its error is what the other end says.
func Dial(ctx context.Context, session *yamux.Session, port uint16) (*yamux.Stream, error) {
	stream, err := session.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.Reset() })
	defer stop()
	message, err := "", error(nil)
	if _, err = stream.Write(binary.BigEndian.AppendUint16(nil, port)); err == nil {
		message, err = receiveMessage(stream)
	}
	if err == nil && message != "" {
		err = errors.New(message)
	}
	if err != nil {
		_ = stream.Reset()
		return nil, err
	}
	return stream, nil
}

// A message is its length in two bytes, and its text. An empty one says that all is well.
func sendMessage(w io.Writer, text string) error {
	text = text[:min(len(text), 1<<12)]
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...))
	return err
}

func receiveMessage(r io.Reader) (string, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return "", err
	}
	text := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, text)
	return string(text), err
}
