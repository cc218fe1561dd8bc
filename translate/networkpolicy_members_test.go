package translate

import (
	"fmt"
	"maps"
	"math/rand"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// policiesOf reads specs, one a line: "namespace/name: {a spec in YAML}".
func policiesOf(t *testing.T, lines string) []*networkingv1.NetworkPolicy {
	t.Helper()
	var out []*networkingv1.NetworkPolicy
	for line := range strings.Lines(lines) {
		id, spec, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		p := &networkingv1.NetworkPolicy{}
		p.Namespace, p.Name, _ = strings.Cut(id, "/")
		if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, p)
	}
	return out
}

// workloadsOf reads words "namespace/app", or "namespace/app:another-label=value"; the ID is the first part.
func workloadsOf(words string) []PolicyWorkload {
	var out []PolicyWorkload
	for _, word := range strings.Fields(words) {
		id, more, _ := strings.Cut(word, ":")
		w := PolicyWorkload{Labels: map[string]string{}}
		w.Namespace, w.ID, _ = strings.Cut(id, "/")
		w.Labels["app"] = w.ID
		if k, v, ok := strings.Cut(more, "="); ok {
			w.Labels[k] = v
		}
		out = append(out, w)
	}
	return out
}

// teamLabels gives the namespaces whose names begin with "shop" the team of that name.
func teamLabels(namespace string) map[string]string {
	if strings.HasPrefix(namespace, "shop") {
		return map[string]string{"team": "shop"}
	}
	return nil
}

func TestNetworkPolicyMemberships(t *testing.T) {
	for name, c := range map[string]struct {
		policies, workloads string
		want                string // a line for each workload: its overlays, "flat" being the flat one
	}{
		"no policy": {"", "shop/web shop/db", `
			web: flat
			db: flat`},
		"a database and its client": {
			`
			shop/db: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`,
			"shop/web shop/db shop/job other/web2:app=web", `
			web: flat shop__db
			db: shop__db
			job: flat
			web2: flat`,
		},
		"deny all": {
			`
			shop/deny: {podSelector: {}, policyTypes: [Ingress]}`,
			"shop/web shop/db other/job", `
			web: shop__web
			db: shop__db
			job: flat`,
		},
		"admit everybody": {
			`
			shop/web: {podSelector: {matchLabels: {app: web}}, ingress: [{}]}`,
			"shop/web shop/db", `
			web: flat
			db: flat`,
		},
		"admit everybody in addition": {
			`
			shop/deny: {podSelector: {}}
			shop/web: {podSelector: {matchLabels: {app: web}}, ingress: [{}]}`,
			"shop/web shop/db other/job", `
			web: flat
			db: shop__db
			job: flat`,
		},
		"admit all Pods": {
			`
			shop/web: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`,
			"shop/web other/job", `
			web: flat
			job: flat`,
		},
		"a namespace among itself": {
			`
			shop/own: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`,
			"shop/web shop/db shop/job other/web2", `
			web: shop_own
			db: shop_own
			job: shop_own
			web2: flat`,
		},
		"and one of it admits another, too": {
			`
			shop/own: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}
			shop/db: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}]}]}`,
			"shop/web shop/db shop/job ops/backup", `
			web: shop_own
			db: shop_db_own shop_own
			job: shop_own
			backup: flat shop_db_own`,
		},
		"both selectors are an and, two peers an or": {
			`
			shop/db: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: shop}}, podSelector: {matchLabels: {app: web}}}, {podSelector: {matchLabels: {app: job}}}]}]}`,
			"shop/web shop/db shop/job shop/x shop2/web2:app=web shop2/job2:app=job other/web3:app=web", `
			web: flat shop__db
			db: shop__db
			job: flat shop__db
			x: flat
			web2: flat shop__db
			job2: flat
			web3: flat`,
		},
		"tiers that each deny, and name each other": {
			`
			shop/deny: {podSelector: {}}
			shop/web: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}
			shop/api: {podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, db]}]}}]}]}
			shop/db: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}`,
			"shop/web shop/api shop/db", `
			web: shop__web
			api: shop__api shop__web
			db: shop__api shop__db`,
		},
		"a caller that is isolated has to admit whom it calls": {
			`
			shop/deny: {podSelector: {}}
			shop/db: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`,
			"shop/web shop/db", `
			web: shop__web
			db: shop__db`,
		},
		"egress": {
			`
			shop/job: {podSelector: {matchLabels: {app: job}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}, {ports: [{port: 53, protocol: UDP}]}]}`,
			"shop/web shop/db shop/job", `
			web: flat
			db: flat _shop__job
			job: _shop__job`,
		},
		"egress for DNS alone": {
			`
			shop/job: {podSelector: {matchLabels: {app: job}}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}`,
			"shop/web shop/job", `
			web: flat
			job: _shop__job`,
		},
		"egress to everywhere": {
			`
			shop/job: {podSelector: {matchLabels: {app: job}}, policyTypes: [Egress], egress: [{}]}`,
			"shop/web shop/job", `
			web: flat
			job: flat`,
		},
		"egress to all Pods is not to the world": {
			`
			shop/job: {podSelector: {matchLabels: {app: job}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}`,
			"shop/web shop/job", `
			web: flat _shop_job__egress
			job: _shop_job__egress`,
		},
		"a namespace among itself, both ways": {
			`
			shop/own: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {}}]}]}`,
			"shop/web shop/db other/job", `
			web: _shop_own__both
			db: _shop_own__both
			job: flat`,
		},
		"egress alone is ingress, too, where no types are said": {
			`
			shop/job: {podSelector: {matchLabels: {app: job}}, egress: [{to: [{podSelector: {}}]}]}`,
			"shop/web shop/job", `
			web: flat
			job: _shop__job`,
		},
		"both directions": {
			`
			shop/db: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {matchLabels: {app: web}}}]}]}`,
			"shop/web shop/db shop/job", `
			web: flat _shop__db
			db: _shop__db
			job: flat`,
		},
		"one that may go out does not let another out": {
			`
			shop/db: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: job}}}]}]}
			shop/job: {podSelector: {matchLabels: {app: job}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}`,
			"shop/web shop/db shop/job", `
			web: flat
			db: _shop__job shop__db
			job: _shop__job`,
		},
		"clients of one database are not to meet": {
			`
			shop/db: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {tier: front}}}]}]}
			shop/front: {podSelector: {matchLabels: {tier: front}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}}]}]}`,
			"shop/a:tier=front shop/b:tier=front shop/db edge/proxy", `
			a: shop__a shop__db
			b: _shop__db-shop__b-* shop__b
			db: _shop__db-shop__b-* shop__db
			proxy: flat shop__a shop__b`,
		},
		"what is refused lets nothing through": {
			`
			shop/db: {podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 5432}]}, {from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}`,
			"shop/web shop/db", `
			web: flat
			db: shop__db`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			policies, workloads := policiesOf(t, c.policies), workloadsOf(c.workloads)
			got := PolicyMemberships(policies, teamLabels, workloads, "skep")
			var lines []string
			for _, w := range workloads {
				words := []string{w.ID + ":"}
				if got[w.ID].Flat {
					words = append(words, "flat")
				}
				for _, n := range got[w.ID].Networks {
					words = append(words, shortened(strings.TrimPrefix(n, policyPrefix)))
				}
				lines = append(lines, strings.Join(words, " "))
			}
			if have, want := strings.Join(lines, "\n"), strings.ReplaceAll(strings.TrimSpace(c.want), "\t", ""); have != want {
				t.Errorf("have\n%s\nwant\n%s", have, want)
			}
		})
	}
}

// shortened leaves out a name's hash.
func shortened(name string) string {
	return regexp.MustCompile(`-[0-9a-f]{12}$`).ReplaceAllString(name, "-*")
}

func TestNetworkPolicyOutside(t *testing.T) {
	db := workloadsOf("shop/db")[0]
	for _, c := range []struct {
		policies  string
		in, leave bool
	}{
		{"", true, true},
		{"shop/p: {podSelector: {}}", false, true},
		{"shop/p: {podSelector: {matchLabels: {app: web}}}", true, true},
		{"other/p: {podSelector: {}}", true, true},
		{"shop/p: {podSelector: {}, ingress: [{}]}", true, true},
		{"shop/p: {podSelector: {}, ingress: [{from: []}]}", true, true},
		{"shop/p: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}", false, true},
		{"shop/p: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}", false, true},
		{"shop/p: {podSelector: {}}\nshop/q: {podSelector: {}, ingress: [{}]}", true, true},
		{"shop/p: {podSelector: {}, policyTypes: [Egress]}", true, false},
		{"shop/p: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53}]}]}", true, false},
		{"shop/p: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}", true, false},
		{"shop/p: {podSelector: {}, policyTypes: [Egress], egress: [{}]}", true, true},
		{"shop/p: {podSelector: {}, egress: [{to: [{podSelector: {}}]}]}", false, false},
	} {
		policies := policiesOf(t, c.policies)
		if in, leave := PolicyAllowsOutside(policies, db), PolicyReachesOutside(policies, db); in != c.in || leave != c.leave {
			t.Errorf("%s: from outside %v, to outside %v", c.policies, in, leave)
		}
	}
}

func TestNetworkPolicyCheck(t *testing.T) {
	const replicas = "spec.podSelector: replicas of one workload"
	for _, c := range []struct {
		spec     string
		refused  []string
		warnings []string
	}{
		{"{podSelector: {}, ingress: [{}]}", nil, nil},
		{"{podSelector: {}, ingress: [{from: [], ports: []}], egress: [{to: [], ports: []}]}", nil, nil},
		{"{podSelector: {}}", nil, []string{"spec.ingress: overlays work both ways: the selected Pods reach only", replicas}},
		{"{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", nil, []string{"spec.ingress: overlays work both ways"}},
		{"{podSelector: {matchLabels: {a: b}}, ingress: [{from: [{podSelector: {matchLabels: {a: b}}}]}]}", nil, []string{"spec.ingress: overlays work both ways"}},
		{"{podSelector: {}, ingress: [{ports: [{port: 80}]}]}", []string{"spec.ingress[0].ports"}, []string{"spec.ingress: ", replicas}},
		{"{podSelector: {}, ingress: [{}, {from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}", []string{"spec.ingress[1].from[1].ipBlock"}, nil},
		{"{podSelector: {}, ingress: [{ports: [{port: 53, protocol: UDP}]}, {}]}", []string{"spec.ingress[0].ports"}, nil},
		{"{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}, {port: 53}]}]}", nil, []string{"spec.egress[0]: DNS needs no rule", "spec.egress: overlays work both ways: the selected Pods are reached only", replicas}},
		{"{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53}], to: [{ipBlock: {cidr: 169.254.20.10/32}}, {namespaceSelector: {}}]}]}", nil, []string{"spec.egress[0]: DNS", "spec.egress: ", replicas}},
		{"{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53}, {port: 443}]}]}", []string{"spec.egress[0].ports"}, []string{"spec.egress: ", replicas}},
		{"{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, endPort: 60}]}]}", []string{"spec.egress[0].ports"}, []string{"spec.egress: ", replicas}},
		{"{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: dns}]}]}", []string{"spec.egress[0].ports"}, []string{"spec.egress: ", replicas}},
		{"{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{protocol: UDP}]}]}", []string{"spec.egress[0].ports"}, []string{"spec.egress: ", replicas}},
		{"{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}", []string{"spec.egress[0].to[0].ipBlock"}, []string{"spec.egress: ", replicas}},
		{
			"{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}, {namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}]}], egress: [{to: [{podSelector: {matchLabels: {app: web}}}, {podSelector: {matchLabels: {app: db}}}]}, {ports: [{port: 53}]}]}",
			nil,
			[]string{
				"spec.egress[1]: DNS", "spec.ingress[0].from[1]: overlays work both ways: this peer stays out until egress names it, too",
				"spec.egress[0].to[1]: overlays work both ways: this peer is out of reach until ingress names it, too", replicas,
			},
		},
		{"{podSelector: {matchExpressions: [{key: a, operator: Near}]}, ingress: [{from: [{namespaceSelector: {matchLabels: {a: '#'}}}]}, {}]}", []string{"spec.podSelector", "spec.ingress[0].from[0].namespaceSelector"}, nil},
	} {
		p := policiesOf(t, "shop/p: "+c.spec)[0]
		k := newChecker(networkPolicyFates.allRows())
		k.walkStruct(reflect.ValueOf(p).Elem(), "", nil, subject{})
		refused, warnings := CheckNetworkPolicy(p)
		refused, warnings = append(k.refused, refused...), append(k.warnings, warnings...)
		if !slices.EqualFunc(refused, c.refused, func(err *field.Error, at string) bool { return err.Field == at }) {
			t.Errorf("%s: refused %v", c.spec, refused)
		}
		if !slices.EqualFunc(warnings, c.warnings, strings.HasPrefix) {
			t.Errorf("%s: warned %q", c.spec, warnings)
		}
	}
}

// TestNetworkPolicyFates asks what fates_test.go asks of the kinds in the list.
func TestNetworkPolicyFates(t *testing.T) {
	rows := newChecker(networkPolicyFates.allRows()).rows
	known := map[string]bool{}
	fieldsOf(reflect.TypeFor[networkingv1.NetworkPolicy](), "", func(pattern string) { known[pattern] = true })
	for pattern := range known {
		holds := false
		for other := range known {
			holds = holds || other != pattern && strings.HasPrefix(other, pattern) && strings.ContainsAny(other[len(pattern):len(pattern)+1], ".[{")
		}
		if !holds && !covered(rows, pattern) {
			t.Errorf("%s has no fate", pattern)
		}
	}
	for pattern := range rows {
		if !known[pattern] {
			t.Errorf("the row %s names no field", pattern)
		}
	}
}

func TestNetworkPolicyNames(t *testing.T) {
	valid := regexp.MustCompile(`^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`) // SwarmKit's
	seen := map[string]string{}
	long := strings.Repeat("very-", 12) + "long"
	for _, key := range []string{"shop_db", "shop_d.b", "shop_d-b", "shop__x1", "shop_db/shop_web", long + "_" + long, long + "_" + long + "2", "shop__X1", "shop_db/"} {
		for _, internal := range []bool{false, true} {
			name := PolicyNetworkName(internal, key)
			if len(name) > maxNetworkName || !valid.MatchString(name) || PolicyNetworkInternal(name) != internal {
				t.Errorf("%q: %q", key, name)
			}
			if other, taken := seen[name]; taken {
				t.Errorf("%q and %q are both %q", key, other, name)
			}
			seen[name] = key
		}
	}
	if name := PolicyNetworkName(false, "shop_db"); name != "skep_np_shop_db" {
		t.Error(name)
	}
	own := policiesOf(t, "shop/own: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
	if got := PolicyMemberships(own, nil, workloadsOf("shop/a"), "skep_np_shop_own"); got["a"].Networks[0] == "skep_np_shop_own" {
		t.Error("a policy overlay has the flat one's name")
	}
}

// reference is Kubernetes' rule, word by word.
type reference struct{ policies []*networkingv1.NetworkPolicy }

func (r reference) matches(t *testing.T, s *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(labels.Set(set))
}

func (r reference) named(t *testing.T, peers []networkingv1.NetworkPolicyPeer, namespace string, w PolicyWorkload) bool {
	t.Helper()
	for _, peer := range peers {
		ok := w.Namespace == namespace
		if peer.NamespaceSelector != nil {
			ok = r.matches(t, peer.NamespaceSelector, labels.Merge(teamLabels(w.Namespace), labels.Set{corev1.LabelMetadataName: w.Namespace}))
		}
		if ok && (peer.PodSelector == nil || r.matches(t, peer.PodSelector, w.Labels)) {
			return true
		}
	}
	return len(peers) == 0
}

// receives tells whether the policies of to let from in; sends whether those of from let it out to to.
func (r reference) receives(t *testing.T, from, to PolicyWorkload) bool {
	t.Helper()
	isolated := false
	for _, p := range r.policies {
		if p.Namespace != to.Namespace || !r.matches(t, &p.Spec.PodSelector, to.Labels) {
			continue
		}
		if len(p.Spec.PolicyTypes) > 0 && !slices.Contains(p.Spec.PolicyTypes, "Ingress") {
			continue
		}
		isolated = true
		for _, rule := range p.Spec.Ingress {
			if r.named(t, rule.From, p.Namespace, from) {
				return true
			}
		}
	}
	return !isolated
}

func (r reference) sends(t *testing.T, from, to PolicyWorkload) bool {
	t.Helper()
	isolated := false
	for _, p := range r.policies {
		if p.Namespace != from.Namespace || !r.matches(t, &p.Spec.PodSelector, from.Labels) {
			continue
		}
		if len(p.Spec.PolicyTypes) == 0 && len(p.Spec.Egress) == 0 || len(p.Spec.PolicyTypes) > 0 && !slices.Contains(p.Spec.PolicyTypes, "Egress") {
			continue
		}
		isolated = true
		for _, rule := range p.Spec.Egress {
			if len(rule.Ports) == 0 && r.named(t, rule.To, p.Namespace, to) { // a rule with ports is for DNS
				return true
			}
		}
	}
	return !isolated
}

func (r reference) reaches(t *testing.T, from, to PolicyWorkload) bool {
	t.Helper()
	return r.sends(t, from, to) && r.receives(t, from, to)
}

// podSelector is a random one: empty, for a label, for several values, or for what has no label.
func (d dice) podSelector() *metav1.LabelSelector {
	switch d.Intn(6) {
	case 0:
		return &metav1.LabelSelector{}
	case 1:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpDoesNotExist}}}
	case 2:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{d.of("a", "b"), d.of("c", "d")}}}}
	case 3:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"tier": d.of("x", "y")}}
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": d.of("a", "b", "c", "d")}}
}

func (d dice) peer() networkingv1.NetworkPolicyPeer {
	var namespaces *metav1.LabelSelector
	switch d.Intn(8) {
	case 0:
		namespaces = &metav1.LabelSelector{}
	case 1:
		namespaces = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: d.of("shop", "ops")}}
	case 2:
		namespaces = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}}
	}
	if namespaces != nil && d.yes() {
		return networkingv1.NetworkPolicyPeer{NamespaceSelector: namespaces}
	}
	return networkingv1.NetworkPolicyPeer{NamespaceSelector: namespaces, PodSelector: d.podSelector()}
}

// peers are several, or none at times: then the rule names everybody.
func (d dice) peers() []networkingv1.NetworkPolicyPeer {
	var out []networkingv1.NetworkPolicyPeer
	for range (d.Intn(12) + 4) / 5 {
		out = append(out, d.peer())
	}
	return out
}

func (d dice) networkPolicy(name string) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: d.of("shop", "shop2", "ops"), Name: name}}
	p.Spec.PodSelector = *d.podSelector()
	for range d.Intn(3) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: d.peers()})
	}
	p.Spec.PolicyTypes = [][]networkingv1.PolicyType{nil, {"Ingress"}, {"Ingress"}, {"Egress"}, {"Ingress", "Egress"}}[d.Intn(5)]
	for range d.Intn(3) {
		rule := networkingv1.NetworkPolicyEgressRule{To: d.peers()}
		if d.Intn(4) == 0 {
			rule.Ports = []networkingv1.NetworkPolicyPort{{Port: new(intstr.FromInt32(53))}}
		}
		p.Spec.Egress = append(p.Spec.Egress, rule)
	}
	return p
}

func (d dice) policyWorkload(id string) PolicyWorkload {
	w := PolicyWorkload{ID: id, Namespace: d.of("shop", "shop2", "ops", "free"), Labels: map[string]string{"app": d.of("a", "b", "c", "d")}}
	if d.yes() {
		w.Labels["tier"] = d.of("x", "y")
	}
	return w
}

// policyWorld is a random one of up to 6 policies and 16 workloads.
func policyWorld(seed int64) (policies []*networkingv1.NetworkPolicy, workloads []PolicyWorkload) {
	d := dice{rand.New(rand.NewSource(seed))}
	for i := range d.Intn(7) {
		policies = append(policies, d.networkPolicy(fmt.Sprintf("p%d", i)))
	}
	for i := range 2 + d.Intn(15) {
		workloads = append(workloads, d.policyWorkload(fmt.Sprintf("w%02d", i)))
	}
	return policies, workloads
}

const policyWorlds = 3000

func share(a, b Membership) bool {
	return a.Flat && b.Flat || slices.ContainsFunc(a.Networks, func(n string) bool { return slices.Contains(b.Networks, n) })
}

// TestNetworkPolicySafety: two workloads share an overlay exactly where each may reach the other, so none
// reaches what a policy forbids; and none has a way out of the Swarm, or lacks it, against its policies.
func TestNetworkPolicySafety(t *testing.T) {
	together, apart, oneWay, outsiders := 0, 0, 0, 0
	for seed := range int64(policyWorlds) {
		policies, workloads := policyWorld(seed)
		r, got := reference{policies}, PolicyMemberships(policies, teamLabels, workloads, "skep")
		closed := closures(PolicyClosures(policies, teamLabels, workloads))
		for _, x := range workloads {
			m := got[x.ID]
			out := m.Flat || slices.ContainsFunc(m.Networks, func(n string) bool { return !PolicyNetworkInternal(n) })
			if out != PolicyReachesOutside(policies, x) {
				t.Fatalf("seed %d: %s may go out: %v, but it is on %+v", seed, x.ID, !out, m)
			}
			if !m.Flat && len(m.Networks) == 0 || !slices.IsSorted(m.Networks) || len(slices.Compact(slices.Clone(m.Networks))) != len(m.Networks) {
				t.Fatalf("seed %d: %s is on %+v", seed, x.ID, m)
			}
			if !m.Flat {
				outsiders++
			}
			for _, y := range workloads {
				if x.ID == y.ID {
					continue
				}
				there, back := r.reaches(t, x, y), r.reaches(t, y, x)
				if share(m, got[y.ID]) != (there && back) {
					t.Fatalf("seed %d: %s reaches %s: %v, back: %v; they are on %+v and %+v", seed, x.ID, y.ID, there, back, m, got[y.ID])
				}
				said := r.restricts(x, y)
				switch egress, found := closed[x.ID+">"+y.ID]; {
				case found != (there && !back && said):
					t.Fatalf("seed %d: %s reaches %s: %v, back: %v, by a rule: %v; told: %v", seed, x.ID, y.ID, there, back, said, found)
				case found && egress == r.sends(t, y, x), found && !egress && r.receives(t, y, x):
					t.Fatalf("seed %d: %s reaches %s, and the wrong direction is to blame", seed, x.ID, y.ID)
				}
				switch {
				case there && back:
					together++
				case there || back:
					oneWay++
				default:
					apart++
				}
			}
		}
	}
	if min(together, apart, oneWay, outsiders) < 1000 {
		t.Errorf("the worlds are dull: %d pairs together, %d apart, %d one way, %d restricted workloads", together, apart, oneWay, outsiders)
	}
}

// restricts tells whether a rule was needed for from to reach to: some policy restricts the one or the other for it.
func (r reference) restricts(from, to PolicyWorkload) bool {
	var isolated, open [2]bool
	for _, p := range r.policies {
		in, out := policyTypes(p)
		if in && policySelects(p, to) {
			isolated[0], open[0] = true, open[0] || opensIngress(p)
		}
		if out && policySelects(p, from) {
			isolated[1], open[1] = true, open[1] || opensEgress(p)
		}
	}
	return isolated[0] && !open[0] || isolated[1] && !open[1]
}

func closures(list []PolicyClosure) map[string]bool {
	out := map[string]bool{}
	for _, c := range list {
		for _, from := range c.From {
			for _, to := range c.To {
				out[from+">"+to] = c.Egress
			}
		}
	}
	return out
}

func TestNetworkPolicyClosures(t *testing.T) {
	policies := policiesOf(t, `
		shop/deny: {podSelector: {}}
		shop/db: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
		ops/own: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: free}}}]}]}`)
	got := PolicyClosures(policies, nil, workloadsOf("shop/web shop/db free/cron ops/metrics"))
	want := []PolicyClosure{
		{From: []string{"cron"}, To: []string{"metrics"}, Egress: true, Policies: []string{"ops/own"}},
		{From: []string{"web"}, To: []string{"db"}, Policies: []string{"shop/deny"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestNetworkPolicyNone(t *testing.T) {
	_, workloads := policyWorld(1)
	for id, m := range PolicyMemberships(nil, nil, workloads, "skep") {
		if !m.Flat || len(m.Networks) > 0 {
			t.Errorf("%s: %+v", id, m)
		}
	}
}

// TestNetworkPolicyOrder: neither the order of what is given nor the way maps are walked matters.
func TestNetworkPolicyOrder(t *testing.T) {
	for seed := range int64(policyWorlds) {
		policies, workloads := policyWorld(seed)
		want := PolicyMemberships(policies, teamLabels, workloads, "skep")
		r := rand.New(rand.NewSource(seed))
		r.Shuffle(len(policies), func(i, j int) { policies[i], policies[j] = policies[j], policies[i] })
		r.Shuffle(len(workloads), func(i, j int) { workloads[i], workloads[j] = workloads[j], workloads[i] })
		if got := PolicyMemberships(policies, teamLabels, workloads, "skep"); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: %v, then %v", seed, want, got)
		}
	}
}

// TestNetworkPolicyGrows: who shares an overlay still does when a rule admits one more.
func TestNetworkPolicyGrows(t *testing.T) {
	grown := 0
	for seed := range int64(policyWorlds) {
		policies, workloads := policyWorld(seed)
		before := PolicyMemberships(policies, teamLabels, workloads, "skep")
		d := dice{rand.New(rand.NewSource(seed))}
		if !d.admitAnother(policies) {
			continue
		}
		after := PolicyMemberships(policies, teamLabels, workloads, "skep")
		for i, x := range workloads {
			for _, y := range workloads[:i] {
				was, is := share(before[x.ID], before[y.ID]), share(after[x.ID], after[y.ID])
				if was && !is {
					t.Fatalf("seed %d: %s and %s share an overlay no more", seed, x.ID, y.ID)
				}
				if is && !was {
					grown++
				}
			}
		}
	}
	if grown < 100 {
		t.Errorf("only %d pairs came together", grown)
	}
}

// admitAnother adds a peer to a rule that has some, in either direction.
func (d dice) admitAnother(policies []*networkingv1.NetworkPolicy) bool {
	done := false
	for _, p := range policies {
		for i := range p.Spec.Ingress {
			if rule := &p.Spec.Ingress[i]; len(rule.From) > 0 && d.yes() {
				rule.From, done = append(rule.From, d.peer()), true
			}
		}
		for i := range p.Spec.Egress {
			if rule := &p.Spec.Egress[i]; len(rule.To) > 0 && d.yes() {
				rule.To, done = append(rule.To, d.peer()), true
			}
		}
	}
	return done
}

// TestNetworkPolicyRestartsFew: an unrestricted client that comes hardly ever moves another workload, as that
// would restart it; where no two restricted workloads may talk, it moves none.
func TestNetworkPolicyRestartsFew(t *testing.T) {
	moved, all := 0, 0
	for seed := range int64(policyWorlds) {
		policies, workloads := policyWorld(seed)
		before := PolicyMemberships(policies, teamLabels, workloads, "skep")
		client := dice{rand.New(rand.NewSource(seed))}.policyWorkload("w99")
		client.Namespace = "free"
		after := PolicyMemberships(policies, teamLabels, append(workloads, client), "skep")
		if len(after["w99"].Networks) == 0 {
			continue
		}
		delete(after, "w99")
		all++
		if reflect.DeepEqual(before, after) {
			continue
		}
		moved++
		guests := false
		for _, x := range workloads {
			for _, y := range workloads {
				guests = guests || x.ID != y.ID && !before[x.ID].Flat && !before[y.ID].Flat && share(before[x.ID], before[y.ID])
			}
		}
		if !guests {
			t.Errorf("seed %d: %v, and then %v", seed, before, after)
		}
	}
	if all < 100 || moved*20 > all {
		t.Errorf("%d of %d clients that came moved another workload", moved, all)
	}
}

// manyPolicies are 200 policies and 1,000 workloads: 100 namespaces that keep to themselves, each with a
// database that is open to one more.
func manyPolicies(tb testing.TB) (policies []*networkingv1.NetworkPolicy, workloads []PolicyWorkload) {
	tb.Helper()
	for n := range 100 {
		namespace := fmt.Sprintf("team-%d", n)
		own := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "own"}}
		own.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}}}
		db := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "db"}}
		db.Spec.PodSelector.MatchLabels = map[string]string{"app": "db"}
		db.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{}, PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "app-3"}},
		}}}}
		policies = append(policies, own, db)
		for i := range 10 {
			w := PolicyWorkload{ID: fmt.Sprintf("w%03d%d", n, i), Namespace: namespace, Labels: map[string]string{"app": fmt.Sprintf("app-%d", i), "release": namespace}}
			if i == 0 {
				w.Labels["app"] = "db"
			}
			if n > 90 { // nobody restricts these
				w.Namespace = "free"
			}
			workloads = append(workloads, w)
		}
	}
	return policies, workloads
}

// mesh is one namespace of 1,000 workloads, five for each of 200 policies, that each admit ten others' and are
// themselves admitted there.
func mesh(tb testing.TB) (policies []*networkingv1.NetworkPolicy, workloads []PolicyWorkload) {
	tb.Helper()
	for n := range 200 {
		app := fmt.Sprintf("app-%d", n)
		p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: app}}
		p.Spec.PodSelector.MatchLabels = map[string]string{"app": app}
		var near []string
		for i := n - 5; i <= n+5; i++ {
			near = append(near, fmt.Sprintf("app-%d", (i+200)%200))
		}
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: near}},
		}}}}}
		policies = append(policies, p)
		for i := range 5 {
			workloads = append(workloads, PolicyWorkload{ID: fmt.Sprintf("w%03d%d", n, i), Namespace: "shop", Labels: map[string]string{"app": app, "i": fmt.Sprint(i)}})
		}
	}
	return policies, workloads
}

var policyScenes = map[string]func(testing.TB) ([]*networkingv1.NetworkPolicy, []PolicyWorkload){"namespaces": manyPolicies, "mesh": mesh}

func overlaysOf(members map[string]Membership) int {
	names := map[string]bool{}
	for _, m := range members {
		for _, n := range m.Networks {
			names[n] = true
		}
	}
	return len(names)
}

func TestNetworkPolicyMany(t *testing.T) {
	most := map[string]int{"namespaces": 2 * 91, "mesh": 400}
	for name, scene := range policyScenes {
		policies, workloads := scene(t)
		if n := overlaysOf(PolicyMemberships(policies, nil, workloads, "skep")); n > most[name] {
			t.Errorf("%s: %d overlays", name, n)
		}
	}
}

func BenchmarkNetworkPolicy(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(policyScenes)) {
		policies, workloads := policyScenes[name](b)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				PolicyMemberships(policies, nil, workloads, "skep")
			}
		})
	}
}
