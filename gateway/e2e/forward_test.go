package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var forwarding = regexp.MustCompile(`Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)`)

// forward starts port-forward with ports of the local side's choice, and returns them by the remote one.
func (s *space) forward(env []string, target string, ports ...string) map[string]string {
	s.t.Helper()
	args := []string{"port-forward", "--address=127.0.0.1", target}
	for _, port := range ports {
		args = append(args, ":"+port)
	}
	ctx, end := context.WithCancel(context.Background())
	cmd := s.command(ctx, env, args...)
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		end()
		_ = cmd.Wait() // it was killed
	})
	local := map[string]string{}
	eventually(s.t, waitLong, func() error {
		for _, m := range forwarding.FindAllStringSubmatch(out.String(), -1) {
			local[m[2]] = m[1]
		}
		if len(local) < len(ports) {
			return fmt.Errorf("port-forward says %q", out)
		}
		return nil
	})
	return local
}

// fetch gets a page on a connection of its own.
func fetch(url string) (string, error) {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}

// line sends a line, and returns the one that comes back.
func line(address, text string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(conn, text); err != nil {
		return "", err
	}
	answer := make([]byte, 200)
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}

// servers are a Deployment of a plain task, the same with a sidecar that listens on localhost only, and a service that
// docker made; each with a Service but the last.
func (s *space) servers() {
	s.t.Helper()
	deployment := func(name, more string) string {
		return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - {name: main, image: "skep-test:v1", args: ["--port", "8080", "--tcp", "7000"], ports: [{name: web, containerPort: 8080}]}
%[2]s---
`, name, more)
	}
	s.applyText(deployment("plain", "") +
		deployment("pair", "      - {name: inner, image: busybox, imagePullPolicy: IfNotPresent, command: [sh, -c, 'mkdir /www; echo inner >/www/index.html; exec httpd -f -p 127.0.0.1:8099 -h /www']}\n") +
		service("plain", "selector: {app: plain}, ports: [{port: 80, targetPort: web}]") +
		service("pair", "selector: {app: pair}, ports: [{name: web, port: 80, targetPort: web}, {name: lines, port: 70, targetPort: 7000}]"))
	s.docker("service", "create", "--detach", "--name", s.ns+"_foreign", "--label", "com.docker.stack.namespace="+s.ns,
		"--network", "skep", "--stop-grace-period", "1s", "--no-resolve-image", "skep-test:v1", "--port", "8080", "--tcp", "7000")
	s.t.Cleanup(func() {
		_, _ = run(context.Background(), "", "docker", "-H", s.dockerHost, "service", "rm", s.ns+"_foreign")
	})
	s.kubectl("rollout", "status", "deployment/plain", "--timeout="+waitLong.String())
	s.kubectl("rollout", "status", "deployment/pair", "--timeout="+waitLong.String())
	s.waitField(waitLong, "deployment/foreign", ".status.readyReplicas", "1")
}

// podOf is the one Pod of a workload.
func (s *space) podOf(workload string) string {
	s.t.Helper()
	var found string
	eventually(s.t, waitLong, func() error {
		names := strings.Fields(s.kubectl("get", "pods", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}"))
		names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, workload+"-") })
		if len(names) != 1 {
			return fmt.Errorf("the Pods of %s are %v", workload, names)
		}
		found = names[0]
		return nil
	})
	return found
}

func TestPortForward(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.servers()
	for protocol, env := range protocols {
		for _, workload := range []string{"plain", "pair", "foreign"} {
			pod := s.podOf(workload)
			for _, target := range []string{"pod/" + pod, "deployment/" + workload} {
				local := s.forward(env, target, "8080", "7000")
				if got, err := fetch("http://127.0.0.1:" + local["8080"] + "/"); err != nil || !strings.Contains(got, pod) && workload != "foreign" {
					t.Errorf("%s by %s answers %q, %v", target, protocol, got, err)
				}
				if got, err := line("127.0.0.1:"+local["7000"], "hello"); err != nil || !strings.Contains(got, "hello") {
					t.Errorf("a line to %s by %s gives %q, %v", target, protocol, got, err)
				}
			}
		}
		local := s.forward(env, "service/pair", "80", "70") // kubectl looks the Pod's ports up
		if got, err := fetch("http://127.0.0.1:" + local["8080"] + "/"); err != nil || !strings.Contains(got, s.podOf("pair")) {
			t.Errorf("the Service by %s answers %q, %v", protocol, got, err)
		}
		if got, err := line("127.0.0.1:"+local["7000"], "hello"); err != nil || !strings.Contains(got, "hello") {
			t.Errorf("a line to the Service by %s gives %q, %v", protocol, got, err)
		}
	}
}

// Fifty at once, each on a connection of its own, and to what listens on localhost alone.
func TestPortForwardMany(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.servers()
	for protocol, env := range protocols {
		local := s.forward(env, "deployment/pair", "8080", "8099")
		if got, err := fetch("http://127.0.0.1:" + local["8099"] + "/"); err != nil || got != "inner\n" {
			t.Errorf("what listens on localhost answers, by %s, %q, %v", protocol, got, err)
		}
		var all sync.WaitGroup
		failed := make(chan error, 50)
		for i := range 50 {
			all.Go(func() {
				path := fmt.Sprintf("/delay?ms=500&n=%d", i)
				if got, err := fetch("http://127.0.0.1:" + local["8080"] + path); err != nil {
					failed <- fmt.Errorf("%s: %q, %w", path, got, err)
				}
			})
		}
		all.Wait()
		close(failed)
		for err := range failed {
			t.Errorf("of 50 connections by %s: %v", protocol, err)
		}
	}
}

// The API server's proxy to Pods and Services, whose addresses nobody else need reach.
func TestProxies(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.servers()
	base := "/api/v1/namespaces/" + s.ns
	for _, workload := range []string{"plain", "pair", "foreign"} {
		pod := s.podOf(workload)
		if got := s.kubectl("get", "--raw", base+"/pods/"+pod+":8080/proxy/echo"); !strings.Contains(got, "/echo") {
			t.Errorf("the Pod's proxy of %s answers %q", workload, got)
		}
	}
	for _, name := range []string{"plain:80", "plain", "pair:web", "http:pair:web"} {
		if got := s.kubectl("get", "--raw", base+"/services/"+name+"/proxy/echo"); !strings.Contains(got, "/echo") {
			t.Errorf("the Service's proxy of %s answers %q", name, got)
		}
	}
	contains(t, s.refused("", "get", "--raw", base+"/services/plain:99/proxy/"), "ServiceUnavailable", `no service port 99 found for service "plain"`)
}
