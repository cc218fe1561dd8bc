package translate

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
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
		kind: "DaemonSet", objects: []runtime.Object{&appsv1.DaemonSet{}}, template: noTemplate,
		note: "Global services, shown only.",
		rows: []fate{
			{path: "spec", fate: Refused, reason: "DaemonSets are only shown, for now: use docker service create --mode global"},
			{path: "status", fate: ViaGateway, reason: statusReason},
		},
	},
	{
		kind: "Job", objects: []runtime.Object{&batchv1.Job{}}, template: noTemplate,
		note: "Replicated-job and global-job services, shown only.",
		rows: []fate{
			{path: "spec", fate: Refused, reason: "Jobs are only shown, for now: use docker service create --mode replicated-job"},
			{path: "status", fate: ViaGateway, reason: statusReason},
		},
	},
}

const (
	statusReason           = "what the Swarm says; what clients write there is not kept"
	templateMetadataReason = "labels become the containers', but for those of Docker, skep and kubelets (com.docker.*, skep.*, io.kubernetes.*); annotations are kept"
)

// metadataFates hold for every kind.
var metadataFates = []fate{
	{path: "metadata", fate: ViaGateway, reason: "kept as JSON in the label skep.object"},
	{path: "metadata.name", fate: Native, reason: "identity, in the labels of the Swarm object"},
	{path: "metadata.namespace", fate: Native, reason: "the stack"},
	{path: "metadata.labels", fate: Native, reason: "kept, and set on the Swarm object as well"},
	{path: "metadata.resourceVersion", fate: Native, reason: "Swarm's version index, followed by six digits that are the object's own"},
	{path: "metadata.creationTimestamp", fate: Native, reason: "the Swarm object's"},
}
