package translate

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// NetworkPolicies as membership of overlays. Who shares an overlay talks, both ways; who shares none does not.
//
// What Kubernetes means. A policy isolates the Pods of its namespace that its podSelector selects (an empty
// one selects all), for ingress, egress or both (policyTypes; where they are missing: ingress, and egress if
// there are egress rules). Policies add up: an isolated Pod lets through what any rule of any policy that
// selects it names. A rule without peers names everybody; several peers are an "or"; podSelector and
// namespaceSelector in one peer are an "and"; without a namespaceSelector a peer is of the policy's own
// namespace. X may reach Y when X's egress names Y, or is not isolated, and Y's ingress names X, or is not.
//
// What becomes of it. Two workloads share an overlay exactly when Kubernetes lets each reach the other. Where
// it lets X reach Y only, a shared overlay would let Y reach X, which a policy forbids: they share none, which
// is tighter, and PolicyClosures says so. A web that no policy selects reaches a db that admits it, since
// nothing keeps db from web; once a policy isolates web, it must admit db for the two to talk. A db that admits
// web and is isolated for egress as well must name web there, too.
//
// The overlays:
//
//   - The flat one holds every workload that is not restricted: not isolated, or isolated by policies of which
//     one admits all Pods and, for egress, the whole world. They all may reach each other.
//   - Every restricted workload has a home, with the unrestricted ones that it talks to. These share the flat
//     overlay anyway, so that sharing a home tells them nothing new. Restricted workloads that the same policies
//     isolate, and which these let talk to each other, share one home, named by the policies. Any other has one
//     alone, named by the Swarm service. An unrestricted client that comes or goes moves itself; it moves another
//     only where that one is a restricted guest in a home where the client may not be met.
//   - Restricted workloads of different homes join the one's or the other's home, if they may talk to all that
//     are there; else the two share an overlay of their own. Where many may talk to many, but not among
//     themselves, that is an overlay for each pair: nothing less keeps them apart.
//
// Who is isolated for egress may not reach the world, so its overlays are internal ones: Docker gives a
// container whose overlays are all internal no way out (libnetwork's needDefaultGW). Who may go out keeps
// its way on an internal overlay, by its own home or the flat overlay beside it.
//
// Replicas of one workload share its overlays, whatever policies say of them.
//
// Rules that are refused (ports, ipBlock) let nothing through. One for DNS alone has no effect.

// PolicyWorkload is what runs the Pods of one template.
type PolicyWorkload struct {
	ID        string // the Swarm service's name
	Service   string // its ID; "" for one that is not there yet
	Namespace string
	Labels    map[string]string // of its Pod template
}

// Membership says which overlays a workload is attached to.
type Membership struct {
	Flat     bool     // the one that all unrestricted workloads share
	Networks []string // names of policy overlays, sorted
}

// PolicyClosure is what Kubernetes would let through and overlays do not: each of From may reach each of To
// because a rule says so, but To may not reach From. One of Policies has to name them for it: a policy that
// selects To and lacks them in egress, else one that selects From and lacks them in ingress.
type PolicyClosure struct {
	From, To []string // workload IDs, sorted; one in both is not meant to reach itself
	Egress   bool     // the rule is missing in the egress of To, else in the ingress of From
	Policies []string // namespace/name
}

const (
	policyPrefix = "skep_np_"
	// internalPrefix holds what no other name does: a namespace has no underscore and is not empty.
	internalPrefix = policyPrefix + "_"
	maxNetworkName = 63
)

// PolicyMemberships gives every workload's overlays, by ID. A policy overlay that PolicyNetworkInternal names
// has to be created as an internal one. flat is the name of the flat overlay, which no other gets.
func PolicyMemberships(policies []*networkingv1.NetworkPolicy, namespaceLabels func(string) map[string]string, workloads []PolicyWorkload, flat string) map[string]Membership {
	v := newPolicyView(policies, namespaceLabels, workloads)
	p := &overlayPlan{policyView: v, of: map[any][]*policyOverlay{}}
	for _, g := range v.groups {
		p.addHomes(g)
	}
	for i, g := range v.groups {
		for _, h := range v.groups[i+1:] {
			for _, a := range p.parts(g, g.members.and(h.both)) {
				for _, b := range p.parts(h, h.members.and(g.both)) {
					p.connect(a, b)
				}
			}
		}
	}
	out := make(map[string]Membership, len(v.workloads))
	for i, w := range v.workloads {
		out[w.ID] = Membership{Flat: v.free.has(i)}
	}
	for _, n := range p.all {
		name := PolicyNetworkName(n.internal, n.key)
		if name == flat {
			name = PolicyNetworkName(n.internal, n.key+"/")
		}
		n.members.each(func(i int) {
			m := out[v.workloads[i].ID]
			m.Networks = append(m.Networks, name)
			out[v.workloads[i].ID] = m
		})
	}
	for _, m := range out {
		slices.Sort(m.Networks)
	}
	return out
}

// PolicyClosures lists what PolicyMemberships closes beyond what the policies ask for.
func PolicyClosures(policies []*networkingv1.NetworkPolicy, namespaceLabels func(string) map[string]string, workloads []PolicyWorkload) []PolicyClosure {
	v := newPolicyView(policies, namespaceLabels, workloads)
	all := append([]*policyGroup{{members: v.free, in: v.everybody, out: v.everybody, both: v.everybody}}, v.groups...)
	var out []PolicyClosure
	add := func(from, to bits, egress bool, why []string) {
		if !from.empty() && !to.empty() && (from.count() > 1 || !slices.Equal(from, to)) {
			out = append(out, PolicyClosure{From: v.ids(from), To: v.ids(to), Egress: egress, Policies: why})
		}
	}
	for _, g := range all {
		for _, h := range all {
			if h.ingress == nil && g.egress == nil {
				continue // no rule says so: nothing speaks against it
			}
			from, to := g.members.and(h.in), h.members.and(g.out)
			add(from.minus(h.out), to, true, h.egress)
			add(from.and(h.out), to.minus(g.in), false, g.ingress)
		}
	}
	slices.SortFunc(out, func(a, b PolicyClosure) int {
		return cmp.Or(slices.Compare(a.From, b.From), slices.Compare(a.To, b.To), slices.Compare(a.Policies, b.Policies))
	})
	return out
}

// PolicyNetworkName is the Swarm name of a policy overlay. SwarmKit allows letters, digits, "-" and "_"
// (isValidDNSName); a key that has more, or is too long, ends in its hash.
func PolicyNetworkName(internal bool, key string) string {
	prefix := policyPrefix
	if internal {
		prefix = internalPrefix
	}
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, key)
	return prefix + fit(key, strings.TrimRight(clean, "-_"), maxNetworkName-len(prefix))
}

// PolicyNetworkInternal tells, by its name, whether a policy overlay is an internal one.
func PolicyNetworkInternal(name string) bool { return strings.HasPrefix(name, internalPrefix) }

// policyGroup are restricted workloads that the same policies isolate, so that they name the same peers.
type policyGroup struct {
	key             string
	ingress, egress []string // namespace/name of the policies that restrict; nil: not restricted
	members         bits
	in, out, both   bits // who may reach them, whom they may reach, who may both
}

// policyView is who may reach whom. Bits are indices of workloads, which are in the order of their IDs.
type policyView struct {
	workloads []PolicyWorkload
	inside    map[string][]int // indices by namespace
	labelsOf  map[string]labels.Set
	everybody bits
	free      bits
	groups    []*policyGroup
}

func newPolicyView(policies []*networkingv1.NetworkPolicy, namespaceLabels func(string) map[string]string, workloads []PolicyWorkload) *policyView {
	v := &policyView{workloads: slices.Clone(workloads), inside: map[string][]int{}, labelsOf: map[string]labels.Set{}}
	slices.SortFunc(v.workloads, func(a, b PolicyWorkload) int { return cmp.Compare(a.ID, b.ID) })
	v.everybody = newBits(len(workloads))
	for i, w := range v.workloads {
		v.everybody.set(i)
		v.inside[w.Namespace] = append(v.inside[w.Namespace], i)
		if _, known := v.labelsOf[w.Namespace]; !known {
			// The API server gives every namespace this label; one that is a stack may come without.
			set := labels.Set{corev1.LabelMetadataName: w.Namespace}
			if namespaceLabels != nil {
				set = labels.Merge(namespaceLabels(w.Namespace), set)
			}
			v.labelsOf[w.Namespace] = set
		}
	}
	sorted := slices.DeleteFunc(slices.Clone(policies), func(p *networkingv1.NetworkPolicy) bool { return p == nil })
	slices.SortFunc(sorted, func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	v.group(sorted)
	return v
}

// group sorts the workloads by the policies that restrict them.
func (v *policyView) group(policies []*networkingv1.NetworkPolicy) {
	ingress, egress := make([]isolation, len(v.workloads)), make([]isolation, len(v.workloads))
	for at, p := range policies {
		in, out := policyTypes(p)
		opensIn, opensOut, selector := opensIngress(p), opensEgress(p), policySelector(p)
		for _, i := range v.inside[p.Namespace] {
			if (in || out) && selector.Matches(labels.Set(v.workloads[i].Labels)) {
				ingress[i].add(in, opensIn, at)
				egress[i].add(out, opensOut, at)
			}
		}
	}
	peers := &peerCache{policyView: v, policies: policies, ingress: map[int]bits{}, egress: map[int]bits{}}
	v.free = newBits(len(v.workloads))
	known := map[string]*policyGroup{}
	for i := range v.workloads {
		ins, outs := ingress[i].restricted(), egress[i].restricted()
		if ins == nil && outs == nil {
			v.free.set(i)
			continue
		}
		key := groupKey(policies, ins, outs)
		g := known[key]
		if g == nil {
			g = peers.newGroup(key, ins, outs)
			known[key] = g
			v.groups = append(v.groups, g)
		}
		g.members.set(i)
	}
	// The fewer policies the more common is a home: the others rather come to it than it to them.
	slices.SortFunc(v.groups, func(a, b *policyGroup) int {
		return cmp.Or(cmp.Compare(len(a.ingress)+len(a.egress), len(b.ingress)+len(b.egress)), cmp.Compare(a.key, b.key))
	})
}

// isolation is which policies isolate a workload in one direction, by index, and whether one lets all through.
type isolation struct {
	policies []int
	open     bool
}

func (d *isolation) add(isolates, opens bool, policy int) {
	if isolates {
		d.policies, d.open = append(d.policies, policy), d.open || opens
	}
}

func (d *isolation) restricted() []int {
	if d.open {
		return nil
	}
	return d.policies
}

// groupKey reads as the namespace and the policies, and says what else tells a group apart. Names of namespaces
// and policies hold no underscore, so that the parts cannot run into each other.
func groupKey(policies []*networkingv1.NetworkPolicy, ins, outs []int) string {
	names := func(of []int) string {
		var b strings.Builder
		for _, i := range of {
			b.WriteString("_" + policies[i].Name)
		}
		return b.String()
	}
	either := slices.Compact(slices.Sorted(slices.Values(slices.Concat(ins, outs))))
	key := policies[either[0]].Namespace + names(either)
	switch {
	case len(outs) == 0:
		return key
	case len(ins) == 0:
		return key + "__egress"
	case slices.Equal(ins, outs):
		return key + "__both"
	}
	return key + "__/" + names(ins) + "/" + names(outs)
}

// peerCache holds whom a policy's rules name, as it takes a while to find them.
type peerCache struct {
	*policyView
	policies        []*networkingv1.NetworkPolicy
	ingress, egress map[int]bits
}

func (c *peerCache) newGroup(key string, ins, outs []int) *policyGroup {
	g := &policyGroup{key: key, members: newBits(len(c.workloads)), in: c.everybody, out: c.everybody}
	if ins != nil {
		g.in, g.ingress = c.union(ins, c.ingress, ingressPeers), c.names(ins)
	}
	if outs != nil {
		g.out, g.egress = c.union(outs, c.egress, egressPeers), c.names(outs)
	}
	g.both = g.in.and(g.out)
	return g
}

func (c *peerCache) union(policies []int, known map[int]bits, peersOf func(*networkingv1.NetworkPolicy) []networkingv1.NetworkPolicyPeer) bits {
	all := newBits(len(c.workloads))
	for _, i := range policies {
		if known[i] == nil {
			known[i] = newBits(len(c.workloads))
			for _, peer := range peersOf(c.policies[i]) {
				c.find(peer, c.policies[i].Namespace, known[i])
			}
		}
		all.add(known[i])
	}
	return all
}

func (c *peerCache) names(policies []int) []string {
	var out []string
	for _, i := range policies {
		out = append(out, c.policies[i].Namespace+"/"+c.policies[i].Name)
	}
	return out
}

// find sets the workloads that a peer of a policy in a namespace names; nobody where it cannot be read.
func (v *policyView) find(peer networkingv1.NetworkPolicyPeer, namespace string, found bits) {
	if peer.IPBlock != nil || peer.PodSelector == nil && peer.NamespaceSelector == nil {
		return
	}
	pods := labels.Everything()
	if peer.PodSelector != nil {
		var err error
		if pods, err = metav1.LabelSelectorAsSelector(peer.PodSelector); err != nil {
			return
		}
	}
	inside := func(namespace string) {
		for _, i := range v.inside[namespace] {
			if pods.Empty() || pods.Matches(labels.Set(v.workloads[i].Labels)) {
				found.set(i)
			}
		}
	}
	if peer.NamespaceSelector == nil {
		inside(namespace)
		return
	}
	namespaces, err := metav1.LabelSelectorAsSelector(peer.NamespaceSelector)
	if err != nil {
		return
	}
	for name, set := range v.labelsOf {
		if namespaces.Matches(set) {
			inside(name)
		}
	}
}

func (v *policyView) ids(of bits) []string {
	var out []string
	of.each(func(i int) { out = append(out, v.workloads[i].ID) })
	return out
}
