package translate

import (
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// jobFates are the kinds that run something to its end.
var jobFates = []kindFates{
	{
		kind: "Job", objects: []runtime.Object{&batchv1.Job{}}, template: "spec.template",
		note: "A replicated-job service; with the annotation `" + AnnotationSwarmMode + ": global` a global-job one, which runs once on every node. Swarm runs a job again on any change of its " +
			"service, so what changes of a Job is kept in a document beside it, and labels reach the service only when it is made.",
		rows: slices.Concat(jobRows("spec"), []fate{{path: "status", fate: ViaGateway, reason: statusReason}}),
	},
	{
		kind: "CronJob", objects: []runtime.Object{&batchv1.CronJob{}}, template: "spec.jobTemplate.spec.template",
		note: "A document. Kubernetes' own controller, in the gateway, makes its Jobs: while no gateway runs, none is made.",
		rows: slices.Concat([]fate{
			{path: "spec.schedule", fate: ViaGateway, reason: cronReason},
			{path: "spec.timeZone", fate: ViaGateway, reason: cronReason},
			{path: "spec.startingDeadlineSeconds", fate: ViaGateway, reason: cronReason},
			{path: "spec.concurrencyPolicy", fate: ViaGateway, reason: cronReason},
			{path: "spec.suspend", fate: ViaGateway, reason: cronReason},
			{path: "spec.successfulJobsHistoryLimit", fate: ViaGateway, reason: "older Jobs are deleted"},
			{path: "spec.failedJobsHistoryLimit", fate: ViaGateway, reason: "older Jobs are deleted"},
			{path: "spec.jobTemplate.metadata", fate: ViaGateway, reason: "the Jobs'"},
		}, jobRows("spec.jobTemplate.spec"), []fate{{path: "status", fate: ViaGateway, reason: "kept"}}),
	},
}

const (
	cronReason  = "by Kubernetes' own controller"
	indexReason = "the Pods' numbers are Swarm's slots, and it gives up on all alike: use backoffLimit, which is for each slot"
)

// jobRows are those of a Job's spec, at a path.
func jobRows(at string) []fate {
	rows := []fate{
		{path: "parallelism", fate: Warned, reason: "all of them have to succeed: Swarm starts those that failed again, even after another has succeeded", when: workQueue},
		{path: "parallelism", fate: Native, reason: "how many tasks run at a time; refused while the Job runs"},
		{path: "completions", fate: Native, reason: "how many tasks are to complete; refused while the Job runs"},
		{path: "completionMode", fate: Native, reason: "the index is the task's slot"},
		{path: "backoffLimit", fate: Native, reason: "the attempts of each slot, after Swarm's restart delay; when it is exceeded by all together, skep stops the Job. A task that a node rejects, for want of its image, is an attempt, too. A restart is a new task: with OnFailure it shows as a restart of the Pod, with Never as another Pod. Refused while the Job runs"},
		{path: "activeDeadlineSeconds", fate: ViaGateway, reason: "skep stops the Job"},
		{path: "ttlSecondsAfterFinished", fate: ViaGateway, reason: cronReason},
		{path: "suspend", fate: Warned, reason: "a Job that is suspended while it runs begins anew when it is resumed: Swarm counts the completions of one run", when: equals(true)},
		{path: "suspend", fate: Native, reason: "a service that completes nothing"},
		{path: "selector", fate: ViaGateway, reason: "kept; a service's tasks are its own"},
		{path: "manualSelector", fate: ViaGateway, reason: "kept"},
		{path: "podReplacementPolicy", fate: Native, reason: "Swarm starts a task again when the one before has ended"},
		{path: "podFailurePolicy", fate: Refused, reason: "Swarm looks only at whether a task failed: leave it out"},
		{path: "successPolicy", fate: Refused, reason: "Swarm completes all tasks of a job: leave it out"},
		{path: "backoffLimitPerIndex", fate: Refused, reason: indexReason},
		{path: "maxFailedIndexes", fate: Refused, reason: indexReason},
		{path: "managedBy", fate: Refused, reason: "skep manages all Jobs: leave it out", when: other(batchv1.JobControllerName, batchv1.JobControllerName)},
		{path: "managedBy", fate: ViaGateway, reason: "kept"},
		{path: "scheduling", fate: Refused, reason: "Swarm schedules each task by itself: leave it out"},
		{path: "template.metadata", fate: ViaGateway, reason: templateMetadataReason},
	}
	for i := range rows {
		rows[i].path = join(at, rows[i].path)
	}
	return rows
}

// workQueue is a Job of several Pods at a time and no number of completions.
var workQueue = &condition{"without completions, if more than 1", func(s subject) bool {
	spec, ok := s.within.(*batchv1.JobSpec)
	return ok && spec.Completions == nil && replicasOr1(spec.Parallelism) > 1
}}
