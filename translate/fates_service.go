package translate

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// isOneOf says that a field has one of these values.
func isOneOf(values ...string) *condition {
	return &condition{text: strings.Join(values, " or "), is: func(s subject) bool { return slices.Contains(values, fmt.Sprint(s.value)) }}
}

// networkFates are the kinds that say how Pods are reached.
var networkFates = []kindFates{
	{
		kind: "Service", objects: []runtime.Object{&corev1.Service{}}, template: noTemplate,
		note: "An alias and virtual IP of the workload's own service, or a proxy that has the name; the annotation skep/route says which.",
		rows: []fate{
			{path: "spec.ports", fate: Native, reason: "as published ports and virtual IPs of Swarm, or by the proxy"},
			{path: "spec.ports[].protocol", fate: Warned, when: isOneOf("SCTP"), reason: "nginx carries no SCTP: the port works in the overlay where the workload has the Service's name itself (skep/route: native), and not through a proxy"},
			{path: "spec.ports[].targetPort", fate: Native, reason: "the same number as port: by Swarm; another, or a name: by the proxy"},
			{path: "spec.ports[].nodePort", fate: Native, reason: "a port of Swarm's routing mesh"},
			{path: "spec.ports[].appProtocol", fate: ViaGateway, reason: "kept, and shown on the endpoints"},
			{path: "spec.selector", fate: Native, reason: "which workloads' services have the name, or the proxy passes on to"},
			{path: "spec.clusterIP", fate: Native, reason: "the virtual IP that Swarm assigns; None is DNS round robin"},
			{path: "spec.clusterIPs", fate: Native, reason: "the virtual IP that Swarm assigns; None is DNS round robin"},
			{path: "spec.type", fate: Native, reason: "ClusterIP: overlay; NodePort and LoadBalancer: routing mesh; ExternalName: the proxy"},
			{path: "spec.externalIPs", fate: Refused, reason: "Swarm publishes ports on its nodes' own addresses; use type LoadBalancer or NodePort"},
			{path: "spec.sessionAffinity", fate: ViaGateway, reason: "ClientIP: by the proxy, which chooses by a hash of the address that it sees"},
			{path: "spec.sessionAffinityConfig", fate: ViaGateway, reason: "a hash has no time-out: affinity lasts as long as the Pods stay the same"},
			{path: "spec.loadBalancerIP", fate: Warned, reason: "a load balancer's addresses are those of the nodes"},
			{path: "spec.loadBalancerSourceRanges", fate: Refused, reason: "the routing mesh hides who calls; filter before it, or by an Ingress with whitelist-source-range behind a load balancer that tells"},
			{path: "spec.loadBalancerClass", fate: Warned, reason: "there is one load balancer, Swarm's routing mesh"},
			{path: "spec.externalName", fate: ViaGateway, reason: "Docker's DNS knows no other names for names, so the proxy passes on the Service's ports; without ports it has no effect"},
			{path: "spec.externalTrafficPolicy", fate: Warned, when: isOneOf("Local"), reason: "published on the nodes' own ports; what a proxy passes on comes from the proxy's address, and may go to a Pod on another node"},
			{path: "spec.externalTrafficPolicy", fate: Native, reason: "Cluster: Swarm's routing mesh"},
			{path: "spec.healthCheckNodePort", fate: Warned, reason: "there is no health check port: a node without a task refuses connections"},
			{path: "spec.publishNotReadyAddresses", fate: ViaGateway, reason: "on the endpoints; Docker's DNS leaves out what does not run"},
			{path: "spec.ipFamilies[]", fate: Warned, when: isOneOf("IPv6"), reason: "skep's overlay has IPv4 addresses"},
			{path: "spec.ipFamilies", fate: Native, reason: "IPv4"},
			{path: "spec.ipFamilyPolicy", fate: Native, reason: "SingleStack"},
			{path: "spec.allocateLoadBalancerNodePorts", fate: ViaGateway, reason: "kept and obeyed"},
			{path: "spec.internalTrafficPolicy", fate: Warned, when: isOneOf("Local"), reason: "Swarm balances over all nodes"},
			{path: "spec.internalTrafficPolicy", fate: Native, reason: "Cluster"},
			{path: "spec.trafficDistribution", fate: Warned, reason: "Swarm balances over all nodes alike"},
			{path: "status", fate: ViaGateway, reason: statusReason},
		},
	},
	{
		kind: "Endpoints", objects: []runtime.Object{&corev1.Endpoints{}}, template: noTemplate,
		note: "Derived from the tasks behind a Service with a selector; for others a document that the proxy follows.",
		rows: []fate{{path: "subsets", fate: ViaGateway, reason: "kept and followed where the Service has no selector"}},
	},
	{
		kind: "EndpointSlice", objects: []runtime.Object{&discoveryv1.EndpointSlice{}}, template: noTemplate,
		note: "Derived from the tasks behind a Service with a selector; for others a document that the proxy follows.",
		rows: []fate{
			{path: "addressType", fate: Warned, when: isOneOf("IPv6", "FQDN"), reason: "proxies follow IPv4 addresses only"},
			{path: "addressType", fate: ViaGateway, reason: "kept"},
			{path: "endpoints", fate: ViaGateway, reason: "kept and followed"},
			{path: "ports", fate: ViaGateway, reason: "kept and followed"},
		},
	},
	{
		kind: "Ingress", objects: []runtime.Object{&networkingv1.Ingress{}}, template: noTemplate,
		note: "A document; the class skep is one nginx for all, the class traefik labels for a Traefik that the Swarm runs.",
		rows: []fate{
			{path: "spec.ingressClassName", fate: ViaGateway, reason: "skep, traefik, or that of a controller of your own"},
			{path: "spec.defaultBackend", fate: ViaGateway, reason: "by the proxy"},
			{path: "spec.tls", fate: ViaGateway, reason: "a Swarm secret for each certificate, chosen by server name"},
			{path: "spec.rules", fate: ViaGateway, reason: "by the proxy, with Kubernetes' precedence"},
			{path: "status", fate: ViaGateway, reason: "of skep's own class what the Swarm says; of others what their controllers write"},
		},
	},
	{
		kind: "IngressClass", objects: []runtime.Object{&networkingv1.IngressClass{}}, template: noTemplate,
		note: "A document. skep makes skep (the default) and traefik where there are none.",
		rows: []fate{
			{path: "spec.controller", fate: ViaGateway, reason: "skep/nginx and skep/traefik are skep's; others are left to theirs"},
			{path: "spec.parameters", fate: Warned, reason: "skep's controllers take none; the options of skep serve hold for all"},
		},
	},
	networkPolicyFates,
}
