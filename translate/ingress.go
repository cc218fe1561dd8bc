package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"skep/translate/nginx"
)

// IngressSources are what Ingresses refer to.
type IngressSources interface {
	// Service is nil when there is none of that name.
	Service(namespace, name string) *corev1.Service
	// Backend is where a Service's port is to be reached; an error when it has no such port.
	Backend(namespace, service string, port networkingv1.ServiceBackendPort) (nginx.Backend, error)
	// Secret is nil when there is none of that name.
	Secret(namespace, name string) *corev1.Secret
	// Digest names data, in letters and digits.
	Digest(data []byte) string
}

// IngressProblem is what an Ingress asks for and does not get: a Warning Event on it.
type IngressProblem struct {
	Namespace, Name string
	Reason, Message string
}

// The reasons.
const (
	IngressInvalidAnnotation = "InvalidAnnotation"
	IngressInvalidRule       = "InvalidRule"
	IngressConflict          = "Conflict"
	IngressNoBackend         = "NoBackend"
	IngressNoCertificate     = "NoCertificate"
	IngressNoEffect          = "NoEffect"
)

// IngressFile is a PEM with a certificate's chain and its key, to be there at Path, a secret.
type IngressFile struct {
	Path string
	Data []byte
}

// IngressOptions are what Ingresses have in common.
type IngressOptions struct {
	// HTTPPort and HTTPSPort are what the proxy listens at and is published as.
	HTTPPort, HTTPSPort int32
	// RelayHTTPPort and RelayHTTPSPort are where it listens for who passes on with the PROXY protocol; 0 for nowhere.
	RelayHTTPPort, RelayHTTPSPort int32
	// Resolver is the address of the DNS server.
	Resolver string
	// HealthPort answers /healthz; 0 is nginx.DefaultHealthPort.
	HealthPort int32
	// DefaultCertificate is the path of a PEM for hosts without a certificate; "" for none.
	DefaultCertificate string
}

// RenderIngresses writes the configuration of the proxy that serves Ingresses, and what it is to mount. Whatever an
// Ingress has that cannot be is left out, with a problem; the rest works. Where two ask for the same path of the same
// host, the older has it. The result does not depend on the order of the Ingresses. The configuration is empty when
// the options are what cannot be; the problem then has no name.
func RenderIngresses(ingresses []*networkingv1.Ingress, src IngressSources, o IngressOptions) (config string, files []IngressFile, problems []IngressProblem) {
	c := collectIngresses(ingresses, src)
	certificates, files := c.certificates()
	c.serveGRPC(certificates, o)
	servers := map[string]*nginx.Server{}
	for host := range c.hosts {
		servers[host] = &nginx.Server{Host: host, Certificate: certificates[host]}
	}
	for _, r := range c.routes {
		s := servers[r.host]
		s.Locations = append(s.Locations, r.Location)
	}
	h := nginx.HTTPConfig{
		Resolver: o.Resolver, HTTPPort: o.HTTPPort, HTTPSPort: o.HTTPSPort, HealthPort: o.HealthPort,
		RelayHTTPPort: o.RelayHTTPPort, RelayHTTPSPort: o.RelayHTTPSPort,
		DefaultCertificate: o.DefaultCertificate,
	}
	for _, host := range slices.Sorted(maps.Keys(servers)) {
		h.Servers = append(h.Servers, *servers[host])
	}
	config, err := nginx.HTTP(h)
	if err != nil {
		c.problems = append(c.problems, IngressProblem{Reason: IngressInvalidRule, Message: err.Error()})
		config = ""
	}
	return config, files, c.problems
}

// serveGRPC tells of gRPC on hosts without TLS, where nginx speaks no HTTP/2.
func (c *ingressCollector) serveGRPC(certificates map[string]string, o IngressOptions) {
	for _, r := range c.routes {
		grpc := r.Protocol == nginx.ProtocolGRPC || r.Protocol == nginx.ProtocolGRPCS
		if grpc && (cmp.Or(certificates[r.host], o.DefaultCertificate) == "" || o.HTTPSPort == 0) {
			c.problem(r.ingress, IngressNoEffect, "host %q has no certificate, and gRPC needs HTTP/2, which is spoken on HTTPS only", r.host)
		}
	}
}

// sortIngresses puts the oldest first.
func sortIngresses(ingresses []*networkingv1.Ingress) []*networkingv1.Ingress {
	sorted := slices.Clone(ingresses)
	slices.SortFunc(sorted, func(a, b *networkingv1.Ingress) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return sorted
}

// problem says each thing once.
func (c *ingressCollector) problem(i *networkingv1.Ingress, reason, format string, args ...any) {
	p := IngressProblem{Namespace: i.Namespace, Name: i.Name, Reason: reason, Message: fmt.Sprintf(format, args...)}
	if !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}
