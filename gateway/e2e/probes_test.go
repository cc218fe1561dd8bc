package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// shell is a container of a Pod, in YAML, that runs a line of shell; more is YAML of its own lines, six spaces in.
func shell(name, line string, more ...string) string {
	return fmt.Sprintf("  - name: %s\n    image: busybox\n    imagePullPolicy: IfNotPresent\n    command: [sh, -c, %q]\n", name, line) +
		strings.Join(more, "")
}

// The liveness probes of Kubernetes' documentation: what works at first and fails later is restarted.
func TestLiveness(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(sandboxed("by-exec", "Always", "  containers:\n"+
		shell("liveness", "touch /tmp/healthy; sleep 5; rm -f /tmp/healthy; sleep 3600", `
    livenessProbe:
      exec: {command: [cat, /tmp/healthy]}
      initialDelaySeconds: 1
      periodSeconds: 1
      failureThreshold: 2
`)+shell("other", "sleep 3600")))
	s.applyText(sandboxed("by-http", "Always", `
  containers:
  - name: liveness
    image: skep-test:v1
    args: ["--port", "8080", "--ready-file", "/tmp/up"]
    lifecycle: {postStart: {exec: {command: [touch, /tmp/up]}}}
    livenessProbe:
      httpGet: {path: /readyz, port: 8080, httpHeaders: [{name: Custom-Header, value: Awesome}]}
      initialDelaySeconds: 2
      periodSeconds: 1
      failureThreshold: 2
`+shell("other", "sleep 3600")))
	s.applyText(sandboxed("by-tcp", "Always", `
  containers:
  - {name: liveness, image: "skep-test:v1", args: ["--port", "8080"], livenessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}}
`+shell("other", "sleep 3600")))

	s.restarted("by-exec", "liveness", 1)
	s.event("Pod/by-exec", "Warning Unhealthy", "Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory")
	s.event("Pod/by-exec", "Normal Killing", "Container liveness failed liveness probe, will be restarted")
	if got := s.container("by-exec", "other", ".restartCount"); got != "0" {
		t.Errorf("the other container was restarted %s times", got)
	}
	s.ready("by-http")
	if got := s.container("by-http", "liveness", ".restartCount"); got != "0" {
		t.Errorf("while its probe worked the container was restarted %s times", got)
	}
	s.sh("by-http", "liveness", "rm /tmp/up")
	s.restarted("by-http", "liveness", 1)
	s.event("Pod/by-http", "Warning Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503")
	s.waitRow("by-tcp", "2/2 Running 0")
	contains(t, s.kubectl("describe", "pod", "by-http"), "Liveness:", "http-get http://:8080/readyz")
}

// Readiness decides what the Pod's Service sends to it; a startup probe holds the others back.
func TestReadiness(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(sandboxed("gated", "Always", `
  containers:
  - name: main
    image: skep-test:v1
    args: ["--port", "8080"]
    ports: [{containerPort: 8080}]
    readinessProbe: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1}
`+shell("other", "sleep 3600")) + service("gated", "selector: {app: gated}, ports: [{port: 80, targetPort: 8080}]"))
	endpoints := func(want bool) {
		t.Helper()
		ip := s.field("pod/gated", ".status.podIP")
		eventually(t, waitLong, func() error {
			ready := s.kubectl("get", "endpoints", "gated", "-o", "jsonpath={.subsets[*].addresses[*].ip}")
			slices := s.kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=gated", "-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
			if (ready == ip) != want || slices != fmt.Sprint(want) {
				return fmt.Errorf("endpoints are %q, ready %q; the Pod %s is ready: %v", ready, slices, ip, want)
			}
			return nil
		})
	}
	s.waitRow("gated", "1/2 Running 0")
	endpoints(false)
	s.event("Pod/gated", "Warning Unhealthy", "Readiness probe failed")
	s.sh("gated", "main", "touch /tmp/ready")
	s.waitRow("gated", "2/2 Running 0")
	endpoints(true)
	s.caller("client")
	s.waitSh("client", "main", "wget -qO- http://gated/ | grep hostname=", "hostname=gated")
	s.sh("gated", "main", "rm /tmp/ready")
	s.waitRow("gated", "1/2 Running 0")
	endpoints(false)

	s.applyText(sandboxed("slow", "Always", "  containers:\n"+shell("main", "sleep 6; touch /tmp/started; sleep 3600", `
    startupProbe: {exec: {command: [test, -e, /tmp/started]}, periodSeconds: 1, failureThreshold: 200}
    livenessProbe: {exec: {command: [test, -e, /tmp/started]}, periodSeconds: 1, failureThreshold: 1}
`)+shell("other", "sleep 3600")))
	s.waitContainer("slow", "main", ".started", "false")
	s.waitRow("slow", "2/2 Running 0")
	if got := s.container("slow", "main", ".started"); got != "true" {
		t.Errorf("started is %q", got)
	}
	s.applyText(sandboxed("never-starts", "Always", "  containers:\n"+shell("main", "sleep 3600", `
    startupProbe: {exec: {command: ["false"]}, periodSeconds: 1, failureThreshold: 2}
`)+shell("other", "sleep 3600")))
	s.restarted("never-starts", "main", 1)
	s.event("Pod/never-starts", "Warning Unhealthy", "Startup probe failed")
	s.event("Pod/never-starts", "Normal Killing", "Container main failed startup probe, will be restarted")
}

// Hooks, in the documentation's own way: postStart leaves a message, preStop says goodbye.
func TestHooks(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	folder := "/var/lib/skep-e2e-" + s.ns
	t.Cleanup(func() { _ = os.RemoveAll(folder) }) // the rig's nodes have this machine's file system
	s.applyText(sandboxed("witness", "Always", fmt.Sprintf(`
  volumes: [{name: trace, hostPath: {path: %s, type: DirectoryOrCreate}}]
  containers:
`, folder)+shell("main", "sleep 3600", "    volumeMounts: [{name: trace, mountPath: /trace}]\n")))
	s.applyText(strings.Replace(sandboxed("hooked", "Always", fmt.Sprintf(`
  volumes: [{name: trace, hostPath: {path: %s, type: DirectoryOrCreate}}]
  containers:
`, folder)+shell("main", "trap 'echo term >>/trace/log; exit 0' TERM; while sleep 1; do :; done", `
    volumeMounts: [{name: trace, mountPath: /trace}]
    lifecycle:
      postStart: {exec: {command: [sh, -c, "echo Hello from the postStart handler >/usr/share/message"]}}
      preStop: {exec: {command: [sh, -c, "echo stop >>/trace/log; sleep 1; echo stopped >>/trace/log"]}}
`)+shell("asked", "httpd -f -p 8099", `
    lifecycle: {preStop: {httpGet: {port: 8099, path: /}}}
`)+shell("slept", "sleep 3600", `
    lifecycle: {preStop: {sleep: {seconds: 1}}}
`)), "terminationGracePeriodSeconds: 2", "terminationGracePeriodSeconds: 30", 1))
	s.applyText(sandboxed("hook-fails", "Always", "  containers:\n"+shell("main", "sleep 3600", `
    lifecycle: {postStart: {exec: {command: [sh, -c, "echo broken; exit 7"]}}}
`)+shell("other", "sleep 3600")))
	s.ready("witness", "hooked")
	s.waitRow("hooked", "3/3 Running 0")
	if got := s.sh("hooked", "main", "cat /usr/share/message"); got != "Hello from the postStart handler" {
		t.Errorf("postStart left %q", got)
	}
	s.kubectl("delete", "pod", "hooked", "--timeout=120s")
	s.waitSh("witness", "main", "tr '\\n' ' ' </trace/log", "stop stopped term")

	s.restarted("hook-fails", "main", 1)
	s.event("Pod/hook-fails", "Warning FailedPostStartHook")
	s.event("Pod/hook-fails", "Normal Killing")
	s.kubectl("exec", "witness", "--", "rm", "-rf", "/trace/log")
	s.kubectl("delete", "pod", "--all", "--timeout=120s")
	s.nothingLeft()
}

// How a Pod of several containers ends, and what is known of it afterwards.
func TestSandboxEnds(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.applyText(sandboxed("done", "Never", "  containers:\n"+shell("one", "echo one is done")+shell("two", "sleep 1; echo two is done")))
	s.applyText(sandboxed("broken", "Never", "  containers:\n"+
		shell("one", "echo out of paper >/dev/termination-log; echo last words; exit 3")+
		shell("two", "echo from the log; exit 5", "    terminationMessagePolicy: FallbackToLogsOnError\n")+
		shell("three", "printf custom >/tmp/why", "    terminationMessagePath: /tmp/why\n")))
	s.applyText(sandboxed("again", "OnFailure", "  volumes: [{name: work, emptyDir: {}}]\n  containers:\n"+
		shell("one", "echo try >>/work/tries; [ $(wc -l </work/tries) -ge 2 ]", "    volumeMounts: [{name: work, mountPath: /work}]\n")+shell("two", "true")))
	s.applyText(sandboxed("late", "Never", "  activeDeadlineSeconds: 3\n  containers:\n"+shell("one", "sleep 3600")+shell("two", "sleep 3600")))
	s.applyText(sandboxed("crashing", "Always", "  containers:\n"+shell("one", "echo crash; exit 1")+shell("two", "sleep 3600")))

	s.waitField(waitLong, "pod/done", ".status.phase", "Succeeded")
	s.waitRow("done", "0/2 Completed 0")
	contains(t, s.kubectl("logs", "done", "--all-containers"), "one is done", "two is done")
	s.waitField(waitLong, "pod/broken", ".status.phase", "Failed")
	s.waitRow("broken", "0/3 Error 0")
	for name, want := range map[string]string{"one": "3 Error out of paper", "two": "5 Error from the log", "three": "0 Completed custom"} {
		got := s.container("broken", name, ".state.terminated.exitCode") + " " + s.container("broken", name, ".state.terminated.reason") +
			" " + strings.TrimSpace(s.container("broken", name, ".state.terminated.message"))
		if got != want {
			t.Errorf("container %s has ended as %q, want %q", name, got, want)
		}
	}
	contains(t, s.kubectl("logs", "broken", "-c", "one"), "last words")
	contains(t, s.refused("", "exec", "broken", "-c", "one", "--", "true"), "cannot exec", "completed pod")

	s.waitField(waitLong, "pod/again", ".status.phase", "Succeeded")
	if got := s.container("again", "one", ".restartCount") + s.container("again", "two", ".restartCount"); got != "10" {
		t.Errorf("restarts under OnFailure are %q, want 1 and 0", got)
	}
	s.waitField(waitLong, "pod/late", ".status.phase", "Failed")
	s.waitField(waitLong, "pod/late", ".status.reason", "DeadlineExceeded")
	s.restarted("crashing", "one", 2)
	eventually(t, waitLong, func() error {
		if row := s.row("crashing"); !strings.HasPrefix(row, "crashing 1/2 CrashLoopBackOff") {
			return fmt.Errorf("a Pod that crashes is %q", row)
		}
		return nil
	})
	s.event("Pod/crashing", "Warning BackOff", "Back-off restarting failed container one in pod crashing_"+s.ns)
	if got := s.container("crashing", "one", ".lastState.terminated.exitCode"); got != "1" {
		t.Errorf("the last state's exit code is %q", got)
	}
	contains(t, s.kubectl("logs", "crashing", "-c", "one", "--previous"), "crash")
	s.kubectl("delete", "pod", "--all", "--timeout=120s")
	s.nothingLeft()
}
