package translate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
)

// Offline is a workload as Docker's tools alone would run it, without a Swarm and without skep.
type Offline struct {
	// Spec is what the workload's lens writes, but for what skep keeps for itself: its labels, the Pods' names, the
	// cluster's DNS and networks. Networks are none, or the node's. References carry names only.
	Spec      swarm.ServiceSpec
	Materials []Material
	Missing   []Missing
	// Aliases are the names of the Services that stand for it.
	Aliases []string
	// Warnings tell what Swarm can only approximate.
	Warnings []string
}

// ServiceSpecOf says as a Swarm spec what the manifest of a workload, defaulted and valid, says. services are the Services
// that may select its Pods. What a plain task cannot hold is an error that lists the fields: see Pods' forms.
func ServiceSpecOf(object Object, src Sources, services []*corev1.Service) (*Offline, error) {
	if newWorkloadObject(gvkOf(object).Kind) == nil {
		return nil, fmt.Errorf("a %s is not run by a service", gvkOf(object).Kind)
	}
	template := templateOf(object)
	refused, warnings := checkPlain(withReplicaClaims(object, &template), src.Networking())
	for _, err := range refused {
		if err.Detail == noSandboxReason {
			err.Detail = "is done by skep's sandbox"
		}
	}
	if err := refused.ToAggregate(); err != nil {
		return nil, err
	}
	run, err := encodeTask(src, object, &template, "", plainTask)
	if err != nil {
		return nil, err
	}
	out := &Offline{Spec: encodeService(object), Materials: run.Materials, Missing: run.Missing, Warnings: warnings}
	out.Spec.TaskTemplate = run.Task
	hold(&out.Spec, object)
	onlyDocker(&out.Spec, &template)
	if !template.Spec.HostNetwork {
		out.Aliases = exposeBy(&out.Spec, &template, services)
	}
	return out, nil
}

// onlyDocker takes out of a spec what only skep has a use for.
func onlyDocker(spec *swarm.ServiceSpec, template *corev1.PodTemplateSpec) {
	task, c := &spec.TaskTemplate, spec.TaskTemplate.ContainerSpec
	maps.DeleteFunc(spec.Labels, func(key, _ string) bool { return stackLabel(key) })
	maps.DeleteFunc(c.Labels, func(key, _ string) bool { return swarmOnly(key) || key == LabelHash })
	c.DNSConfig = withoutCluster(c.DNSConfig)
	if isPodName(c.Hostname) && orZero(readOnly[taskOnly](template.Annotations).ContainerSpec).Hostname != c.Hostname {
		c.Hostname = ""
	}
	if !template.Spec.HostNetwork {
		task.Networks = nil
	}
	if p := task.Placement; p != nil {
		p.Constraints = slices.DeleteFunc(p.Constraints, func(c string) bool { return isMissingConstraint(c) || isPin(c) })
	}
	for i := range c.Mounts {
		if o := c.Mounts[i].VolumeOptions; o != nil && c.Mounts[i].Type == mount.TypeVolume {
			maps.DeleteFunc(o.Labels, func(key, _ string) bool { return swarmOnly(key) })
		}
	}
}

// exposeBy has a service publish the ports of the Services that stand for it, and returns their names.
func exposeBy(spec *swarm.ServiceSpec, template *corev1.PodTemplateSpec, services []*corev1.Service) []string {
	var names []string
	endpoint, headless := &swarm.EndpointSpec{}, false
	for _, s := range services {
		e := newExposed(nil, s)
		if !e.selectsLabels(template.Labels) {
			continue
		}
		names = append(names, s.Name)
		headless = headless || e.Headless() && !e.keepsAddress()
		endpoint.Ports = append(endpoint.Ports, outsideOf(e, template)...)
	}
	local := !slices.ContainsFunc(endpoint.Ports, func(p swarm.PortConfig) bool { return p.PublishMode == swarm.PortConfigPublishModeIngress })
	if headless && local {
		endpoint.Mode = swarm.ResolutionModeDNSRR
	}
	slices.SortStableFunc(endpoint.Ports, func(a, b swarm.PortConfig) int { return int(a.PublishedPort) - int(b.PublishedPort) })
	spec.EndpointSpec = endpoint
	slices.Sort(names)
	return names
}

// outsideOf are a Service's ports on the nodes, as the service of a workload publishes them. A node port that Kubernetes
// has not chosen yet is Docker's to choose.
func outsideOf(e *Exposed, template *corev1.PodTemplateSpec) []swarm.PortConfig {
	if !e.published() {
		return nil
	}
	mode := swarm.PortConfigPublishModeIngress
	if e.Object.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
		mode = swarm.PortConfigPublishModeHost
	}
	var out []swarm.PortConfig
	for i := range e.Object.Spec.Ports {
		p := &e.Object.Spec.Ports[i]
		target, ok := targetPort(template, p)
		if !ok {
			continue
		}
		numbers := outsidePorts(e.Object, p)
		if len(numbers) == 0 {
			numbers = []uint32{0}
		}
		for _, number := range numbers {
			out = append(out, swarm.PortConfig{Protocol: swarmProtocol(p.Protocol), TargetPort: uint32(target), PublishedPort: number, PublishMode: mode})
		}
	}
	return out
}
