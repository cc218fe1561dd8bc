package translate

import (
	"fmt"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"skep/translate/manifest"
)

// GroupEvent is an Event in memory: Swarm keeps none.
const GroupEvent GroupKind = "event"

// Events pairs Events with themselves: those that clients record, and those that are read off changes of
// tasks, services and nodes.
type Events struct{}

var _ Lens = Events{}

// Kind implements Lens.
func (Events) Kind() string { return "Event" }

// Groups implements Lens.
func (Events) Groups() []GroupKind { return []GroupKind{GroupEvent} }

// Get implements Lens.
func (Events) Get(w World, g Group) []Derived {
	e := w.Event(g.ID)
	if e == nil {
		return nil
	}
	return []Derived{{
		Key: KeyOf(e), Parts: []any{e},
		Build: func() (Object, error) { copied := *e; return &copied, nil },
	}}
}

// Put implements Lens.
func (Events) Put(_ World, _ Group, _, object Object) (Plan, error) {
	e := object.DeepCopyObject().(*corev1.Event)
	return Plan{Commit: Step{Group: GroupEvent, ID: EventID(e), Event: e}}, nil
}

// Remove implements Lens.
func (Events) Remove(_ World, g Group, _ Object) (Plan, error) {
	return Plan{Commit: Step{Group: GroupEvent, ID: g.ID}}, nil
}

// EventID is under what an Event is kept.
func EventID(e *corev1.Event) string { return e.Namespace + "/" + e.Name }

// occasion is something that happened to an object.
type occasion struct {
	about     corev1.ObjectReference
	component string
	warning   bool
	reason    string
	message   string
	at        time.Time
	// mark tells occasions of one reason apart.
	mark string
}

func (o occasion) event() *corev1.Event {
	kind := corev1.EventTypeNormal
	if o.warning {
		kind = corev1.EventTypeWarning
	}
	at := stamp(o.at)
	namespace := o.about.Namespace
	if namespace == "" {
		namespace = DefaultNamespace
	}
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: o.about.Name + "." + shortHash([]string{string(o.about.UID), o.reason, o.message, o.mark}),
			UID: swarmUID("event", string(o.about.UID), o.reason, o.message, o.mark), CreationTimestamp: at,
		},
		InvolvedObject: o.about, Reason: o.reason, Message: o.message, Type: kind, Count: 1,
		FirstTimestamp: at, LastTimestamp: at,
		Source: corev1.EventSource{Component: o.component}, ReportingController: o.component,
	}
}

// taskStory is what a Pod's Events say when its task comes to a state.
var taskStory = []struct {
	state   swarm.TaskState
	reason  string
	message func(t *swarm.Task, container string) string
	warning bool
}{
	{swarm.TaskStatePreparing, "Pulling", func(t *swarm.Task, _ string) string { return fmt.Sprintf("Pulling image %q", imageOf(t)) }, false},
	{swarm.TaskStateStarting, "Created", func(_ *swarm.Task, c string) string { return "Container created: " + c }, false},
	{swarm.TaskStateRunning, "Started", func(_ *swarm.Task, c string) string { return "Container started: " + c }, false},
	{swarm.TaskStateFailed, "BackOff", func(t *swarm.Task, c string) string {
		return fmt.Sprintf("Back-off restarting failed container %s: %s", c, t.Status.Err)
	}, true},
	{swarm.TaskStateRejected, "Failed", func(t *swarm.Task, _ string) string {
		return fmt.Sprintf("Failed to start image %q: %s", imageOf(t), t.Status.Err)
	}, true},
}

func imageOf(t *swarm.Task) string {
	if t.Spec.ContainerSpec == nil {
		return ""
	}
	return t.Spec.ContainerSpec.Image
}

// TaskEvents are the Events that a change of a task stands for; old is nil for a new one, now is nil for
// one that is no more.
func TaskEvents(w World, old, now *swarm.Task) []*corev1.Event {
	t := now
	if t == nil {
		t = old
	}
	wl := w.Workload(t.ServiceID)
	if wl == nil {
		return nil
	}
	var all []occasion
	pod := podReference(wl, t)
	if wl.Identity.Kind != "Pod" {
		all = append(all, controllerOccasions(wl, pod, old, now)...)
	}
	all = append(all, podOccasions(w, wl, pod, old, now)...)
	events := make([]*corev1.Event, 0, len(all))
	for _, o := range all {
		o.mark = t.ID
		events = append(events, o.event())
	}
	return events
}

func podReference(wl *Workload, t *swarm.Task) corev1.ObjectReference {
	pod := corev1.ObjectReference{
		APIVersion: "v1", Kind: "Pod", Namespace: wl.Identity.Namespace, Name: podName(wl, t), UID: swarmUID(t.ID),
	}
	if _, bare := wl.Object.(*corev1.Pod); bare {
		pod.Name, pod.UID = wl.Identity.Name, wl.Object.GetUID()
	}
	return pod
}

// ReportEvents are the Events that a task's sandbox told of.
func ReportEvents(w World, t *swarm.Task, told []manifest.Event) []*corev1.Event {
	wl := w.Workload(t.ServiceID)
	if wl == nil {
		return nil
	}
	events := make([]*corev1.Event, 0, len(told))
	for _, e := range told {
		about := podReference(wl, t)
		about.FieldPath = e.FieldPath
		o := occasion{
			about: about, component: "kubelet", warning: e.Type == corev1.EventTypeWarning, reason: e.Reason, message: e.Message, at: e.Time.Time,
			mark: t.ID + e.FieldPath,
		}
		event := o.event()
		if n := w.Node(t.NodeID); n != nil {
			event.Source.Host = NodeName(w, n)
		}
		events = append(events, event)
	}
	return events
}

// podOccasions are those of the Pod itself.
func podOccasions(w World, wl *Workload, pod corev1.ObjectReference, old, now *swarm.Task) []occasion {
	var all []occasion
	container := wl.Identity.Name
	if c := wl.Template.Spec.Containers; len(c) > 0 {
		container = c[0].Name
	}
	if stops(old, now) {
		at := old
		if now != nil {
			at = now
		}
		all = append(all, occasion{about: pod, component: "kubelet", reason: "Killing", message: "Stopping container " + container, at: at.UpdatedAt})
	}
	if now == nil {
		return all
	}
	all = append(all, schedulingOccasions(w, pod, old, now)...)
	for _, s := range taskStory {
		if isSandbox(&now.Spec) && !s.warning {
			continue // the sandbox tells of its containers
		}
		if now.Status.State == s.state && (old == nil || old.Status.State != s.state) {
			all = append(all, occasion{
				about: pod, component: "kubelet", warning: s.warning, reason: s.reason, message: s.message(now, container), at: now.Status.Timestamp,
			})
		}
	}
	return all
}

// schedulingOccasions are those of finding a node.
func schedulingOccasions(w World, pod corev1.ObjectReference, old, now *swarm.Task) []occasion {
	var all []occasion
	if now.NodeID != "" && (old == nil || old.NodeID == "") {
		if n := w.Node(now.NodeID); n != nil {
			all = append(all, occasion{
				about: pod, component: "default-scheduler", reason: "Scheduled", at: now.CreatedAt,
				message: fmt.Sprintf("Successfully assigned %s/%s to %s", pod.Namespace, pod.Name, NodeName(w, n)),
			})
		}
	}
	if now.NodeID == "" && now.Status.Err != "" && (old == nil || old.Status.Err != now.Status.Err) {
		all = append(all, occasion{
			about: pod, component: "default-scheduler", warning: true, reason: "FailedScheduling", message: now.Status.Err, at: now.Status.Timestamp,
		})
	}
	return all
}

// controllerOccasions are those of the ReplicaSet, StatefulSet, DaemonSet or Job that the Pod is of.
func controllerOccasions(wl *Workload, pod corev1.ObjectReference, old, now *swarm.Task) []occasion {
	t := now
	if t == nil {
		t = old
	}
	o := podOwner(wl, wl.HashOf(t))
	about := corev1.ObjectReference{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: pod.Namespace, Name: o.Name, UID: o.UID}
	component := map[string]string{"ReplicaSet": "replicaset-controller", "StatefulSet": "statefulset-controller", "DaemonSet": "daemonset-controller", "Job": "job-controller"}[o.Kind]
	var all []occasion
	if old == nil && now != nil {
		all = append(all, occasion{about: about, component: component, reason: "SuccessfulCreate", message: "Created pod: " + pod.Name, at: now.CreatedAt})
	}
	if stops(old, now) {
		all = append(all, occasion{about: about, component: component, reason: "SuccessfulDelete", message: "Deleted pod: " + pod.Name, at: t.UpdatedAt})
	}
	return all
}

// stops says whether with this change a task that was to run is to stop.
func stops(old, now *swarm.Task) bool {
	if old == nil || !wanted(old) || hasEnded(old) {
		return false
	}
	return now == nil || !wanted(now) && !hasEnded(now)
}

// ServiceEvents are the Events that a change of a service stands for: a Deployment scaling its ReplicaSets.
func ServiceEvents(before, after *Workload) []*corev1.Event {
	if after == nil || after.Gone {
		return nil
	}
	d, ok := after.Object.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	about := corev1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: d.Namespace, Name: d.Name, UID: d.UID}
	from, to := int32(0), replicasOr1(d.Spec.Replicas)
	if before != nil && before.Hash == after.Hash {
		was, ok := before.Object.(*appsv1.Deployment)
		if !ok {
			return nil
		}
		from = replicasOr1(was.Spec.Replicas)
	}
	if from == to {
		return nil
	}
	direction := "up"
	if to < from {
		direction = "down"
	}
	return []*corev1.Event{occasion{
		about: about, component: "deployment-controller", reason: "ScalingReplicaSet", at: after.Service.UpdatedAt,
		message: fmt.Sprintf("Scaled %s replica set %s-%s from %d to %d", direction, d.Name, after.Hash, from, to),
		mark:    fmt.Sprint(after.Service.Version.Index),
	}.event()}
}

// NodeEvents are the Events that a change of a node stands for.
func NodeEvents(w World, old, now *swarm.Node) []*corev1.Event {
	if now == nil || old == nil {
		return nil
	}
	name := NodeName(w, now)
	about := corev1.ObjectReference{Kind: "Node", Name: name, UID: types.UID(name)}
	var events []*corev1.Event
	add := func(reason, component string) {
		events = append(events, occasion{
			about: about, component: component, reason: reason, at: now.UpdatedAt, mark: fmt.Sprint(now.Version.Index),
			message: fmt.Sprintf("Node %s status is now: %s", name, reason),
		}.event())
	}
	if ready := now.Status.State == swarm.NodeStateReady; ready != (old.Status.State == swarm.NodeStateReady) {
		add(map[bool]string{true: "NodeReady", false: "NodeNotReady"}[ready], "node-controller")
	}
	if open := now.Spec.Availability == swarm.NodeAvailabilityActive; open != (old.Spec.Availability == swarm.NodeAvailabilityActive) {
		add(map[bool]string{true: "NodeSchedulable", false: "NodeNotSchedulable"}[open], "kubelet")
	}
	return events
}
