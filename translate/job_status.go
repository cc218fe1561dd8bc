package translate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// jobCount is what the tasks of a Job's present run came to.
type jobCount struct {
	active, ready, succeeded, failed, terminating int32
	indexes                                       []int // of those that succeeded
	last                                          time.Time
	exhausted                                     time.Time // when a slot failed for the last time it may
}

// countJob counts a Job's Pods.
func countJob(w World, wl *Workload, job *batchv1.Job, tasks []*swarm.Task) jobCount {
	var c jobCount
	for _, in := range wl.instances(tasks) {
		t := in.task
		switch {
		case earlierRun(wl, t) && !in.stopping:
		case in.stopping:
			c.terminating++
		case t.Status.State == swarm.TaskStateComplete:
			c.succeeded++
			c.indexes = append(c.indexes, t.Slot)
			c.last = latest(c.last, t.Status.Timestamp)
		case in.ended && (!wanted(t) || wl.kinship().each):
			c.failed++
		default:
			c.active++
			if _, ready := readyOf(w, t); ready {
				c.ready++
			}
		}
	}
	c.exhausted = soonest(givenUp(wl, job, tasks), restartedTooOften(w, wl, job, tasks))
	return c
}

// restartedTooOften is when the sandboxes of a Job started containers anew as often as they may, for which Swarm sees no
// task fail. Zero while they have not.
func restartedTooOften(w World, wl *Workload, job *batchv1.Job, tasks []*swarm.Task) time.Time {
	var restarts int32
	var at time.Time
	for _, t := range tasks {
		r := w.Report(t.ID)
		if r == nil || earlierRun(wl, t) || hasEnded(t) || wl.Template.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
			continue
		}
		for _, list := range [][]corev1.ContainerStatus{r.Status.InitContainerStatuses, r.Status.ContainerStatuses} {
			for i := range list {
				restarts += list[i].RestartCount
				if end := list[i].LastTerminationState.Terminated; end != nil {
					at = latest(at, end.FinishedAt.Time)
				}
			}
		}
	}
	if limit := backoffLimit(job); restarts == 0 || restarts < limit {
		return time.Time{}
	}
	return at
}

func backoffLimit(job *batchv1.Job) int32 {
	if job.Spec.BackoffLimit == nil {
		return 6 // Kubernetes' default
	}
	return *job.Spec.BackoffLimit
}

// givenUp is when a Job's attempts were used up: of one slot, which Swarm starts no more then, or of all together, as
// Kubernetes counts. Zero while they are not.
func givenUp(wl *Workload, job *batchv1.Job, tasks []*swarm.Task) time.Time {
	var at time.Time
	var failures []time.Time
	k, newest := wl.kinship(), map[slotKey]bool{}
	for _, t := range tasks { // the newest first
		if earlierRun(wl, t) {
			continue
		}
		slot := k.slotOf(t)
		first := !newest[slot]
		newest[slot] = true
		failed := t.Status.State == swarm.TaskStateFailed
		if first && !wanted(t) && t.DesiredState != swarm.TaskStateRemove && (failed || t.Status.State == swarm.TaskStateRejected) {
			at = latest(at, t.Status.Timestamp)
		}
		if failed {
			failures = append(failures, t.Status.Timestamp)
		}
	}
	if limit := backoffLimit(job); int64(len(failures)) > int64(limit) {
		slices.SortFunc(failures, time.Time.Compare)
		at = soonest(at, failures[limit])
	}
	return at
}

// earlierRun says whether a task is of a run of the job before its present one.
func earlierRun(wl *Workload, t *swarm.Task) bool {
	return t.JobIteration != nil && t.JobIteration.Index != runOf(wl.Service)
}

// verdict is how a Job has ended; its reason is empty while it has not.
type verdict struct {
	failed          bool
	reason, message string
	at              time.Time
}

func judge(job *batchv1.Job, c *jobCount, start, now time.Time) verdict {
	deadline := deadlineOf(job, start)
	switch {
	case isSuspended(job):
		return verdict{}
	case !c.exhausted.IsZero():
		return verdict{true, batchv1.JobReasonBackoffLimitExceeded, "Job has reached the specified backoff limit", c.exhausted}
	case completed(job, c):
		return verdict{false, batchv1.JobReasonCompletionsReached, "Reached expected number of succeeded pods", latest(start, c.last)}
	case !deadline.IsZero() && !now.Before(deadline):
		return verdict{true, batchv1.JobReasonDeadlineExceeded, "Job was active longer than specified deadline", deadline}
	}
	return verdict{}
}

func deadlineOf(job *batchv1.Job, start time.Time) time.Time {
	if job.Spec.ActiveDeadlineSeconds == nil || isSuspended(job) {
		return time.Time{}
	}
	return start.Add(time.Duration(*job.Spec.ActiveDeadlineSeconds) * time.Second)
}

func completed(job *batchv1.Job, c *jobCount) bool {
	if job.Spec.Completions != nil && !isGlobalJob(job) {
		return c.succeeded >= *job.Spec.Completions
	}
	return c.succeeded > 0 && c.active == 0 && c.terminating == 0
}

// jobStatus is what a Job controller would say of a service and its tasks, and when it would say something else without
// anything happening.
func jobStatus(w World, wl *Workload, job *batchv1.Job, tasks []*swarm.Task, now time.Time) (batchv1.JobStatus, time.Time) {
	c, start := countJob(w, wl, job, tasks), stamp(revised(wl))
	if kept := endedStatus(wl); kept != nil {
		return stillStopping(*kept, c.terminating), time.Time{}
	}
	status := batchv1.JobStatus{
		Active: c.active, Succeeded: c.succeeded, Failed: c.failed, Ready: &c.ready, Terminating: &c.terminating,
		UncountedTerminatedPods: &batchv1.UncountedTerminatedPods{},
	}
	if isIndexed(job) {
		status.CompletedIndexes = ranges(c.indexes)
	}
	switch {
	case isSuspended(job):
		status.Conditions = []batchv1.JobCondition{jobCondition(batchv1.JobSuspended, true, "JobSuspended", "Job suspended", start.Time)}
		return status, time.Time{}
	case wl.Service.Spec.Labels[LabelRevised] != "":
		status.Conditions = []batchv1.JobCondition{jobCondition(batchv1.JobSuspended, false, "JobResumed", "Job resumed", start.Time)}
	}
	status.StartTime = &start
	v := judge(job, &c, start.Time, now)
	if v.reason == "" {
		return status, deadlineOf(job, start.Time)
	}
	conclude(&status, v)
	return status, time.Time{}
}

// conclude writes how a Job ended: first that it will, then, once no Pod is left, that it has.
func conclude(status *batchv1.JobStatus, v verdict) {
	first, then := batchv1.JobSuccessCriteriaMet, batchv1.JobComplete
	if v.failed {
		first, then = batchv1.JobFailureTarget, batchv1.JobFailed
	}
	status.Conditions = append(status.Conditions, jobCondition(first, true, v.reason, v.message, v.at))
	if status.Active > 0 || *status.Terminating > 0 {
		return
	}
	status.Conditions = append(status.Conditions, jobCondition(then, true, v.reason, v.message, v.at))
	if !v.failed {
		at := stamp(v.at)
		status.CompletionTime = &at
	}
}

func jobCondition(kind batchv1.JobConditionType, yes bool, reason, message string, at time.Time) batchv1.JobCondition {
	c := batchv1.JobCondition{
		Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message,
		LastProbeTime: stamp(at), LastTransitionTime: stamp(at),
	}
	if !yes {
		c.Status = corev1.ConditionFalse
	}
	return c
}

// ranges writes numbers as a Job's status does: 0,2-4.
func ranges(numbers []int) string {
	slices.Sort(numbers)
	var words []string
	for i := 0; i < len(numbers); {
		end := i
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		word := strconv.Itoa(numbers[i])
		if end > i {
			word += "-" + strconv.Itoa(numbers[end])
		}
		words = append(words, word)
		i = end + 1
	}
	return strings.Join(words, ",")
}

// endedJob is what LabelEnded holds: how a Job had ended when skep stopped what still ran of it, which is a run of the
// service of its own.
type endedJob struct {
	Run    uint64            `json:"run"`
	Status batchv1.JobStatus `json:"status"`
}

func runOf(s *swarm.Service) uint64 {
	if s.JobStatus == nil {
		return 0
	}
	return s.JobStatus.JobIteration.Index
}

// endedStatus is how a Job ended that skep stopped; nil where it did not, or where someone ran it again since.
func endedStatus(wl *Workload) *batchv1.JobStatus {
	var ended endedJob
	doc, ok := wl.Service.Spec.Labels[LabelEnded]
	if !ok || json.Unmarshal([]byte(doc), &ended) != nil || ended.Run != runOf(wl.Service) {
		return nil
	}
	return &ended.Status
}

// stillStopping leaves out that a Job has ended while its Pods stop.
func stillStopping(status batchv1.JobStatus, terminating int32) batchv1.JobStatus {
	status.Terminating = &terminating
	if terminating > 0 {
		status.Conditions = slices.DeleteFunc(slices.Clone(status.Conditions), func(c batchv1.JobCondition) bool { return c.Type == batchv1.JobFailed })
	}
	return status
}

func jobFinished(status *batchv1.JobStatus) bool {
	return slices.ContainsFunc(status.Conditions, func(c batchv1.JobCondition) bool {
		return (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue
	})
}

// StopJob plans that nothing more runs of a Job that failed: Kubernetes' Job controller deletes what is left. Swarm would
// go on with the other slots. An empty plan: there is nothing to stop.
func StopJob(w World, serviceID string) (Plan, error) {
	wl := w.Workload(serviceID)
	if wl == nil || wl.Gone || wl.Service.Spec.Mode.ReplicatedJob == nil {
		return Plan{}, nil
	}
	job, _ := jobOf(w, wl)
	if job == nil || endedStatus(wl) != nil || !madeByClient(wl) {
		return Plan{}, nil
	}
	status, _ := jobStatus(w, wl, job, w.Tasks(serviceID), w.Now())
	target := slices.IndexFunc(status.Conditions, func(c batchv1.JobCondition) bool { return c.Type == batchv1.JobFailureTarget })
	if target < 0 || status.Active == 0 && !startsMore(wl, job, &status) {
		return Plan{}, nil
	}
	status.Failed, status.Active, status.Ready, status.Terminating = status.Failed+status.Active, 0, new(int32(0)), new(int32(0))
	has := status.Conditions[target]
	has.Type = batchv1.JobFailed
	status.Conditions = append(status.Conditions[:target+1:target+1], has)
	doc, err := json.Marshal(endedJob{runOf(wl.Service) + 1, status})
	if err != nil {
		return Plan{}, fmt.Errorf("encode %s: %w", LabelEnded, err)
	}
	spec := wl.Service.Spec
	spec.Labels = withEntry(spec.Labels, LabelEnded, string(doc))
	spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: new(uint64(0)), TotalCompletions: new(uint64(0))}}
	var seen Seen
	if json.Unmarshal([]byte(spec.Labels[LabelSeen]), &seen) == nil { // the Job asks for what it did
		for _, f := range serviceFacets {
			seen[f.name] = digest(f.at(&spec))
		}
		if doc, err = json.Marshal(seen); err == nil {
			spec.Labels[LabelSeen] = string(doc)
		}
	}
	return Plan{Commit: Step{Group: GroupService, ID: serviceID, Version: wl.Service.Version, Service: &spec}}, nil
}

// madeByClient: what Docker's tools made runs as they said.
func madeByClient(wl *Workload) bool { return wl.Service.Spec.Labels[LabelObject] != "" }

// startsMore says whether Swarm has not come to all of a Job's slots.
func startsMore(wl *Workload, job *batchv1.Job, status *batchv1.JobStatus) bool {
	n := orZero(wl.Service.Spec.Mode.ReplicatedJob.TotalCompletions)
	return !isSuspended(job) && uint64(status.Succeeded+status.Failed+status.Active) < n
}
