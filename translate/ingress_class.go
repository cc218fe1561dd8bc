package translate

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
)

// The controllers of skep's IngressClasses, and the names that the classes have where nobody else made them.
const (
	// IngressControllerProxy: one nginx carries the Ingresses of all namespaces.
	IngressControllerProxy = "skep/nginx"
	// IngressControllerTraefik: the rules become labels for a Traefik that the Swarm runs.
	IngressControllerTraefik = "skep/traefik"
	IngressClassProxy        = "skep"
	IngressClassTraefik      = "traefik"
)

// IngressProxy is the key by which the proxy of all Ingresses is known. No Service has it.
var IngressProxy = Key{Namespace: proxyNamespace, Name: "-ingress"}

// legacyClass is how an Ingress named its class before there was a field for it.
const legacyClass = "kubernetes.io/ingress.class"

// ingressController is the controller that an Ingress is for; "" for one that nobody serves.
func ingressController(w World, ing *networkingv1.Ingress) string {
	name := ing.Annotations[legacyClass]
	if ing.Spec.IngressClassName != nil {
		name = *ing.Spec.IngressClassName
	}
	if class := w.IngressClass(name); name != "" && class != nil {
		return class.Spec.Controller
	}
	return ""
}

// IngressBackends are all backends that an Ingress names.
func IngressBackends(ing *networkingv1.Ingress) []networkingv1.IngressBackend {
	var all []networkingv1.IngressBackend
	if ing.Spec.DefaultBackend != nil {
		all = append(all, *ing.Spec.DefaultBackend)
	}
	for _, rule := range ing.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			all = append(all, path.Backend)
		}
	}
	return all
}

// Ingresses pairs Ingresses with documents. What they are in the Swarm, CarryIngresses does.
type Ingresses struct{}

var _ Lens = Ingresses{}

var ingressDocuments = Documents{Of: "Ingress", New: func() Object { return &networkingv1.Ingress{} }}

// Kind implements Lens.
func (Ingresses) Kind() string { return "Ingress" }

// Groups implements Lens.
func (Ingresses) Groups() []GroupKind { return []GroupKind{GroupConfig} }

// Get implements Lens.
func (Ingresses) Get(w World, g Group) []Derived {
	all := ingressDocuments.Get(w, g)
	for i := range all {
		object, err := all[i].Build()
		ing, ok := object.(*networkingv1.Ingress)
		if err != nil || !ok || ingressController(w, ing) != IngressControllerProxy {
			all[i].Parts = append(all[i].Parts, "") // another controller's, if not always
			continue
		}
		status := networkingv1.IngressStatus{}
		if proxy := w.Proxy(IngressProxy); proxy != nil {
			for _, ip := range w.Addresses() {
				status.LoadBalancer.Ingress = append(status.LoadBalancer.Ingress, networkingv1.IngressLoadBalancerIngress{IP: ip})
			}
			all[i].Index = max(all[i].Index, proxy.Version.Index)
		}
		all[i].Parts = append(all[i].Parts, fmt.Sprint("own ", status.LoadBalancer.Ingress))
		all[i].Build = func() (Object, error) {
			shown := *ing
			shown.Status = status
			return &shown, nil
		}
	}
	return all
}

// Put implements Lens.
func (Ingresses) Put(w World, g Group, old, object Object) (Plan, error) {
	if ing := object.DeepCopyObject().(*networkingv1.Ingress); ingressController(w, ing) == IngressControllerProxy {
		ing.Status = networkingv1.IngressStatus{}
		object = ing
	}
	return ingressDocuments.Put(w, g, old, object)
}

// Remove implements Lens.
func (Ingresses) Remove(w World, g Group, old Object) (Plan, error) {
	return ingressDocuments.Remove(w, g, old)
}
