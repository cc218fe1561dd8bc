package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// threeNodes is a Swarm of one manager and two workers, with a gateway on the manager.
func threeNodes(t *testing.T) (rig, *space) {
	t.Helper()
	needStage(t)
	dir := os.Getenv("ENGINE_DIR")
	if dir == "" {
		dir = fmt.Sprintf("%s/skep-e2e-%d", os.TempDir(), os.Getpid())
	}
	r := rig{dir: dir + "-3"}
	t.Cleanup(func() {
		if _, err := r.run(context.Background(), "down"); err != nil {
			t.Error(err)
		}
	})
	if _, err := r.run(t.Context(), "up", "3"); err != nil {
		t.Fatal(err)
	}
	// The gateway sees nodes 2 and 3 through the manager only, as it would on three machines.
	g, err := start(options{dockerHost: r.host(1), control: r.control(1), dataDir: t.TempDir(), dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.stop)
	s := spaceOn(t, g, r.host(1), "three")
	t.Cleanup(func() {
		if t.Failed() {
			s.explain()
		}
	})
	s.kubectl("create", "namespace", s.ns)
	return r, s
}

// onNode lists the Pods with app=shop that should run on a node.
func (s *space) onNode(node string) []string {
	s.t.Helper()
	return strings.Fields(s.kubectl("get", "pods", "-l", "app=shop", "--field-selector", "spec.nodeName="+node+",status.phase=Running",
		"-o", "jsonpath={.items[*].metadata.name}"))
}

// One rig, one story: three nodes, a Pod on each, a drain, and a plug that is pulled.
func TestThreeNodes(t *testing.T) {
	needContainers(t)
	r, s := threeNodes(t)
	rows := lines(s.kubectl("get", "nodes", "--no-headers"))
	if len(rows) != 3 {
		t.Fatalf("nodes are %q", rows)
	}
	for _, row := range rows {
		f := strings.Fields(row)
		if manager := f[0] == "node1"; f[1] != "Ready" || strings.Contains(f[2], "control-plane") != manager {
			t.Errorf("get nodes says %q", row)
		}
	}
	acrossNodes(t, r, s)
	s.applyText(s.manifest("deployment", "replicas: 2", "replicas: 3"))
	s.waitRunning("app=shop", 3)

	away := s.onNode("node3")
	if len(away) != 1 {
		t.Fatalf("on node3: %v", away)
	}
	contains(t, s.kubectl("logs", away[0]), "line 1")
	begin := time.Now()
	s.kubectl("delete", "pod", away[0], "--timeout=30s")
	s.waitRunning("app=shop", 3)
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("to replace a Pod of another node took %v", took)
	}

	s.kubectl("label", "node", "node2", "disk=ssd")
	if got := s.docker("node", "inspect", "-f", `{{index .Spec.Labels "disk"}}`, "node2"); got != "ssd" {
		t.Errorf("the label in Swarm is %q", got)
	}
	s.kubectl("drain", "node2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
	contains(t, s.kubectl("get", "node", "node2"), "Ready,SchedulingDisabled")
	s.waitRunning("app=shop", 3)
	if left := s.onNode("node2"); len(left) > 0 {
		t.Errorf("after the drain node2 still runs %v", left)
	}
	s.kubectl("uncordon", "node2")
	if got := s.docker("node", "inspect", "-f", "{{.Spec.Availability}}", "node2"); got != "active" {
		t.Errorf("after uncordon node2 is %s", got)
	}

	// An even spread again, then the plug.
	s.kubectl("rollout", "restart", "deployment/shop")
	s.kubectl("rollout", "status", "deployment/shop", "--timeout=120s")
	lost := s.onNode("node2")
	if len(lost) == 0 {
		t.Fatal("nothing runs on node2, so nothing can be lost")
	}
	if _, err := r.run(t.Context(), "kill", "2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, func() error {
		if row := s.kubectl("get", "node", "node2", "--no-headers"); !strings.Contains(row, "NotReady") {
			return fmt.Errorf("node2 is dead, and shown as %s", row)
		}
		return nil
	})
	eventually(t, 90*time.Second, func() error {
		ready := 0
		for _, row := range lines(s.kubectl("get", "pods", "-l", "app=shop", "--no-headers", "-o", "wide")) {
			f := strings.Fields(row)
			switch {
			case slices.Contains(lost, f[0]):
				if f[2] == "Running" {
					return fmt.Errorf("a Pod of the lost node is shown as %s", row)
				}
			case strings.HasPrefix(row, "shop-") && f[1] == "1/1" && f[2] == "Running":
				ready++
			}
		}
		if ready != 3 {
			return fmt.Errorf("%d of 3 Pods run elsewhere", ready)
		}
		return nil
	})
	if _, err := r.run(t.Context(), "start", "2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, func() error {
		if row := strings.Fields(s.kubectl("get", "node", "node2", "--no-headers")); row[1] != "Ready" {
			return fmt.Errorf("node2 is back, and shown as %v", row)
		}
		return nil
	})
	s.waitRunning("app=shop", 3)

	code, stderr := serveFails(t, r.host(3))
	oneSentence(t, code, stderr, "manager")
}
