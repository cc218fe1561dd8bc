package translate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// ingressTLSDir is where the proxy finds certificates.
const ingressTLSDir = "/etc/skep/tls/"

// ingressMinRSA is the shortest key that OpenSSL serves at its default security level.
const ingressMinRSA = 2048

// ingressWeakSignatures are those that it does not serve.
var ingressWeakSignatures = []x509.SignatureAlgorithm{
	x509.UnknownSignatureAlgorithm, x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1,
}

// certificates are the paths of the hosts' PEMs, and those PEMs.
func (c *ingressCollector) certificates() (map[string]string, []IngressFile) {
	paths, owners, files := map[string]string{}, map[string]*networkingv1.Ingress{}, map[string][]byte{}
	for _, i := range c.ingresses {
		for _, host := range ingressHosts(i) {
			entry := ingressTLS(i, host)
			if entry == nil || !c.hosts[host] {
				continue
			}
			if entry.SecretName == "" {
				continue // the default certificate's, if there is one
			}
			data, err := ingressPEM(c.src.Secret(i.Namespace, entry.SecretName))
			if err != nil {
				c.problem(i, IngressNoCertificate, "Secret %q %v: host %q is served without TLS", entry.SecretName, err, host)
				continue
			}
			path := ingressTLSDir + c.src.Digest(data) + ".pem"
			if owner := owners[host]; owner != nil {
				if paths[host] != path {
					c.problem(i, IngressConflict, "host %q has the certificate of Ingress %s/%s, which is older", host, owner.Namespace, owner.Name)
				}
				continue
			}
			paths[host], owners[host], files[path] = path, i, data
		}
	}
	var out []IngressFile
	for _, path := range slices.Sorted(maps.Keys(files)) {
		out = append(out, IngressFile{Path: path, Data: files[path]})
	}
	return paths, out
}

// ingressHosts are the hosts of an Ingress's rules, each once.
func ingressHosts(i *networkingv1.Ingress) []string {
	var hosts []string
	for _, rule := range i.Spec.Rules {
		if !slices.Contains(hosts, rule.Host) {
			hosts = append(hosts, rule.Host)
		}
	}
	if i.Spec.DefaultBackend != nil && !slices.Contains(hosts, "") {
		hosts = append(hosts, "")
	}
	return hosts
}

// ingressTLS is the entry of spec.tls that a host has: its own, one by wildcard, or one for all hosts.
func ingressTLS(i *networkingv1.Ingress, host string) *networkingv1.IngressTLS {
	wildcard := ""
	if _, rest, ok := strings.Cut(host, "."); ok {
		wildcard = "*." + rest
	}
	for _, fits := range []func(hosts []string) bool{
		func(hosts []string) bool { return slices.Contains(hosts, host) },
		func(hosts []string) bool { return wildcard != "" && slices.Contains(hosts, wildcard) },
		func(hosts []string) bool { return len(hosts) == 0 },
	} {
		for n := range i.Spec.TLS {
			if fits(i.Spec.TLS[n].Hosts) {
				return &i.Spec.TLS[n]
			}
		}
	}
	return nil
}

// ingressPEM is a Secret's chain and key, written anew: what OpenSSL would refuse keeps the proxy from starting.
func ingressPEM(secret *corev1.Secret) ([]byte, error) {
	if secret == nil {
		return nil, errors.New("is not there")
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, fmt.Errorf("has no valid pair of %s and %s: %w", corev1.TLSCertKey, corev1.TLSPrivateKeyKey, err)
	}
	var out bytes.Buffer
	for _, der := range pair.Certificate {
		certificate, err := x509.ParseCertificate(der)
		if err == nil {
			err = checkIngressCertificate(certificate)
		}
		if err != nil {
			return nil, fmt.Errorf("has a certificate that cannot be served: %w", err)
		}
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // into memory
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("has a key that cannot be served: %w", err)
	}
	_ = pem.Encode(&out, &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return out.Bytes(), nil
}

func checkIngressCertificate(c *x509.Certificate) error {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < ingressMinRSA {
			return fmt.Errorf("its RSA key has %d bits, fewer than %d", key.N.BitLen(), ingressMinRSA)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return errors.New("its key is none of RSA, ECDSA and Ed25519")
	}
	if bytes.Equal(c.RawIssuer, c.RawSubject) {
		return nil // nobody looks at a root's signature
	}
	if slices.Contains(ingressWeakSignatures, c.SignatureAlgorithm) {
		return fmt.Errorf("its signature is %s", c.SignatureAlgorithm)
	}
	return nil
}
