package compose

import (
	"fmt"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// waitImage is what waits for others; it has a shell and nc.
const waitImage = "busybox:stable"

// before are the containers that run before a service's own: Compose's pre_start.
func (c *converter) before(w *workload) {
	for i := range w.service.File.PreStart {
		hook := &w.service.File.PreStart[i]
		at := fmt.Sprintf("%s.pre_start[%d]", w.at, i)
		if !hook.PerReplica && replicas(w) != 1 {
			c.find(Approximated, at, "it runs before each Pod, and Compose ran it once for the service: it has to bear being run again")
		}
		file := &types.ServiceConfig{Name: w.service.Key, ContainerSpec: hook.ContainerSpec}
		step := &Service{Key: w.service.Key, File: file, Spec: deploySpec(c.stack, file)}
		other := c.pod(step, at)
		c.fold(w, other, fmt.Sprintf("pre-start-%d", i+1))
	}
}

// fold has another workload's container run before a workload's own, with all that it mounts.
func (c *converter) fold(w, other *workload, name string) {
	con := other.container().DeepCopy()
	con.Name = label(name)
	con.LivenessProbe, con.ReadinessProbe, con.StartupProbe, con.Lifecycle, con.Ports = nil, nil, nil, nil, nil
	volumes := map[string]corev1.Volume{}
	for _, v := range other.template.Spec.Volumes {
		volumes[v.Name] = v
	}
	keep := w.template.Spec.Containers
	w.template.Spec.Containers = []corev1.Container{{}} // mounts go to the first
	mounts := con.VolumeMounts
	for _, m := range mounts {
		w.mount(volumes[m.Name], m)
	}
	con.VolumeMounts = w.container().VolumeMounts
	w.template.Spec.Containers = keep
	w.template.Spec.InitContainers = append(w.template.Spec.InitContainers, *con)
}

func replicas(w *workload) uint64 {
	if n := replicasOf(&w.service.Spec); n != nil {
		return *n
	}
	return 1
}

// await has services wait for those that they depend on, where Compose says what for.
func (c *converter) await() {
	byKey := map[string]*workload{}
	for _, w := range c.workloads {
		byKey[w.service.Key] = w
	}
	folded := map[*workload]bool{}
	for _, w := range c.workloads {
		var waits []corev1.Container
		for _, key := range slices.Sorted(maps.Keys(w.service.File.DependsOn)) {
			at := w.at + ".depends_on." + key
			on, condition := byKey[key], w.service.File.DependsOn[key].Condition
			switch {
			case on == nil: // not required, and not there
			case condition == types.ServiceConditionHealthy:
				waits = append(waits, c.waitFor(on))
				c.find(Approximated, at, "an init container waits until %s is ready when a Pod starts; what happens to %s later is nobody's business", on.name, on.name)
			case condition == types.ServiceConditionCompletedSuccessfully && c.runsOnce(on) && len(c.dependents(key)) == 1:
				c.fold(w, on, on.name)
				folded[on] = true
				c.find(Approximated, at, "%s is an init container of %s: it runs before each of its Pods, and has to bear being run again", on.name, w.name)
			case condition == types.ServiceConditionCompletedSuccessfully:
				c.decide(Approximated, at, "Kubernetes waits for no Job: %s is started again until what %s makes is there; or apply the Job first and wait for it (kubectl wait --for=condition=complete job/%s)", w.name, on.name, on.name)
			}
		}
		w.template.Spec.InitContainers = append(waits, w.template.Spec.InitContainers...)
	}
	c.workloads = slices.DeleteFunc(c.workloads, func(w *workload) bool { return folded[w] })
}

// dependents are the services that wait for another.
func (c *converter) dependents(key string) []*workload {
	var all []*workload
	for _, w := range c.workloads {
		if _, waits := w.service.File.DependsOn[key]; waits {
			all = append(all, w)
		}
	}
	return all
}

// waitFor waits until a service is ready: its name has addresses, and one answers at its port. Only Pods that are ready
// are behind a Service.
func (c *converter) waitFor(on *workload) corev1.Container {
	check := "nslookup " + on.name
	if ports := c.listens(on); len(ports) > 0 && ports[0].Protocol != corev1.ProtocolUDP {
		check = fmt.Sprintf("nc -z -w 2 %s %d", on.name, ports[0].ContainerPort)
	}
	return corev1.Container{
		Name: label("wait-for-" + on.name), Image: waitImage,
		Command: []string{"/bin/sh", "-c", "until " + check + " >/dev/null 2>&1; do sleep 2; done"},
		Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse("16Mi"),
		}},
	}
}
