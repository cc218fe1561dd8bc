package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The many ways of looking that kubectl has.
func TestOutput(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	var all strings.Builder
	for n := range 7 {
		fmt.Fprintf(&all, "%s---\n", idle(fmt.Sprintf("d%d", n)))
	}
	s.applyText(all.String())
	s.kubectl("label", "deployment", "d1", "d2", "tier=back")
	s.apply("deployment", "pod")
	s.waitRunning("app=shop", 2)
	s.waitRunning("app=welcome", 1)

	contains(t, s.kubectl("get", "deploy"), "NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "2/2")
	contains(t, s.kubectl("get", "deploy", "-o", "wide"), "CONTAINERS", "IMAGES", "SELECTOR", "skep-test:v1", "app=shop")
	contains(t, s.kubectl("get", "po", "-o", "wide"), "IP", "NODE", "NOMINATED NODE")
	contains(t, s.kubectl("get", "all"), "pod/welcome", "deployment.apps/shop", "replicaset.apps/shop-")
	contains(t, s.kubectl("get", "nodes", "-o", "wide"), "Ready", "control-plane", "docker://")
	contains(t, s.kubectl("describe", "node"), "Capacity:", "Allocatable:", "Conditions:", "Container Runtime Version:")
	contains(t, s.kubectl("describe", "deployment", "shop"), "Replicas:", "2 desired", "NewReplicaSet:", "Pod Template:")

	names := func(args ...string) []string {
		t.Helper()
		return strings.Fields(s.kubectl(append([]string{"get", "-o", "jsonpath={.items[*].metadata.name}"}, args...)...))
	}
	same := func(got []string, want ...string) {
		t.Helper()
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	same(names("deploy", "-l", "tier=back"), "d1", "d2")
	same(names("deploy", "-l", "tier!=back,app notin (shop)"), "d0", "d3", "d4", "d5", "d6")
	same(names("deploy", "--field-selector", "metadata.name=d3"), "d3")
	same(names("pods", "--field-selector", "status.phase=Running", "-l", "app=welcome"), "welcome")
	same(names("pods", "--field-selector", "status.phase!=Running"))
	if got := lines(s.kubectl("get", "deploy", "--chunk-size=2", "--no-headers")); len(got) != 8 {
		t.Errorf("in chunks of 2 there are %d Deployments", len(got))
	}
	sorted := strings.Fields(s.kubectl("get", "deploy", "--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[*].metadata.name}"))
	if len(sorted) != 8 || sorted[7] != "shop" {
		t.Errorf("by age: %v", sorted)
	}
	contains(t, s.kubectl("get", "deploy", "shop", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas"), "shop", "2")
	contains(t, s.kubectl("get", "deploy", "shop", "-o", "yaml", "--show-managed-fields"), "managedFields:", "manager:")
	contains(t, s.kubectl("get", "deploy", "-A"), "NAMESPACE", s.ns)
	contains(t, s.kubectl("get", "events"), "LAST SEEN")

	contains(t, s.kubectl("api-resources", "--verbs=list,watch"), "deployments", "replicasets", "pods", "configmaps", "secrets",
		"serviceaccounts", "leases", "events", "nodes", "namespaces")
	contains(t, s.kubectl("api-versions"), "apps/v1", "coordination.k8s.io/v1", "events.k8s.io/v1")
	contains(t, s.kubectl("explain", "deployment.spec.strategy"), "rollingUpdate", "FIELDS:")
	contains(t, s.kubectl("version"), "Server Version: v1.37.2", "Client Version: v1.37.2")
	contains(t, s.kubectl("auth", "whoami"), "Username")
	contains(t, s.kubectl("auth", "can-i", "delete", "pods"), "yes")
	contains(t, s.kubectl("get", "--raw", "/readyz"), "ok")
}

// The four ways of changing an object, and server-side apply's conflicts.
func TestPatches(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(idle("p"))
	patch := func(kind, text, path, want string) {
		t.Helper()
		s.kubectl("patch", "deployment", "p", "--type="+kind, "-p", text)
		if got := s.field("deployment/p", path); got != want {
			t.Errorf("after a %s patch %s is %q, want %q", kind, path, got, want)
		}
	}
	patch("merge", `{"metadata":{"labels":{"a":"1"}}}`, ".metadata.labels.a", "1")
	patch("json", `[{"op":"replace","path":"/spec/minReadySeconds","value":3}]`, ".spec.minReadySeconds", "3")
	patch("strategic", `{"spec":{"template":{"spec":{"containers":[{"name":"main","workingDir":"/tmp"}]}}}}`,
		".spec.template.spec.containers[0].image", "skep-test:v1")
	s.kubectl("patch", "deployment", "p", "--subresource=scale", "--type=merge", "-p", `{"spec":{"replicas":1}}`)
	s.waitField(time.Second, "deployment/p", ".spec.replicas", "1")

	s.kubectlIn(idle("ssa"), "apply", "--server-side", "--field-manager=one", "-f", "-")
	more := strings.Replace(idle("ssa"), "replicas: 0", "replicas: 2", 1)
	contains(t, s.refused(more, "apply", "--server-side", "--field-manager=two", "-f", "-"), `conflict with "one"`, ".spec.replicas")
	s.kubectlIn(more, "apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-")
	s.waitField(time.Second, "deployment/ssa", ".spec.replicas", "2")
	s.kubectl("delete", "deployment", "--all", "--timeout=30s") // deletecollection's sibling
	if left := s.services(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
