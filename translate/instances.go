package translate

import (
	"cmp"
	"slices"

	"github.com/docker/docker/api/types/swarm"
)

// instance is a task that shows as a Pod, with the ended tasks that it took over from.
type instance struct {
	task *swarm.Task
	// previous are the slot's earlier tasks, newest first: restarts of the same replica.
	previous []*swarm.Task
	// stopping: Swarm has told it to stop and it has not yet.
	stopping bool
	// ended: it came to its end and nothing takes its place.
	ended bool
	// failedRoll: an earlier task still runs in its place, as when a new template's task cannot start.
	failedRoll bool
}

// stateOrder are Swarm's task states in their order (SwarmKit's api.TaskState).
var stateOrder = map[swarm.TaskState]int{
	swarm.TaskStateNew: 0, swarm.TaskStateAllocated: 1, swarm.TaskStatePending: 2, swarm.TaskStateAssigned: 3,
	swarm.TaskStateAccepted: 4, swarm.TaskStatePreparing: 5, swarm.TaskStateReady: 6, swarm.TaskStateStarting: 7,
	swarm.TaskStateRunning: 8, swarm.TaskStateComplete: 9, swarm.TaskStateShutdown: 10, swarm.TaskStateFailed: 11,
	swarm.TaskStateRejected: 12, swarm.TaskStateRemove: 13, swarm.TaskStateOrphaned: 14,
}

func hasEnded(t *swarm.Task) bool {
	return stateOrder[t.Status.State] > stateOrder[swarm.TaskStateRunning]
}

func wanted(t *swarm.Task) bool {
	return stateOrder[t.DesiredState] <= stateOrder[swarm.TaskStateComplete]
}

// instances finds the Pods among a service's tasks. Swarm keeps ended tasks as history and starts a new
// task where Kubernetes restarts a container, so of a slot's tasks those count that are wanted or still
// stopping, and the newest when it ended for good.
func instances(tasks []*swarm.Task) []instance {
	bySlot := slices.Clone(tasks)
	slices.SortStableFunc(bySlot, func(a, b *swarm.Task) int { return slotOf(a).compare(slotOf(b)) })
	found := make([]instance, 0, len(tasks))
	for begin := 0; begin < len(bySlot); {
		end, slot := begin+1, slotOf(bySlot[begin])
		for end < len(bySlot) && slotOf(bySlot[end]) == slot {
			end++
		}
		found = slotInstances(found, bySlot[begin:end:end])
		begin = end
	}
	return found
}

// population is the Pods among a service's tasks as they were last looked at: each lens asks for them.
type population struct {
	of    []*swarm.Task
	found []instance
}

// instances are those among tasks, which is what World.Tasks gives: another slice when it is other tasks.
func (w *Workload) instances(tasks []*swarm.Task) []instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(tasks) == 0 {
		return nil
	}
	if len(w.pods.of) != len(tasks) || &w.pods.of[0] != &tasks[0] {
		w.pods = population{tasks, instances(tasks)}
	}
	return w.pods.found
}

type slotKey struct {
	slot int
	node string
}

func (k slotKey) compare(other slotKey) int {
	return cmp.Or(cmp.Compare(k.slot, other.slot), cmp.Compare(k.node, other.node))
}

// slotOf is the replica that a task is of: its slot, or in a global service its node.
func slotOf(t *swarm.Task) slotKey {
	if t.Slot != 0 {
		return slotKey{slot: t.Slot}
	}
	return slotKey{node: t.NodeID}
}

// slotInstances appends the Pods among the tasks of one slot.
func slotInstances(found []instance, tasks []*swarm.Task) []instance {
	if len(tasks) > 1 {
		slices.SortStableFunc(tasks, newerFirst)
	}
	alive := slices.ContainsFunc(tasks, func(t *swarm.Task) bool { return wanted(t) && !hasEnded(t) })
	for i, t := range tasks {
		in := instance{task: t, ended: hasEnded(t), failedRoll: alive && hasEnded(t)}
		switch {
		case in.ended && t.Status.State == swarm.TaskStateShutdown, t.Status.State == swarm.TaskStateOrphaned:
			continue // stopped because it was told to
		case in.ended && (i > 0 || t.DesiredState == swarm.TaskStateRemove):
			continue // history
		case !in.ended && !wanted(t):
			if stateOrder[t.Status.State] < stateOrder[swarm.TaskStateAssigned] {
				continue // no node ever knew of it
			}
			in.stopping = true
		}
		if !in.stopping {
			in.previous = restarts(tasks[i+1:], t)
		}
		found = append(found, in)
	}
	return found
}

// restarts are those of the older tasks that ended by themselves and of the same template as t.
func restarts(older []*swarm.Task, t *swarm.Task) []*swarm.Task {
	var ended []*swarm.Task
	for _, p := range older {
		if p.Spec.ForceUpdate != t.Spec.ForceUpdate || templateLabel(p) != templateLabel(t) {
			break
		}
		if p.Status.State == swarm.TaskStateFailed || p.Status.State == swarm.TaskStateComplete || p.Status.State == swarm.TaskStateRejected {
			ended = append(ended, p)
		}
	}
	return ended
}

func templateLabel(t *swarm.Task) string {
	if t.Spec.ContainerSpec == nil {
		return ""
	}
	return t.Spec.ContainerSpec.Labels[LabelHash] + t.Spec.ContainerSpec.Image
}

func newerFirst(a, b *swarm.Task) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
}

// Ended says whether a task has come to its end.
func Ended(t *swarm.Task) bool { return hasEnded(t) }

// Moves says whether a task is on its way to another state: also one that only waits for its restart delay.
func Moves(t *swarm.Task) bool {
	if t.Status.State == swarm.TaskStateRunning {
		return !wanted(t)
	}
	return !hasEnded(t)
}

// PreviousTask is the task that t took over from when it ended by itself; nil when there is none.
func PreviousTask(tasks []*swarm.Task, t *swarm.Task) *swarm.Task {
	for _, in := range instances(tasks) {
		if in.task.ID == t.ID && len(in.previous) > 0 {
			return in.previous[0]
		}
	}
	return nil
}
