package agent

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// credentials are the agent's certificate and the authority of its clients, from files that may change.
type credentials struct {
	cert, key, ca string
	name          string

	mu      sync.Mutex
	read    map[string]time.Time // when each file was written that is in use
	keys    tls.Certificate
	clients *x509.CertPool
}

func openCredentials(o ServeOptions) (*credentials, error) {
	c := &credentials{cert: o.CertFile, key: o.KeyFile, ca: o.ClientCAFile, name: o.ClientName}
	if c.cert == "" || c.key == "" || c.ca == "" {
		return nil, errors.New("the agent needs --cert, --key and --client-ca: nobody but the gateway may use it")
	}
	written, err := c.written()
	if err == nil {
		err = c.load(written)
	}
	return c, err
}

// written says when each file was.
func (c *credentials) written() (map[string]time.Time, error) {
	out := map[string]time.Time{}
	for _, file := range []string{c.cert, c.key, c.ca} {
		info, err := os.Stat(file)
		if err != nil {
			return nil, fmt.Errorf("credentials of the agent: %w", err)
		}
		out[file] = info.ModTime()
	}
	return out, nil
}

func (c *credentials) load(written map[string]time.Time) error {
	keys, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("certificate %s and key %s of the agent: %w", c.cert, c.key, err)
	}
	pem, err := os.ReadFile(c.ca)
	if err != nil {
		return fmt.Errorf("authority of the agent's clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("authority of the agent's clients: no certificate in %s", c.ca)
	}
	c.keys, c.clients, c.read = keys, pool, written
	return nil
}

// current are the credentials as the files have them. While these are being changed and do not fit together, the last ones
// stay in use.
func (c *credentials) current() (tls.Certificate, *x509.CertPool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	written, err := c.written()
	if err == nil && changed(c.read, written) {
		err = c.load(written)
	}
	if err != nil {
		klog.ErrorS(err, "the agent goes on with the credentials that it had")
	}
	return c.keys, c.clients
}

func changed(old, now map[string]time.Time) bool {
	for file, when := range now {
		if !when.Equal(old[file]) {
			return true
		}
	}
	return false
}

// config asks for a certificate, and leaves it to guard to look at it: a handshake that fails has no sentence.
func (c *credentials) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequestClientCert,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			keys, _ := c.current()
			return &keys, nil
		},
	}
}

// guard lets only the gateway in: 401 is for who does not prove who it is, 403 for who is somebody else.
func (c *credentials) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.admit(r.TLS); err != nil {
			fail(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *credentials) admit(state *tls.ConnectionState) error {
	if state == nil || len(state.PeerCertificates) == 0 {
		return failure(http.StatusUnauthorized, "this is a node's agent of skep: it serves the gateway only, which shows a certificate")
	}
	_, clients := c.current()
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	leaf := state.PeerCertificates[0]
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: clients, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return failure(http.StatusUnauthorized, "the client's certificate is not one of this Swarm's gateway: %w", err)
	}
	if leaf.Subject.CommonName != c.name {
		return failure(http.StatusForbidden, "the client's certificate is for %q; only %q may use a node's agent", leaf.Subject.CommonName, c.name)
	}
	return nil
}
