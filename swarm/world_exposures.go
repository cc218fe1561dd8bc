package swarm

import (
	"cmp"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/swarm"
	discoveryv1 "k8s.io/api/discovery/v1"

	"skep/translate"
)

// Networking implements translate.Sources.
func (w world) Networking() translate.Networking { return w.m.Networking }

// Exposed implements translate.Exposures.
func (w world) Exposed(k translate.Key) *translate.Exposed {
	return w.m.exposures.services[k.Namespace][k.Name]
}

// ExposedIn implements translate.Exposures.
func (w world) ExposedIn(namespace string) []*translate.Exposed {
	return slices.SortedFunc(maps.Values(w.m.exposures.services[namespace]), func(a, b *translate.Exposed) int {
		return cmp.Compare(a.Object.Name, b.Object.Name)
	})
}

// Selected implements translate.Exposures.
func (w world) Selected(k translate.Key) []string { return w.m.exposures.selected[k] }

// Wearing implements translate.Exposures.
func (w world) Wearing(k translate.Key) []string { return w.m.exposures.wearing[k] }

// Proxy implements translate.Exposures.
func (w world) Proxy(k translate.Key) *swarm.Service {
	return w.first(w.m.exposures.proxies[k])
}

// Front implements translate.Exposures.
func (w world) Front(k translate.Key) *swarm.Service { return w.first(w.m.exposures.fronts[k]) }

// Mesh implements translate.Exposures.
func (w world) Mesh(k translate.Key) *swarm.Service { return w.first(w.m.exposures.mesh[k]) }

// PortHolder implements translate.Exposures.
func (w world) PortHolder(protocol swarm.PortConfigProtocol, port uint32) *swarm.Service {
	return w.first(w.m.exposures.ports[portID(protocol, port)])
}

// PortAsker implements translate.Exposures.
func (w world) PortAsker(protocol swarm.PortConfigProtocol, port uint32) (translate.Key, bool) {
	keys := w.m.exposures.asked[portID(protocol, port)]
	if len(keys) == 0 {
		return translate.Key{}, false
	}
	return keys[0], true
}

func (w world) first(ids []string) *swarm.Service {
	if len(ids) == 0 {
		return nil
	}
	return w.m.services[ids[0]]
}

// StackNetworks implements translate.Exposures.
func (w world) StackNetworks(namespace string) []string {
	var names []string
	for _, n := range w.m.networks {
		if n.Labels[translate.LabelStack] != "" && translate.StackNamespace(n.Labels) == namespace && !n.Ingress {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// WrittenEndpoints implements translate.Exposures.
func (w world) WrittenEndpoints(k translate.Key) *swarm.Config {
	return w.find("Endpoints", k.Namespace, k.Name)
}

// WrittenSlices implements translate.Exposures.
func (w world) WrittenSlices(k translate.Key) []*discoveryv1.EndpointSlice {
	return slices.SortedFunc(maps.Values(w.m.exposures.slices[k]), func(a, b *discoveryv1.EndpointSlice) int {
		return cmp.Compare(a.Name, b.Name)
	})
}

// Addresses implements translate.Exposures.
func (w world) Addresses() []string {
	var all []string
	for _, n := range w.m.nodes {
		if n.Status.State == swarm.NodeStateReady {
			all = append(all, translate.NodeAddress(n))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
