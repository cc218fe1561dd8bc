package translate

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"

	"skep/translate/manifest"
)

// Networking is what a gateway is told about the Swarm's networks and the proxies that it keeps there. All
// gateways of a Swarm have to be told the same.
type Networking struct {
	// Network is the overlay that every workload made through Kubernetes joins: Kubernetes' one flat network.
	Network string
	// CIDR is what the addresses of Pods and Services come from, where skep makes that overlay.
	CIDR string
	// Domain is the cluster's DNS domain.
	Domain string
	// RoundRobin is for kernels without IPVS: no service has a virtual IP, names answer with the tasks'
	// addresses, and ports are published on the nodes themselves, without the routing mesh.
	RoundRobin bool
	// ProxyImage has nginx with its stream module.
	ProxyImage string
	// HTTPPort and HTTPSPort are where Ingresses are published; 0: not at all.
	HTTPPort, HTTPSPort uint32
	// QuickHealth: the Engine can look at a container more often while it starts (API 1.44, Engine 25). Such an Engine
	// also takes security profiles and NoNewPrivileges from Swarm.
	QuickHealth bool
	// Image is skep's own, which runs the sandboxes of Pods on every node.
	Image string
	// EngineSocket is the Docker Engine's on every node.
	EngineSocket string
}

// DefaultNetworking is what holds where nothing is said.
var DefaultNetworking = Networking{
	Network: "skep", CIDR: "10.244.0.0/16", Domain: "cluster.local", ProxyImage: "nginx:stable-alpine", HTTPPort: 80, HTTPSPort: 443,
	Image: "skep:latest", EngineSocket: manifest.EngineSocket,
}

// serviceHost is the name by which Pods find a Service, whatever namespace they are in. It is an alias on a
// Swarm network: Docker's DNS takes names with dots.
func (n Networking) serviceHost(k Key) string { return k.Name + "." + n.serviceZone(k.Namespace) }

func (n Networking) serviceZone(namespace string) string { return namespace + ".svc." + n.Domain }

// serviceKey is the Service that an alias names.
func (n Networking) serviceKey(alias string) (Key, bool) {
	rest, ok := strings.CutSuffix(alias, ".svc."+n.Domain)
	if !ok {
		return Key{}, false
	}
	name, namespace, ok := strings.Cut(rest, ".")
	return Key{namespace, name}, ok && !strings.Contains(namespace, ".")
}

// searches are the domains that a Pod's resolver completes names with, as the kubelet sets them.
func (n Networking) searches(namespace string) []string {
	return []string{n.serviceZone(namespace), "svc." + n.Domain, n.Domain}
}

// dotsOption has the resolver complete what has fewer than five dots first, as the kubelet sets it.
const dotsOption = "ndots:5"

// withoutCluster takes out of resolver settings what skep adds for a Pod that asks for the cluster's DNS.
func withoutCluster(dns *swarm.DNSConfig) *swarm.DNSConfig {
	if dns == nil || !beginsWithCluster(dns.Search) {
		return dns
	}
	out := *dns
	if out.Search = nil; len(dns.Search) > 3 {
		out.Search = slices.Clone(dns.Search[3:])
	}
	if at := slices.Index(dns.Options, dotsOption); at >= 0 {
		out.Options = slices.Delete(slices.Clone(dns.Options), at, at+1)
	}
	if len(out.Nameservers)+len(out.Search)+len(out.Options) == 0 {
		return nil
	}
	return &out
}

// beginsWithCluster says whether a list of search domains begins with a namespace's three.
func beginsWithCluster(search []string) bool {
	return len(search) >= 3 && search[1] == "svc."+search[2] && strings.HasSuffix(search[0], "."+search[1]) &&
		!strings.Contains(strings.TrimSuffix(search[0], "."+search[1]), ".")
}
