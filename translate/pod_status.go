package translate

import (
	"regexp"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
)

// podStatus is what a kubelet would report of a task.
func podStatus(w World, pod *corev1.Pod, in instance, node *swarm.Node) corev1.PodStatus {
	t := in.task
	container := containerStatus(pod, in)
	status := corev1.PodStatus{
		Phase:    podPhase(pod, in),
		QOSClass: qos.ComputePodQOS(pod),
	}
	if node != nil && stateOrder[t.Status.State] >= stateOrder[swarm.TaskStateAssigned] {
		start := stamp(t.CreatedAt)
		status.StartTime = &start
		status.HostIP = NodeAddress(node)
		status.HostIPs = []corev1.HostIP{{IP: status.HostIP}}
	}
	if ip := podIP(w, t, status.HostIP); ip != "" {
		status.PodIP, status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	}
	// As the node lifecycle controller has it: of a node that is lost no Pod is ready.
	lost := node != nil && node.Status.State != swarm.NodeStateReady
	_, ready := readyOf(w, t)
	status.Conditions = podConditions(pod, in, ready && !lost)
	if len(in.previous) > 0 || stateOrder[t.Status.State] >= stateOrder[swarm.TaskStateAssigned] {
		status.ContainerStatuses = []corev1.ContainerStatus{container}
	}
	if status.Phase == corev1.PodFailed {
		status.Message = t.Status.Err
	}
	r := w.Report(t.ID)
	switch {
	case isSandbox(&t.Spec) && t.ID != "":
		status.InitContainerStatuses, status.ContainerStatuses = creating(pod, in)
		switch {
		case r != nil:
			takeReport(&status, r, in, lost)
		case status.Phase == corev1.PodRunning && !lost:
			status.Phase = corev1.PodPending // its containers are being made
		}
	case r != nil:
		status.EphemeralContainerStatuses = r.Status.EphemeralContainerStatuses
	}
	if status.StartTime != nil {
		status.ObservedGeneration = pod.Generation // a task's spec never changes: it is the Pod's as it is
	}
	return status
}

// podPhase follows the Pod lifecycle: a Pod whose containers are started again is Running meanwhile.
func podPhase(pod *corev1.Pod, in instance) corev1.PodPhase {
	switch in.task.Status.State {
	case swarm.TaskStateRunning:
		return corev1.PodRunning
	case swarm.TaskStateComplete:
		if pod.Spec.RestartPolicy == corev1.RestartPolicyAlways && wanted(in.task) {
			return corev1.PodRunning
		}
		return corev1.PodSucceeded
	case swarm.TaskStateFailed:
		if pod.Spec.RestartPolicy == corev1.RestartPolicyNever || !wanted(in.task) {
			return corev1.PodFailed
		}
		return corev1.PodRunning
	case swarm.TaskStateStarting:
		if pidOf(in.task) > 0 {
			return corev1.PodRunning
		}
	default:
	}
	if len(in.previous) > 0 && in.previous[0].Status.State != swarm.TaskStateRejected {
		return corev1.PodRunning // it ran and is about to run again
	}
	return corev1.PodPending
}

func containerStatus(pod *corev1.Pod, in instance) corev1.ContainerStatus {
	t := in.task
	started := false
	c := corev1.ContainerStatus{RestartCount: int32(len(in.previous)), Started: &started}
	if len(pod.Spec.Containers) > 0 {
		c.Name, c.Image = pod.Spec.Containers[0].Name, pod.Spec.Containers[0].Image
	}
	if s := t.Status.ContainerStatus; s != nil && s.ContainerID != "" {
		c.ContainerID = "docker://" + s.ContainerID
		c.ImageID = c.Image
	}
	if len(in.previous) > 0 && in.previous[0].Status.State != swarm.TaskStateRejected {
		c.LastTerminationState = corev1.ContainerState{Terminated: terminated(in.previous[0])}
	}
	switch {
	case t.Status.State == swarm.TaskStateRunning:
		started, c.Ready = true, true
		c.State.Running = &corev1.ContainerStateRunning{StartedAt: stamp(t.Status.Timestamp)}
	case t.Status.State == swarm.TaskStateStarting && pidOf(t) > 0:
		c.State.Running = &corev1.ContainerStateRunning{StartedAt: stamp(t.Status.Timestamp)}
	case t.Status.State == swarm.TaskStateRejected:
		c.State.Waiting = rejected(t)
	case hasEnded(t):
		c.State.Terminated = terminated(t)
	default:
		c.State.Waiting = waiting(in)
	}
	return c
}

// waiting is why a container does not run yet.
func waiting(in instance) *corev1.ContainerStateWaiting {
	if len(in.previous) == 0 {
		return &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	}
	if last := in.previous[0]; last.Status.State == swarm.TaskStateRejected {
		why := rejected(last)
		if why.Reason == "ErrImagePull" {
			why.Reason = "ImagePullBackOff"
		}
		return why
	}
	return &corev1.ContainerStateWaiting{
		Reason:  "CrashLoopBackOff",
		Message: strings.TrimSuffix("Swarm restarts the container after its restart delay: "+in.previous[0].Status.Err, ": "),
	}
}

var noImage = regexp.MustCompile(`(?i)no such image`)

// rejections tell by what the engine said why a node would not run a task.
var rejections = []struct {
	says   *regexp.Regexp
	reason string
}{
	{regexp.MustCompile(`(?i)no such image|pull|manifest|registry`), "ErrImagePull"},
	{regexp.MustCompile(`(?i)invalid mount|bind source path|config|secret`), "CreateContainerConfigError"},
}

func rejected(t *swarm.Task) *corev1.ContainerStateWaiting {
	if isSandbox(&t.Spec) && noImage.MatchString(t.Status.Err) {
		return &corev1.ContainerStateWaiting{Reason: "CreatePodSandboxError", Message: "the node has no image " + imageOf(t) +
			" for the Pod's sandbox: make it there (make image; docker load), or name one in a registry that it reaches (skep serve --image): " + t.Status.Err}
	}
	for _, r := range rejections {
		if r.says.MatchString(t.Status.Err) {
			return &corev1.ContainerStateWaiting{Reason: r.reason, Message: t.Status.Err}
		}
	}
	return &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: t.Status.Err}
}

func terminated(t *swarm.Task) *corev1.ContainerStateTerminated {
	end := &corev1.ContainerStateTerminated{
		Reason: "Completed", FinishedAt: stamp(t.Status.Timestamp), StartedAt: stamp(t.CreatedAt), Message: t.Status.Err,
	}
	if s := t.Status.ContainerStatus; s != nil {
		end.ExitCode = int32(s.ExitCode)
		if s.ContainerID != "" {
			end.ContainerID = "docker://" + s.ContainerID
		}
	}
	switch {
	case strings.Contains(t.Status.Err, "OOMKilled"):
		end.Reason = "OOMKilled"
	case strings.Contains(t.Status.Err, "starting container failed"):
		end.Reason = "StartError"
	case t.Status.State != swarm.TaskStateComplete:
		end.Reason = "Error"
	}
	if end.ExitCode == 0 && end.Reason != "Completed" {
		end.ExitCode = 128 // it never got to an exit code of its own, as with the kubelet
	}
	return end
}

func pidOf(t *swarm.Task) int {
	if t.Status.ContainerStatus == nil {
		return 0
	}
	return t.Status.ContainerStatus.PID
}

// podConditions are those that a scheduler and a kubelet set.
func podConditions(pod *corev1.Pod, in instance, ready bool) []corev1.PodCondition {
	t := in.task
	at := stamp(latest(t.CreatedAt, t.Status.Timestamp))
	scheduled := corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: stamp(t.CreatedAt)}
	if t.NodeID == "" {
		scheduled.Status = corev1.ConditionFalse
		if t.Status.Err != "" {
			scheduled.Reason, scheduled.Message = corev1.PodReasonUnschedulable, t.Status.Err
		}
		return []corev1.PodCondition{scheduled}
	}
	condition := func(kind corev1.PodConditionType, yes bool) corev1.PodCondition {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: at}
		if !yes {
			c.Status = corev1.ConditionFalse
			c.Reason = "ContainersNotReady"
			if len(pod.Spec.Containers) > 0 {
				c.Message = "containers with unready status: [" + pod.Spec.Containers[0].Name + "]"
			}
			if t.Status.State == swarm.TaskStateComplete {
				c.Reason, c.Message = "PodCompleted", ""
			}
		}
		return c
	}
	sandboxed := condition(corev1.PodReadyToStartContainers, stateOrder[t.Status.State] >= stateOrder[swarm.TaskStateReady])
	if sandboxed.Status == corev1.ConditionFalse {
		sandboxed.Reason, sandboxed.Message = "", ""
	}
	return []corev1.PodCondition{
		sandboxed,
		{Type: corev1.PodInitialized, Status: corev1.ConditionTrue, LastTransitionTime: stamp(t.CreatedAt)},
		condition(corev1.PodReady, ready),
		condition(corev1.ContainersReady, ready),
		scheduled,
	}
}

// podIP is the task's address on skep's network, else on the first overlay that is not the routing
// mesh's, else with host networking the node's.
func podIP(w World, t *swarm.Task, hostIP string) string {
	first := ""
	for _, a := range t.NetworksAttachments {
		if len(a.Addresses) == 0 || a.Network.Spec.Ingress {
			continue
		}
		ip, _, _ := strings.Cut(a.Addresses[0], "/")
		if w.Network(a.Network.ID) == w.Networking().Network {
			return ip
		}
		if first == "" {
			first = ip
		}
	}
	if first == "" {
		for _, n := range t.Spec.Networks {
			if n.Target == "host" || w.Network(n.Target) == "host" {
				return hostIP
			}
		}
	}
	return first
}
