package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// waitShort is how long something that is on its way may take.
const waitShort = 60 * time.Second

// server is a Deployment of the test image, which answers HTTP on port 8080 and lines on 7000, by TCP and UDP. It is
// ready when it answers, and gives its clients time when it ends.
type server struct {
	name     string
	replicas int    // 1 where it is 0
	labels   string // of the Pods, beside app: NAME, as YAML: "color: blue"
	args     string // beside those for the ports: `"--ready-after", "3s"`
}

func (d server) manifest() string {
	labels, args := "app: "+d.name, `"--port", "8080", "--tcp", "7000", "--udp", "7000", "--linger", "1s"`
	if d.labels != "" {
		labels += ", " + d.labels
	}
	if d.args != "" {
		args += ", " + d.args
	}
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[2]d
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {%[3]s}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - name: main
        image: skep-test:v1
        args: [%[4]s]
        ports:
        - {name: http, containerPort: 8080}
        - {name: lines, containerPort: 7000}
        - {name: datagrams, containerPort: 7000, protocol: UDP}
        livenessProbe: &ready
          exec: {command: [skep-test, probe, "http://localhost:8080/readyz"]}
          periodSeconds: 1
          failureThreshold: 30
        readinessProbe: *ready
---
`, d.name, max(d.replicas, 1), labels, args)
}

// service is the manifest of a Service; spec is YAML between braces.
func service(name, spec string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {%s}\n---\n", name, spec)
}

// ingress is the manifest of an Ingress; spec is YAML between braces, annotations as well.
func ingress(name, annotations, spec string) string {
	return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %s, annotations: {%s}}\nspec: {%s}\n---\n", name, annotations, spec)
}

// path is one path of an Ingress rule, between braces.
func path(typ, at, service string, port int) string {
	return fmt.Sprintf("{pathType: %s, path: %q, backend: {service: {name: %s, port: {number: %d}}}}", typ, at, service, port)
}

// rolledOut waits for Deployments.
func (s *space) rolledOut(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.kubectl("rollout", "status", "deployment/"+name, "--timeout=90s")
	}
}

// route waits until a Service goes that way, and all that has to be there for it runs.
func (s *space) route(service, want string) {
	s.t.Helper()
	s.waitField(30*time.Second, "service/"+service, `.metadata.annotations.skep/route`, want)
	eventually(s.t, 60*time.Second, func() error {
		proxies := s.proxies(service)
		if (want == "proxy") != (len(proxies) > 0) {
			return fmt.Errorf("the Service %s goes the way %q, and its proxies are %v", service, want, proxies)
		}
		return s.settled(proxies...)
	})
}

// settled says why the tasks of services are not what their specs say.
func (s *space) settled(services ...string) error {
	for _, service := range services {
		out, err := run(s.t.Context(), "", "docker", "-H", s.dockerHost, "service", "inspect", "-f",
			"{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}", service)
		if err != nil {
			return err
		}
		if state := strings.TrimSpace(out); state != "" && state != "completed" {
			return fmt.Errorf("the update of %s is %s", service, state)
		}
		out, err = run(s.t.Context(), "", "docker", "-H", s.dockerHost, "service", "ls", "--format", "{{.Name}} {{.Replicas}}", "--filter", "name="+service)
		if err != nil {
			return err
		}
		for _, line := range lines(out) {
			f := strings.Fields(line)
			if have, want, _ := strings.Cut(f[1], "/"); f[0] == service && have != want {
				return fmt.Errorf("of %s %s tasks run", service, f[1])
			}
		}
	}
	return nil
}

// proxies names the services that carry a Service of the namespace.
func (s *space) proxies(service string) []string {
	s.t.Helper()
	return s.carriers(s.ns + "/" + service)
}

// carriers names the proxies with that label.
func (s *space) carriers(of string) []string {
	s.t.Helper()
	names := strings.Fields(s.docker("service", "ls", "--format", "{{.Name}}", "--filter", "label=skep.proxy="+of))
	slices.Sort(names)
	return names
}

// aliases are the names that a service of the Swarm has on its networks.
func (s *space) aliases(service string) []string {
	s.t.Helper()
	return strings.Fields(s.docker("service", "inspect", "-f",
		"{{range .Spec.TaskTemplate.Networks}}{{range .Aliases}}{{.}} {{end}}{{end}}", service))
}

// host is a Service's whole name.
func (s *space) host(service string) string { return service + "." + s.ns + ".svc.cluster.local" }

// unmoved fails the test unless a service's tasks are those.
func (s *space) unmoved(service string, before []string) {
	s.t.Helper()
	if after := s.running(service); !slices.Equal(before, after) {
		s.t.Errorf("%s was restarted: its tasks were %v, are %v", service, before, after)
	}
}

// caller is a container of a Pod, to look at Services from.
type caller struct {
	s         *space
	container string
}

// caller makes a Pod, or more where they have other labels, to look at Services from.
func (s *space) caller(name string, labels ...string) caller {
	s.t.Helper()
	s.applyText(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {%s}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: "skep-test:v1", args: ["--port", "80"]}]
`, name, strings.Join(append([]string{"role: caller"}, labels...), ", ")))
	return s.in(name)
}

// in is the container of a Pod that runs, or will soon.
func (s *space) in(pod string) caller {
	s.t.Helper()
	s.kubectl("wait", "--for=condition=Ready", "pod/"+pod, "--timeout=60s")
	id := strings.TrimPrefix(s.field("pod/"+pod, ".status.containerStatuses[0].containerID"), "docker://")
	return caller{s, id}
}

// try runs a command of the test image in the container.
func (c caller) try(command ...string) (string, error) {
	out, err := run(c.s.t.Context(), "", "docker", append([]string{"-H", c.s.dockerHost, "exec", c.container, "skep-test"}, command...)...)
	return strings.TrimSpace(out), err
}

// asks runs a command of the test image until its output holds a word, and returns the output.
func (c caller) asks(want string, command ...string) string {
	c.s.t.Helper()
	var out string
	eventually(c.s.t, waitShort, func() (err error) {
		out, err = c.try(command...)
		if err == nil && !strings.Contains(out, want) {
			err = fmt.Errorf("%v says %q, without %q", command, out, want)
		}
		return err
	})
	return out
}

// addresses are those that a name has.
func (c caller) addresses(name string) []string {
	c.s.t.Helper()
	out, err := c.try("resolve", name)
	if err != nil {
		return nil
	}
	return strings.Fields(out)[1:]
}

// report is what the load command says.
type report struct {
	Sent, OK, Failed int
	Errors           map[string]int
	Hosts            map[string]int
	Late             float64 `json:"late_ms"`
	Max              float64 `json:"max_ms"`
	PerSecond        float64 `json:"per_second"`
}

// answered are the requests that came to Pods of a workload.
func (r report) answered(workload string) int {
	n := 0
	for host, count := range r.Hosts {
		if strings.HasPrefix(host, workload+"-") {
			n += count
		}
	}
	return n
}

// load is a stream of requests, each on a connection of its own, that goes on until it is stopped.
type load struct {
	t     *testing.T
	began time.Time
	rate  int    // requests a second
	stop  string // a file that ends it
	end   func(file string) error
	done  chan struct{}
	out   string
	err   error
}

// load sends requests from the container.
func (c caller) load(rate int, url string, flags ...string) *load {
	c.s.t.Helper()
	l := &load{t: c.s.t, rate: rate, stop: fmt.Sprintf("/tmp/stop-%d", time.Now().UnixNano())}
	docker := []string{"-H", c.s.dockerHost, "exec", c.container}
	l.end = func(file string) error {
		_, err := run(context.Background(), "", "docker", append(docker, "touch", file)...)
		return err
	}
	l.start("docker", append(append(docker, "skep-test", "load", "--url", url), flags...))
	return l
}

// start runs what ends in a load command.
func (l *load) start(program string, args []string) {
	l.t.Helper()
	l.done, l.began = make(chan struct{}), time.Now()
	go func() {
		defer close(l.done)
		l.out, l.err = run(context.Background(), "", program, append(args, "--new-connections", "--rate", fmt.Sprint(l.rate), "--until-file", l.stop)...)
	}()
	l.t.Cleanup(func() { _ = l.end(l.stop); <-l.done })
	time.Sleep(500 * time.Millisecond) // some requests come before what is looked at
}

// requests sends so many, each on a connection of its own.
func (c caller) requests(count int, url string) report {
	c.s.t.Helper()
	l := c.load(0, url, "--workers", "4", "--count", fmt.Sprint(count))
	<-l.done
	return l.finish()
}

// finish ends the load, and returns what became of it.
func (l *load) finish() report {
	l.t.Helper()
	if err := l.end(l.stop); err != nil {
		l.t.Fatal(err)
	}
	<-l.done
	r := report{}
	if err := json.Unmarshal([]byte(l.out), &r); err != nil {
		l.t.Fatalf("%v: %q %v", err, l.out, l.err)
	}
	return r
}

// unharmed ends the load once it has sent so many. Nothing of it may have failed.
func (l *load) unharmed(what string, least int) report {
	l.t.Helper()
	time.Sleep(time.Until(l.began.Add(time.Second + time.Duration(least)*time.Second/time.Duration(l.rate))))
	r := l.finish()
	l.t.Logf("%s: %+v", what, r)
	if r.Failed > 0 || r.OK < least {
		l.t.Errorf("%s: of %d requests %d failed, and %d or more had to arrive: %v", what, r.Sent, r.Failed, least, r.Errors)
	}
	return r
}

// node is a node's network, where published ports are.
type node struct {
	rig
	number int
}

const nodeAddress = "172.31.77.1"

// needNode finds the rig that the tests run on, and skips the test where it is another Swarm.
func needNode(t *testing.T) node {
	t.Helper()
	needContainers(t)
	dir := strings.TrimPrefix(stage.dockerHost, "unix://")
	n := node{rig{filepath.Dir(filepath.Dir(dir))}, 1}
	if _, err := n.run(t.Context(), "in", "1", "true"); err != nil {
		t.Skipf("published ports are looked at inside a rig of .ci/engine: %v", err)
	}
	return n
}

// curl runs curl in the node's network.
func (n node) curl(args ...string) (string, error) {
	return n.run(context.Background(), append([]string{"in", fmt.Sprint(n.number), "curl", "-sS", "--max-time", "5"}, args...)...)
}

// gets waits until curl's answer holds a word.
func (n node) gets(t *testing.T, want string, args ...string) string {
	t.Helper()
	var out string
	eventually(t, waitShort, func() (err error) {
		out, err = n.curl(args...)
		if err == nil && !strings.Contains(out, want) {
			err = fmt.Errorf("curl %v says %q, without %q", args, out, want)
		}
		return err
	})
	return out
}

// load sends requests from the node.
func (n node) load(t *testing.T, rate int, url string, flags ...string) *load {
	t.Helper()
	l := &load{t: t, rate: rate, stop: filepath.Join(t.TempDir(), "stop")}
	l.end = func(file string) error { return os.WriteFile(file, nil, 0o600) }
	l.start("env", append([]string{
		"ENGINE_DIR=" + n.dir, filepath.Join(top, ".ci/engine"), "in", fmt.Sprint(n.number),
		filepath.Join(top, "bin/skep-test"), "load", "--url", url,
	}, flags...))
	return l
}

// nodePort is the port of the nodes that a Service was given.
func (s *space) nodePort(service string) string {
	s.t.Helper()
	return s.field("service/"+service, ".spec.ports[0].nodePort")
}

// event waits for an Event about an object whose reason and message hold these words.
func (s *space) event(object string, words ...string) {
	s.t.Helper()
	kind, name, _ := strings.Cut(object, "/")
	eventually(s.t, waitShort, func() error {
		out, err := s.try("get", "events", "--field-selector", "involvedObject.kind="+kind+",involvedObject.name="+name,
			"-o", `jsonpath={range .items[*]}{.type} {.reason}: {.message}{"\n"}{end}`)
		if err != nil {
			return err
		}
		for _, line := range lines(out) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return nil
			}
		}
		return fmt.Errorf("no Event about %s says %q; there is\n%s", object, words, out)
	})
}
