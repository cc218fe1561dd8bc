package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/metrics/pkg/apis/metrics"

	"skep/swarm/agent"
	"skep/translate"
	"skep/translate/manifest"
)

// podMetrics are what the containers of Pods use, measured when they are asked for.
type podMetrics struct {
	metricsTable
	pods     reader
	usages   *usages
	taskNode func(taskID string) (nodeID string)
}

var (
	_ rest.Getter               = podMetrics{}
	_ rest.Lister               = podMetrics{}
	_ rest.Scoper               = podMetrics{}
	_ rest.Storage              = podMetrics{}
	_ rest.SingularNameProvider = podMetrics{}
)

func newPodMetrics(b *builder) (map[string]rest.Storage, error) {
	return map[string]rest.Storage{"": podMetrics{pods: b.pods, usages: b.usages, taskNode: b.mirror.TaskNode}}, nil
}

// New implements rest.Storage.
func (podMetrics) New() runtime.Object { return &metrics.PodMetrics{} }

// NewList implements rest.Lister.
func (podMetrics) NewList() runtime.Object { return &metrics.PodMetricsList{} }

// Destroy implements rest.Storage.
func (podMetrics) Destroy() {}

// NamespaceScoped implements rest.Scoper.
func (podMetrics) NamespaceScoped() bool { return true }

// GetSingularName implements rest.SingularNameProvider. There is none, as in metrics-server: "pod" is the Pod's.
func (podMetrics) GetSingularName() string { return "" }

// Get implements rest.Getter. For a Pod that does not run the error is NotFound, where there is no agent
// ServiceUnavailable.
func (p podMetrics) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	object, err := p.pods.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	pod, ok := object.(*api.Pod)
	if !ok {
		return nil, fmt.Errorf("the Pod %s is a %T", name, object)
	}
	measured, failed := p.measure(ctx, []api.Pod{*pod})
	for node, err := range failed {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf(
			"metrics not available for pod %s/%s on node %s: %v", pod.Namespace, name, p.usages.name(node), err))
	}
	if len(measured) == 0 {
		return nil, apierrors.NewNotFound(metrics.Resource("podmetrics"), pod.Namespace+"/"+name)
	}
	return &measured[0], nil
}

// List implements rest.Lister. Pods on nodes without an agent are not in it, and a warning names these nodes.
func (p podMetrics) List(ctx context.Context, o *metainternalversion.ListOptions) (runtime.Object, error) {
	object, err := p.pods.List(ctx, selectorsOf(o))
	if err != nil {
		return nil, err
	}
	list, ok := object.(*api.PodList)
	if !ok {
		return nil, fmt.Errorf("the list of Pods is a %T", object)
	}
	measured, failed := p.measure(ctx, list.Items)
	p.usages.warn(ctx, failed)
	return &metrics.PodMetricsList{Items: measured}, nil
}

// measure asks the nodes where containers of the Pods run, and keeps the order of the Pods.
func (p podMetrics) measure(ctx context.Context, pods []api.Pod) (measured []metrics.PodMetrics, failed map[string]error) {
	running, nodes := make([][]container, len(pods)), map[string]bool{}
	for i := range pods {
		if running[i] = containersOf(&pods[i]); len(running[i]) == 0 {
			continue
		}
		if node := p.taskNode(pods[i].Annotations[translate.AnnotationTask]); node != "" {
			nodes[node] = true
		}
	}
	answered, failed := p.usages.of(ctx, slices.Collect(maps.Keys(nodes)))
	used := usedBy(answered)
	measured = []metrics.PodMetrics{}
	for i := range pods {
		if m, whole := metricsOfPod(&pods[i], running[i], used); whole {
			measured = append(measured, m)
		}
	}
	return measured, failed
}

// container is one that runs.
type container struct{ name, id string }

// containersOf are those of a Pod that run, by its status.
func containersOf(pod *api.Pod) (running []container) {
	for _, list := range [][]api.ContainerStatus{
		pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses, pod.Status.EphemeralContainerStatuses,
	} {
		for i := range list {
			if c := &list[i]; c.State.Running != nil && c.ContainerID != "" {
				running = append(running, container{c.Name, strings.TrimPrefix(c.ContainerID, "docker://")})
			}
		}
	}
	return running
}

// usedBy has what containers use by their IDs. What skep runs beside those of a Pod is not among them.
func usedBy(answered map[string]*agent.Stats) map[string]*agent.Usage {
	used := map[string]*agent.Usage{}
	for _, stats := range answered {
		for i := range stats.Containers {
			if c := &stats.Containers[i]; c.Role != manifest.RoleSandbox && c.Role != manifest.RoleHelper {
				used[c.ID] = &c.Usage
			}
		}
	}
	return used
}

// metricsOfPod has all of a Pod's running containers, or is not the whole: one that was left out because it has only
// just started would let an autoscaler think that the Pod needs less than it does. The time is that of the container
// measured first, as metrics-server has it.
func metricsOfPod(pod *api.Pod, running []container, used map[string]*agent.Usage) (m metrics.PodMetrics, whole bool) {
	m = metrics.PodMetrics{ObjectMeta: metav1.ObjectMeta{
		Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels, CreationTimestamp: metav1.Now(),
	}}
	for _, c := range running {
		u := used[c.id]
		if u == nil {
			return m, false
		}
		if m.Timestamp.IsZero() || u.Timestamp.Before(m.Timestamp.Time) {
			m.Timestamp, m.Window = metav1.NewTime(u.Timestamp), windowOf(*u)
		}
		m.Containers = append(m.Containers, metrics.ContainerMetrics{Name: c.name, Usage: usageOf(*u)})
	}
	return m, len(running) > 0
}
