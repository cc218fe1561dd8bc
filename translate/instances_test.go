package translate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// line reads tasks off lines of "<id> <slot, or @node> <state>/<desired state> [<image>]", the oldest first.
func tasksOf(t *testing.T, lines string) []*swarm.Task {
	t.Helper()
	var all []*swarm.Task
	for i, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		words := append(strings.Fields(line), "app:1")
		state, desired, ok := strings.Cut(words[2], "/")
		if !ok {
			t.Fatalf("no states in %q", line)
		}
		task := &swarm.Task{
			ID: words[0], NodeID: "n1", DesiredState: swarm.TaskState(desired),
			Spec:   swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: words[3]}},
			Status: swarm.TaskStatus{State: swarm.TaskState(state), Timestamp: testNow},
			Meta:   swarm.Meta{CreatedAt: testNow.Add(time.Duration(i) * time.Second)},
		}
		if node, global := strings.CutPrefix(words[1], "@"); global {
			task.NodeID = node
		} else if _, err := fmt.Sscan(words[1], &task.Slot); err != nil {
			t.Fatal(err)
		}
		all = append(all, task)
	}
	return all
}

func TestInstances(t *testing.T) {
	kinds := map[string]kinship{
		"a replicated job's first slot is 0, on whatever node": {fromZero: true},
		"a job that never restarts: each failure is a Pod":     {fromZero: true, each: true},
	}
	for _, c := range []struct{ name, tasks, want string }{
		{"nothing has happened", "a 1 running/running\nb 2 preparing/running", "a b"},
		{"a restart keeps what ended before", "a 1 failed/shutdown\nb 1 complete/shutdown\nc 1 running/running", "c<b,a"},
		{"what was told to stop is no restart", "a 1 shutdown/shutdown\nb 1 running/running", "b"},
		{"of another image it is no restart", "a 1 failed/shutdown app:0\nb 1 running/running", "b"},
		{"scaled down", "a 1 running/running\nb 2 running/remove", "a b:stopping"},
		{"scaled down, before it had a node", "a 1 running/running\nb 2 pending/shutdown", "a"},
		{"scaled down, and gone", "a 1 running/running\nb 2 shutdown/remove", "a"},
		{"scaled down after it failed", "a 1 failed/remove", ""},
		{"a roll, stop first", "a 1 running/shutdown app:0\nb 2 running/running app:0\nc 1 ready/ready", "b a:stopping c"},
		{"a roll, start first: both are wanted", "a 1 running/running app:0\nb 1 starting/running", "a b"},
		{"a roll that failed, with the old one running on", "a 1 running/running app:0\nb 1 rejected/shutdown", "a b:ended:failedRoll"},
		{"a roll that failed, with nothing in its place", "a 1 shutdown/shutdown app:0\nb 1 rejected/shutdown", "b:ended"},
		{"a lost node: told to stop, it never will", "a 1 running/shutdown\nb 1 running/running", "a:stopping b"},
		{"an orphan of a node that never came back", "a 1 orphaned/shutdown\nb 1 running/running", "b"},
		{"it came to its end", "a 1 failed/shutdown\nb 1 complete/shutdown", "b:ended<a"},
		{"a job's", "a 1 complete/complete", "a:ended"},
		{"a replicated job's first slot is 0, on whatever node", "a @n1 failed/shutdown\nb @n2 running/complete\nc 1 running/complete", "b<a c"},
		{"a job that never restarts: each failure is a Pod", "a 1 failed/shutdown\nb 1 failed/shutdown\nc 1 running/complete", "c b:ended a:ended"},
		{"global: a slot is a node", "a @n1 running/running\nb @n2 running/running\nc @n1 running/shutdown", "a b c:stopping"},
	} {
		tasks := tasksOf(t, c.tasks)
		slices.Reverse(tasks) // the World gives the newest first
		given := slices.Clone(tasks)
		var got []string
		for _, in := range instances(tasks, kinds[c.name]) {
			word := in.task.ID
			for mark, is := range map[string]bool{":ended": in.ended, ":stopping": in.stopping} {
				if is {
					word += mark
				}
			}
			if in.failedRoll {
				word += ":failedRoll"
			}
			for i, p := range in.previous {
				word += map[bool]string{true: "<", false: ","}[i == 0] + p.ID
			}
			got = append(got, word)
		}
		slices.Sort(got)
		want := strings.Fields(c.want)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
		if !slices.Equal(given, tasks) {
			t.Errorf("%s: the list was changed", c.name)
		}
	}
}

func TestPreviousTask(t *testing.T) {
	w, tasks := newWorld(), tasksOf(t, "a 1 failed/shutdown\nb 1 running/running")
	w.services["s"] = &swarm.Service{ID: "s", Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web"}}}
	for _, task := range tasks {
		task.ServiceID = "s"
		w.tasks[task.ID] = task
	}
	if p := PreviousTask(w, tasks[1]); p != tasks[0] || !Ended(p) {
		t.Errorf("before b there was %v", p)
	}
	if p := PreviousTask(w, tasks[0]); p != nil {
		t.Errorf("before a there was %v", p)
	}
}
