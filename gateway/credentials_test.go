package gateway

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	certutil "k8s.io/client-go/util/cert"
)

func openTest(t *testing.T, dir string, hosts ...string) *Credentials {
	t.Helper()
	c, err := OpenCredentials(dir, hosts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Nobody else may read the credentials, and opening them again changes none.
func TestCredentialsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	openTest(t, dir, "localhost")
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory's mode is %v (%v), want 0700", info.Mode(), err)
	}
	before := map[string]string{}
	for _, name := range []string{
		caCertFile, caKeyFile, serverCertFile, serverKeyFile, tokensFile, sealingKeyFile,
		agentCertFile, agentKeyFile, agentClientCertFile, agentClientKeyFile,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (%v), want 0600", name, info.Mode(), err)
		}
		before[name] = read(t, dir, name)
	}
	openTest(t, dir, "localhost")
	for name, was := range before {
		if read(t, dir, name) != was {
			t.Errorf("%s was made anew", name)
		}
	}
}

// A new name needs a new serving certificate, of the same CA.
func TestServingCertificateFollowsItsNames(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, "localhost", "127.0.0.1")
	was, ca := read(t, dir, serverCertFile), read(t, dir, caCertFile)
	openTest(t, dir, "localhost", "127.0.0.1", "skep.example.org")
	if read(t, dir, serverCertFile) == was || read(t, dir, caCertFile) != ca {
		t.Fatal("the serving certificate is to be new, the CA's not")
	}
	certs, err := certutil.CertsFromFile(filepath.Join(dir, serverCertFile))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca))
	for _, host := range []string{"localhost", "127.0.0.1", "skep.example.org"} {
		if _, err := certs[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if serves(certs[0], []string{"elsewhere"}) {
		t.Error("it is good for a host that it does not name")
	}
	certs[0].NotAfter = time.Now().Add(renewTime / 2)
	if serves(certs[0], []string{"localhost"}) {
		t.Error("it is not renewed before it ends")
	}
}

// As a Swarm service the files are given, without the CA's key.
func TestGivenCredentialsAreTakenAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, "localhost")
	if err := os.Remove(filepath.Join(dir, caKeyFile)); err != nil {
		t.Fatal(err)
	}
	was := read(t, dir, serverCertFile)
	c := openTest(t, dir, "some.other.host")
	if read(t, dir, serverCertFile) != was {
		t.Error("the given certificate was replaced")
	}
	if _, err := c.Kubeconfig("https://x", "skep"); err == nil || !strings.Contains(err.Error(), "CA key") {
		t.Errorf("without the CA key there can be no kubeconfig, and the error says so: %v", err)
	}
}

// endSoon puts a certificate of the same content in place of one, which is to be renewed by now.
func endSoon(t *testing.T, c *Credentials, certName, keyName string, life time.Duration) {
	t.Helper()
	caCerts, err := certutil.CertsFromFile(c.path(caCertFile))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := tls.LoadX509KeyPair(c.path(caCertFile), c.path(caKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(c.path(certName), c.path(keyName))
	if err != nil {
		t.Fatal(err)
	}
	signer, ok := ca.PrivateKey.(crypto.Signer)
	if !ok {
		t.Fatal("the CA's key does not sign")
	}
	cert, err := sign(pair.Leaf, caCerts[0], pair.Leaf.PublicKey, signer, life)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.writePair(certName, keyName, cert, pair.PrivateKey); err != nil {
		t.Fatal(err)
	}
}

// All pairs are renewed in their last month, also by those who serve nothing: then for the names that they had.
func TestCertificatesAreRenewed(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, dir, "skep.example.org", "192.0.2.7")
	pairs := [][2]string{{serverCertFile, serverKeyFile}, {agentCertFile, agentKeyFile}, {agentClientCertFile, agentClientKeyFile}}
	for _, pair := range pairs {
		endSoon(t, c, pair[0], pair[1], renewTime/2)
	}
	openTest(t, dir)
	for _, pair := range pairs {
		renewed, err := tls.LoadX509KeyPair(c.path(pair[0]), c.path(pair[1]))
		if err != nil {
			t.Fatal(err)
		}
		if time.Until(renewed.Leaf.NotAfter) < renewTime {
			t.Errorf("%s ends on %v", pair[0], renewed.Leaf.NotAfter)
		}
		if pair[0] == serverCertFile && !serves(renewed.Leaf, []string{"skep.example.org", "192.0.2.7"}) {
			t.Errorf("it serves %v and %v", renewed.Leaf.DNSNames, renewed.Leaf.IPAddresses)
		}
	}
}

// agentCalled is an agent's end of TLS that serves with a pair of dir: it tells the callers' common names.
func agentCalled(t *testing.T, c *Credentials, certName, keyName string) *httptest.Server {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.path(certName), c.path(keyName))
	if err != nil {
		t.Fatal(err)
	}
	roots, err := certutil.NewPool(c.path(caCertFile))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := r.TLS.PeerCertificates[0]
		_, _ = fmt.Fprintf(w, "%s %x", caller.Subject.CommonName, caller.SerialNumber)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// call gets what a server says over a connection of its own.
func call(t *testing.T, server *httptest.Server, config *tls.Config) (string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Get(server.URL)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// The gateway and an agent know each other by their certificates, at whatever address; nobody else comes in between.
func TestAgentClient(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, dir, "localhost")
	config, err := c.AgentClient()
	if err != nil {
		t.Fatal(err)
	}
	agent := agentCalled(t, c, agentCertFile, agentKeyFile)
	before, err := call(t, agent, config)
	if err != nil || !strings.HasPrefix(before, "skep-gateway ") {
		t.Fatalf("the agent is called by %q, %v", before, err)
	}
	nobody := &tls.Config{RootCAs: config.RootCAs, ServerName: config.ServerName}
	if who, err := call(t, agent, nobody); err == nil {
		t.Errorf("without a certificate the agent is called by %q", who)
	}
	if _, err := call(t, agentCalled(t, c, serverCertFile, serverKeyFile), config); err == nil {
		t.Error("the gateway takes something for an agent that is none")
	}
	for _, name := range []string{agentClientCertFile, agentClientKeyFile} {
		if err := os.Remove(c.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	openTest(t, dir, "localhost")
	if after, err := call(t, agent, config); err != nil || after == before {
		t.Errorf("after the renewal the agent is called by %q (%v), before it was %q", after, err, before)
	}
}

// Credentials of an older skep, given without the CA's key, serve as before; who calls an agent learns what to do.
func TestGivenCredentialsWithoutAgents(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, "localhost")
	for _, name := range []string{caKeyFile, agentCertFile, agentKeyFile, agentClientCertFile, agentClientKeyFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	c := openTest(t, dir, "localhost")
	_, err := c.AgentClient()
	for _, part := range []string{c.path(agentClientCertFile), "skep kubeconfig", "ca.key", "docs/deploy.md"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error says nothing of %s: %v", part, err)
		}
	}
}

// A certificate that has ended is told where it lies, not by an agent that hangs up.
func TestAgentClientEnded(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, dir, "localhost")
	endSoon(t, c, agentClientCertFile, agentClientKeyFile, -time.Minute)
	if _, err := c.AgentClient(); err == nil || !strings.Contains(err.Error(), "ended on") {
		t.Errorf("%v", err)
	}
}

func TestSealingKey(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, dir, "localhost")
	if key, err := c.SealingKey(); err != nil || len(key) != 32 {
		t.Errorf("a key of %d bytes, %v", len(key), err)
	}
	if err := os.WriteFile(filepath.Join(dir, sealingKeyFile), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SealingKey(); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a bad key is refused without being shown: %v", err)
	}
}

// A context comes in beside the others, which stay as they were.
func TestMergeKubeconfig(t *testing.T) {
	c := openTest(t, t.TempDir(), "localhost")
	add, err := c.Kubeconfig("https://127.0.0.1:6443", "skep")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(add.AuthInfos["skep"].ClientCertificateData, add.AuthInfos["skep"].ClientKeyData)
	if err != nil {
		t.Fatal(err)
	}
	if subject := pair.Leaf.Subject; subject.CommonName != "skep-admin" || subject.Organization[0] != adminGroup {
		t.Errorf("the client is %v", subject)
	}

	file := filepath.Join(t.TempDir(), "config")
	other := clientcmdapi.NewConfig()
	other.Clusters["there"] = &clientcmdapi.Cluster{Server: "https://there"}
	other.Contexts["there"] = &clientcmdapi.Context{Cluster: "there"}
	other.CurrentContext = "there"
	if err := clientcmd.WriteToFile(*other, file); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil { //nolint:gosec // that is what is to be mended
		t.Fatal(err)
	}
	for range 2 {
		if err := MergeKubeconfig(file, add); err != nil {
			t.Fatal(err)
		}
	}
	got, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.CurrentContext != "there" || got.Clusters["there"].Server != "https://there" || got.Contexts["skep"] == nil || len(got.Contexts) != 2 {
		t.Errorf("merged into %+v", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(file, []byte("{nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MergeKubeconfig(file, add); err == nil || read(t, filepath.Dir(file), "config") != "{nonsense" {
		t.Errorf("a file that cannot be read is left as it is: %v", err)
	}
}
