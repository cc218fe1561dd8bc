package swarm

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsdefaults "k8s.io/kubernetes/pkg/apis/apps/v1"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"

	"skep/translate"
)

// meadow is a small Swarm to which anything may happen. What is in it has few names, so that it has much to do with
// each other.
type meadow struct {
	*rand.Rand
	tb      testing.TB
	empty   *Mirror
	index   uint64
	made    int
	objects map[string]change // what there is, by kind and ID
}

func newMeadow(tb testing.TB, seed int64) *meadow {
	tb.Helper()
	g := &meadow{Rand: rand.New(rand.NewSource(seed)), tb: tb, empty: NewMirror(testSealer(tb)), index: 100, objects: map[string]change{}}
	for id, name := range map[string]string{"net-skep": "skep", "net-shop": "shop_default"} {
		n := Network{ID: id, Name: name, Created: time.Unix(1, 0)}
		if name != "skep" {
			n.Labels = map[string]string{translate.LabelStack: "shop"}
		}
		g.set(change{kind: kindNetwork, id: id, object: n})
	}
	return g
}

func (g *meadow) set(c change) change {
	if key := string(c.kind) + c.id; c.object == nil {
		delete(g.objects, key)
	} else {
		g.objects[key] = c
	}
	return c
}

func (g *meadow) of(menu ...string) string { return menu[g.Intn(len(menu))] }

func (g *meadow) meta() swarm.Meta {
	g.index++
	return swarm.Meta{Version: swarm.Version{Index: g.index}, CreatedAt: time.Unix(int64(g.index), 0).UTC(), UpdatedAt: time.Unix(int64(g.index), 0).UTC()}
}

// batch is a few changes, in the order in which they happened or as a full read would bring them.
func (g *meadow) batch() []change {
	var all []change
	for range 1 + g.Intn(5) {
		all = append(all, g.happen()...)
	}
	return all
}

func (g *meadow) happen() []change {
	switch g.Intn(14) {
	case 0, 1, 2:
		return g.write(g.aService())
	case 3:
		return g.write(g.someEndpoints())
	case 4:
		return g.write(g.aRule())
	case 5, 6:
		return g.workload()
	case 7:
		return g.docker()
	case 8:
		return g.proxy()
	case 9:
		return g.aNode()
	case 10:
		return g.remove()
	}
	return g.taskChange()
}

// write makes a document anew, changes it, or takes the place of one that goes.
func (g *meadow) write(lens translate.Lens, object translate.Object) []change {
	object.SetUID(types.UID(fmt.Sprintf("uid-%s-%s", lens.Kind(), object.GetName())))
	object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{Kind: lens.Kind(), Version: "v1"})
	plan, err := lens.Put(g.empty.world(), translate.Group{Kind: lens.Groups()[0]}, nil, object)
	if err != nil {
		g.tb.Fatal(err)
	}
	next := &swarm.Config{ID: g.id("c"), Meta: g.meta(), Spec: *plan.Commit.Config}
	var all []change
	for _, key := range slices.Sorted(maps.Keys(g.objects)) {
		old, ok := g.objects[key].object.(*swarm.Config)
		if !ok || old.Spec.Name != next.Spec.Name {
			continue
		}
		if g.Intn(3) > 0 {
			next.ID, next.CreatedAt = old.ID, old.CreatedAt
		} else {
			all = append(all, g.set(change{kind: translate.GroupConfig, id: old.ID}))
		}
	}
	return append(all, g.set(change{kind: translate.GroupConfig, id: next.ID, object: next}))
}

func (g *meadow) id(prefix string) string {
	g.made++
	return fmt.Sprintf("%s%05d", prefix, g.made)
}

func (g *meadow) aService() (translate.Lens, translate.Object) {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: g.of("default", "shop"), Name: g.of("web", "api", "db"), Labels: map[string]string{"team": g.of("a", "b")}}}
	s.Spec.Type = corev1.ServiceType(g.of("ClusterIP", "NodePort", "LoadBalancer"))
	if g.Intn(4) > 0 {
		s.Spec.Selector = map[string]string{"app": g.of("web", "api")}
	}
	if g.Intn(5) == 0 {
		s.Spec.Selector = map[string]string{translate.LabelServiceName: g.of("web", "shop_web")}
	}
	if g.Intn(5) == 0 {
		s.Annotations = map[string]string{translate.AnnotationRoute: string(translate.RouteNative)}
	}
	s.Spec.PublishNotReadyAddresses = g.Intn(4) == 0
	p := corev1.ServicePort{Port: 80, TargetPort: intstr.FromString(g.of("http", "http", "80"))}
	if s.Spec.Type != corev1.ServiceTypeClusterIP {
		p.NodePort = 30000 + int32(g.Intn(3))
	}
	s.Spec.Ports = []corev1.ServicePort{p}
	coredefaults.SetObjectDefaults_Service(s)
	return translate.Services{}, s
}

func (g *meadow) someEndpoints() (translate.Lens, translate.Object) {
	namespace, name := g.of("default", "shop"), g.of("web", "api", "db")
	if g.Intn(2) == 0 {
		o := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		o.Subsets = []corev1.EndpointSubset{{Addresses: []corev1.EndpointAddress{{IP: fmt.Sprintf("192.0.2.%d", g.Intn(9))}}, Ports: []corev1.EndpointPort{{Port: 80}}}}
		return translate.EndpointsOf{}, o
	}
	o := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "slice-" + g.of("1", "2")}, AddressType: "IPv4"}
	o.Labels = map[string]string{discoveryv1.LabelServiceName: name}
	o.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{fmt.Sprintf("192.0.2.%d", g.Intn(9))}}}
	return translate.EndpointSlices{}, o
}

func (g *meadow) aRule() (translate.Lens, translate.Object) {
	namespace := g.of("default", "shop")
	switch g.Intn(5) {
	case 0, 1:
		o := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ing-" + g.of("1", "2")}}
		o.Spec.IngressClassName = new(g.of("skep", "traefik", "other"))
		o.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: g.of("web", "api"), Port: networkingv1.ServiceBackendPort{Number: 80}}}
		o.Spec.TLS = []networkingv1.IngressTLS{{SecretName: g.of("", "one", "two")}}
		return translate.Ingresses{}, o
	case 2:
		name := g.of("skep", "traefik")
		o := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: name}}
		o.Spec.Controller = g.of("skep/nginx", "skep/traefik", "other")
		return translate.Documents{Of: "IngressClass", New: func() translate.Object { return &networkingv1.IngressClass{} }}, o
	case 3:
		o := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"team": g.of("a", "b")}}}
		return translate.Namespaces{}, o
	}
	o := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: g.of("p", "q")}}
	o.Spec.PodSelector.MatchLabels = map[string]string{"app": g.of("web", "api")}
	from := networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": g.of("a", "b")}}}
	o.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{from}}}
	return translate.NetworkPolicies{}, o
}

// service makes one, changes that of the same name, or takes its place.
func (g *meadow) service(spec swarm.ServiceSpec, endpoint swarm.Endpoint) []change {
	for i := range spec.TaskTemplate.Networks {
		spec.TaskTemplate.Networks[i].Target = "net-skep"
	}
	spec.TaskTemplate.Runtime = swarm.RuntimeContainer
	next := remade(g.tb, &swarm.Service{ID: g.id("s"), Meta: g.meta(), Spec: spec, Endpoint: endpoint})
	var all []change
	for _, s := range g.services() {
		if s.Spec.Name != spec.Name {
			continue
		}
		if g.Intn(3) > 0 {
			next.ID, next.CreatedAt = s.ID, s.CreatedAt
		} else {
			all = append(all, g.without(s)...)
		}
	}
	return append(all, g.set(change{kind: translate.GroupService, id: next.ID, object: next}))
}

func (g *meadow) services() []*swarm.Service {
	var all []*swarm.Service
	for _, key := range slices.Sorted(maps.Keys(g.objects)) {
		if s, ok := g.objects[key].object.(*swarm.Service); ok {
			all = append(all, s)
		}
	}
	return all
}

// without removes a service and its tasks.
func (g *meadow) without(s *swarm.Service) []change {
	all := []change{g.set(change{kind: translate.GroupService, id: s.ID})}
	for _, key := range slices.Sorted(maps.Keys(g.objects)) {
		if t, ok := g.objects[key].object.(*swarm.Task); ok && t.ServiceID == s.ID {
			all = append(all, g.set(change{kind: kindTask, id: t.ID}))
		}
	}
	return all
}

func (g *meadow) vip() swarm.Endpoint {
	if g.Intn(3) == 0 {
		return swarm.Endpoint{}
	}
	return swarm.Endpoint{VirtualIPs: []swarm.EndpointVirtualIP{{NetworkID: "net-skep", Addr: fmt.Sprintf("10.0.0.%d/16", g.Intn(250))}}}
}

// workload is a Deployment, which may have names of Services or labels for Traefik.
func (g *meadow) workload() []change {
	app := g.of("web", "api", "db")
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: g.of("default", "shop"), Name: "w-" + g.of("1", "2", "3"), UID: "uid-w"}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	d.Spec.Template.Labels = map[string]string{"app": app}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "nginx", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: int32(80 + g.Intn(2))}}}}
	appsdefaults.SetObjectDefaults_Deployment(d)
	plan, err := translate.Deployments{}.Put(g.empty.world(), translate.Group{Kind: translate.GroupService}, nil, d)
	if err != nil {
		g.tb.Fatal(err)
	}
	spec := *plan.Commit.Service
	if g.Intn(2) == 0 {
		spec.TaskTemplate.Networks[0].Aliases = []string{g.of("web", "api", "db") + "." + d.Namespace + ".svc.cluster.local"}
	}
	if g.Intn(4) == 0 {
		spec.Labels[translate.LabelTraefik] = "traefik.enable"
	}
	return g.service(spec, g.vip())
}

// docker is a service of Docker's tools, perhaps one that has ports.
func (g *meadow) docker() []change {
	spec := stackSpec(0, 2)
	spec.Name = g.of("web", "default_web", "shop_web", "shop_api")
	delete(spec.Labels, translate.LabelStack)
	if stack, _, ok := strings.Cut(spec.Name, "_"); ok {
		spec.Labels[translate.LabelStack] = stack
	}
	endpoint := g.vip()
	if g.Intn(4) > 0 {
		endpoint.Ports = []swarm.PortConfig{{Protocol: "tcp", TargetPort: 80, PublishedPort: uint32(30000 + g.Intn(4)), PublishMode: "ingress"}}
		spec.EndpointSpec = &swarm.EndpointSpec{Ports: endpoint.Ports}
	}
	return g.service(spec, endpoint)
}

// proxy is one of a Service, or that of Ingresses.
func (g *meadow) proxy() []change {
	of := g.of("default/web", "shop/web", "default/api", translate.AddressID(translate.IngressProxy))
	spec := stackSpec(0, 1)
	spec.Name, spec.Labels = "kube-system_"+strings.NewReplacer("/", "-").Replace(of), map[string]string{translate.LabelStack: "kube-system", translate.LabelProxy: of}
	spec.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{Protocol: "tcp", TargetPort: 80, PublishedPort: uint32(30000 + g.Intn(4)), PublishMode: "ingress"}}}
	return g.service(spec, g.vip())
}

func (g *meadow) aNode() []change {
	n := &swarm.Node{ID: g.id("n"), Meta: g.meta()}
	if all := g.nodes(); len(all) > 0 && g.Intn(4) > 0 {
		old := g.objects[string(translate.GroupNode)+g.of(all...)].object.(*swarm.Node)
		n.ID, n.CreatedAt = old.ID, old.CreatedAt
	}
	n.Description.Hostname = g.of("one", "two")
	n.Status = swarm.NodeStatus{State: swarm.NodeState(g.of("ready", "down")), Addr: fmt.Sprintf("10.9.0.%d", g.Intn(9))}
	return []change{g.set(change{kind: translate.GroupNode, id: n.ID, object: n})}
}

func (g *meadow) nodes() []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(g.objects)) {
		if n, ok := g.objects[key].object.(*swarm.Node); ok {
			all = append(all, n.ID)
		}
	}
	return all
}

func (g *meadow) remove() []change {
	keys := slices.Sorted(maps.Keys(g.objects))
	c := g.objects[keys[g.Intn(len(keys))]]
	switch o := c.object.(type) {
	case *swarm.Service:
		return g.without(o)
	case Network, *swarm.Task: // an ID does not come again, and a task's is its slot's here
		return nil
	}
	return []change{g.set(change{kind: c.kind, id: c.id})}
}

// taskChange starts a task of a service, or has one go on.
func (g *meadow) taskChange() []change {
	all := g.services()
	if len(all) == 0 {
		return nil
	}
	s := all[g.Intn(len(all))]
	slot := 1 + g.Intn(2)
	t := &swarm.Task{ID: fmt.Sprintf("t%d%s", slot, s.ID), Meta: g.meta(), ServiceID: s.ID, Slot: slot, NodeID: g.of(append(g.nodes(), "")...), Spec: s.Spec.TaskTemplate}
	t.DesiredState = swarm.TaskState(g.of("running", "running", "shutdown"))
	t.Status = swarm.TaskStatus{State: taskStates[g.Intn(len(taskStates))], Timestamp: t.UpdatedAt}
	t.NetworksAttachments = []swarm.NetworkAttachment{{Network: swarm.Network{ID: "net-skep"}, Addresses: []string{fmt.Sprintf("10.1.0.%d/16", g.Intn(250))}}}
	if old, ok := g.objects[string(kindTask)+t.ID].object.(*swarm.Task); ok {
		t.CreatedAt, t.Spec = old.CreatedAt, old.Spec
	}
	g.set(change{kind: kindTask, id: t.ID, object: t})
	return []change{taskChange(remade(g.tb, t))}
}

// all is what a full read gives.
func (g *meadow) all() []change {
	all := []change{}
	for _, key := range slices.Sorted(maps.Keys(g.objects)) {
		c := g.objects[key]
		if t, ok := c.object.(*swarm.Task); ok {
			c = taskChange(remade(g.tb, t))
		}
		all = append(all, c)
	}
	return all
}
