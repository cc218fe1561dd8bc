package translate

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const ingressRunInput = `
kind: Ingress
metadata: {name: web}
spec:
  tls: [{hosts: [shop.example], secretName: shop}]
  rules:
  - host: shop.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
  - host: "*.shop.example"
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
kind: Ingress
metadata:
  name: api
  annotations:
    nginx.ingress.kubernetes.io/use-regex: "true"
    nginx.ingress.kubernetes.io/rewrite-target: /$2
    nginx.ingress.kubernetes.io/ssl-redirect: "false"
    nginx.ingress.kubernetes.io/proxy-body-size: 1k
spec:
  rules:
  - host: shop.example
    http:
      paths:
      - {path: "/api(/|$)(.*)", pathType: ImplementationSpecific, backend: {service: {name: api, port: {number: 80}}}}
      - {path: "/gone", pathType: Exact, backend: {service: {name: gone, port: {number: 80}}}}
---
kind: Ingress
metadata: {name: admin, annotations: {nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8}}
spec:
  rules:
  - host: plain.example
    http: {paths: [{path: /admin, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
kind: Ingress
metadata: {name: closed, annotations: {nginx.ingress.kubernetes.io/whitelist-source-range: everybody}}
spec:
  rules:
  - host: plain.example
    http: {paths: [{path: /closed, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
kind: Ingress
metadata:
  name: moved
  annotations:
    nginx.ingress.kubernetes.io/app-root: /app
    nginx.ingress.kubernetes.io/permanent-redirect: https://new.example$request_uri
spec:
  rules:
  - host: old.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
kind: Ingress
metadata: {name: insecure, annotations: {nginx.ingress.kubernetes.io/force-ssl-redirect: "true"}}
spec:
  tls: [{hosts: [missing.example], secretName: missing}]
  rules:
  - host: forced.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
kind: Ingress
metadata: {name: missing}
spec:
  tls: [{hosts: [missing.example], secretName: missing}]
  rules:
  - host: missing.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
kind: Service
metadata: {name: api}
spec: {ports: [{port: 80}]}
---
kind: Secret
metadata: {name: shop, annotations: {generate: shop.example}}
`

// TestIngressRun has a real nginx serve Ingresses.
func TestIngressRun(t *testing.T) {
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Skip("needs nginx with its stream module: run `make test`, which installs it, or apt-get install nginx libnginx-mod-stream")
	}
	w := readIngressWorld(t, ingressRunInput)
	w.ports = map[string]int32{"default/web": ingressBackend(t, "web"), "default/api": ingressBackend(t, "api")}
	o := IngressOptions{HTTPPort: ingressPort(t), HTTPSPort: ingressPort(t), HealthPort: ingressPort(t), Resolver: ingressResolver(t)}
	config, files, _ := RenderIngresses(w.ingresses, w, o)
	runIngresses(t, config, files, o.HTTPPort)
	for _, row := range []struct{ method, url, want string }{
		{"GET", "http://shop.example/a?b", fmt.Sprintf("308 https://shop.example:%d/a?b", o.HTTPSPort)},
		{"GET", "https://shop.example/a?b", "200 web /a?b https"},
		{"GET", "http://x.shop.example/", "200 web / http"},
		{"GET", "https://x.shop.example/", "remote error: tls: unrecognized name"},
		{"GET", "http://x.y.shop.example/", "404"},
		{"GET", "http://shop.example/api/v1/x?q", "200 api /v1/x?q http"},
		{"GET", "http://shop.example/API", "200 api / http"},
		{"POST", "http://shop.example/api", "413"},
		{"POST", "https://shop.example/", "200 web / https"},
		{"GET", "http://shop.example/gone", "503"},
		{"GET", "http://plain.example/admin/x", "403"},
		{"GET", "http://plain.example/closed/x", "503"},
		{"GET", "http://plain.example/other", "404"},
		{"GET", "http://old.example/", "302 /app"},
		{"GET", "http://old.example/x?y", "301 https://new.example/x?y"},
		{"GET", "http://forced.example/", fmt.Sprintf("308 https://forced.example:%d/", o.HTTPSPort)},
		{"GET", "http://missing.example/", "200 web / http"},
		{"GET", "http://unknown/", "404"},
	} {
		if got := ingressAsk(t, o, row.method, row.url); got != row.want {
			t.Errorf("%s %s: got %q, want %q", row.method, row.url, got, row.want)
		}
	}
}

// ingressAsk is the answer in short. A POST sends 2,000 bytes.
func ingressAsk(t *testing.T, o IngressOptions, method, url string) string {
	t.Helper()
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		port := o.HTTPPort
		if strings.HasSuffix(address, ":443") {
			port = o.HTTPSPort
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	}
	client := &http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	body := ""
	if method == http.MethodPost {
		body = strings.Repeat("x", 2000)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()[strings.Index(err.Error(), ": ")+2:]
	}
	defer func() { _ = resp.Body.Close() }()
	said, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		said = []byte(resp.Header.Get("Location"))
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, said))
}

// ingressBackend answers with a name and what it was asked, and returns its port.
func ingressBackend(t *testing.T, name string) int32 {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %s %s", name, r.RequestURI, r.Header.Get("X-Forwarded-Proto"))
	}))
	t.Cleanup(s.Close)
	return int32(netip.MustParseAddrPort(s.Listener.Addr().String()).Port())
}

func ingressPort(t *testing.T) int32 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return int32(netip.MustParseAddrPort(l.Addr().String()).Port())
}

// ingressResolver is a DNS server for which every name is this machine's.
func ingressResolver(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:size]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			head := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 1}
			m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// runIngresses starts nginx and waits until it answers.
func runIngresses(t *testing.T, config string, files []IngressFile, port int32) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command("nginx", "-c", installIngresses(t, config, files), "-g", "daemon off;")
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx said:\n%s", log.String())
		}
	})
	for range 200 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nginx does not answer")
}
