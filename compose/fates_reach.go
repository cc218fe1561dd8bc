package compose

// reachFates are by which names and ports services are reached, and what they reach.
var reachFates = []keyGroup{
	{title: "Ports", note: "Every service has a Service of its name, on the ports that its containers listen on; what is published is a second one, <name>-published.", rows: []keyFate{
		{path: "services.*.ports[].target", fate: Mapped, to: "Service.spec.ports[].targetPort, Pod.spec.containers[].ports[].containerPort"},
		{path: "services.*.ports[].published", fate: Mapped, told: true, to: "Service.spec.ports[].port", reason: "of <name>-published: a LoadBalancer, or with --publish a NodePort or an Ingress"},
		{path: "services.*.ports[].protocol", fate: Mapped, to: "Service.spec.ports[].protocol"},
		{path: "services.*.ports[].mode", when: isAny("host"), fate: Approximated, told: true, to: "Service.spec.externalTrafficPolicy", reason: "Local: only the nodes that run a Pod answer, and see who calls; where it has to be the node's own port, write hostPort"},
		{path: "services.*.ports[].mode", fate: Mapped, reason: "ingress: what Kubernetes does anyway, every node passes it on"},
		{path: "services.*.ports[].host_ip", when: like("of the loopback", `^127\.|^::1$|^localhost$`), fate: Approximated, told: true, reason: "what only the machine itself may reach is not published: kubectl port-forward reaches it", swarm: "docker stack deploy publishes it on all addresses"},
		{path: "services.*.ports[].host_ip", when: isAny("0.0.0.0", "::"), fate: Mapped, reason: "all addresses"},
		{path: "services.*.ports[].host_ip", fate: Approximated, told: true, reason: "a load balancer has addresses of its own, and node ports are on every node"},
		{path: "services.*.ports[].name", fate: Mapped, to: "Service.spec.ports[].name", reason: "as a DNS label of at most 15 characters", swarm: swarmRefuses},
		{path: "services.*.ports[].app_protocol", fate: Mapped, to: "Service.spec.ports[].appProtocol", swarm: swarmRefuses},
		{path: "services.*.expose", fate: Mapped, to: "Service.spec.ports[], Pod.spec.containers[].ports[].containerPort", reason: "each port of a range", swarm: swarmIgnores},
		{path: "services.*.deploy.endpoint_mode", when: isAny("dnsrr"), fate: Mapped, to: "Service.spec.clusterIP", reason: "None: a headless Service, whose name is the Pods' addresses"},
		{path: "services.*.deploy.endpoint_mode", fate: Mapped, to: "Service.spec.clusterIP", reason: "vip: one address for all"},
	}},
	{title: "Names", rows: []keyFate{
		{path: "services.*.hostname", when: like("a DNS label", `^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`), fate: Mapped, to: "Pod.spec.hostname"},
		{path: "services.*.hostname", when: like("a template", `\{\{`), fate: Refused, reason: "Kubernetes fills in no templates: a Pod's host name is its own name, which tells its StatefulSet's replicas apart", swarm: swarmAlone},
		{path: "services.*.hostname", fate: Approximated, kept: true, reason: "a Pod's hostname is a DNS label, small letters, digits and hyphens: this one is left out, and the Pod's own name is in its place; hostnameOverride takes one with dots"},
		{path: "services.*.domainname", fate: Refused, reason: "a Pod's domain is the cluster's: hostnameOverride takes a whole name", swarm: swarmIgnores},
		{path: "services.*.dns", fate: Mapped, to: "Pod.spec.dnsConfig.nameservers", reason: "asked after the cluster's own, which knows the Services"},
		{path: "services.*.dns_search", fate: Mapped, to: "Pod.spec.dnsConfig.searches"},
		{path: "services.*.dns_opt", fate: Mapped, to: "Pod.spec.dnsConfig.options[]", swarm: swarmRefuses},
		{path: "services.*.extra_hosts.*", when: like("host-gateway", `(^|[:=])host-gateway$`), fate: Refused, reason: "a Pod does not know its node's address beforehand: take it from status.hostIP by the downward API, or run on the node's network", swarm: swarmAlone},
		{path: "services.*.extra_hosts.*", fate: Mapped, to: "Pod.spec.hostAliases[]"},
		{path: "services.*.links", fate: Mapped, told: true, to: "Service.metadata.name", reason: "a Service of the alias's name for all of the namespace, not for this service alone", swarm: swarmIgnores},
		{path: "services.*.external_links", fate: Refused, told: true, decide: true, to: "Service.spec.externalName", reason: "what runs elsewhere is a Service of type ExternalName: make one of the alias's name", swarm: swarmIgnores},
	}},
	{title: "Networks of a service", rows: []keyFate{
		{path: "services.*.networks.*", fate: Mapped, told: true, to: "NetworkPolicy.spec.podSelector, Pod.metadata.labels", reason: "with --network-policies who shares one reaches each other; without, a cluster is one flat network", swarm: "docker stack deploy makes an overlay of each; here all are on skep's one, and NetworkPolicies part them"},
		{path: "services.*.networks.*.aliases", fate: Mapped, told: true, to: "Service.metadata.name", reason: "a Service of each alias, for all of the namespace", swarm: "a name with dots is an alias, too"},
		{path: "services.*.networks.*.driver_opts", fate: Meaningless, reason: "options of Docker's network drivers say nothing to a cluster's network", swarm: swarmAlone},
		{path: "services.*.networks.*.interface_name", fate: Refused, reason: "a Pod's interface is eth0: a second one, and its name, are Multus'", swarm: swarmRefuses},
		{path: "services.*.networks.*.ipv4_address", fate: Refused, reason: addressReason, swarm: swarmAlone},
		{path: "services.*.networks.*.ipv6_address", fate: Refused, reason: addressReason, swarm: swarmAlone},
		{path: "services.*.networks.*.link_local_ips", fate: Refused, reason: addressReason, swarm: swarmRefuses},
		{path: "services.*.networks.*.mac_address", fate: Refused, reason: macReason, swarm: swarmRefuses},
		{path: "services.*.networks.*.priority", fate: Meaningless, reason: "a Pod has one network, and nothing to choose first", swarm: swarmRefuses},
		{path: "services.*.networks.*.gw_priority", fate: Meaningless, reason: "a Pod has one network, and nothing to choose first", swarm: swarmRefuses},
		{path: "services.*.networks.*.use_service_name_alias", when: isAny("false"), fate: Approximated, reason: "a service's name is its Service's, for all of the namespace", swarm: swarmRefuses},
		{path: "services.*.networks.*.use_service_name_alias", fate: Mapped, to: "Service.metadata.name", swarm: swarmRefuses},
		{path: "services.*.network_mode", when: isAny("host"), fate: Mapped, to: "Pod.spec.hostNetwork, Pod.spec.dnsPolicy", swarm: swarmIgnores},
		{path: "services.*.network_mode", when: isAny("bridge", "default"), fate: Mapped, reason: "the cluster's own network", swarm: swarmIgnores},
		{path: "services.*.network_mode", when: isAny("none"), fate: Approximated, to: "NetworkPolicy.spec.podSelector", reason: "a Pod always has a network: with --network-policies nobody reaches it, and it reaches nobody", swarm: swarmIgnores},
		{path: "services.*.network_mode", fate: Refused, decide: true, reason: "what shares another's network is a container of its Pod: add it to that one's containers by hand", swarm: swarmIgnores},
		{path: "services.*.mac_address", fate: Refused, reason: macReason, swarm: swarmIgnores},
	}},
}

const (
	addressReason = "addresses of Pods are given out by the cluster: use the Service's name, or its clusterIP where it has to be a number"
	macReason     = "hardware addresses of Pods are the CNI plug-in's to choose; some take an annotation for it"
)
