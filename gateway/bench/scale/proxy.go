package scale

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"

	"skep/gateway/bench"
)

// proxy stands before a Docker Engine's socket and counts what is asked.
type proxy struct {
	Socket string
	engine string
	server *http.Server

	mu    sync.Mutex
	asked map[string]int // "GET /tasks"
	reads []string       // the paths of what only reads, with their queries
}

func startProxy(socket, engine string) (*proxy, error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", engine)
	}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport:     &http.Transport{DialContext: dial, DisableCompression: true},
		FlushInterval: -1, // events are to pass at once
	}
	p := &proxy{Socket: socket, engine: engine, asked: map[string]int{}}
	p.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.count(r)
		forward.ServeHTTP(w, r)
	})}
	go func() { _ = p.server.Serve(listener) }() // until it is closed
	return p, nil
}

func (p *proxy) count(r *http.Request) {
	path := r.URL.Path
	if rest, versioned := strings.CutPrefix(path, "/v1."); versioned {
		_, rest, _ = strings.Cut(rest, "/")
		path = "/" + rest
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[r.Method+" "+path]++
	if r.Method == http.MethodGet {
		p.reads = append(p.reads, r.URL.RequestURI())
	}
}

// reset begins to count anew.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.asked)
	p.reads = nil
}

// repeat asks the Engine once more for all that was read.
func (p *proxy) repeat(ctx context.Context) error {
	p.mu.Lock()
	reads := slices.Clone(p.reads)
	p.mu.Unlock()
	client := bench.NewEngineClient(p.engine)
	defer client.Close()
	for _, path := range reads {
		if _, err := client.Do(ctx, bench.Request{Method: http.MethodGet, Path: path}); err != nil {
			return err
		}
	}
	return nil
}

// counts are the number of requests, of those that read tasks or whole collections, and a description of all.
func (p *proxy) counts() (all, polls int, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var parts []string
	for _, request := range slices.Sorted(maps.Keys(p.asked)) {
		n := p.asked[request]
		all += n
		if method, path, _ := strings.Cut(request, " "); method == http.MethodGet && strings.Count(path, "/") == 1 && path != "/_ping" {
			polls += n
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, request))
	}
	return all, polls, strings.Join(parts, ", ")
}

func (p *proxy) close() error { return p.server.Close() }
