package spec

import (
	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	helper "k8s.io/component-helpers/resource"
)

// What a kubelet makes of CPUs.
const (
	minShares = 2
	maxShares = 262144
	period    = 100000 // microseconds
	minQuota  = 1000   // microseconds
)

// resources are a container's limits and its share of the CPUs. A limit of the whole Pod is that of a container which has
// none; a request that is not there is the limit. There is no swap.
func resources(pod *corev1.Pod, c *corev1.Container) container.Resources {
	cpu, memory := limit(pod, c, corev1.ResourceCPU), limit(pod, c, corev1.ResourceMemory)
	request, found := c.Resources.Requests[corev1.ResourceCPU]
	if !found {
		request = cpu
	}
	r := container.Resources{
		CPUShares:  min(max(request.MilliValue()*1024/1000, minShares), maxShares),
		Memory:     memory.Value(),
		MemorySwap: memory.Value(),
	}
	if !cpu.IsZero() {
		r.CPUPeriod, r.CPUQuota = period, max(cpu.MilliValue()*period/1000, minQuota)
	}
	return r
}

func limit(pod *corev1.Pod, c *corev1.Container, name corev1.ResourceName) resource.Quantity {
	own := c.Resources.Limits[name]
	if own.IsZero() && helper.IsPodLevelResourcesSet(pod) {
		return pod.Spec.Resources.Limits[name]
	}
	return own
}

// Scores of a kubelet for the kernel's choice of what to kill when memory runs out.
const (
	guaranteedScore = -997
	bestEffortScore = 1000
)

// oomScore is a container's oom_score_adj: the less of the node's memory it asks for, the more it is to be killed.
func oomScore(pod *corev1.Pod, c *corev1.Container, capacity int64) int {
	const critical = 2000000000
	if pod.Spec.PriorityClassName == "system-node-critical" && deref(pod.Spec.Priority, 0) >= critical {
		return guaranteedScore
	}
	switch class := podQOS(pod); {
	case class == corev1.PodQOSGuaranteed:
		return guaranteedScore
	case class == corev1.PodQOSBestEffort || capacity <= 0:
		return bestEffortScore
	}
	score := 1000 - 1000*(memoryRequest(c)+share(pod))/capacity
	if sidecar(pod, c) {
		least := memoryRequest(&pod.Spec.Containers[0])
		for i := range pod.Spec.Containers {
			least = min(least, memoryRequest(&pod.Spec.Containers[i]))
		}
		score = min(score, 1000-1000*(least+share(pod))/capacity)
	}
	return int(min(max(score, 1000+guaranteedScore), bestEffortScore-1))
}

func memoryRequest(c *corev1.Container) int64 { return c.Resources.Requests.Memory().Value() }

// share is what a container has of the Pod's own request for memory, beyond what the containers ask for.
func share(pod *corev1.Pod) int64 {
	if !helper.IsPodLevelRequestsSet(pod) || pod.Spec.Resources.Requests.Memory().IsZero() {
		return 0
	}
	requests := helper.AggregateContainerRequests(pod, helper.PodResourcesOptions{})
	rest := pod.Spec.Resources.Requests.Memory().Value() - requests.Memory().Value()
	return max(rest, 0) / int64(len(pod.Spec.Containers)+len(pod.Spec.InitContainers))
}

// sidecar tells whether c is an init container that goes on running.
func sidecar(pod *corev1.Pod, c *corev1.Container) bool {
	if deref(c.RestartPolicy, "") != corev1.ContainerRestartPolicyAlways {
		return false
	}
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == c.Name {
			return true
		}
	}
	return false
}

// podQOS is the Pod's class of service: by the status if it has one.
func podQOS(pod *corev1.Pod) corev1.PodQOSClass {
	if pod.Status.QOSClass != "" {
		return pod.Status.QOSClass
	}
	if helper.IsPodLevelResourcesSet(pod) {
		return classOf(pod.Spec.Resources)
	}
	var class corev1.PodQOSClass
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if one := classOf(&list[i].Resources); class == "" || class == one {
				class = one
				continue
			}
			return corev1.PodQOSBurstable
		}
	}
	return class
}

// classOf is the class of one container: what is asked for of cpu and memory all the same as the limit, nothing, or else.
func classOf(r *corev1.ResourceRequirements) corev1.PodQOSClass {
	none, equal := true, true
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, limit := r.Requests[name], r.Limits[name]
		none = none && request.IsZero() && limit.IsZero()
		equal = equal && !request.IsZero() && request.Equal(limit)
	}
	switch {
	case none:
		return corev1.PodQOSBestEffort
	case equal:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}
