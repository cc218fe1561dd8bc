package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	configMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// space is a namespace of one test's own, seen through one gateway.
type space struct {
	t          *testing.T
	ns         string
	gateway    *gateway
	dockerHost string
}

// newSpace makes a namespace that goes with the test.
func newSpace(t *testing.T) *space {
	t.Helper()
	needStage(t)
	s := spaceOn(t, stage.gateway, stage.dockerHost, nameFor(t))
	s.kubectl("create", "namespace", s.ns)
	t.Cleanup(func() {
		if t.Failed() {
			s.explain()
		}
		if out, err := s.try("delete", "namespace", s.ns, "--timeout=60s", "--ignore-not-found"); err != nil {
			t.Errorf("clean up: %v\n%s", err, out)
		}
	})
	return s
}

// spaceOn looks at a namespace that may or may not be there, and does not clean it up.
func spaceOn(t *testing.T, g *gateway, dockerHost, ns string) *space {
	t.Helper()
	return &space{t: t, ns: ns, gateway: g, dockerHost: dockerHost}
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// nameFor makes a namespace's name out of a test's.
func nameFor(t *testing.T) string {
	t.Helper()
	name := notInNames.ReplaceAllString(strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), "-")
	return strings.Trim(name[:min(len(name), 24)], "-")
}

// through is the same namespace seen through another gateway.
func (s *space) through(g *gateway) *space {
	other := *s
	other.gateway = g
	return &other
}

// run runs a program to its end; on failure the error holds stderr.
func run(ctx context.Context, stdin, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// args puts connection and namespace in front.
func (s *space) args(args []string) []string {
	return append([]string{"--kubeconfig", s.gateway.kubeconfig, "--namespace", s.ns}, args...)
}

// try runs kubectl in the namespace and returns what it says.
func (s *space) try(args ...string) (string, error) {
	return s.kubectlWith(context.Background(), "", args)
}

// kubectlWith runs kubectl in the namespace, and in the gateway's network.
func (s *space) kubectlWith(ctx context.Context, stdin string, args []string) (string, error) {
	command := append(slices.Clone(s.gateway.inside), kubectlBin)
	command = append(command, s.args(args)...)
	return run(ctx, stdin, command[0], command[1:]...)
}

// kubectl runs kubectl, which must succeed, and returns its stdout.
func (s *space) kubectl(args ...string) string {
	s.t.Helper()
	return s.kubectlIn("", args...)
}

// kubectlIn is kubectl with a standard input.
func (s *space) kubectlIn(stdin string, args ...string) string {
	s.t.Helper()
	out, err := s.kubectlWith(s.t.Context(), stdin, args)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// refused runs kubectl, which must fail, and returns its stderr.
func (s *space) refused(stdin string, args ...string) string {
	s.t.Helper()
	out, err := s.kubectlWith(s.t.Context(), stdin, args)
	if err == nil {
		s.t.Fatalf("kubectl %s: succeeded, and should not have:\n%s", strings.Join(args, " "), out)
	}
	return err.Error()
}

// apply applies manifests of testdata/manifests by their names without suffix.
func (s *space) apply(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.kubectl("apply", "-f", filepath.Join(top, "testdata/manifests", name+".yaml"))
	}
}

// applyText applies a manifest.
func (s *space) applyText(manifest string) string {
	s.t.Helper()
	return s.kubectlIn(manifest, "apply", "-f", "-")
}

// manifest is a file of testdata/manifests with words replaced: old, new, old, new.
func (s *space) manifest(name string, replace ...string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "testdata/manifests", name+".yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.NewReplacer(replace...).Replace(string(text))
}

// docker runs the docker command line on the Swarm's manager.
func (s *space) docker(args ...string) string {
	s.t.Helper()
	out, err := run(s.t.Context(), "", "docker", append([]string{"-H", s.dockerHost}, args...)...)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(out)
}

// services names the namespace's services as Swarm has them, in order.
func (s *space) services() []string {
	s.t.Helper()
	names := strings.Fields(s.docker("service", "ls", "--format", "{{.Name}}", "--filter", "label=com.docker.stack.namespace="+s.ns))
	sort.Strings(names)
	return names
}

// running holds the ids of the tasks of a service that should run, in order.
func (s *space) running(service string) []string {
	s.t.Helper()
	ids := strings.Fields(s.docker("service", "ps", "-q", "--no-trunc", "--filter", "desired-state=running", service))
	sort.Strings(ids)
	return ids
}

// field reads one jsonpath of one object, "" while it is not there.
func (s *space) field(object, path string) string {
	out, err := s.try("get", object, "-o", "jsonpath={"+path+"}", "--ignore-not-found")
	if err != nil {
		return err.Error()
	}
	return out
}

// waitField waits until a jsonpath of an object has a value.
func (s *space) waitField(timeout time.Duration, object, path, want string) {
	s.t.Helper()
	eventually(s.t, timeout, func() error {
		if got := s.field(object, path); got != want {
			return fmt.Errorf("%s %s is %q, want %q", object, path, got, want)
		}
		return nil
	})
}

// podNames lists Pods by label, in order.
func (s *space) podNames(selector string) []string {
	s.t.Helper()
	names := strings.Fields(s.kubectl("get", "pods", "-l", selector, "-o", "jsonpath={.items[*].metadata.name}"))
	sort.Strings(names)
	return names
}

// waitRunning waits until exactly n Pods with the label run and are ready, and returns their names.
func (s *space) waitRunning(selector string, n int) []string {
	s.t.Helper()
	var names []string
	eventually(s.t, 60*time.Second, func() error {
		lines := strings.Split(strings.TrimSpace(s.kubectl("get", "pods", "-l", selector, "--no-headers")), "\n")
		names = names[:0]
		for _, line := range lines {
			if f := strings.Fields(line); len(f) > 2 && f[1] == "1/1" && f[2] == "Running" {
				names = append(names, f[0])
			}
		}
		if len(names) != n || len(lines) != n {
			return fmt.Errorf("want %d running Pods and no others, have:\n%s", n, strings.Join(lines, "\n"))
		}
		return nil
	})
	sort.Strings(names)
	return names
}

// inContainer runs a command inside a Pod's container, by Docker.
func (s *space) inContainer(pod string, command ...string) string {
	s.t.Helper()
	id := strings.TrimPrefix(s.field("pod/"+pod, ".status.containerStatuses[0].containerID"), "docker://")
	if id == "" {
		s.t.Fatalf("Pod %s has no container", pod)
	}
	return s.docker(append([]string{"exec", id}, command...)...)
}

// client is a client for any kind, without rate limit.
func (s *space) client() *dynamic.DynamicClient {
	s.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.gateway.kubeconfig)
	if err != nil {
		s.t.Fatal(err)
	}
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

// sighting is one event of a watch, and when it came.
type sighting struct {
	watch.Event
	at time.Time
}

// object is what the event is about.
func (s sighting) object() *unstructured.Unstructured {
	object, _ := s.Object.(*unstructured.Unstructured)
	return object
}

// sightings collects a watch's events.
type sightings struct {
	t      *testing.T
	mu     sync.Mutex
	events []sighting
	ended  bool
}

// watch opens a watch on a kind, from now on; it ends with the test.
func (s *space) watch(kind schema.GroupVersionResource) *sightings {
	s.t.Helper()
	client := s.client().Resource(kind).Namespace(s.ns)
	list, err := client.List(s.t.Context(), metav1.ListOptions{Limit: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := client.Watch(s.t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		s.t.Fatal(err)
	}
	seen := &sightings{t: s.t}
	go func() {
		for e := range w.ResultChan() {
			seen.mu.Lock()
			seen.events = append(seen.events, sighting{e, time.Now()})
			seen.mu.Unlock()
		}
		seen.mu.Lock()
		seen.ended = true
		seen.mu.Unlock()
	}()
	s.t.Cleanup(w.Stop)
	return seen
}

// await waits for an event that fits, and returns when it came.
func (w *sightings) await(timeout time.Duration, what string, fits func(sighting) bool) time.Time {
	w.t.Helper()
	var at time.Time
	eventually(w.t, timeout, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range w.events {
			if e.object() != nil && fits(e) {
				at = e.at
				return nil
			}
		}
		if w.ended {
			return errors.New("the watch has ended")
		}
		return fmt.Errorf("no event says %s; %d events came", what, len(w.events))
	})
	return at
}

// explain logs what skep and Swarm know, for a test that failed.
func (s *space) explain() {
	t := s.t
	t.Logf("skep's log about it:\n%s", tail(s.gateway.log, 40, s.ns, "level=ERROR", "level=WARN", "panic"))
	look := func(program string, args ...string) {
		out, err := run(context.Background(), "", program, args...)
		if err != nil {
			out += err.Error()
		}
		t.Logf("%s %s\n%s", filepath.Base(program), strings.Join(args, " "), out)
	}
	look(kubectlBin, s.args([]string{"get", "deploy,rs,ds,sts,pods", "-o", "wide"})...)
	services, _ := run(context.Background(), "", "docker", "-H", s.dockerHost, "service", "ls", "-q",
		"--filter", "label=com.docker.stack.namespace="+s.ns)
	if ids := strings.Fields(services); len(ids) > 0 {
		look("docker", append([]string{"-H", s.dockerHost, "service", "ps", "--no-trunc"}, ids...)...)
	}
}

// contains fails the test unless text holds every one of the parts.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

// empty says what workload is left in the namespace.
func (s *space) empty() error {
	out, err := s.try("get", "deploy,rs,ds,sts,pods", "-o", "name")
	if err != nil {
		return err
	}
	if left := append(strings.Fields(out), s.services()...); len(left) > 0 {
		return fmt.Errorf("left: %v", left)
	}
	return nil
}

// watchEvent wraps an object of an informer.
func watchEvent(o any) watch.Event {
	object, _ := o.(*unstructured.Unstructured)
	return watch.Event{Object: object}
}
