package translate

import (
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/swarm"

	"skep/translate/nginx"
)

// Where the routing mesh cannot be, ports are the nodes' own, and a container that has one cannot be replaced without
// letting it go first. So they are not the proxy's, which changes with what it carries, but a front's: an nginx on
// every node that passes all on to the proxy, wherever that runs, and changes only with the ports.

// LabelFront is the key of the Service whose ports a front has, or IngressProxy's.
const LabelFront = "skep.front"

// relay is where a proxy takes what comes to its ports by a front.
type relay struct {
	port  int32
	proxy bool // with a header of the PROXY protocol, which tells who calls
}

// frontOf takes the ports of the nodes off a proxy and gives the front that has them; nil where there are none. relays
// says, by published port, where the proxy listens, if that is not at the port itself.
func frontOf(w World, proxy *swarm.ServiceSpec, k Key, relays map[uint32]relay) (*swarm.ServiceSpec, []Material, error) {
	ports := proxy.EndpointSpec.Ports
	if !slices.ContainsFunc(ports, func(p swarm.PortConfig) bool { return p.PublishMode == swarm.PortConfigPublishModeHost }) {
		return nil, nil, nil
	}
	proxy.EndpointSpec.Ports = nil
	var listeners []nginx.Listener
	ports = slices.Clone(ports)
	for i := range ports {
		p := &ports[i]
		to, ok := relays[p.PublishedPort]
		if !ok {
			to.port = int32(p.TargetPort)
		}
		p.TargetPort = p.PublishedPort
		listeners = append(listeners, nginx.Listener{
			Port: int32(p.PublishedPort), UDP: p.Protocol == swarm.PortConfigProtocolUDP, SendProxy: to.proxy,
			Backend: nginx.Backend{Targets: []nginx.Target{{Host: "tasks." + proxy.Name, Port: to.port, Weight: 1}}},
		})
	}
	config, err := nginx.Stream(nginx.StreamConfig{Resolver: resolver, Listeners: listeners})
	if err != nil {
		return nil, nil, fmt.Errorf("the ports of %s: %w", AddressID(k), err)
	}
	material := configMaterial(config)
	spec := proxyBase(w, proxyName("front", k), "", material)
	delete(spec.Labels, LabelProxy)
	spec.Labels[LabelFront] = AddressID(k)
	spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: w.Networking().Network}}
	spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
	spec.UpdateConfig.Order = swarm.UpdateOrderStopFirst
	spec.EndpointSpec = &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR, Ports: ports}
	seal(&spec)
	return &spec, []Material{material}, nil
}

// followBoth plans the next step towards a proxy and its front, if it is to have one. What publishes a port lets it go
// before the other takes it.
func followBoth(w World, k Key, spec swarm.ServiceSpec, materials []Material, relays map[uint32]relay) (Plan, error) {
	front, frontMaterials, err := frontOf(w, &spec, k, relays)
	if err != nil {
		return Plan{}, err
	}
	seal(&spec)
	present := w.Front(k)
	if front == nil && present != nil {
		return Plan{Commit: Step{Group: GroupService, ID: present.ID}}, nil
	}
	if plan := followSpec(w, w.Proxy(k), spec, materials); !plan.Commit.Empty() || front == nil {
		return plan, nil
	}
	return followSpec(w, present, *front, frontMaterials), nil
}

// withoutProxy takes away a proxy and its front; an empty plan when there are none.
func withoutProxy(w World, k Key) Plan {
	for _, s := range []*swarm.Service{w.Front(k), w.Proxy(k)} {
		if s != nil {
			return Plan{Commit: Step{Group: GroupService, ID: s.ID}}
		}
	}
	return Plan{}
}
