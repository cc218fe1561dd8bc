package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStatefulSetWalk(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	s.apply("statefulset")
	s.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
	if got := s.waitRunning("app=db", 2); !slices.Equal(got, []string{"db-0", "db-1"}) {
		t.Fatalf("the Pods are %v", got)
	}
	service := s.ns + "_db"
	if got := s.services(); !slices.Equal(got, []string{service}) {
		t.Errorf("Swarm has services %v", got)
	}
	if got := s.field("pod/db-1", ".metadata.labels.apps\\.kubernetes\\.io/pod-index"); got != "1" {
		t.Errorf("the index of db-1 is %q", got)
	}

	tasks := s.running(service)
	s.kubectl("scale", "statefulset/db", "--replicas=3")
	if got := s.waitRunning("app=db", 3); !slices.Equal(got, []string{"db-0", "db-1", "db-2"}) {
		t.Errorf("of three, the Pods are %v", got)
	}
	s.kubectl("annotate", "statefulset/db", "note=hello")
	s.kubectlIn(s.kubectl("get", "statefulset", "db", "-o", "yaml"), "apply", "-f", "-")
	for _, task := range tasks {
		if !slices.Contains(s.running(service), task) {
			t.Errorf("task %s was restarted", task)
		}
	}
	s.kubectl("scale", "statefulset/db", "--replicas=2")
	if got := s.waitRunning("app=db", 2); len(strings.Fields(s.docker("node", "ls", "-q"))) == 1 && !slices.Equal(got, []string{"db-0", "db-1"}) {
		t.Errorf("of two again, the Pods are %v", got)
	}

	uid := s.field("pod/db-0", ".metadata.uid")
	s.kubectl("label", "pod/db-0", "mark=first")
	s.kubectl("rollout", "restart", "statefulset/db")
	s.kubectl("rollout", "status", "statefulset/db", "--timeout=90s")
	s.waitRunning("app=db", 2)
	if now := s.field("pod/db-0", ".metadata.uid"); now == uid || now == "" {
		t.Errorf("the restart left db-0 with UID %q", now)
	}
	if mark := s.field("pod/db-0", ".metadata.labels.mark"); mark != "" {
		t.Errorf("the new db-0 has the label of the old one: %q", mark)
	}
	s.kubectl("set", "env", "statefulset/db", "MODE=test")
	s.kubectl("rollout", "status", "statefulset/db", "--timeout=90s")
	contains(t, s.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Env}}", service), "MODE=test")
	s.kubectl("rollout", "undo", "statefulset/db")
	s.kubectl("rollout", "status", "statefulset/db", "--timeout=90s")
	if env := s.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Env}}", service); strings.Contains(env, "MODE") {
		t.Errorf("after the undo the service has %s", env)
	}

	contains(t, s.refused("", "delete", "statefulset", "db", "--cascade=orphan", "--timeout=10s"), "cannot outlive")
	s.kubectl("delete", "statefulset", "db", "--timeout=30s")
	eventually(t, 20*time.Second, func() error { return s.empty() })
}

// Inside, a Pod of a StatefulSet is who kubectl says it is.
func TestStatefulSetNames(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.apply("statefulset")
	for i, pod := range s.waitRunning("app=db", 2) {
		if got := s.inContainer(pod, "hostname"); got != pod {
			t.Errorf("hostname of %s is %s", pod, got)
		}
		contains(t, s.inContainer(pod, "env"), fmt.Sprintf("INDEX=%d", i))
	}
	if _, err := s.try("get", "pod", "db-2"); err == nil {
		t.Error("there are more Pods than replicas")
	}
}

// A name that a Deployment has is another one for a StatefulSet and a DaemonSet.
func TestStatefulSetSharesName(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	s.apply("deployment")
	s.applyText(s.manifest("statefulset", "name: db", "name: shop", "app: db", "app: state"))
	s.applyText(s.manifest("daemonset", "name: agent", "name: shop", "app: agent", "app: daemon"))
	s.waitRunning("app=state", 2)
	want := []string{s.ns + "_daemonset_shop", s.ns + "_shop", s.ns + "_statefulset_shop"}
	if got := s.services(); !slices.Equal(got, want) {
		t.Errorf("Swarm has services %v, want %v", got, want)
	}
	contains(t, s.refused(s.manifest("statefulset", "name: db", "name: shop"), "create", "-f", "-"), "already exists")
}

// Each Pod has a claim of its own, which outlives it.
func TestStatefulSetClaims(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	s.apply("statefulset-claims")
	s.kubectl("rollout", "status", "statefulset/store", "--timeout=90s")
	if got := s.waitRunning("app=store", 2); !slices.Equal(got, []string{"store-0", "store-1"}) {
		t.Errorf("the Pods are %v", got)
	}
	first := s.field("pv/"+s.bound("data-store-0"), ".spec.csi.volumeHandle")
	second := s.field("pv/"+s.bound("data-store-1"), ".spec.csi.volumeHandle")
	if first != s.ns+"_data-store-0" || second != s.ns+"_data-store-1" {
		t.Errorf("the claims' volumes are %q and %q", first, second)
	}
	if got := s.field("pod/store-1", ".spec.volumes[?(@.name=='data')].persistentVolumeClaim.claimName"); got != "data-store-1" {
		t.Errorf("store-1 has the claim %q", got)
	}
	tasks := s.running(s.ns + "_store")
	s.kubectl("scale", "statefulset/store", "--replicas=3")
	s.waitRunning("app=store", 3)
	s.bound("data-store-2")
	for _, task := range tasks {
		if !slices.Contains(s.running(s.ns+"_store"), task) {
			t.Errorf("task %s was restarted", task)
		}
	}
	s.kubectl("delete", "statefulset", "store", "--timeout=30s")
	eventually(t, 20*time.Second, func() error { return s.empty() })
	if got := strings.Fields(s.kubectl("get", "pvc", "-o", "name")); len(got) != 3 {
		t.Errorf("the claims that are left are %v", got)
	}
	s.kubectl("delete", "pvc", "--all", "--timeout=60s")
	eventually(t, 60*time.Second, func() error {
		if left := s.volumes(); len(left) > 0 {
			return fmt.Errorf("the volumes %v are left", left)
		}
		return nil
	})
}

// Each volume is its Pod's, also when both are made anew.
func TestStatefulSetData(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.apply("statefulset-claims")
	for _, pod := range s.waitRunning("app=store", 2) {
		s.inContainer(pod, "sh", "-c", "echo "+pod+" > /data/name")
	}
	s.kubectl("delete", "statefulset", "store", "--timeout=30s")
	eventually(t, 20*time.Second, func() error { return s.empty() })
	s.apply("statefulset-claims")
	for _, pod := range s.waitRunning("app=store", 2) {
		if got := s.inContainer(pod, "cat", "/data/name"); got != pod {
			t.Errorf("%s reads %q", pod, got)
		}
	}
}
