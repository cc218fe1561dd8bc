package translate

import (
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// otherFates are the kinds that run nothing.
var otherFates = []kindFates{
	{
		kind: "ConfigMap", objects: []runtime.Object{&corev1.ConfigMap{}}, template: noTemplate,
		note: "A document in a Swarm config; what a Pod mounts of it is a Swarm config a file.",
		rows: []fate{
			{path: "data", fate: ViaGateway, reason: "kept; a file of 0.9 MB at most can be mounted"},
			{path: "binaryData", fate: ViaGateway, reason: "kept; a file of 0.9 MB at most can be mounted"},
			{path: "immutable", fate: ViaGateway, reason: "kept and enforced"},
		},
	},
	{
		kind: "Secret", objects: []runtime.Object{&corev1.Secret{}}, template: noTemplate,
		note: "A sealed document in a Swarm config; what a Pod mounts of it is a Swarm secret a file.",
		rows: []fate{
			{path: "data", fate: ViaGateway, reason: "kept sealed; a file of 0.5 MB at most can be mounted"},
			{path: "stringData", fate: ViaGateway, reason: "becomes data"},
			{path: "type", fate: ViaGateway, reason: "kept"},
			{path: "immutable", fate: ViaGateway, reason: "kept and enforced"},
		},
	},
	{
		kind: "ServiceAccount", objects: []runtime.Object{&corev1.ServiceAccount{}}, template: noTemplate,
		note: "A document.",
		rows: []fate{
			{path: "secrets", fate: ViaGateway, reason: "kept"},
			{path: "imagePullSecrets", fate: Warned, reason: "Pods do not take them over: name them in the Pod's imagePullSecrets"},
			{path: "automountServiceAccountToken", fate: ViaGateway, reason: "kept; no token is mounted"},
		},
	},
	{
		kind: "Lease", objects: []runtime.Object{&coordinationv1.Lease{}}, template: noTemplate,
		note: "A document, so that leader election works.",
		rows: []fate{{path: "spec", fate: ViaGateway, reason: "kept"}},
	},
	{
		kind: "Event", objects: []runtime.Object{&corev1.Event{}, &eventsv1.Event{}}, template: noTemplate,
		note: "From task history; what clients record is held in memory and forgotten in time.",
		rows: []fate{
			{path: "involvedObject", fate: ViaGateway, reason: "held"},
			{path: "regarding", fate: ViaGateway, reason: "held"},
			{path: "related", fate: ViaGateway, reason: "held"},
			{path: "reason", fate: ViaGateway, reason: "held"},
			{path: "message", fate: ViaGateway, reason: "held"},
			{path: "note", fate: ViaGateway, reason: "held"},
			{path: "source", fate: ViaGateway, reason: "held"},
			{path: "deprecatedSource", fate: ViaGateway, reason: "held"},
			{path: "firstTimestamp", fate: ViaGateway, reason: "held"},
			{path: "deprecatedFirstTimestamp", fate: ViaGateway, reason: "held"},
			{path: "lastTimestamp", fate: ViaGateway, reason: "held"},
			{path: "deprecatedLastTimestamp", fate: ViaGateway, reason: "held"},
			{path: "count", fate: ViaGateway, reason: "held"},
			{path: "deprecatedCount", fate: ViaGateway, reason: "held"},
			{path: "type", fate: ViaGateway, reason: "held"},
			{path: "eventTime", fate: ViaGateway, reason: "held"},
			{path: "series", fate: ViaGateway, reason: "held"},
			{path: "action", fate: ViaGateway, reason: "held"},
			{path: "reportingComponent", fate: ViaGateway, reason: "held"},
			{path: "reportingController", fate: ViaGateway, reason: "held"},
			{path: "reportingInstance", fate: ViaGateway, reason: "held"},
		},
	},
	{
		kind: "Node", objects: []runtime.Object{&corev1.Node{}}, template: noTemplate,
		note: "A node of the Swarm. Nodes join and leave by docker swarm join and docker swarm leave.",
		rows: []fate{
			{path: "spec.unschedulable", fate: Native, reason: "availability pause"},
			{path: "spec.taints", fate: Refused, reason: "Swarm's nodes have no taints: label the nodes, and let Pods ask for the label or exclude it", when: &condition{"other than cordon's", func(s subject) bool {
				taints, _ := s.value.([]corev1.Taint)
				for _, t := range taints {
					if t.Key != corev1.TaintNodeUnschedulable {
						return true
					}
				}
				return false
			}}},
			{path: "spec.taints", fate: Native, reason: "cordon's, shown while the node is paused or drained"},
			{path: "spec.podCIDR", fate: Refused, reason: nodeReason},
			{path: "spec.podCIDRs", fate: Refused, reason: nodeReason},
			{path: "spec.providerID", fate: Refused, reason: nodeReason},
			{path: "spec.configSource", fate: Refused, reason: nodeReason},
			{path: "spec.externalID", fate: Refused, reason: nodeReason},
			{path: "spec.podPreemptionPolicy", fate: Refused, reason: nodeReason},
			{path: "status", fate: ViaGateway, reason: statusReason},
		},
	},
	{
		kind: "Namespace", objects: []runtime.Object{&corev1.Namespace{}}, template: noTemplate,
		note: "A stack. One made by docker stack deploy is a namespace while it has a service.",
		rows: []fate{
			{path: "spec.finalizers", fate: ViaGateway, reason: "kept; the namespace's content goes first"},
			{path: "status", fate: ViaGateway, reason: statusReason},
		},
	},
}

const nodeReason = "Swarm keeps no such thing of a node: set labels or annotations"
