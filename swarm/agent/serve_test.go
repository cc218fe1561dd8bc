package agent_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"skep/swarm/agent"
	"skep/translate/manifest"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue is a certificate and its key in PEM.
func (a authority) issue(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{"skep-agent"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// visit asks for /healthz as a client with this certificate, which trusts an authority.
func visit(t *testing.T, address string, trusts authority, cert, key []byte) (int, string, *x509.Certificate, error) {
	t.Helper()
	config := &tls.Config{RootCAs: trusts.pool(), ServerName: "skep-agent"}
	if cert != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+address+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return 0, "", nil, err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), response.TLS.PeerCertificates[0], err
}

func TestServe(t *testing.T) {
	s := newStage(t)
	ours, theirs := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	write := func(name string, data []byte, when time.Time) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, data, 0o600), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := ours.issue(t, "skep-agent")
	then := time.Now().Add(-time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	address, ended := make(chan net.Addr, 1), make(chan error, 1)
	var reaped atomic.Int32
	go func() {
		ended <- agent.Serve(ctx, agent.ServeOptions{
			Listen: "127.0.0.1:0", CertFile: write("cert", cert, then), KeyFile: write("key", key, then),
			ClientCAFile: write("ca", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.cert.Raw}), then),
			DockerHost:   s.docker.DaemonHost(),
			Reap:         func(context.Context, *client.Client) error { reaped.Add(1); return nil },
			Ready:        func(at net.Addr) { address <- at },
		})
	}()
	var at string
	select {
	case a := <-address:
		at = a.String()
	case err := <-ended:
		t.Fatal(err)
	}
	for _, c := range []struct {
		who    string
		issuer *authority
		name   string
		code   int
		says   string
	}{
		{"the gateway", &ours, "skep-gateway", http.StatusOK, "ok"},
		{"somebody else of this Swarm", &ours, "skep-agent", http.StatusForbidden, `only "skep-gateway" may use`},
		{"the gateway of another Swarm", &theirs, "skep-gateway", http.StatusUnauthorized, "not one of this Swarm's gateway"},
		{"nobody", nil, "", http.StatusUnauthorized, "shows a certificate"},
	} {
		var cert, key []byte
		if c.issuer != nil {
			cert, key = c.issuer.issue(t, c.name)
		}
		code, text, _, err := visit(t, at, ours, cert, key)
		if err != nil || code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %s (%v)", c.who, code, text, err)
		}
	}
	mine, minesKey := ours.issue(t, "skep-gateway")
	_, _, before, _ := visit(t, at, ours, mine, minesKey)
	cert, key = ours.issue(t, "skep-agent")
	write("cert", cert, time.Now())
	if code, text, still, err := visit(t, at, ours, mine, minesKey); err != nil || code != http.StatusOK || !still.Equal(before) {
		t.Errorf("while certificate and key do not fit: %d %s (%v)", code, text, err)
	}
	write("key", key, time.Now())
	if _, _, after, err := visit(t, at, ours, mine, minesKey); err != nil || after.Equal(before) {
		t.Errorf("after the files changed the certificate is still the old one (%v)", err)
	}
	eventually(t, "the reaper was called at start", func() bool { return reaped.Load() > 0 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeRefuses(t *testing.T) {
	s := newStage(t)
	err := agent.Serve(t.Context(), agent.ServeOptions{DockerHost: s.docker.DaemonHost(), Listen: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "--client-ca") {
		t.Errorf("without credentials: %v", err)
	}
	err = agent.Serve(t.Context(), agent.ServeOptions{DockerHost: "unix:///nowhere.sock"})
	if err == nil || !strings.Contains(err.Error(), "no Docker Engine answers at unix:///nowhere.sock") {
		t.Errorf("without an Engine: %v", err)
	}
}

func TestRun(t *testing.T) {
	s := newStage(t)
	var calls atomic.Int32
	a := agent.New(s.docker, agent.Options{Image: testImage, Node: "here", Reap: func(context.Context) error {
		if calls.Add(1) == 1 {
			return errors.New("the first time fails")
		}
		return nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	eventually(t, "a failure is not the end", func() bool { return calls.Load() >= 2 })
	before := calls.Load()
	id := s.run(t, nil, "true")
	eventually(t, "a container's end is noticed", func() bool { return calls.Load() > before })
	_ = id
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A helper ends when its agent does, whatever that did not come to do.
func TestHelperOutlivesNobody(t *testing.T) {
	s := newStage(t)
	id := s.idle(t)
	made, err := s.docker.ContainerCreate(t.Context(), &container.Config{
		Image: testImage, Entrypoint: []string{agent.Command}, Cmd: []string{"forward"},
		OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true,
		Labels: map[string]string{manifest.LabelRole: manifest.RoleHelper, "skep.helper.for": id},
	}, &container.HostConfig{NetworkMode: container.NetworkMode("container:" + id), AutoRemove: true}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := s.docker.ContainerAttach(t.Context(), made.ID, container.AttachOptions{Stream: true, Stdin: true, Stdout: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.docker.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	stream.Close()
	eventually(t, "the helper is gone", func() bool { return s.helpers(t, id) == 0 })
}

// The gateway has the agent of its own node in its process.
func TestPipe(t *testing.T) {
	s := newStage(t)
	pipe := agent.Pipe()
	server := &http.Server{Handler: agent.New(s.docker, agent.Options{Image: testImage}).Handler(), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(pipe) }()
	transport := &http.Transport{DialContext: pipe.DialContext}
	response, err := (&http.Client{Transport: transport}).Get("http://agent/healthz")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || string(text) != "ok" {
		t.Errorf("%q (%v)", text, err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if _, err := pipe.DialContext(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed pipe: %v", err)
	}
}
