package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const book = "/work/shared/cases/book"

// The book's walk: a Pod, a load balancer in front of it, curl, and both deleted. It runs alone: its ports are the
// Ingresses' as well.
func TestServiceBook(t *testing.T) {
	n := needNode(t)
	if _, err := os.Stat(filepath.Join(book, "ch15-sample-service.yaml")); err != nil {
		t.Skipf("the book's files are not here: %v", err)
	}
	s := newSpace(t)
	s.kubectl("create", "-f", filepath.Join(book, "ch15-sample-pod.yaml"))
	s.kubectl("wait", "--for=condition=Ready", "pod/nginx", "--timeout=60s")
	contains(t, s.kubectl("get", "pods"), "nginx", "1/1", "Running")
	before := s.running(s.ns + "_pod_nginx")
	s.kubectl("create", "-f", filepath.Join(book, "ch15-sample-service.yaml"))
	s.kubectl("label", "pod", "nginx", "app=nginx") // which the book's Pod lacks, and its Service selects
	s.route("nginx-service", "proxy")
	s.unmoved(s.ns+"_pod_nginx", before)
	row := strings.Fields(s.kubectl("get", "svc", "nginx-service", "--no-headers"))
	if row[1] != "LoadBalancer" || row[3] != nodeAddress || !strings.Contains(row[4], "8080:3") {
		t.Errorf("get svc says %q", row)
	}
	n.gets(t, "Welcome to nginx!", "http://"+nodeAddress+":8080/")
	n.gets(t, "Welcome to nginx!", "http://"+nodeAddress+":"+s.nodePort("nginx-service")+"/")
	contains(t, s.kubectl("describe", "svc", "nginx-service"), "LoadBalancer Ingress:", nodeAddress, ":80")

	proxies := s.proxies("nginx-service")
	s.kubectl("delete", "po/nginx", "svc/nginx-service", "--timeout=30s")
	contains(t, s.refused("", "get", "svc", "nginx-service"), "not found")
	for _, proxy := range proxies {
		s.gone(proxy)
	}
	eventually(t, waitShort, func() error {
		if out, err := n.curl("http://" + nodeAddress + ":8080/"); err == nil {
			return fmt.Errorf("the port is still open: %s", out)
		}
		return s.empty()
	})
}

// Blue/green: a change of the selector moves all of the traffic, loses none of it and restarts nothing.
func TestServiceBlueGreen(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	s.apply("blue-green")
	s.rolledOut("web-blue", "web-green")
	s.route("web", "proxy")
	blue, green := s.running(s.ns+"_web-blue"), s.running(s.ns+"_web-green")
	turn := func(color string) {
		t.Helper()
		out, err := s.try("patch", "svc", "web", "-p", `{"spec":{"selector":{"app":"pets","color":"`+color+`"}}}`)
		if err != nil || strings.Contains(out, "Warning") {
			t.Fatal(out, err)
		}
		s.unmoved(s.ns+"_web-blue", blue)
		s.unmoved(s.ns+"_web-green", green)
		s.route("web", "proxy")
	}
	if simulated {
		turn("green")
		return
	}

	n, c := needNode(t), s.caller("caller")
	url := "http://" + nodeAddress + ":" + s.nodePort("web") + "/"
	n.gets(t, "hostname=web-blue-", url)
	outside := n.load(t, 200, url)
	inside := c.load(100, "http://web:3000/")
	turn("green")
	n.gets(t, "hostname=web-green-", url)
	if r := c.requests(100, "http://web:3000/"); r.answered("web-green") != 100 {
		t.Errorf("after the switch blue still answers: %+v", r)
	}
	r := outside.unharmed("blue/green at the node's port", 500)
	if r.answered("web-blue") == 0 || r.answered("web-green") == 0 {
		t.Errorf("there was no switch under load: %+v", r)
	}
	inside.unharmed("blue/green by name", 250)
	turn("blue")
	n.gets(t, "hostname=web-blue-", url)
}

var endpointSlices = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}

// readiness counts a slice's endpoints: those that are ready, and the others.
func readiness(slice *unstructured.Unstructured) (ready, others int) {
	list, _, _ := unstructured.NestedSlice(slice.Object, "endpoints")
	for _, e := range list {
		if is, _, _ := unstructured.NestedBool(e.(map[string]any), "conditions", "ready"); is {
			ready++
		} else {
			others++
		}
	}
	return ready, others
}

// Endpoints and EndpointSlices follow readiness and scaling, and a watch of them a rolling update.
func TestServiceEndpoints(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(service("web", `selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]`))
	if got := s.field("endpoints/web", ".subsets"); got != "" {
		t.Errorf("nothing is there, and behind the Service is %s", got)
	}
	seen := s.watch(endpointSlices)
	await := func(what string, wantReady, wantOthers int) {
		t.Helper()
		seen.await(30*time.Second, what, func(e sighting) bool {
			ready, others := readiness(e.object())
			return ready == wantReady && others == wantOthers
		})
	}
	s.applyText(server{name: "web", args: `"--ready-after", "3s"`}.manifest())
	await("that the Pod is there, and not ready", 0, 1)
	await("that it is ready", 1, 0)
	s.rolledOut("web")
	s.kubectl("scale", "deployment/web", "--replicas=3")
	await("one that is ready, and two that are not yet", 1, 2)
	await("that all three are ready", 3, 0)
	s.rolledOut("web")
	ips := strings.Fields(s.field("endpoints/web", ".subsets[*].addresses[*].ip"))
	slices.Sort(ips)
	if want := s.podAddresses("app=web"); !slices.Equal(ips, want) {
		t.Errorf("the Endpoints are %v, the Pods %v", ips, want)
	}
	if got := s.field("endpoints/web", ".subsets[*].ports[*].port"); got != "8080" {
		t.Errorf("the endpoints' port is %s", got)
	}
	contains(t, s.kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=web"), "8080", ips[0])
	contains(t, s.kubectl("describe", "service", "web"), ips[0]+":8080")
	s.comesBack("endpoints/web")

	seen.mu.Lock()
	from := len(seen.events)
	seen.mu.Unlock()
	s.kubectl("set", "image", "deployment/web", "main=skep-test:v2")
	s.rolledOut("web")
	eventually(t, waitShort, func() error {
		ips := s.podAddresses("app=web")
		seen.mu.Lock()
		defer seen.mu.Unlock()
		last := seen.events[len(seen.events)-1].object()
		text := fmt.Sprint(last.Object["endpoints"])
		if ready, others := readiness(last); ready != 3 || others != 0 || slices.ContainsFunc(ips, func(ip string) bool { return !strings.Contains(text, ip) }) {
			return fmt.Errorf("after the rolling update the Pods are %v and the endpoints %s", ips, text)
		}
		return nil
	})
	seen.mu.Lock()
	for _, e := range seen.events[from:] {
		if ready, _ := readiness(e.object()); ready < 3 {
			t.Errorf("in a rolling update without a gap %d of 3 were ready", ready)
		}
	}
	seen.mu.Unlock()
	s.kubectl("scale", "deployment/web", "--replicas=0")
	await("that none is left", 0, 0)
}

// What a Service cannot have is refused by the field's name, in Kubernetes' own words where it has some.
func TestServiceRefusals(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const door = `type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 31500}]`
	s.applyText(service("door", door))
	s.docker("service", "create", "-d", "--name", s.ns+"_stack", "--label", "com.docker.stack.namespace="+s.ns,
		"--publish", "mode=host,published=31999,target=8080", "skep-test:v1", "--port", "8080")
	s.waitField(waitShort, "service/stack", ".spec.ports[0].nodePort", "31999")
	for _, c := range []struct {
		spec string
		says []string
	}{
		{door, []string{"spec.ports[0].nodePort: Invalid value: 31500", "provided port is already allocated", "is invalid"}},
		{`type: NodePort, ports: [{port: 80, nodePort: 80}]`, []string{"spec.ports[0].nodePort: Invalid value: 80", "provided port is not in the valid range", "30000-32767"}},
		{`type: NodePort, ports: [{port: 80, nodePort: 31999}]`, []string{"Conflict", "31999/tcp", s.ns + "_stack"}},
		{`type: LoadBalancer, ports: [{port: 31999}]`, []string{"Conflict", "31999/tcp", s.ns + "_stack"}},
		{`externalIPs: ["192.0.2.1"], ports: [{port: 80}]`, []string{"spec.externalIPs", "type LoadBalancer or NodePort"}},
		{`clusterIP: 10.244.0.200, ports: [{port: 80}]`, []string{"spec.clusterIPs", "10.244.0.200", "is invalid"}},
		{`ports: [{port: 0}]`, []string{"spec.ports[0].port", "between 1 and 65535"}},
		{`ports: [{port: 80}, {port: 81}]`, []string{"spec.ports[0].name: Required value"}},
		{`type: LoadBalancer, loadBalancerSourceRanges: ["10.0.0.0/8"], ports: [{port: 80}]`, []string{"spec.loadBalancerSourceRanges"}},
	} {
		out := s.refused(service("bad", c.spec), "create", "-f", "-")
		for _, part := range c.says {
			if !strings.Contains(out, part) {
				t.Errorf("%s: %q is missing in %s", c.spec, part, out)
			}
		}
		if proxies := s.proxies("bad"); len(proxies) > 0 {
			t.Errorf("%s: refused, and it has the proxies %v", c.spec, proxies)
		}
	}
	contains(t, s.refused("", "patch", "svc", "door", "-p", `{"spec":{"clusterIP":"10.1.2.3"}}`), "spec.clusterIP")
	contains(t, s.refused("", "delete", "svc", "stack"), s.ns+"_stack", "--publish-rm")
	s.applyText(service("door", door)) // the same again is none of it
}

// What a service made by Docker's tools publishes shows as a Service, and writing that back changes nothing.
func TestServiceOfDocker(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	name := s.ns + "_lone"
	stack := "com.docker.stack.namespace=" + s.ns
	s.docker("network", "create", "-d", "overlay", "--label", stack, name)
	s.docker("service", "create", "-d", "--name", name, "--label", stack, "--network", name,
		"--publish", "mode=host,published=31555,target=8080", "skep-test:v1", "--port", "8080")
	s.waitField(30*time.Second, "deployment/lone", ".status.readyReplicas", "1")
	contains(t, s.kubectl("get", "svc", "lone", "--no-headers"), "NodePort", "8080:31555/TCP")
	s.route("lone", "mesh")
	if got, want := s.field("endpoints/lone", ".subsets[*].addresses[*].ip"), strings.Join(s.podAddresses(""), " "); got != want || got == "" {
		t.Errorf("the Endpoints are %q, the Pod %q", got, want)
	}
	before := s.running(name)
	state := func() string {
		return s.docker("config", "ls", "-q", "--filter", "label="+stack) + s.docker("service", "inspect", "-f", "{{.Version.Index}}", name)
	}
	was := state()
	s.kubectlIn(s.kubectl("get", "svc", "lone", "-o", "yaml"), "replace", "-f", "-")
	if is := state(); is != was {
		t.Errorf("what was read and written back has made or changed something: %s, %s", was, is)
	}
	// kubectl apply keeps a note in an annotation, for which a document is made.
	s.kubectlIn(s.kubectl("get", "svc", "lone", "-o", "yaml"), "apply", "-f", "-")
	s.kubectl("label", "svc", "lone", "season=spring")
	time.Sleep(time.Second) // a restart or a proxy would have begun
	s.unmoved(name, before)
	s.route("lone", "mesh")
	contains(t, s.kubectl("get", "svc", "lone", "--show-labels", "--no-headers"), "NodePort", "8080:31555/TCP", "season=spring")
	if !simulated {
		needNode(t).gets(t, "hostname=", "http://"+nodeAddress+":31555/")
	}
	s.comesBack("svc/lone")
	s.unmoved(name, before)
}

// comesBack deletes what Swarm itself says there is: it is refused or comes back, and nobody waits for its end.
func (s *space) comesBack(object string) {
	s.t.Helper()
	if out, err := s.try("delete", object, "--timeout=5s"); err != nil && strings.Contains(err.Error(), "timed out") {
		s.t.Errorf("kubectl waits in vain for the end of %s: %s %v", object, out, err)
	}
	eventually(s.t, waitShort, func() error {
		_, err := s.try("get", object)
		return err
	})
}
