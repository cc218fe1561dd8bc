package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// ingressProxy is the one service that carries the Ingresses of all namespaces.
const ingressProxy = "kube-system_ingress"

// certificate makes a key pair for a host, as a Secret's manifest.
func certificate(t *testing.T, secret, host string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: %s}\ndata: {tls.crt: %s, tls.key: %s}\n---\n",
		secret, text("CERTIFICATE", der), text("PRIVATE KEY", pkcs8))
}

// served waits until the proxy of Ingresses runs as its spec says.
func (s *space) served() {
	s.t.Helper()
	time.Sleep(time.Second) // Ingresses are collected for half of it
	eventually(s.t, 60*time.Second, func() error { return s.settled(s.carriers("kube-system/-ingress")...) })
}

// One story, as all Ingresses are carried by one proxy: what is asked for arrives.
func TestIngress(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(server{name: "web", replicas: 2}.manifest() + server{name: "api"}.manifest() + service("web", `selector: {app: web}, ports: [{port: 80, targetPort: http}]`) +
		service("api", `selector: {app: api}, ports: [{name: http, port: 80, targetPort: 8080}]`))
	s.rolledOut("web", "api")
	prefix := "host-" + fmt.Sprint(time.Now().UnixMilli()%1000)
	host := prefix + ".test"
	s.applyText(certificate(t, "pair", "secure."+host))
	s.kubectl("create", "secret", "generic", "empty", "--from-literal=tls.crt=none")
	s.applyText(ingress("paths", "", `rules: [
		{host: `+host+`, http: {paths: [`+path("Prefix", "/", "web", 80)+`, `+path("Prefix", "/api", "api", 80)+`, `+path("Exact", "/only", "api", 80)+`, `+path("Prefix", "/lost", "nowhere", 80)+`]}},
		{host: "*.wild.`+host+`", http: {paths: [`+path("Prefix", "/", "api", 80)+`]}}]`) +
		ingress("secure", "", `tls: [{hosts: [secure.`+host+`], secretName: pair}], rules: [{host: secure.`+host+`, http: {paths: [`+path("Prefix", "/", "web", 80)+`]}}]`) +
		ingress("rewritten", `nginx.ingress.kubernetes.io/rewrite-target: "/$2"`, `rules: [{host: re.`+host+`, http: {paths: [`+path("ImplementationSpecific", "/old(/|$)(.*)", "web", 80)+`]}}]`) +
		ingress("unsafe", "", `tls: [{hosts: [unsafe.`+host+`], secretName: missing}], rules: [{host: unsafe.`+host+`, http: {paths: [`+path("Prefix", "/", "web", 80)+`]}}]`) +
		ingress("empty", "", `tls: [{hosts: [empty.`+host+`], secretName: empty}], rules: [{host: empty.`+host+`, http: {paths: [`+path("Prefix", "/", "web", 80)+`]}}]`))
	time.Sleep(1100 * time.Millisecond) // creation times have whole seconds
	s.applyText(ingress("late", "", `rules: [{host: `+host+`, http: {paths: [`+path("Prefix", "/api", "web", 80)+`]}}]`))

	if class := s.field("ingress/paths", ".spec.ingressClassName"); class != "skep" {
		t.Errorf("the default class is %q", class)
	}
	contains(t, s.kubectl("get", "ingressclass"), "skep", "traefik", "skep/nginx")
	s.event("Ingress/paths", "Warning NoBackend", `"nowhere"`, "503")
	s.event("Ingress/late", "Warning Conflict", "/api", s.ns+"/paths")
	s.event("Ingress/unsafe", "Warning NoCertificate", "missing")
	s.event("Ingress/empty", "Warning NoCertificate", "empty", "no valid pair")
	s.served()
	if address := s.field("ingress/paths", ".status.loadBalancer.ingress[0].ip"); address == "" {
		t.Error("the Ingress has no address")
	}
	contains(t, s.kubectl("describe", "ingress", "paths"), "/api", "NoBackend")
	if simulated {
		s.kubectl("delete", "ingress", "--all")
		s.gone(ingressProxy)
		return
	}

	n := needNode(t)
	contains(t, s.kubectl("get", "ingress", "paths"), nodeAddress, host, "80")
	url := func(host, path string) []string {
		return []string{"-k", "--resolve", host + ":80:" + nodeAddress, "--resolve", host + ":443:" + nodeAddress, path}
	}
	for _, c := range []struct{ at, path, want string }{
		{host, "http://" + host + "/", "hostname=web-"},
		{host, "http://" + host + "/apis", "hostname=web-"},
		{host, "http://" + host + "/api", "hostname=api-"},
		{host, "http://" + host + "/api/more", "hostname=api-"},
		{host, "http://" + host + "/only", "hostname=api-"},
		{host, "http://" + host + "/only/more", "hostname=web-"},
		{host, "http://" + host + "/lost", "503"},
		{"one.wild." + host, "http://one.wild." + host + "/", "hostname=api-"},
		{"two.one.wild." + host, "http://two.one.wild." + host + "/", "404"},
		{"other." + host, "http://other." + host + "/", "404"},
		{"re." + host, "http://re." + host + "/old/deep/echo?a=b", `"path":"/deep/echo","query":"a=b"`},
		{"re." + host, "http://re." + host + "/old", "hostname=web-"},
		{"secure." + host, "https://secure." + host + "/", "hostname=web-"},
		{"unsafe." + host, "http://unsafe." + host + "/", "hostname=web-"},
	} {
		n.gets(t, c.want, url(c.at, c.path)...)
	}
	if out, err := n.curl(append(url("secure."+host, "https://secure."+host+"/"), "-v")...); err != nil || !strings.Contains(out, "CN=secure."+host) && !strings.Contains(out, "CN = secure."+host) {
		t.Errorf("the certificate is another: %v\n%s", err, out)
	}
	n.gets(t, "308", append(url("secure."+host, "http://secure."+host+"/"), "-i")...)
	n.gets(t, `"X-Forwarded-Host":["`+host+`"]`, url(host, "http://"+host+"/echo")...)
	if out, err := n.run(t.Context(), "in", "1", top+"/bin/skep-test", "ws", "--host", host, "ws://"+nodeAddress+"/api/ws", "hello"); err != nil || !strings.HasPrefix(out, "api-") {
		t.Errorf("the websocket says %q: %v", out, err)
	}
	s.ingressGoesOn(n, host)
	s.ingressAtOnce(n, host)
	s.ingressAdmitted(n, host)
	s.kubectl("delete", "ingress", "--all")
	s.gone(ingressProxy)
}

// ingressGoesOn rolls the backend out under load.
func (s *space) ingressGoesOn(n node, host string) {
	t := s.t
	l := n.load(t, 200, "http://"+nodeAddress+"/", "--host", host)
	before := s.running(ingressProxy)
	s.kubectl("set", "image", "deployment/web", "main=skep-test:v2")
	s.rolledOut("web")
	n.gets(t, "VERSION=v2", "-H", "Host: "+host, "http://"+nodeAddress+"/")
	s.unmoved(ingressProxy, before)
	l.unharmed("a roll-out behind an Ingress", 2000)
}

// ingressAtOnce applies many Ingresses, which are few updates of the proxy.
func (s *space) ingressAtOnce(n node, host string) {
	const many = 50
	tasks := func() []string {
		return strings.Fields(s.docker("service", "ps", "-q", "--no-trunc", ingressProxy))
	}
	before := tasks()
	l := n.load(s.t, 100, "http://"+nodeAddress+"/", "--host", host)
	var manifests strings.Builder
	for i := range many {
		manifests.WriteString(ingress(fmt.Sprintf("many-%d", i), "", fmt.Sprintf(`rules: [{host: m%d.%s, http: {paths: [%s]}}]`, i, host, path("Prefix", "/", "api", 80))))
	}
	began := time.Now()
	s.applyText(manifests.String() + service("nowhere", `selector: {app: api}, ports: [{port: 80, targetPort: http}]`)) // which was missed
	took := time.Since(began)
	s.served()
	n.gets(s.t, "hostname=api-", "-H", "Host: "+host, "http://"+nodeAddress+"/lost")
	for _, i := range []int{0, many - 1} {
		n.gets(s.t, "hostname=api-", "-H", fmt.Sprintf("Host: m%d.%s", i, host), "http://"+nodeAddress+"/")
	}
	l.unharmed("a change of Ingresses", 500)
	updates := 0
	for _, id := range tasks() {
		if !slices.Contains(before, id) {
			updates++
		}
	}
	s.t.Logf("%d Ingresses were %d updates", many, updates)
	// What kubectl takes long over does not come at once: an update of the proxy takes some five seconds.
	if most := 3 + int(took/(5*time.Second)); updates == 0 || updates > most {
		s.t.Errorf("%d Ingresses applied in %v were %d updates of the proxy, and %d are the most", many, took, updates, most)
	}
}

// ingressAdmitted isolates a backend for all but the Ingresses' proxy.
func (s *space) ingressAdmitted(n node, host string) {
	stranger := s.caller("stranger", "app: stranger")
	stranger.asks("", "probe", "http://api/")
	s.applyText(policy("api", `podSelector: {matchLabels: {app: api}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]}]`))
	eventually(s.t, 40*time.Second, func() error {
		if out, err := stranger.try("probe", "http://api/"); err == nil {
			return fmt.Errorf("who is not admitted comes in: %s", out)
		}
		return s.settled(s.ns + "_api")
	})
	s.served()
	n.gets(s.t, "hostname=api-", "-H", "Host: "+host, "http://"+nodeAddress+"/api")
	if out, err := stranger.try("probe", "http://api/"); err == nil {
		s.t.Errorf("by the Service's own proxy a stranger comes in: %s", out)
	}
	s.kubectl("delete", "networkpolicy", "api")
}

// The class traefik: labels of the service behind, which restart nothing and are no labels of the Deployment.
func TestIngressLabels(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(server{name: "web"}.manifest() + service("web", `selector: {app: web}, ports: [{port: 80, targetPort: http}]`))
	s.rolledOut("web")
	before := s.running(s.ns + "_web")
	labels := func() string {
		return s.docker("service", "inspect", "-f", `{{range $k, $v := .Spec.Labels}}{{$k}}={{$v}}{{"\n"}}{{end}}`, s.ns+"_web")
	}
	waitLabels := func(there bool) {
		t.Helper()
		eventually(t, waitShort, func() error {
			if text := labels(); strings.Contains(text, "traefik.") != there {
				return fmt.Errorf("the service's labels are\n%s", text)
			}
			return nil
		})
	}
	s.applyText(ingress("web", "", `ingressClassName: traefik, rules: [{host: traefik.test, http: {paths: [`+path("Prefix", "/shop", "web", 80)+`]}}]`))
	waitLabels(true)
	contains(t, labels(), "traefik.enable=true", "Host(`traefik.test`)", "/shop", "loadbalancer.server.port=8080")
	for _, how := range [][]string{{"get", "deploy", "web", "-o", "yaml"}, {"get", "deploy", "web", "--show-labels"}, {"describe", "deploy", "web"}} {
		if out := s.kubectl(how...); strings.Contains(out, "traefik.") {
			t.Errorf("kubectl %v shows labels that no one gave the Deployment:\n%s", how, out)
		}
	}
	s.kubectlIn(s.kubectl("get", "deploy", "web", "-o", "yaml"), "replace", "-f", "-")
	s.kubectl("label", "deploy", "web", "season=spring")
	waitLabels(true)
	s.unmoved(s.ns+"_web", before)
	s.kubectl("delete", "ingress", "web")
	waitLabels(false)
	s.unmoved(s.ns+"_web", before)
	contains(t, labels(), "season=spring")
}

// What is set up goes on without a gateway. It runs alone, for it stops the one that the tests share.
func TestWithoutGateway(t *testing.T) {
	n := needNode(t)
	s := newSpace(t)
	s.applyText(service("native", `selector: {app: web}, ports: [{port: 8080}]`))
	s.applyText(server{name: "web", replicas: 2}.manifest() + service("web", `selector: {app: web}, ports: [{port: 80, targetPort: http}]`) +
		ingress("web", "", `rules: [{host: alone.test, http: {paths: [`+path("Prefix", "/", "web", 80)+`]}}]`))
	s.rolledOut("web")
	s.route("web", "proxy")
	s.served()
	c := s.caller("caller")
	c.asks("", "probe", "http://web/")
	n.gets(t, "hostname=web-", "-H", "Host: alone.test", "http://"+nodeAddress+"/")
	before := s.running(s.ns + "_web")

	s.gateway.stop()
	back := func() {
		if err := s.gateway.launch(); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { back() }()
	loads := map[string]*load{
		"an Ingress": n.load(t, 100, "http://"+nodeAddress+"/", "--host", "alone.test"),
		"a proxy":    c.load(100, "http://web/"), "a name": c.load(100, "http://native:8080/"),
	}
	s.docker("service", "update", "-d", "--force", s.ns+"_web") // other Pods, and all find them
	time.Sleep(time.Second)
	eventually(t, 60*time.Second, func() error { return s.settled(s.ns + "_web") })
	for what, l := range loads {
		if r := l.unharmed(what+" without a gateway", 500); len(r.Hosts) < 3 {
			t.Errorf("%s: it was not other Pods that answered: %+v", what, r)
		}
	}
	back()
	back = func() {}
	s.waitRunning("app=web", 2)
	if after := s.running(s.ns + "_web"); slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) }) {
		t.Errorf("the tasks were %v, are %v", before, after)
	}
}
