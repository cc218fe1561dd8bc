package compose

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// port is one that containers listen on.
type port struct {
	number   int32
	protocol corev1.Protocol
	name     string // as the file has it; "" for none
	app      string // the protocol that is spoken over it; "" for unknown
}

// same says whether two are one port of a container.
func (p port) same(other port) bool { return p.number == other.number && p.protocol == other.protocol }

// key names a port where nothing else does: tcp-80.
func (p port) key() string {
	return strings.ToLower(string(p.protocol)) + "-" + strconv.Itoa(int(p.number))
}

// portsOf are the ports that a service's containers are known to listen on, each once, TCP first and by number: what it
// publishes and exposes, and where its routing labels send what comes.
func (c *converter) portsOf(w *workload) []port {
	var all []port
	for _, p := range w.service.File.Ports {
		all = addPort(all, port{int32(min(p.Target, maxPort+1)), protocolOf(p.Protocol), p.Name, p.AppProtocol})
	}
	if e := w.service.Spec.EndpointSpec; e != nil {
		for _, p := range e.Ports {
			all = addPort(all, port{number: int32(min(p.TargetPort, maxPort+1)), protocol: protocolOf(string(p.Protocol))})
		}
	}
	for _, text := range w.service.File.Expose {
		for _, p := range exposedPorts(text) {
			all = addPort(all, p)
		}
	}
	for _, p := range routedPorts(w.service) {
		all = addPort(all, p)
	}
	slices.SortStableFunc(all, func(a, b port) int {
		return cmp.Or(slices.Index(protocols, a.protocol)-slices.Index(protocols, b.protocol), cmp.Compare(a.number, b.number))
	})
	return all
}

// protocols are those that a Service knows.
var protocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}

// valid says whether Kubernetes has such a port.
func (p port) valid() bool {
	return p.number >= 1 && p.number <= maxPort && slices.Contains(protocols, p.protocol)
}

const maxPort = 65535

// addPort adds a port once. What the file says of it later completes it.
func addPort(all []port, p port) []port {
	if !p.valid() {
		return all
	}
	for i := range all {
		if all[i].same(p) {
			all[i].name, all[i].app = cmp.Or(all[i].name, p.name), cmp.Or(all[i].app, p.app)
			return all
		}
	}
	return append(all, p)
}

func protocolOf(text string) corev1.Protocol {
	if text == "" {
		return corev1.ProtocolTCP
	}
	return corev1.Protocol(strings.ToUpper(text))
}

// exposedPorts are the ports of an item of expose: 80, 53/udp, 3000-3005.
func exposedPorts(text string) []port {
	numbers, protocol, _ := strings.Cut(text, "/")
	from, to, ranged := strings.Cut(numbers, "-")
	first, err := strconv.Atoi(strings.TrimSpace(from))
	last := first
	if ranged && err == nil {
		last, err = strconv.Atoi(strings.TrimSpace(to))
	}
	if err != nil || first < 1 || last > maxPort {
		return nil
	}
	var all []port
	for n := first; n <= last; n++ {
		all = append(all, port{number: int32(n), protocol: protocolOf(protocol)})
	}
	return all
}

// listens are portsOf as a container has them.
func (c *converter) listens(w *workload) []corev1.ContainerPort {
	var all []corev1.ContainerPort
	for _, p := range c.portsOf(w) {
		all = append(all, corev1.ContainerPort{ContainerPort: p.number, Protocol: p.protocol})
	}
	return all
}

// servicePorts are the ports of a Service that has the same numbers as the containers.
func servicePorts(ports []port) []corev1.ServicePort {
	var all []corev1.ServicePort
	for _, p := range ports {
		all = append(all, servicePort(all, p, p.number))
	}
	return all
}

// servicePort is a port of a Service, by a name that none of the others has.
func servicePort(others []corev1.ServicePort, to port, number int32) corev1.ServicePort {
	at := port{number: number, protocol: to.protocol}
	name := at.key()
	if own := label(cmp.Or(to.name, name)); to.name != "" && len(own) <= maxPortName &&
		!slices.ContainsFunc(others, func(p corev1.ServicePort) bool { return p.Name == own }) {
		name = own
	}
	p := corev1.ServicePort{Name: name, Protocol: to.protocol, Port: number, TargetPort: intstr.FromInt32(to.number)}
	if to.app != "" && len(validation.IsQualifiedName(to.app)) == 0 {
		p.AppProtocol = &to.app
	}
	return p
}

// maxPortName is the length of a port's name where a Pod has it.
const maxPortName = 15

// outlet is a port by which a service is reached from outside.
type outlet struct {
	at     string // in the model
	number int32  // 0: whichever is free
	local  bool   // at the nodes that run a task alone, which see who calls
	to     port
}

// outlets are the ports that a service publishes, in the order of the file, each once. What cannot be published as the
// file says is told.
func (c *converter) outlets(w *workload) []outlet {
	var all []outlet
	for i, p := range w.service.File.Ports {
		at := fmt.Sprintf("%s.ports[%d]", w.at, i)
		o, ok := c.outlet(w, at, p)
		if !ok || slices.ContainsFunc(all, func(other outlet) bool {
			return o.number != 0 && other.number == o.number && other.to.protocol == o.to.protocol
		}) {
			continue
		}
		all = append(all, o)
	}
	return all
}

func (c *converter) outlet(w *workload, at string, p types.ServicePortConfig) (outlet, bool) {
	o := outlet{
		at: at, local: p.Mode == string(swarm.PortConfigPublishModeHost),
		to: port{int32(min(p.Target, maxPort+1)), protocolOf(p.Protocol), p.Name, p.AppProtocol},
	}
	if !o.to.valid() {
		c.find(Refused, at, "there is no port %d/%s in Kubernetes: it is not published", p.Target, p.Protocol)
		return o, false
	}
	if w.template.Spec.HostNetwork {
		c.find(Meaningless, at, "the containers are on the node's own network: their ports are the node's, and there is nothing to publish")
		return o, false
	}
	if !c.reachable(at, p) {
		return o, false
	}
	from, to, ranged := strings.Cut(p.Published, "-")
	number, err := strconv.Atoi(from)
	switch {
	case from == "" || err == nil && number == 0:
		c.find(Approximated, at, "no port is given, so a node port of 30000-32767 is chosen: kubectl get service tells which")
		return o, true
	case err != nil || number < 1 || number > maxPort:
		c.find(Refused, at+".published", "%q is no port: it is not published", p.Published)
		return o, false
	case ranged && from != to:
		c.find(Approximated, at+".published", "Compose takes whichever of %s is free: here it is %d", p.Published, number)
	}
	o.number = int32(number)
	return o, true
}

// reachable says whether a port is published at all, by the address that it is bound to.
func (c *converter) reachable(at string, p types.ServicePortConfig) bool {
	ip, err := netip.ParseAddr(strings.Trim(p.HostIP, "[]"))
	switch {
	case p.HostIP == "" || err == nil && ip.IsUnspecified():
		return true
	case p.HostIP == "localhost" || err == nil && ip.IsLoopback():
		c.find(Approximated, at+".host_ip", "only the machine itself is to reach it, so it is not published: kubectl port-forward reaches it")
		return false
	}
	c.find(Approximated, at+".host_ip", "it is published on all addresses: a load balancer has addresses of its own, and node ports are on every node (but see kube-proxy --nodeport-addresses)")
	return true
}
