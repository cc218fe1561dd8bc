package helper

import (
	"errors"
	"io"
	"net"
	"time"
)

// Conn makes a connection of a reader and a writer. It has no deadlines: who uses it ends it by Close, which calls closer.
func Conn(r io.Reader, w io.Writer, closer func() error) net.Conn {
	return &conn{Reader: r, Writer: w, closer: closer}
}

type conn struct {
	io.Reader
	io.Writer
	closer func() error
}

func (c *conn) Close() error                     { return c.closer() }
func (c *conn) LocalAddr() net.Addr              { return addr{} }
func (c *conn) RemoteAddr() net.Addr             { return addr{} }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

type addr struct{}

func (addr) Network() string { return "stdio" }
func (addr) String() string  { return "stdio" }

// Stdio is the connection that a helper has with its agent. Close closes what can be closed of it.
func Stdio(in io.ReadCloser, out io.WriteCloser) net.Conn {
	return Conn(in, out, func() error { return errors.Join(in.Close(), out.Close()) })
}
