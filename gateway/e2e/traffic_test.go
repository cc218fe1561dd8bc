package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// needTraffic is how many requests are to be sent; figures take minutes, so they are for who asks for them.
func needTraffic(t *testing.T) (node, int) {
	t.Helper()
	many, err := strconv.Atoi(os.Getenv("SKEP_E2E_REQUESTS"))
	if err != nil {
		t.Skip("sends many requests where SKEP_E2E_REQUESTS says how many: run `make figures-traffic`")
	}
	return needNode(t), many
}

// Steady loads by name, through a published port and through an Ingress, while all that carries them is replaced: the
// workload, twice; the rules of the Ingress, three times; the Service's selector, there and back.
func TestTraffic(t *testing.T) {
	n, many := needTraffic(t)
	const rate = 200
	s := newSpace(t)
	s.applyText(server{name: "web", replicas: 3, labels: "color: blue"}.manifest() + server{name: "green", replicas: 3, labels: "color: green, tier: web"}.manifest() +
		service("door", `type: NodePort, selector: {color: blue}, ports: [{port: 80, targetPort: http}]`) +
		service("inner", `selector: {app: web}, ports: [{port: 8080}]`) +
		ingress("web", "", `rules: [{host: traffic.test, http: {paths: [`+path("Prefix", "/", "inner", 8080)+`]}}]`))
	s.rolledOut("web", "green")
	s.route("door", "proxy")
	s.route("inner", "proxy")
	s.served()
	c := s.caller("caller")
	c.asks("", "probe", "http://inner:8080/")
	n.gets(t, "hostname=web-", "-H", "Host: traffic.test", "http://"+nodeAddress+"/")
	n.gets(t, "hostname=web-", "http://"+nodeAddress+":"+s.nodePort("door"))
	loads := map[string]*load{
		"by name, from proxy to native": c.load(rate, "http://inner:8080/"),
		"at a node port":                n.load(t, rate, "http://"+nodeAddress+":"+s.nodePort("door")),
		"through an Ingress":            n.load(t, rate, "http://"+nodeAddress+"/", "--host", "traffic.test"),
	}
	end := time.Now().Add(time.Duration(many/rate+2) * time.Second)
	for i := range 2 {
		s.kubectl("rollout", "restart", "deployment/web")
		s.rolledOut("web")
		s.kubectl("annotate", "ingress", "web", "--overwrite", fmt.Sprintf("nginx.ingress.kubernetes.io/proxy-body-size=%dm", i+2))
		s.kubectl("patch", "service", "door", "-p", `{"spec":{"selector":{"color":"green"}}}`)
		s.served()
		s.kubectl("patch", "service", "door", "-p", `{"spec":{"selector":{"color":"blue"}}}`)
		time.Sleep(5 * time.Second)
	}
	s.kubectl("annotate", "ingress", "web", "--overwrite", "nginx.ingress.kubernetes.io/proxy-body-size=9m")
	s.route("inner", "native")
	time.Sleep(time.Until(end))
	for what, l := range loads {
		l.unharmed(what, many)
	}
}

// byHand are configurations as one would write them for the same work, without following what changes.
var byHand = map[string]string{
	"stream": `stream { upstream u { server tasks.%s:8080; } server { listen 80; proxy_pass u; } }`,
	"http":   `http { access_log /dev/stdout; upstream u { server tasks.%s:8080; keepalive 32; } server { listen 80; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`,
	"names":  `http { access_log /dev/stdout; resolver 127.0.0.11 valid=1s ipv6=off; server { listen 80; location / { set $b tasks.%s:8080; proxy_pass http://$b; } } }`,
}

// The proxies beside an nginx configured by hand, in turns. It tells figures, and judges none.
func TestTrafficOverhead(t *testing.T) {
	_, many := needTraffic(t)
	s := newSpace(t)
	s.applyText(server{name: "web", replicas: 2}.manifest() + service("web", `selector: {app: web}, ports: [{port: 80, targetPort: http}]`) +
		ingress("web", "", `rules: [{host: overhead.test, http: {paths: [`+path("Prefix", "/", "web", 80)+`]}}]`))
	s.rolledOut("web")
	s.route("web", "proxy")
	s.served()
	urls := []string{"http://web/", "http://tasks.kube-system_ingress/"}
	for kind, config := range byHand {
		name, file := s.ns+"-"+kind, filepath.Join(t.TempDir(), "nginx.conf")
		text := "include /etc/nginx/modules-enabled/*.conf;\nworker_processes auto;\npid /tmp/nginx.pid;\nevents { worker_connections 4096; }\n" +
			fmt.Sprintf(config, s.ns+"_web") + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.docker("config", "create", name, file)
		s.docker("service", "create", "-q", "-d", "--no-resolve-image", "--name", name, "--network", "skep", "--endpoint-mode", "dnsrr",
			"--config", "source="+name+",target=/etc/skep/nginx.conf", "nginx:stable-alpine", "nginx", "-c", "/etc/skep/nginx.conf", "-g", "daemon off;")
		t.Cleanup(func() { // its network is in use as long as they are there
			for _, kind := range []string{"service", "config"} {
				if out, err := run(context.Background(), "", "docker", "-H", s.dockerHost, kind, "rm", name); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			}
		})
		urls = append(urls, "http://tasks."+name+"/")
	}
	c := s.caller("caller")
	for _, url := range urls {
		c.asks("", "load", "--url", url, "--host", "overhead.test", "--count", "1")
	}
	for round := range 3 {
		for _, url := range urls {
			out, err := c.try("load", "--url", url, "--host", "overhead.test", "--count", strconv.Itoa(many), "--workers", "16")
			figures := struct {
				Failed    int
				P50       float64 `json:"p50_ms"`
				P99       float64 `json:"p99_ms"`
				PerSecond float64 `json:"per_second"`
			}{}
			if jsonErr := json.Unmarshal([]byte(out), &figures); jsonErr != nil {
				t.Fatalf("%v %v: %s", err, jsonErr, out)
			}
			t.Logf("round %d, %s: %+v", round+1, url, figures)
		}
	}
}
