package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"skep/translate/manifest"
)

// waitLong is how long something may take that takes many steps, on a machine that has much else to do.
const waitLong = 150 * time.Second

// sandboxed is a Pod with a grace period of 2 s and a label app: NAME; spec is YAML, two spaces in.
func sandboxed(name, restartPolicy, spec string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[1]s}}
spec:
  restartPolicy: %[2]s
  terminationGracePeriodSeconds: 2
%[3]s---
`, name, restartPolicy, spec)
}

// ready waits until Pods are.
func (s *space) ready(pods ...string) {
	s.t.Helper()
	for _, pod := range pods {
		s.kubectl("wait", "--for=condition=Ready", "pod/"+pod, "--timeout="+waitLong.String())
	}
}

// row is what get pods says of one, in four columns.
func (s *space) row(pod string) string {
	f := strings.Fields(s.kubectl("get", "pod", pod, "--no-headers"))
	return strings.Join(f[:min(4, len(f))], " ")
}

// waitRow waits until get pods shows these columns after a Pod's name: READY, STATUS, RESTARTS.
func (s *space) waitRow(pod, want string) {
	s.t.Helper()
	eventually(s.t, waitLong, func() error {
		if got := s.row(pod); got != pod+" "+want {
			return fmt.Errorf("get pods says %q, want %q", got, want)
		}
		return nil
	})
}

// container reads a jsonpath of the status of one of a Pod's containers, whatever list it stands in.
func (s *space) container(pod, name, path string) string {
	return s.field("pod/"+pod, fmt.Sprintf(".status['containerStatuses','initContainerStatuses','ephemeralContainerStatuses'][?(@.name==%q)]%s", name, path))
}

// waitContainer waits until that is what is wanted.
func (s *space) waitContainer(pod, name, path, want string) {
	s.t.Helper()
	eventually(s.t, waitLong, func() error {
		if got := s.container(pod, name, path); got != want {
			return fmt.Errorf("%s of container %s of Pod %s is %q, want %q", path, name, pod, got, want)
		}
		return nil
	})
}

// restarted waits until a container was, so often or more.
func (s *space) restarted(pod, name string, times int) {
	s.t.Helper()
	eventually(s.t, waitLong, func() error {
		var n int
		got := s.container(pod, name, ".restartCount")
		if _, err := fmt.Sscan(got, &n); err != nil || n < times {
			return fmt.Errorf("container %s of Pod %s was restarted %q times, want %d", name, pod, got, times)
		}
		return nil
	})
}

// sh runs a line of shell in a Pod's container by kubectl, and returns what it prints.
func (s *space) sh(pod, container, line string) string {
	s.t.Helper()
	return strings.TrimSpace(s.kubectl("exec", pod, "-c", container, "--", "sh", "-c", line))
}

// waitSh waits until a line of shell prints what is wanted.
func (s *space) waitSh(pod, container, line, want string) {
	s.t.Helper()
	eventually(s.t, waitLong, func() error {
		out, err := s.try("exec", pod, "-c", container, "--", "sh", "-c", line)
		if out = strings.TrimSpace(out); err != nil || out != want {
			return errors.Join(fmt.Errorf("in %s of %s, %q prints %q, want %q", container, pod, line, out, want), err)
		}
		return nil
	})
}

// waitLogs waits until a Pod's log holds words.
func (s *space) waitLogs(want []string, args ...string) string {
	s.t.Helper()
	var out string
	eventually(s.t, waitLong, func() (err error) {
		out, err = s.try(append([]string{"logs"}, args...)...)
		for _, word := range want {
			if err == nil && !strings.Contains(out, word) {
				err = fmt.Errorf("logs %v: no %q in:\n%s", args, word, out)
			}
		}
		return err
	})
	return out
}

// siblings are the containers on a node that sandboxes of a namespace started, as "container state".
func siblings(ctx context.Context, host, ns string) ([]string, error) {
	out, err := run(ctx, "", "docker", "-H", host, "ps", "-a", "--filter", "label="+manifest.LabelSandbox,
		"--filter", "label="+manifest.LabelPodNamespace+"="+ns,
		"--format", `{{.Label "`+manifest.LabelContainer+`"}} {{.State}}`)
	found := strings.FieldsFunc(out, func(r rune) bool { return r == '\n' })
	slices.Sort(found)
	return found, err
}

// orphans are containers that run though their sandbox does not, and those whose sandbox is not there any more. What has
// ended is kept for its log as long as the sandbox's own container, which Swarm keeps for its history.
func orphans(ctx context.Context, host, ns string) ([]string, error) {
	out, err := run(ctx, "", "docker", "-H", host, "ps", "-a", "--no-trunc", "--filter", "label="+manifest.LabelSandbox,
		"--filter", "label="+manifest.LabelPodNamespace+"="+ns,
		"--format", `{{.Label "`+manifest.LabelSandbox+`"}} {{.Label "`+manifest.LabelContainer+`"}} {{.State}}`)
	if err != nil {
		return nil, err
	}
	up, err := run(ctx, "", "docker", "-H", host, "ps", "-q", "--no-trunc")
	if err != nil {
		return nil, err
	}
	there, err := run(ctx, "", "docker", "-H", host, "ps", "-aq", "--no-trunc")
	if err != nil {
		return nil, err
	}
	var left []string
	for _, line := range strings.FieldsFunc(out, func(r rune) bool { return r == '\n' }) {
		sandbox, _, _ := strings.Cut(line, " ")
		ended := strings.HasSuffix(line, " exited") && strings.Contains(there, sandbox)
		if !ended && !strings.Contains(up, sandbox) {
			left = append(left, line)
		}
	}
	return left, nil
}

// noOrphans waits until a node has none.
func (s *space) noOrphans(host string) {
	s.t.Helper()
	eventually(s.t, waitLong, func() error {
		left, err := orphans(s.t.Context(), host, s.ns)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%d containers of sandboxes that are gone: %q", len(left), left)
		}
		return err
	})
}

// nothingLeft fails the test unless the namespace has no container any more: no task's, no sibling's.
func (s *space) nothingLeft() {
	s.t.Helper()
	eventually(s.t, waitLong, func() error {
		left, err := siblings(s.t.Context(), s.dockerHost, s.ns)
		if err != nil {
			return err
		}
		out, err := run(s.t.Context(), "", "docker", "-H", s.dockerHost, "ps", "-aq", "--filter", "label=com.docker.stack.namespace="+s.ns)
		if left = append(left, strings.Fields(out)...); err == nil && len(left) > 0 {
			err = fmt.Errorf("containers are left: %q", left)
		}
		return err
	})
}

// Several containers are ready together, and go together. All this is Swarm's and skep's own, so it is walked on the
// simulated Swarm as well.
func TestSeveralContainers(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(sandboxed("pair", "Always", `
  initContainers:
  - {name: first, image: busybox, imagePullPolicy: IfNotPresent, command: ["true"]}
  - {name: beside, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "3600"], restartPolicy: Always}
  containers:
  - {name: one, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "3600"]}
  - {name: two, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "3600"]}
`))
	s.ready("pair")
	s.waitRow("pair", "3/3 Running 0")
	for _, name := range []string{"beside", "one", "two"} {
		if s.container("pair", name, ".state.running.startedAt") == "" || s.container("pair", name, ".started") != "true" {
			t.Errorf("container %s does not run", name)
		}
	}
	if got := s.container("pair", "first", ".state.terminated.reason"); got != "Completed" {
		t.Errorf("the init container has ended as %q", got)
	}
	if got := s.services(); len(got) != 1 {
		t.Errorf("the Pod is the services %v, want one", got)
	}
	contains(t, s.kubectl("describe", "pod", "pair"), "Init Containers:", "first:", "beside:", "one:", "two:", "Initialized")
	contains(t, s.kubectl("get", "pod", "pair", "-o", "yaml"), "name: one", "name: two", "qosClass: BestEffort")
	s.kubectl("delete", "pod", "pair", "--timeout=90s")
	if left := s.services(); len(left) > 0 {
		t.Errorf("Swarm still has %v", left)
	}
	s.nothingLeft()
}

// A Deployment goes from a plain task to a sandbox and back by ordinary rolling updates.
func TestSidecarRollout(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const plain = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - {name: main, image: "skep-test:v1", args: ["--port", "8080"]}
`
	const sidecar = `      - {name: side, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "3600"]}
`
	rows := func(want string) {
		t.Helper()
		s.kubectl("rollout", "status", "deployment/web", "--timeout="+waitLong.String())
		eventually(t, waitLong, func() error {
			out := s.kubectl("get", "pods", "-l", "app=web", "--no-headers")
			good := 0
			for _, line := range lines(out) {
				if f := strings.Fields(line); len(f) > 2 && f[1] == want && f[2] == "Running" {
					good++
				}
			}
			if good != 2 || len(lines(out)) != 2 {
				return fmt.Errorf("want two Pods %s, have:\n%s", want, out)
			}
			return nil
		})
		if got := s.field("deployment/web", ".status.readyReplicas"); got != "2" {
			t.Errorf("%s replicas are ready", got)
		}
	}
	s.applyText(plain)
	rows("1/1")
	command := func() string {
		return s.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Command}}", s.ns+"_web")
	}
	if got := command(); got != "[]" {
		t.Errorf("a Pod of one container runs %s", got)
	}
	s.applyText(plain + sidecar)
	rows("2/2")
	if got := command(); !strings.Contains(got, manifest.Command) {
		t.Errorf("a Pod of two containers runs %s", got)
	}
	s.applyText(plain)
	rows("1/1")
	s.kubectl("rollout", "undo", "deployment/web")
	rows("2/2")
	contains(t, s.kubectl("get", "deployment", "web", "-o", "wide"), "main,side", "skep-test:v1,busybox")
	s.kubectl("set", "image", "deployment/web", "main=skep-test:v2")
	rows("2/2")
	if n := len(lines(s.kubectl("rollout", "history", "deployment/web"))); n < 4 {
		t.Errorf("the history has %d lines", n)
	}
	s.kubectl("delete", "deployment", "web", "--timeout=90s")
	s.nothingLeft()
}

// The issue's own: a sidecar reads what the main container writes, and serves it on localhost.
func TestSidecar(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(sandboxed("tailing", "Always", `
  volumes: [{name: work, emptyDir: {}}]
  containers:
  - name: main
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'n=0; while sleep 1; do n=$((n+1)); echo "entry $n" | tee -a /work/log; done']
    volumeMounts: [{name: work, mountPath: /work}]
  - name: tailer
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'mkdir /www; httpd -p 127.0.0.1:8081 -h /www; touch /work/log; tail -n +1 -f /work/log | tee /www/log']
    volumeMounts: [{name: work, mountPath: /work}]
`))
	s.ready("tailing")
	s.waitRow("tailing", "2/2 Running 0")
	eventually(t, waitLong, func() error {
		out, err := s.try("exec", "tailing", "-c", "main", "--", "wget", "-qO-", "http://localhost:8081/log")
		if err == nil && !strings.Contains(out, "entry 2") {
			err = fmt.Errorf("the sidecar serves %q", out)
		}
		return err
	})
	ip := s.field("pod/tailing", ".status.podIP")
	for _, name := range []string{"main", "tailer"} {
		if got := s.sh("tailing", name, "hostname; hostname -i"); !strings.HasPrefix(got, "tailing\n") || !strings.Contains(got, ip) {
			t.Errorf("container %s is %q, want tailing at %s", name, got, ip)
		}
	}
	// What Docker says: one task, whose container is the sandbox, and two beside it in its network.
	sandbox := s.sandboxOf("tailing")
	if found, err := siblings(t.Context(), s.dockerHost, s.ns); err != nil || !slices.Equal(found, []string{"main running", "tailer running"}) {
		t.Errorf("beside the sandbox are %q, %v", found, err)
	}
	for _, name := range []string{"main", "tailer"} {
		id := strings.TrimPrefix(s.container("tailing", name, ".containerID"), "docker://")
		if got := s.docker("inspect", "-f", "{{.HostConfig.NetworkMode}} {{.State.Running}}", id); got != "container:"+sandbox+" true" {
			t.Errorf("container %s is %q, the sandbox %s", name, got, sandbox)
		}
		if got := s.docker("inspect", "-f", "{{range .Mounts}}{{.Destination}} {{end}}", id); strings.Contains(got, "docker.sock") {
			t.Errorf("container %s sees Docker's socket: %s", name, got)
		}
	}
	// Logs: of each, of all, and of the one before.
	s.waitLogs([]string{"entry 1\n"}, "tailing", "-c", "main")
	s.waitLogs([]string{"entry 1\n"}, "tailing", "-c", "tailer", "--limit-bytes=100")
	s.waitLogs([]string{"[pod/tailing/main] entry 1", "[pod/tailing/tailer] entry 1"}, "tailing", "--all-containers", "--prefix")
	if got := lines(s.kubectl("logs", "tailing", "-c", "main", "--tail=2")); len(got) != 2 || !strings.HasPrefix(got[0], "entry ") {
		t.Errorf("--tail=2 gives %q", got)
	}
	contains(t, s.refused("", "logs", "tailing", "-c", "main", "--previous"), `previous terminated container "main" in pod "tailing" not found`)
	s.docker("kill", strings.TrimPrefix(s.container("tailing", "main", ".containerID"), "docker://"))
	s.restarted("tailing", "main", 1)
	s.waitLogs([]string{"entry 1\n"}, "tailing", "-c", "main", "--previous")
	s.waitRow("tailing", "2/2 Running 1")
	if got := s.field("pod/tailing", ".status.podIP"); got != ip {
		t.Errorf("with a container's restart the Pod went from %s to %s", ip, got)
	}
	s.kubectl("delete", "pod", "tailing", "--timeout=90s")
	s.nothingLeft()
}

func TestInitContainers(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	step := func(name, line string) string {
		return fmt.Sprintf("  - {name: %s, image: busybox, imagePullPolicy: IfNotPresent, command: [sh, -c, %q], volumeMounts: [{name: work, mountPath: /work}]}\n", name, line)
	}
	const volume = "  volumes: [{name: work, emptyDir: {}}]\n"
	serve := "  containers:\n" + step("main", "echo main >>/work/steps; sleep 3600")
	s.applyText(sandboxed("ordered", "Always", volume+"  initContainers:\n"+
		step("one", "sleep 1; echo one >>/work/steps")+
		strings.Replace(step("helper", "echo helper >>/work/steps; trap 'exit 0' TERM; while sleep 1; do :; done"), "name: helper,", "name: helper, restartPolicy: Always,", 1)+
		step("two", "sleep 1; echo two >>/work/steps")+serve))
	s.applyText(sandboxed("stuck", "Always", volume+"  initContainers:\n"+step("one", "echo no; exit 3")+serve))
	s.applyText(sandboxed("failed", "Never", volume+"  initContainers:\n"+step("one", "echo no; exit 4")+step("two", "true")+serve))

	s.ready("ordered")
	s.waitSh("ordered", "main", "tr '\\n' ' ' </work/steps", "one helper two main")
	s.waitRow("ordered", "2/2 Running 0")
	for _, name := range []string{"one", "two"} {
		if got := s.container("ordered", name, ".state.terminated.reason") + s.container("ordered", name, ".ready"); got != "Completedtrue" {
			t.Errorf("init container %s is %s", name, got)
		}
	}
	if got := s.field("pod/ordered", `.status.conditions[?(@.type=="Initialized")].status`); got != "True" {
		t.Errorf("Initialized is %q", got)
	}

	s.waitField(waitLong, "pod/failed", ".status.phase", "Failed")
	s.waitRow("failed", "0/1 Init:Error 0")
	contains(t, s.kubectl("logs", "failed", "-c", "one"), "no")
	if got := s.container("failed", "one", ".state.terminated.exitCode"); got != "4" {
		t.Errorf("the init container ended with %q", got)
	}
	if got := s.container("failed", "main", ".state.waiting.reason"); got != "PodInitializing" {
		t.Errorf("the main container waits for %q", got)
	}
	contains(t, s.refused("", "logs", "failed", "-c", "main"), `container "main" in pod "failed" is waiting to start: PodInitializing`)

	s.restarted("stuck", "one", 1)
	eventually(t, waitLong, func() error {
		if row := s.row("stuck"); !strings.Contains(row, "0/1 Init:CrashLoopBackOff") {
			return fmt.Errorf("a Pod whose init container fails is %q", row)
		}
		return nil
	})
	s.event("Pod/stuck", "Warning BackOff", "Back-off restarting failed container one in pod stuck_"+s.ns)
	if got := s.field("pod/stuck", ".status.phase"); got != "Pending" {
		t.Errorf("its phase is %q", got)
	}
}
