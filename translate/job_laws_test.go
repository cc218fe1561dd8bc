package translate

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate/manifest"
)

func TestJobPutGet(t *testing.T) { someLaws(t, 60, lawJobPutGet) }
func TestJobGetPut(t *testing.T) { someLaws(t, 100, lawJobGetPut) }
func FuzzJobPutGet(f *testing.F) { f.Fuzz(lawJobPutGet) }
func FuzzJobGetPut(f *testing.F) { f.Fuzz(lawJobGetPut) }

// job is a random Job that validates.
func (d dice) job() (*batchv1.Job, sources) {
	tpl, src := randomPod(d.Rand)
	tpl.Spec.RestartPolicy = corev1.RestartPolicy(d.of("OnFailure", "Never"))
	job := &batchv1.Job{ObjectMeta: d.meta(), Spec: batchv1.JobSpec{
		Template: *tpl, Suspend: new(d.yes()), BackoffLimit: new(int32(d.Intn(4))), Parallelism: new(int32(d.Intn(4))),
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
	}}
	if d.yes() {
		job.Spec.Completions = new(int32(d.Intn(4)))
	}
	if d.yes() && job.Spec.Completions != nil {
		job.Spec.CompletionMode = new(batchv1.IndexedCompletion)
	}
	if d.yes() {
		job.Spec.ActiveDeadlineSeconds = new(int64(100))
	}
	defaultObject(job)
	return job, src
}

// editJob changes a Job as the API server lets a client.
func (d dice) editJob(job *batchv1.Job) string {
	edits := map[string]func(){
		"label":    func() { job.Labels = withEntry(job.Labels, "edited", d.of("a", "b")) },
		"annotate": func() { job.Annotations = withEntry(job.Annotations, "edited", d.of(oddValues...)) },
		"deadline": func() { job.Spec.ActiveDeadlineSeconds = new(int64(50 + d.Intn(3))) },
		"ttl":      func() { job.Spec.TTLSecondsAfterFinished = new(int32(d.Intn(3))) },
		"suspend":  func() { job.Spec.Suspend = new(!*job.Spec.Suspend) },
	}
	if *job.Spec.Suspend {
		edits["parallelism"] = func() { job.Spec.Parallelism = new(int32(1 + d.Intn(3))) }
		edits["backoffLimit"] = func() { job.Spec.BackoffLimit = new(int32(d.Intn(3))) }
		edits["template"] = func() { job.Spec.Template.Spec.NodeSelector = map[string]string{"disk": d.of("ssd", "hdd")} }
	}
	names := sortedKeys(edits)
	what := names[d.Intn(len(names))]
	was := job.Spec.DeepCopy()
	edits[what]()
	if !equality.Semantic.DeepEqual(was, &job.Spec) {
		job.Generation++
	}
	return what
}

// lawJobPutGet: what was sent is what is read back, whether service or document holds it, and only suspending and
// resuming changes the service.
func lawJobPutGet(t *testing.T, seed int64) {
	d, w := diceOf(seed), newWorld()
	job, src := d.job()
	w.stock(t, src, job.Namespace)
	if refused, _ := Check("Job", job, DefaultNetworking); len(refused) > 0 {
		t.Fatalf("seed %d: refused: %v", seed, refused)
	}
	plan, err := w.put(t, Jobs{}, Group{Kind: GroupService}, nil, job)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	id := w.run(t, plan)
	what := "create"
	for range 6 {
		got := w.get(t, Jobs{}, KeyOf(job))
		if got == nil {
			t.Fatalf("seed %d: it is not there after %s", seed, what)
		}
		read := got.object.DeepCopyObject().(*batchv1.Job)
		read.Status = batchv1.JobStatus{}
		if diff := objectsDiffer(job, read); diff != "" {
			t.Fatalf("seed %d: after %s sent and read back differ:\n%s", seed, what, diff)
		}
		finished := jobFinished(&got.object.(*batchv1.Job).Status)
		job = read
		what = d.editJob(job)
		before := w.services[id]
		if plan, err = w.put(t, Jobs{}, got.group, got.object, job); err != nil {
			t.Fatalf("seed %d: %s: %v", seed, what, err)
		}
		if plan.Commit.Empty() {
			continue
		}
		w.run(t, plan)
		if reruns := w.services[id] != before; reruns != (what == "suspend" && !finished) {
			t.Fatalf("seed %d: %s runs it again: %v", seed, what, reruns)
		}
	}
}

// lawJobGetPut: of a job service that Docker's tools made, writing what was read changes nothing, an edit goes beside the
// service, and what it shows as comes to the same job elsewhere.
func lawJobGetPut(t *testing.T, seed int64) {
	d, w := diceOf(seed), newWorld()
	s := copyOf(t, d.service())
	fillIn(t, &s.Spec.TaskTemplate)
	s.Spec.UpdateConfig, s.Spec.RollbackConfig = nil, nil
	s.Spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: new(uint64(d.Intn(4))), TotalCompletions: new(uint64(d.Intn(4)))}}
	if d.Intn(3) == 0 {
		s.Spec.Mode = swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	}
	w.services[s.ID] = s
	before := w.snapshot(t)
	got := w.list(t, Jobs{})[0]
	if plan, err := w.put(t, Jobs{}, got.group, got.object, got.object); err != nil || !plan.Commit.Empty() || w.snapshot(t) != before {
		t.Fatalf("seed %d: writing what was read changes something: %v %+v", seed, err, plan.Commit)
	}
	job := got.object.DeepCopyObject().(*batchv1.Job)
	job.Labels = withEntry(job.Labels, "edited", "a")
	plan, err := w.put(t, Jobs{}, got.group, got.object, job)
	if err != nil || plan.Commit.Group != GroupConfig {
		t.Fatalf("seed %d: a label: %v %+v", seed, err, plan.Commit)
	}
	w.run(t, plan)
	if diff := objectsDiffer(job, w.list(t, Jobs{})[0].object); diff != "" {
		t.Errorf("seed %d: the label is read back as\n%s", seed, diff)
	}
	lawJobOf(t, seed, &s.Spec)
}

// lawJobOf: a job service shown as a Job and put makes the same job.
func lawJobOf(t *testing.T, seed int64, s *swarm.ServiceSpec) {
	t.Helper()
	job := JobOf(s)
	job.Namespace, job.Name = "shop", "web"
	if refused, _ := Check("Job", job, DefaultNetworking); len(refused) > 0 {
		return // of its template: the law of Pods tells
	}
	spec := encodeService(job)
	run, err := encodeTask(native{}, job, &job.Spec.Template, "", plainTask)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if !reflect.DeepEqual(spec.Mode, s.Mode) {
		t.Errorf("seed %d: the mode is another:\n%s", seed, differ(s.Mode, spec.Mode))
	}
	if diff := differ(policyOf(s.TaskTemplate.RestartPolicy), policyOf(run.Task.RestartPolicy)); diff != "" {
		t.Errorf("seed %d: the restart policy is another:\n%s", seed, diff)
	}
}

// policyOf is a restart policy with Swarm's defaults filled in.
func policyOf(p *swarm.RestartPolicy) [4]any {
	policy := orZero(p)
	if policy.Condition == "" {
		policy.Condition = swarm.RestartPolicyConditionAny
	}
	delay := 5 * time.Second
	if policy.Delay != nil {
		delay = *policy.Delay
	}
	attempts := orZero(policy.MaxAttempts)
	if policy.Condition == swarm.RestartPolicyConditionNone {
		attempts = 0
	}
	return [4]any{policy.Condition, delay, attempts, orZero(policy.Window)}
}

// aJob is a service of a Job with tasks, each written as slot state.
func aJob(t *testing.T, edit func(*batchv1.Job), tasks ...string) (*fakeWorld, string) {
	t.Helper()
	w := newWorld()
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sums", UID: "u"}, Spec: batchv1.JobSpec{
		Completions: new(int32(4)), Parallelism: new(int32(2)), BackoffLimit: new(int32(1)),
		Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: "Never", Containers: []corev1.Container{{Name: "a", Image: "a"}}}},
	}}
	edit(job)
	defaultObject(job)
	plan, err := w.put(t, Jobs{}, Group{Kind: GroupService}, nil, job)
	if err != nil {
		t.Fatal(err)
	}
	id := w.run(t, plan)
	w.services[id].JobStatus = &swarm.JobStatus{JobIteration: swarm.Version{Index: 3}}
	for _, task := range tasksOf(t, strings.Join(tasks, "\n")) {
		task.ServiceID, task.JobIteration = id, &swarm.Version{Index: 3}
		task.ID += "bcdefghij"
		w.tasks[task.ID] = task
	}
	return w, id
}

// TestStopJob: what is left of a Job that failed is stopped, once, and how it had come out stands.
func TestStopJob(t *testing.T) {
	nothing := func(*batchv1.Job) {}
	deadline := func(job *batchv1.Job) { job.Spec.ActiveDeadlineSeconds = new(int64(30)) }
	for name, c := range map[string]struct {
		edit  func(*batchv1.Job)
		after time.Duration
		tasks []string
		want  string // reason; "" for nothing to stop
	}{
		"it runs":                              {nothing, 0, []string{"a 0 running/complete", "b 1 complete/complete"}, ""},
		"a slot is given up, another runs":     {nothing, 0, []string{"a 0 failed/shutdown", "b 1 running/complete"}, "BackoffLimitExceeded"},
		"a slot is given up, others are to be": {nothing, 0, []string{"a 0 failed/shutdown", "b 1 complete/complete"}, "BackoffLimitExceeded"},
		"nothing more would run": {
			func(job *batchv1.Job) { job.Spec.Completions = new(int32(2)) }, 0, []string{"a 0 failed/shutdown", "b 1 complete/complete"}, "",
		},
		"all together failed too often": {nothing, 0, []string{"a 0 failed/shutdown", "b 0 running/complete", "c 1 failed/shutdown", "d 1 running/complete"}, "BackoffLimitExceeded"},
		"before its deadline":           {deadline, 29 * time.Second, []string{"a 0 running/complete"}, ""},
		"after its deadline":            {deadline, 30 * time.Second, []string{"a 0 running/complete"}, "DeadlineExceeded"},
		"suspended": {
			func(job *batchv1.Job) { deadline(job); job.Spec.Suspend = new(true) }, time.Hour, []string{"a 0 running/remove"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, id := aJob(t, c.edit, c.tasks...)
			w.now = w.now.Add(c.after)
			was := w.get(t, Jobs{}, Key{"default", "sums"}).object.(*batchv1.Job)
			plan, err := StopJob(w, id)
			if err != nil || plan.Commit.Empty() != (c.want == "") {
				t.Fatalf("%v %+v", err, plan.Commit)
			}
			if c.want == "" {
				return
			}
			w.run(t, plan)
			w.services[id].JobStatus = &swarm.JobStatus{JobIteration: swarm.Version{Index: 4}}
			maps.DeleteFunc(w.tasks, func(_ string, task *swarm.Task) bool { return !hasEnded(task) })
			w.workloads = map[string]*Workload{}
			is := w.get(t, Jobs{}, Key{"default", "sums"}).object.(*batchv1.Job)
			if !equality.Semantic.DeepEqual(was.Spec, is.Spec) {
				t.Errorf("it asks for something else:\n%s", differ(was.Spec, is.Spec))
			}
			last := is.Status.Conditions[len(is.Status.Conditions)-1]
			if last.Type != batchv1.JobFailed || last.Reason != c.want || is.Status.Active != 0 || is.Status.Failed != was.Status.Failed+was.Status.Active {
				t.Errorf("its status is\n%s", differ(was.Status, is.Status))
			}
			if again, err := StopJob(w, id); err != nil || !again.Commit.Empty() {
				t.Errorf("it is stopped again: %v", err)
			}
		})
	}
}

// What sandboxes start anew is no task of Swarm's.
func TestJobRestartsInSandbox(t *testing.T) {
	w, id := aJob(t, func(job *batchv1.Job) {
		job.Spec.BackoffLimit, job.Spec.Template.Spec.RestartPolicy = new(int32(2)), corev1.RestartPolicyOnFailure
		job.Spec.Template.Annotations = map[string]string{AnnotationSandbox: "always"}
	}, "a 0 running/complete")
	for restarts, stops := range []bool{false, false, true} {
		w.reports = map[string]*manifest.Report{"abcdefghij": {Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			RestartCount: int32(restarts), LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{FinishedAt: metav1.NewTime(testNow)}},
		}}}}}
		if plan, err := StopJob(w, id); err != nil || plan.Commit.Empty() == stops {
			t.Errorf("after %d restarts: %v %+v", restarts, err, plan.Commit)
		}
	}
}

// TestSupplyJob: a Job that waits for a ConfigMap gets it; once a node has a task of it, nothing changes its service, which
// would run again.
func TestSupplyJob(t *testing.T) {
	w, id := aJob(t, func(job *batchv1.Job) {
		job.Spec.Template.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{
			ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}},
		}}
	}, "a 0 pending/complete")
	if !Waits(&w.services[id].Spec.TaskTemplate) {
		t.Fatal("it does not wait")
	}
	w.stock(t, settings(), "default")
	w.tasks["abcdefghij"].Status.State = swarm.TaskStateRunning
	if plan, err := Supply(w, id); err != nil || !plan.Commit.Empty() {
		t.Errorf("one that runs is changed: %v %+v", err, plan.Commit)
	}
	w.tasks["abcdefghij"].Status.State = swarm.TaskStatePending
	plan, err := Supply(w, id)
	if err != nil || plan.Commit.Empty() || Waits(&plan.Commit.Service.TaskTemplate) {
		t.Errorf("it is not supplied: %v %+v", err, plan.Commit)
	}
}

// A Service that comes to select a Job's Pods changes nothing of its service.
func TestServiceLeavesJobAlone(t *testing.T) {
	w, id := aJob(t, func(job *batchv1.Job) { job.Spec.Template.Labels = map[string]string{"app": "web"} }, "a 0 running/complete")
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone, Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}},
	}}
	defaultObject(named(t, service, "Service"))
	plan, err := w.put(t, lensOf(t, "Service"), Group{Kind: GroupAddress, ID: AddressID(KeyOf(service))}, nil, service)
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, plan)
	before := w.services[id]
	for range 3 {
		if plan, err = Carry(w, KeyOf(service)); err != nil {
			t.Fatal(err)
		}
		if plan.Commit.Empty() {
			break
		}
		w.run(t, plan)
	}
	if w.services[id] != before {
		t.Error("the Job runs again")
	}
}
