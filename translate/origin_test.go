package translate

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// TestSharedIsTheSame: what a service's versions and Pods share in memory changes nothing of what they say.
func TestSharedIsTheSame(t *testing.T) { someLaws(t, 60, lawShared) }

func lawShared(t *testing.T, seed int64) {
	t.Helper()
	d := diceOf(seed)
	first := d.service()
	first.ID, first.Version.Index, first.CreatedAt = "serviceserviceservice", 20, testNow.Add(-time.Hour)
	second := copyOf(t, first)
	second.Version.Index = 30
	if d.yes() {
		second.Spec.TaskTemplate = randomTask(d.Rand)
		second.PreviousSpec = &copyOf(t, first).Spec
	}
	if d.yes() {
		second.Spec.Labels = withEntry(second.Spec.Labels, "tier", "web")
	}
	tasks := map[string]*swarm.Task{}
	for i, spec := range []swarm.TaskSpec{first.Spec.TaskTemplate, first.Spec.TaskTemplate, second.Spec.TaskTemplate} {
		task := &swarm.Task{
			ID: fmt.Sprintf("%dtasktasktask", i), ServiceID: first.ID, Slot: i + 1, NodeID: "n", Spec: spec,
			DesiredState: swarm.TaskStateRunning, Status: swarm.TaskStatus{State: swarm.TaskStateRunning, Timestamp: testNow},
			Meta: swarm.Meta{Version: swarm.Version{Index: uint64(20 + i)}, CreatedAt: testNow.Add(time.Duration(i) * time.Second)},
		}
		tasks[task.ID] = copyOf(t, task)
		if d.yes() {
			tasks[task.ID].Spec = spec // one in memory with the service's
		}
	}
	world := func(wl *Workload) *fakeWorld {
		w := newWorld()
		w.services[first.ID], w.tasks, w.workloads[first.ID] = wl.Service, tasks, wl
		return w
	}
	name := ServiceIdentity(&first.Spec).Name
	before := ParseWorkload(first, name)
	shown(t, world(before)) // fills what before keeps
	want := shown(t, world(ParseWorkload(second, name)))
	shared := world(ParseNext(before, second, name))
	for range 2 {
		got := shown(t, shared)
		if len(got) != len(want) {
			t.Fatalf("seed %d: %d objects, not %d", seed, len(got), len(want))
		}
		for key, object := range want {
			if !equality.Semantic.DeepEqual(object, got[key]) {
				t.Errorf("seed %d: %s is %v, not %v", seed, key, got[key], object)
			}
		}
	}
}

// shown are copies of all that a world shows, by kind and name.
func shown(t *testing.T, w *fakeWorld) map[string]Object {
	t.Helper()
	all := map[string]Object{}
	for _, lens := range []Lens{Pods{}, Deployments{}, ReplicaSets{}, DaemonSets{}, StatefulSets{}, Jobs{}} {
		for _, d := range lens.Get(w, Group{GroupService, "serviceserviceservice"}) {
			o, err := d.Build()
			if err != nil {
				t.Fatal(err)
			}
			all[lens.Kind()+" "+d.Key.Name] = o.DeepCopyObject().(Object)
		}
	}
	return all
}

// Pods of one template are one in memory but for what is their own.
func TestPodsShareTheirTemplate(t *testing.T) {
	w := newWorld()
	s := diceOf(1).service()
	s.ID, s.Spec.Mode = "service", swarm.ServiceMode{Replicated: &swarm.ReplicatedService{}}
	w.services[s.ID] = s
	for i := range 2 {
		id := fmt.Sprintf("%dtasktasktask", i)
		w.tasks[id] = &swarm.Task{
			ID: id, ServiceID: s.ID, Slot: i + 1, Spec: *copyOf(t, &s.Spec.TaskTemplate), Status: swarm.TaskStatus{State: swarm.TaskStateRunning},
		}
	}
	var pods []*corev1.Pod
	for _, d := range (Pods{}).Get(w, Group{GroupService, s.ID}) {
		o, err := d.Build()
		if err != nil {
			t.Fatal(err)
		}
		pods = append(pods, o.(*corev1.Pod))
	}
	if len(pods) != 2 || &pods[0].Spec.Containers[0] != &pods[1].Spec.Containers[0] {
		t.Errorf("the containers of %d Pods are in different places", len(pods))
	}
	if pods[0].Annotations[AnnotationTask] == pods[1].Annotations[AnnotationTask] {
		t.Error("two Pods say that they are the same task")
	}
}

func TestMoves(t *testing.T) {
	for line, want := range map[string]bool{
		"a 1 running/running": false, "a 1 running/shutdown": true, "a 1 running/complete": false, "a 1 pending/running": true,
		"a 1 ready/ready": true, "a 1 starting/running": true, "a 1 failed/shutdown": false, "a 1 shutdown/shutdown": false,
	} {
		if got := Moves(tasksOf(t, line)[0]); got != want {
			t.Errorf("%s moves: %v", line, got)
		}
	}
}
