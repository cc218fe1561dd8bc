package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"skep/translate/manifest"
)

// nodesWithGateway is a Swarm of three nodes, with a gateway that is on the network of the first, and so its kubectl:
// agents are reached from there, not from this machine.
func nodesWithGateway(t *testing.T) (rig, *space) {
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
	g, err := start(options{
		dockerHost: r.host(1), control: r.control(1), dataDir: t.TempDir(), dir: t.TempDir(), listen: "127.0.0.1:6443",
		inside: []string{"env", "ENGINE_DIR=" + r.dir, filepath.Join(top, ".ci/engine"), "in", "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.stop)
	s := spaceOn(t, g, r.host(1), "agents")
	t.Cleanup(func() {
		if t.Failed() {
			s.explain()
		}
	})
	s.kubectl("create", "namespace", s.ns)
	return r, s
}

// deployAgents gives the Swarm the agents' credentials and the agents, as docs/deploy.md says, with its stack file. The
// gateway in there is left out: the one of the test is another.
func (s *space) deployAgents() {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "docs/stack.yml"))
	if err != nil {
		s.t.Fatal(err)
	}
	stack := map[string]any{}
	if err := yaml.Unmarshal(text, &stack); err != nil {
		s.t.Fatal(err)
	}
	services, _ := stack["services"].(map[string]any)
	agent, _ := services["agent"].(map[string]any)
	secrets := map[string]any{}
	mounted, _ := agent["secrets"].([]any)
	for _, m := range mounted {
		source, _ := m.(map[string]any)["source"].(string)
		secrets[source] = map[string]any{"external": true}
		s.docker("secret", "create", source, filepath.Join(s.gateway.dataDir, strings.TrimPrefix(source, "skep-")))
	}
	stack["services"], stack["secrets"] = map[string]any{"agent": agent}, secrets
	if text, err = yaml.Marshal(stack); err != nil {
		s.t.Fatal(err)
	}
	file := filepath.Join(s.t.TempDir(), "stack.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.docker("stack", "deploy", "--resolve-image", "never", "-c", file, "skep")
	eventually(s.t, waitLong, func() error {
		out := s.docker("service", "ls", "--filter", "name=skep_agent", "--format", "{{.Replicas}}")
		if out != "3/3" {
			return fmt.Errorf("%s agents run:\n%s", out, s.docker("service", "ps", "--no-trunc", "skep_agent"))
		}
		return nil
	})
}

// onEach is a Pod of one container and one of two on each node, each named after it.
func (s *space) onEach() {
	s.t.Helper()
	for n := 1; n <= 3; n++ {
		place := fmt.Sprintf("  nodeName: node%d\n  containers:\n", n)
		s.applyText(sandboxed(fmt.Sprintf("plain%d", n), "Always", place+shell("main", "echo plain is here; sleep 3600")) +
			sandboxed(fmt.Sprintf("pair%d", n), "Always", place+
				shell("main", "echo main is here; mkdir /www; echo inner >/www/index.html; exec httpd -f -p 127.0.0.1:8099 -h /www")+
				shell("other", "echo other is here; sleep 3600")))
	}
	for n := 1; n <= 3; n++ {
		s.ready(fmt.Sprintf("plain%d", n), fmt.Sprintf("pair%d", n))
	}
}

// Three nodes, and what kubectl does with Pods of another one: without agents, and with them.
func TestAgents(t *testing.T) {
	needContainers(t)
	r, s := nodesWithGateway(t)
	s.onEach()
	s.waitRow("pair2", "2/2 Running 0")

	for _, pod := range []string{"plain2", "pair3"} {
		node := "node" + pod[len(pod)-1:]
		contains(t, s.refused("", "exec", pod, "--", "true"), "the agent of node "+node+" does not answer", "docs/deploy.md")
	}
	if got := s.sh("pair1", "other", "echo here"); got != "here" {
		t.Errorf("on the gateway's own node exec says %q", got)
	}
	s.waitLogs([]string{"plain is here"}, "plain2")
	contains(t, s.refused("", "logs", "pair2", "-c", "other"), "the agent of node node2 does not answer")

	s.deployAgents()
	data := noise(3 << 20)
	sum := fmt.Sprintf("%x  -\n", sha256.Sum256(data))
	for _, pod := range []string{"plain2", "pair2", "plain3", "pair3"} {
		flags := []string{}
		if strings.HasPrefix(pod, "pair") {
			flags = []string{"-c", "other"}
		}
		eventually(t, waitLong, func() error {
			_, err := s.try(append(append([]string{"exec", pod}, flags...), "--", "true")...)
			return err
		})
		for protocol, env := range protocols {
			if got := s.calls(env, bytes.NewReader(data), append(append([]string{"exec", "-i", pod}, flags...), "--", "sh", "-c", "sha256sum; exit 5")...); got.stdout != sum || got.code != 5 {
				t.Errorf("exec in %s by %s says %+v", pod, protocol, got)
			}
		}
		s.copied(pod, flags, data)
	}
	for _, pod := range []string{"pair2", "pair3"} {
		s.waitLogs([]string{"other is here"}, pod, "-c", "other")
		s.waitLogs([]string{"main is here", "other is here"}, pod, "--all-containers")
		for protocol, env := range protocols {
			local := s.forward(env, pod, "8099")
			if out, err := r.run(t.Context(), "in", "1", "curl", "-sS", "--max-time", "60", "http://127.0.0.1:"+local["8099"]+"/"); err != nil || out != "inner" {
				t.Errorf("port-forward to %s by %s: %q, %v", pod, protocol, out, err)
			}
		}
	}
	s.waitLogs([]string{"plain is here"}, "plain3")
	got := s.calls(nil, strings.NewReader("bees\n"), "debug", "plain2", "-i", "--quiet", "--image=busybox", "--image-pull-policy=IfNotPresent",
		"--container=helper", "--profile=general", "--", "sh", "-c", "read x; echo hello $x")
	if got.code != 0 || !strings.Contains(got.stdout, "hello bees") {
		t.Errorf("debug on another node says %+v", got)
	}
	s.strangerRefused(r)
}

// copied copies a file into a Pod and back.
func (s *space) copied(pod string, flags []string, data []byte) {
	s.t.Helper()
	there, back := filepath.Join(s.t.TempDir(), "file"), filepath.Join(s.t.TempDir(), "file")
	if err := os.WriteFile(there, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.kubectl(append([]string{"cp", there, pod + ":/tmp/file"}, flags...)...)
	s.kubectl(append([]string{"cp", pod + ":/tmp/file", back}, flags...)...)
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, data) {
		s.t.Errorf("a file comes back from %s with %d bytes, %v", pod, len(got), err)
	}
}

// strangerRefused calls an agent without the gateway's certificate, and with another one of the same CA.
func (s *space) strangerRefused(r rig) {
	s.t.Helper()
	url := "https://" + strings.TrimSuffix(nodeAddress, "1") + "2:10250/"
	file := func(name string) string { return filepath.Join(s.gateway.dataDir, name) }
	for what, args := range map[string][]string{
		"no certificate":           nil,
		"the agents' own":          {"--cert", file("agent.crt"), "--key", file("agent.key")},
		"the API server's own one": {"--cert", file("server.crt"), "--key", file("server.key")},
	} {
		args = append([]string{"in", "1", "curl", "-ks", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20"}, args...)
		out, err := r.run(s.t.Context(), append(args, url)...)
		if err == nil && out != "401" && out != "403" {
			s.t.Errorf("with %s an agent answers %s", what, out)
		}
	}
}

// Nodes, engines, agents and gateways that go: nothing is left of what they ran, and the Pods are as wanted.
func TestSandboxFaults(t *testing.T) {
	needContainers(t)
	r, s := nodesWithGateway(t)
	s.deployAgents()
	s.applyText(pairs(3))
	before := s.waitPairs(3)
	clean := func() {
		t.Helper()
		for n := 1; n <= 3; n++ {
			s.noOrphans(r.host(n))
		}
	}

	// The gateway, killed: what it says when it is back is what it said, and no Pod was touched.
	const status = `jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.podIP} {.status.containerStatuses[*].containerID} {.status.containerStatuses[*].ready}{"\n"}{end}`
	want := s.kubectl("get", "pods", "-o", status)
	s.gateway.kill()
	if err := s.gateway.launch(); err != nil {
		t.Fatal(err)
	}
	if got := s.kubectl("get", "pods", "-o", status); got != want {
		t.Errorf("the Pods were\n%s, and at once after the gateway's return are\n%s", want, got)
	}

	// An agent and a sandbox of its node, killed together: the agent that comes next cleans up.
	pod := s.pairOn("node2")
	agent, err := run(t.Context(), "", "docker", "-H", r.host(2), "ps", "-q", "--filter", "label=com.docker.swarm.service.name=skep_agent")
	if err != nil {
		t.Fatal(err)
	}
	sandbox := s.sandboxOf(pod)
	if _, err := run(t.Context(), "", "docker", "-H", r.host(2), "kill", "-s", "KILL", strings.TrimSpace(agent), sandbox); err != nil {
		t.Fatal(err)
	}
	s.noPair(pod)
	clean()

	// The plug is pulled.
	pod = s.pairOn("node3")
	if _, err := r.run(t.Context(), "kill", "3"); err != nil {
		t.Fatal(err)
	}
	s.noPair(pod)
	if _, err := r.run(t.Context(), "start", "3"); err != nil {
		t.Fatal(err)
	}
	s.nodeReady("node3")
	clean()

	// The manager's own engine, and with it the whole Swarm for a while.
	if _, err := r.run(t.Context(), "kill", "1"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // so long the gateway has no Swarm
	if _, err := r.run(t.Context(), "start", "1"); err != nil {
		t.Fatal(err)
	}
	s.nodeReady("node1")
	// For a while the Swarm takes what ran on the manager to run still: what counts is what Docker has in the end.
	eventually(t, waitLong, func() error {
		var up []string
		for n := 1; n <= 3; n++ {
			found, err := siblings(t.Context(), r.host(n), s.ns)
			if err != nil {
				return err
			}
			for _, container := range found {
				if strings.HasSuffix(container, " running") {
					up = append(up, container)
				}
			}
		}
		if len(up) != 6 {
			return fmt.Errorf("of three Pods of two containers these run: %q", up)
		}
		return nil
	})
	after := s.waitPairs(3)
	clean()
	t.Logf("the Pods were %v, are %v", before, after)
	s.kubectl("delete", "deployment", "pair", "--timeout=150s")
	for n := 1; n <= 3; n++ {
		eventually(t, waitLong, func() error {
			out, err := run(t.Context(), "", "docker", "-H", r.host(n), "ps", "-aq", "--filter", "label="+manifest.LabelPodNamespace+"="+s.ns)
			if err == nil && out != "" {
				err = fmt.Errorf("node %d has containers: %q", n, out)
			}
			return err
		})
	}
}

// pairOn is one of the Pods on a node; they are spread evenly anew if there is none.
func (s *space) pairOn(node string) string {
	s.t.Helper()
	find := func() []string {
		return strings.Fields(s.kubectl("get", "pods", "-l", "app=pair", "--field-selector", "spec.nodeName="+node+",status.phase=Running",
			"-o", "jsonpath={.items[*].metadata.name}"))
	}
	if len(find()) == 0 {
		s.kubectl("rollout", "restart", "deployment/pair")
		s.kubectl("rollout", "status", "deployment/pair", "--timeout="+waitLong.String())
	}
	found := find()
	if len(found) == 0 {
		s.t.Fatalf("no Pod runs on %s:\n%s", node, s.kubectl("get", "pods", "-o", "wide"))
	}
	return found[0]
}

// noPair waits until that Pod does not run and three others do.
func (s *space) noPair(gone string) {
	s.t.Helper()
	eventually(s.t, waitLong, func() error {
		ready := 0
		out := s.kubectl("get", "pods", "-l", "app=pair", "--no-headers")
		for _, row := range lines(out) {
			f := strings.Fields(row)
			switch {
			case len(f) < 3:
			case f[0] == gone && f[2] == "Running":
				return fmt.Errorf("the Pod that is gone is shown as %s", row)
			case f[0] != gone && slices.Equal(f[1:3], []string{"2/2", "Running"}):
				ready++
			}
		}
		if ready != 3 {
			return errors.New("want three Pods 2/2, have:\n" + out)
		}
		return nil
	})
}

// nodeReady waits for a node.
func (s *space) nodeReady(node string) {
	s.t.Helper()
	eventually(s.t, waitLong, func() error {
		out, err := s.try("get", "node", node, "--no-headers")
		if f := strings.Fields(out); err == nil && (len(f) < 2 || f[1] != "Ready") {
			err = fmt.Errorf("the node is %s", out)
		}
		return err
	})
}
