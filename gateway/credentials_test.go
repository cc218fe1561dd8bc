package gateway

import (
	"crypto/tls"
	"crypto/x509"
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
	for _, name := range []string{caCertFile, caKeyFile, serverCertFile, serverKeyFile, tokensFile, sealingKeyFile} {
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
