package bench

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// pki is the peer's certificates as files, of the kind that kubeadm makes (RSA 2048): a CA, the server's certificate
// for 127.0.0.1, an administrator's (system:masters), and a key for service account tokens.
type pki struct{ ca, server, serverKey, admin, adminKey, serviceAccountKey string }

func writePKI(dir string) (pki, error) {
	path := func(name string) string { return filepath.Join(dir, name) }
	files := pki{path("ca.crt"), path("server.crt"), path("server.key"), path("admin.crt"), path("admin.key"), path("sa.key")}

	caKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return files, err
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "peer"}, caKey)
	if err != nil {
		return files, err
	}
	if err := writePEM(files.ca, "CERTIFICATE", ca.Raw); err != nil {
		return files, err
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if err := issue(server, ca, caKey, files.server, files.serverKey); err != nil {
		return files, err
	}
	admin := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if err := issue(admin, ca, caKey, files.admin, files.adminKey); err != nil {
		return files, err
	}
	key, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return files, err
	}
	return files, os.WriteFile(files.serviceAccountKey, key, 0o600)
}

// issue signs a certificate for a new key and writes both.
func issue(template, ca *x509.Certificate, caKey crypto.Signer, certFile, keyFile string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return err
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(24*time.Hour)
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	if err := writePEM(certFile, "CERTIFICATE", der); err != nil {
		return err
	}
	return writePEM(keyFile, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
