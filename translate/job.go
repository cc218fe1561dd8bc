package translate

import (
	"github.com/docker/docker/api/types/swarm"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Jobs shows replicated-job and global-job services as Jobs.
type Jobs struct{}

var _ Lens = Jobs{}

// Kind implements Lens.
func (Jobs) Kind() string { return "Job" }

// Groups implements Lens.
func (Jobs) Groups() []GroupKind { return []GroupKind{GroupService} }

// Get implements Lens.
func (Jobs) Get(w World, g Group) []Derived {
	wl := w.Workload(g.ID)
	if wl == nil || wl.Gone || wl.Identity.Kind != "Job" {
		return nil
	}
	tasks := w.Tasks(g.ID)
	return []Derived{{
		Key: KeyOf(wl.Object), Index: highest(w, wl.Service, tasks),
		Build: func() (Object, error) {
			job := *wl.Object.(*batchv1.Job)
			job.Status = jobStatus(wl, &job, tasks)
			return &job, nil
		},
	}}
}

// jobStatus counts the tasks of the service's present iteration.
func jobStatus(wl *Workload, job *batchv1.Job, tasks []*swarm.Task) batchv1.JobStatus {
	start := stamp(wl.Service.CreatedAt)
	status := batchv1.JobStatus{StartTime: &start}
	last := start
	for _, t := range tasks {
		if s := wl.Service.JobStatus; s != nil && t.JobIteration != nil && t.JobIteration.Index != s.JobIteration.Index {
			continue
		}
		switch {
		case t.Status.State == swarm.TaskStateComplete:
			status.Succeeded++
			if at := stamp(t.Status.Timestamp); at.After(last.Time) {
				last = at
			}
		case hasEnded(t):
			status.Failed++
		default:
			status.Active++
		}
	}
	if job.Spec.Completions != nil && status.Succeeded >= *job.Spec.Completions {
		status.CompletionTime = &last
		status.Conditions = []batchv1.JobCondition{{
			Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastProbeTime: last, LastTransitionTime: last,
			Reason: batchv1.JobReasonCompletionsReached, Message: "Reached expected number of succeeded pods",
		}}
	}
	return status
}

// Put implements Lens.
func (Jobs) Put(World, Group, Object, Object) (Plan, error) { return Plan{}, readOnlyKind() }

// Remove implements Lens.
func (Jobs) Remove(w World, g Group, _ Object) (Plan, error) { return removeService(w, g) }
