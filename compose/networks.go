package compose

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// labelNetwork begins the labels of Pods that are on a network: network.skep/backend.
const labelNetwork = "network.skep/"

// separate makes NetworkPolicies of networks, if that is wanted: who shares one reaches each other.
func (c *converter) separate() {
	networks := map[string]*segment{}
	for _, w := range c.workloads {
		if !w.template.Spec.HostNetwork {
			for _, key := range networksOf(w) {
				if networks[key] == nil {
					networks[key] = c.segment(key)
				}
				networks[key].members = append(networks[key].members, w)
			}
		}
	}
	internal := slices.ContainsFunc(slices.Collect(maps.Values(networks)), func(s *segment) bool { return s.internal })
	if !c.options.NetworkPolicies {
		if len(networks) > 1 || internal {
			c.find(Approximated, "networks", "all Pods of a cluster reach each other: --network-policies keeps networks apart")
		}
		return
	}
	for _, w := range c.workloads {
		if w.service.File.NetworkMode == "none" {
			c.shutOff(w)
		}
	}
	for _, key := range sortedKeys(networks) {
		c.policy(networks[key], internal)
	}
	for _, w := range c.workloads {
		c.open(w)
	}
}

// networksOf are the networks that a service is on, in order.
func networksOf(w *workload) []string {
	f := w.service.File
	switch {
	case f.NetworkMode != "" && f.NetworkMode != "bridge" && f.NetworkMode != "default":
		return nil
	case len(f.Networks) == 0:
		return []string{defaultNetwork}
	}
	return sortedKeys(f.Networks)
}

// segment is a network on its way.
type segment struct {
	key      string
	label    string
	internal bool
	shared   bool // others than this stack may be on it
	members  []*workload
}

func (c *converter) segment(key string) *segment {
	s := &segment{key: key}
	name := c.names.take("network", key, "networks."+key)
	for _, n := range c.stack.Networks {
		if n.Key == key {
			s.internal, s.shared = n.Options.Internal, n.External || n.Options.Attachable
			if n.External && n.Name != "" {
				name = label(n.Name) // which another stack comes to as well
			}
		}
	}
	s.label = labelNetwork + name
	return s
}

// peers are the Pods of a network.
func (s *segment) peers() []networkingv1.NetworkPolicyPeer {
	peer := networkingv1.NetworkPolicyPeer{PodSelector: s.selector()}
	if s.shared {
		peer.NamespaceSelector = &metav1.LabelSelector{}
	}
	return []networkingv1.NetworkPolicyPeer{peer}
}

func (s *segment) selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{s.label: "true"}}
}

// policy lets the Pods of a network reach each other, and labels them. Where any network is internal, the others say that
// they lead out: a Pod that is on both goes out by the other.
func (c *converter) policy(s *segment, internal bool) {
	for _, w := range s.members {
		w.template.Labels[s.label] = "true"
	}
	at := "networks." + s.key
	name := c.names.take("NetworkPolicy", "network-"+s.key, at)
	p := &networkingv1.NetworkPolicy{ObjectMeta: newMeta(name), Spec: networkingv1.NetworkPolicySpec{
		PodSelector: *s.selector(), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		Ingress: []networkingv1.NetworkPolicyIngressRule{{From: s.peers()}},
	}}
	switch {
	case s.internal:
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: s.peers()}, names53()}
	case internal:
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{}}
	}
	if p.Spec.Egress != nil {
		p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	}
	if s.shared {
		c.find(Approximated, at, "others than this stack may be on it, so Pods of all namespaces that have the label %s: \"true\" are let in", s.label)
	}
	c.add(p, at)
}

// names53 lets Pods ask for names.
func names53() networkingv1.NetworkPolicyEgressRule {
	var rule networkingv1.NetworkPolicyEgressRule
	for _, protocol := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
		rule.Ports = append(rule.Ports, networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: new(intstr.FromInt32(53))})
	}
	return rule
}

// shutOff keeps all away from a service without a network.
func (c *converter) shutOff(w *workload) {
	name := c.names.take("NetworkPolicy", w.name+"-no-network", w.at+".network_mode")
	c.add(&networkingv1.NetworkPolicy{ObjectMeta: newMeta(name), Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: maps.Clone(w.selector)},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
	}}, w.at+".network_mode")
}

// open lets everybody reach what is published, and what an Ingress leads to. It names no ports: skep's overlays have all
// or none of them.
func (c *converter) open(w *workload) {
	of := networksOf(w)
	if len(of) == 0 || w.template.Spec.HostNetwork || !c.fromOutside(w) {
		return
	}
	at := w.at + ".ports"
	if len(w.service.File.Ports) == 0 {
		at = w.at
	}
	name := c.names.take("NetworkPolicy", w.name+"-published", at)
	c.add(&networkingv1.NetworkPolicy{ObjectMeta: newMeta(name), Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: maps.Clone(w.selector)},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		Ingress:     []networkingv1.NetworkPolicyIngressRule{{}},
	}}, at)
	c.find(Approximated, at, "it is published, so its Pods are open to all at every port, and not at the published ones alone: name the ports in the NetworkPolicy %s where that is too much (on a Swarm, skep takes no ports)", name)
}

// fromOutside says whether a service is reached from outside of its networks.
func (c *converter) fromOutside(w *workload) bool {
	for _, o := range c.result.Objects {
		switch o := o.(type) {
		case *corev1.Service:
			if o.Spec.Type == corev1.ServiceTypeLoadBalancer || o.Spec.Type == corev1.ServiceTypeNodePort {
				if maps.Equal(o.Spec.Selector, w.selector) {
					return true
				}
			}
		case *networkingv1.Ingress:
			if o.Labels[LabelName] == w.name {
				return true
			}
		}
	}
	return false
}
