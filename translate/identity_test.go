package translate

import (
	"math/rand"
	"regexp"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
	"k8s.io/apimachinery/pkg/util/validation"
)

// SwarmKit's own (manager/controlapi/common.go); it compares names without regard to case.
var (
	serviceGrammar = regexp.MustCompile(`^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`)
	configGrammar  = regexp.MustCompile(`^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$`)
)

// identity is one that Kubernetes allows: most names are DNS subdomains, those of RBAC any path segment.
func (d dice) identity() Identity {
	id := Identity{Kind: d.of("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod", "ConfigMap", "Secret", "Role", "ClusterRole"), Namespace: d.of("default", "a", "a-b", "pod", strings.Repeat("n", 63))}
	if id.Kind == "ClusterRole" {
		id.Namespace = ""
	}
	parts := []string{d.of("a", "b", "web", "pod-x", strings.Repeat("x", 60))}
	for range d.Intn(4) {
		parts = append(parts, d.of("a", "a-b", "b", "v1", strings.Repeat("y", 50)))
	}
	id.Name = strings.Join(parts, d.of(".", "-"))
	if strings.HasSuffix(id.Kind, "Role") {
		id.Name = d.of("", "system:", "-", ".x") + d.of(id.Name, strings.ToUpper(id.Name)) + d.of("", ":", ".", "-", "é", " b")
	}
	return id
}

// TestIdentityNames: no two objects share a Swarm name, and Swarm takes each.
func TestIdentityNames(t *testing.T) {
	d := dice{rand.New(rand.NewSource(1))}
	services, documents := map[string]Identity{}, map[string]Identity{}
	ofKind := map[string]map[string]Identity{} // kinds share short names, and long ones tell them apart
	for range 20000 {
		id := d.identity()
		check := func(taken map[string]Identity, name string, most int, grammar *regexp.Regexp) {
			t.Helper()
			if len(name) > most || !grammar.MatchString(name) {
				t.Errorf("%v: Swarm does not take %q", id, name)
			}
			if other, ok := taken[strings.ToLower(name)]; ok && other != id {
				t.Errorf("%v and %v are both %q", id, other, name)
			}
			taken[strings.ToLower(name)] = id
		}
		if newWorkloadObject(id.Kind) != nil {
			if ofKind[id.Kind] == nil {
				ofKind[id.Kind] = map[string]Identity{}
			}
			check(ofKind[id.Kind], id.ServiceName(), 63, serviceGrammar)
			for _, name := range id.OtherNames() {
				check(services, name, 63, serviceGrammar)
			}
		}
		check(documents, id.DocumentName(), 64, configGrammar)
		if t.Failed() {
			return
		}
	}
}

// TestNamesAreReadable: where Swarm takes the name, it is the name.
func TestNamesAreReadable(t *testing.T) {
	for id, want := range map[Identity]string{
		{"Deployment", "shop", "web"}:   "shop_web",
		{"Deployment", "shop", "pod-x"}: "shop_pod-x",
		{"StatefulSet", "shop", "db"}:   "shop_db",
		{"DaemonSet", "shop", "agent"}:  "shop_agent",
		{"Job", "shop", "migrate"}:      "shop_migrate",
		{"Pod", "shop", "x"}:            "shop_pod_x",
		{"ReplicaSet", "default", "x"}:  "default_replicaset_x",
		{"Deployment", "shop", "web.1"}: "shop_web-1-bdfa9d61dbfe",
	} {
		if got := id.ServiceName(); got != want {
			t.Errorf("%v: %q, want %q", id, got, want)
		}
	}
	for id, want := range map[Identity]string{
		{"ConfigMap", "default", "kube-root-ca.crt"}: "skep.configmap.default.kube-root-ca.crt",
		{"Namespace", "", "shop"}:                    "skep.namespace..shop",
	} {
		if got := id.DocumentName(); got != want {
			t.Errorf("%v: %q, want %q", id, got, want)
		}
	}
}

// TestServiceIdentity: what a service is called in Kubernetes, whatever docker called it.
func TestServiceIdentity(t *testing.T) {
	stack := func(name string) map[string]string { return map[string]string{LabelStack: name} }
	global, job := swarm.ServiceMode{Global: &swarm.GlobalService{}}, swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	for _, c := range []struct {
		name   string
		labels map[string]string
		mode   swarm.ServiceMode
		want   Identity
	}{
		{"shop_web", stack("shop"), swarm.ServiceMode{}, Identity{"Deployment", "shop", "web"}},
		{"web", nil, swarm.ServiceMode{}, Identity{"Deployment", "default", "web"}},
		{"shop_web", nil, swarm.ServiceMode{}, Identity{"Deployment", "default", DNSName("shop_web")}},
		{"other", stack("shop"), global, Identity{"DaemonSet", "shop", "other"}},
		{"migrate", nil, job, Identity{"Job", "default", "migrate"}},
		{"Shop_Web", stack("Shop"), swarm.ServiceMode{}, Identity{"Deployment", DNSName("Shop"), DNSName("Web")}},
		{"x", map[string]string{LabelKind: "Pod", LabelName: "a.b", LabelStack: "shop"}, swarm.ServiceMode{}, Identity{"Pod", "shop", "a.b"}},
		{"x", map[string]string{LabelKind: "Pod"}, swarm.ServiceMode{}, Identity{"Deployment", "default", "x"}},
	} {
		spec := &swarm.ServiceSpec{Annotations: swarm.Annotations{Name: c.name, Labels: c.labels}, Mode: c.mode}
		got := ServiceIdentity(spec)
		if got != c.want {
			t.Errorf("%s %v is %v, want %v", c.name, c.labels, got, c.want)
		}
		if msgs := validation.IsDNS1123Subdomain(got.Name); len(msgs) > 0 {
			t.Errorf("%q: %v", got.Name, msgs)
		}
	}
}
