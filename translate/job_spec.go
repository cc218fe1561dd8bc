package translate

import (
	"math"
	"strconv"

	"github.com/docker/docker/api/types/swarm"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	batchdefaults "k8s.io/kubernetes/pkg/apis/batch/v1"
)

// AnnotationSwarmMode on a Job: "global" has it run once on every node that it may run on, as a global-job service.
const AnnotationSwarmMode = "skep/swarm-mode"

const swarmModeGlobal = "global"

// anyAttempts is the backoffLimit of what Swarm restarts for ever.
const anyAttempts = math.MaxInt32

func isGlobalJob(job *batchv1.Job) bool {
	return job.Annotations[AnnotationSwarmMode] == swarmModeGlobal
}

func isSuspended(job *batchv1.Job) bool { return isTrue(job.Spec.Suspend) }

func isIndexed(job *batchv1.Job) bool {
	return job.Spec.CompletionMode != nil && *job.Spec.CompletionMode == batchv1.IndexedCompletion
}

// isJobService says whether a service is one that Swarm runs to completion, and any update of which runs it again.
func isJobService(s *swarm.ServiceSpec) bool {
	return s.Mode.ReplicatedJob != nil || s.Mode.GlobalJob != nil
}

// putJobMode is a Job's service: one that is suspended completes nothing, at once. Without completions as many as run at a
// time have to.
func putJobMode(job *batchv1.Job) swarm.ServiceMode {
	if isGlobalJob(job) {
		return swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	}
	parallel := uint64(replicasOr1(job.Spec.Parallelism))
	complete := parallel
	if job.Spec.Completions != nil {
		complete = uint64(*job.Spec.Completions)
	}
	if isSuspended(job) {
		parallel, complete = 0, 0
	}
	return swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &parallel, TotalCompletions: &complete}}
}

// putJobRestart has Swarm start a task anew that failed, whether Kubernetes would start its container anew or make
// another Pod, as often as the backoffLimit says. To Swarm 0 attempts are any number.
func putJobRestart(job *batchv1.Job, template *corev1.PodTemplateSpec, task *swarm.TaskSpec) {
	policy := orZero(task.RestartPolicy)
	policy.Condition, policy.MaxAttempts = swarm.RestartPolicyConditionOnFailure, nil
	if orZero(readOnly[taskOnly](template.Annotations).RestartPolicy).Condition == swarm.RestartPolicyConditionAny {
		policy.Condition = swarm.RestartPolicyConditionAny // which is the same of a job
	}
	switch limit := job.Spec.BackoffLimit; {
	case limit == nil || *limit == anyAttempts:
	case *limit == 0:
		policy.Condition = swarm.RestartPolicyConditionNone
	default:
		policy.MaxAttempts = new(uint64(*limit))
	}
	task.RestartPolicy = &policy
}

// What a job service says beside its task, in the words of a Job: how many at a time, and how many attempts.
var jobFacets = []facet[swarm.ServiceSpec, Object]{
	{
		name: "concurrency",
		at: func(s *swarm.ServiceSpec) any {
			switch {
			case s.Mode.GlobalJob != nil:
				return swarmModeGlobal
			case s.Mode.ReplicatedJob == nil:
				return nil
			}
			return strconv.FormatUint(orOne(s.Mode.ReplicatedJob.MaxConcurrent), 10)
		},
		get: getConcurrency,
	},
	{
		name: "attempts",
		at: func(s *swarm.ServiceSpec) any {
			if !isJobService(s) {
				return nil
			}
			return strconv.Itoa(int(attemptsOf(&s.TaskTemplate)))
		},
		get: func(s *swarm.ServiceSpec, object *Object) {
			if job, ok := (*object).(*batchv1.Job); ok {
				job.Spec.BackoffLimit = new(attemptsOf(&s.TaskTemplate))
			}
		},
	},
}

func orOne(n *uint64) uint64 {
	if n == nil {
		return 1
	}
	return *n
}

func getConcurrency(s *swarm.ServiceSpec, object *Object) {
	job, ok := (*object).(*batchv1.Job)
	switch {
	case !ok:
	case s.Mode.GlobalJob != nil:
		job.Annotations = withEntry(job.Annotations, AnnotationSwarmMode, swarmModeGlobal)
		job.Spec.Parallelism, job.Spec.Completions = new(int32(1)), nil
	case s.Mode.ReplicatedJob != nil:
		job.Spec.Parallelism = new(int32(min(orOne(s.Mode.ReplicatedJob.MaxConcurrent), math.MaxInt32)))
	}
}

// attemptsOf is the backoffLimit that a task's restart policy comes to.
func attemptsOf(task *swarm.TaskSpec) int32 {
	policy := orZero(task.RestartPolicy)
	switch most := orZero(policy.MaxAttempts); {
	case policy.Condition == swarm.RestartPolicyConditionNone:
		return 0
	case most == 0:
		return anyAttempts
	default:
		return int32(min(most, anyAttempts))
	}
}

// jobRestart gives a Pod template a restart policy that Jobs know. The attempts are the Job's own.
func jobRestart(o *corev1.PodTemplateSpec) {
	if o.Spec.RestartPolicy == corev1.RestartPolicyAlways {
		o.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
		setCondition(o, swarm.RestartPolicyConditionAny)
	}
	was := readOnly[taskOnly](o.Annotations)
	if orZero(was.RestartPolicy).MaxAttempts != nil {
		is, policy := was, *was.RestartPolicy
		policy.MaxAttempts = nil
		is.RestartPolicy = filled(policy)
		sayOnly(o, was, is)
	}
}

// JobOf is what a job service says as a Job, defaulted: labels and annotations, but no name.
func JobOf(s *swarm.ServiceSpec) *batchv1.Job {
	job := &batchv1.Job{}
	object := Object(job)
	overlay(serviceFacets, s, &object, nil)
	setTemplate(job, GetPod(&s.TaskTemplate, s.Name))
	batchdefaults.SetObjectDefaults_Job(job)
	return job
}

// checkJob refuses what rows of a table cannot say.
func checkJob(job *batchv1.Job, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	spec, metadata := field.NewPath("spec"), field.NewPath("metadata")
	if at != nil {
		spec, metadata = at.Child("spec"), at.Child("metadata")
	}
	mode := metadata.Child("annotations").Key(AnnotationSwarmMode)
	global := isGlobalJob(job)
	switch value, set := job.Annotations[AnnotationSwarmMode]; {
	case set && !global:
		errs = append(errs, field.NotSupported(mode, value, []string{swarmModeGlobal}))
	case global && isSuspended(job):
		errs = append(errs, field.Forbidden(spec.Child("suspend"), "a job of every node runs as soon as it is there: create it when it is to run"))
	case global && isIndexed(job):
		errs = append(errs, field.Forbidden(spec.Child("completionMode"), "nodes have no index: leave the annotation "+AnnotationSwarmMode+" out"))
	case global && job.Spec.Completions != nil && *job.Spec.Completions != 1:
		errs = append(errs, field.Forbidden(spec.Child("completions"), "every node completes once: leave it out"))
	}
	if orZero(readOnly[taskOnly](job.Spec.Template.Annotations).RestartPolicy).MaxAttempts != nil {
		errs = append(errs, field.Forbidden(onlyAt(spec.Child("template", "metadata")).Child("RestartPolicy", "MaxAttempts"), "is the Job's backoffLimit"))
	}
	return errs
}
