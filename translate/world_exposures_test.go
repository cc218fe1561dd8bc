package translate

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// What fakeWorld answers of Services, by looking at everything.

func (w *fakeWorld) Networking() Networking { return w.networking }

func (w *fakeWorld) Exposed(k Key) *Exposed {
	for _, e := range w.ExposedIn(k.Namespace) {
		if e.Object.Name == k.Name {
			return e
		}
	}
	return nil
}

func (w *fakeWorld) ExposedIn(namespace string) []*Exposed {
	byName := map[string]*Exposed{}
	for id, c := range w.configs {
		e := w.exposed[id]
		if e == nil || e.Document != c {
			e = ParseExposed(c)
			w.exposed[id] = e
		}
		if e != nil && e.Object.Namespace == namespace {
			byName[e.Object.Name] = e
		}
	}
	all := make([]*Exposed, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, byName[name])
	}
	return all
}

// servicesWhere are the IDs of services, the oldest first.
func (w *fakeWorld) servicesWhere(is func(*Workload) bool) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(w.services)) {
		if is(w.Workload(id)) {
			ids = append(ids, id)
		}
	}
	slices.SortStableFunc(ids, func(a, b string) int { return w.services[a].CreatedAt.Compare(w.services[b].CreatedAt) })
	return ids
}

func (w *fakeWorld) firstWhere(is func(*Workload) bool) *swarm.Service {
	if ids := w.servicesWhere(is); len(ids) > 0 {
		return w.services[ids[0]]
	}
	return nil
}

func (w *fakeWorld) Selected(k Key) []string {
	e := w.Exposed(k)
	if e == nil {
		return nil
	}
	return w.servicesWhere(func(wl *Workload) bool { return wl.Identity.Namespace == k.Namespace && e.Selects(wl) })
}

func (w *fakeWorld) Wearing(k Key) []string {
	return w.servicesWhere(func(wl *Workload) bool {
		return wl.Service.Spec.Labels[LabelProxy] == "" && slices.Contains(Worn(w.networking, &wl.Service.Spec), k)
	})
}

func (w *fakeWorld) Proxy(k Key) *swarm.Service {
	return w.firstWhere(func(wl *Workload) bool { return wl.Service.Spec.Labels[LabelProxy] == AddressID(k) })
}

func (w *fakeWorld) Front(k Key) *swarm.Service {
	return w.firstWhere(func(wl *Workload) bool { return wl.Service.Spec.Labels[LabelFront] == AddressID(k) })
}

func (w *fakeWorld) Mesh(k Key) *swarm.Service {
	return w.firstWhere(func(wl *Workload) bool {
		as, ok := MeshKey(wl.Service, wl.Identity.Name)
		return ok && as == k
	})
}

func (w *fakeWorld) PortHolder(protocol swarm.PortConfigProtocol, port uint32) *swarm.Service {
	return w.firstWhere(func(wl *Workload) bool {
		ports := slices.Clone(wl.Service.Endpoint.Ports)
		if wl.Service.Spec.EndpointSpec != nil {
			ports = append(ports, wl.Service.Spec.EndpointSpec.Ports...)
		}
		return slices.ContainsFunc(ports, func(p swarm.PortConfig) bool { return p.PublishedPort == port && p.Protocol == protocol })
	})
}

func (w *fakeWorld) PortAsker(protocol swarm.PortConfigProtocol, port uint32) (Key, bool) {
	for _, id := range slices.Sorted(maps.Keys(w.configs)) {
		e := ParseExposed(w.configs[id])
		if e != nil && slices.ContainsFunc(e.OutsidePorts(), func(p swarm.PortConfig) bool { return p.PublishedPort == port && p.Protocol == protocol }) {
			return e.Key(), true
		}
	}
	return Key{}, false
}

func (w *fakeWorld) StackNetworks(namespace string) []string { return w.stackNetworks[namespace] }

func (w *fakeWorld) WrittenEndpoints(k Key) *swarm.Config {
	for _, c := range w.configs {
		if c.Spec.Labels[LabelKind] == "Endpoints" && documentKey(c) == k {
			return c
		}
	}
	return nil
}

func (w *fakeWorld) WrittenSlices(k Key) []*discoveryv1.EndpointSlice {
	var all []*discoveryv1.EndpointSlice
	for _, id := range slices.Sorted(maps.Keys(w.configs)) {
		c, slice := w.configs[id], &discoveryv1.EndpointSlice{}
		if c.Spec.Labels[LabelKind] != "EndpointSlice" || json.Unmarshal([]byte(c.Spec.Labels[LabelObject]), slice) != nil {
			continue
		}
		if slice.Namespace == k.Namespace && slice.Labels[discoveryv1.LabelServiceName] == k.Name {
			all = append(all, slice)
		}
	}
	return all
}

func (w *fakeWorld) Ingresses() []*networkingv1.Ingress {
	var all []*networkingv1.Ingress
	for _, id := range slices.Sorted(maps.Keys(w.configs)) {
		c, ing := w.configs[id], &networkingv1.Ingress{}
		if c.Spec.Labels[LabelKind] == "Ingress" && json.Unmarshal([]byte(c.Spec.Labels[LabelObject]), ing) == nil {
			all = append(all, ing)
		}
	}
	return all
}

func (w *fakeWorld) IngressClass(name string) *networkingv1.IngressClass {
	for _, c := range w.configs {
		class := &networkingv1.IngressClass{}
		if c.Spec.Labels[LabelKind] == "IngressClass" && json.Unmarshal([]byte(c.Spec.Labels[LabelObject]), class) == nil && class.Name == name {
			return class
		}
	}
	return nil
}

func (w *fakeWorld) Labelled() []string {
	return w.servicesWhere(func(wl *Workload) bool { return wl.Service.Spec.Labels[LabelTraefik] != "" })
}

func (w *fakeWorld) Addresses() []string {
	var all []string
	for _, n := range w.nodes {
		if n.Status.State == swarm.NodeStateReady {
			all = append(all, NodeAddress(n))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// addressIDs are the groups of all Services that there are or that someone wrote endpoints for.
func (w *fakeWorld) addressIDs() []string {
	ids := map[string]bool{}
	for _, c := range w.configs {
		if e := ParseExposed(c); e != nil {
			ids[AddressID(e.Key())] = true
		}
		if c.Spec.Labels[LabelKind] == "Endpoints" {
			ids[AddressID(documentKey(c))] = true
		}
	}
	for id, s := range w.services {
		if k, ok := MeshKey(s, w.Workload(id).Identity.Name); ok {
			ids[AddressID(k)] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

func (w *fakeWorld) Policies() []*networkingv1.NetworkPolicy {
	var all []*networkingv1.NetworkPolicy
	for _, id := range slices.Sorted(maps.Keys(w.configs)) {
		c, p := w.configs[id], &networkingv1.NetworkPolicy{}
		if c.Spec.Labels[LabelKind] == "NetworkPolicy" && json.Unmarshal([]byte(c.Spec.Labels[LabelObject]), p) == nil {
			all = append(all, p)
		}
	}
	return all
}

func (w *fakeWorld) NamespaceLabels(namespace string) map[string]string {
	labels := map[string]string{}
	if parts := w.Namespace(namespace); parts != nil && parts.Document != nil {
		ns := &corev1.Namespace{}
		if json.Unmarshal([]byte(parts.Document.Spec.Labels[LabelObject]), ns) == nil {
			maps.Copy(labels, ns.Labels)
		}
	}
	labels[corev1.LabelMetadataName] = namespace
	return labels
}

func (w *fakeWorld) PolicyWorkloads() []PolicyWorkload {
	var all []PolicyWorkload
	for _, id := range w.servicesWhere(func(wl *Workload) bool { return IsPolicyWorkload(w, wl) }) {
		wl := w.Workload(id)
		all = append(all, PolicyWorkload{ID: wl.Service.Spec.Name, Service: id, Namespace: wl.Identity.Namespace, Labels: wl.Template.Labels})
	}
	return all
}

func (w *fakeWorld) Memberships() map[string]Membership {
	return membershipsOf(w, w.Policies(), w.PolicyWorkloads())
}
