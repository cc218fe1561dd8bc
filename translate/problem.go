package translate

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Problem is what an object asks for and does not get: a Warning Event on it.
type Problem struct {
	Kind            string // Service, Ingress or NetworkPolicy
	Key             Key
	UID             types.UID
	Reason, Message string
}

// ingressProblems are problems with the Ingresses that they are about.
func ingressProblems(found []IngressProblem, ingresses []*networkingv1.Ingress) []Problem {
	uids := map[Key]types.UID{}
	for _, ing := range ingresses {
		uids[KeyOf(ing)] = ing.UID
	}
	all := make([]Problem, 0, len(found))
	for _, p := range found {
		k := Key{p.Namespace, p.Name}
		all = append(all, Problem{"Ingress", k, uids[k], p.Reason, p.Message})
	}
	return all
}

// ServiceProblems are what of a Service nothing can carry.
func ServiceProblems(w World, k Key) []Problem {
	e := w.Exposed(k)
	if e == nil {
		return nil
	}
	route := routeOf(w, e)
	var all []Problem
	add := func(reason, format string, args ...any) {
		all = append(all, Problem{"Service", k, e.Object.UID, reason, fmt.Sprintf(format, args...)})
	}
	if e.Object.Spec.Type == corev1.ServiceTypeExternalName && len(e.Object.Spec.Ports) == 0 {
		add("NoPorts", "Docker's DNS has no other names for names: list the ports of %s under spec.ports, and a proxy passes them on", e.Object.Spec.ExternalName)
	}
	if route != RouteProxy {
		return all
	}
	for _, p := range e.Object.Spec.Ports {
		if protocolOf(p.Protocol) == corev1.ProtocolSCTP {
			add("NoSCTP", "port %d: nginx carries no SCTP", p.Port)
		}
	}
	for _, wl := range selected(w, e) {
		if _, reachable := networksTo(w, wl); !reachable && !wl.Template.Spec.HostNetwork {
			add("Unreachable", "%s %q is on no overlay network: docker service update --network-add %s %s, which restarts its tasks",
				wl.Identity.Kind, wl.Identity.Name, w.Networking().Network, wl.Service.Spec.Name)
		}
	}
	if e.Headless() {
		add("HeadlessByProxy", "its Pods started before it did, so its name answers with the address of a proxy, not with theirs, until they are rolled out anew")
	}
	return all
}
