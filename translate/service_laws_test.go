package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	core "k8s.io/kubernetes/pkg/apis/core"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
)

func TestServicePutGet(t *testing.T)         { fixedLaws(t, 200, lawService) }
func TestMeshServiceGetPut(t *testing.T)     { fixedLaws(t, 200, lawMeshService) }
func TestNetworkDocumentPutGet(t *testing.T) { fixedLaws(t, 200, lawNetworkDocument) }
func TestNoServiceRestartsAPod(t *testing.T) { fixedLaws(t, 60, lawNoRestart) }
func FuzzServicePutGet(f *testing.F)         { f.Fuzz(lawService) }
func FuzzMeshServiceGetPut(f *testing.F)     { f.Fuzz(lawMeshService) }
func FuzzNetworkDocumentPutGet(f *testing.F) { f.Fuzz(lawNetworkDocument) }
func FuzzNoServiceRestartsAPod(f *testing.F) { f.Fuzz(lawNoRestart) }

// fixedLaws tries a law with the same seeds each time.
func fixedLaws(t *testing.T, count int, law func(*testing.T, int64)) {
	t.Helper()
	for seed := range int64(count) {
		if law(t, seed); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// lawService: what a client wrote of a Service is read back, but for the address and the route that Swarm gives it; and
// handing that back changes nothing.
func lawService(t *testing.T, seed int64) {
	t.Helper()
	d, w := diceOf(seed), newWorld()
	if d.yes() { // something that has an address
		d.workload(t, w, "web")
	}
	g, old := Group{Kind: GroupAddress}, Object(nil)
	next := d.aService("web")
	for range 4 {
		write(t, w, seed, Services{}, g, old, next)
		w.giveAddresses()
		f := w.get(t, Services{}, KeyOf(next))
		if f == nil {
			t.Fatalf("seed %d: it is not there", seed)
		}
		got := f.object.(*corev1.Service)
		if diff := differ(inJSON(t, plainService(next)), inJSON(t, plainService(got))); diff != "" {
			t.Fatalf("seed %d: sent and read back differ:\n%s", seed, diff)
		}
		present := w.Exposed(KeyOf(next)).Document.Spec
		plan, err := w.put(t, Services{}, f.group, f.object, f.object)
		if err != nil || differ(present, *plan.Commit.Config) != "" {
			t.Fatalf("seed %d: handing back what was read changes: %v\n%s", seed, err, differ(present, plan.Commit.Config))
		}
		g, old, next = f.group, f.object, got.DeepCopy()
		switch d.Intn(4) {
		case 0:
			d.serviceSpec(next)
			if next.Spec.ClusterIP == "" && next.Spec.Type != corev1.ServiceTypeExternalName {
				next.Spec.ClusterIP, next.Spec.ClusterIPs = got.Spec.ClusterIP, got.Spec.ClusterIPs // as the registry has it
			}
		case 1:
			next.Labels = d.labels()
		case 2:
			next.Annotations = withEntry(d.annotations(), AnnotationRoute, got.Annotations[AnnotationRoute])
		case 3:
			next.Spec.Selector = map[string]string{"app": d.of("a", "b")}
		}
		defaultObject(next)
	}
}

// inJSON is a value as JSON has it: what is empty is not there.
func inJSON(t *testing.T, v any) any {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(doc, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// plainService is a Service without what Swarm gives it.
func plainService(s *corev1.Service) *corev1.Service {
	s = s.DeepCopy()
	s.TypeMeta = metav1.TypeMeta{}
	delete(s.Annotations, AnnotationRoute)
	s.Status = corev1.ServiceStatus{}
	if s.Spec.ClusterIP != corev1.ClusterIPNone {
		s.Spec.ClusterIP, s.Spec.ClusterIPs, s.Spec.IPFamilies, s.Spec.IPFamilyPolicy = "", nil, nil, nil
	}
	return s
}

// write puts an object and does what was planned.
func write(t *testing.T, w *fakeWorld, seed int64, lens Lens, g Group, old, object Object) {
	t.Helper()
	object.GetObjectKind().SetGroupVersionKind(typed(t, lens.Kind()))
	plan, err := w.put(t, lens, g, old, object)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	w.run(t, plan)
}

// giveAddresses gives all services that have none a virtual IP.
func (w *fakeWorld) giveAddresses() {
	for i, id := range slices.Sorted(maps.Keys(w.services)) {
		s := *w.services[id]
		if len(s.Endpoint.VirtualIPs) == 0 && (s.Spec.EndpointSpec == nil || s.Spec.EndpointSpec.Mode != swarm.ResolutionModeDNSRR) {
			s.Endpoint.VirtualIPs = []swarm.EndpointVirtualIP{{NetworkID: skepNetworkID, Addr: fmt.Sprintf("10.244.0.%d/16", i+2)}}
			w.services[id] = &s
		}
	}
}

// catchUp has each service's tasks be those of its spec, as Swarm would in the end.
func (w *fakeWorld) catchUp(t *testing.T) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(w.services)) {
		s := w.services[id]
		want := 1
		if n := replicasOf(&s.Spec); n != nil {
			want = int(*n)
		}
		for _, task := range w.Tasks(id) {
			if want == 0 || digest(task.Spec) != digest(s.Spec.TaskTemplate) {
				delete(w.tasks, task.ID)
			} else {
				want--
			}
		}
		for slot := range want {
			w.index++
			w.tasks[fmt.Sprintf("%05d", w.index)] = &swarm.Task{
				ID: fmt.Sprintf("%05d", w.index), ServiceID: id, Slot: slot + 1, DesiredState: swarm.TaskStateRunning,
				Meta: swarm.Meta{Version: swarm.Version{Index: w.index}, CreatedAt: w.now}, Spec: *copyOf(t, &s.Spec.TaskTemplate),
				Status:              swarm.TaskStatus{State: swarm.TaskStateRunning},
				NetworksAttachments: []swarm.NetworkAttachment{{Network: swarm.Network{ID: skepNetworkID}, Addresses: []string{fmt.Sprintf("10.244.%d.%d/16", w.index/250, w.index%250)}}},
			}
		}
	}
}

// lawNoRestart: whatever becomes of Services, what runs is restarted only where it has a Service's name itself and is not
// behind it any more; and there is an end to the steps.
func lawNoRestart(t *testing.T, seed int64) {
	t.Helper()
	d, w := diceOf(seed), newWorld()
	w.networking.RoundRobin = d.Intn(4) == 0
	for range 14 {
		name := d.of("sa", "sb", "sc", "sd")
		switch f := w.get(t, Services{}, Key{DefaultNamespace, name}); d.Intn(9) {
		case 0:
			if dep := "w" + name; w.get(t, Deployments{}, Key{DefaultNamespace, dep}) == nil {
				d.workload(t, w, dep)
			}
		case 1:
			d.rollOut(t, w, "w"+name)
		case 2, 3:
			w.catchUp(t)
			w.giveAddresses()
		case 4:
			if f != nil {
				plan, err := Services{}.Remove(w, f.group, f.object)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				w.run(t, plan)
			}
		default:
			d.putService(t, w, name, f)
		}
		w.carryAll(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func (d dice) putService(t *testing.T, w *fakeWorld, name string, f *found) {
	t.Helper()
	next, g, old := d.aService(name), Group{Kind: GroupAddress}, Object(nil)
	if f != nil {
		g, old = f.group, f.object
	}
	next.GetObjectKind().SetGroupVersionKind(typed(t, "Service"))
	plan, err := w.put(t, Services{}, g, old, next)
	switch {
	case err == nil:
		w.run(t, plan)
	case !apierrors.IsConflict(err):
		t.Fatal(err)
	}
}

func (d dice) rollOut(t *testing.T, w *fakeWorld, name string) {
	t.Helper()
	f := w.get(t, Deployments{}, Key{DefaultNamespace, name})
	if f == nil {
		return
	}
	next := f.object.DeepCopyObject().(*appsv1.Deployment)
	next.Spec.Template.Spec.Containers[0].Image = fmt.Sprintf("nginx:%d", w.index)
	write(t, w, 0, Deployments{}, f.group, f.object, next)
}

// carryAll takes steps until there are none, and looks at each.
func (w *fakeWorld) carryAll(t *testing.T, seed int64) {
	t.Helper()
	for range 40 {
		var plan Plan
		for _, k := range w.carried() {
			if plan = w.carry(t, k); !plan.Commit.Empty() {
				break
			}
		}
		if plan.Commit.Empty() {
			w.isCarried(t)
			return
		}
		w.mayDo(t, plan.Commit)
		w.run(t, plan)
	}
	t.Fatalf("seed %d: there is no end to it", seed)
}

// isCarried says whether each Service has the proxy that it needs, and none that it does not.
func (w *fakeWorld) isCarried(t *testing.T) {
	t.Helper()
	for _, k := range w.carried() {
		proxy, e := w.Proxy(k), w.Exposed(k)
		if e == nil {
			if proxy != nil {
				t.Errorf("the proxy of %v outlives it", k)
			}
			continue
		}
		switch route := routeOf(w, e); {
		case route == RouteProxy:
			if plan, err := putProxy(w, e); err != nil || proxy == nil || !plan.Commit.Empty() {
				t.Errorf("the proxy of %v is not as it has to be: %v", k, err)
			}
			front, ports := w.Front(k), proxy != nil && len(proxy.Spec.EndpointSpec.Ports) > 0
			if outside := len(e.OutsidePorts()) > 0 && !keptIn(w, e); outside != (front != nil || ports) || front != nil && ports {
				t.Errorf("the ports of %v are published by a front: %t, by the proxy: %t", k, front != nil, ports)
			}
		case proxy != nil && (route != RouteNative || dressed(w, e)):
			t.Errorf("%v goes by the route %s and has a proxy", k, route)
		}
	}
}

// mayDo says whether a step leaves what runs alone, unless it has to go.
func (w *fakeWorld) mayDo(t *testing.T, step Step) {
	t.Helper()
	s := w.services[step.ID]
	if s == nil || isProxy(&s.Spec) {
		return
	}
	if step.Service == nil {
		t.Errorf("%s is to be removed", s.Spec.Name)
		return
	}
	wl := w.Workload(step.ID)
	if unstarted(w, wl) || reflect.DeepEqual(s.Spec.TaskTemplate, step.Service.TaskTemplate) && reflect.DeepEqual(s.Spec.EndpointSpec, step.Service.EndpointSpec) {
		return
	}
	left := slices.ContainsFunc(Worn(w.networking, &s.Spec), func(k Key) bool {
		e := w.Exposed(k)
		return e == nil || mistaken(w, e, wl)
	})
	if !left {
		t.Errorf("%s is restarted:\n%s", s.Spec.Name, differ(s.Spec, *step.Service))
	}
}

// TestOneMoreService: what carries fifty Services is left alone where there is one more.
func TestOneMoreService(t *testing.T) {
	d, w := diceOf(1), newWorld()
	name := func(i int) string { return fmt.Sprintf("s%02d", i) }
	make := func(i int) {
		d.workload(t, w, "w"+name(i))
		w.catchUp(t)
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: DefaultNamespace, Name: name(i)}}
		s.Spec = corev1.ServiceSpec{Selector: map[string]string{"app": d.of("a", "b", "c")}, Ports: []corev1.ServicePort{{Port: 9000, TargetPort: intstr.FromInt32(80)}}}
		defaultObject(s)
		write(t, w, 0, Services{}, Group{Kind: GroupAddress}, nil, s)
	}
	settled := func(k Key) {
		for {
			plan, err := Carry(w, k)
			if err != nil {
				t.Fatal(err)
			}
			if plan.Commit.Empty() {
				return
			}
			w.run(t, plan)
		}
	}
	for i := range 50 {
		make(i)
	}
	for _, k := range w.carried() {
		settled(k)
	}
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: DefaultNamespace, Name: "more"}}
	s.Spec = corev1.ServiceSpec{Selector: map[string]string{"app": "a"}, Ports: []corev1.ServicePort{{Port: 9000, TargetPort: intstr.FromInt32(80)}}}
	defaultObject(s)
	write(t, w, 0, Services{}, Group{Kind: GroupAddress}, nil, s)
	for _, k := range w.carried() {
		plan, err := Carry(w, k)
		if err != nil || plan.Commit.Empty() != (k.Name != "more") {
			t.Errorf("%v: %v, %v", k, err, plan.Commit)
		}
	}
}

// lawMeshService: the ports that Docker's services publish show as a Service that Kubernetes takes, and handing it back
// is nothing to do.
func lawMeshService(t *testing.T, seed int64) {
	t.Helper()
	d, w := diceOf(seed), newWorld()
	s := d.service()
	s.Spec.Name = d.of("web", "shop_web")
	fillIn(t, &s.Spec.TaskTemplate)
	for range 1 + d.Intn(5) {
		s.Endpoint.Ports = append(s.Endpoint.Ports, swarm.PortConfig{
			Protocol: swarm.PortConfigProtocol(d.of("tcp", "udp", "sctp")), TargetPort: uint32(80 + d.Intn(3)), PublishMode: swarm.PortConfigPublishMode(d.of("ingress", "host")),
		})
		if p := &s.Endpoint.Ports[len(s.Endpoint.Ports)-1]; d.Intn(5) > 0 {
			p.PublishedPort = uint32(80 + len(s.Endpoint.Ports))
		}
	}
	w.services[s.ID] = s
	published := slices.ContainsFunc(s.Endpoint.Ports, func(p swarm.PortConfig) bool { return p.PublishedPort != 0 })
	all := w.list(t, Services{})
	if len(all) > 1 || published != (len(all) == 1) {
		t.Fatalf("seed %d: %d Services of %v", seed, len(all), s.Endpoint.Ports)
	}
	if !published {
		return
	}
	got := all[0].object.(*corev1.Service)
	numbers := map[int32]bool{}
	for _, p := range got.Spec.Ports {
		numbers[p.NodePort] = true
	}
	for _, p := range s.Endpoint.Ports {
		if p.PublishedPort != 0 && !numbers[int32(p.PublishedPort)] {
			t.Errorf("seed %d: the port %d is missing", seed, p.PublishedPort)
		}
	}
	shown := got.DeepCopy()
	shown.ResourceVersion = "1"
	internal, err := legacyscheme.Scheme.ConvertToVersion(shown, runtime.InternalGroupVersioner)
	if err != nil {
		t.Fatal(err)
	}
	if errs := corevalidation.ValidateServiceUpdate(internal.(*core.Service), internal.(*core.Service)); len(errs) > 0 {
		t.Errorf("seed %d: %v", seed, errs)
	}
	plan, err := w.put(t, Services{}, all[0].group, got, got)
	if err != nil || !plan.Commit.Empty() {
		t.Errorf("seed %d: %v, %v", seed, err, plan.Commit)
	}
}

// lawNetworkDocument: what is kept as a document is read back, and handing it back changes nothing.
func lawNetworkDocument(t *testing.T, seed int64) {
	t.Helper()
	d, w := diceOf(seed), newWorld()
	kind := d.of("Endpoints", "EndpointSlice", "Ingress", "NetworkPolicy", "IngressClass")
	lens := lensOf(t, kind)
	if d.yes() && kind == "Endpoints" { // of a Service without a selector
		s := d.aService("web")
		s.Spec.Selector = nil
		write(t, w, seed, Services{}, Group{Kind: GroupAddress}, nil, s)
	}
	g, old, next := Group{Kind: lens.Groups()[0]}, Object(nil), d.networkObject(t, kind)
	for range 3 {
		write(t, w, seed, lens, g, old, next)
		f := w.get(t, lens, KeyOf(next))
		if f == nil {
			t.Fatalf("seed %d: it is not there", seed)
		}
		if diff := objectsDiffer(next, f.object); diff != "" {
			t.Fatalf("seed %d: sent and read back differ:\n%s", seed, diff)
		}
		plan, err := w.put(t, lens, f.group, f.object, f.object)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := differ(w.configs[plan.Commit.ID].Spec, *plan.Commit.Config); diff != "" || len(plan.Warnings) > 0 {
			t.Fatalf("seed %d: handing back what was read changes: %v\n%s", seed, plan.Warnings, diff)
		}
		g, old, next = f.group, f.object, d.networkObject(t, kind)
	}
}
