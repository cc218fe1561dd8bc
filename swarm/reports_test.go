package swarm

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// A sandbox's log is read from further back than it was left: what was said before does not become the status again, as
// a flap that every watch would see. With its task, what was said is forgotten.
func TestOldReportIsNoNews(t *testing.T) {
	m := NewMirror(testSealer(t))
	labels := map[string]string{manifest.LabelRole: manifest.RoleSandbox}
	task := &swarm.Task{
		ID: "task1task1", ServiceID: "web1", DesiredState: swarm.TaskStateRunning, Meta: swarm.Meta{Version: swarm.Version{Index: 11}},
		Spec:   swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Labels: labels}},
		Status: swarm.TaskStatus{State: swarm.TaskStateRunning},
	}
	m.replace([]change{aService("web1", "web", "", 10, time.Now(), nil), {kind: kindTask, id: task.ID, object: task}})
	said := func(number int64, phase corev1.PodPhase) report {
		return report{task.ID, &manifest.Report{Number: number, Status: corev1.PodStatus{Phase: phase}}}
	}
	for _, all := range [][]report{
		{said(1, corev1.PodPending), said(2, corev1.PodRunning)},
		{said(1, corev1.PodPending)},
	} {
		m.applyReports(all)
		if r := m.world().Report(task.ID); r == nil || r.Status.Phase != corev1.PodRunning {
			t.Errorf("after %d reports the last one is %+v", len(all), r)
		}
	}
	m.apply([]change{{kind: kindTask, id: task.ID}})
	m.applyReports([]report{said(3, corev1.PodRunning)}) // on its way when the task went
	if r := m.world().Report(task.ID); r != nil || len(m.sandboxes) != 0 {
		t.Errorf("of a task that is gone there is still %+v", r)
	}
}
