package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A team's way from a stack to Kubernetes: the file converted, applied and running; the stack that runs, exported; and
// manifests back to a stack file that Docker takes.
func TestConvert(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	shop := filepath.Join(top, "testdata/stacks/shop.yml")
	dir := filepath.Join(t.TempDir(), "k8s")
	code, _, told := skep(t, "convert", "-f", shop, "--stack", s.ns, "-o", dir, "--report", "html")
	if code != 0 {
		t.Fatal(told)
	}
	contains(t, told, "shop.yml:17: services.web.deploy.update_config.monitor:")
	report, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(report), "<!doctype html>", "web")
	s.kubectl("apply", "-f", dir)
	s.waitField(60*time.Second, "deployment/web", ".status.readyReplicas", "2")
	s.waitField(60*time.Second, "statefulset/cache-1", ".status.readyReplicas", "1")
	contains(t, s.kubectl("get", "pvc", "cache", "-o", "jsonpath={.status.phase} {.metadata.annotations}"), "Bound", `"skep/volume":"`+s.ns+`_cache"`)
	contains(t, strings.Join(s.services(), " "), s.ns+"_web", s.ns+"_cache-1")
	if !simulated {
		contains(t, s.kubectl("exec", "deploy/web", "--", "cat", "/etc/motd"), "Welcome to the shop.")
	}

	// Again: the same bytes, and nothing to do.
	if code, _, told := skep(t, "convert", "-f", shop, "--stack", s.ns, "-o", dir); code != 0 {
		t.Fatal(told)
	}
	for _, line := range lines(s.kubectl("apply", "-f", dir)) {
		if !strings.HasSuffix(line, " unchanged") {
			t.Errorf("the second time: %s", line)
		}
	}

	// What runs comes out as a stack file, and that as what runs.
	code, text, told := skep(t, "convert", "--from-stack", s.ns, "--to", "compose", "--docker-host", s.dockerHost, "-o", filepath.Join(dir, "back"))
	if code != 0 {
		t.Fatal(told, text)
	}
	back := filepath.Join(dir, "back", "compose.yaml")
	file, err := os.ReadFile(back)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(file), "image: skep-test:v1", "replicas: 2", "MODE: production")
	code, _, told = skep(t, "convert", "--from-stack", "nowhere", "--docker-host", s.dockerHost)
	contains(t, told, `the Swarm runs no stack "nowhere"`)
	if code != 1 {
		t.Errorf("a stack that is not there: exit code %d", code)
	}

	// The gateway does it for whoever may use the API, and reads nothing of its machine.
	web := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(web, []byte("services: {web: {image: nginx:alpine, ports: ['8080:80']}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, s.kubectl("create", "--raw", "/convert?stack=shop", "-f", web), "kind: Deployment", "type: LoadBalancer", "namespace: shop")
	if err := os.WriteFile(web, []byte("services: {web: {image: nginx:alpine, env_file: /etc/passwd}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := s.try("create", "--raw", "/convert", "-f", web)
	if err == nil {
		t.Fatalf("a file of the gateway's machine: %s", out)
	}
	contains(t, out+err.Error(), "services.web.env_file")
	if status, body, err := s.gateway.anonymous("/convert"); err != nil || status != 401 {
		t.Errorf("who nobody knows gets %d %s %v", status, body, err)
	}
}
