package gateway

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/compose"
)

const sentFile = `services:
  web:
    image: nginx:1.25
    ports:
      - 8080:80
`

// send asks for a conversion.
func send(h http.Handler, query, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, convertPath+query, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// refused is the status that an answer must be.
func refused(t *testing.T, w *httptest.ResponseRecorder, code int) metav1.Status {
	t.Helper()
	var status metav1.Status
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || w.Code != code || status.Code != int32(code) || status.Kind != "Status" || status.Message == "" {
		t.Errorf("want %d: %d %v\n%s", code, w.Code, err, w.Body)
	}
	return status
}

func TestConvertStream(t *testing.T) {
	h := newConversions().handler()
	for _, kind := range []string{"application/yaml", "text/yaml; charset=utf-8", "", "application/x-www-form-urlencoded"} {
		w := send(h, "?stack=shop", sentFile, "Content-Type", kind)
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/yaml") || !strings.Contains(w.Body.String(), "kind: Deployment") ||
			!strings.Contains(w.Body.String(), "namespace: shop") {
			t.Errorf("%q: %d %v\n%s", kind, w.Code, w.Header(), w.Body)
		}
	}
}

func TestConvertForm(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, part := range [][3]string{
		{"file", "compose.yaml", sentFile}, {"file", `C:\x\prod.yaml`, "services: {web: {image: 'nginx:${TAG}'}}"}, {"env-file", ".env", "TAG=1.26\n"},
	} {
		w, err := form.CreateFormFile(part[0], part[1])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, part[2])
	}
	_ = form.Close()
	h := newConversions().handler()
	w := send(h, "", body.String(), "Content-Type", form.FormDataContentType())
	if w.Code != 200 || !strings.Contains(w.Body.String(), "nginx:1.26") {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
	refused(t, send(h, "", "--x--\r\n", "Content-Type", "multipart/form-data; boundary=x"), 400)
	refused(t, send(h, "", "--x\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\nabc\r\n--x--\r\n", "Content-Type", "multipart/form-data; boundary=x"), 400)
}

func TestConvertJSON(t *testing.T) {
	h := newConversions().handler()
	w := send(h, "?to=helm&report=markdown", sentFile+"    blkio_config: {weight: 300}\n", "Accept", "application/json")
	var all conversion
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || w.Code != 200 {
		t.Fatalf("%d %v\n%s", w.Code, err, w.Body)
	}
	if all.Files["Chart.yaml"] == "" || all.Files["values.yaml"] == "" || all.Report == "" || len(all.Findings) == 0 || all.Findings[0].Line != 6 {
		t.Errorf("%+v", all)
	}
}

func TestConvertArchive(t *testing.T) {
	w := send(newConversions().handler(), "?to=kustomize&stack=shop", sentFile, "Accept", "*/*")
	zipped, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	found, files := false, tar.NewReader(zipped)
	for {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found = found || head.Name == "shop/kustomization.yaml" && head.Size > 0
	}
	if !found {
		t.Errorf("no kustomization comes: %v", w.Header())
	}
}

func TestConvertReport(t *testing.T) {
	w := send(newConversions().handler(), "?report=html", sentFile, "Accept", "text/html,*/*;q=0.8")
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(w.Body.String(), "<html") {
		t.Errorf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
}

// Findings come with the answer, and are errors to who asks for that.
func TestConvertFindings(t *testing.T) {
	h := newConversions().handler()
	file := sentFile + "    blkio_config: {weight: 300}\n"
	w := send(h, "", file)
	if warnings := w.Header().Values("Warning"); w.Code != 200 || len(warnings) != 1 || !strings.Contains(warnings[0], "blkio_config") {
		t.Errorf("%d %q", w.Code, warnings)
	}
	for _, query := range []string{"?strict", "?strict=true"} {
		status := refused(t, send(h, query, file), 422)
		if status.Details == nil || len(status.Details.Causes) != 1 || status.Details.Causes[0].Field != "services.web.blkio_config" {
			t.Errorf("%+v", status)
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	h := newConversions().handler()
	for _, c := range []struct {
		query, body, kind string
		code              int
	}{
		{"?to=tarball", sentFile, "", 400},
		{"?volume-size=much", sentFile, "", 400},
		{"?strict=perhaps", sentFile, "", 400},
		{"?from-stack=shop", sentFile, "", 400},
		{"?allow=/etc", sentFile, "", 400},
		{"", sentFile, "image/png", 415},
		{"", "", "", 422},
		{"", "services: [", "", 422},
		{"", "apiVersion: v1\nkind: Pod\n", "", 422},
		{"", "#" + strings.Repeat("x", maxConvert), "", 413},
	} {
		refused(t, send(h, c.query, c.body, "Content-Type", c.kind), c.code)
	}
	for _, method := range []string{"GET", "DELETE"} {
		refused(t, ask(h, method, convertPath), 405)
	}
}

// Nothing of this machine is read, whatever the file names.
func TestConvertReadsNothingHere(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("secret.txt", []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(".env", []byte("HERE=hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FROM_THE_SHELL", "hunter2")
	h := newConversions().handler()
	for _, body := range []string{
		"services: {web: {image: nginx, env_file: [secret.txt]}}",
		"services: {web: {image: nginx, env_file: [.env]}}",
		"services: {web: {image: nginx, volumes: ['./secret.txt:/x']}}",
		"services: {web: {image: nginx, environment: ['A=${HERE:-}', 'B=${FROM_THE_SHELL:-}', FROM_THE_SHELL]}}",
		"services: {web: {image: nginx, configs: [c]}}\nconfigs: {c: {file: ./secret.txt}}",
		"services: {web: {image: nginx, secrets: [c]}}\nsecrets: {c: {environment: FROM_THE_SHELL}}",
		"services: {web: {extends: {file: secret.txt, service: web}}}",
		"include: [secret.txt]\nservices: {web: {image: nginx}}",
	} {
		w := send(h, "", body)
		// What it would read is base64 in a Secret.
		if text := w.Body.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "aHVudGVyMg") {
			t.Errorf("%s\nis answered with %d\n%s", body, w.Code, text)
		}
	}
}

// Conversions are bounded in number and in time, and one that panics is an answer.
func TestConvertIsBounded(t *testing.T) {
	v := newConversions()
	v.timeout = 50 * time.Millisecond
	release, began := make(chan struct{}), make(chan struct{}, convertTogether)
	v.run = func(context.Context, compose.Request) (*compose.Output, error) {
		began <- struct{}{}
		<-release
		return nil, errors.New("too late")
	}
	h := v.handler()
	answers := make(chan *httptest.ResponseRecorder, convertTogether)
	for range convertTogether {
		go func() { answers <- send(h, "", sentFile) }()
	}
	for range convertTogether {
		<-began
	}
	w := send(h, "", sentFile)
	refused(t, w, 429)
	if w.Header().Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
	for range convertTogether {
		refused(t, <-answers, 504)
	}
	refused(t, send(h, "", sentFile), 429) // they run on, and so hold their places
	close(release)
	for len(v.slots) > 0 {
		time.Sleep(time.Millisecond)
	}
	v.run = func(context.Context, compose.Request) (*compose.Output, error) { panic("boom") }
	if status := refused(t, send(h, "", sentFile), 500); strings.Contains(status.Message, "boom") {
		t.Errorf("%+v", status)
	}
}
