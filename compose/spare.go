package compose

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
)

// spare leaves out of a Pod template what every API server fills in again: a manifest says what its author would.
// Docker's defaults stay where Kubernetes' are others: the grace period, the times of checks.
func spare(t *corev1.PodTemplateSpec) {
	s := &t.Spec
	omit(&s.RestartPolicy, corev1.RestartPolicyAlways)
	omit(&s.DNSPolicy, corev1.DNSClusterFirst)
	omit(&s.SchedulerName, corev1.DefaultSchedulerName)
	omit(&s.DeprecatedServiceAccount, s.ServiceAccountName)
	if s.SecurityContext != nil && reflect.DeepEqual(*s.SecurityContext, corev1.PodSecurityContext{}) {
		s.SecurityContext = nil
	}
	for i := range s.InitContainers {
		spareContainer(&s.InitContainers[i])
	}
	for i := range s.Containers {
		spareContainer(&s.Containers[i])
	}
	for i := range s.Volumes {
		if h := s.Volumes[i].HostPath; h != nil && h.Type != nil && *h.Type == corev1.HostPathUnset {
			h.Type = nil
		}
	}
	if len(t.Annotations) == 0 {
		t.Annotations = nil
	}
}

func spareContainer(c *corev1.Container) {
	omit(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	omit(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	if c.SecurityContext != nil && reflect.DeepEqual(*c.SecurityContext, corev1.SecurityContext{}) {
		c.SecurityContext = nil
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			omit(&p.SuccessThreshold, 1)
		}
	}
	for i := range c.Ports {
		omit(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for i := range c.Env {
		if f := c.Env[i].ValueFrom; f != nil && f.FieldRef != nil {
			omit(&f.FieldRef.APIVersion, "v1")
		}
	}
	for name, limit := range c.Resources.Limits { // a request that is not made is the limit
		if ask, ok := c.Resources.Requests[name]; ok && ask.Cmp(limit) == 0 {
			delete(c.Resources.Requests, name)
		}
	}
}

// omit empties a field that has its default.
func omit[T comparable](field *T, byDefault T) {
	var none T
	if *field == byDefault {
		*field = none
	}
}
