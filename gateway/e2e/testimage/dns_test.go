package main

import (
	"bufio"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// A name that is known has its address, every other is refused at once, over UDP and TCP.
func TestDNS(t *testing.T) {
	t.Parallel()
	server := program(t, "dns", "--listen", "127.0.0.1:0", "--answer", "Here.Test=192.0.2.7")
	out, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := strings.Fields(line)[1]
	for _, network := range []string{"udp", "tcp"} {
		resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}}
		for range 2 {
			got, err := resolver.LookupHost(t.Context(), "here.test.")
			if err != nil || !slices.Equal(got, []string{"192.0.2.7"}) {
				t.Errorf("%s: %v, %v", network, got, err)
			}
		}
		begin := time.Now()
		_, err := resolver.LookupHost(t.Context(), "gone.test.")
		if no := (*net.DNSError)(nil); !errors.As(err, &no) || !no.IsNotFound || time.Since(begin) > time.Second {
			t.Errorf("%s: after %v: %v", network, time.Since(begin), err)
		}
	}
	for _, wrong := range []string{"here", "=192.0.2.7", "here=nowhere", "here=::1"} {
		output(t, usageError, "dns", "--answer", wrong)
	}
}

// What is no question has no answer.
func TestDNSNonsense(t *testing.T) {
	t.Parallel()
	for _, query := range [][]byte{nil, []byte("nonsense"), make([]byte, 12)} {
		if reply, err := (names{}).answer(query); err == nil {
			t.Errorf("%q is answered %q", query, reply)
		}
	}
}
