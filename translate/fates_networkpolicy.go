package translate

import (
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// networkPolicyFates are to stand in otherFates. What follows from several fields at once is CheckNetworkPolicy's.
var networkPolicyFates = kindFates{
	kind: "NetworkPolicy", objects: []runtime.Object{&networkingv1.NetworkPolicy{}}, template: noTemplate,
	note: "Which overlays a service is on. Overlays work both ways: two workloads share one where policies let each reach the other.",
	rows: []fate{
		{path: "spec.podSelector", fate: Native, reason: "the selected services leave the flat overlay, for overlays with those that these rules and their own policies let talk to them"},
		{path: "spec.policyTypes", fate: Native, reason: "isolated for egress, a service is on internal overlays only, which do not lead out of the Swarm"},
		{path: "spec.ingress", fate: Native, reason: "a rule without from keeps the service on the flat overlay, and its ports published; no rule at all gives it an overlay alone"},
		{path: "spec.ingress[].ports", fate: Refused, reason: portsReason, when: &given},
		{path: "spec.ingress[].ports", fate: Native, reason: "none: all ports"},
		{path: "spec.ingress[].from", fate: Native, reason: "services on a common overlay"},
		{path: "spec.ingress[].from[].ipBlock", fate: Refused, reason: "what comes from outside comes through the routing mesh, which hides its address: leave from out to admit everybody, or filter on the nodes' firewall"},
		{path: "spec.egress", fate: Native, reason: "a rule without to lets the service out everywhere; no rule at all gives it an internal overlay alone"},
		{path: "spec.egress[]", fate: Warned, reason: "DNS needs no rule: Docker answers in every container. It has no effect", when: &condition{"for port 53 only", func(s subject) bool {
			rule, ok := s.value.(networkingv1.NetworkPolicyEgressRule)
			return ok && onlyDNS(rule)
		}}},
		{path: "spec.egress[].ports", fate: Refused, reason: portsReason, when: &given},
		{path: "spec.egress[].ports", fate: Native, reason: "none: all ports"},
		{path: "spec.egress[].to", fate: Native, reason: "services on a common overlay"},
		{path: "spec.egress[].to[].ipBlock", fate: Refused, reason: "an overlay leads out of the Swarm to everywhere or nowhere: leave to out to let it go everywhere, or filter on the nodes' firewall"},
	},
}

const portsReason = "who shares an overlay reaches every port: leave ports out to allow them all, or listen only on what may be reached"

const bothWays = ": overlays work both ways: "

// given tells a list with something in it: one that is there and empty says no more than none.
var given = condition{"some", func(s subject) bool { return reflect.ValueOf(s.value).Len() > 0 }}

// CheckNetworkPolicy tells of a policy what no row of its fates can.
func CheckNetworkPolicy(p *networkingv1.NetworkPolicy) (refused field.ErrorList, warnings []string) {
	at := field.NewPath("spec")
	in, out := policyTypes(p)
	in, out = in && !opensIngress(p), out && !opensEgress(p)
	switch {
	case in && out:
		warnings = oneWayPeers(p, at)
	case in:
		warnings = []string{at.Child("ingress").String() + bothWays + "the selected Pods reach only what may reach them; a peer that is isolated itself has to admit them, too"}
	case out:
		warnings = []string{at.Child("egress").String() + bothWays + "the selected Pods are reached only by what they may reach; a peer that is isolated itself has to name them, too"}
	}
	if in && !slices.ContainsFunc(ingressPeers(p), namesSelected(p)) || out && !slices.ContainsFunc(egressPeers(p), namesSelected(p)) {
		warnings = append(warnings, at.Child("podSelector").String()+": replicas of one workload share its overlays, and reach each other whatever these rules say")
	}
	return checkSelectors(p, at), warnings
}

// oneWayPeers warns of the peers that a policy for both directions names in one only.
func oneWayPeers(p *networkingv1.NetworkPolicy, at *field.Path) (warnings []string) {
	from, to := ingressPeers(p), egressPeers(p)
	for i, rule := range p.Spec.Ingress {
		for j, peer := range rule.From {
			if len(rule.Ports) == 0 && peer.IPBlock == nil && !hasPeer(to, peer) {
				warnings = append(warnings, at.Child("ingress").Index(i).Child("from").Index(j).String()+bothWays+"this peer stays out until egress names it, too")
			}
		}
	}
	for i, rule := range p.Spec.Egress {
		for j, peer := range rule.To {
			if len(rule.Ports) == 0 && peer.IPBlock == nil && !hasPeer(from, peer) {
				warnings = append(warnings, at.Child("egress").Index(i).Child("to").Index(j).String()+bothWays+"this peer is out of reach until ingress names it, too")
			}
		}
	}
	return warnings
}

// checkSelectors finds what validation lets pass for old objects' sake and nobody can evaluate.
func checkSelectors(p *networkingv1.NetworkPolicy, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	check := func(s *metav1.LabelSelector, at *field.Path) {
		if s == nil {
			return
		}
		if _, err := metav1.LabelSelectorAsSelector(s); err != nil {
			errs = append(errs, field.Invalid(at, metav1.FormatLabelSelector(s), err.Error()))
		}
	}
	check(&p.Spec.PodSelector, at.Child("podSelector"))
	peers := func(peers []networkingv1.NetworkPolicyPeer, at *field.Path) {
		for i := range peers {
			check(peers[i].PodSelector, at.Index(i).Child("podSelector"))
			check(peers[i].NamespaceSelector, at.Index(i).Child("namespaceSelector"))
		}
	}
	for i, rule := range p.Spec.Ingress {
		peers(rule.From, at.Child("ingress").Index(i).Child("from"))
	}
	for i, rule := range p.Spec.Egress {
		peers(rule.To, at.Child("egress").Index(i).Child("to"))
	}
	return errs
}

// hasPeer tells whether a peer is among others as it is written, or all Pods are.
func hasPeer(peers []networkingv1.NetworkPolicyPeer, peer networkingv1.NetworkPolicyPeer) bool {
	return slices.ContainsFunc(peers, func(other networkingv1.NetworkPolicyPeer) bool {
		return anyPod(other) || reflect.DeepEqual(other, peer)
	})
}

// namesSelected tells a peer that names what the policy selects: the same Pods, or the whole namespace.
func namesSelected(p *networkingv1.NetworkPolicy) func(networkingv1.NetworkPolicyPeer) bool {
	return func(peer networkingv1.NetworkPolicyPeer) bool {
		own := peer.PodSelector != nil && peer.NamespaceSelector == nil && (selectsAll(peer.PodSelector) || reflect.DeepEqual(*peer.PodSelector, p.Spec.PodSelector))
		return own || anyPod(peer)
	}
}

// onlyDNS tells a rule that is there to let names be looked up.
func onlyDNS(rule networkingv1.NetworkPolicyEgressRule) bool {
	for _, port := range rule.Ports {
		if port.Port == nil || *port.Port != intstr.FromInt32(53) || port.EndPort != nil && *port.EndPort != 53 ||
			port.Protocol != nil && *port.Protocol != corev1.ProtocolUDP && *port.Protocol != corev1.ProtocolTCP {
			return false
		}
	}
	return len(rule.Ports) > 0
}

// PolicyAllowsOutside tells whether a workload may be reached from outside the Swarm, by published ports: it
// is not isolated for ingress, or some rule admits everybody.
func PolicyAllowsOutside(policies []*networkingv1.NetworkPolicy, workload PolicyWorkload) bool {
	isolated := false
	for _, p := range policies {
		if in, _ := policyTypes(p); !in || !policySelects(p, workload) {
			continue
		}
		isolated = true
		for _, rule := range p.Spec.Ingress {
			if len(rule.Ports) == 0 && len(rule.From) == 0 {
				return true
			}
		}
	}
	return !isolated
}

// PolicyReachesOutside tells whether a workload may go out of the Swarm. One that may not loses its internal
// overlays' protection where its ports are published: the routing mesh is a network that leads out.
func PolicyReachesOutside(policies []*networkingv1.NetworkPolicy, workload PolicyWorkload) bool {
	isolated := false
	for _, p := range policies {
		if _, out := policyTypes(p); !out || !policySelects(p, workload) {
			continue
		}
		if isolated = true; opensEgress(p) {
			return true
		}
	}
	return !isolated
}

// policyTypes are a policy's directions, by default as Kubernetes has it (pkg/apis/networking/v1/defaults.go).
func policyTypes(p *networkingv1.NetworkPolicy) (ingress, egress bool) {
	if p == nil {
		return false, false
	}
	if len(p.Spec.PolicyTypes) == 0 {
		return true, len(p.Spec.Egress) > 0
	}
	return slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress), slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
}

func policySelects(p *networkingv1.NetworkPolicy, w PolicyWorkload) bool {
	return p.Namespace == w.Namespace && policySelector(p).Matches(labels.Set(w.Labels))
}

// policySelector selects everything where it cannot be read: better too few may talk.
func policySelector(p *networkingv1.NetworkPolicy) labels.Selector {
	s, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
	if err != nil {
		return labels.Everything()
	}
	return s
}

// opensIngress tells a policy that admits all Pods. It need not admit the world.
func opensIngress(p *networkingv1.NetworkPolicy) bool {
	return slices.ContainsFunc(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
		return len(r.Ports) == 0 && (len(r.From) == 0 || slices.ContainsFunc(r.From, anyPod))
	})
}

// opensEgress tells a policy that restricts no egress: all Pods is not yet all the world.
func opensEgress(p *networkingv1.NetworkPolicy) bool {
	return slices.ContainsFunc(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
		return len(r.Ports)+len(r.To) == 0
	})
}

func anyPod(peer networkingv1.NetworkPolicyPeer) bool {
	return peer.IPBlock == nil && peer.NamespaceSelector != nil && selectsAll(peer.NamespaceSelector) && (peer.PodSelector == nil || selectsAll(peer.PodSelector))
}

func selectsAll(s *metav1.LabelSelector) bool {
	return len(s.MatchLabels)+len(s.MatchExpressions) == 0
}

func ingressPeers(p *networkingv1.NetworkPolicy) []networkingv1.NetworkPolicyPeer {
	var out []networkingv1.NetworkPolicyPeer
	for _, rule := range p.Spec.Ingress {
		if len(rule.Ports) == 0 {
			out = append(out, rule.From...)
		}
	}
	return out
}

func egressPeers(p *networkingv1.NetworkPolicy) []networkingv1.NetworkPolicyPeer {
	var out []networkingv1.NetworkPolicyPeer
	for _, rule := range p.Spec.Egress {
		if len(rule.Ports) == 0 {
			out = append(out, rule.To...)
		}
	}
	return out
}
