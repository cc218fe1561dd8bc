package translate

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// putHosts writes one line for each name: Docker reads the first name of a line and no more.
func (p *putter) putHosts() {
	for _, alias := range p.pod.HostAliases {
		for _, name := range alias.Hostnames {
			p.spec.Hosts = append(p.spec.Hosts, alias.IP+" "+name)
		}
	}
}

func hostsAt(s *swarm.TaskSpec) any { return containerSpec(s).Hosts }

func getHosts(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	var out []corev1.HostAlias
	for _, line := range containerSpec(s).Hosts {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if _, err := netip.ParseAddr(words[0]); err != nil {
			continue // "host-gateway" is Docker's alone
		}
		names := slices.DeleteFunc(words[1:2], func(name string) bool { return len(validation.IsDNS1123Subdomain(name)) > 0 })
		if len(names) == 0 {
			continue
		}
		at := slices.IndexFunc(out, func(a corev1.HostAlias) bool { return a.IP == words[0] })
		if at < 0 {
			out = append(out, corev1.HostAlias{IP: words[0]})
			at = len(out) - 1
		}
		out[at].Hostnames = append(out[at].Hostnames, names...)
	}
	o.Spec.HostAliases = out
}

// putDNS passes on what the Pod adds to its resolver. Docker's own stands before it in any case. By the policy
// ClusterFirst the names of Services are completed as in any cluster, before what the Pod itself adds.
func (p *putter) putDNS() {
	dns := &swarm.DNSConfig{}
	clustered := p.pod.DNSPolicy == "" || p.pod.DNSPolicy == corev1.DNSClusterFirstWithHostNet ||
		p.pod.DNSPolicy == corev1.DNSClusterFirst && !p.pod.HostNetwork
	if clustered {
		dns.Search, dns.Options = p.src.Networking().searches(p.id.Namespace), []string{dotsOption}
	}
	if c := p.pod.DNSConfig; c != nil {
		dns.Nameservers, dns.Search = slices.Clone(c.Nameservers), append(dns.Search, c.Searches...)
		for _, o := range c.Options {
			option := o.Name
			if o.Value != nil {
				option += ":" + *o.Value
			}
			if o.Name == "ndots" { // the Pod's own takes the place of the cluster's
				dns.Options = slices.DeleteFunc(dns.Options, func(have string) bool { return clustered && have == dotsOption })
			}
			dns.Options = append(dns.Options, option)
		}
	}
	if len(dns.Nameservers)+len(dns.Search)+len(dns.Options) > 0 {
		p.spec.DNSConfig = dns
	}
}

func dnsAt(s *swarm.TaskSpec) any { return withoutCluster(containerSpec(s).DNSConfig) }

func getDNS(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	o.Spec.DNSConfig = nil
	dns := withoutCluster(containerSpec(s).DNSConfig)
	if dns == nil || len(dns.Nameservers)+len(dns.Search)+len(dns.Options) == 0 {
		if o.Spec.DNSPolicy == corev1.DNSNone { // which asks for a nameserver
			o.Spec.DNSPolicy = corev1.DNSClusterFirst
		}
		return
	}
	c := &corev1.PodDNSConfig{Nameservers: slices.Clone(dns.Nameservers), Searches: slices.Clone(dns.Search)}
	for _, option := range dns.Options {
		name, value, ok := strings.Cut(option, ":")
		o := corev1.PodDNSConfigOption{Name: name}
		if ok {
			o.Value = &value
		}
		c.Options = append(c.Options, o)
	}
	o.Spec.DNSConfig = c
	if len(c.Nameservers) == 0 && o.Spec.DNSPolicy == corev1.DNSNone {
		o.Spec.DNSPolicy = corev1.DNSClusterFirst
	}
}
