package translate

import (
	"cmp"
	"slices"

	"github.com/docker/docker/api/types/swarm"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
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
func instances(tasks []*swarm.Task, k kinship) []instance {
	bySlot := slices.Clone(tasks)
	slices.SortStableFunc(bySlot, func(a, b *swarm.Task) int { return k.slotOf(a).compare(k.slotOf(b)) })
	found := make([]instance, 0, len(tasks))
	for begin := 0; begin < len(bySlot); {
		end, slot := begin+1, k.slotOf(bySlot[begin])
		for end < len(bySlot) && k.slotOf(bySlot[end]) == slot {
			end++
		}
		found = slotInstances(found, bySlot[begin:end:end], k)
		begin = end
	}
	return found
}

// kinship says which of a service's tasks are one Pod.
type kinship struct {
	fromZero bool // a replicated job numbers its slots from 0; what else has no slot is one of a node
	each     bool // a task that failed is a Pod that failed, and what follows it another one
}

// kinship is each for a Job whose Pods are never restarted: Kubernetes makes new ones.
func (w *Workload) kinship() kinship {
	_, job := w.Object.(*batchv1.Job)
	return kinship{
		fromZero: w.Service.Spec.Mode.ReplicatedJob != nil,
		each:     job && w.Template.Spec.RestartPolicy == corev1.RestartPolicyNever,
	}
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
		w.pods = population{tasks, instances(tasks, w.kinship())}
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

func (k kinship) slotOf(t *swarm.Task) slotKey {
	if k.fromZero {
		return slotKey{slot: t.Slot}
	}
	return slotOf(t)
}

// slotInstances appends the Pods among the tasks of one slot.
func slotInstances(found []instance, tasks []*swarm.Task, k kinship) []instance {
	if len(tasks) > 1 {
		slices.SortStableFunc(tasks, newerFirst)
	}
	alive := slices.ContainsFunc(tasks, func(t *swarm.Task) bool { return wanted(t) && !hasEnded(t) })
	for i, t := range tasks {
		in := instance{task: t, ended: hasEnded(t), failedRoll: alive && hasEnded(t) && !k.each}
		if isPast(t, i == 0 || k.each) {
			continue
		}
		if in.stopping = !in.ended && !wanted(t); !in.stopping && !k.each {
			in.previous = restarts(tasks[i+1:], t)
		}
		found = append(found, in)
	}
	return found
}

// isPast tells tasks that are no Pods any more, or never were. last says that nothing took over from it.
func isPast(t *swarm.Task, last bool) bool {
	switch {
	case t.Status.State == swarm.TaskStateShutdown, t.Status.State == swarm.TaskStateOrphaned: // stopped because it was told to
		return true
	case hasEnded(t): // history
		return !last || t.DesiredState == swarm.TaskStateRemove
	}
	return !wanted(t) && !isAssigned(t) // no node ever knew of it
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
func PreviousTask(w World, t *swarm.Task) *swarm.Task {
	wl := w.Workload(t.ServiceID)
	if wl == nil {
		return nil
	}
	for _, in := range wl.instances(w.Tasks(t.ServiceID)) {
		if in.task.ID == t.ID && len(in.previous) > 0 {
			return in.previous[0]
		}
	}
	return nil
}
