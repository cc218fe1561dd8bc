package compose

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What Kubernetes takes of a Pod's resolver (pkg/apis/core/validation).
const (
	maxNameservers = 3
	maxSearches    = 32
)

// resolver is what a service says of names, as far as Kubernetes takes it.
func (c *converter) resolver(w *workload) {
	f, spec := w.service.File, &w.template.Spec
	dns := spec.DNSConfig
	if dns == nil {
		dns = &corev1.PodDNSConfig{}
	}
	dns.Nameservers, dns.Searches = nil, nil
	for i, server := range f.DNS {
		at := fmt.Sprintf("%s.dns[%d]", w.at, i)
		switch {
		case len(validation.IsValidIP(field.NewPath("dns"), server)) > 0:
			c.find(Refused, at, "%q is no address: a nameserver has one", server)
		case len(dns.Nameservers) == maxNameservers:
			c.find(Refused, at, "Kubernetes takes %d nameservers", maxNameservers)
		case !slices.Contains(dns.Nameservers, server):
			dns.Nameservers = append(dns.Nameservers, server)
		}
	}
	for i, domain := range f.DNSSearch {
		at := fmt.Sprintf("%s.dns_search[%d]", w.at, i)
		switch name := strings.TrimSuffix(domain, "."); {
		case domain == ".": // nothing but names as they stand
		case len(validation.IsDNS1123SubdomainWithUnderscore(name)) > 0:
			c.find(Refused, at, "%q is no domain", domain)
		case len(dns.Searches) == maxSearches:
			c.find(Refused, at, "Kubernetes takes %d domains", maxSearches)
		default:
			dns.Searches = append(dns.Searches, domain)
		}
	}
	for _, option := range f.DNSOpts {
		name, value, has := strings.Cut(option, ":")
		o := corev1.PodDNSConfigOption{Name: name}
		if has {
			o.Value = &value
		}
		if name != "" && !slices.ContainsFunc(dns.Options, func(have corev1.PodDNSConfigOption) bool { return have.Name == name }) {
			dns.Options = append(dns.Options, o)
		}
	}
	if spec.DNSConfig = dns; len(dns.Nameservers)+len(dns.Searches)+len(dns.Options) == 0 {
		spec.DNSConfig = nil
	}
}
