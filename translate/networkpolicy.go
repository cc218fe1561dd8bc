package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	networkingv1 "k8s.io/api/networking/v1"
)

// Policies answers who may talk to whom.
type Policies interface {
	Policies() []*networkingv1.NetworkPolicy
	NamespaceLabels(namespace string) map[string]string
	// PolicyWorkloads are the workloads that policies are about, by the names of their services: those that were made
	// through Kubernetes, and the proxy of Ingresses.
	PolicyWorkloads() []PolicyWorkload
	// Memberships are the overlays of those workloads; nil when there are no policies.
	Memberships() map[string]Membership
}

// NetworkPolicies pairs NetworkPolicies with documents. What they are in the Swarm, CarryPolicies does.
type NetworkPolicies struct{}

var _ Lens = NetworkPolicies{}

var policyDocuments = Documents{Of: "NetworkPolicy", New: func() Object { return &networkingv1.NetworkPolicy{} }}

// Kind implements Lens.
func (NetworkPolicies) Kind() string { return "NetworkPolicy" }

// Groups implements Lens.
func (NetworkPolicies) Groups() []GroupKind { return policyDocuments.Groups() }

// Get implements Lens.
func (NetworkPolicies) Get(w World, g Group) []Derived { return policyDocuments.Get(w, g) }

// Put implements Lens. Its warnings say whose Pods are replaced, before they are.
func (NetworkPolicies) Put(w World, g Group, old, object Object) (Plan, error) {
	plan, err := policyDocuments.Put(w, g, old, object)
	if err != nil {
		return plan, err
	}
	next := slices.DeleteFunc(slices.Clone(w.Policies()), func(p *networkingv1.NetworkPolicy) bool { return KeyOf(p) == KeyOf(object) })
	next = append(next, object.(*networkingv1.NetworkPolicy))
	plan.Warnings = movingWarnings(w, next)
	return plan, nil
}

// Remove implements Lens.
func (NetworkPolicies) Remove(w World, g Group, old Object) (Plan, error) {
	plan, err := policyDocuments.Remove(w, g, old)
	next := slices.DeleteFunc(slices.Clone(w.Policies()), func(p *networkingv1.NetworkPolicy) bool { return KeyOf(p) == KeyOf(old) })
	plan.Warnings = movingWarnings(w, next)
	return plan, err
}

// namedMost is how many workloads a warning names.
const namedMost = 5

// movingWarnings say which workloads would move to other overlays under these policies, and which pairs of them the
// overlays keep apart that the policies do not.
func movingWarnings(w World, policies []*networkingv1.NetworkPolicy) []string {
	workloads := w.PolicyWorkloads()
	next, now := membershipsOf(w, policies, workloads), w.Memberships()
	var moving []string
	for _, wl := range workloads {
		if !sameMembership(membershipIn(now, wl.ID), membershipIn(next, wl.ID)) {
			moving = append(moving, wl.ID)
		}
	}
	var warnings []string
	if len(moving) > 0 {
		slices.Sort(moving)
		warnings = append(warnings, fmt.Sprintf("the Pods of %s are replaced, by their own update strategies: Swarm firewalls with networks, and they move to others", nameSome(moving)))
	}
	for _, c := range PolicyClosures(policies, w.NamespaceLabels, workloads) {
		rule, of := "ingress", c.From
		if c.Egress {
			rule, of = "egress", c.To
		}
		warnings = append(warnings, fmt.Sprintf("overlays work both ways: %s does not reach %s until the policies of %s (%s) name the other in %s, too",
			nameSome(c.From), nameSome(c.To), nameSome(of), nameSome(c.Policies), rule))
	}
	return warnings
}

func nameSome(names []string) string {
	if len(names) > namedMost {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:namedMost], ", "), len(names)-namedMost)
	}
	return strings.Join(names, ", ")
}

func membershipsOf(w World, policies []*networkingv1.NetworkPolicy, workloads []PolicyWorkload) map[string]Membership {
	if len(policies) == 0 {
		return nil
	}
	return PolicyMemberships(policies, w.NamespaceLabels, workloads, w.Networking().Network)
}

// membershipIn is a workload's; one that no policy knows is on the flat overlay.
func membershipIn(all map[string]Membership, id string) Membership {
	if m, ok := all[id]; ok {
		return m
	}
	return Membership{Flat: true}
}

func sameMembership(a, b Membership) bool {
	return a.Flat == b.Flat && slices.Equal(a.Networks, b.Networks)
}

// membershipFor is that of a workload that may not be there yet.
func membershipFor(w World, service, namespace string, labels map[string]string) Membership {
	policies := w.Policies()
	if len(policies) == 0 {
		return Membership{Flat: true}
	}
	workloads := slices.DeleteFunc(slices.Clone(w.PolicyWorkloads()), func(p PolicyWorkload) bool { return p.ID == service })
	workloads = append(workloads, PolicyWorkload{ID: service, Namespace: namespace, Labels: labels})
	return membershipIn(membershipsOf(w, policies, workloads), service)
}

// names are the overlays of a membership.
func (m Membership) names(flat string) []string {
	if m.Flat {
		return append([]string{flat}, m.Networks...)
	}
	return m.Networks
}

// settle puts a workload on the overlays of a membership. An isolated one leaves its stack's as well: nobody is kept
// out there.
func settle(w World, spec *swarm.TaskSpec, m Membership) {
	wanted := m.names(w.Networking().Network)
	var now []string
	for _, n := range spec.Networks {
		name := networkName(w, n.Target)
		if isManaged(w, name) {
			now = append(now, name)
		}
	}
	slices.Sort(now)
	sorted := slices.Clone(wanted)
	if slices.Sort(sorted); slices.Equal(now, sorted) && (m.Flat || len(now) == len(spec.Networks)) {
		return
	}
	var networks []swarm.NetworkAttachmentConfig
	for _, name := range wanted {
		networks = append(networks, swarm.NetworkAttachmentConfig{Target: name})
	}
	for _, n := range spec.Networks {
		if m.Flat && !isManaged(w, networkName(w, n.Target)) {
			networks = append(networks, n)
		}
	}
	spec.Networks = networks
}

// networkName is the name of a network that a spec names, or gives the ID of.
func networkName(w World, target string) string {
	if name := w.Network(target); name != "" {
		return name
	}
	return target
}

// isManaged says whether an overlay is skep's own.
func isManaged(w World, name string) bool {
	return name == w.Networking().Network || strings.HasPrefix(name, policyPrefix)
}

// isolated says whether policies keep a workload off the flat overlay.
func isolated(w World, wl *Workload) bool {
	return !membershipIn(w.Memberships(), wl.Service.Spec.Name).Flat
}

// CarryPolicies plans the next move of a workload to the overlays that the policies put it on; an empty plan when all
// are there.
func CarryPolicies(w World) Plan {
	memberships := w.Memberships()
	for _, p := range w.PolicyWorkloads() {
		wl := w.Workload(p.Service)
		if wl == nil || wl.Gone || isProxy(&wl.Service.Spec) || isJobService(&wl.Service.Spec) {
			continue // the proxy of Ingresses is moved with its configuration; a job would run again
		}
		spec := wl.Service.Spec
		spec.TaskTemplate.Networks = slices.Clone(spec.TaskTemplate.Networks)
		settle(w, &spec.TaskTemplate, membershipIn(memberships, p.ID))
		if slices.EqualFunc(spec.TaskTemplate.Networks, wl.Service.Spec.TaskTemplate.Networks, func(a, b swarm.NetworkAttachmentConfig) bool {
			return a.Target == b.Target
		}) {
			continue
		}
		dress(w, &spec, &wl.Template, worn(w, wl.Identity.Namespace, &wl.Template, wl.Service.ID))
		return Plan{
			Networks: networksOf(w, &spec.TaskTemplate),
			Commit:   Step{Group: GroupService, ID: wl.Service.ID, Version: wl.Service.Version, Service: &spec},
		}
	}
	return Plan{}
}

// PolicyNetwork says whether a network is one that policies made.
func PolicyNetwork(name string) bool { return strings.HasPrefix(name, policyPrefix) }

// IsPolicyWorkload says whether policies are about a service: it was made through Kubernetes, or is the proxy of
// Ingresses.
func IsPolicyWorkload(w World, wl *Workload) bool {
	if of := wl.Service.Spec.Labels[LabelProxy]; of != "" {
		return of == AddressID(IngressProxy)
	}
	return !wl.Gone && madeHere(w, &wl.Service.Spec)
}
