package translate

import (
	"slices"
	"sort"

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
	slots := map[slotKey][]*swarm.Task{}
	var order []slotKey
	for _, t := range tasks {
		k := slotOf(t)
		if _, ok := slots[k]; !ok {
			order = append(order, k)
		}
		slots[k] = append(slots[k], t)
	}
	var found []instance
	for _, k := range order {
		found = append(found, slotInstances(slots[k])...)
	}
	return found
}

type slotKey struct {
	slot int
	node string
}

// slotOf is the replica that a task is of: its slot, or in a global service its node.
func slotOf(t *swarm.Task) slotKey {
	if t.Slot != 0 {
		return slotKey{slot: t.Slot}
	}
	return slotKey{node: t.NodeID}
}

func slotInstances(tasks []*swarm.Task) []instance {
	sort.SliceStable(tasks, func(i, j int) bool { return newer(tasks[i], tasks[j]) })
	alive := slices.ContainsFunc(tasks, func(t *swarm.Task) bool { return wanted(t) && !hasEnded(t) })
	var found []instance
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

func newer(a, b *swarm.Task) bool {
	if !a.CreatedAt.Equal(b.CreatedAt) {
		return a.CreatedAt.After(b.CreatedAt)
	}
	return a.ID > b.ID
}

// Ended says whether a task has come to its end.
func Ended(t *swarm.Task) bool { return hasEnded(t) }

// PreviousTask is the task that t took over from when it ended by itself; nil when there is none.
func PreviousTask(tasks []*swarm.Task, t *swarm.Task) *swarm.Task {
	for _, in := range instances(tasks) {
		if in.task.ID == t.ID && len(in.previous) > 0 {
			return in.previous[0]
		}
	}
	return nil
}
