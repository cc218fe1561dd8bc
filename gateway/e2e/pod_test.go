package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPodWalk(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.apply("pod")
	s.kubectl("wait", "--for=condition=Ready", "pod/welcome", "--timeout=60s")

	row := strings.Fields(s.kubectl("get", "pods", "--no-headers"))
	if got := strings.Join(row[:4], " "); got != "welcome 1/1 Running 0" {
		t.Errorf("get pods says %q", got)
	}
	contains(t, s.kubectl("get", "pods", "-o", "wide"), "NODE", "IP")
	contains(t, s.kubectl("describe", "pod", "welcome"),
		"Containers:", "nginx:alpine", "Port:", "80/TCP", "Conditions:", "Volumes:", "Events:")
	contains(t, s.inContainer("welcome", "wget", "-qO-", "http://localhost"), "Welcome to nginx!")
	if got := s.inContainer("welcome", "hostname"); got != "welcome" {
		t.Errorf("the container's hostname is %q, not the Pod's name", got)
	}
	if s.field("pod/welcome", ".status.podIP") == "" || s.field("pod/welcome", ".spec.nodeName") == "" {
		t.Error("the Pod has no address or no node")
	}

	s.kubectl("delete", "pod", "welcome", "--timeout=30s")
	if left := s.services(); len(left) > 0 {
		t.Errorf("Swarm still has %v", left)
	}
	contains(t, s.refused("", "get", "pod", "welcome"), `pods "welcome" not found`)
}

// A Pod that ends, with and without success, under each restartPolicy.
func TestPodEnds(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	pod := func(name, policy string, code int) {
		s.applyText(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: %s
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: skep-test:v1
    args: ["--lines", "3", "--exit-after", "1s", "--exit-code", "%d"]
`, name, policy, code))
	}
	pod("done", "Never", 0)
	pod("broken", "Never", 3)
	pod("again", "OnFailure", 4)
	pod("always", "Always", 0)

	const ended = ".status.containerStatuses[0].state.terminated"
	s.waitField(30*time.Second, "pod/done", ".status.phase", "Succeeded")
	s.waitField(10*time.Second, "pod/done", ended+".reason", "Completed")
	s.waitField(30*time.Second, "pod/broken", ".status.phase", "Failed")
	s.waitField(10*time.Second, "pod/broken", ended+".exitCode", "3")
	s.waitField(10*time.Second, "pod/broken", ended+".reason", "Error")
	for _, name := range []string{"again", "always"} {
		eventually(t, 60*time.Second, func() error {
			if n := s.field("pod/"+name, ".status.containerStatuses[0].restartCount"); n == "0" || n == "" {
				return fmt.Errorf("%s was restarted %q times", name, n)
			}
			return nil
		})
	}
	contains(t, s.kubectl("get", "pods"), "Completed", "Error")
	if n := s.field("pod/done", ".status.containerStatuses[0].restartCount"); n != "0" {
		t.Errorf("a Pod that must never restart was restarted %s times", n)
	}
}

// What cannot run says so in the words that kubectl users know.
func TestPodCannotRun(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	welcome := s.manifest("pod", "name: welcome", "name: no-image", "nginx:alpine", "skep-test:nowhere")
	s.applyText(welcome)
	s.applyText(s.manifest("pod", "name: welcome", "name: no-node", "containers:", "nodeSelector: {disk: nowhere}\n  containers:"))
	s.applyText(s.manifest("pod", "name: welcome", "name: no-command", "image: nginx:alpine", "image: nginx:alpine\n    command: [/no/such/command]"))

	const waiting = ".status.containerStatuses[0].state.waiting.reason"
	eventually(t, 30*time.Second, func() error {
		if got := s.field("pod/no-image", waiting); got != "ErrImagePull" && got != "ImagePullBackOff" {
			return fmt.Errorf("a missing image is %q", got)
		}
		return nil
	})
	s.waitField(20*time.Second, "pod/no-node", ".status.phase", "Pending")
	eventually(t, 20*time.Second, func() error {
		if out := s.kubectl("describe", "pod", "no-node"); !strings.Contains(out, "no suitable node") {
			return fmt.Errorf("describe does not say why the Pod is pending:\n%s", out)
		}
		return nil
	})
	eventually(t, 60*time.Second, func() error {
		row := s.kubectl("get", "pod", "no-command", "--no-headers")
		for _, word := range []string{"CrashLoopBackOff", "RunContainerError", "CreateContainerError", "StartError", "Error"} {
			if strings.Contains(row, word) {
				return nil
			}
		}
		return fmt.Errorf("a missing command is shown as %s", row)
	})
}

// Every way of a ConfigMap and a Secret into a container.
func TestPodConfiguration(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.apply("configured-pod")
	s.kubectl("wait", "--for=condition=Ready", "pod/configured", "--timeout=60s")

	for file, want := range map[string]string{
		"/etc/settings/colour":        "green",
		"/etc/settings/app.conf":      "# of the house\nworkers = 4",
		"/etc/items/conf.d/main.conf": "# of the house\nworkers = 4",
		"/etc/app.conf":               "# of the house\nworkers = 4",
		"/etc/keys/password":          "s3cr3t",
		"/etc/keys/user":              "bee",
	} {
		if got := s.inContainer("configured", "cat", file); got != want {
			t.Errorf("%s holds %q, want %q", file, got, want)
		}
	}
	if got := s.inContainer("configured", "sh", "-c", "od -An -tx1 /etc/settings/blob"); strings.Join(strings.Fields(got), "") != "00010203" {
		t.Errorf("binary data arrives as %q", got)
	}
	if got := s.inContainer("configured", "stat", "-L", "-c", "%a", "/etc/items/conf.d/main.conf"); got != "400" {
		t.Errorf("mode of an item is %s, want 400", got)
	}
	s.inContainer("configured", "sh", "-c", "echo x >/scratch/file")

	env := s.inContainer("configured", "env")
	contains(t, env, "PLAIN=plain", "COLOUR=green", "PASSWORD=s3cr3t", "KEY_user=bee", "KEY_password=s3cr3t",
		"POD_NAME=configured", "POD_NAMESPACE="+s.ns)
	if got := s.kubectl("get", "secret", "keys", "-o", "jsonpath={.data.password}"); got != "czNjcjN0" {
		t.Errorf("the Secret reads back as %q", got)
	}
	// Anyone with the Docker API can read labels: no secret value may stand in one.
	for _, kind := range []string{"config", "service"} {
		ids := strings.Fields(s.docker(kind, "ls", "-q"))
		if len(ids) == 0 {
			continue
		}
		labels := s.docker(append([]string{kind, "inspect", "-f", "{{json .Spec.Labels}}"}, ids...)...)
		if strings.Contains(labels, "czNjcjN0") || strings.Contains(labels, "s3cr3t") {
			t.Errorf("a Secret's value can be read in the labels of a Swarm %s", kind)
		}
	}
}
