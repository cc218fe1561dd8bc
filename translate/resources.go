package translate

import (
	"maps"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// minMemory is SwarmKit's least (manager/controlapi/service.go, validateResources). Its least for CPU is
// the least that Kubernetes can say.
const minMemory = 4 << 20

const nanoPerMilli = 1e6

func (p *putter) putResources() {
	limits, requests := p.resources("limits", p.c.Resources.Limits), p.resources("requests", p.c.Resources.Requests)
	if limits == nil && requests == nil {
		return
	}
	r := &swarm.ResourceRequirements{Reservations: requests}
	if limits != nil {
		r.Limits = &swarm.Limit{NanoCPUs: limits.NanoCPUs, MemoryBytes: limits.MemoryBytes}
	}
	p.plan.Task.Resources = r
}

// resources reads CPU and memory; nil where neither is set. The rest has fates of its own.
func (p *putter) resources(name string, list corev1.ResourceList) *swarm.Resources {
	at := p.cAt.Child("resources", name)
	cpu, memory := list.Cpu().MilliValue()*nanoPerMilli, list.Memory().Value()
	if memory != 0 && memory < minMemory {
		p.refuse(at.Key("memory"), "is below 4Mi, and Swarm takes no less")
	}
	if cpu == 0 && memory == 0 {
		return nil
	}
	return &swarm.Resources{NanoCPUs: cpu, MemoryBytes: memory}
}

// resourcesAt leaves pids and generic resources to Swarm.
func resourcesAt(s *swarm.TaskSpec) any {
	var out [4]int64
	if s.Resources == nil {
		return out
	}
	if l := s.Resources.Limits; l != nil {
		out[0], out[1] = l.NanoCPUs, l.MemoryBytes
	}
	if r := s.Resources.Reservations; r != nil {
		out[2], out[3] = r.NanoCPUs, r.MemoryBytes
	}
	// Kubernetes allows no request above its limit. Such a reservation never fits a limit, so say the limit.
	// And it counts CPUs in thousandths, rounded up.
	for _, i := range []int{0, 2} {
		out[i] = (out[i] + nanoPerMilli - 1) / nanoPerMilli * nanoPerMilli
	}
	for i := range 2 {
		if out[i] > 0 && out[i+2] > out[i] {
			out[i+2] = out[i]
		}
	}
	return out
}

func getResources(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	have, _ := resourcesAt(s).([4]int64)
	r := &podContainer(o).Resources
	r.Limits = withResources(r.Limits, have[0], have[1])
	r.Requests = withResources(r.Requests, have[2], have[3])
}

func withResources(list corev1.ResourceList, cpu, memory int64) corev1.ResourceList {
	out := maps.Clone(list)
	if out == nil {
		out = corev1.ResourceList{}
	}
	delete(out, corev1.ResourceCPU)
	delete(out, corev1.ResourceMemory)
	if cpu > 0 {
		out[corev1.ResourceCPU] = *resource.NewMilliQuantity(cpu/nanoPerMilli, resource.DecimalSI)
	}
	if memory > 0 {
		out[corev1.ResourceMemory] = *resource.NewQuantity(memory, resource.BinarySI)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
