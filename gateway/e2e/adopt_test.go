package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// stack deploys testdata/stacks/shop.yml under a name of the test's own, as a team would have done long before skep.
func stack(t *testing.T) *space {
	t.Helper()
	needStage(t)
	s := spaceOn(t, stage.gateway, stage.dockerHost, nameFor(t))
	t.Cleanup(func() {
		if t.Failed() {
			s.explain()
		}
		_, _ = s.try("delete", "namespace", s.ns, "--ignore-not-found", "--timeout=60s")
	})
	s.docker("stack", "deploy", "-c", filepath.Join(top, "testdata/stacks/shop.yml"), s.ns)
	s.waitField(60*time.Second, "deployment/web", ".status.readyReplicas", "2")
	return s
}

// desired is an event's spec.replicas.
func desired(e sighting) int64 {
	n, _, _ := unstructured.NestedInt64(e.object().Object, "spec", "replicas")
	return n
}

func TestAdoptStack(t *testing.T) {
	t.Parallel()
	s := stack(t)
	contains(t, s.kubectl("get", "namespaces"), s.ns)
	all := s.kubectl("get", "deploy,rs,pods")
	contains(t, all, "deployment.apps/web", "replicaset.apps/web-", "pod/web-", "cache-1")
	contains(t, s.kubectl("get", "deploy", "web", "-o", "yaml"), "image: skep-test:v1", "name: MODE", "value: production")

	// Law 2: what was read and is written back changes nothing.
	web, before := s.ns+"_web", s.running(s.ns+"_web")
	spec := s.docker("service", "inspect", "-f", "{{json .Spec.TaskTemplate}}{{json .Spec.EndpointSpec}}", web)
	for _, name := range strings.Fields(s.kubectl("get", "deploy", "-o", "name")) {
		for range 2 {
			s.kubectlIn(s.kubectl("get", name, "-o", "yaml"), "apply", "-f", "-")
			s.kubectlIn(s.kubectl("get", name, "-o", "json"), "replace", "-f", "-")
		}
	}
	s.kubectl("label", "deploy/web", "season=spring")
	s.kubectl("annotate", "deploy/web", "note=hello")
	if after := s.docker("service", "inspect", "-f", "{{json .Spec.TaskTemplate}}{{json .Spec.EndpointSpec}}", web); after != spec {
		t.Errorf("the Swarm spec was\n%s\nand is\n%s", spec, after)
	}
	time.Sleep(2 * time.Second) // a restart would have begun
	if after := s.running(web); !slices.Equal(before, after) {
		t.Errorf("tasks were %v, are %v", before, after)
	}
	if team := s.docker("service", "inspect", "-f", `{{index .Spec.Labels "team"}}`, web); team != "bees" {
		t.Errorf("the label that was there is %q", team)
	}

	// kubectl's verbs work on it.
	s.kubectl("scale", "deploy/web", "--replicas=3")
	s.waitField(30*time.Second, "deployment/web", ".status.readyReplicas", "3")
	s.kubectl("set", "image", "deploy/web", "*=skep-test:v2")
	s.kubectl("rollout", "status", "deploy/web", "--timeout=90s")
	contains(t, s.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", web), "skep-test:v2")
	before = s.running(web)
	s.kubectl("rollout", "restart", "deploy/web")
	s.kubectl("rollout", "status", "deploy/web", "--timeout=90s")
	for _, task := range s.running(web) {
		if slices.Contains(before, task) {
			t.Errorf("task %s was not restarted", task)
		}
	}
	// What Kubernetes has no word for stays as the team wrote it.
	contains(t, s.docker("service", "inspect", "-f", "{{json .Spec}}", web), `"Healthcheck"`, `"/etc/motd"`, `"start-first"`)
}

// What docker does is seen by an open watch within a second.
func TestAdoptWatch(t *testing.T) {
	t.Parallel()
	s := stack(t)
	seen := s.watch(deployments)
	within := func(what string, act func(), fits func(sighting) bool) {
		t.Helper()
		begin := time.Now()
		act()
		acted := time.Now()
		if at := seen.await(5*time.Second, what, fits); at.Sub(acted) > time.Second {
			t.Errorf("the watch heard of %s after %v", what, at.Sub(begin))
		}
	}
	web := s.ns + "_web"
	isWeb := func(e sighting) bool { return e.object().GetName() == "web" }
	within("docker service scale", func() { s.docker("service", "scale", "-d", web+"=4") },
		func(e sighting) bool { return isWeb(e) && e.Type == watch.Modified && desired(e) == 4 })
	within("docker service update", func() { s.docker("service", "update", "-d", "--label-add", "skepticism=none", web) },
		func(e sighting) bool { return isWeb(e) && e.Type == watch.Modified })
	within("docker service create", func() {
		s.docker("service", "create", "-d", "--name", s.ns+"_late", "--label", "com.docker.stack.namespace="+s.ns,
			"--container-label", "com.docker.stack.namespace="+s.ns, "--replicas", "0", "busybox:latest")
	}, func(e sighting) bool { return e.object().GetName() == "late" && e.Type == watch.Added })
	within("docker service rm", func() { s.docker("service", "rm", web) },
		func(e sighting) bool { return isWeb(e) && e.Type == watch.Deleted })
	contains(t, s.refused("", "get", "deploy", "web"), "not found")
}

// A service without a stack is in the namespace default; a global one is never a Deployment.
func TestAdoptService(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := spaceOn(t, stage.gateway, stage.dockerHost, "default")
	name := "lone-" + fmt.Sprint(time.Now().UnixMilli()%100000)
	t.Cleanup(func() {
		for _, n := range []string{name, name + "-global"} {
			_, _ = run(context.Background(), "", "docker", "-H", s.dockerHost, "service", "rm", n)
		}
	})
	s.docker("service", "create", "-d", "--name", name, "nginx:alpine")
	s.docker("service", "create", "-d", "--name", name+"-global", "--mode", "global", "nginx:alpine")
	s.waitField(40*time.Second, "deployment/"+name, ".status.readyReplicas", "1")
	contains(t, s.kubectl("get", "pods"), name+"-")
	if out, err := s.try("get", "deployment", name+"-global"); err == nil {
		t.Errorf("a global service is shown as a Deployment:\n%s", out)
	}
	before := s.running(name)
	s.kubectl("label", "deployment", name, "found=yes")
	time.Sleep(time.Second)
	if after := s.running(name); !slices.Equal(before, after) {
		t.Errorf("a label restarted its task: %v, %v", before, after)
	}
	s.kubectl("delete", "deployment", name, "--timeout=30s")
	if out := s.docker("service", "ls", "-q", "--filter", "name="+name, "--filter", "mode=replicated"); out != "" {
		t.Errorf("Swarm still has it: %s", out)
	}
}
