package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/warning"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/metrics/pkg/apis/metrics"
	metricskinds "k8s.io/metrics/pkg/apis/metrics/install"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"skep/swarm/agent"
	"skep/translate"
	"skep/translate/manifest"
)

// registryOf reads a list, by name and by label.
type registryOf struct {
	reader
	pods  []api.Pod
	nodes []api.Node
	// asked are the options of the last list.
	asked *metainternalversion.ListOptions
}

func (r *registryOf) Get(_ context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	for i := range r.pods {
		if r.pods[i].Name == name {
			return &r.pods[i], nil
		}
	}
	for i := range r.nodes {
		if r.nodes[i].Name == name {
			return &r.nodes[i], nil
		}
	}
	return nil, apierrors.NewNotFound(api.Resource("things"), name)
}

func (r *registryOf) List(_ context.Context, o *metainternalversion.ListOptions) (runtime.Object, error) {
	r.asked = o
	if r.nodes != nil {
		return &api.NodeList{Items: r.nodes}, nil
	}
	return &api.PodList{Items: r.pods}, nil
}

// podOn is a Pod of which containers run; those whose names end in "-" have ended.
func podOn(node, name string, containers ...string) api.Pod {
	pod := api.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: name, Labels: map[string]string{"app": name},
		Annotations: map[string]string{translate.AnnotationTask: "task@" + node},
	}}
	for _, c := range containers {
		status := api.ContainerStatus{Name: strings.TrimSuffix(c, "-"), ContainerID: "docker://" + name + "." + c}
		if strings.HasSuffix(c, "-") {
			status.State.Terminated = &api.ContainerStateTerminated{}
		} else {
			status.State.Running = &api.ContainerStateRunning{}
		}
		if strings.HasPrefix(c, "init") {
			pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, status)
		} else {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
		}
	}
	return pod
}

var measuredAt = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// uses is a container's usage of millicores and Ki, measured some seconds later than others.
func uses(id, role string, milli, ki uint64, later int) agent.ContainerUsage {
	return agent.ContainerUsage{ID: id, Role: role, Usage: agent.Usage{
		Timestamp: measuredAt.Add(time.Duration(later) * time.Second), Window: time.Second + 23456*time.Nanosecond, CPU: milli * 1e6, Memory: ki << 10,
	}}
}

// usagesOf answers for the nodes that it knows, and keeps the answers.
func usagesOf(nodes map[string]*agent.Stats) *usages {
	return &usages{
		ask: func(_ context.Context, node string) (*agent.Stats, error) {
			if stats := nodes[node]; stats != nil {
				return stats, nil
			}
			return nil, errors.New("nobody answers")
		},
		name: func(node string) string { return "name-of-" + node },
		keep: time.Hour, recent: map[string]nodeAnswer{},
	}
}

func podMetricsOf(pods []api.Pod, nodes map[string]*agent.Stats) podMetrics {
	return podMetrics{
		pods: &registryOf{pods: pods}, usages: usagesOf(nodes),
		taskNode: func(task string) string { return strings.TrimPrefix(task, "task@") },
	}
}

// warnings collects what a client is told.
type warnings []string

func (w *warnings) AddWarning(_, text string) { *w = append(*w, text) }

// summary is a list in short: each Pod with its containers, and what they use.
func summary(list *metrics.PodMetricsList) (out []string) {
	for _, p := range list.Items {
		line := p.Namespace + "/" + p.Name
		for _, c := range p.Containers {
			line += fmt.Sprintf(" %s=%s,%s", c.Name, c.Usage.Cpu(), c.Usage.Memory())
		}
		out = append(out, line)
	}
	return out
}

// Containers are found by their IDs on whatever node they are: those of plain tasks and of sandboxes, but not what
// belongs to skep. Pods that are not running, not wholly measured, or on nodes without an agent are left out.
func TestPodMetrics(t *testing.T) {
	p := podMetricsOf([]api.Pod{
		podOn("n1", "plain", "web"),
		podOn("n2", "many", "web", "proxy", "init-sidecar", "init-done-"),
		podOn("n1", "waiting"),
		podOn("n1", "ended", "web-"),
		podOn("n1", "young", "old", "new"),
		podOn("n1", "starting", "sandbox"),
		podOn("away", "lost", "web"),
	}, map[string]*agent.Stats{
		"n1": {Containers: []agent.ContainerUsage{
			uses("plain.web", "", 250, 2048, 0), uses("young.old", "", 1, 1, 0), uses("stack.other", "", 9, 9, 0),
			uses("starting.sandbox", manifest.RoleSandbox, 7, 7, 0),
		}},
		"n2": {Containers: []agent.ContainerUsage{
			uses("many.proxy", manifest.RoleContainer, 1, 4, 2), uses("many.web", manifest.RoleContainer, 1000, 1024, 3),
			uses("many.init-sidecar", manifest.RoleInit, 0, 8, 1), uses("sandbox-of-many", manifest.RoleSandbox, 70, 70, 0),
		}},
	})
	var told warnings
	list, err := p.List(warning.WithWarningRecorder(t.Context(), &told), &metainternalversion.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := list.(*metrics.PodMetricsList)
	want := []string{"shop/plain web=250m,2Mi", "shop/many web=1,1Mi proxy=1m,4Ki init-sidecar=0,8Ki"}
	if !slices.Equal(summary(got), want) {
		t.Errorf("metrics are\n%q, want\n%q", summary(got), want)
	}
	many := got.Items[1]
	if at := many.Timestamp.Time; !at.Equal(measuredAt.Add(time.Second)) || many.Window.Duration != time.Second {
		t.Errorf("the Pod is measured at %v over %v, want its first container's time", at, many.Window)
	}
	if many.Labels["app"] != "many" {
		t.Errorf("labels are %v", many.Labels)
	}
	if len(told) != 1 || !strings.Contains(told[0], "node name-of-away: nobody answers") {
		t.Errorf("warnings are %q", told)
	}
}

func TestPodMetricsOfOne(t *testing.T) {
	p := podMetricsOf([]api.Pod{podOn("n1", "plain", "web"), podOn("n1", "waiting"), podOn("away", "lost", "web")},
		map[string]*agent.Stats{"n1": {Containers: []agent.ContainerUsage{uses("plain.web", "", 250, 2048, 0)}}})
	one, err := p.Get(t.Context(), "plain", nil)
	if err != nil || one.(*metrics.PodMetrics).Containers[0].Usage.Cpu().MilliValue() != 250 {
		t.Errorf("%v, %v", one, err)
	}
	if _, err := p.Get(t.Context(), "waiting", nil); !apierrors.IsNotFound(err) ||
		err.Error() != `podmetrics.metrics.k8s.io "shop/waiting" not found` {
		t.Errorf("a Pod that does not run: %v", err)
	}
	if _, err := p.Get(t.Context(), "lost", nil); !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "name-of-away: nobody answers") {
		t.Errorf("a Pod on a node without agent: %v", err)
	}
	if _, err := p.Get(t.Context(), "nosuch", nil); !apierrors.IsNotFound(err) {
		t.Errorf("no Pod: %v", err)
	}
}

func nodeCalled(name string, ready api.ConditionStatus) api.Node {
	return api.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"disk": "ssd"}},
		Spec:       api.NodeSpec{ProviderID: "swarm://" + name},
		Status:     api.NodeStatus{Conditions: []api.NodeCondition{{Type: api.NodeReady, Status: ready, Message: "Swarm says that it is " + string(ready)}}},
	}
}

// Of nodes that Swarm says are away nobody waits for an answer; both they and those without an agent are warned of.
func TestNodeMetrics(t *testing.T) {
	usages := usagesOf(map[string]*agent.Stats{"n1": {Node: agent.NodeUsage{Usage: uses("", "", 1500, 4096, 0).Usage}}})
	answer, asked := usages.ask, map[string]bool{}
	var mu sync.Mutex
	usages.ask = func(ctx context.Context, node string) (*agent.Stats, error) {
		mu.Lock()
		asked[node] = true
		mu.Unlock()
		return answer(ctx, node)
	}
	registry := &registryOf{nodes: []api.Node{
		nodeCalled("n1", api.ConditionTrue), nodeCalled("bare", api.ConditionTrue), nodeCalled("down", api.ConditionUnknown),
	}}
	n := nodeMetrics{nodes: registry, usages: usages}
	var told warnings
	options := &metainternalversion.ListOptions{LabelSelector: labels.Everything(), Limit: 1, ResourceVersion: "7"}
	list, err := n.List(warning.WithWarningRecorder(t.Context(), &told), options)
	if err != nil {
		t.Fatal(err)
	}
	items := list.(*metrics.NodeMetricsList).Items
	if len(items) != 1 || items[0].Name != "n1" || items[0].Usage.Cpu().String() != "1500m" || items[0].Usage.Memory().String() != "4Mi" ||
		items[0].Labels["disk"] != "ssd" || !items[0].Timestamp.Time.Equal(measuredAt) {
		t.Errorf("metrics are %v", items)
	}
	if len(told) != 1 || !strings.Contains(told[0], "2 nodes, name-of-bare, name-of-down: nobody answers") {
		t.Errorf("warnings are %q", told)
	}
	if names := slices.Sorted(maps.Keys(asked)); !slices.Equal(names, []string{"bare", "n1"}) {
		t.Errorf("asked were %v", names)
	}
	if registry.asked.LabelSelector == nil || registry.asked.Limit != 0 || registry.asked.ResourceVersion != "" {
		t.Errorf("nodes are listed with %v", registry.asked)
	}
	for name, want := range map[string]string{"bare": "nobody answers", "down": "Swarm says that it is Unknown"} {
		if _, err := n.Get(t.Context(), name, nil); !apierrors.IsServiceUnavailable(err) ||
			err.Error() != "metrics not available for node "+name+": "+want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := n.Get(t.Context(), "nosuch", nil); !apierrors.IsNotFound(err) {
		t.Errorf("no node: %v", err)
	}
}

// Whoever asks while a node is being asked waits for the same answer, and a client that gives up does not take it away
// from the others. Later ones get it again, failures as well.
func TestUsagesAskOnce(t *testing.T) {
	var asked atomic.Int32
	began, release := make(chan struct{}), make(chan struct{})
	u := usagesOf(nil)
	u.ask = func(ctx context.Context, node string) (*agent.Stats, error) {
		if asked.Add(1) == 1 {
			close(began)
		}
		<-release
		if node == "away" {
			return nil, errors.New("nobody answers")
		}
		return &agent.Stats{}, ctx.Err()
	}
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan nodeAnswer)
	go func() { left <- u.one(impatient, "n1") }()
	<-began
	leave()
	if answer := <-left; !errors.Is(answer.err, context.Canceled) {
		t.Errorf("who has left got %v", answer)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if answered, failed := u.of(t.Context(), []string{"n1"}); answered["n1"] == nil || len(failed) > 0 {
				t.Errorf("%v, %v", answered, failed)
			}
		})
	}
	close(release)
	all.Wait()
	for range 3 {
		if _, failed := u.of(t.Context(), []string{"away", "n1"}); len(failed) != 1 {
			t.Errorf("failed: %v", failed)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("two nodes were asked %d times", n)
	}
}

// Answers are not kept: nothing grows with nodes that come and go.
func TestUsagesForget(t *testing.T) {
	u := usagesOf(map[string]*agent.Stats{"n1": {}})
	u.keep = time.Nanosecond
	u.of(t.Context(), []string{"n1", "away"})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		u.mu.Lock()
		n := len(u.recent)
		u.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d answers are still there", n)
		}
	}
}

func TestMetricsTable(t *testing.T) {
	p := podMetricsOf([]api.Pod{podOn("n1", "two", "a", "b")}, map[string]*agent.Stats{
		"n1": {Containers: []agent.ContainerUsage{uses("two.a", "", 250, 512, 0), uses("two.b", "", 1, 512, 0)}},
	})
	list, err := p.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	table, err := p.ConvertToTable(t.Context(), list, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(table.Rows[0].Cells...); got != fmt.Sprint("two", "251m", "1Mi", "1s") || len(table.ColumnDefinitions) != 4 {
		t.Errorf("the row is %q of %d columns", got, len(table.ColumnDefinitions))
	}
	if bare, err := p.ConvertToTable(t.Context(), list, &metav1.TableOptions{NoHeaders: true}); err != nil || bare.ColumnDefinitions != nil {
		t.Errorf("without headers: %v, %v", bare, err)
	}
	if _, err := p.ConvertToTable(t.Context(), &api.Pod{}, nil); err == nil {
		t.Error("a Pod is taken for metrics")
	}
}

// What goes over the wire is what clients of metrics-server parse: nanocores and Ki.
func TestMetricsOnTheWire(t *testing.T) {
	scheme := runtime.NewScheme()
	metricskinds.Install(scheme)
	u := uses("plain.web", "", 0, 1027, 0)
	u.CPU = 1234567
	p := podMetricsOf([]api.Pod{podOn("n1", "plain", "web")}, map[string]*agent.Stats{"n1": {Containers: []agent.ContainerUsage{u}}})
	one, err := p.Get(t.Context(), "plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	external, err := scheme.ConvertToVersion(one, metricsv1beta1.SchemeGroupVersion)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := json.Marshal(external)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"kind":"PodMetrics","apiVersion":"metrics.k8s.io/v1beta1"`, `"timestamp":"2026-11-26T12:00:00Z","window":"1s"`,
		`"containers":[{"name":"web","usage":{"cpu":"1234567n","memory":"1027Ki"}}]`,
	} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("%s is missing in %s", want, doc)
		}
	}
}
