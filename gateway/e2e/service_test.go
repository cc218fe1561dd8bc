package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A workload that is made after its Service is the Service: its name leads to its Pods, in its namespace's way only.
func TestServiceNative(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	web := service("web", `selector: {app: web}, ports: [{name: http, port: 8080}, {name: lines, port: 7000}]`)
	s.applyText(web)
	s.route("web", "none")
	s.applyText(server{name: "web", replicas: 2}.manifest())
	s.rolledOut("web")
	s.route("web", "native")
	if got := s.aliases(s.ns + "_web"); !slices.Contains(got, s.host("web")) {
		t.Errorf("the service of the Deployment has the names %v", got)
	}
	if got := s.services(); !slices.Equal(got, []string{s.ns + "_web"}) {
		t.Errorf("Swarm has the services %v", got)
	}
	if simulated {
		return
	}

	// Another namespace has a web, too, which is made the other way round.
	other := spaceOn(t, stage.gateway, stage.dockerHost, s.ns+"-other")
	other.kubectl("create", "namespace", other.ns)
	t.Cleanup(func() { _, _ = other.try("delete", "namespace", other.ns, "--timeout=60s") })
	other.applyText(server{name: "web"}.manifest())
	other.rolledOut("web")
	other.applyText(web)
	other.route("web", "proxy")

	here, there := s.caller("caller"), other.caller("caller")
	for _, c := range []caller{here, there} {
		ns, pods := c.s.ns, c.s.podNames("app=web")
		for _, name := range []string{"web", "web." + ns, "web." + ns + ".svc", c.s.host("web")} {
			for range 5 {
				who := strings.Fields(c.asks(" hello", "tcp", name+":7000", "hello"))[0]
				if !slices.Contains(pods, who) {
					t.Errorf("in %s %s is %s, and its Pods are %v", ns, name, who, pods)
				}
			}
		}
	}
	mine, theirs := here.addresses("web"), there.addresses("web")
	if ips := s.podAddresses("app=web"); s.field("svc/web", ".spec.clusterIP") == "" && !slices.Equal(mine, ips) {
		t.Errorf("the name's addresses are %v, the Pods' %v", mine, ips)
	}
	if got := here.addresses("web." + other.ns); !slices.Equal(got, theirs) || slices.Equal(got, mine) {
		t.Errorf("the neighbour's web is at %v from here, at %v from there, and the own one at %v", got, theirs, mine)
	}
	if got := here.addresses("web.nowhere"); len(got) > 0 {
		t.Errorf("a web that is nowhere is at %v", got)
	}
}

// podAddresses are those of Pods, in the order in which a resolver's are sorted.
func (s *space) podAddresses(selector string) []string {
	s.t.Helper()
	ips := strings.Fields(s.kubectl("get", "pods", "-l", selector, "-o", "jsonpath={.items[*].status.podIP}"))
	slices.Sort(ips)
	return ips
}

// A Service that comes after its Pods have started, or has another port than they, is carried by a proxy, and restarts
// nothing. What a roll-out can make native becomes native. No request is lost on the way.
func TestServiceProxy(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(server{name: "web", replicas: 2}.manifest())
	s.rolledOut("web")
	before := s.running(s.ns + "_web")
	s.applyText(service("plain", `selector: {app: web}, ports: [{port: 8080}]`) + service("web", `selector: {app: web}, ports: [
		{name: http, port: 80, targetPort: http}, {name: number, port: 81, targetPort: 8080},
		{name: lines, port: 7001, targetPort: lines}, {name: datagrams, port: 7001, targetPort: datagrams, protocol: UDP}]`))
	s.route("plain", "proxy")
	s.route("web", "proxy")
	s.unmoved(s.ns+"_web", before)
	if got := s.aliases(s.ns + "_web"); len(got) > 0 {
		t.Errorf("a service that ran already has the names %v", got)
	}
	proxy := s.proxies("web")[0]
	contains(t, strings.Join(s.aliases(proxy), " "), s.host("web"))
	contains(t, s.kubectl("get", "deploy,ds", "-n", "kube-system"), strings.TrimPrefix(proxy, "kube-system_"))
	if simulated {
		s.kubectl("rollout", "restart", "deployment/web")
		s.rolledOut("web")
		s.route("plain", "native")
		s.route("web", "proxy")
		return
	}

	c := s.caller("caller")
	for _, ask := range [][]string{{"tcp", "web:7001", "hello"}, {"udp", "web:7001", "hello"}} {
		c.asks("web-", ask...)
	}
	c.asks("", "probe", "http://web/")
	c.asks("", "probe", "http://web:81/")
	if ip := s.field("service/web", ".spec.clusterIP"); ip == "" {
		t.Error("the Service has no clusterIP")
	} else {
		c.asks("web-", "tcp", ip+":7001", "hello")
	}

	byProxy := c.load(200, "http://web/")
	byName := c.load(200, "http://plain:8080/")
	s.kubectl("rollout", "restart", "deployment/web")
	s.rolledOut("web")
	s.route("plain", "native")
	s.kubectl("set", "image", "deployment/web", "main=skep-test:v2") // this time the Pods have the name already
	s.rolledOut("web")
	byProxy.unharmed("two roll-outs behind a proxy", 2000)
	byName.unharmed("a roll-out from proxy to native, and a native one", 2000)
	s.route("web", "proxy")
	if again := s.proxies("web"); !slices.Equal(again, []string{proxy}) {
		t.Errorf("the proxy was %s, and is %v", proxy, again)
	}
	s.kubectl("delete", "service", "web", "plain")
	s.gone(proxy)
	s.rolledOut("web")
}

// gone waits until there is no service of that name.
func (s *space) gone(service string) {
	s.t.Helper()
	eventually(s.t, waitShort, func() error {
		if _, err := run(context.Background(), "", "docker", "-H", s.dockerHost, "service", "inspect", service); err == nil {
			return fmt.Errorf("%s is still there", service)
		}
		return nil
	})
}

// What a Service of every other kind leads to.
func TestServiceKinds(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(service("peers", `clusterIP: None, selector: {part: shop}, ports: [{port: 8080}]`))
	s.applyText(server{name: "stable", replicas: 3, labels: "part: shop"}.manifest() + server{name: "canary", labels: "part: shop"}.manifest())
	s.applyText(service("shop", `selector: {part: shop}, ports: [{port: 80, targetPort: http}]`) +
		service("sticky", `selector: {part: shop}, sessionAffinity: ClientIP, ports: [{port: 80, targetPort: http}]`) +
		service("door", `type: NodePort, selector: {app: stable}, ports: [{port: 80, targetPort: http}]`) +
		service("fixed", `ports: [{port: 80, targetPort: 8080}]`) + service("sliced", `ports: [{name: web, port: 80, targetPort: 8080}]`) +
		service("nameless", `type: ExternalName, externalName: outside.test`))
	s.rolledOut("stable", "canary")
	s.route("peers", "native")
	for _, name := range []string{"shop", "sticky", "door"} {
		s.route(name, "proxy")
	}
	for _, name := range []string{"fixed", "sliced", "nameless"} {
		s.route(name, "none")
	}
	s.event("Service/nameless", "Warning", "spec.ports")
	port := s.nodePort("door")
	s.applyText(service("outside", fmt.Sprintf(`type: ExternalName, externalName: outside.test, ports: [{port: %s}]`, port)))
	s.route("outside", "proxy")
	if simulated {
		return
	}

	stable, canary := s.podNames("app=stable"), s.podNames("app=canary")
	ip := s.field("pod/"+canary[0], ".status.podIP")
	s.applyText(fmt.Sprintf("apiVersion: v1\nkind: Endpoints\nmetadata: {name: fixed}\nsubsets: [{addresses: [{ip: %s}], ports: [{port: 8080}]}]", ip))
	s.applyText(fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: sliced-by-hand, labels: {kubernetes.io/service-name: sliced}}
addressType: IPv4
endpoints: [{addresses: ["%s"]}]
ports: [{name: web, port: 8080}]
`, ip))
	s.route("fixed", "proxy")
	s.route("sliced", "proxy")
	c := s.caller("caller")
	for name, url := range map[string]string{"Endpoints": "http://fixed/", "EndpointSlice": "http://sliced/"} {
		c.asks("", "probe", url)
		r := c.requests(20, url)
		if r.answered("canary") != 20 {
			t.Errorf("%s that name %s: %+v", name, canary[0], r)
		}
	}
	contains(t, s.kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=fixed"), ip)

	if got, want := c.addresses("peers"), s.podAddresses("part=shop"); !slices.Equal(got, want) {
		t.Errorf("the headless Service's addresses are %v, the Pods' %v", got, want)
	}
	r := c.requests(400, "http://shop/")
	if share := r.answered("canary"); r.Failed > 0 || len(r.Hosts) != len(stable)+1 || share < 40 || share > 180 {
		t.Errorf("one of four Pods is the canary, and has %d of 400 requests: %+v", share, r)
	}
	r = c.requests(50, "http://sticky/")
	if r.Failed > 0 || len(r.Hosts) != 1 {
		t.Errorf("one client, and it is not one Pod that answers: %+v", r)
	}
	c.asks("", "probe", "http://outside:"+port+"/")
	if r := c.requests(20, "http://outside:"+port+"/"); r.answered("stable") != 20 {
		t.Errorf("by the ExternalName: %+v", r)
	}
	// What was written by hand is followed.
	s.kubectl("patch", "endpoints", "fixed", "-p", fmt.Sprintf(`{"subsets":[{"addresses":[{"ip":"%s"}],"ports":[{"port":8080}]}]}`, s.field("pod/"+stable[0], ".status.podIP")))
	eventually(t, waitShort, func() error {
		if r := c.requests(5, "http://fixed/"); r.answered("stable") != 5 {
			return fmt.Errorf("other Endpoints, the same answers: %+v", r)
		}
		return nil
	})
}

// A Service that is a workload itself gets what Swarm cannot say of one: another port, affinity, a second workload. It
// is as the Service says then, for every request.
func TestServiceChanges(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	ports := `ports: [{name: http, port: 8080}, {name: lines, port: 7000}]`
	s.applyText(service("moved", `selector: {app: web}, `+ports) + service("sticky", `selector: {app: web}, `+ports) + service("asked", `selector: {app: web}, `+ports))
	s.applyText(server{name: "web", replicas: 3}.manifest())
	s.rolledOut("web")
	for _, name := range []string{"moved", "sticky", "asked"} {
		s.route(name, "native")
	}
	s.kubectl("annotate", "svc", "asked", "skep/route=proxy", "--overwrite")
	s.kubectl("patch", "svc", "moved", "-p", `{"spec":{"ports":[{"name":"http","port":80,"targetPort":8080},{"name":"http","port":8080,"$patch":"delete"}]}}`)
	s.kubectl("patch", "svc", "sticky", "-p", `{"spec":{"sessionAffinity":"ClientIP"}}`)
	for _, name := range []string{"moved", "sticky", "asked"} {
		s.route(name, "proxy")
	}
	s.rolledOut("web")
	if simulated {
		return
	}
	c := s.caller("caller")
	eventually(t, 30*time.Second, func() error {
		at := c.addresses("moved")
		for _, ip := range at {
			if out, err := c.try("probe", "http://"+ip+"/"); err != nil {
				return fmt.Errorf("a Service with another port than its Pods, one of whose addresses %v does not answer: %s %w", at, out, err)
			}
		}
		return nil
	})
	eventually(t, 30*time.Second, func() error {
		if r := c.requests(60, "http://sticky:8080/"); r.Failed > 0 || len(r.Hosts) != 1 {
			return fmt.Errorf("a Service with affinity: %+v", r)
		}
		return nil
	})
	if r := c.requests(60, "http://asked:8080/"); r.Failed > 0 || len(r.Hosts) != 3 {
		t.Errorf("a Service that is to go by a proxy: %+v", r)
	}
}
