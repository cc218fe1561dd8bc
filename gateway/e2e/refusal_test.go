package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What kube-apiserver refuses, skep refuses in the same words; what Swarm cannot do is refused by its field's name.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(idle("there"))
	const spec = "spec.template.spec"
	for _, c := range []struct {
		name     string
		old, new string // what is changed in the manifest of a Deployment
		says     []string
	}{
		{name: "name", old: "name: shop", new: "name: Shop_1", says: []string{"metadata.name", "a lowercase RFC 1123 subdomain must consist of"}},
		{name: "unknown field", old: "replicas: 2", new: "replcias: 2", says: []string{"spec.replcias"}},
		{name: "selector", old: "matchLabels:\n      app: shop", new: "matchLabels:\n      app: other", says: []string{"`selector` does not match template `labels`"}},
		{name: "negative", old: "replicas: 2", new: "replicas: -1", says: []string{"spec.replicas", "must be greater than or equal to 0"}},
		{name: "type", old: "replicas: 2", new: "replicas: two", says: []string{"replicas"}},
		{name: "no image", old: "image: skep-test:v1", new: "workingDir: /", says: []string{spec + ".containers[0].image: Required value"}},
		{name: "port", old: "containerPort: 8080", new: "containerPort: 80800", says: []string{"must be between 1 and 65535"}},
		{name: "version", old: "apps/v1", new: "extensions/v1beta1", says: []string{`no matches for kind "Deployment" in version "extensions/v1beta1"`, "ensure CRDs are installed first"}},
		{name: "kind", old: "kind: Deployment", new: "kind: Deploiment", says: []string{`no matches for kind "Deploiment"`}},
		{name: "surge", old: "maxSurge: 1", new: "maxSurge: 0", says: []string{"may not be 0 when `maxSurge` is 0"}},
		{
			name: "runtime class", old: "      containers:", new: "      runtimeClassName: gvisor\n      containers:",
			says: []string{spec + ".runtimeClassName", "default-runtime"},
		},
		{
			name: "scheduler", old: "      containers:", new: "      schedulerName: mine\n      containers:",
			says: []string{spec + ".schedulerName", "Swarm has one scheduler"},
		},
		{
			name: "host port", old: "- containerPort: 8080", new: "- containerPort: 8080\n          hostPort: 8080",
			says: []string{spec + ".containers[0].ports[0].hostPort"},
		},
	} {
		text := s.manifest("deployment", c.old, c.new)
		if !strings.Contains(text, c.new) {
			t.Fatalf("%s: the manifest has no %q", c.name, c.old)
		}
		for _, flags := range [][]string{{"create"}, {"apply", "--server-side"}} {
			out := s.refused(text, append(flags, "-f", "-")...)
			for _, part := range c.says {
				if !strings.Contains(out, part) {
					t.Errorf("%s, %v: %q is missing in %s", c.name, flags, part, out)
				}
			}
			if strings.Contains(out, "rpc error") {
				t.Errorf("%s: a bare rpc error: %s", c.name, out)
			}
		}
	}
	if left := s.services(); len(left) != 1 {
		t.Errorf("a refused Deployment left services behind: %v", left)
	}

	typo := s.manifest("deployment", "replicas: 2", "replcias: 2")
	contains(t, s.refused(typo, "create", "-f", "-"), `unknown field "spec.replcias"`)
	contains(t, s.refused(typo, "apply", "--server-side", "-f", "-"), "field not declared in schema")
	contains(t, s.refused(idle("there"), "create", "-f", "-"), "AlreadyExists", `deployments.apps "there" already exists`)
	contains(t, s.refused("", "patch", "deployment", "there", "-p", `{"spec":{"selector":{"matchLabels":{"app":"new"}}}}`), "field is immutable")
	contains(t, s.refused("", "patch", "deployment", "there", "--type=json", "-p", `[{"op":"remove","path":"/no/such"}]`), "The request is invalid")
	contains(t, s.refused("", "get", "deployment", "nosuch"), `deployments.apps "nosuch" not found`)
	contains(t, s.refused("", "scale", "deployment/nosuch", "--replicas=1"), "not found")
	contains(t, s.refused("", "get", "nosuch"), `the server doesn't have a resource type "nosuch"`)
	contains(t, s.refused("", "delete", "namespace", "default"), "forbidden")
	contains(t, s.refused("", "create", "namespace", s.ns), "already exists")
	contains(t, s.refused("", "get", "pods", "--field-selector=spec.nosuch=1"), "field label not supported")
	contains(t, s.kubectl("create", "deployment", "dry", "--image=nginx:alpine", "--dry-run=server", "-o", "yaml"), "uid:")
	if out, err := s.try("get", "deployment", "dry"); err == nil {
		t.Errorf("a dry run has created it:\n%s", out)
	}
}

// What Swarm's raft cannot hold is refused with the limit's name, and never half done.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	file := filepath.Join(t.TempDir(), "large")
	write := func(size int) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Repeat("skep ", size/5)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	limit := func(what, out string) {
		t.Helper()
		lower := strings.ToLower(out)
		if !strings.Contains(lower, "limit") && !strings.Contains(lower, "too large") && !strings.Contains(lower, "too long") && !strings.Contains(lower, "at most") {
			t.Errorf("%s: no limit is named in %s", what, out)
		}
		if strings.Contains(out, "InternalError") || strings.Contains(out, "rpc error") {
			t.Errorf("%s: %s", what, out)
		}
	}
	// What Kubernetes just allows is refused, or held in every way: read, written again.
	write(1_040_000)
	for kind, create := range map[string][]string{"configmap": {"configmap"}, "secret": {"secret", "generic"}} {
		out, err := s.try(append(append([]string{"create"}, create...), "large", "--from-file="+file)...)
		if err != nil {
			limit(kind+" of 1.04 MB", out+err.Error())
			continue
		}
		s.kubectl("label", kind, "large", "held=yes")
		if got := len(s.kubectl("get", kind, "large", "-o", "jsonpath={.data.large}")); got < 1_040_000 {
			t.Errorf("the %s comes back with %d bytes", kind, got)
		}
		s.kubectl("delete", kind, "large")
	}
	large := strings.Replace(idle("large"), `image: "skep-test:v1"`, fmt.Sprintf(`image: "skep-test:v1", env: [{name: LARGE, value: "%s"}]`, strings.Repeat("x", 900_000)), 1)
	limit("Deployment of 0.9 MB", s.refused(large, "create", "-f", "-"))
	write(4_000_000)
	limit("ConfigMap of 4 MB", s.refused("", "create", "configmap", "large", "--from-file="+file))
	if out := s.kubectl("get", "deploy,cm,secret", "--no-headers", "-o", "name"); strings.Contains(out, "large") || len(s.services()) > 0 {
		t.Errorf("something is left: %s %v", out, s.services())
	}
	write(300_000)
	s.kubectl("create", "configmap", "fits", "--from-file="+file)
}
