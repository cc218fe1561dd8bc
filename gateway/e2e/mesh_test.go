package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// needMesh skips the test where the kernel has no virtual IPs and no routing mesh.
func needMesh(t *testing.T) node {
	t.Helper()
	n := needNode(t)
	if _, err := os.Stat("/proc/net/ip_vs"); err != nil {
		t.Skip("needs a kernel with IPVS (/proc/net/ip_vs), for virtual IPs and the routing mesh; this one has none")
	}
	return n
}

// Where the kernel has IPVS: a Service's address is the virtual IP that docker knows, and answers; its ports are the
// routing mesh's.
func TestVirtualIPs(t *testing.T) {
	n := needMesh(t)
	s := newSpace(t)
	s.applyText(service("web", "selector: {app: web}, ports: [{port: 8080}]"))
	s.applyText(server{name: "web", replicas: 2}.manifest())
	s.rolledOut("web")
	s.route("web", "native")
	ip := s.field("service/web", ".spec.clusterIP")
	known := s.docker("service", "inspect", "-f", "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}", s.ns+"_web")
	if ip == "" || !strings.Contains(known, ip+"/") {
		t.Fatalf("the address is %q, and docker knows %q", ip, known)
	}
	from := s.caller("caller")
	for _, host := range []string{"web", ip} {
		from.asks("web-", "load", "--url", fmt.Sprintf("http://%s:8080/", host), "--count", "1")
	}
	before := s.running(s.ns + "_web")
	s.kubectl("expose", "deployment", "web", "--name=door", "--port=80", "--target-port=8080", "--type=NodePort")
	s.route("door", "proxy")
	n.gets(t, "web-", "http://"+nodeAddress+":"+s.nodePort("door"))
	from.asks("web-", "load", "--url", "http://"+s.field("service/door", ".spec.clusterIP")+"/", "--count", "1")
	s.unmoved(s.ns+"_web", before)
}

// acrossNodes looks at Services from a node where their Pods are not: by VXLAN, and by every node's published ports.
func acrossNodes(t *testing.T, r rig, s *space) {
	t.Helper()
	s.applyText(service("far", "selector: {app: far}, ports: [{port: 8080}]"))
	s.applyText(strings.Replace(server{name: "far", replicas: 2}.manifest(), "      containers:", "      nodeSelector: {kubernetes.io/hostname: node3}\n      containers:", 1))
	s.applyText(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: near}
spec:
  selector: {matchLabels: {app: near}}
  template:
    metadata: {labels: {app: near}}
    spec:
      nodeSelector: {kubernetes.io/hostname: node2}
      containers: [{name: main, image: "skep-test:v1", args: ["--port", "80"]}]
`)
	s.rolledOut("far", "near")
	s.route("far", "native")
	pod := s.kubectl("get", "pods", "-l", "app=near", "-o", "jsonpath={.items[0].metadata.name}")
	near := s.in(pod)
	near.s = &space{t: s.t, dockerHost: r.host(2)} // its container is there
	near.asks("far-", "load", "--url", "http://far:8080/", "--count", "20", "--new-connections")

	s.kubectl("expose", "deployment", "far", "--name=door", "--port=80", "--target-port=8080", "--type=NodePort")
	s.route("door", "proxy")
	near.asks("far-", "load", "--url", "http://door/", "--count", "20", "--new-connections")
	for number := 1; number <= 3; number++ {
		node{r, number}.gets(t, "far-", fmt.Sprintf("http://172.31.77.%d:%s/", number, s.nodePort("door")))
	}
	s.kubectl("delete", "service/far", "service/door", "deployment/far", "deployment/near")
}
