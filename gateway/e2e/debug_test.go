package e2e

import (
	"strings"
	"testing"
)

// kubectl debug: a container beside one that runs, in a Pod of each kind.
func TestDebug(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.servers()
	for _, workload := range []string{"plain", "pair", "foreign"} {
		pod := s.podOf(workload)
		restarts := s.field("pod/"+pod, ".status.containerStatuses[*].restartCount")
		got := s.calls(nil, strings.NewReader("bees\n"), "debug", pod, "-i", "--quiet", "--image=busybox", "--image-pull-policy=IfNotPresent",
			"--container=helper", "--profile=general", "--", "sh", "-c", "read x; echo hello $x; wget -qO- http://localhost:8080/echo; echo")
		if got.code != 0 || !strings.Contains(got.stdout, "hello bees") || !strings.Contains(got.stdout, `"path":"/echo"`) {
			t.Errorf("debug beside %s says %+v", workload, got)
		}
		s.waitContainer(pod, "helper", ".state.terminated.exitCode", "0")
		contains(t, s.kubectl("describe", "pod", pod), "Ephemeral Containers:", "helper:")
		contains(t, s.kubectl("logs", pod, "-c", "helper"), "hello bees")

		// In the process namespace of a container.
		got = s.calls(nil, strings.NewReader(""), "debug", pod, "-i", "--quiet", "--image=busybox", "--image-pull-policy=IfNotPresent",
			"--container=looker", "--target=main", "--profile=general", "--", "sh", "-c", "sleep 1; cat /proc/*/cmdline | tr '\\000' ' '")
		if workload == "foreign" { // its container is named after the service
			if got.code == 0 {
				t.Errorf("a target that is not there: %+v", got)
			}
		} else if got.code != 0 || !strings.Contains(got.stdout, "skep-test") {
			t.Errorf("debug --target beside %s says %+v", workload, got)
		}
		if after := s.field("pod/"+pod, ".status.containerStatuses[*].restartCount"); after != restarts {
			t.Errorf("to debug %s restarted it: %s, was %s", workload, after, restarts)
		}
	}
	s.kubectl("delete", "deployment", "--all", "--timeout=120s")
	s.nothingLeft()
}

// kubectl debug of a node: a Pod with the node's root at /host, and its processes.
func TestDebugNode(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	node := s.kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	got := s.calls(nil, strings.NewReader("bees\n"), "debug", "node/"+node, "-i", "--quiet", "--image=busybox", "--image-pull-policy=IfNotPresent",
		"--profile=general", "--", "sh", "-c", "read x; echo hello $x; ls /host; cat /proc/1/comm")
	if got.code != 0 || !strings.Contains(got.stdout, "hello bees") || !strings.Contains(got.stdout, "etc\n") {
		t.Errorf("debug node says %+v", got)
	}
	s.kubectl("delete", "pod", "--all", "--timeout=120s")
	s.nothingLeft()
}
