package gateway

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	metainternalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

const (
	acceptJSON     = "application/json"
	acceptProtobuf = "application/vnd.kubernetes.protobuf"
	acceptTable    = "application/json;as=Table;v=v1;g=meta.k8s.io"
)

// compared are skep's handler and kube-apiserver's over the same Pods, each behind TLS and HTTP/2.
type compared struct {
	skep, peer string
	plain      *http.Client // asks for no compression
	zipped     *http.Client // as client-go does
}

func compare(tb testing.TB, kept *encodings, objects ...runtime.Object) compared {
	tb.Helper()
	usual := metainternalscheme.Codecs
	peer := rig(tb, nil, objects...)
	skep := rig(tb, kept, objects...)
	ours := metainternalscheme.Codecs
	serve := func(h http.Handler, tables serializer.CodecFactory) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			metainternalscheme.Codecs = tables // one for the process; the client asks one at a time
			h.ServeHTTP(w, r)
		}))
		s.EnableHTTP2 = true
		s.StartTLS()
		tb.Cleanup(s.Close)
		return s.URL
	}
	client := func(compress bool) *http.Client {
		return &http.Client{Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // our own
			ForceAttemptHTTP2: true, DisableCompression: !compress,
		}}
	}
	c := compared{
		skep:  serve(skep, ours),
		peer:  serve(peer, usual),
		plain: client(false), zipped: client(true),
	}
	c.wait(tb)
	return c
}

// wait returns once the watch caches are filled.
func (c compared) wait(tb testing.TB) {
	tb.Helper()
	for _, path := range []string{"/api/v1/pods", "/api/v1/secrets", "/apis/apps/v1/deployments"} {
		for _, at := range []string{c.skep, c.peer} {
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				answer, err := c.plain.Get(at + path + "?resourceVersion=0&labelSelector=none%3Dhere") // not a limit: that goes to the store
				if err != nil {
					tb.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					break
				}
				if time.Now().After(deadline) {
					tb.Fatal(answer.Status)
				}
			}
		}
	}
}

func fetch(tb testing.TB, c *http.Client, at, path, accept string) []byte {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, at+path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	answer, err := c.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %s %v: %.500s", path, answer.Status, err, data)
	}
	return data
}

// BenchmarkListServed asks for lists by turns, over TLS and HTTP/2, and tells the medians: what one request of
// kube-apiserver's own handlers takes over a store in memory, and what one of skep's does.
func BenchmarkListServed(b *testing.B) {
	c := compare(b, newEncodings(encodingsBound), somePods(b, 10_000)...)
	for _, w := range []struct{ name, path, accept string }{
		{"json", "/api/v1/pods", acceptJSON},
		{"table", "/api/v1/pods", acceptTable},
		{"protobuf", "/api/v1/pods", acceptProtobuf},
		{"page-json", "/api/v1/pods?limit=500", acceptJSON},
		{"page-table", "/api/v1/pods?limit=500", acceptTable},
		{"page-protobuf", "/api/v1/pods?limit=500", acceptProtobuf},
		{"label-json", "/api/v1/pods?labelSelector=pick%3Dyes", acceptJSON},
		{"get-json", "/api/v1/namespaces/default/pods/web-000-0000000000-00000?resourceVersion=0", acceptJSON},
	} {
		for _, zip := range []bool{false, true} {
			name, client := w.name+"/plain", c.plain
			if zip {
				name, client = w.name+"/gzip", c.zipped
			}
			b.Run(name, func(b *testing.B) {
				var peer, skep []time.Duration
				for b.Loop() {
					peer = append(peer, timed(b, client, c.peer, w.path, w.accept))
					skep = append(skep, timed(b, client, c.skep, w.path, w.accept))
				}
				slices.Sort(peer)
				slices.Sort(skep)
				p, s := peer[len(peer)/2], skep[len(skep)/2]
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(p)/1e6, "peer-p50-ms")
				b.ReportMetric(float64(s)/1e6, "skep-p50-ms")
				b.ReportMetric(float64(skep[len(skep)*99/100])/float64(peer[len(peer)*99/100]), "p99-ratio")
				b.ReportMetric(float64(s)/float64(p), "p50-ratio")
			})
		}
	}
}

func timed(b *testing.B, c *http.Client, at, path, accept string) time.Duration {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, at+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	began := time.Now()
	answer, err := c.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		b.Fatal(answer.Status, err)
	}
	return time.Since(began)
}

// What clients are told is the same to the byte, whatever they ask for, and asking again changes nothing.
func TestServedListsAreTheSame(t *testing.T) {
	kept := newEncodings(encodingsBound)
	c := compare(t, kept, append(somePods(t, 550), someDeployments(t, 30)...)...)
	for _, path := range []string{
		"/api/v1/pods", "/api/v1/pods?limit=500", "/api/v1/namespaces/default/pods?limit=7&resourceVersion=0", "/api/v1/namespaces/none/pods",
		"/api/v1/pods?labelSelector=pick%3Dyes", "/api/v1/pods?pretty=true", "/apis/apps/v1/deployments", "/api/v1/secrets",
		"/api/v1/namespaces/default/pods/web-000-0000000000-00000?resourceVersion=0", "/api/v1/pods?includeObject=Object", "/api/v1/pods?includeObject=None",
	} {
		for _, accept := range []string{
			acceptJSON, acceptProtobuf, "application/yaml", acceptTable, "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
			"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", acceptProtobuf + ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
		} {
			if strings.Contains(accept, "Metadata") && strings.Contains(path, "pods/web") {
				continue // not a list
			}
			want := fetch(t, c.zipped, c.peer, path, accept) // no Pod is so young that its age changes meanwhile
			for range 3 {
				if got := fetch(t, c.zipped, c.skep, path, accept); !bytes.Equal(got, want) {
					t.Fatalf("%s as %s: %d bytes, want %d\n%.300s\n%.300s", path, accept, len(got), len(want), got, want)
				}
			}
		}
	}
	if kept.bytes == 0 {
		t.Error("nothing was kept")
	}
}

// The pages of a list together are the list.
func TestPagesAreTheList(t *testing.T) {
	c := compare(t, newEncodings(encodingsBound), somePods(t, 1200)...)
	names, path, next := map[string]bool{}, "/api/v1/pods?limit=500", ""
	for pages := 0; pages == 0 || next != ""; pages++ {
		var page metav1.PartialObjectMetadataList
		at := path + "&continue=" + url.QueryEscape(next)
		got := fetch(t, c.zipped, c.skep, at, acceptJSON)
		if want := fetch(t, c.zipped, c.peer, at, acceptJSON); string(got) != string(want) {
			t.Fatalf("page %d differs", pages)
		}
		if err := json.Unmarshal(got, &page); err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			names[item.Name] = true
		}
		next = page.Continue
	}
	if len(names) != 1200 {
		t.Errorf("%d Pods in the pages", len(names))
	}
}
