package spec

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
)

// field is what a fieldRef of a variable refers to. Those of volumes know only metadata: see fieldpath.
func (p *Pod) field(path string) (string, error) {
	status := &p.pod.Status
	switch path {
	case "spec.nodeName", "spec.host":
		return p.pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return p.pod.Spec.ServiceAccountName, nil
	case "status.hostIP":
		return status.HostIP, nil
	case "status.hostIPs":
		ips := make([]string, len(status.HostIPs))
		for i, ip := range status.HostIPs {
			ips[i] = ip.IP
		}
		return listOr(ips, status.HostIP), nil
	case "status.podIP":
		return status.PodIP, nil
	case "status.podIPs":
		ips := make([]string, len(status.PodIPs))
		for i, ip := range status.PodIPs {
			ips[i] = ip.IP
		}
		return listOr(ips, status.PodIP), nil
	}
	return fieldpath.ExtractFieldPathAsString(p.pod, path)
}

func listOr(list []string, otherwise string) string {
	if len(list) == 0 {
		return otherwise
	}
	return strings.Join(list, ",")
}

// resourceOf is what a resourceFieldRef of a variable of container c refers to. A limit of the whole Pod stands before the
// node's size; an init container that is named has no default.
func (p *Pod) resourceOf(ref *corev1.ResourceFieldSelector, c *corev1.Container) (string, error) {
	most := p.facts.Node.DeepCopy()
	if whole := p.pod.Spec.Resources; whole != nil {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if limit := whole.Limits[name]; !limit.IsZero() {
				most[name] = limit
			}
		}
	}
	if ref.ContainerName == "" {
		return quantityOf(ref, c, most)
	}
	for i := range p.pod.Spec.Containers {
		if p.pod.Spec.Containers[i].Name == ref.ContainerName {
			return quantityOf(ref, &p.pod.Spec.Containers[i], most)
		}
	}
	return p.resourceOfNamed(ref, nil)
}

// resourceOfNamed is what a resourceFieldRef refers to that names its container.
func (p *Pod) resourceOfNamed(ref *corev1.ResourceFieldSelector, most corev1.ResourceList) (string, error) {
	for _, list := range [][]corev1.Container{p.pod.Spec.Containers, p.pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == ref.ContainerName {
				return quantityOf(ref, &list[i], most)
			}
		}
	}
	return "", fmt.Errorf("container %s not found", ref.ContainerName)
}

// quantityOf is a request or limit of a container in units of the divisor, rounded up. A limit of cpu, memory or
// ephemeral-storage that is not set is that of most.
func quantityOf(ref *corev1.ResourceFieldSelector, c *corev1.Container, most corev1.ResourceList) (string, error) {
	side, text, _ := strings.Cut(ref.Resource, ".")
	name := corev1.ResourceName(text)
	plain := name == corev1.ResourceCPU || name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage
	if !plain && !strings.HasPrefix(text, corev1.ResourceHugePagesPrefix) {
		return "", fmt.Errorf("unsupported container resource : %v", ref.Resource)
	}
	var quantity resource.Quantity
	switch side {
	case "limits":
		if quantity = c.Resources.Limits[name]; plain && quantity.IsZero() {
			quantity = most[name]
		}
	case "requests":
		quantity = c.Resources.Requests[name]
	default:
		return "", fmt.Errorf("unsupported container resource : %v", ref.Resource)
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	whole, unit := float64(quantity.Value()), float64(divisor.Value())
	if name == corev1.ResourceCPU {
		whole, unit = float64(quantity.MilliValue()), float64(divisor.MilliValue())
	}
	return strconv.FormatInt(int64(math.Ceil(whole/unit)), 10), nil
}
