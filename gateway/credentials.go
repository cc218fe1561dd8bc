package gateway

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Credentials is a directory with all that skep keeps: who may come in, and how Secrets are sealed.
// Nothing in it is about the Swarm's workloads.
type Credentials struct{ dir string }

// The files of the directory.
const (
	caCertFile     = "ca.crt"
	caKeyFile      = "ca.key"
	serverCertFile = "server.crt"
	serverKeyFile  = "server.key"
	tokensFile     = "tokens.csv" // token,user,uid,"group": kube-apiserver's --token-auth-file
	sealingKeyFile = "sealing.key"
	// The nodes' agents serve with the one pair, the gateway shows them the other.
	agentCertFile       = "agent.crt"
	agentKeyFile        = "agent.key"
	agentClientCertFile = "agent-client.crt"
	agentClientKeyFile  = "agent-client.key"
)

// Both ends of the way to an agent have certificates of our CA, as administrators do: an agent goes by the name, too.
const (
	agentServerName = "skep-agent"   // DNS name in the certificate of all agents, whatever their node
	agentClientName = "skep-gateway" // common name of those that agents listen to
)

const (
	caLife    = 10 * 365 * 24 * time.Hour
	certLife  = 365 * 24 * time.Hour
	renewTime = 30 * 24 * time.Hour
)

// OpenCredentials makes what is missing in dir. hosts are the names and addresses under which skep is to
// be reached. A directory that is complete may be read-only: as a Swarm service its files are secrets.
func OpenCredentials(dir string, hosts []string) (*Credentials, error) {
	c := &Credentials{dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	if err := c.ensureCA(); err != nil {
		return nil, err
	}
	if err := c.ensureServer(hosts); err != nil {
		return nil, err
	}
	if err := c.ensureAgents(); err != nil {
		return nil, err
	}
	if err := c.ensureRandom(tokensFile, func(secret string) string { return secret + ",skep-admin,skep-admin,\"" + adminGroup + "\"\n" }); err != nil {
		return nil, err
	}
	if err := c.ensureRandom(sealingKeyFile, func(secret string) string { return secret + "\n" }); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Credentials) path(name string) string { return filepath.Join(c.dir, name) }

func (c *Credentials) has(name string) bool {
	_, err := os.Stat(c.path(name))
	return err == nil
}

func (c *Credentials) write(name string, data []byte) error {
	if err := os.WriteFile(c.path(name), data, 0o600); err != nil {
		return fmt.Errorf("a credential cannot be kept: %w", err)
	}
	return nil
}

func (c *Credentials) ensureCA() error {
	if c.has(caCertFile) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert, err := selfSigned(key)
	if err != nil {
		return err
	}
	return c.writePair(caCertFile, caKeyFile, cert, key)
}

func selfSigned(key crypto.Signer) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "skep-ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	return sign(template, template, key.Public(), key, caLife)
}

// sign makes a certificate; its parent is itself for a self-signed one.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-5*time.Minute), time.Now().Add(life)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

func (c *Credentials) writePair(certName, keyName string, cert *x509.Certificate, key crypto.PrivateKey) error {
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return err
	}
	if err := c.write(keyName, keyPEM); err != nil {
		return err
	}
	return c.write(certName, encodeCerts(cert))
}

func encodeCerts(certs ...*x509.Certificate) []byte {
	out, err := certutil.EncodeCertificates(certs...)
	if err != nil {
		return nil
	}
	return out
}

// issue makes a key and a certificate of our CA.
func (c *Credentials) issue(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	ca, err := certutil.CertsFromFile(c.path(caCertFile))
	if err != nil {
		return nil, nil, fmt.Errorf("the CA certificate: %w", err)
	}
	caKey, err := keyutil.PrivateKeyFromFile(c.path(caKeyFile))
	if err != nil {
		return nil, nil, fmt.Errorf("the CA key, which is needed for a new certificate: %w", err)
	}
	signer, ok := caKey.(crypto.Signer)
	if !ok {
		return nil, nil, errors.New("the CA key cannot sign")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	cert, err := sign(template, ca[0], key.Public(), signer, certLife)
	return cert, key, err
}

// ensureServer has a serving certificate for all hosts that is good for a while yet; with no hosts, for those it names.
func (c *Credentials) ensureServer(hosts []string) error {
	if certs, err := certutil.CertsFromFile(c.path(serverCertFile)); err == nil && len(hosts) == 0 {
		hosts = slices.Clone(certs[0].DNSNames)
		for _, ip := range certs[0].IPAddresses {
			hosts = append(hosts, ip.String())
		}
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "skep"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	return c.ensurePair(serverCertFile, serverKeyFile, template, hosts)
}

// ensureAgents has the pairs of both ends. Without the CA's key none can be made, and none has to be there: whoever
// reaches no agent serves all the rest, and AgentClient says what to do.
func (c *Credentials) ensureAgents() error {
	if !c.has(caKeyFile) {
		return nil
	}
	err := c.ensurePair(agentCertFile, agentKeyFile, &x509.Certificate{
		Subject: pkix.Name{CommonName: agentServerName}, DNSNames: []string{agentServerName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, []string{agentServerName})
	if err != nil {
		return err
	}
	return c.ensurePair(agentClientCertFile, agentClientKeyFile, &x509.Certificate{
		Subject: pkix.Name{CommonName: agentClientName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, nil)
}

// ensurePair has a certificate that is good for all hosts and for a while yet, and its key.
func (c *Credentials) ensurePair(certName, keyName string, template *x509.Certificate, hosts []string) error {
	if certs, err := certutil.CertsFromFile(c.path(certName)); err == nil && c.has(keyName) && serves(certs[0], hosts) {
		return nil
	}
	if c.has(certName) && !c.has(caKeyFile) {
		return nil // given to us whole: who gave it knows for which hosts it is
	}
	cert, key, err := c.issue(template)
	if err != nil {
		return err
	}
	return c.writePair(certName, keyName, cert, key)
}

func serves(cert *x509.Certificate, hosts []string) bool {
	if time.Until(cert.NotAfter) < renewTime {
		return false
	}
	return !slices.ContainsFunc(hosts, func(h string) bool { return cert.VerifyHostname(h) != nil })
}

// ensureRandom has a file with 32 random bytes in hex.
func (c *Credentials) ensureRandom(name string, format func(secret string) string) error {
	if c.has(name) {
		return nil
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	return c.write(name, []byte(format(hex.EncodeToString(secret))))
}

// AgentClient is how the gateway calls a node's agent, which it takes for one by its certificate, not by its address. The
// gateway's own certificate is read anew for every connection, so that one that was renewed counts at once.
func (c *Credentials) AgentClient() (*tls.Config, error) {
	roots, err := certutil.NewPool(c.path(caCertFile))
	if err != nil {
		return nil, fmt.Errorf("the CA certificate: %w", err)
	}
	if _, err := c.agentClientPair(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: agentServerName,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.agentClientPair() },
	}, nil
}

// agentClientPair reads what the gateway shows to agents.
func (c *Credentials) agentClientPair() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.path(agentClientCertFile), c.path(agentClientKeyFile))
	if err == nil && time.Now().After(pair.Leaf.NotAfter) {
		err = fmt.Errorf("%s ended on %s", c.path(agentClientCertFile), pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	if err != nil {
		return nil, fmt.Errorf("the nodes' agents cannot be called without a certificate that they trust: %w; "+
			"\"skep kubeconfig --data-dir\" with the folder that has ca.key makes what is missing or has ended, and docs/deploy.md says where it belongs", err)
	}
	return &pair, nil
}

// SealingKey is the key for Secrets, 32 bytes.
func (c *Credentials) SealingKey() ([]byte, error) {
	text, err := os.ReadFile(c.path(sealingKeyFile))
	if err != nil {
		return nil, fmt.Errorf("the sealing key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("the sealing key in %s is not 64 hex digits", c.path(sealingKeyFile))
	}
	return key, nil
}

// Exists says whether dir has credentials already.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, caCertFile))
	return !errors.Is(err, fs.ErrNotExist)
}
