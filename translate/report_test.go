package translate

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate/manifest"
)

// reportStage is a Swarm with one Deployment of one sandboxed Pod, on a node that is ready.
func reportStage(t *testing.T) (*fakeWorld, string) {
	t.Helper()
	w := newWorld()
	w.nodes["n1"] = &swarm.Node{
		ID: "n1", Description: swarm.NodeDescription{Hostname: "one"}, Status: swarm.NodeStatus{State: swarm.NodeStateReady, Addr: "192.168.0.1"},
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	d.Spec.Template.Labels = d.Spec.Selector.MatchLabels
	d.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "i:1"}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "a", Image: "a:1"}, {Name: "b", Image: "b:1"}}
	defaultWorkload(d)
	plan, err := w.put(t, Deployments{}, Group{Kind: GroupService}, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	return w, w.run(t, plan)
}

// sandboxTask adds a task of the service, age seconds old.
func (w *fakeWorld) sandboxTask(serviceID, id string, state, desired swarm.TaskState, age time.Duration) *swarm.Task {
	made := testNow.Add(-age)
	task := &swarm.Task{
		ID: id, ServiceID: serviceID, Slot: 1, NodeID: "n1", DesiredState: desired, Spec: w.services[serviceID].Spec.TaskTemplate,
		Meta:   swarm.Meta{Version: swarm.Version{Index: w.index}, CreatedAt: made, UpdatedAt: made},
		Status: swarm.TaskStatus{State: state, Timestamp: made.Add(time.Second)},
	}
	task.NetworksAttachments = []swarm.NetworkAttachment{{Network: swarm.Network{ID: skepNetworkID}, Addresses: []string{"10.244.1.7/16"}}}
	w.tasks[id] = task
	return task
}

var heardAt = metav1.NewTime(testNow.Add(-30 * time.Second))

// heard is a report of a Pod whose containers run.
func heard(phase corev1.PodPhase, ready corev1.ConditionStatus) *manifest.Report {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: heardAt}}
	done := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}
	r := &manifest.Report{}
	r.Status.Phase, r.Status.StartTime = phase, &heardAt
	for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady} {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: heardAt}
		if kind == corev1.PodReady || kind == corev1.ContainersReady {
			c.Status = ready
		}
		r.Status.Conditions = append(r.Status.Conditions, c)
	}
	r.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "first", State: done, Ready: true}}
	for i, name := range []string{"a", "b"} {
		c := corev1.ContainerStatus{Name: name, State: running, Ready: true, Started: new(true), RestartCount: int32(2 * i), ContainerID: "docker://" + name}
		if phase == corev1.PodSucceeded {
			c.State, c.Ready = done, false
		}
		r.Status.ContainerStatuses = append(r.Status.ContainerStatuses, c)
	}
	return r
}

func conditionOf(pod *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// onlyPod is the one Pod there is.
func (w *fakeWorld) onlyPod(t *testing.T) *corev1.Pod {
	t.Helper()
	list := w.list(t, Pods{})
	if len(list) != 1 {
		t.Fatalf("%d Pods", len(list))
	}
	return list[0].object.(*corev1.Pod)
}

// stateOf is a container's state in a word, with its reason.
func stateOf(c corev1.ContainerStatus) string {
	switch {
	case c.State.Running != nil:
		return "running"
	case c.State.Terminated != nil:
		return "terminated " + c.State.Terminated.Reason
	case c.State.Waiting != nil:
		return "waiting " + c.State.Waiting.Reason
	}
	return ""
}

// reportCase is what is heard of a Pod and what its task is, and what the Pod's status says.
type reportCase struct {
	name string
	// state is the task's; with replaced it is the second in its slot.
	state    swarm.TaskState
	desired  swarm.TaskState
	says     string // the task's error
	replaced bool
	lost     bool
	report   *manifest.Report

	phase    corev1.PodPhase
	ready    corev1.ConditionStatus
	first, b string // the states of the init container and of the second one
	restarts int32  // of the second one
}

func TestReportedStatus(t *testing.T) {
	const running, shutdown = swarm.TaskStateRunning, swarm.TaskStateShutdown
	for _, c := range []reportCase{
		{name: "not heard yet", state: running, desired: running, phase: "Pending", ready: "False", first: "waiting PodInitializing", b: "waiting PodInitializing"},
		{name: "on its way", state: swarm.TaskStatePreparing, desired: running, phase: "Pending", ready: "False", first: "waiting PodInitializing", b: "waiting PodInitializing"},
		{
			name: "initializing", state: swarm.TaskStateStarting, desired: running, report: heard("Pending", "False"),
			phase: "Pending", ready: "False", first: "terminated Completed", b: "running", restarts: 2,
		},
		{name: "runs", state: running, desired: running, report: heard("Running", "True"), phase: "Running", ready: "True", first: "terminated Completed", b: "running", restarts: 2},
		{name: "not ready", state: running, desired: running, report: heard("Running", "False"), phase: "Running", ready: "False", first: "terminated Completed", b: "running", restarts: 2},
		{
			name: "its sandbox was replaced", state: running, desired: running, replaced: true, report: heard("Running", "True"),
			phase: "Running", ready: "True", first: "terminated Completed", b: "running", restarts: 3,
		},
		{
			name: "its node is lost", state: running, desired: running, lost: true, report: heard("Running", "True"),
			phase: "Running", ready: "False", first: "terminated Completed", b: "running", restarts: 2,
		},
		{
			name: "ended without a last word", state: swarm.TaskStateFailed, desired: shutdown, report: heard("Running", "True"),
			phase: "Failed", ready: "False", first: "terminated Completed", b: "terminated ContainerStatusUnknown", restarts: 2,
		},
		{
			name: "ended without any word", state: swarm.TaskStateFailed, desired: shutdown,
			phase: "Failed", ready: "False", first: "terminated ContainerStatusUnknown", b: "terminated ContainerStatusUnknown",
		},
		{
			name: "no sandbox to be had", state: swarm.TaskStateRejected, desired: running, says: "No such image: skep:latest",
			phase: "Pending", ready: "False", first: "waiting CreatePodSandboxError", b: "waiting CreatePodSandboxError",
		},
		{
			name: "succeeded", state: swarm.TaskStateComplete, desired: shutdown, report: heard("Succeeded", "False"),
			phase: "Succeeded", ready: "False", first: "terminated Completed", b: "terminated Completed", restarts: 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func (c reportCase) run(t *testing.T) {
	t.Helper()
	w, id := reportStage(t)
	if c.replaced {
		w.sandboxTask(id, "aaaaaaaaaaa", swarm.TaskStateFailed, swarm.TaskStateShutdown, time.Hour)
		w.reports = map[string]*manifest.Report{"aaaaaaaaaaa": heard("Running", "True")}
	}
	task := w.sandboxTask(id, "bbbbbbbbbbb", c.state, c.desired, time.Minute)
	task.Status.Err = c.says
	if c.report != nil {
		w.reports = map[string]*manifest.Report{task.ID: c.report}
	}
	if c.lost {
		w.nodes["n1"].Status.State = swarm.NodeStateDown
	}
	before := heard("Running", "True")
	pod := w.onlyPod(t)
	s := &pod.Status
	if s.Phase != c.phase || conditionOf(pod, corev1.PodReady).Status != c.ready {
		t.Errorf("phase %s, conditions %+v", s.Phase, s.Conditions)
	}
	if len(s.InitContainerStatuses) != 1 || len(s.ContainerStatuses) != 2 {
		t.Fatalf("statuses %+v, %+v", s.InitContainerStatuses, s.ContainerStatuses)
	}
	last := s.ContainerStatuses[1]
	if first := stateOf(s.InitContainerStatuses[0]); first != c.first || stateOf(last) != c.b || last.RestartCount != c.restarts {
		t.Errorf("the init container is %s, the second %s after %d restarts", first, stateOf(last), last.RestartCount)
	}
	if conditionOf(pod, corev1.PodScheduled).Status != corev1.ConditionTrue || s.HostIP != "192.168.0.1" || s.PodIP != "10.244.1.7" {
		t.Errorf("what the Swarm knows is not there: %+v", s)
	}
	if c.report != nil && c.name == "runs" && differ(before, c.report) != "" {
		t.Errorf("the report was changed:\n%s", differ(before, c.report))
	}
}

// TestReportMakesReady: a Deployment and its endpoints count a sandboxed Pod by what its sandbox says.
func TestReportMakesReady(t *testing.T) {
	w, id := reportStage(t)
	task := w.sandboxTask(id, "bbbbbbbbbbb", swarm.TaskStateRunning, swarm.TaskStateRunning, time.Minute)
	for _, c := range []struct {
		name   string
		report *manifest.Report
		ready  bool
	}{
		{"nothing heard", nil, false},
		{"not ready", heard("Running", "False"), false},
		{"ready", heard("Running", "True"), true},
	} {
		w.reports = map[string]*manifest.Report{}
		if c.report != nil {
			w.reports[task.ID] = c.report
		}
		since, ready := readyOf(w, task)
		if ready != c.ready || ready && !since.Equal(heardAt.Time) {
			t.Errorf("%s: ready %v since %v", c.name, ready, since)
		}
		_, d := w.only(t)
		if got := d.Status.ReadyReplicas == 1 && d.Status.AvailableReplicas == 1; got != c.ready || d.Status.Replicas != 1 {
			t.Errorf("%s: status %+v", c.name, d.Status)
		}
		if list := podAddresses(w, w.Workload(id)); len(list) != 1 || list[0].ready != c.ready || list[0].ip != "10.244.1.7" {
			t.Errorf("%s: addresses %+v", c.name, list)
		}
	}
	// Available once it has been ready for long enough, by the sandbox's clock.
	w.reports[task.ID] = heard("Running", "True")
	w.change(t, func(d *appsv1.Deployment) { d.Spec.MinReadySeconds = 60 })
	f, d := w.only(t)
	if d.Status.ReadyReplicas != 1 || d.Status.AvailableReplicas != 0 || !f.Wake.Equal(heardAt.Add(time.Minute)) {
		t.Errorf("status %+v, wakes at %v", d.Status, f.Wake)
	}
	task.Status.State = swarm.TaskStateFailed
	if _, ready := readyOf(w, task); ready {
		t.Error("it has ended, and is ready by what it said before")
	}
}

// TestPlainIsReadyByItself: a plain task has no sandbox to wait for.
func TestPlainIsReadyByItself(t *testing.T) {
	at := testNow.Add(-time.Minute)
	task := &swarm.Task{ID: "x", Status: swarm.TaskStatus{State: swarm.TaskStateRunning, Timestamp: at}, Spec: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{}}}
	if since, ready := readyOf(newWorld(), task); !ready || !since.Equal(at) || Reported(task) {
		t.Error(since, ready)
	}
	task.Status.State = swarm.TaskStateStarting
	if _, ready := readyOf(newWorld(), task); ready {
		t.Error("it has not been healthy yet")
	}
}

// TestBarePodSucceeds: what a bare Pod's sandbox said last stands when the task is over.
func TestBarePodSucceeds(t *testing.T) {
	w := newWorld()
	pod := fragmentPod(t, "spec", `{restartPolicy: Never, `+asksTwo+`}`)
	plan, err := w.put(t, Pods{}, Group{Kind: GroupService}, nil, pod)
	if err != nil {
		t.Fatal(err)
	}
	id := w.run(t, plan)
	task := w.sandboxTask(id, "bbbbbbbbbbb", swarm.TaskStateComplete, swarm.TaskStateShutdown, time.Minute)
	w.reports = map[string]*manifest.Report{task.ID: heard("Succeeded", "False")}
	if got := w.onlyPod(t); got.Status.Phase != corev1.PodSucceeded || stateOf(got.Status.ContainerStatuses[0]) != "terminated Completed" {
		t.Errorf("%+v", got.Status)
	}
	w.reports[task.ID] = heard("Failed", "False")
	if got := w.onlyPod(t); got.Status.Phase != corev1.PodFailed {
		t.Errorf("its containers failed, and it is %s", got.Status.Phase)
	}
}
