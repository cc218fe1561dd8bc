package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/metrics/pkg/apis/metrics"

	"skep/swarm/agent"
)

const (
	// statsKept is how long a node's answer is given again, and an agent that does not answer left alone.
	statsKept = 3 * time.Second
	// statsTimeout is how long an agent may take to measure. One that is not there is given up after agentDial.
	statsTimeout = 10 * time.Second
	// statsNamed is how many nodes a warning names.
	statsNamed = 10
)

// reader is the part of a registry that reads.
type reader interface {
	rest.Getter
	rest.Lister
}

// usages asks the nodes' agents what is used there. Nothing is stored but their last answers, for a moment.
type usages struct {
	ask  func(ctx context.Context, nodeID string) (*agent.Stats, error)
	name func(nodeID string) string // of a node in Kubernetes
	keep time.Duration

	asking singleflight.Group // by node
	mu     sync.Mutex
	recent map[string]nodeAnswer
}

// nodeAnswer is what an agent said, or why it did not.
type nodeAnswer struct {
	stats *agent.Stats
	err   error
}

func newUsages(a *agents) *usages {
	return &usages{
		ask: func(ctx context.Context, nodeID string) (*agent.Stats, error) {
			stats := &agent.Stats{}
			return stats, a.call(ctx, nodeID, http.MethodGet, "/stats", nil, stats)
		},
		name: func(nodeID string) string { name, _ := a.mirror.NodeAddress(nodeID); return name },
		keep: statsKept, recent: map[string]nodeAnswer{},
	}
}

// of asks nodes all at once: it takes as long as the slowest of them.
func (u *usages) of(ctx context.Context, nodeIDs []string) (answered map[string]*agent.Stats, failed map[string]error) {
	answers := make([]nodeAnswer, len(nodeIDs))
	var all sync.WaitGroup
	for i, id := range nodeIDs {
		all.Go(func() { answers[i] = u.one(ctx, id) })
	}
	all.Wait()
	answered, failed = map[string]*agent.Stats{}, map[string]error{}
	for i, id := range nodeIDs {
		if answers[i].err != nil {
			failed[id] = answers[i].err
		} else {
			answered[id] = answers[i].stats
		}
	}
	return answered, failed
}

// one asks a node, once for all who want to know at the same time. A client that goes away does not end it for the others.
func (u *usages) one(ctx context.Context, nodeID string) nodeAnswer {
	u.mu.Lock()
	last, ok := u.recent[nodeID]
	u.mu.Unlock()
	if ok {
		return last
	}
	asked := u.asking.DoChan(nodeID, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statsTimeout)
		defer cancel()
		stats, err := u.ask(ctx, nodeID)
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("its agent did not answer within %v: %w", statsTimeout, err)
		}
		answer := nodeAnswer{stats, err}
		u.remember(nodeID, answer)
		return answer, nil
	})
	select {
	case result := <-asked:
		return result.Val.(nodeAnswer)
	case <-ctx.Done():
		return nodeAnswer{err: ctx.Err()}
	}
}

// remember keeps an answer for a moment, failures as well: a node that is gone costs the time-out once.
func (u *usages) remember(nodeID string, answer nodeAnswer) {
	u.mu.Lock()
	u.recent[nodeID] = answer
	u.mu.Unlock()
	time.AfterFunc(u.keep, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.recent, nodeID)
	})
}

// warn tells a client whose list it is which nodes are not in it.
func (u *usages) warn(ctx context.Context, failed map[string]error) {
	if len(failed) == 0 {
		return
	}
	ids := map[string]string{} // by name
	var names []string
	for id := range failed {
		name := u.name(id)
		ids[name] = id
		names = append(names, name)
	}
	slices.Sort(names)
	which, first := "node "+names[0], failed[ids[names[0]]]
	if len(names) > 1 {
		which = fmt.Sprintf("%d nodes, %s", len(names), strings.Join(names[:min(len(names), statsNamed)], ", "))
		if len(names) > statsNamed {
			which += " and others"
		}
	}
	warning.AddWarning(ctx, "", fmt.Sprintf("there are no metrics of %s: %v", which, first))
}

// usageOf is cpu in nanocores and memory in bytes, which is in whole Ki: the kernel counts pages.
func usageOf(u agent.Usage) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewScaledQuantity(int64(u.CPU), resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(int64(u.Memory), resource.BinarySI),
	}
}

// windowOf leaves out what nobody reads.
func windowOf(u agent.Usage) metav1.Duration {
	return metav1.Duration{Duration: u.Window.Round(time.Millisecond)}
}

// metricsTable has the columns of metrics-server: Name, cpu, memory and Window.
type metricsTable struct{}

// ConvertToTable implements rest.TableConvertor.
func (metricsTable) ConvertToTable(_ context.Context, object, options runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{}
	if o, ok := options.(*metav1.TableOptions); !ok || !o.NoHeaders {
		table.ColumnDefinitions = []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string", Format: "name", Description: "Name of the resource"},
			{Name: "cpu", Type: "string", Format: "quantity"},
			{Name: "memory", Type: "string", Format: "quantity"},
			{Name: "Window", Type: "string", Format: "duration"},
		}
	}
	switch o := object.(type) {
	case *metrics.NodeMetrics:
		table.Rows = []metav1.TableRow{nodeRow(o)}
	case *metrics.NodeMetricsList:
		for i := range o.Items {
			table.Rows = append(table.Rows, nodeRow(&o.Items[i]))
		}
	case *metrics.PodMetrics:
		table.Rows = []metav1.TableRow{podRow(o)}
	case *metrics.PodMetricsList:
		for i := range o.Items {
			table.Rows = append(table.Rows, podRow(&o.Items[i]))
		}
	default:
		return nil, fmt.Errorf("%T is no metrics", object)
	}
	return table, nil
}

func nodeRow(n *metrics.NodeMetrics) metav1.TableRow {
	return metricsRow(n, n.Name, n.Usage, n.Window)
}

// podRow adds up the containers.
func podRow(p *metrics.PodMetrics) metav1.TableRow {
	sum := corev1.ResourceList{}
	for _, c := range p.Containers {
		for name, used := range c.Usage {
			used.Add(sum[name])
			sum[name] = used
		}
	}
	return metricsRow(p, p.Name, sum, p.Window)
}

func metricsRow(object runtime.Object, name string, used corev1.ResourceList, window metav1.Duration) metav1.TableRow {
	return metav1.TableRow{
		Cells:  []any{name, used.Cpu().String(), used.Memory().String(), window.Duration.String()},
		Object: runtime.RawExtension{Object: object},
	}
}
