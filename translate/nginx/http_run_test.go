package nginx

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// site is an nginx that runs, and the backends behind it.
type site struct {
	t      *testing.T
	config HTTPConfig
	dns    names
}

func newSite(t *testing.T) *site {
	t.Helper()
	needNginx(t)
	s := &site{t: t, dns: names{"tasks.backend": {"127.0.0.1"}}}
	s.config = HTTPConfig{Resolver: s.dns.serve(t), HTTPPort: freePort(t), HTTPSPort: freePort(t), HealthPort: freePort(t)}
	return s
}

// backend answers with a name, and what it was asked.
func (s *site) backend(name string) Backend {
	s.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h := r.Header
		fmt.Fprintf(w, "%s %s host=%s for=%s proto=%s port=%s", name, r.RequestURI, r.Host, h.Get("X-Forwarded-For"), h.Get("X-Forwarded-Proto"), h.Get("X-Forwarded-Port"))
	}))
	s.t.Cleanup(server.Close)
	return s.named(server.Listener.Addr())
}

func (s *site) named(a net.Addr) Backend {
	return Backend{Targets: []Target{{"tasks.backend", portOf(a), 1}}}
}

func (s *site) start() *process {
	s.t.Helper()
	config, err := HTTP(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	return run(s.t, config, s.config.HTTPPort)
}

// client speaks to the site whatever host is asked for.
func (s *site) client() *http.Client {
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		port := s.config.HTTPPort
		if strings.HasSuffix(address, ":443") {
			port = s.config.HTTPSPort
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	}
	return &http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get is the answer in short: the body's first words, or the code with where it leads.
func (s *site) get(url string) string {
	s.t.Helper()
	resp, err := s.client().Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusOK {
		return string(body)
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Location")))
}

func (s *site) expect(url, want string) {
	s.t.Helper()
	if got := s.get(url); got != want && !strings.HasPrefix(got, want+" ") {
		s.t.Errorf("%s: got %q, want %q", url, got, want)
	}
}

// TestPaths is the table of examples in Kubernetes' documentation of Ingress, each on a host of its own.
func TestPaths(t *testing.T) {
	type paths map[string]Match
	rows := []struct {
		paths   paths
		request string
		want    string // the path that answers
	}{
		{paths{"/": Prefix}, "/any/thing", "/"},
		{paths{"/foo": Exact}, "/foo", "/foo"},
		{paths{"/foo": Exact}, "/bar", "404"},
		{paths{"/foo": Exact}, "/foo/", "404"},
		{paths{"/foo/": Exact}, "/foo", "404"},
		{paths{"/foo/": Exact}, "/foo/", "/foo/"},
		{paths{"/foo/": Exact, "/": Prefix}, "/foo", "/"},
		{paths{"/foo": Prefix}, "/foo", "/foo"},
		{paths{"/foo": Prefix}, "/foo/", "/foo"},
		{paths{"/foo/": Prefix}, "/foo", "/foo/"},
		{paths{"/foo/": Prefix}, "/foo/", "/foo/"},
		{paths{"/foo": Prefix}, "/foobar", "404"},
		{paths{"/aaa/bb": Prefix}, "/aaa/bbb", "404"},
		{paths{"/aaa/bbb": Prefix}, "/aaa/bbb", "/aaa/bbb"},
		{paths{"/aaa/bbb/": Prefix}, "/aaa/bbb", "/aaa/bbb/"},
		{paths{"/aaa/bbb": Prefix}, "/aaa/bbb/", "/aaa/bbb"},
		{paths{"/aaa/bbb": Prefix}, "/aaa/bbb/ccc", "/aaa/bbb"},
		{paths{"/aaa/bbb": Prefix}, "/aaa/bbbxyz", "404"},
		{paths{"/": Prefix, "/aaa": Prefix}, "/aaa/ccc", "/aaa"},
		{paths{"/": Prefix, "/aaa": Prefix, "/aaa/bbb": Prefix}, "/aaa/bbb", "/aaa/bbb"},
		{paths{"/": Prefix, "/aaa": Prefix, "/aaa/bbb": Prefix}, "/ccc", "/"},
		{paths{"/aaa": Prefix}, "/ccc", "404"},
		{paths{"/foo/": Exact, "/foo": Prefix}, "/foo/", "/foo/"},
		{paths{"/foo/": Exact, "/foo": Prefix}, "/foo/x", "/foo"},
		{paths{"/FOO": Exact}, "/foo", "404"},
		{paths{`/x(/|$)(.*)`: Regex, "/": Prefix}, "/x/y", `/x(/|$)(.*)`},
		{paths{`/x(/|$)(.*)`: Regex, "/": Prefix}, "/X/y", `/x(/|$)(.*)`},
		{paths{`/x(/|$)(.*)`: Regex, "/": Prefix}, "/z/x/y", "/"},
		{paths{`/x|/y`: Regex}, "/z/y", "404"},
		{paths{`/[a-z]+`: Regex, "/long/prefix": Prefix, "/s": Prefix}, "/long/prefix/x", "/long/prefix"},
		{paths{`/[a-z]+`: Regex, "/long/prefix": Prefix, "/s": Prefix}, "/s", "/[a-z]+"},
		{paths{`/[a-z]+`: Regex, "/long/prefix": Prefix, "/s": Exact}, "/s", "/s"},
		{paths{`/a "b";{$c}#\`: Prefix}, `/a%20%22b%22;%7B$c%7D%23%5C/d`, `/a "b";{$c}#\`},
		{paths{`/a%20b`: Prefix, "/ä": Exact}, `/a%20b`, "/a%20b"},
		{paths{`/a%20b`: Prefix, "/ä": Exact}, `/%C3%A4`, "/ä"},
	}
	s := newSite(t)
	known := map[string]Backend{}
	for i, row := range rows {
		server := Server{Host: fmt.Sprintf("h%d.example", i)}
		for path, match := range row.paths {
			if _, ok := known[path]; !ok {
				known[path] = s.backend(path)
			}
			server.Locations = append(server.Locations, Location{Path: path, Match: match, Backend: known[path]})
		}
		s.config.Servers = append(s.config.Servers, server)
	}
	s.start()
	for i, row := range rows {
		s.expect(fmt.Sprintf("http://h%d.example%s", i, row.request), row.want)
	}
}

func TestHosts(t *testing.T) {
	s := newSite(t)
	any := func(host, name string) Server {
		return Server{Host: host, Locations: []Location{{Path: "/", Match: Prefix, Backend: s.backend(name)}}}
	}
	only := any("only.example", "only")
	only.Locations[0].Path = "/here"
	s.config.Servers = []Server{any("*.bar.example", "wild"), any("foo.bar.example", "exact"), only}
	s.config.DefaultBackend = new(s.backend("default"))
	s.start()
	for _, row := range []struct{ url, want string }{
		{"http://foo.bar.example/", "exact"},
		{"http://FOO.bar.example/", "exact"},
		{"http://x.bar.example/", "wild"},
		{"http://x.y.bar.example/", "default"},
		{"http://bar.example/", "default"},
		{"http://other/", "default"},
		{"http://only.example/here", "only"},
		{"http://only.example/", "default"},
		{fmt.Sprintf("http://127.0.0.1:%d/healthz", s.config.HTTPPort), "default"},
	} {
		s.expect(row.url, row.want)
	}
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", s.config.HealthPort))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("health: %d", resp.StatusCode)
	}
}

func TestLocations(t *testing.T) {
	s := newSite(t)
	web := s.backend("web")
	at := func(path string, match Match, change func(*Location)) Location {
		l := Location{Path: path, Match: match, Backend: web}
		change(&l)
		return l
	}
	s.config.Servers = []Server{{Host: "a.example", Locations: []Location{
		at(`/re(/|$)(.*)`, Regex, func(l *Location) { l.Rewrite = "/$2" }),
		at(`/quoted/(.*)`, Regex, func(l *Location) { l.Rewrite = `/"{;}\/$1?a=b` }),
		at("/all", Prefix, func(l *Location) { l.Rewrite = "/one" }),
		at("/gone", Prefix, func(l *Location) { l.Redirect = &Redirect{301, "https://new.example$request_uri"} }),
		at("/path", Prefix, func(l *Location) { l.Redirect = &Redirect{302, "/app"} }),
		at("/nobody", Prefix, func(l *Location) { l.Backend = Backend{} }),
		at("/closed", Prefix, func(l *Location) { l.Closed = true }),
		at("/unknown", Prefix, func(l *Location) { l.Backend = to("tasks.unknown") }),
		at("/tls", Prefix, func(l *Location) { l.ForceSSLRedirect = true }),
		at("/no-tls", Prefix, func(l *Location) { l.SSLRedirect = true }),
		at("/allowed", Prefix, func(l *Location) { l.Whitelist = []string{"10.0.0.0/8", "127.0.0.0/8"} }),
		at("/denied", Prefix, func(l *Location) { l.Whitelist = []string{"10.0.0.0/8"} }),
		at("/small", Prefix, func(l *Location) { l.BodySize = 10 }),
		at("/any", Prefix, func(l *Location) { l.BodySize = NoLimit }),
		at("/default", Prefix, func(*Location) {}),
	}}}
	s.start()
	secure := fmt.Sprintf("308 https://a.example:%d/tls/x?y", s.config.HTTPSPort)
	for _, row := range []struct{ path, want string }{
		{"/re/a%20b?x=1", "web /a%20b?x=1"},
		{"/re", "web /"},
		{"/quoted/x?c=d", `web /%22%7B;%7D%5C/x?a=b&c=d`},
		{"/all/of/it", "web /one"},
		{"/gone/x?y", "301 https://new.example/gone/x?y"},
		{"/path", "302 /app"},
		{"/nobody", "503"},
		{"/closed", "503"},
		{"/unknown", "502"},
		{"/tls/x?y", secure},
		{"/no-tls", "web"},
		{"/allowed", "web"},
		{"/denied", "403"},
		{"/default/a%2Fb//c?q", fmt.Sprintf("web /default/a%%2Fb//c?q host=a.example for=127.0.0.1 proto=http port=%d", s.config.HTTPPort)},
	} {
		s.expect("http://a.example"+row.path, row.want)
	}
	for _, row := range []struct {
		path       string
		size, want int
	}{{"/small", 10, 200}, {"/small", 11, 413}, {"/default", 1 << 20, 200}, {"/default", 1<<20 + 1, 413}, {"/any", 3 << 20, 200}} {
		resp, err := s.client().Post("http://a.example"+row.path, "text/plain", strings.NewReader(strings.Repeat("x", row.size)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != row.want {
			t.Errorf("%d bytes to %s: %d", row.size, row.path, resp.StatusCode)
		}
	}
}

// TestUpgrade speaks something else after an Upgrade, as a websocket does.
func TestUpgrade(t *testing.T) {
	s := newSite(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
			http.Error(w, "no upgrade", http.StatusBadRequest)
			return
		}
		c, buf, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		line, _ := buf.ReadString('\n')
		fmt.Fprintf(c, "heard %s", line)
	}))
	defer server.Close()
	s.config.Servers = []Server{{Host: "ws.example", Locations: []Location{{Path: "/", Match: Prefix, Backend: s.named(server.Listener.Addr())}}}}
	s.start()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.config.HTTPPort))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: ws.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	fmt.Fprintf(c, "hello\n")
	if line, err := in.ReadString('\n'); line != "heard hello\n" {
		t.Errorf("got %q %v", line, err)
	}
}

// TestRetry has a name of which one address is dead.
func TestRetry(t *testing.T) {
	s := newSite(t)
	web := s.backend("web")
	s.dns.set("tasks.half", "127.0.0.9", "127.0.0.1")
	web.Targets[0].Host = "tasks.half"
	s.config.Servers = []Server{{Host: "a.example", Locations: []Location{{Path: "/", Match: Prefix, Backend: web}}}}
	s.start()
	for range 10 {
		s.expect("http://a.example/", "web /")
	}
}

// certificate writes a PEM for a host.
func certificate(t *testing.T, host string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tls.pem")
	doc := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTLS(t *testing.T) {
	s := newSite(t)
	web := []Location{{Path: "/", Match: Prefix, Backend: s.backend("web"), SSLRedirect: true}}
	s.config.Servers = []Server{
		{Host: "a.example", Certificate: certificate(t, "a.example"), Locations: web},
		{Host: "*.b.example", Certificate: certificate(t, "*.b.example"), Locations: web},
		{Host: "plain.example", Locations: web},
	}
	s.start()
	for _, row := range []struct{ url, want string }{
		{"http://a.example/x", fmt.Sprintf("308 https://a.example:%d/x", s.config.HTTPSPort)},
		{"https://a.example/x", fmt.Sprintf("web /x host=a.example for=127.0.0.1 proto=https port=%d", s.config.HTTPSPort)},
		{"https://x.b.example/", "web"},
		{"http://plain.example/", "web"},
	} {
		s.expect(row.url, row.want)
	}
	for _, url := range []string{"https://plain.example/", "https://x.y.b.example/", "https://unknown/"} {
		if got := s.get(url); !strings.Contains(got, "unrecognized name") {
			t.Errorf("%s: %s", url, got)
		}
	}
	for host, want := range map[string]string{"a.example": "a.example", "x.b.example": "*.b.example"} {
		c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.config.HTTPSPort), &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("%s got the certificate of %s", host, got)
		}
		_ = c.Close()
	}
}

func TestDefaultCertificate(t *testing.T) {
	s := newSite(t)
	s.config.DefaultCertificate = certificate(t, "default")
	s.config.Servers = []Server{{Host: "plain.example", Locations: []Location{{Path: "/", Match: Prefix, Backend: s.backend("web"), SSLRedirect: true}}}}
	s.start()
	s.expect("https://plain.example/", "web")
	s.expect("http://plain.example/", "web")
	s.expect("https://other/", "404")
}

func TestProtocols(t *testing.T) {
	s := newSite(t)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "secure %s %s", r.TLS.ServerName, r.Host)
	}))
	defer secure.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	s.config.Servers = []Server{{Host: "a.example", Certificate: certificate(t, "a.example"), Locations: []Location{
		{Path: "/", Match: Prefix, Backend: s.named(secure.Listener.Addr()), Protocol: ProtocolHTTPS},
		{Path: "/grpc.health.v1.Health", Match: Prefix, Backend: s.named(l.Addr()), Protocol: ProtocolGRPC},
	}}}
	s.start()
	s.expect("http://a.example/", "secure a.example a.example")
	c, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", s.config.HTTPSPort), grpc.WithAuthority("a.example"),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "a.example"})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := grpc_health_v1.NewHealthClient(c).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("grpc: %v %v", answer, err)
	}
}
