package translate

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/v1/endpoints"

	"skep/translate/nginx"
)

// EndpointsOf pairs the Endpoints of Services that select Pods with their tasks, and those that someone wrote for a
// Service without a selector with documents.
type EndpointsOf struct{}

var _ Lens = EndpointsOf{}

// Kind implements Lens.
func (EndpointsOf) Kind() string { return "Endpoints" }

// Groups implements Lens.
func (EndpointsOf) Groups() []GroupKind { return []GroupKind{GroupAddress} }

// Get implements Lens.
func (EndpointsOf) Get(w World, g Group) []Derived {
	k := AddressKey(g.ID)
	e := exposedAs(w, k)
	if e == nil || e.selector == nil {
		doc := w.WrittenEndpoints(k)
		if doc == nil && e == nil {
			return givenEndpoints(w, k)
		}
		if doc == nil {
			return nil
		}
		return []Derived{{Key: k, Parts: []any{doc}, Index: doc.Version.Index, Build: func() (Object, error) {
			object := &corev1.Endpoints{}
			return object, readDocument(w, doc, object)
		}}}
	}
	found, index := endpointsBehind(w, e)
	return []Derived{{
		Key: k, Parts: []any{e.source(w), digestOf(found)}, Index: index,
		Build: func() (Object, error) { return buildEndpoints(e, found), nil },
	}}
}

// podAddress is where a Pod is reached.
type podAddress struct {
	ip, node, pod   string
	uid             types.UID
	ready, stopping bool
}

// podAddresses are those of a workload's Pods that have one.
func podAddresses(w World, wl *Workload) []podAddress {
	var all []podAddress
	for _, in := range wl.instances(w.Tasks(wl.Service.ID)) {
		t := in.task
		if hasEnded(t) || in.ended {
			continue
		}
		_, ready := readyOf(w, t)
		a := podAddress{
			ready: ready && !in.stopping, stopping: in.stopping,
			pod: podName(wl, t), uid: swarmUID(t.ID),
		}
		hostIP := ""
		if n := w.Node(t.NodeID); n != nil {
			a.node, hostIP = NodeName(w, n), n.Status.Addr
		}
		if wl.Identity.Kind == "Pod" {
			a.pod, a.uid = wl.Identity.Name, wl.Object.GetUID()
		}
		if a.ip = podIP(w, t, hostIP); a.ip != "" {
			all = append(all, a)
		}
	}
	return all
}

// behind is a workload's part in a Service: its Pods, and the ports by which they are reached.
type behind struct {
	namespace string
	ports     []discoveryv1.EndpointPort
	pods      []podAddress
}

// endpointsBehind are all that is behind a Service, and the highest version index of what it was read of.
func endpointsBehind(w World, e *Exposed) ([]behind, uint64) {
	var all []behind
	index := uint64(0)
	if e.Document != nil {
		index = e.Document.Version.Index
	}
	for _, wl := range selected(w, e) {
		tasks := w.Tasks(wl.Service.ID)
		index = max(index, highest(w, wl.Service, tasks))
		b := behind{namespace: wl.Identity.Namespace, pods: podAddresses(w, wl)}
		for _, p := range e.Object.Spec.Ports {
			if number, ok := targetPort(&wl.Template, &p); ok {
				protocol := protocolOf(p.Protocol)
				b.ports = append(b.ports, discoveryv1.EndpointPort{Name: ptr(p.Name), Port: ptr(number), Protocol: &protocol, AppProtocol: p.AppProtocol})
			}
		}
		if len(b.ports) > 0 || e.Headless() && len(e.Object.Spec.Ports) == 0 {
			all = append(all, b)
		}
	}
	return all, index
}

// digestOf tells one state of the endpoints from another.
func digestOf(all []behind) string {
	var text strings.Builder
	for _, b := range all {
		for _, p := range b.ports {
			fmt.Fprintf(&text, "%s %d %s;", *p.Name, *p.Port, *p.Protocol)
		}
		for _, a := range b.pods {
			fmt.Fprintf(&text, "%s %s %s %s %t %t;", a.ip, a.node, a.pod, a.uid, a.ready, a.stopping)
		}
	}
	return text.String()
}

func (a podAddress) ref(namespace string) *corev1.ObjectReference {
	return &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: a.pod, UID: a.uid}
}

func buildEndpoints(e *Exposed, all []behind) *corev1.Endpoints {
	out := &corev1.Endpoints{ObjectMeta: derivedMeta(e, e.Object.Name, "endpoints")}
	for _, b := range all {
		subset := corev1.EndpointSubset{}
		for _, p := range b.ports {
			subset.Ports = append(subset.Ports, corev1.EndpointPort{Name: *p.Name, Port: *p.Port, Protocol: *p.Protocol, AppProtocol: p.AppProtocol})
		}
		for _, a := range b.pods {
			address := corev1.EndpointAddress{IP: a.ip, TargetRef: a.ref(b.namespace)}
			if a.node != "" {
				address.NodeName = ptr(a.node)
			}
			switch {
			case a.ready || e.Object.Spec.PublishNotReadyAddresses:
				subset.Addresses = append(subset.Addresses, address)
			case !a.stopping:
				subset.NotReadyAddresses = append(subset.NotReadyAddresses, address)
			}
		}
		out.Subsets = append(out.Subsets, subset)
	}
	out.Subsets = endpoints.RepackSubsets(out.Subsets)
	return out
}

// derivedMeta is the metadata of what follows from a Service, as its controllers give it.
func derivedMeta(e *Exposed, name, what string) metav1.ObjectMeta {
	labels := map[string]string{}
	for k, v := range e.Object.Labels {
		labels[k] = v
	}
	if e.Headless() {
		labels[corev1.IsHeadlessService] = ""
	}
	meta := metav1.ObjectMeta{
		Namespace: e.Object.Namespace, Name: name, UID: swarmUID(what, string(e.Object.UID), name),
		CreationTimestamp: e.Object.CreationTimestamp, Labels: labels,
	}
	if what == "endpoints" {
		meta.Labels["endpoints.kubernetes.io/managed-by"] = "endpoint-controller"
	}
	return meta
}

// Put implements Lens.
func (EndpointsOf) Put(w World, g Group, old, object Object) (Plan, error) {
	k := KeyOf(object)
	given := old != nil && isGivenService(w, k) && w.WrittenEndpoints(k) == nil
	if e := exposedAs(w, k); given || e != nil && e.selector != nil {
		if was, ok := old.(*corev1.Endpoints); ok && sameMeta(old, object) && equality.Semantic.DeepEqual(was.Subsets, object.(*corev1.Endpoints).Subsets) {
			return Plan{}, nil
		}
		if given {
			return Plan{}, keptByGateway("Endpoints", k)
		}
		return Plan{}, followsPods("Endpoints", k)
	}
	step, err := putDocument(w, object.DeepCopyObject().(Object), "", w.WrittenEndpoints(k))
	return Plan{Commit: step}, err
}

func followsPods(kind string, k Key) error {
	return Refusal{field.Forbidden(field.NewPath("metadata", "name"), fmt.Sprintf(
		"the %s of the Service %q follow the Pods that its selector finds, and go with it; leave the Service's spec.selector out to write them by hand", kind, k.Name))}
}

// Remove implements Lens.
func (EndpointsOf) Remove(w World, g Group, _ Object) (Plan, error) {
	if doc := w.WrittenEndpoints(AddressKey(g.ID)); doc != nil {
		return Plan{Commit: Step{Group: GroupConfig, ID: doc.ID}}, nil
	}
	if k := AddressKey(g.ID); isGivenService(w, k) {
		return Plan{}, keptByGateway("Endpoints", k)
	}
	return Plan{}, followsPods("Endpoints", AddressKey(g.ID))
}

// writtenAddresses are the endpoints that someone wrote for a Service: Endpoints, else EndpointSlices.
func writtenAddresses(w World, e *Exposed) []*discoveryv1.EndpointSlice {
	if doc := w.WrittenEndpoints(e.Key()); doc != nil {
		written := &corev1.Endpoints{}
		if json.Unmarshal([]byte(doc.Spec.Labels[LabelObject]), written) == nil {
			return mirrored(e, written)
		}
	}
	return w.WrittenSlices(e.Key())
}

// writtenTargets are the addresses that someone wrote for a port.
func writtenTargets(w World, e *Exposed, p *corev1.ServicePort) []nginx.Target {
	var targets []nginx.Target
	for _, slice := range writtenAddresses(w, e) {
		if slice.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		for _, port := range slice.Ports {
			if port.Port == nil || port.Name != nil && *port.Name != p.Name || port.Protocol != nil && protocolOf(*port.Protocol) != protocolOf(p.Protocol) {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
					continue
				}
				for _, address := range endpoint.Addresses {
					targets = append(targets, nginx.Target{Host: address, Port: *port.Port, Weight: 1})
				}
			}
		}
	}
	return targets
}
