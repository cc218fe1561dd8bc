package translate

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
)

// AnnotationRoute on a Service says which way its traffic goes. A client may ask for RouteNative or RouteProxy.
const AnnotationRoute = "skep/route"

// AnnotationNodePorts on a Service of type LoadBalancer, with NodePortsNone, has it publish its own ports alone, and not
// those of 30000-32767 that Kubernetes gives it as well. spec.allocateLoadBalancerNodePorts does the same, and more: most
// load balancers of other clusters do not work without.
const (
	AnnotationNodePorts = "skep/node-ports"
	NodePortsNone       = "none"
)

// Route is the way that a Service's traffic goes.
type Route string

// The routes.
const (
	// RouteNone: nothing is behind the Service.
	RouteNone Route = "none"
	// RouteNative: the workload's own service has the Service's name.
	RouteNative Route = "native"
	// RouteProxy: a service of nginx has the name and passes on what comes.
	RouteProxy Route = "proxy"
	// RouteMesh: the service made by Docker's tools publishes the ports itself.
	RouteMesh Route = "mesh"
)

// Labels of proxies, and of services that publish the ports of a Kubernetes Service themselves.
const (
	// LabelProxy is the key of the Service, namespace/name, that a proxy carries, or IngressProxy's.
	LabelProxy = "skep.proxy"
	// LabelProxySpec is a digest of the spec that skep gave a proxy.
	LabelProxySpec = "skep.proxy-spec"
	// LabelProxyVersion tells who wrote that: a gateway leaves alone what a newer one has written.
	LabelProxyVersion = "skep.proxy-version"
	// LabelPublishes lists the Services whose ports a workload's service publishes, namespace/name, with commas.
	LabelPublishes = "skep.publishes"
)

// routeOf is the way that a Service's traffic is to go.
func routeOf(w World, e *Exposed) Route {
	behind := selected(w, e)
	switch {
	case e.Document == nil:
		return RouteMesh
	case e.Object.Spec.Type == corev1.ServiceTypeExternalName:
		if len(e.Object.Spec.Ports) == 0 {
			return RouteNone // there is no port to pass on
		}
		return RouteProxy
	case e.selector == nil && len(writtenAddresses(w, e)) > 0, e.published() && !e.prefers(RouteNative) && !publishedBy(e, behind):
		return RouteProxy
	case len(behind) == 0:
		return RouteNone
	case publishedBy(e, behind):
		return RouteMesh
	}
	if (e.Headless() || len(behind) == 1) && !slices.ContainsFunc(behind, func(wl *Workload) bool {
		return !e.suits(&wl.Template) || !slices.Contains(w.Wearing(e.Key()), wl.Service.ID)
	}) {
		return RouteNative
	}
	return RouteProxy
}

// mistaken says whether a workload that has a Service's name is not, or no longer, what the name stands for: the Service
// does not select it, has other ports, or has a client meet the same Pod each time.
func mistaken(w World, e *Exposed, wl *Workload) bool {
	return !e.Selects(wl) || affine(e) || !e.Headless() && e.renumbers(&wl.Template) || misleads(w, e, wl)
}

// misleads says whether a workload publishes ports for a Service, and they lead to another port than the Service says.
func misleads(w World, e *Exposed, wl *Workload) bool {
	live := wl.Service.Spec.EndpointSpec
	if live == nil || !e.published() || !e.prefers(RouteNative) || !publishes(&wl.Service.Spec, e.Key()) {
		return false
	}
	return slices.ContainsFunc(ownPorts(w, e, &wl.Template), func(p swarm.PortConfig) bool {
		return leadsElsewhere(live.Ports, p)
	})
}

// leadsElsewhere says whether ports have this one, and it leads to another port of the containers.
func leadsElsewhere(ports []swarm.PortConfig, p swarm.PortConfig) bool {
	return slices.ContainsFunc(ports, func(have swarm.PortConfig) bool {
		return have.PublishedPort == p.PublishedPort && have.Protocol == p.Protocol && have.TargetPort != p.TargetPort
	})
}

// publishedBy says whether the one service behind a Service publishes all its ports by what Docker's tools gave it.
func publishedBy(e *Exposed, behind []*Workload) bool {
	if !e.published() || len(behind) != 1 || behind[0].Service.Spec.Labels[LabelPublishes] != "" {
		return false
	}
	for _, p := range e.Object.Spec.Ports {
		target, ok := targetPort(&behind[0].Template, &p)
		if !ok || p.NodePort == 0 || !slices.ContainsFunc(behind[0].Service.Endpoint.Ports, func(have swarm.PortConfig) bool {
			return have.PublishedPort == uint32(p.NodePort) && have.TargetPort == uint32(target) && have.Protocol == swarmProtocol(p.Protocol)
		}) {
			return false
		}
	}
	return true
}

func swarmProtocol(p corev1.Protocol) swarm.PortConfigProtocol {
	return swarm.PortConfigProtocol(strings.ToLower(string(protocolOf(p))))
}

// worn are the Services that the service of a workload with this template is to be itself. id is the service's; "" for
// one that is not there yet.
func worn(w World, namespace string, template *corev1.PodTemplateSpec, id string) []*Exposed {
	var all []*Exposed
	for _, e := range w.ExposedIn(namespace) {
		if !e.selectsLabels(template.Labels) || !e.suits(template) {
			continue
		}
		alone := !slices.ContainsFunc(w.Selected(e.Key()), func(other string) bool { return other != id })
		if alone || e.Headless() || slices.Contains(w.Wearing(e.Key()), id) {
			all = append(all, e)
		}
	}
	return all
}

// connect gives the service of a new workload its networks, and what the Services that select it ask for.
func connect(w World, spec *swarm.ServiceSpec, namespace string, template *corev1.PodTemplateSpec) {
	if template.Spec.HostNetwork {
		return
	}
	for _, name := range w.StackNetworks(namespace) {
		spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{Target: name})
	}
	settle(w, &spec.TaskTemplate, membershipFor(w, spec.Name, namespace, template.Labels))
	dress(w, spec, template, worn(w, namespace, template, ""))
}

// reconnect has a service whose tasks are replaced anyway be the Services that select it by now. What Docker's tools
// made keeps its networks.
func reconnect(w World, wl *Workload, spec *swarm.ServiceSpec, template *corev1.PodTemplateSpec) {
	if template.Spec.HostNetwork || !madeHere(w, spec) {
		return
	}
	spec.TaskTemplate.Networks = slices.Clone(spec.TaskTemplate.Networks)
	settle(w, &spec.TaskTemplate, membershipFor(w, spec.Name, wl.Identity.Namespace, template.Labels))
	dress(w, spec, template, worn(w, wl.Identity.Namespace, template, wl.Service.ID))
}

func onFlat(w World, spec *swarm.TaskSpec) bool {
	return slices.ContainsFunc(spec.Networks, func(n swarm.NetworkAttachmentConfig) bool { return isFlat(w, n.Target) })
}

func isFlat(w World, target string) bool { return networkName(w, target) == w.Networking().Network }

// madeHere says whether a service was made through Kubernetes: it is on overlays of skep's. One that Docker's tools made
// is not, even if kubectl has written on it since.
func madeHere(w World, spec *swarm.ServiceSpec) bool {
	return spec.Labels[LabelObject] != "" && slices.ContainsFunc(spec.TaskTemplate.Networks, func(n swarm.NetworkAttachmentConfig) bool {
		return isManaged(w, networkName(w, n.Target))
	})
}

// dress writes Services into a workload's spec: their names as aliases, the ports that they publish, and no virtual
// IP where one of them has none.
func dress(w World, spec *swarm.ServiceSpec, template *corev1.PodTemplateSpec, services []*Exposed) {
	names := make([]string, 0, len(services))
	mode, publishes, headless := swarm.ResolutionMode(""), []string{}, false
	var ports []swarm.PortConfig
	for _, e := range services {
		names = append(names, w.Networking().serviceHost(e.Key()))
		headless = headless || e.Headless() && !e.keepsAddress()
		if e.published() {
			publishes = append(publishes, AddressID(e.Key()))
			ports = append(ports, ownPorts(w, e, template)...)
		}
	}
	local := !slices.ContainsFunc(ports, func(p swarm.PortConfig) bool { return p.PublishMode == swarm.PortConfigPublishModeIngress })
	if w.Networking().RoundRobin || headless && local {
		mode = swarm.ResolutionModeDNSRR
	}
	slices.Sort(names)
	for i := range spec.TaskTemplate.Networks {
		n := &spec.TaskTemplate.Networks[i]
		n.Aliases = slices.DeleteFunc(slices.Clone(n.Aliases), func(alias string) bool {
			_, ours := w.Networking().serviceKey(alias)
			return ours
		})
		n.Aliases = append(n.Aliases, names...)
	}
	spec.EndpointSpec = dressEndpoint(spec, mode, ports, publishes)
}

// dressEndpoint leaves alone what says the same, for any other endpoint restarts tasks.
func dressEndpoint(spec *swarm.ServiceSpec, mode swarm.ResolutionMode, ports []swarm.PortConfig, publishes []string) *swarm.EndpointSpec {
	slices.Sort(publishes)
	was, is := spec.Labels[LabelPublishes], strings.Join(publishes, ",")
	live := spec.EndpointSpec
	if live == nil {
		live = &swarm.EndpointSpec{}
	}
	same := live.Mode == mode || live.Mode == swarm.ResolutionModeVIP && mode == ""
	other := slices.ContainsFunc(ports, func(p swarm.PortConfig) bool { return leadsElsewhere(live.Ports, p) })
	if was == is && same && !other {
		return spec.EndpointSpec
	}
	out := *live
	if !same {
		out.Mode = mode
	}
	if was != is || other {
		out.Ports = ports
		spec.Labels = withEntry(spec.Labels, LabelPublishes, is)
		if is == "" {
			delete(spec.Labels, LabelPublishes)
		}
	}
	return &out
}

// publishedPorts are the ports of a Service on the nodes. The container listens on the Service's port where a proxy
// does, which is the target's number where the workload itself does.
func publishedPorts(w World, e *Exposed) []swarm.PortConfig {
	mode := swarm.PortConfigPublishModeIngress
	if w.Networking().RoundRobin || e.Object.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
		mode = swarm.PortConfigPublishModeHost
	}
	ports := e.OutsidePorts()
	for i := range ports {
		ports[i].PublishMode = mode
	}
	return ports
}

// ownPorts are publishedPorts where the workload itself publishes them: they lead to the ports of its Pods.
func ownPorts(w World, e *Exposed, template *corev1.PodTemplateSpec) []swarm.PortConfig {
	ports := publishedPorts(w, e)
	for i := range ports {
		for _, p := range e.Object.Spec.Ports {
			if target, ok := targetPort(template, &p); ok && p.Port == int32(ports[i].TargetPort) && swarmProtocol(p.Protocol) == ports[i].Protocol {
				ports[i].TargetPort = uint32(target)
				break
			}
		}
	}
	return ports
}

// outsidePorts are the numbers at which a port is reached at the nodes: its node port, and a load balancer's own.
func outsidePorts(s *corev1.Service, p *corev1.ServicePort) []uint32 {
	var numbers []uint32
	if s.Spec.Type == corev1.ServiceTypeLoadBalancer {
		numbers = append(numbers, uint32(p.Port))
		if s.Annotations[AnnotationNodePorts] == NodePortsNone {
			return numbers
		}
	}
	if p.NodePort != 0 && !slices.Contains(numbers, uint32(p.NodePort)) {
		numbers = append(numbers, uint32(p.NodePort))
	}
	return numbers
}

// networksOf are the overlays that a task spec names and that skep makes.
func networksOf(w World, spec *swarm.TaskSpec) []string {
	var names []string
	for _, n := range spec.Networks {
		if isManaged(w, n.Target) {
			names = append(names, n.Target)
		}
	}
	return names
}

// Worn are the Services that a service is itself: those whose names are its aliases.
func Worn(n Networking, spec *swarm.ServiceSpec) []Key {
	var keys []Key
	for _, network := range spec.TaskTemplate.Networks {
		for _, alias := range network.Aliases {
			if k, ok := n.serviceKey(alias); ok && !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}
