package scale

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"

	"skep/gateway/bench"
)

func TestProxy(t *testing.T) {
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, "engine"))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	engine := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, r.URL.String())
	})}
	go func() { _ = engine.Serve(listener) }()
	defer func() { _ = engine.Close() }()
	p, err := startProxy(filepath.Join(dir, "proxy"), filepath.Join(dir, "engine"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.close() }()
	client := bench.NewEngineClient(p.Socket)
	for _, path := range []string{"/_ping", "/v1.41/tasks?filters=x", "/tasks", "/services/abc"} {
		answer, err := client.Do(t.Context(), bench.Request{Method: http.MethodGet, Path: path})
		if err != nil || string(answer.Body) != path {
			t.Errorf("%s: got %q, %v", path, answer.Body, err)
		}
	}
	if all, polls, what := p.counts(); all != 4 || polls != 2 || what != "1 GET /_ping, 1 GET /services/abc, 2 GET /tasks" {
		t.Errorf("got %d, %d, %q", all, polls, what)
	}
	if err := p.repeat(t.Context()); err != nil || asked.Load() != 8 {
		t.Errorf("asked once more, the engine has had %d requests, %v", asked.Load(), err)
	}
}
