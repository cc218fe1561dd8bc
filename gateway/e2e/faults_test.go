package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// pairs is a Deployment of Pods of two containers.
func pairs(replicas int) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: pair}
spec:
  replicas: %d
  selector: {matchLabels: {app: pair}}
  template:
    metadata: {labels: {app: pair}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - {name: one, image: busybox, imagePullPolicy: IfNotPresent, command: [sh, -c, "echo one is here; sleep 3600"]}
      - {name: two, image: "skep-test:v1", args: ["--port", "8080"], ports: [{containerPort: 8080}]}
---
`, replicas)
}

// waitPairs waits until so many Pods of that Deployment are ready, and returns their names.
func (s *space) waitPairs(n int) []string {
	s.t.Helper()
	var names []string
	eventually(s.t, waitLong, func() error {
		out, err := s.try("get", "pods", "-l", "app=pair", "--no-headers")
		if err != nil {
			return err
		}
		names = names[:0]
		for _, row := range lines(out) {
			if f := strings.Fields(row); len(f) > 2 && f[1] == "2/2" && f[2] == "Running" {
				names = append(names, f[0])
			}
		}
		if len(names) != n {
			return fmt.Errorf("want %d Pods 2/2, have:\n%s", n, out)
		}
		return nil
	})
	slices.Sort(names)
	return names
}

// sandboxOf is the ID of the container that a Pod's task is.
func (s *space) sandboxOf(pod string) string {
	s.t.Helper()
	task := s.field("pod/"+pod, `.metadata.annotations.skep/task`)
	return s.docker("inspect", "--type", "task", "-f", "{{.Status.ContainerStatus.ContainerID}}", task)
}

// The sandbox is killed so that it can take nothing along: its containers go all the same, and another Pod comes.
func TestSandboxKilled(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(pairs(2))
	before := s.waitPairs(2)
	s.docker("kill", "-s", "KILL", s.sandboxOf(before[0]))
	s.noOrphans(s.dockerHost)
	eventually(t, waitLong, func() error {
		if after := s.waitPairs(2); slices.Contains(after, before[0]) {
			return fmt.Errorf("the Pods are %v, the killed one among them", after)
		}
		return nil
	})
	if after := s.waitPairs(2); !slices.Contains(after, before[1]) {
		t.Errorf("the Pods were %v, are %v: the other one was not to be touched", before, after)
	}
	s.noOrphans(s.dockerHost)
	found, err := siblings(t.Context(), s.dockerHost, s.ns)
	found = slices.DeleteFunc(found, func(container string) bool { return !strings.HasSuffix(container, " running") })
	if err != nil || len(found) != 4 {
		t.Errorf("of two Pods of two containers these run: %q, %v", found, err)
	}
	s.kubectl("delete", "deployment", "pair", "--timeout=120s")
	s.nothingLeft()
}

// A gateway that is killed and comes back finds all as it was, and never says anything else meanwhile.
func TestGatewayKilledBesideSandboxes(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(pairs(2))
	before := s.waitPairs(2)
	g := another(t)
	second := s.through(g)
	second.waitPairs(2)
	statuses := func(s *space) string {
		return s.kubectl("get", "pods", "-l", "app=pair", "-o", `jsonpath={range .items[*]}{.metadata.uid} {.status.phase} {.status.podIP} {.status.containerStatuses[*].containerID} {.status.containerStatuses[*].ready} {.status.conditions[*].status}{"\n"}{end}`)
	}
	want := statuses(second)
	first := s.watch(pods)
	g.kill()
	if err := g.launch(); err != nil {
		t.Fatal(err)
	}
	again := second.watch(pods)
	if got := statuses(second); got != want {
		t.Errorf("the Pods were\n%s, and of the gateway that was killed are\n%s", want, got)
	}
	second.waitPairs(2)
	if after := second.waitPairs(2); !slices.Equal(before, after) {
		t.Errorf("the Pods were %v, are %v", before, after)
	}
	for gateway, seen := range map[string]*sightings{"other": first, "killed": again} {
		if e := seen.unready(); e != nil {
			t.Errorf("the watch of the %s gateway says of a Pod that never ceased to be ready: %v", gateway, e)
		}
	}
}

// unready is the first event of a watch on Pods that says that one is not.
func (w *sightings) unready() *unstructured.Unstructured {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		object := e.object()
		if object == nil || e.Type == watch.Bookmark {
			continue
		}
		conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
		ready := slices.ContainsFunc(conditions, func(c any) bool {
			condition, _ := c.(map[string]any)
			return condition["type"] == "Ready" && condition["status"] == "True"
		})
		if !ready || e.Type == watch.Deleted {
			return object
		}
	}
	return nil
}
