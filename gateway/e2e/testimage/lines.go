package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// answer is what a line or a datagram is answered with.
func answer(text string) string { return hostname() + " " + strings.TrimRight(text, "\r\n") + "\n" }

// tcpEcho answers each line.
type tcpEcho struct {
	addr string

	mu       sync.Mutex
	closed   bool
	listener net.Listener
	open     map[net.Conn]bool
	done     sync.WaitGroup
}

func (e *tcpEcho) serve() error {
	listener, err := net.Listen("tcp", e.addr)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.listener, e.open = listener, map[net.Conn]bool{}
	e.mu.Unlock()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		if !e.track(conn) {
			_ = conn.Close() // too late
			continue
		}
		go e.answer(conn)
	}
}

// track notes a connection, unless nothing is accepted any more.
func (e *tcpEcho) track(conn net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.open[conn] = true
	e.done.Add(1)
	return true
}

func (e *tcpEcho) answer(conn net.Conn) {
	defer func() {
		e.mu.Lock()
		delete(e.open, conn)
		e.mu.Unlock()
		_ = conn.Close()
		e.done.Done()
	}()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if _, err := conn.Write([]byte(answer(lines.Text()))); err != nil {
			return
		}
	}
}

// shutdown answers the lines that are in, and closes.
func (e *tcpEcho) shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	if e.listener != nil {
		_ = e.listener.Close()
	}
	for conn := range e.open {
		_ = conn.SetReadDeadline(time.Now())
	}
	e.mu.Unlock()
	done := make(chan struct{})
	go func() {
		e.done.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("tcp %s: %w", e.addr, ctx.Err())
	}
}

// udpEcho answers each datagram.
type udpEcho struct {
	addr string

	mu   sync.Mutex
	conn net.PacketConn
}

func (e *udpEcho) serve() error {
	conn, err := net.ListenPacket("udp", e.addr)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.conn = conn
	e.mu.Unlock()
	for buffer := make([]byte, 65535); ; {
		n, from, err := conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		_, _ = conn.WriteTo([]byte(answer(string(buffer[:n]))), from) // may be lost on the way as well
	}
}

func (e *udpEcho) shutdown(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == nil {
		return nil
	}
	return e.conn.Close()
}
