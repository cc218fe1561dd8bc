package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDaemonSetWalk(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	nodes := len(strings.Fields(s.docker("node", "ls", "-q")))
	s.apply("daemonset")
	s.kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
	pods := s.waitRunning("app=agent", nodes)
	service := s.ns + "_agent"
	if got := s.services(); !slices.Equal(got, []string{service}) {
		t.Errorf("Swarm has services %v", got)
	}
	if got := s.docker("service", "inspect", "-f", "{{if .Spec.Mode.Global}}global{{end}} {{.Spec.UpdateConfig.Parallelism}} {{.Spec.UpdateConfig.Order}}", service); got != "global 1 stop-first" {
		t.Errorf("the service is %s", got)
	}
	for _, pod := range pods {
		if owner := s.field("pod/"+pod, ".metadata.ownerReferences[0].kind"); owner != "DaemonSet" || !strings.HasPrefix(pod, "agent-") {
			t.Errorf("Pod %s is of a %q", pod, owner)
		}
	}
	if got := s.field("daemonset/agent", ".status.numberAvailable"); got != fmt.Sprint(nodes) {
		t.Errorf("%s of %d are available", got, nodes)
	}

	// What is not about the template restarts nothing.
	before := s.running(service)
	s.kubectl("annotate", "daemonset/agent", "note=hello")
	s.kubectlIn(s.kubectl("get", "daemonset", "agent", "-o", "yaml"), "apply", "-f", "-")
	if after := s.running(service); !slices.Equal(before, after) {
		t.Errorf("the tasks were %v and are %v", before, after)
	}

	s.kubectl("set", "env", "daemonset/agent", "MODE=test")
	s.kubectl("rollout", "status", "daemonset/agent", "--timeout=90s")
	contains(t, s.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Env}}", service), "MODE=test")
	updated := s.waitRunning("app=agent", nodes)
	if slices.Equal(updated, pods) {
		t.Errorf("the roll-out left the Pods %v", pods)
	}
	contains(t, s.kubectl("rollout", "history", "daemonset/agent"), "1 ", "2 ")
	s.kubectl("rollout", "undo", "daemonset/agent")
	s.kubectl("rollout", "status", "daemonset/agent", "--timeout=90s")
	if env := s.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Env}}", service); strings.Contains(env, "MODE") {
		t.Errorf("after the undo the service has %s", env)
	}
	undone := s.waitRunning("app=agent", nodes)
	s.kubectl("rollout", "restart", "daemonset/agent")
	s.kubectl("rollout", "status", "daemonset/agent", "--timeout=90s")
	if restarted := s.waitRunning("app=agent", nodes); slices.Equal(restarted, undone) {
		t.Errorf("the restart left the Pods %v", undone)
	}
	contains(t, s.kubectl("describe", "daemonset", "agent"), "Pods Status:", "skep-test:v1")

	s.kubectl("delete", "daemonset", "agent", "--cascade=foreground", "--timeout=30s")
	eventually(t, 20*time.Second, func() error { return s.empty() })
}

// A global service that docker made is a DaemonSet that kubectl changes.
func TestDaemonSetOfDocker(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	service := s.ns + "_watcher"
	s.docker("service", "create", "-d", "--name", service, "--label", "com.docker.stack.namespace="+s.ns, "--mode", "global",
		"--update-delay", "1s", "--log-driver", "json-file", "skep-test:v1", "--port", "8080")
	s.waitField(60*time.Second, "daemonset/watcher", ".status.numberReady", fmt.Sprint(len(strings.Fields(s.docker("node", "ls", "-q")))))
	before, tasks := s.docker("service", "inspect", "-f", "{{json .Spec.TaskTemplate}}", service), s.running(service)
	s.kubectlIn(s.kubectl("get", "daemonset", "watcher", "-o", "yaml"), "apply", "-f", "-")
	if after := s.docker("service", "inspect", "-f", "{{json .Spec.TaskTemplate}}", service); after != before {
		t.Errorf("applied as it was, the task is\n%s\nand was\n%s", after, before)
	}
	s.kubectl("patch", "daemonset", "watcher", "-p", `{"spec":{"minReadySeconds":2}}`)
	if got := s.docker("service", "inspect", "-f", "{{.Spec.UpdateConfig.Delay}}", service); got != "2s" {
		t.Errorf("the delay is %s", got)
	}
	if after := s.running(service); !slices.Equal(tasks, after) {
		t.Errorf("the tasks were %v and are %v", tasks, after)
	}
	s.kubectl("set", "env", "daemonset/watcher", "MODE=test")
	s.kubectl("rollout", "status", "daemonset/watcher", "--timeout=90s")
	contains(t, s.docker("service", "inspect", "-f", "{{json .Spec.TaskTemplate}}", service), "MODE=test", "json-file")
	s.kubectl("delete", "daemonset", "watcher", "--timeout=30s")
	eventually(t, 20*time.Second, func() error { return s.empty() })
}
