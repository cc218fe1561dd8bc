package compose

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// image names the image, and says when it is pulled.
func (c *converter) image(w *workload) {
	con, f := w.container(), w.service.File
	if con.Image == "" {
		// Compose's own name for what it builds.
		con.Image = label(w.service.Key)
		if c.stack.Name != "" {
			con.Image = label(c.stack.Name) + "-" + con.Image
		}
		c.decide(Approximated, w.at+".image", "no image is named: it is %q now, as Compose would call what it builds; put in the name of the one that you pushed to a registry", con.Image)
	}
	con.ImagePullPolicy = ""
	switch f.PullPolicy {
	case types.PullPolicyAlways:
		con.ImagePullPolicy = corev1.PullAlways
	case types.PullPolicyNever:
		con.ImagePullPolicy = corev1.PullNever
	case types.PullPolicyIfNotPresent, types.PullPolicyMissing:
		con.ImagePullPolicy = corev1.PullIfNotPresent
	}
}

// beyond lays over the Pod what Compose says and docker stack deploy does not hear.
func (c *converter) beyond(w *workload) {
	c.limits(w)
	c.devices(w)
	c.namespaces(w)
	c.security(w)
	c.escalation(w)
	c.platform(w)
	tolerate(w)
	c.hooks(w)
	c.describe(w)
	c.health(w)
	f, spec := w.service.File, &w.template.Spec
	switch {
	case f.Runtime == "":
	case len(validation.IsDNS1123Subdomain(f.Runtime)) > 0:
		c.find(Refused, w.at+".runtime", "a RuntimeClass has small letters, digits, hyphens and dots in its name: make one for %q, and name it in runtimeClassName", f.Runtime)
	default:
		spec.RuntimeClassName = &f.Runtime
	}
	c.resolver(w)
}

// health has a service be ready by the check that Docker restarts it by: Swarm sends nothing to a task that is not healthy.
func (c *converter) health(w *workload) {
	con := w.container()
	if con.LivenessProbe == nil || con.ReadinessProbe != nil {
		return
	}
	con.ReadinessProbe = con.LivenessProbe.DeepCopy()
	con.ReadinessProbe.InitialDelaySeconds = 0 // the start period is one in which failures do not count
}

// Docker's share of a CPU that has no limit, and the period of its quota in microseconds.
const (
	cpuShares = 1024
	cpuPeriod = 100_000
)

// limits are those of Compose's second version of the file format, where the deploy section says nothing.
func (c *converter) limits(w *workload) {
	f, con := w.service.File, w.container()
	set := func(list *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
		if *list == nil {
			*list = corev1.ResourceList{}
		}
		if _, have := (*list)[name]; !have {
			(*list)[name] = q
		}
	}
	limits, requests := &con.Resources.Limits, &con.Resources.Requests
	if f.CPUS > 0 {
		set(limits, corev1.ResourceCPU, milli(float64(f.CPUS)))
	}
	if f.CPUQuota > 0 {
		period := float64(cpuPeriod)
		if f.CPUPeriod > 0 {
			period = float64(f.CPUPeriod)
		}
		set(limits, corev1.ResourceCPU, milli(float64(f.CPUQuota)/period))
	}
	if f.CPUShares > 0 {
		set(requests, corev1.ResourceCPU, milli(float64(f.CPUShares)/cpuShares))
	}
	if f.MemLimit > 0 {
		set(limits, corev1.ResourceMemory, byteQuantity(int64(f.MemLimit)))
	}
	if f.MemReservation > 0 {
		set(requests, corev1.ResourceMemory, byteQuantity(int64(f.MemReservation)))
	}
	if size := f.StorageOpt["size"]; size != "" {
		if n, err := byteSize(size); err == nil {
			set(limits, corev1.ResourceEphemeralStorage, byteQuantity(n))
		}
	}
	for i, list := 0, deviceRequests(f); i < len(list); i++ {
		c.gpus(w, list[i].at, list[i].request, set)
	}
	for name, limit := range *limits { // a request above the limit is invalid; Docker takes the limit
		if ask, ok := (*requests)[name]; ok && ask.Cmp(limit) > 0 {
			(*requests)[name] = limit
		}
	}
}

type deviceRequest struct {
	at      string
	request types.DeviceRequest
}

func deviceRequests(f *types.ServiceConfig) []deviceRequest {
	var all []deviceRequest
	for i, r := range f.Gpus {
		all = append(all, deviceRequest{fmt.Sprintf("gpus[%d]", i), r})
	}
	if f.Deploy != nil && f.Deploy.Resources.Reservations != nil {
		for i, r := range f.Deploy.Resources.Reservations.Devices {
			all = append(all, deviceRequest{fmt.Sprintf("deploy.resources.reservations.devices[%d]", i), r})
		}
	}
	return all
}

// gpus asks for graphics cards by the name that their vendor's device plug-in gives them.
func (c *converter) gpus(w *workload, at string, r types.DeviceRequest, set func(*corev1.ResourceList, corev1.ResourceName, resource.Quantity)) {
	at = w.at + "." + at
	if r.Driver != "" && r.Driver != "nvidia" && r.Driver != "amd" || !slices.Contains(r.Capabilities, "gpu") && len(r.Capabilities) > 0 {
		c.find(Refused, at, "Kubernetes has devices by their plug-in's name: install the one for it, and ask for its resource in resources.limits")
		return
	}
	vendor := corev1.ResourceName("nvidia.com/gpu")
	if r.Driver == "amd" {
		vendor = "amd.com/gpu"
	}
	count := int64(r.Count)
	switch {
	case len(r.IDs) > 0:
		count = int64(len(r.IDs))
		c.find(Approximated, at, "Kubernetes gives %d of a node's cards, and no one can say which", count)
	case count < 0:
		count = 1
		c.decide(Approximated, at, "Kubernetes cannot give all of a node's cards without their number: it is 1 now, put in how many the nodes have")
	}
	set(&w.container().Resources.Limits, vendor, *resource.NewQuantity(max(count, 1), resource.DecimalSI))
}

func milli(cpus float64) resource.Quantity {
	return *resource.NewMilliQuantity(int64(math.Ceil(cpus*1000)), resource.DecimalSI)
}

func byteQuantity(n int64) resource.Quantity { return *resource.NewQuantity(n, resource.BinarySI) }

// devices mounts the devices of the node. Without a device plug-in only a privileged container may use them.
func (c *converter) devices(w *workload) {
	for i, d := range w.service.File.Devices {
		at := fmt.Sprintf("%s.devices[%d]", w.at, i)
		if !path.IsAbs(d.Source) {
			c.find(Refused, at, "Kubernetes knows no device by the name %q: install its vendor's device plug-in, and ask for its resource in resources.limits", d.Source)
			continue
		}
		target := d.Target
		if target == "" {
			target = d.Source
		}
		w.mount(corev1.Volume{
			Name:         label("device-" + strings.Trim(d.Source, "/")),
			VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path.Clean(d.Source)}},
		}, corev1.VolumeMount{MountPath: target})
		w.security().Privileged = new(true)
		c.find(Approximated, at, "mounted from the node, in a privileged container, since Kubernetes lets no other use it: a device plug-in is safer")
	}
}

// namespaces shares the node's namespaces where Docker does. What a service shares with another is the table's to tell.
func (c *converter) namespaces(w *workload) {
	f, spec := w.service.File, &w.template.Spec
	host := f.NetworkMode == "host"
	for _, n := range c.stack.Networks {
		_, on := f.Networks[n.Key]
		host = host || on && n.Name == "host"
	}
	if host {
		spec.HostNetwork = true
		spec.DNSPolicy = corev1.DNSClusterFirstWithHostNet
	}
	spec.HostPID = f.Pid == "host"
	spec.HostIPC = f.Ipc == "host"
}

// platform has the Pods run where the image does.
func (c *converter) platform(w *workload) {
	p := w.service.File.Platform
	if p == "" {
		return
	}
	os, rest, _ := strings.Cut(p, "/")
	arch, _, _ := strings.Cut(rest, "/")
	if len(validation.IsValidLabelValue(os))+len(validation.IsValidLabelValue(arch)) > 0 {
		c.find(Refused, w.at+".platform", "%q is no platform: an operating system and an architecture, as linux/arm64", p)
		return
	}
	spec := &w.template.Spec
	if spec.NodeSelector == nil {
		spec.NodeSelector = map[string]string{}
	}
	if os != "" {
		spec.NodeSelector[corev1.LabelOSStable] = os
	}
	if arch != "" {
		spec.NodeSelector[corev1.LabelArchStable] = arch
	}
}

// controlPlane is the label, and the taint, of Kubernetes' own for what a Swarm calls a manager.
const controlPlane = "node-role.kubernetes.io/control-plane"

// tolerate lets Pods onto managers as Swarm does: those that ask for one, and those of a global service, which has a task
// on every node that its constraints leave.
func tolerate(w *workload) {
	spec := &w.template.Spec
	_, asked := spec.NodeSelector[controlPlane]
	kept := false
	if a := spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			for _, e := range term.MatchExpressions {
				asked = asked || e.Key == controlPlane && e.Operator == corev1.NodeSelectorOpExists
				kept = kept || e.Key == controlPlane && e.Operator == corev1.NodeSelectorOpDoesNotExist
			}
		}
	}
	everywhere := w.service.Spec.Mode.Global != nil || w.service.Spec.Mode.GlobalJob != nil
	if asked || everywhere && !kept {
		spec.Tolerations = append(spec.Tolerations, corev1.Toleration{Key: controlPlane, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	}
}
