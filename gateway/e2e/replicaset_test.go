package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReplicaSetWalk(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply("replicaset")
	names := s.waitRunning("app=trio", 3)
	for _, name := range names {
		if !regexp.MustCompile(`^trio-[a-z0-9]{5}$`).MatchString(name) {
			t.Errorf("a Pod of it is called %s", name)
		}
	}
	s.waitField(10*time.Second, "rs/trio", ".status.readyReplicas", "3")
	if row := strings.Fields(s.kubectl("get", "rs", "--no-headers")); strings.Join(row[:4], " ") != "trio 3 3 3" {
		t.Errorf("get rs says %v", row)
	}

	begin := time.Now()
	s.kubectl("delete", "pod", names[0], "--timeout=30s")
	var again []string
	eventually(t, 30*time.Second, func() error {
		again = s.podNames("app=trio")
		if len(again) != 3 || slices.Contains(again, names[0]) {
			return fmt.Errorf("Pods are %v", again)
		}
		return nil
	})
	if took := time.Since(begin); took > 5*time.Second && stage.control != "" {
		t.Errorf("the next Pod took %v; with the control socket it comes at once", took)
	}
	s.waitRunning("app=trio", 3)
	fresh := slices.DeleteFunc(again, func(n string) bool { return slices.Contains(names, n) })
	if len(fresh) != 1 {
		t.Fatalf("want one new Pod, have %v", fresh)
	}
	eventually(t, 10*time.Second, func() error {
		if out := s.kubectl("describe", "rs", "trio"); !strings.Contains(out, "Created pod: "+fresh[0]) {
			return fmt.Errorf("no event says that %s was created:\n%s", fresh[0], out)
		}
		return nil
	})

	s.kubectl("scale", "rs/trio", "--replicas=1")
	s.waitRunning("app=trio", 1)
	s.kubectl("delete", "rs", "trio", "--timeout=30s")
	eventually(t, 20*time.Second, func() error {
		if left := append(s.podNames("app=trio"), s.services()...); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
}
