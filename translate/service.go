package translate

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// Services pairs Services with documents. What they stand for in the Swarm, and the address that it has there, is
// read off the workloads that they select: see Carry for how it comes to be. Services of Docker's tools that publish
// ports show as Services as well.
type Services struct{}

var _ Lens = Services{}

// Kind implements Lens.
func (Services) Kind() string { return "Service" }

// Groups implements Lens.
func (Services) Groups() []GroupKind { return []GroupKind{GroupAddress} }

// Get implements Lens.
func (Services) Get(w World, g Group) []Derived {
	k := AddressKey(g.ID)
	e := exposedAs(w, k)
	if e == nil {
		return givenService(w, k)
	}
	live := liveOf(w, e)
	return []Derived{{
		Key: k, Parts: []any{e.Object, live.route, live.ip, strings.Join(live.outside, ",")}, Index: live.index,
		Build: func() (Object, error) {
			s := e.Object.DeepCopy()
			s.Annotations = withEntry(s.Annotations, AnnotationRoute, string(live.route))
			showAddress(s, live.ip)
			for _, ip := range live.outside {
				mode := corev1.LoadBalancerIPModeVIP
				s.Status.LoadBalancer.Ingress = append(s.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: ip, IPMode: &mode})
			}
			return s, nil
		},
	}}
}

// live is what the Swarm makes of a Service.
type live struct {
	route   Route
	ip      string   // its virtual IP; "" for none
	outside []string // the addresses of a load balancer
	index   uint64
}

func liveOf(w World, e *Exposed) live {
	l := live{route: routeOf(w, e)}
	if e.Document != nil {
		l.index = e.Document.Version.Index
	}
	carriers := selected(w, e)
	for _, wl := range carriers {
		l.index = max(l.index, wl.Service.Version.Index)
	}
	var carrier *swarm.Service
	switch proxy := w.Proxy(e.Key()); {
	case l.route == RouteProxy:
		if carrier = proxy; proxy != nil {
			l.index = max(l.index, highest(w, proxy, w.Tasks(proxy.ID)))
		}
	case len(carriers) > 0:
		carrier = carriers[0].Service
	}
	if carrier != nil && !e.Headless() {
		l.ip = addressOf(w, carrier, l.route)
	}
	if carrier != nil && e.Object.Spec.Type == corev1.ServiceTypeLoadBalancer {
		l.outside = w.Addresses()
	}
	return l
}

// addressOf is the address at which a service answers in the overlay: its virtual IP there. A proxy without one has
// the address of its task.
func addressOf(w World, s *swarm.Service, route Route) string {
	first := ""
	for _, v := range s.Endpoint.VirtualIPs {
		prefix, err := netip.ParsePrefix(v.Addr)
		name := w.Network(v.NetworkID)
		if err != nil || name == "" || name == "ingress" {
			continue
		}
		if name == w.Networking().Network {
			return prefix.Addr().String()
		}
		if first == "" {
			first = prefix.Addr().String()
		}
	}
	if first == "" && route == RouteProxy {
		for _, t := range w.Tasks(s.ID) {
			if t.Status.State == swarm.TaskStateRunning {
				return podIP(w, t, "")
			}
		}
	}
	return first
}

// showAddress writes the address that a Service has into it.
func showAddress(s *corev1.Service, ip string) {
	if s.Spec.ClusterIP == corev1.ClusterIPNone || s.Spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	s.Spec.ClusterIP, s.Spec.ClusterIPs, s.Spec.IPFamilies, s.Spec.IPFamilyPolicy = "", nil, nil, nil
	if ip == "" {
		return
	}
	single := corev1.IPFamilyPolicySingleStack
	s.Spec.ClusterIP, s.Spec.ClusterIPs = ip, []string{ip}
	s.Spec.IPFamilies, s.Spec.IPFamilyPolicy = []corev1.IPFamily{corev1.IPv4Protocol}, &single
}

// Unassigned stands for the address of a Service until Swarm has given it one.
const Unassigned = "0.0.0.0"

// OwnAddress says why a Service cannot choose its address.
const OwnAddress = "Swarm assigns the addresses of Services: leave clusterIP out, or set it to None for a headless Service"

// Put implements Lens. The document is all that is written: what a Service changes in the Swarm, Carry does.
func (Services) Put(w World, g Group, old, object Object) (Plan, error) {
	s := object.DeepCopyObject().(*corev1.Service)
	k := KeyOf(s)
	if old != nil && isGivenService(w, k) {
		if sameService(old.(*corev1.Service), s) {
			return Plan{}, nil
		}
		return Plan{}, keptByGateway("Service", k)
	}
	e := exposedAs(w, k)
	var present *swarm.Config
	if e != nil {
		present = e.Document
	}
	if old != nil && present == nil && e != nil && sameService(old.(*corev1.Service), s) {
		return Plan{}, nil
	}
	if was, ok := old.(*corev1.Service); ok && s.Spec.ClusterIP != was.Spec.ClusterIP && !slices.Contains([]string{"", Unassigned, corev1.ClusterIPNone}, s.Spec.ClusterIP) {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("spec", "clusterIP"), OwnAddress)}
	}
	keepStored(s, old, e)
	if err := portsFree(w, k, s); err != nil {
		return Plan{}, err
	}
	step, err := putDocument(w, s, "", present)
	return Plan{Commit: step, Warnings: append(leavingWarnings(w, newExposed(nil, s)), insideWarnings(s)...)}, err
}

func sameService(a, b *corev1.Service) bool {
	return sameMeta(a, b) && equality.Semantic.DeepEqual(a.Spec, b.Spec)
}

// keepStored takes out of a Service what Get puts in: the address and the route that Swarm gave it. What a client
// says of them itself stays.
func keepStored(s *corev1.Service, old Object, e *Exposed) {
	s.Status = corev1.ServiceStatus{}
	headless, route := s.Spec.ClusterIP == corev1.ClusterIPNone, s.Annotations[AnnotationRoute]
	if was, ok := old.(*corev1.Service); ok && e != nil && was.Annotations[AnnotationRoute] == route {
		route = ""
		if e.Document != nil {
			route = e.Object.Annotations[AnnotationRoute]
		}
	}
	s.Annotations = maps.Clone(s.Annotations)
	delete(s.Annotations, AnnotationRoute)
	if route != "" {
		s.Annotations = withEntry(s.Annotations, AnnotationRoute, route)
	}
	if !headless {
		s.Spec.ClusterIP, s.Spec.ClusterIPs, s.Spec.IPFamilies, s.Spec.IPFamilyPolicy = "", nil, nil, nil
	}
}

// portsFree refuses a Service whose ports on the nodes something else has already.
func portsFree(w World, k Key, s *corev1.Service) error {
	if s.Spec.Type != corev1.ServiceTypeNodePort && s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return nil
	}
	for i, p := range s.Spec.Ports {
		for _, number := range outsidePorts(s, &p) {
			who := ""
			if other, asked := w.PortAsker(swarmProtocol(p.Protocol), number); asked && other != k {
				who = "the Service " + AddressID(other)
			} else if holder := w.PortHolder(swarmProtocol(p.Protocol), number); holder != nil && !ownPort(w, k, holder) {
				who = "the service " + holder.Spec.Name
			}
			if who != "" {
				return apierrors.NewConflict(corev1.Resource("services"), k.Name, fmt.Errorf(
					"spec.ports[%d]: port %d/%s of the nodes is published by %s: choose another, or take it away there first", i, number, swarmProtocol(p.Protocol), who))
			}
		}
	}
	return nil
}

// ownPort says whether a service publishes ports for this very Service.
func ownPort(w World, k Key, holder *swarm.Service) bool {
	if holder.Spec.Labels[LabelProxy] == AddressID(k) || holder.Spec.Labels[LabelFront] == AddressID(k) || slices.Contains(strings.Split(holder.Spec.Labels[LabelPublishes], ","), AddressID(k)) {
		return true
	}
	mesh := w.Mesh(k)
	return mesh != nil && mesh.ID == holder.ID
}

// leavingWarnings say whose Pods a Service has to replace: they have its name themselves, perhaps since there was
// another Service of that name, and are not what it stands for. Swarm cannot take the name away otherwise.
func leavingWarnings(w World, after *Exposed) []string {
	var warnings []string
	for _, id := range w.Wearing(after.Key()) {
		wl := w.Workload(id)
		if wl == nil || wl.Gone || !madeHere(w, &wl.Service.Spec) || !mistaken(w, after, wl) {
			continue
		}
		what := "spec.selector: %s %q has the name of this Service itself (%s: %s) and is not behind it"
		if after.Selects(wl) {
			what = "spec: %s %q has the name of this Service itself (%s: %s), and Swarm cannot do these ports or this affinity there"
		}
		warnings = append(warnings, fmt.Sprintf(what+", so its Pods are replaced, by its own update strategy; the annotation %s: %s avoids that for a Service that is older than its workload",
			wl.Identity.Kind, wl.Identity.Name, AnnotationRoute, RouteNative, AnnotationRoute, RouteProxy))
	}
	return warnings
}

// insideWarnings say where the name of a Service that the workload's own service publishes does not answer.
func insideWarnings(s *corev1.Service) []string {
	e := newExposed(nil, s)
	if e.selector == nil || !e.published() || !e.prefers(RouteNative) {
		return nil
	}
	var warnings []string
	for i, p := range s.Spec.Ports {
		if target := p.TargetPort.String(); target != "0" && target != "" && target != strconv.Itoa(int(p.Port)) {
			warnings = append(warnings, fmt.Sprintf("spec.ports[%d]: with %s: %s the nodes publish port %d, but inside the cluster the name %s answers at the Pods' own port, %s",
				i, AnnotationRoute, RouteNative, p.Port, s.Name, target))
		}
	}
	return warnings
}

// Remove implements Lens.
func (Services) Remove(w World, g Group, _ Object) (Plan, error) {
	k := AddressKey(g.ID)
	if isGivenService(w, k) {
		return Plan{}, keptByGateway("Service", k)
	}
	e, s := w.Exposed(k), w.Mesh(k)
	if e != nil && (s == nil || e.Object.UID != meshUID(s)) { // else it would be there as before
		return Plan{Commit: Step{Group: GroupConfig, ID: e.Document.ID}}, nil
	}
	if s != nil {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("metadata", "name"), fmt.Sprintf(
			"these are ports that the service %s publishes: docker service update --publish-rm takes them away, and restarts its tasks", s.Spec.Name))}
	}
	return Plan{}, nil
}

// meshService shows the published ports of a service made by Docker's tools. In the overlay it answers at the
// container's ports, at the nodes at the published ones.
func meshService(k Key, s *swarm.Service) *Exposed {
	out := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: k.Namespace, Name: k.Name, UID: meshUID(s), CreationTimestamp: stamp(s.CreatedAt),
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: map[string]string{LabelServiceName: s.Spec.Name},
			ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal,
		},
	}
	if s.Spec.Name != k.Namespace+"_"+k.Name && s.Spec.Name != k.Name {
		metav1.SetMetaDataAnnotation(&out.ObjectMeta, AnnotationSwarmName, s.Spec.Name)
	}
	if aliases := aliasesOf(&s.Spec); len(aliases) > 0 {
		metav1.SetMetaDataAnnotation(&out.ObjectMeta, AnnotationAliases, strings.Join(aliases, ","))
	}
	taken := map[string]bool{}
	for _, p := range s.Endpoint.Ports {
		if p.PublishedPort == 0 {
			continue // each task has one of its own
		}
		if p.PublishMode != swarm.PortConfigPublishModeHost {
			out.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
		}
		port := corev1.ServicePort{
			Name:     strconv.FormatUint(uint64(p.PublishedPort), 10) + "-" + string(p.Protocol),
			Protocol: corev1.Protocol(strings.ToUpper(string(p.Protocol))), Port: int32(p.TargetPort),
			TargetPort: intstr.FromInt32(int32(p.TargetPort)), NodePort: int32(p.PublishedPort),
		}
		if taken[fmt.Sprint(port.Port, port.Protocol)] {
			port.Port = port.NodePort // Kubernetes lists a port once
		}
		for taken[fmt.Sprint(port.Port, port.Protocol)] {
			port.Port++
		}
		taken[fmt.Sprint(port.Port, port.Protocol)] = true
		out.Spec.Ports = append(out.Spec.Ports, port)
	}
	if len(out.Spec.Ports) == 1 {
		out.Spec.Ports[0].Name = ""
	}
	coredefaults.SetObjectDefaults_Service(out)
	return newExposed(nil, out)
}

func meshUID(s *swarm.Service) types.UID { return swarmUID("service", s.ID) }

// aliasesOf are a service's other names on its networks, in order.
func aliasesOf(spec *swarm.ServiceSpec) []string {
	var all []string
	for _, n := range spec.TaskTemplate.Networks {
		all = append(all, n.Aliases...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// MeshKey is the Service that the published ports of a service show as; false where it publishes none, or does so for a
// Kubernetes Service. That kubectl has written on the workload makes no difference.
func MeshKey(s *swarm.Service, name string) (Key, bool) {
	published := slices.ContainsFunc(s.Endpoint.Ports, func(p swarm.PortConfig) bool { return p.PublishedPort != 0 })
	if !published || s.Spec.Labels[LabelPublishes] != "" || isProxy(&s.Spec) {
		return Key{}, false
	}
	return Key{StackNamespace(s.Spec.Labels), name}, true
}
