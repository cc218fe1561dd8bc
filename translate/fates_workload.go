package translate

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// workloadFates are the kinds that run something, in the order of docs/support.md.
var workloadFates = []kindFates{
	{
		kind: "Pod", objects: []runtime.Object{&corev1.Pod{}}, template: "",
		note: "A task. A bare Pod is a service of one. The rows of `spec` hold for Pod templates, too.",
		rows: []fate{{path: "status", fate: ViaGateway, reason: statusReason}},
	},
	{
		kind: "Deployment", objects: []runtime.Object{&appsv1.Deployment{}}, template: "spec.template",
		note: "A replicated service. Its rolling update is the service's UpdateConfig.",
		rows: []fate{
			{path: "spec.replicas", fate: Native, reason: "the service's replicas"},
			{path: "spec.selector", fate: ViaGateway, reason: "kept; a service's tasks are its own"},
			{path: "spec.template.metadata", fate: ViaGateway, reason: templateMetadataReason},
			{path: "spec.strategy.type", fate: Warned, reason: "Swarm replaces all tasks at once: old and new ones may overlap for a moment", when: equals("Recreate")},
			{path: "spec.strategy", fate: Native, reason: "parallelism and order: maxSurge starts first, else maxUnavailable stops first; percentages are of the replicas as of then"},
			{path: "spec.minReadySeconds", fate: Native, reason: "the update's delay"},
			{path: "spec.revisionHistoryLimit", fate: ViaGateway, reason: "as many ReplicaSets are kept"},
			{path: "spec.paused", fate: ViaGateway, reason: "the template is kept and runs when resumed"},
			{path: "spec.progressDeadlineSeconds", fate: ViaGateway, reason: "the Progressing condition"},
			{path: "status", fate: ViaGateway, reason: statusReason},
		},
	},
	{
		kind: "ReplicaSet", objects: []runtime.Object{&appsv1.ReplicaSet{}}, template: "spec.template",
		note: "A Deployment's service at one revision; one of its own is a replicated service.",
		rows: []fate{
			{path: "spec.replicas", fate: Native, reason: "the service's replicas"},
			{path: "spec.minReadySeconds", fate: ViaGateway, reason: "when a Pod counts as available"},
			{path: "spec.selector", fate: ViaGateway, reason: "kept; a service's tasks are its own"},
			{path: "spec.template.metadata", fate: ViaGateway, reason: templateMetadataReason},
			{path: "status", fate: ViaGateway, reason: statusReason},
		},
	},
	{
		kind: "DaemonSet", objects: []runtime.Object{&appsv1.DaemonSet{}}, template: "spec.template",
		note: "A global service: a task on each node that the template's constraints allow. No node of a Swarm has a taint that keeps it from managers: " +
			"ask for workers by affinity (`node-role.kubernetes.io/control-plane`, DoesNotExist).",
		rows: []fate{
			{path: "spec.selector", fate: ViaGateway, reason: "kept; a service's tasks are its own"},
			{path: "spec.template.metadata", fate: ViaGateway, reason: templateMetadataReason},
			{path: "spec.updateStrategy", fate: Native, reason: "parallelism and order: maxSurge starts first, else maxUnavailable stops first; 100% is all at once"},
			{path: "spec.updateStrategy.type", fate: Warned, reason: onDeleteReason, when: equals("OnDelete")},
			{path: "spec.updateStrategy.rollingUpdate.maxUnavailable", fate: Warned, reason: percentReason, when: somePercent},
			{path: "spec.updateStrategy.rollingUpdate.maxSurge", fate: Warned, reason: percentReason, when: somePercent},
			{path: "spec.minReadySeconds", fate: Native, reason: "the update's delay"},
			{path: "spec.revisionHistoryLimit", fate: ViaGateway, reason: revisionsReason},
			{path: "status", fate: ViaGateway, reason: statusReason},
		},
	},
	{
		kind: kindStatefulSet, objects: []runtime.Object{&appsv1.StatefulSet{}}, template: "spec.template",
		note: "A replicated service. A Pod's name and hostname are made of the replica's slot (`.Task.Slot`), so they last. What docker service create makes is a Deployment.",
		rows: append([]fate{
			{path: "spec.replicas", fate: Native, reason: "the service's replicas. Which of them goes when there are to be fewer is Swarm's choice: the highest, unless nodes would be left with unequal numbers"},
			{path: "spec.selector", fate: ViaGateway, reason: "kept; a service's tasks are its own"},
			{path: "spec.template.metadata", fate: ViaGateway, reason: templateMetadataReason},
			{path: "spec.serviceName", fate: Warned, reason: "kept; Swarm's DNS knows a Pod by its own name (db-0), and not below that of a Service (db-0.db)"},
			{path: "spec.ordinals", fate: Native, reason: "part of the template for the names; another start replaces all Pods"},
			{path: "spec.podManagementPolicy", fate: Warned, reason: "Swarm starts and stops all replicas at once, as with Parallel", when: orderedReplicas},
			{path: "spec.podManagementPolicy", fate: Native, reason: "Swarm starts and stops all replicas at once"},
			{path: "spec.updateStrategy", fate: Native, reason: "parallelism: maxUnavailable, 100% is all at once. Swarm takes the replicas in no order"},
			{path: "spec.updateStrategy.type", fate: Warned, reason: onDeleteReason, when: equals("OnDelete")},
			{path: "spec.updateStrategy.rollingUpdate.partition", fate: Refused, reason: "Swarm gives all replicas of a service one template: roll out a StatefulSet of its own to try a new one", when: other("0", 0)},
			{path: "spec.updateStrategy.rollingUpdate.maxUnavailable", fate: Warned, reason: percentReason, when: somePercent},
			{path: "spec.minReadySeconds", fate: Native, reason: "the update's delay"},
			{path: "spec.revisionHistoryLimit", fate: ViaGateway, reason: revisionsReason},
			{path: "spec.volumeClaimTemplates", fate: ViaGateway, reason: "a claim for each Pod, with a Docker volume `<namespace>_<template>-<Pod>`. Where that is on one node, all Pods run on the node of the first one (warned with several replicas)"},
			{path: "spec.persistentVolumeClaimRetentionPolicy", fate: ViaGateway, reason: "claims are kept"},
			{path: "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", fate: Warned, reason: retentionReason, when: equals("Delete")},
			{path: "spec.persistentVolumeClaimRetentionPolicy.whenScaled", fate: Warned, reason: retentionReason, when: equals("Delete")},
			{path: "status", fate: ViaGateway, reason: statusReason},
			{path: "spec.volumeClaimTemplates[].spec.selector", fate: Refused, reason: newVolumeReason},
			{path: "spec.volumeClaimTemplates[].spec.volumeName", fate: Refused, reason: newVolumeReason},
		}, claimSpecFates("spec.volumeClaimTemplates[].spec")...),
	},
	{
		kind: kindRevision, objects: []runtime.Object{&appsv1.ControllerRevision{}}, template: noTemplate,
		note: "A template that a DaemonSet or StatefulSet has or had. skep makes them.",
		rows: []fate{
			{path: "data", fate: ViaGateway, reason: "the template"},
			{path: "revision", fate: ViaGateway, reason: "the order of the templates"},
		},
	},
}

const (
	onDeleteReason         = "a new template is kept and waits for the strategy RollingUpdate: Swarm gives all tasks of a service one template"
	percentReason          = "counts as 1: Swarm's parallelism is a number of tasks"
	revisionsReason        = "as many ControllerRevisions are kept"
	newVolumeReason        = "each Pod has a volume of its own: leave it out"
	retentionReason        = "the claims are kept: delete them with kubectl delete pvc"
	statusReason           = "what the Swarm says; what clients write there is not kept"
	templateMetadataReason = "labels become the containers', but for those of Docker, skep and kubelets (com.docker.*, skep.*, io.kubernetes.*); annotations are kept"
)

// somePercent is a share that is neither a number nor all.
var somePercent = &condition{"a percentage other than 100%", func(s subject) bool {
	share, ok := s.value.(intstr.IntOrString)
	return ok && share.Type == intstr.String && !isAll(&share)
}}

// orderedReplicas are several that are to wait for each other.
var orderedReplicas = &condition{"OrderedReady, with several replicas", func(s subject) bool {
	spec, ok := s.within.(*appsv1.StatefulSetSpec)
	return ok && spec.PodManagementPolicy == appsv1.OrderedReadyPodManagement && replicasOr1(spec.Replicas) > 1
}}

// metadataFates hold for every kind.
var metadataFates = []fate{
	{path: "metadata", fate: ViaGateway, reason: "kept as JSON in the label skep.object"},
	{path: "metadata.name", fate: Native, reason: "identity, in the labels of the Swarm object"},
	{path: "metadata.namespace", fate: Native, reason: "the stack"},
	{path: "metadata.labels", fate: Native, reason: "kept, and set on the Swarm object as well"},
	{path: "metadata.resourceVersion", fate: Native, reason: "Swarm's version index, followed by six digits that are the object's own"},
	{path: "metadata.creationTimestamp", fate: Native, reason: "the Swarm object's"},
}
