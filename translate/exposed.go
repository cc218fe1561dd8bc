package translate

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// Exposures answers what Kubernetes Services stand for in the Swarm.
type Exposures interface {
	// Exposed is the Service of a key, as its document has it; nil when there is none.
	Exposed(k Key) *Exposed
	// ExposedIn are the Services of a namespace, by name.
	ExposedIn(namespace string) []*Exposed
	// Selected are the IDs of the services whose Pods a Service selects, the oldest first.
	Selected(k Key) []string
	// Wearing are the IDs of the services that have a Service's name as an alias, the oldest first.
	Wearing(k Key) []string
	// Proxy is the service that carries a Service's traffic; nil when none does.
	Proxy(k Key) *swarm.Service
	// Front is the service that has a Service's ports of the nodes, where they are not the routing mesh's; nil for none.
	Front(k Key) *swarm.Service
	// Mesh is the service made by Docker's tools whose published ports show as that Service; nil when none does.
	Mesh(k Key) *swarm.Service
	// PortHolder is the service that publishes a port; nil when it is free.
	PortHolder(protocol swarm.PortConfigProtocol, port uint32) *swarm.Service
	// PortAsker is the Service whose document asks for a port on the nodes; false for none.
	PortAsker(protocol swarm.PortConfigProtocol, port uint32) (Key, bool)
	// StackNetworks are the names of the overlays of a namespace's stack, in order.
	StackNetworks(namespace string) []string
	// WrittenEndpoints is the document of Endpoints that someone wrote for a Service; nil for none.
	WrittenEndpoints(k Key) *swarm.Config
	// WrittenSlices are the EndpointSlices that someone wrote for a Service, in order.
	WrittenSlices(k Key) []*discoveryv1.EndpointSlice
	Ingresses() []*networkingv1.Ingress
	// IngressClass is nil where there is none of that name.
	IngressClass(name string) *networkingv1.IngressClass
	// Labelled are the IDs of the services that have LabelTraefik.
	Labelled() []string
	// Addresses are those of the nodes that are ready, in order.
	Addresses() []string
}

// AddressID is the ID of the group of a Service.
func AddressID(k Key) string { return k.Namespace + "/" + k.Name }

// AddressKey is the Service whose group has that ID.
func AddressKey(id string) Key {
	namespace, name, _ := strings.Cut(id, "/")
	return Key{namespace, name}
}

// Exposed is a Kubernetes Service without what Swarm makes of it.
type Exposed struct {
	// Document is nil for one that Docker's tools made.
	Document *swarm.Config
	Object   *corev1.Service
	selector labels.Selector // nil for none
}

// ParseExposed reads a Service's document; nil when the config is none or cannot be read.
func ParseExposed(c *swarm.Config) *Exposed {
	if c.Spec.Labels[LabelKind] != "Service" {
		return nil
	}
	s := &corev1.Service{}
	if json.Unmarshal([]byte(c.Spec.Labels[LabelObject]), s) != nil {
		return nil
	}
	coredefaults.SetObjectDefaults_Service(s)
	return newExposed(c, s)
}

func newExposed(c *swarm.Config, s *corev1.Service) *Exposed {
	e := &Exposed{Document: c, Object: s}
	if len(s.Spec.Selector) > 0 && s.Spec.Type != corev1.ServiceTypeExternalName {
		e.selector = labels.SelectorFromSet(s.Spec.Selector)
	}
	return e
}

// source is what the Service was read of: the same value as long as it is the same Service.
func (e *Exposed) source(w World) any {
	if e.Document != nil {
		return e.Document
	}
	return w.Mesh(e.Key())
}

// Key is the Service's key.
func (e *Exposed) Key() Key { return KeyOf(e.Object) }

// Selects says whether a workload's Pods are behind the Service.
func (e *Exposed) Selects(wl *Workload) bool {
	return !wl.Gone && !isProxy(&wl.Service.Spec) && e.selectsLabels(wl.Template.Labels)
}

// isProxy says whether a service is one of skep's own.
func isProxy(spec *swarm.ServiceSpec) bool {
	return spec.Labels[LabelProxy]+spec.Labels[LabelFront] != ""
}

func (e *Exposed) selectsLabels(l map[string]string) bool {
	return e.selector != nil && e.selector.Matches(labels.Set(l))
}

// Headless says whether a Service has no address of its own.
func (e *Exposed) Headless() bool { return e.Object.Spec.ClusterIP == corev1.ClusterIPNone }

// published says whether a Service is reached at the nodes' addresses.
func (e *Exposed) published() bool {
	return e.Object.Spec.Type == corev1.ServiceTypeNodePort || e.Object.Spec.Type == corev1.ServiceTypeLoadBalancer
}

// OutsidePorts are the ports at which a Service is reached at the nodes.
func (e *Exposed) OutsidePorts() []swarm.PortConfig {
	if !e.published() {
		return nil
	}
	var ports []swarm.PortConfig
	for _, p := range e.Object.Spec.Ports {
		for _, number := range outsidePorts(e.Object, &p) {
			ports = append(ports, swarm.PortConfig{Protocol: swarmProtocol(p.Protocol), TargetPort: uint32(p.Port), PublishedPort: number})
		}
	}
	return ports
}

// prefers is the way that a client asked for.
func (e *Exposed) prefers(r Route) bool {
	return e.Object.Annotations[AnnotationRoute] == string(r)
}

// suits says whether the service of a workload with this Pod template can be the Kubernetes Service itself: Swarm
// takes a name there and a port, not a port by another number.
func (e *Exposed) suits(template *corev1.PodTemplateSpec) bool {
	s := &e.Object.Spec
	switch {
	case s.SessionAffinity == corev1.ServiceAffinityClientIP, e.prefers(RouteProxy), template.Spec.HostNetwork:
		return false
	case e.published() && !e.prefers(RouteNative):
		// A published port can only be taken back from a service by restarting its tasks.
		return false
	case e.Headless():
		return true
	}
	return !e.renumbers(template)
}

// renumbers says whether Pods of this template listen for a port of the Service at another number, which Swarm cannot do
// for a name. It can for what is published: who asks to have that on the workload's own service takes the name with it,
// which answers at the Pods' own number.
func (e *Exposed) renumbers(template *corev1.PodTemplateSpec) bool {
	return slices.ContainsFunc(e.Object.Spec.Ports, func(p corev1.ServicePort) bool {
		target, ok := targetPort(template, &p)
		return !ok || target != p.Port && (!e.published() || !e.prefers(RouteNative))
	})
}

// keepsAddress says of a headless Service that the workload's own service keeps its virtual IP, which the name then
// stands for: it has no ports, so nothing but the name is asked for, and the workload's own service is.
func (e *Exposed) keepsAddress() bool {
	return e.Headless() && len(e.Object.Spec.Ports) == 0 && e.prefers(RouteNative)
}

// targetPort is the number of the port in the Pods of a template; false where a name is not known there.
func targetPort(template *corev1.PodTemplateSpec, p *corev1.ServicePort) (int32, bool) {
	switch {
	case p.TargetPort.Type == intstr.Int && p.TargetPort.IntVal != 0:
		return p.TargetPort.IntVal, true
	case p.TargetPort.Type == intstr.Int || p.TargetPort.StrVal == "":
		return p.Port, true
	}
	for _, c := range template.Spec.Containers {
		for _, have := range c.Ports {
			if have.Name == p.TargetPort.StrVal && protocolOf(have.Protocol) == protocolOf(p.Protocol) {
				return have.ContainerPort, true
			}
		}
	}
	return 0, false
}

func protocolOf(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

// exposedAs is the Service of a key, made by a client or shown of what Docker made; nil when there is none.
func exposedAs(w World, k Key) *Exposed {
	if e := w.Exposed(k); e != nil {
		return e
	}
	if s := w.Mesh(k); s != nil {
		return meshService(k, s)
	}
	return nil
}

// selected are the workloads whose Pods are behind a Service.
func selected(w World, e *Exposed) []*Workload {
	ids := w.Selected(e.Key())
	if e.Document == nil {
		ids = []string{w.Mesh(e.Key()).ID}
	}
	all := make([]*Workload, 0, len(ids))
	for _, id := range ids {
		if wl := w.Workload(id); wl != nil && !wl.Gone {
			all = append(all, wl)
		}
	}
	return all
}
