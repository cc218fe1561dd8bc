package translate

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/swarm"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	batchdefaults "k8s.io/kubernetes/pkg/apis/batch/v1"
)

// Jobs pairs Jobs with replicated-job services, and with global-job ones (AnnotationSwarmMode). Swarm runs a job again on
// any update of its service, labels alone included. So the service is written when the Job is made, suspended or resumed;
// what else changes of the Job is in a document that belongs to the service.
type Jobs struct{}

var _ Lens = Jobs{}

// Kind implements Lens.
func (Jobs) Kind() string { return "Job" }

// Groups implements Lens.
func (Jobs) Groups() []GroupKind { return []GroupKind{GroupService} }

// Get implements Lens.
func (Jobs) Get(w World, g Group) []Derived {
	wl := w.Workload(g.ID)
	if wl == nil || wl.Identity.Kind != "Job" {
		return nil
	}
	job, doc := jobOf(w, wl)
	tasks := w.Tasks(g.ID)
	if job == nil || wl.Gone && (!waitsForTasks(job) || len(leftBehind(wl.instances(tasks))) == 0) {
		return nil
	}
	status, wake := jobStatus(w, wl, job, tasks, w.Now())
	d := Derived{
		Key: KeyOf(wl.Object), Parts: []any{wl, doc, jobFactsOf(&status)}, Index: highest(w, wl.Service, tasks), Wake: wake,
		Build: func() (Object, error) {
			out := *job
			out.Status = status
			return &out, nil
		},
	}
	if doc != nil {
		d.Index = max(d.Index, doc.Version.Index)
	}
	return []Derived{d}
}

// jobFactsOf is all that a status says, to be compared.
func jobFactsOf(s *batchv1.JobStatus) string {
	doc, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(doc)
}

// jobOf is a service's Job with what its document says, and the document; nil for none. A document that was written before
// skep wrote the service last says nothing more; since Docker's tools changed the service, of the spec only what no
// service says.
func jobOf(w World, wl *Workload) (*batchv1.Job, *swarm.Config) {
	job, ok := wl.Object.(*batchv1.Job)
	if !ok {
		return nil, nil
	}
	over, live := jobStamps(&wl.Service.Spec)
	for _, doc := range w.Owned(wl.Service.ID) {
		if doc.Spec.Labels[LabelKind] != "Job" || doc.Spec.Labels[LabelOver] != over {
			continue
		}
		later := &batchv1.Job{}
		if json.Unmarshal([]byte(doc.Spec.Labels[LabelObject]), later) != nil {
			continue
		}
		batchdefaults.SetObjectDefaults_Job(later)
		if doc.Spec.Labels[LabelSeen] != live {
			spec := job.Spec
			spec.ActiveDeadlineSeconds, spec.TTLSecondsAfterFinished = later.Spec.ActiveDeadlineSeconds, later.Spec.TTLSecondsAfterFinished
			later.Spec = spec
		}
		later.Name, later.Namespace = job.Name, job.Namespace
		return later, doc
	}
	return job, nil
}

// jobStamps tell of a service what skep wrote last, and what Docker's tools may have changed of it since.
func jobStamps(s *swarm.ServiceSpec) (over, live string) {
	mode, attempts := jobFacets[0].at(s), jobFacets[1].at(s)
	return digest(s.Labels[LabelObject]), digest([]any{replicasOf(s), mode, attempts, SeenPod(&s.TaskTemplate)})
}

// Put implements Lens.
func (Jobs) Put(w World, g Group, old, object Object) (Plan, error) {
	job := object.DeepCopyObject().(*batchv1.Job)
	job.Status = batchv1.JobStatus{}
	wl := w.Workload(g.ID)
	if old == nil || wl == nil {
		return createWorkload(w, job, &job.Spec.Template)
	}
	was, doc := jobOf(w, wl)
	if was == nil || wl.Gone {
		return Plan{}, nil
	}
	if marks := job.Finalizers; job.DeletionTimestamp != nil && len(marks) == 1 {
		switch marks[0] {
		case metav1.FinalizerDeleteDependents:
			return deleteJobForeground(w, wl, job, doc)
		case metav1.FinalizerOrphanDependents:
			return orphan(w, wl, job)
		}
	}
	status, _ := jobStatus(w, wl, was, w.Tasks(g.ID), w.Now())
	switch {
	case !jobFinished(&status) && isSuspended(was) != isSuspended(job):
		return rerunJob(w, wl, job, doc)
	case !jobFinished(&status) && !isSuspended(job):
		if err := keepsRunning(was, job); err != nil {
			return Plan{}, err
		}
	}
	if sameJob(was, job) {
		return Plan{}, nil
	}
	step, err := putJobDocument(w, wl, job, doc)
	return Plan{Commit: step}, err
}

func sameJob(a, b *batchv1.Job) bool {
	return sameMeta(a, b) && equality.Semantic.DeepEqual(a.OwnerReferences, b.OwnerReferences) && equality.Semantic.DeepEqual(a.Spec, b.Spec)
}

// keepsRunning refuses what would take an update of the service of a Job that runs.
func keepsRunning(was, is *batchv1.Job) error {
	spec := field.NewPath("spec")
	for _, part := range []struct {
		at   *field.Path
		same bool
	}{
		{spec.Child("parallelism"), equality.Semantic.DeepEqual(was.Spec.Parallelism, is.Spec.Parallelism)},
		{spec.Child("completions"), equality.Semantic.DeepEqual(was.Spec.Completions, is.Spec.Completions)},
		{spec.Child("backoffLimit"), equality.Semantic.DeepEqual(was.Spec.BackoffLimit, is.Spec.BackoffLimit)},
		{spec.Child("template"), sameTemplate(&was.Spec.Template, &is.Spec.Template)},
		{field.NewPath("metadata", "annotations").Key(AnnotationSwarmMode), isGlobalJob(was) == isGlobalJob(is)},
	} {
		if !part.same {
			return Refusal{field.Forbidden(part.at, "Swarm runs a job again on any change of its service, and this one runs: suspend it first, which stops it, or make another")}
		}
	}
	return nil
}

// rerunJob suspends or resumes a Job: its service is written, and what the document said goes with that.
func rerunJob(w World, wl *Workload, job *batchv1.Job, doc *swarm.Config) (Plan, error) {
	if isGlobalJob(job) {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("spec", "suspend"), "a job of every node cannot be stopped in Swarm: delete it")}
	}
	template, hash := &job.Spec.Template, hashTemplate(&job.Spec.Template)
	if isSuspended(job) {
		template, hash = &wl.Template, wl.Hash
	}
	plan, err := updateWorkload(w, wl, job, template, hash)
	if err != nil {
		return Plan{}, err
	}
	spec := plan.Commit.Service
	spec.Labels[LabelRevised] = w.Now().UTC().Format(time.RFC3339)
	delete(spec.Labels, LabelEnded)
	if doc != nil {
		plan.After = append(plan.After, Step{Group: GroupConfig, ID: doc.ID})
	}
	return plan, nil
}

// putJobDocument keeps what changed of a Job beside its service.
func putJobDocument(w World, wl *Workload, job *batchv1.Job, doc *swarm.Config) (Step, error) {
	if doc == nil {
		for _, stale := range w.Owned(wl.Service.ID) { // it has the name already
			if stale.Spec.Labels[LabelKind] == "Job" {
				doc = stale
			}
		}
	}
	step, err := putDocument(w, job, wl.Service.ID, doc)
	if err != nil {
		return Step{}, err
	}
	if doc == nil {
		step.Config.Name = "skep.job." + wl.Service.ID // another Job of the name may come while this one goes
	}
	labels := step.Config.Labels
	labels[LabelOver], labels[LabelSeen] = jobStamps(&wl.Service.Spec)
	return step, nil
}

// deleteJobForeground marks the Job in its document, so that it still shows while its tasks stop, where there are any. The
// document goes when the house is swept.
func deleteJobForeground(w World, wl *Workload, job *batchv1.Job, doc *swarm.Config) (Plan, error) {
	if !slices.ContainsFunc(w.Tasks(wl.Service.ID), func(t *swarm.Task) bool { return !hasEnded(t) }) {
		return removeJob(w, Group{GroupService, wl.Service.ID})
	}
	mark, err := putJobDocument(w, wl, job, doc)
	if err != nil {
		return Plan{}, err
	}
	plan, err := removeJob(w, Group{GroupService, wl.Service.ID})
	plan.Before = append(plan.Before, mark)
	plan.After = slices.DeleteFunc(plan.After, func(s Step) bool { return s.Task == "" && s.ID == mark.ID })
	return plan, err
}

// waitsForTasks says whether a Job is to show until its tasks are gone.
func waitsForTasks(job *batchv1.Job) bool {
	return job.DeletionTimestamp != nil && slices.Contains(job.Finalizers, metav1.FinalizerDeleteDependents)
}

// Remove implements Lens.
func (Jobs) Remove(w World, g Group, _ Object) (Plan, error) { return removeJob(w, g) }

// removeJob takes a job's service away, and its tasks: Engines before 23 leave them as they were, running ones running.
func removeJob(w World, g Group) (Plan, error) {
	plan, err := removeService(w, g)
	if err != nil || plan.Commit.Empty() {
		return plan, err
	}
	for _, t := range w.Tasks(g.ID) {
		plan.After = append(plan.After, Step{Task: t.ID})
	}
	return plan, nil
}

// indexPod writes into an Indexed Job's Pod which one it is, as the Job controller does.
func (w *Workload) indexPod(pod *corev1.Pod, t *swarm.Task) {
	job, ok := w.Object.(*batchv1.Job)
	if !ok || !isIndexed(job) {
		return
	}
	index := fmt.Sprint(t.Slot)
	pod.Labels = withEntry(pod.Labels, batchv1.JobCompletionIndexAnnotation, index)
	pod.Annotations = withEntry(pod.Annotations, batchv1.JobCompletionIndexAnnotation, index)
	pod.Spec.Hostname = job.Name + "-" + index
}
