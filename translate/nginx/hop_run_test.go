package nginx

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// replica serves the port on an address of its own until it is stopped, as a Pod is.
func replica(t *testing.T, ip string, port int32, h http.Handler) *http.Server {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", ip, port))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func answers(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, text)
	})
}

func (s *site) serve(b Backend) *process {
	s.config.Servers = []Server{{Host: "a.example", Locations: []Location{{Path: "/", Match: Prefix, Backend: b}}}}
	return s.start()
}

// tally counts answers.
type tally struct {
	lock sync.Mutex
	seen map[string]int
}

func (c *tally) add(what string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[what]++
}

// press asks with a method from some clients at once until it is stopped.
func (s *site) press(method string) (stop func() map[string]int) {
	var c tally
	var ended atomic.Bool
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			client := s.client()
			client.Transport.(*http.Transport).DisableKeepAlives = false
			defer client.CloseIdleConnections()
			for !ended.Load() {
				req, err := http.NewRequest(method, "http://a.example/", strings.NewReader("x"))
				if err != nil {
					c.add(err.Error())
					continue
				}
				resp, err := client.Do(req)
				if err != nil {
					c.add(err.Error())
					continue
				}
				body, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					body = []byte(resp.Status)
				}
				c.add(string(body))
			}
		})
	}
	return func() map[string]int {
		ended.Store(true)
		clients.Wait()
		return c.seen
	}
}

// TestHopReplaced moves a backend to another address while connections to the old one are kept, and while it is asked.
func TestHopReplaced(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			s := newSite(t)
			s.dns.set("tasks.backend", "127.0.0.2")
			b := Backend{Targets: []Target{{"tasks.backend", freePort(t), 1}}}
			old := replica(t, "127.0.0.2", b.Targets[0].Port, answers("127.0.0.2"))
			s.serve(b)
			stop := s.press(method)
			for i := 3; i < 5; i++ {
				time.Sleep(100 * time.Millisecond)
				ip := fmt.Sprintf("127.0.0.%d", i)
				next := replica(t, ip, b.Targets[0].Port, answers(ip))
				s.dns.set("tasks.backend", ip)
				time.Sleep(2200 * time.Millisecond) // "valid=1s" is nearly two: nginx counts whole seconds
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if err := old.Shutdown(ctx); err != nil {
					t.Error(err)
				}
				cancel()
				old = next
			}
			seen := stop()
			for answer := range seen {
				if !strings.HasPrefix(answer, "127.0.0.") {
					t.Errorf("%s: %v", method, seen)
				}
			}
		})
	}
}

// TestHopIdle lets a backend go away while nothing is asked.
func TestHopIdle(t *testing.T) {
	s := newSite(t)
	server := httptest.NewServer(answers("old"))
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	s.serve(s.named(server.Listener.Addr()))
	for range 20 {
		s.expect("http://a.example/", "old")
	}
	l, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	next := httptest.NewUnstartedServer(answers("new"))
	next.Listener = l
	next.Start()
	defer next.Close()
	s.dns.set("tasks.backend", "127.0.0.2", "127.0.0.1") // the old one refuses
	server.CloseClientConnections()
	server.Close()
	for range 20 {
		s.expect("http://a.example/", "new")
	}
}

// quit sends SIGQUIT, and returns how long nginx takes to end.
func (p *process) quit(t *testing.T) (wait func() time.Duration) {
	t.Helper()
	start := time.Now()
	if err := p.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	return func() time.Duration {
		select {
		case <-p.done:
		case <-time.After(10 * time.Second):
			t.Error("nginx does not end")
		}
		return time.Since(start)
	}
}

// TestHopQuit ends nginx with kept connections in it: to itself, to the backend and from a client.
func TestHopQuit(t *testing.T) {
	s := newSite(t)
	p := s.serve(s.backend("web"))
	client := s.client()
	client.Transport.(*http.Transport).DisableKeepAlives = false
	for range 10 {
		resp, err := client.Get("http://a.example/")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if took := p.quit(t)(); took > 5*time.Second { // not after the minute that connections may take
		t.Errorf("nginx took %s to end", took)
	} else {
		t.Log(took)
	}
}

// TestHopQuitUpload has requests without a backend yet when nginx is to end: its hops are gone when they are to be passed.
func TestHopQuitUpload(t *testing.T) {
	s := newSite(t)
	p := s.serve(s.backend("web"))
	var uploads sync.WaitGroup
	began := make(chan struct{}, 2)
	for _, method := range []string{"PUT", "POST"} {
		in, out := io.Pipe()
		uploads.Go(func() {
			req, err := http.NewRequest(method, "http://a.example/x", in)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := s.client().Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if body, _ := io.ReadAll(resp.Body); !strings.HasPrefix(string(body), "web /x") {
				t.Errorf("%s: %s %s", method, resp.Status, body)
			}
		})
		uploads.Go(func() {
			_, _ = io.WriteString(out, "one")
			began <- struct{}{}
			time.Sleep(500 * time.Millisecond)
			_, _ = io.WriteString(out, "two")
			_ = out.Close()
		})
	}
	<-began
	<-began
	time.Sleep(100 * time.Millisecond)
	wait := p.quit(t)
	uploads.Wait()
	if took := wait(); took > 2*time.Second {
		t.Errorf("nginx took %s to end", took)
	}
	if !strings.Contains(p.String(), "connect() to unix:") {
		t.Error("the hop was still there")
	}
}

// TestAccessLog has the log written soon, though not at once.
func TestAccessLog(t *testing.T) {
	s := newSite(t)
	p := s.serve(s.backend("web"))
	s.expect("http://a.example/seen", "web")
	for start := time.Now(); !strings.Contains(p.String(), "GET /seen"); time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > 3*time.Second {
			t.Fatalf("nothing but %q", p.String())
		}
	}
}
