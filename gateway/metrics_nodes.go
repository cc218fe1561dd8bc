package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/metrics/pkg/apis/metrics"

	"skep/swarm/agent"
)

// nodeMetrics are what nodes use, measured when they are asked for.
type nodeMetrics struct {
	metricsTable
	nodes  reader
	usages *usages
}

var (
	_ rest.Getter               = nodeMetrics{}
	_ rest.Lister               = nodeMetrics{}
	_ rest.Scoper               = nodeMetrics{}
	_ rest.Storage              = nodeMetrics{}
	_ rest.SingularNameProvider = nodeMetrics{}
)

func newNodeMetrics(b *builder) (map[string]rest.Storage, error) {
	return map[string]rest.Storage{"": nodeMetrics{nodes: b.nodes, usages: b.usages}}, nil
}

// New implements rest.Storage.
func (nodeMetrics) New() runtime.Object { return &metrics.NodeMetrics{} }

// NewList implements rest.Lister.
func (nodeMetrics) NewList() runtime.Object { return &metrics.NodeMetricsList{} }

// Destroy implements rest.Storage.
func (nodeMetrics) Destroy() {}

// NamespaceScoped implements rest.Scoper.
func (nodeMetrics) NamespaceScoped() bool { return false }

// GetSingularName implements rest.SingularNameProvider. There is none, as in metrics-server: "node" is the Node's.
func (nodeMetrics) GetSingularName() string { return "" }

// Get implements rest.Getter. Where there is no agent the error is ServiceUnavailable: that may pass.
func (n nodeMetrics) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	object, err := n.nodes.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	node, ok := object.(*api.Node)
	if !ok {
		return nil, fmt.Errorf("node %s is a %T", name, object)
	}
	measured, failed := n.measure(ctx, []api.Node{*node})
	for _, err := range failed {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("metrics not available for node %s: %v", name, err))
	}
	return &measured[0], nil
}

// List implements rest.Lister. Nodes that cannot be measured are not in it, and a warning names them.
func (n nodeMetrics) List(ctx context.Context, o *metainternalversion.ListOptions) (runtime.Object, error) {
	object, err := n.nodes.List(ctx, selectorsOf(o))
	if err != nil {
		return nil, err
	}
	list, ok := object.(*api.NodeList)
	if !ok {
		return nil, fmt.Errorf("the list of nodes is a %T", object)
	}
	measured, failed := n.measure(ctx, list.Items)
	n.usages.warn(ctx, failed)
	return &metrics.NodeMetricsList{Items: measured}, nil
}

// selectorsOf are the options of a list that say what is in it. Metrics are never in pages, and have no versions.
func selectorsOf(o *metainternalversion.ListOptions) *metainternalversion.ListOptions {
	if o == nil {
		return &metainternalversion.ListOptions{}
	}
	return &metainternalversion.ListOptions{LabelSelector: o.LabelSelector, FieldSelector: o.FieldSelector}
}

// measure keeps the order of the nodes. Those that Swarm says are away are not asked.
func (n nodeMetrics) measure(ctx context.Context, nodes []api.Node) (measured []metrics.NodeMetrics, failed map[string]error) {
	var ready []string
	away := map[string]error{}
	for i := range nodes {
		if err := notReady(&nodes[i]); err != nil {
			away[swarmNode(&nodes[i])] = err
			continue
		}
		ready = append(ready, swarmNode(&nodes[i]))
	}
	answered, failed := n.usages.of(ctx, ready)
	for id, err := range away {
		failed[id] = err
	}
	measured = []metrics.NodeMetrics{}
	for i := range nodes {
		if stats := answered[swarmNode(&nodes[i])]; stats != nil {
			measured = append(measured, metricsOfNode(&nodes[i], stats))
		}
	}
	return measured, failed
}

func metricsOfNode(node *api.Node, stats *agent.Stats) metrics.NodeMetrics {
	return metrics.NodeMetrics{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, Labels: node.Labels, CreationTimestamp: metav1.Now()},
		Timestamp:  metav1.NewTime(stats.Node.Timestamp),
		Window:     windowOf(stats.Node.Usage),
		Usage:      usageOf(stats.Node.Usage),
	}
}

// swarmNode is the ID of a node in Swarm.
func swarmNode(node *api.Node) string {
	return strings.TrimPrefix(node.Spec.ProviderID, "swarm://")
}

func notReady(node *api.Node) error {
	for _, c := range node.Status.Conditions {
		if c.Type == api.NodeReady && c.Status != api.ConditionTrue {
			return errors.New(c.Message)
		}
	}
	return nil
}
