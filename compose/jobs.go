package compose

import (
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"
	"github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate"
)

// runOnce makes the Job of a service that comes to an end, or the CronJobs of one that is run by the clock.
func (c *converter) runOnce(w *workload, k kind, own metav1.ObjectMeta) {
	spec := c.jobSpec(w)
	made := false
	if k == job || w.service.Triggers == nil || len(w.service.Triggers.Schedule) == 0 {
		j := &batchv1.Job{ObjectMeta: own, Spec: spec}
		if w.service.Job {
			j.Spec.Suspend = new(true)
			c.find(Approximated, w.at, "Compose runs it when it is asked to: the Job is suspended until someone resumes it (kubectl patch job %s -p '{\"spec\":{\"suspend\":false}}')", w.name)
		}
		w.object = j
		return
	}
	for i, s := range w.service.Triggers.Schedule {
		if _, err := cron.ParseStandard(s.Cron); err != nil {
			c.find(Refused, fmt.Sprintf("%s.triggers.schedule[%d]", w.at, i), "Kubernetes reads no such schedule (%v): five fields, as of crontab(5)", err)
			continue
		}
		object := &batchv1.CronJob{ObjectMeta: *own.DeepCopy(), Spec: batchv1.CronJobSpec{
			Schedule: s.Cron, JobTemplate: batchv1.JobTemplateSpec{Spec: *spec.DeepCopy()},
		}}
		c.schedule(fmt.Sprintf("%s.triggers.schedule[%d]", w.at, i), s, &object.Spec)
		object.Name = cronName(object.Name)
		if !made {
			w.object, made = object, true
			continue
		}
		object.Name = c.names.take("workload", cronName(fmt.Sprintf("%s-%d", w.name, i+1)), fmt.Sprintf("%s.triggers.schedule[%d]", w.at, i))
		c.add(object, w.at)
	}
	if !made { // no schedule that Kubernetes reads
		spec.Suspend = new(true)
		w.object = &batchv1.Job{ObjectMeta: own, Spec: spec}
	}
}

// missedFire is how late a run may start where missed ones are to be skipped, in seconds.
const missedFire = 60

// schedule says when a CronJob runs.
func (c *converter) schedule(at string, s types.ScheduleConfig, spec *batchv1.CronJobSpec) {
	spec.ConcurrencyPolicy = batchv1.ForbidConcurrent // Compose's default
	if s.Concurrency == "queue" {
		c.find(Approximated, at+".concurrency", "Kubernetes queues no runs: one that is due while another runs starts when that has ended, and there is one at most")
	}
	if s.MissedFires == "skip" {
		spec.StartingDeadlineSeconds = new(int64(missedFire))
	}
	if s.Timezone != "" {
		if _, err := time.LoadLocation(s.Timezone); err != nil || s.Timezone == "Local" {
			c.find(Refused, at+".timezone", "%q is no time zone of the IANA database: the schedule is in the cluster's zone now", s.Timezone)
			return
		}
		spec.TimeZone = &s.Timezone
	}
}

// jobSpec is what Swarm's restart policy and mode mean for a Job.
func (c *converter) jobSpec(w *workload) batchv1.JobSpec {
	spec := batchv1.JobSpec{Template: w.template}
	s := w.service
	attempts := restartAttempts(s)
	spec.Template.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	switch {
	case restartCondition(s) == swarm.RestartPolicyConditionNone:
		spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
		spec.BackoffLimit = new(int32(0))
	case attempts != nil:
		spec.BackoffLimit = new(int32(min(*attempts, unlimited)))
	default:
		spec.BackoffLimit = new(int32(unlimited)) // Swarm tries for ever
	}
	done, at := replicasOf(&s.Spec), replicasOf(&s.Spec)
	if m := s.Spec.Mode.ReplicatedJob; m != nil {
		done, at = m.TotalCompletions, m.MaxConcurrent
	}
	switch {
	case done != nil && *done == 0: // switched off: a Job without completions would be complete
		spec.Suspend = new(true)
	case done != nil && *done != 1:
		spec.Completions = new(int32(min(*done, unlimited)))
		if at == nil {
			at = done
		}
		spec.Parallelism = new(int32(min(*at, unlimited)))
	}
	if s.Spec.Mode.GlobalJob != nil {
		c.global(w, &spec)
	}
	return spec
}

// unlimited is more often than anyone waits for; Kubernetes doubles the pause each time.
const unlimited = 1<<31 - 1

func replicasOf(spec *swarm.ServiceSpec) *uint64 {
	if m := spec.Mode.Replicated; m != nil {
		return m.Replicas
	}
	return nil
}

// global is a Job that is to run once on each node, which no Job of Kubernetes can count.
func (c *converter) global(w *workload, spec *batchv1.JobSpec) {
	annotations := w.object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[translate.AnnotationSwarmMode] = "global"
	w.object.SetAnnotations(annotations)
	if spec.Template.Spec.Affinity == nil {
		spec.Template.Spec.Affinity = &corev1.Affinity{}
	}
	spec.Template.Spec.Affinity.PodAntiAffinity = onePerNode(w)
	c.decide(Approximated, w.at+".deploy.mode", "Kubernetes knows no Job for each node: put the number of nodes into completions and parallelism, the Pods keep apart by themselves")
}
