package gateway

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/keyutil"
)

// Kubeconfig is an administrator's, for a server URL, with one context of the given name. It has a client
// certificate of its own, good for a year.
func (c *Credentials) Kubeconfig(server, context string) (*clientcmdapi.Config, error) {
	ca, err := os.ReadFile(c.path(caCertFile))
	if err != nil {
		return nil, fmt.Errorf("the CA certificate: %w", err)
	}
	cert, key, err := c.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "skep-admin", Organization: []string{adminGroup}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[context] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[context] = &clientcmdapi.AuthInfo{ClientCertificateData: encodeCerts(cert), ClientKeyData: keyPEM}
	config.Contexts[context] = &clientcmdapi.Context{Cluster: context, AuthInfo: context}
	config.CurrentContext = context
	return config, nil
}

// MergeKubeconfig writes a context into a file and leaves the others in it as they are. It becomes the
// current one only where there was none.
func MergeKubeconfig(file string, add *clientcmdapi.Config) error {
	config, err := clientcmd.LoadFromFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		config, err = clientcmdapi.NewConfig(), nil
	}
	if err != nil {
		return fmt.Errorf("kubeconfig %s: %w", file, err)
	}
	for name := range add.Contexts {
		config.Clusters[name], config.AuthInfos[name], config.Contexts[name] = add.Clusters[name], add.AuthInfos[name], add.Contexts[name]
		if config.CurrentContext == "" {
			config.CurrentContext = name
		}
	}
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return fmt.Errorf("kubeconfig %s: %w", file, err)
	}
	return os.Chmod(file, 0o600)
}
