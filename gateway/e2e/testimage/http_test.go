package main

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRoutes(t *testing.T) {
	t.Setenv("VERSION", "v7")
	b := &behaviour{}
	for _, test := range []struct {
		method, url, body string
		status            int
		says              string
	}{
		{"GET", "/", "", 200, "VERSION=v7"},
		{"GET", "/any/where", "", 200, "hostname=" + hostname()},
		{"GET", "/web/status?code=503", "", 503, ""},
		{"GET", "/status?code=99", "", 400, "code: want a number from 200 to 599"},
		{"GET", "/delay?ms=1", "", 200, "hostname="},
		{"GET", "/delay?ms=x", "", 400, "ms: want a number"},
		{"GET", "/readyz", "", 200, "ok"},
		{"GET", "/ws", "", 426, "handshake"},
		{"POST", "/web/echo?a=b", "12345", 200, `"query":"a=b"`},
	} {
		w := httptest.NewRecorder()
		b.handler(80).ServeHTTP(w, httptest.NewRequest(test.method, test.url, strings.NewReader(test.body)))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s: %d %s", test.url, w.Code, w.Body)
		}
		if w.Header().Get(hostHeader) != hostname() {
			t.Errorf("%s: no host name", test.url)
		}
	}
}

func TestEcho(t *testing.T) {
	r := httptest.NewRequest("PUT", "http://example.com/web/echo?a=b", strings.NewReader("12345"))
	r.Header.Set("X-Forwarded-For", "10.1.2.3")
	w := httptest.NewRecorder()
	(&behaviour{}).handler(80).ServeHTTP(w, r)
	var got echoed
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "PUT" || got.Path != "/web/echo" || got.Query != "a=b" || got.Host != "example.com" ||
		got.Headers.Get("X-Forwarded-For") != "10.1.2.3" || got.Remote != r.RemoteAddr || got.Protocol != "HTTP/1.1" || got.BodyBytes != 5 {
		t.Errorf("%+v", got)
	}
}

// The stand-in for nginx has one page, whatever the path.
func TestPage(t *testing.T) {
	w := httptest.NewRecorder()
	(&behaviour{page: welcome}).handler(80).ServeHTTP(w, httptest.NewRequest("GET", "/echo", nil))
	if w.Body.String() != welcome {
		t.Error(w.Body)
	}
}
