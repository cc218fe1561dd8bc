package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// failing answers every tenth request with 503, and cuts every tenth off.
func failing(t *testing.T) (url string, connections *atomic.Int32) {
	t.Helper()
	var n atomic.Int32
	connections = new(atomic.Int32)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(hostHeader, r.Host)
		switch n.Add(1) % 10 {
		case 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 7:
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusOK)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, connections
}

func TestLoad(t *testing.T) {
	t.Parallel()
	url, _ := failing(t)
	l := load{url: url, host: "example.com", count: 100, workers: 4, timeout: 5 * time.Second}
	r := l.run(t.Context())
	if r.Sent != 100 || r.OK != 80 || r.Failed != 20 {
		t.Error(r.json())
	}
	if r.Errors["503 Service Unavailable"] != 10 || r.Errors["body: unexpected EOF"] != 10 || r.Hosts["example.com"] != 100 {
		t.Error(r.json())
	}
	if r.P50 <= 0 || r.P50 > r.P90 || r.P90 > r.P99 || r.P99 > r.Max || r.PerSecond <= 0 {
		t.Error(r.json())
	}
}

func TestLoadRate(t *testing.T) {
	t.Parallel()
	url, _ := failing(t)
	l := load{url: url, rate: 100, count: 31, workers: 4, timeout: 5 * time.Second}
	if r := l.run(t.Context()); r.Seconds < 0.3 || r.Seconds > 3 {
		t.Error(r.json())
	}
	l = load{url: url, rate: 0.1, workers: 4, timeout: 5 * time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if r := l.run(ctx); r.Sent != 1 || r.Seconds > 3 {
		t.Error(r.json())
	}
}

// Certificates are not what is tested, so they may be anyone's.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer((&behaviour{}).handler(443))
	defer s.Close()
	l := load{url: s.URL, host: "example.com", count: 4, workers: 2, timeout: 5 * time.Second, insecure: true}
	if r := l.run(t.Context()); r.OK != 4 || r.Hosts[hostname()] != 4 {
		t.Error(r.json())
	}
	l.insecure = false
	if r := l.run(t.Context()); r.Failed != 4 {
		t.Error(r.json())
	}
	args := []string{"ws", "--host", "example.com", "wss" + strings.TrimPrefix(s.URL, "https") + "/ws", "hello"}
	if got := output(t, 0, args...); got != hostname()+" hello\n" {
		t.Errorf("%q", got)
	}
}

func TestLoadConnections(t *testing.T) {
	t.Parallel()
	url, connections := failing(t)
	l := load{url: url, count: 40, workers: 4, timeout: 5 * time.Second, newConnections: true}
	if l.run(t.Context()); connections.Load() != 40 {
		t.Errorf("%d connections", connections.Load())
	}
}

// Errors are told apart by what they are, not by ports that differ each time.
func TestLoadErrors(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	addr := "127.0.0.1:" + freePort(t)
	for url, want := range map[string]string{
		"http://" + addr: "dial " + addr + ": connect: connection refused",
		s.URL:            "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
	} {
		l := load{url: url, count: 4, workers: 2, timeout: 300 * time.Millisecond}
		if r := l.run(t.Context()); len(r.Errors) != 1 || r.Errors[want] != 4 || len(r.Hosts) != 0 {
			t.Error(r.json())
		}
	}
	for want, err := range map[string]error{
		"look up web: no such host": &net.DNSError{Name: "web", Err: "no such host", IsNotFound: true},
		"look up web: timeout":      &net.DNSError{Name: "web", Err: "read udp 10.0.0.3:41234: i/o timeout", IsTimeout: true},
	} {
		if got := plain(&net.OpError{Op: "dial", Err: err}).Error(); got != want {
			t.Error(got)
		}
	}
}

func TestLoadCommand(t *testing.T) {
	t.Parallel()
	url, _ := failing(t)
	file := filepath.Join(t.TempDir(), "stop")
	go func() {
		time.Sleep(200 * time.Millisecond)
		_ = os.WriteFile(file, nil, 0o600)
	}()
	var r report
	if err := json.Unmarshal([]byte(output(t, 1, "load", "--url", url, "--rate", "200", "--until-file", file)), &r); err != nil {
		t.Fatal(err)
	}
	if r.Failed == 0 || r.OK < r.Failed {
		t.Error(r.json())
	}
	output(t, 2, "load")
}

func TestReport(t *testing.T) {
	r := newReport()
	for n := range 200 {
		r.add("a", time.Duration(n+1)*time.Millisecond, nil)
	}
	for _, text := range []string{"1", "2", "3", "4", "5", "6", "7", "5"} {
		r.add("", 0, &net.AddrError{Err: text})
	}
	r.end()
	if r.P50 != 100 || r.P90 != 180 || r.P99 != 198 || r.Max != 200 {
		t.Error(r.json())
	}
	if len(r.Errors) != 6 || r.Errors["5"] != 2 || r.Errors[otherError] != 2 {
		t.Error(r.json())
	}
}
