package gateway

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// frontFor is the front before a handler; it registers metrics, which can be done once only.
var frontFor = func() func(api http.HandlerFunc) http.Handler {
	var once sync.Once
	var inner http.HandlerFunc
	var engine http.Handler
	return func(api http.HandlerFunc) http.Handler {
		once.Do(func() {
			engine = front(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner(w, r) }))
		})
		inner = api
		return engine
	}
}()

func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Kubernetes' answers come through as they are: gin's own idea of an unknown route does not show.
func TestFrontPassesThrough(t *testing.T) {
	h := frontFor(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path)
	})
	for path, code := range map[string]int{"/api/v1/pods": 200, "/missing": 404, "/": 200, "/apis//x/": 200} {
		w := ask(h, "GET", path)
		if w.Code != code || w.Body.String() != "GET "+path {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: headers %v", path, w.Header())
		}
	}
	if w := ask(h, "PATCH", "/"); w.Body.String() != "PATCH /" {
		t.Errorf("PATCH /: %d %q", w.Code, w.Body)
	}
	empty := frontFor(func(http.ResponseWriter, *http.Request) {})
	if w := ask(empty, "DELETE", "/x"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("an answer without a body: %d %q", w.Code, w.Body)
	}
}

func TestFrontPage(t *testing.T) {
	h := frontFor(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	w := ask(h, "GET", "/", "Accept", "text/html,*/*")
	if !strings.Contains(w.Body.String(), "skep kubeconfig") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("a browser sees %q", w.Body)
	}
}

func TestFrontRequestID(t *testing.T) {
	h := frontFor(func(http.ResponseWriter, *http.Request) {})
	if got := ask(h, "GET", "/x", "X-Request-Id", "abc-1").Header().Get("X-Request-Id"); got != "abc-1" {
		t.Errorf("a client's id becomes %q", got)
	}
	for _, bad := range []string{"two words", strings.Repeat("x", 65), "line\nbreak"} {
		if got := ask(h, "GET", "/x", "X-Request-Id", bad).Header().Get("X-Request-Id"); got == bad || len(got) != 16 {
			t.Errorf("%q becomes %q", bad, got)
		}
	}
}

func TestFrontLimitsBodies(t *testing.T) {
	var err error
	h := frontFor(func(_ http.ResponseWriter, r *http.Request) { _, err = io.Copy(io.Discard, r.Body) })
	for size, fits := range map[int]bool{maxBody: true, maxBody + 1: false} {
		r := httptest.NewRequest("POST", "/x", strings.NewReader(strings.Repeat("x", size)))
		h.ServeHTTP(httptest.NewRecorder(), r)
		if (err == nil) != fits {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Large answers are compressed, small ones and watches are not; what comes out is what went in.
func TestFrontCompresses(t *testing.T) {
	body := strings.Repeat("kubernetes ", compressLeast/8)
	h := frontFor(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Error("the API server would compress as well")
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/small" {
			_, _ = io.WriteString(w, "small")
			return
		}
		_, _ = io.WriteString(w, body)
	})
	w := ask(h, "GET", "/large", "Accept-Encoding", "gzip")
	if w.Header().Get("Content-Encoding") != "gzip" || w.Body.Len() > len(body)/10 {
		t.Fatalf("%d of %d bytes, %v", w.Body.Len(), len(body), w.Header())
	}
	unzip, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(unzip); err != nil || string(got) != body {
		t.Errorf("%d bytes come out, %v", len(got), err)
	}
	for _, path := range []string{"/small", "/large?watch=true", "/api/v1/namespaces/a/pods/b/log"} {
		if got := ask(h, "GET", path, "Accept-Encoding", "gzip").Header().Get("Content-Encoding"); got != "" {
			t.Errorf("%s is compressed by %s", path, got)
		}
	}
	if got := ask(h, "GET", "/large").Header().Get("Content-Encoding"); got != "" {
		t.Errorf("compressed by %s for a client that did not ask", got)
	}
}

// A panic is an answer, and the server lives on; what net/http itself uses to end a connection stays one.
func TestFrontRecovers(t *testing.T) {
	h := frontFor(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		panic("boom")
	})
	if w := ask(h, "GET", "/x"); w.Code != 500 || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	defer func() {
		if recover() == nil {
			t.Error("an abort was swallowed")
		}
	}()
	ask(h, "GET", "/abort")
}
