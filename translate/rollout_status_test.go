package translate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
)

// rolloutCase is a Deployment that has just become one of image app:1, a minute ago.
type rolloutCase struct {
	name   string
	change func(*appsv1.Deployment)
	// tasks are as tasksOf reads them; a trailing number is for how many seconds they are as they are.
	tasks string
	after time.Duration
	// counts are replicas, updated, ready, available, unavailable, terminating.
	counts      string
	available   string
	progressing string
	wake        time.Duration
}

func TestDeploymentStatus(t *testing.T) {
	const complete, going = "True NewReplicaSetAvailable", "True ReplicaSetUpdated"
	replicas := func(n int32) func(*appsv1.Deployment) {
		return func(d *appsv1.Deployment) { d.Spec.Replicas = &n }
	}
	for _, c := range []rolloutCase{
		{"nothing yet", nil, "", 0, "0 0 0 0 2 0", "False", going, 600 * time.Second},
		{"asked for none", replicas(0), "", 0, "0 0 0 0 0 0", "True", complete, 0},
		{"half of them", nil, "a 1 running/running", 0, "1 1 1 1 1 0", "False", going, 600 * time.Second},
		{"all of them", nil, "a 1 running/running\nb 2 running/running", 0, "2 2 2 2 0 0", "True", complete, 0},
		{"one may be away", func(d *appsv1.Deployment) { d.Spec.Strategy = rolling("0", "1") }, "a 1 running/running", 0, "1 1 1 1 1 0", "True", going, 600 * time.Second},
		{"a roll half way", nil, "a 1 running/running app:0\nb 2 running/shutdown app:0\nc 2 running/running", 0, "2 1 2 2 0 1", "True", going, 602 * time.Second},
		{"one too many yet", replicas(1), "a 1 running/running\nb 2 running/running", 0, "2 2 2 2 0 0", "True", going, 601 * time.Second},
		{"scaling down", replicas(1), "a 1 running/running\nb 2 running/remove", 0, "1 1 1 1 0 1", "True", complete, 0},
		{"starting", nil, "a 1 starting/running\nb 2 running/running", 0, "2 2 1 1 1 0", "False", going, 601 * time.Second},
		{"crashed for good", nil, "a 1 failed/shutdown\nb 2 running/running", 0, "1 1 1 1 1 0", "False", going, 601 * time.Second},
		{"past its deadline", nil, "a 1 preparing/running\nb 2 running/running", 700 * time.Second, "2 2 1 1 1 0", "False", "False ProgressDeadlineExceeded", 0},
		{"just before its deadline", nil, "a 1 preparing/running", 599 * time.Second, "1 1 0 0 2 0", "False", going, 600 * time.Second},
		{"just at its deadline", nil, "a 1 preparing/running", 600 * time.Second, "1 1 0 0 2 0", "False", "False ProgressDeadlineExceeded", 0},
		{"no deadline", func(d *appsv1.Deployment) { d.Spec.ProgressDeadlineSeconds = new(int32(1<<31 - 1)) }, "a 1 preparing/running", time.Hour, "1 1 0 0 2 0", "False", going, 0},
		{"paused", func(d *appsv1.Deployment) { d.Spec.Paused = true }, "a 1 preparing/running", time.Hour, "1 1 0 0 2 0", "False", "Unknown DeploymentPaused", 0},
		{"ready, not available yet", func(d *appsv1.Deployment) { d.Spec.MinReadySeconds = 30 }, "a 1 running/running\nb 2 running/running", 10 * time.Second, "2 2 2 0 2 0", "False", going, 30 * time.Second},
		{"ready for long enough", func(d *appsv1.Deployment) { d.Spec.MinReadySeconds = 30 }, "a 1 running/running\nb 2 running/running", 30 * time.Second, "2 2 2 2 0 0", "True", complete, 0},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func (c rolloutCase) run(t *testing.T) {
	t.Helper()
	w, d := newWorld(), &appsv1.Deployment{}
	d.Namespace, d.Name, d.Generation = "default", "web", 7
	d.Spec.Replicas = new(int32(2))
	d.Spec.Template = GetPod(&swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "app:1"}}, "")
	if c.change != nil {
		c.change(d)
	}
	defaultWorkload(d)
	plan, err := w.put(t, Deployments{}, Group{}, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	wl := w.Workload(w.run(t, plan))
	var tasks []*swarm.Task
	if c.tasks != "" {
		tasks = tasksOf(t, c.tasks)
	}
	for _, task := range tasks {
		if task.Spec.ContainerSpec.Image == "app:1" {
			task.Spec = wl.Service.Spec.TaskTemplate
		}
	}
	status, wake := deploymentStatus(w, wl, tasks, testNow.Add(c.after))
	counts := fmt.Sprint(status.Replicas, status.UpdatedReplicas, status.ReadyReplicas, status.AvailableReplicas, status.UnavailableReplicas, *status.TerminatingReplicas)
	if counts != c.counts || status.ObservedGeneration != 7 {
		t.Errorf("counts %s, want %s", counts, c.counts)
	}
	got := map[appsv1.DeploymentConditionType]string{}
	for _, cond := range status.Conditions {
		got[cond.Type] = strings.TrimSpace(string(cond.Status) + " " + cond.Reason)
	}
	if a, _, _ := strings.Cut(got[appsv1.DeploymentAvailable], " "); a != c.available || got[appsv1.DeploymentProgressing] != c.progressing {
		t.Errorf("conditions %v", got)
	}
	if c.wake == 0 && !wake.IsZero() || c.wake != 0 && !wake.Equal(testNow.Add(c.wake)) {
		t.Errorf("wakes at %v, want %v", wake.Sub(testNow), c.wake)
	}
}
