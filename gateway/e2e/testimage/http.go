package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// hostHeader tells in every answer who gave it; the load command counts by it.
const hostHeader = "X-Hostname"

// routes are found by the last element of a path: an Ingress hands on the whole path, so /web/echo is echo as well.
// Every other path answers the host name and the environment.
var routes = map[string]func(*behaviour, http.ResponseWriter, *http.Request){
	"echo":   (*behaviour).echo,
	"delay":  (*behaviour).delay,
	"status": (*behaviour).status,
	"readyz": (*behaviour).readyz,
	"ws":     (*behaviour).websocket,
}

type httpServer struct{ http.Server }

func (s *httpServer) serve() error {
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// shutdown does not wait for websockets: they are no requests any more.
func (s *httpServer) shutdown(ctx context.Context) error { return s.Shutdown(ctx) }

func (b *behaviour) http(port int) *httpServer {
	return &httpServer{http.Server{
		Addr:              fmt.Sprintf(":%d", port),
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           b.handler(port),
	}}
}

func (b *behaviour) handler(port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(hostHeader, hostname())
		if b.ending.Load() {
			// Closing idle connections instead would cross with requests that are on their way in them.
			w.Header().Set("Connection", "close")
		}
		if b.page != "" {
			fmt.Fprint(w, b.page)
			return
		}
		if answer, known := routes[path.Base(r.URL.Path)]; known {
			answer(b, w, r)
			return
		}
		fmt.Fprintf(w, "hostname=%s\nport=%d\n%s\n", hostname(), port, strings.Join(os.Environ(), "\n"))
	})
}

func hostname() string {
	host, _ := os.Hostname() // an empty name says enough
	return host
}

// echoed is the JSON answer of /echo.
type echoed struct {
	Hostname  string      `json:"hostname"`
	Method    string      `json:"method"`
	Path      string      `json:"path"`
	Query     string      `json:"query"`
	Host      string      `json:"host"`
	Headers   http.Header `json:"headers"`
	Remote    string      `json:"remote"` // ADDRESS:PORT
	Protocol  string      `json:"protocol"`
	BodyBytes int64       `json:"bodyBytes"`
}

func (b *behaviour) echo(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(echoed{ // an error means that the client has gone
		Hostname: hostname(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Host: r.Host,
		Headers: r.Header, Remote: r.RemoteAddr, Protocol: r.Proto, BodyBytes: n,
	})
}

// number is the query's value of that name, or an answer that says what is wrong with it.
func number(w http.ResponseWriter, r *http.Request, name string, from, to int) (int, bool) {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < from || n > to {
		http.Error(w, fmt.Sprintf("%s: want a number from %d to %d", name, from, to), http.StatusBadRequest)
		return 0, false
	}
	return n, true
}

// delay answers /delay?ms=N after N milliseconds.
func (b *behaviour) delay(w http.ResponseWriter, r *http.Request) {
	ms, ok := number(w, r, "ms", 0, 3_600_000)
	if !ok {
		return
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		fmt.Fprintf(w, "hostname=%s\n", hostname())
	case <-r.Context().Done():
	}
}

// status answers /status?code=N with that code.
func (b *behaviour) status(w http.ResponseWriter, r *http.Request) {
	if code, ok := number(w, r, "code", 200, 599); ok {
		w.WriteHeader(code)
	}
}

func (b *behaviour) readyz(w http.ResponseWriter, _ *http.Request) {
	if left := b.readyAfter - time.Since(b.started); left > 0 {
		http.Error(w, fmt.Sprintf("ready in %v", left), http.StatusServiceUnavailable)
		return
	}
	if b.readyFile != "" {
		if _, err := os.Stat(b.readyFile); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}
