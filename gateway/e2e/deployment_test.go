package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDeploymentWalk(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.apply("deployment")
	s.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	s.kubectl("wait", "--for=condition=Available", "deployment/shop", "--timeout=10s")
	names := s.waitRunning("app=shop", 2)

	sets := strings.Fields(s.kubectl("get", "rs", "-o", "jsonpath={.items[*].metadata.name}"))
	if len(sets) != 1 {
		t.Fatalf("want one ReplicaSet, have %v", sets)
	}
	for _, pod := range names {
		if !strings.HasPrefix(pod, sets[0]+"-") {
			t.Errorf("Pod %s is not named after its ReplicaSet %s", pod, sets[0])
		}
		if got := s.inContainer(pod, "hostname"); got != pod {
			t.Errorf("hostname of %s is %s", pod, got)
		}
	}
	if owner := s.field("pod/"+names[0], ".metadata.ownerReferences[0].name"); owner != sets[0] {
		t.Errorf("the Pod's owner is %q", owner)
	}
	if got := s.services(); !slices.Equal(got, []string{s.ns + "_shop"}) {
		t.Errorf("Swarm has services %v", got)
	}

	before := s.running(s.ns + "_shop")
	s.kubectl("scale", "deployment/shop", "--replicas=3")
	s.waitRunning("app=shop", 3)
	for _, task := range before {
		if !slices.Contains(s.running(s.ns+"_shop"), task) {
			t.Errorf("scaling up restarted task %s", task)
		}
	}
	s.kubectl("label", "deployment/shop", "season=spring")
	s.kubectl("annotate", "deployment/shop", "note=hello")
	s.kubectl("scale", "deployment/shop", "--replicas=2")
	s.waitRunning("app=shop", 2)

	s.kubectl("set", "env", "deployment/shop", "MODE=test")
	s.kubectl("rollout", "status", "deployment/shop", "--timeout=90s")
	s.kubectl("set", "resources", "deployment/shop", "--limits=memory=96Mi")
	s.kubectl("rollout", "status", "deployment/shop", "--timeout=90s")
	pod := s.waitRunning("app=shop", 2)[0]
	contains(t, s.inContainer(pod, "env"), "MODE=test")
	contains(t, s.kubectl("describe", "deployment", "shop"), "MODE:", "96Mi", "season=spring", "RollingUpdateStrategy:")

	s.kubectl("delete", "deployment", "shop", "--timeout=30s")
	eventually(t, 20*time.Second, func() error { return s.empty() })
}

// The three ways of deleting a Deployment.
func TestDeploymentCascade(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for _, mode := range []string{"foreground", "background"} {
		s.apply("deployment")
		s.waitRunning("app=shop", 2)
		s.kubectl("delete", "deployment", "shop", "--cascade="+mode, "--timeout=30s")
		eventually(t, 20*time.Second, func() error { return s.empty() })
	}

	s.apply("deployment")
	before := s.waitRunning("app=shop", 2)
	s.kubectl("delete", "deployment", "shop", "--cascade=orphan", "--timeout=30s")
	time.Sleep(time.Second) // long enough for a wrong deletion to show
	if after := s.waitRunning("app=shop", 2); !slices.Equal(before, after) {
		t.Errorf("orphans should be left alone: Pods were %v, are %v", before, after)
	}
	if sets := s.kubectl("get", "rs", "-l", "app=shop", "-o", "name"); sets == "" {
		t.Error("the orphaned ReplicaSet is gone")
	}
}

// Deleting a namespace deletes what is in it.
func TestNamespaceDeletion(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply("deployment", "configured-pod")
	s.waitRunning("app=shop", 2)
	s.kubectl("wait", "--for=condition=Ready", "pod/configured", "--timeout=60s")
	s.kubectl("delete", "namespace", s.ns, "--timeout=60s")
	contains(t, s.refused("", "get", "namespace", s.ns), "not found")
	for _, kind := range []string{"service", "config", "secret", "network"} {
		for _, name := range strings.Fields(s.docker(kind, "ls", "--format", "{{.Name}}")) {
			if strings.HasPrefix(name, s.ns) {
				t.Errorf("Swarm still has the %s %s", kind, name)
			}
		}
	}
	contains(t, s.refused(s.manifest("pod"), "apply", "-f", "-"), `namespaces "`+s.ns+`" not found`)
}
