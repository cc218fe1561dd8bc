package translate

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sliceSize is how many endpoints a slice has at most, as kube-controller-manager makes them.
const sliceSize = 100

// EndpointSlices pairs the EndpointSlices of Services that select Pods with their tasks; those that a client writes
// are documents.
type EndpointSlices struct{}

var _ Lens = EndpointSlices{}

var writtenSlices = Documents{Of: "EndpointSlice", New: func() Object { return &discoveryv1.EndpointSlice{} }}

// Kind implements Lens.
func (EndpointSlices) Kind() string { return "EndpointSlice" }

// Groups implements Lens.
func (EndpointSlices) Groups() []GroupKind { return []GroupKind{GroupConfig, GroupAddress} }

// Get implements Lens.
func (EndpointSlices) Get(w World, g Group) []Derived {
	if g.Kind == GroupConfig {
		return writtenSlices.Get(w, g)
	}
	k := AddressKey(g.ID)
	e := exposedAs(w, k)
	switch {
	case e == nil:
		return givenSlices(w, k)
	case e.selector == nil:
		return mirroredSlices(w, e)
	}
	found, index := endpointsBehind(w, e)
	if len(found) == 0 {
		found = []behind{{}} // as kube-controller-manager has it: there is always one
	}
	var all []Derived
	for _, b := range found {
		for page := range max(1, (len(b.pods)+sliceSize-1)/sliceSize) {
			part := b
			part.pods = b.pods[page*sliceSize : min(len(b.pods), (page+1)*sliceSize)]
			name := sliceName(k.Name, fmt.Sprint(len(all)))
			all = append(all, Derived{
				Key: Key{k.Namespace, name}, Parts: []any{e.source(w), digestOf([]behind{part})}, Index: index,
				Build: func() (Object, error) { return buildSlice(e, name, part), nil },
			})
		}
	}
	return all
}

// sliceName is the Service's with five more characters, always the same.
func sliceName(service, which string) string {
	return service[:min(len(service), 57)] + "-" + fmt.Sprintf("%.5s", shortHash([]string{service, which}))
}

func buildSlice(e *Exposed, name string, b behind) *discoveryv1.EndpointSlice {
	out := &discoveryv1.EndpointSlice{
		ObjectMeta: sliceMeta(e, name, "endpointslice-controller.k8s.io"), AddressType: discoveryv1.AddressTypeIPv4, Ports: b.ports,
	}
	for _, a := range b.pods {
		ready := a.ready || e.Object.Spec.PublishNotReadyAddresses
		serving, terminating := a.ready || a.stopping, a.stopping
		endpoint := discoveryv1.Endpoint{
			Addresses: []string{a.ip}, TargetRef: a.ref(b.namespace),
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		}
		if a.node != "" {
			endpoint.NodeName = ptr(a.node)
		}
		out.Endpoints = append(out.Endpoints, endpoint)
	}
	return out
}

func sliceMeta(e *Exposed, name, by string) metav1.ObjectMeta {
	meta := derivedMeta(e, name, "endpointslice")
	meta.Labels[discoveryv1.LabelServiceName] = e.Object.Name
	meta.Labels[discoveryv1.LabelManagedBy] = by
	meta.GenerateName = e.Object.Name + "-"
	meta.OwnerReferences = []metav1.OwnerReference{owner("v1", "Service", e.Object.Name, e.Object.UID)}
	return meta
}

// mirroredSlices are the slices that say what hand-written Endpoints say.
func mirroredSlices(w World, e *Exposed) []Derived {
	doc := w.WrittenEndpoints(e.Key())
	if doc == nil {
		return nil
	}
	written := &corev1.Endpoints{}
	if readDocument(w, doc, written) != nil {
		return nil
	}
	var all []Derived
	for _, slice := range mirrored(e, written) {
		all = append(all, Derived{
			Key: KeyOf(slice), Parts: []any{e.source(w), doc}, Index: max(doc.Version.Index, e.Document.Version.Index),
			Build: func() (Object, error) { return slice, nil },
		})
	}
	return all
}

// mirrored are hand-written Endpoints as slices, one a subset.
func mirrored(e *Exposed, written *corev1.Endpoints) []*discoveryv1.EndpointSlice {
	var all []*discoveryv1.EndpointSlice
	for i, subset := range written.Subsets {
		out := &discoveryv1.EndpointSlice{
			ObjectMeta:  sliceMeta(e, sliceName(e.Object.Name, fmt.Sprint("written ", i)), "endpointslicemirroring-controller.k8s.io"),
			AddressType: discoveryv1.AddressTypeIPv4,
		}
		maps.Copy(out.Labels, written.Labels)
		for _, p := range subset.Ports {
			protocol := protocolOf(p.Protocol)
			out.Ports = append(out.Ports, discoveryv1.EndpointPort{Name: ptr(p.Name), Port: ptr(p.Port), Protocol: &protocol, AppProtocol: p.AppProtocol})
		}
		for _, list := range []struct {
			addresses []corev1.EndpointAddress
			ready     bool
		}{{subset.Addresses, true}, {subset.NotReadyAddresses, false}} {
			for _, a := range list.addresses {
				out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{
					Addresses: []string{a.IP}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(list.ready)}, TargetRef: a.TargetRef, NodeName: a.NodeName,
				})
			}
		}
		all = append(all, out)
	}
	return slices.Clip(all)
}

// Put implements Lens.
func (EndpointSlices) Put(w World, g Group, old, object Object) (Plan, error) {
	if g.Kind == GroupAddress {
		if was, ok := old.(*discoveryv1.EndpointSlice); ok && sameMeta(old, object) && sameEndpoints(was, object.(*discoveryv1.EndpointSlice)) {
			return Plan{}, nil
		}
		return Plan{}, followsPods("EndpointSlices", AddressKey(g.ID))
	}
	return writtenSlices.Put(w, g, old, object)
}

func sameEndpoints(a, b *discoveryv1.EndpointSlice) bool {
	return a.AddressType == b.AddressType && equality.Semantic.DeepEqual(a.Endpoints, b.Endpoints) && equality.Semantic.DeepEqual(a.Ports, b.Ports)
}

// Remove implements Lens.
func (EndpointSlices) Remove(w World, g Group, old Object) (Plan, error) {
	if k := AddressKey(g.ID); g.Kind == GroupAddress && isGivenService(w, k) {
		return Plan{}, keptByGateway("EndpointSlice", k)
	}
	if g.Kind == GroupAddress {
		return Plan{}, followsPods("EndpointSlices", AddressKey(g.ID))
	}
	return writtenSlices.Remove(w, g, old)
}
