package swarm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"

	"skep/translate"
)

// exposing are the lenses that show how Pods are reached.
func exposing() []translate.Lens {
	return []translate.Lens{
		translate.Services{}, translate.EndpointsOf{}, translate.EndpointSlices{}, translate.Ingresses{}, translate.NetworkPolicies{},
	}
}

// exposingMirror has their views.
func exposingMirror(tb testing.TB) (*Mirror, map[string]*View) {
	tb.Helper()
	m, views := NewMirror(testSealer(tb)), map[string]*View{}
	for _, l := range exposing() {
		views[l.Kind()] = m.AddView(l, asIs{})
	}
	return m, views
}

// TestExposuresAfterBatches: what the mirror knows of Services, and what its views show, is what a mirror knows that is
// given the same Swarm at once.
func TestExposuresAfterBatches(t *testing.T) {
	for seed := range int64(60) {
		g := newMeadow(t, seed)
		m, views := exposingMirror(t)
		m.replace(g.all())
		for step := range 25 {
			if batch := g.batch(); g.Intn(8) == 0 {
				m.replace(g.all())
			} else {
				m.apply(batch)
			}
			if step%4 != 0 {
				continue
			}
			fresh, freshViews := exposingMirror(t)
			fresh.replace(g.all())
			compare(t, fmt.Sprintf("seed %d, step %d", seed, step), known(t, fresh), known(t, m))
			compare(t, fmt.Sprintf("seed %d, step %d", seed, step), shown(t, freshViews), shown(t, views))
			if t.Failed() {
				return
			}
		}
	}
}

func compare(t *testing.T, when string, want, got map[string]string) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			t.Errorf("%s: %s is otherwise:%s", when, key, differing(want[key], got[key]))
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: %s is there: %s", when, key, got[key])
		}
	}
}

// differing are the lines that are in one text only.
func differing(want, got string) string {
	var out strings.Builder
	one, two := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, line := range one {
		if !slices.Contains(two, line) {
			out.WriteString("\n- " + line)
		}
	}
	for _, line := range two {
		if !slices.Contains(one, line) {
			out.WriteString("\n+ " + line)
		}
	}
	return out.String()
}

// known is all that a mirror answers of Services, as text.
func known(t *testing.T, m *Mirror) map[string]string {
	t.Helper()
	m.mu.RLock()
	defer m.mu.RUnlock()
	w, all := m.world(), map[string]string{}
	say := func(what string, v any) {
		if doc, err := json.Marshal(v); err != nil {
			t.Fatal(err)
		} else if text := string(doc); text != "null" && text != "[]" && text != "{}" && text != `""` {
			all[what] = text
		}
	}
	idOf := func(s *swarm.Service) string {
		if s == nil {
			return ""
		}
		return s.ID
	}
	keys := []translate.Key{translate.IngressProxy}
	for _, namespace := range []string{"default", "shop"} {
		for _, name := range []string{"web", "api", "db", "w-1", "w-2"} {
			keys = append(keys, translate.Key{Namespace: namespace, Name: name})
		}
		var names []string
		for _, e := range w.ExposedIn(namespace) {
			names = append(names, e.Object.Name+" "+e.Document.ID)
		}
		say("ExposedIn "+namespace, names)
		say("StackNetworks "+namespace, w.StackNetworks(namespace))
	}
	for _, k := range keys {
		of := " of " + translate.AddressID(k)
		say("Selected"+of, w.Selected(k))
		say("Wearing"+of, w.Wearing(k))
		say("Proxy"+of, idOf(w.Proxy(k)))
		say("Mesh"+of, idOf(w.Mesh(k)))
		if e := w.Exposed(k); e != nil {
			say("Exposed"+of, e.Document.ID)
		}
		if c := w.WrittenEndpoints(k); c != nil {
			say("WrittenEndpoints"+of, c.ID)
		}
		say("WrittenSlices"+of, w.WrittenSlices(k))
	}
	for port := range uint32(4) {
		say(fmt.Sprint("PortHolder ", 30000+port), idOf(w.PortHolder("tcp", 30000+port)))
		asked := slices.Clone(m.exposures.asked[portID("tcp", 30000+port)]) // who was first is not known to who comes late
		slices.SortFunc(asked, func(a, b translate.Key) int { return strings.Compare(translate.AddressID(a), translate.AddressID(b)) })
		say(fmt.Sprint("asked ", 30000+port), asked)
	}
	byName := func(names []string) []string { slices.Sort(names); return names }
	var ingresses, policies []string
	for _, i := range w.Ingresses() {
		ingresses = append(ingresses, i.Namespace+"/"+i.Name+" "+*i.Spec.IngressClassName)
	}
	for _, p := range w.Policies() {
		policies = append(policies, p.Namespace+"/"+p.Name)
	}
	say("Ingresses", byName(ingresses))
	say("Policies", byName(policies))
	for _, name := range []string{"skep", "traefik"} {
		say("IngressClass "+name, w.IngressClass(name))
	}
	say("Labelled", byName(w.Labelled()))
	say("Addresses", w.Addresses())
	say("PolicyWorkloads", w.PolicyWorkloads())
	say("Memberships", w.Memberships())
	say("backends", fmt.Sprint(m.exposures.rules.backends))
	say("secrets", fmt.Sprint(m.exposures.rules.secrets))
	return all
}

// shown is all that views show, but for resourceVersions, as text.
func shown(t *testing.T, views map[string]*View) map[string]string {
	t.Helper()
	all := map[string]string{}
	for kind, v := range views {
		v.m.mu.RLock()
		for k, e := range v.entries {
			if e.err != nil {
				t.Error(kind, k, e.err)
				continue
			}
			object := e.object.DeepCopyObject().(translate.Object)
			object.SetResourceVersion("")
			doc, err := json.MarshalIndent(object, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			all[kind+" "+translate.AddressID(k)] = string(doc)
		}
		v.m.mu.RUnlock()
	}
	return all
}

// TestExposuresFollowNamespaces: whom a policy names by its namespace's labels changes with these.
func TestExposuresFollowNamespaces(t *testing.T) {
	g := newMeadow(t, 1)
	m, _ := exposingMirror(t)
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p"}}
	p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}},
	}}}}
	g.write(translate.NetworkPolicies{}, p)
	for len(g.services()) < 6 {
		g.workload()
	}
	m.replace(g.all())
	namespace := func(team string) []change {
		return g.write(translate.Namespaces{}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": team}}})
	}
	var last []change
	for i, happens := range []func() []change{
		func() []change { return namespace("a") },
		func() []change { return namespace("b") },
		func() []change { return namespace("a") },
		func() []change { return []change{g.set(change{kind: translate.GroupConfig, id: last[len(last)-1].id})} },
	} {
		before := known(t, m)["Memberships"]
		last = happens()
		m.apply(last)
		fresh, _ := exposingMirror(t)
		fresh.replace(g.all())
		after := known(t, m)
		compare(t, fmt.Sprint("change ", i), known(t, fresh), after)
		if before == after["Memberships"] {
			t.Errorf("change %d changes nothing", i)
		}
	}
}

// manyServices is a mirror of that many workloads, each with two tasks, a Service and its proxy, and Ingresses.
func manyServices(tb testing.TB, services, ingresses int) (*Mirror, *meadow) {
	tb.Helper()
	g := newMeadow(tb, 1)
	for i := range services {
		d := aDeployment(i, 2)
		plan, err := translate.Deployments{}.Put(g.empty.world(), translate.Group{Kind: translate.GroupService}, nil, d)
		if err != nil {
			tb.Fatal(err)
		}
		all := g.service(*plan.Commit.Service, g.vip())
		s := all[len(all)-1].object.(*swarm.Service)
		for slot := range 2 {
			t := &swarm.Task{ID: fmt.Sprintf("t%d%s", slot+1, s.ID), Meta: g.meta(), ServiceID: s.ID, Slot: slot + 1, NodeID: "n1", Spec: s.Spec.TaskTemplate}
			t.DesiredState, t.Status = swarm.TaskStateRunning, swarm.TaskStatus{State: swarm.TaskStateRunning, Timestamp: t.UpdatedAt}
			t.NetworksAttachments = []swarm.NetworkAttachment{{Network: swarm.Network{ID: "net-skep"}, Addresses: []string{fmt.Sprintf("10.1.%d.%d/16", i/250, i%250)}}}
			g.set(change{kind: kindTask, id: t.ID, object: t})
		}
		g.write(translate.Services{}, serviceOf(d))
		spec := stackSpec(i, 1)
		spec.Name = fmt.Sprintf("kube-system_svc-%d", i)
		spec.Labels = map[string]string{translate.LabelStack: "kube-system", translate.LabelProxy: d.Namespace + "/" + d.Name}
		g.service(spec, g.vip())
	}
	for i := range ingresses {
		d := aDeployment(i, 2)
		g.write(translate.Ingresses{}, ingressTo(d, d.Name))
	}
	m, _ := fullMirror(tb)
	for _, l := range exposing() {
		m.AddView(l, asIs{})
	}
	m.replace(g.all())
	return m, g
}

// ingressTo leads from a host of its own to a Deployment's Service.
func ingressTo(d *appsv1.Deployment, name string) *networkingv1.Ingress {
	o := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: name}}
	o.Spec.IngressClassName = new("skep")
	o.Spec.Rules = []networkingv1.IngressRule{{Host: name + ".example", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
		Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: new(networkingv1.PathTypePrefix), Backend: networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: d.Name, Port: networkingv1.ServiceBackendPort{Number: 80}},
		}}},
	}}}}
	return o
}

// serviceOf selects a Deployment's Pods.
func serviceOf(d *appsv1.Deployment) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name}}
	s.Spec.Selector, s.Spec.Ports = d.Spec.Selector.MatchLabels, []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}
	coredefaults.SetObjectDefaults_Service(s)
	return s
}

// One more Service among a thousand that have proxies: its document is taken in and the next step planned, and then it
// goes again, which is the same.
func BenchmarkOneMoreService(b *testing.B) {
	m, g := manyServices(b, 1000, 200)
	m.takeAstir()
	one := serviceOf(aDeployment(7, 2))
	one.Name = "one-more"
	more := g.write(translate.Services{}, one)
	config := more[len(more)-1].object.(*swarm.Config)
	defer reportCPU(b)()
	for b.Loop() {
		next := *config
		g.index++
		next.ID, next.Version.Index = g.id("c"), g.index
		m.apply([]change{{kind: translate.GroupConfig, id: next.ID, object: &next}})
		planAstir(b, m, 1)
		m.apply([]change{{kind: translate.GroupConfig, id: next.ID}})
		planAstir(b, m, 0)
	}
}

// planAstir plans for each Service to which something happened, which is one.
func planAstir(b *testing.B, m *Mirror, steps int) {
	b.Helper()
	keys := m.takeAstir()
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, k := range keys {
		plan, err := translate.Carry(m.world(), k)
		if err != nil {
			b.Fatal(err)
		}
		if !plan.Commit.Empty() {
			steps--
		}
	}
	if len(keys) != 1 || steps != 0 {
		b.Fatalf("%d Services are looked after, and %d steps are missing", len(keys), steps)
	}
}

// One more Ingress among two hundred, over a thousand Services: it is taken in, and the proxy's next configuration planned.
func BenchmarkOneMoreIngress(b *testing.B) {
	m, g := manyServices(b, 1000, 200)
	class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "skep"}, Spec: networkingv1.IngressClassSpec{Controller: translate.IngressControllerProxy}}
	m.apply(g.write(translate.Documents{Of: "IngressClass", New: func() translate.Object { return &networkingv1.IngressClass{} }}, class))
	more := g.write(translate.Ingresses{}, ingressTo(aDeployment(500, 2), "one-more"))
	config := more[len(more)-1].object.(*swarm.Config)
	defer reportCPU(b)()
	for b.Loop() {
		next := *config
		g.index++
		next.ID, next.Version.Index = g.id("c"), g.index
		m.apply([]change{{kind: translate.GroupConfig, id: next.ID, object: &next}})
		m.mu.RLock()
		plan, _, err := translate.CarryIngresses(m.world())
		m.mu.RUnlock()
		if err != nil || plan.Commit.Empty() || len(plan.Materials) == 0 || !strings.Contains(string(plan.Materials[0].Data), "one-more.example") {
			b.Fatal(err, plan)
		}
		m.apply([]change{{kind: translate.GroupConfig, id: next.ID}})
	}
}
