package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const shopImage = ".spec.template.spec.containers[0].image"

func TestRollout(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	service := s.ns + "_shop"
	status := func() {
		t.Helper()
		contains(t, s.kubectl("rollout", "status", "deployment/shop", "--timeout=90s"), "successfully rolled out")
	}
	image := func(want string) {
		t.Helper()
		if got := s.field("deployment/shop", shopImage); got != want {
			t.Errorf("the image is %s, want %s", got, want)
		}
		if got := s.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", service); !strings.HasPrefix(got, want) {
			t.Errorf("Swarm runs %s, want %s", got, want)
		}
	}

	s.apply("deployment")
	status()
	s.kubectl("set", "image", "deployment/shop", "web=skep-test:v2")
	status()
	image("skep-test:v2")
	if running := s.waitRunning("app=shop", 2); !simulated {
		contains(t, s.inContainer(running[0], "env"), "VERSION=v2")
	}
	s.revisions("shop", "1", "2")
	if sets := strings.Fields(s.kubectl("get", "rs", "-o", "name")); len(sets) != 2 {
		t.Errorf("want the current and the past ReplicaSet, have %v", sets)
	}
	contains(t, s.kubectl("rollout", "history", "deployment/shop", "--revision=1"), "skep-test:v1")

	s.kubectl("rollout", "undo", "deployment/shop")
	status()
	image("skep-test:v1")
	s.revisions("shop", "2", "3")
	s.kubectl("rollout", "undo", "deployment/shop", "--to-revision=2")
	status()
	image("skep-test:v2")
	s.revisions("shop", "3", "4")

	before := s.running(service)
	s.kubectl("rollout", "restart", "deployment/shop")
	status()
	if after := s.running(service); slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) }) {
		t.Errorf("restart left tasks as they were: %v, %v", before, after)
	}

	s.kubectl("rollout", "pause", "deployment/shop")
	before = s.running(service)
	s.kubectl("set", "image", "deployment/shop", "web=skep-test:v3")
	time.Sleep(2 * time.Second) // a roll-out that should not be would have begun
	if after := s.running(service); !slices.Equal(before, after) {
		t.Errorf("a paused Deployment rolled: %v, %v", before, after)
	}
	if got := s.field("deployment/shop", shopImage); got != "skep-test:v3" {
		t.Errorf("a paused Deployment forgot its new image: %s", got)
	}
	s.kubectl("rollout", "resume", "deployment/shop")
	status()
	image("skep-test:v3")
}

// revisions fails the test unless the Deployment's history is exactly these.
func (s *space) revisions(name string, want ...string) {
	s.t.Helper()
	out := s.kubectl("rollout", "history", "deployment/"+name)
	var got []string
	for _, line := range strings.Split(out, "\n") {
		if f := strings.Fields(line); len(f) > 0 && f[0][0] >= '0' && f[0][0] <= '9' {
			got = append(got, f[0])
		}
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("revisions are %v, want %v:\n%s", got, want, out)
	}
}

// A rollout to an image that does not exist never hurts what runs, and says that it failed.
func TestRolloutMissingImage(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(s.manifest("deployment", "progressDeadlineSeconds: 30", "progressDeadlineSeconds: 10"))
	s.waitRunning("app=shop", 2)
	before := s.running(s.ns + "_shop")

	s.kubectl("set", "image", "deployment/shop", "web=skep-test:nowhere")
	contains(t, s.refused("", "rollout", "status", "deployment/shop", "--timeout=3s"), "timed out")
	contains(t, s.refused("", "rollout", "status", "deployment/shop", "--timeout=40s"), "exceeded its progress deadline")
	s.waitField(5*time.Second, "deployment/shop", `.status.conditions[?(@.type=="Progressing")].reason`, "ProgressDeadlineExceeded")
	contains(t, s.kubectl("get", "pods", "-l", "app=shop"), "Ima") // ErrImagePull or ImagePullBackOff
	for _, task := range before {
		if state := s.docker("inspect", "--type", "task", "-f", "{{.Status.State}}", task); state != "running" {
			t.Errorf("the rollout has hurt task %s, which is %s", task, state)
		}
	}
	s.kubectl("wait", "--for=condition=Available", "deployment/shop", "--timeout=5s")

	s.kubectl("rollout", "undo", "deployment/shop")
	s.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	s.waitRunning("app=shop", 2)
}

// No node fits: Pods wait and say why, and the Deployment is not available.
func TestRolloutNoNode(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(s.manifest("deployment",
		"terminationGracePeriodSeconds: 2", "terminationGracePeriodSeconds: 2\n      nodeSelector: {disk: nowhere}",
		"progressDeadlineSeconds: 30", "progressDeadlineSeconds: 5"))
	eventually(t, 20*time.Second, func() error {
		pods := s.podNames("app=shop")
		if len(pods) != 2 {
			return fmt.Errorf("Pods are %v", pods)
		}
		if out := s.kubectl("describe", "pod", pods[0]); !strings.Contains(out, "Pending") || !strings.Contains(out, "no suitable node") {
			return fmt.Errorf("describe does not say why:\n%s", out)
		}
		return nil
	})
	contains(t, s.refused("", "wait", "--for=condition=Available", "deployment/shop", "--timeout=2s"), "timed out")
	contains(t, s.refused("", "rollout", "status", "deployment/shop", "--timeout=30s"), "exceeded its progress deadline")

	s.kubectl("patch", "deployment", "shop", "--type=json", "-p", `[{"op":"remove","path":"/spec/template/spec/nodeSelector"}]`)
	s.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
}

func TestRolloutRecreate(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(s.manifest("deployment", `type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0`, "type: Recreate"))
	s.waitRunning("app=shop", 2)
	s.kubectl("set", "image", "deployment/shop", "web=skep-test:v2")
	s.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	contains(t, s.inContainer(s.waitRunning("app=shop", 2)[0], "env"), "VERSION=v2")
}
