package compose

import (
	"encoding/json"
	"slices"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"skep/translate"
)

// workload makes a service of what runs Pods.
func (m *manifestStack) workload(g *given[translate.Object]) {
	template := templateIn(g.object)
	if template == nil {
		kind := g.object.GetObjectKind().GroupVersionKind().Kind
		m.find(g, Refused, "", "a stack file has nothing for a %s", kind)
		return
	}
	key := m.take("services", serviceKey(g.object))
	m.trueNames = nil
	if doc := template.Annotations[translate.AnnotationVolumes]; doc != "" && json.Unmarshal([]byte(doc), &m.trueNames) != nil {
		m.trueNames = nil // no list of names
	}
	var services []*corev1.Service
	for _, s := range m.services {
		if s.object.Namespace == g.object.GetNamespace() {
			services = append(services, s.object)
		}
	}
	out, err := translate.ServiceSpecOf(g.object, m, services)
	if err != nil {
		m.find(g, Refused, key, "Docker alone cannot run it: %s; make several services of it, or do without what is named", scrub(err.Error()))
		return
	}
	for _, warning := range out.Warnings {
		m.find(g, Approximated, key, "%s", warning)
	}
	for _, missing := range out.Missing {
		what := missing.Kind + "/" + missing.Name
		if missing.Key != "" {
			what += ", key " + missing.Key
		}
		m.find(g, Refused, key, "refers to %s, which was not given: what is made of it is left out", what)
	}
	m.tell(g, key, template)
	spec := &out.Spec
	if g.object.GetLabels()[LabelManagedBy] == managedBy {
		for _, labels := range []map[string]string{spec.Labels, spec.TaskTemplate.ContainerSpec.Labels} {
			withoutConverters(labels)
		}
	}
	m.attach(spec, key, m.aliases(out.Aliases, key, template))
	m.mounts(spec)
	withoutDefaults(spec)
	if p := spec.TaskTemplate.RestartPolicy; p != nil && *p == (swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny}) {
		spec.TaskTemplate.RestartPolicy = nil // as without one
	}
	if u := spec.UpdateConfig; u != nil && *u == (swarm.UpdateConfig{Parallelism: 1}) {
		spec.UpdateConfig = nil
	}
	m.stack.asDeployed(spec, key)
	m.stack.Services = append(m.stack.Services, Service{Key: key, Spec: *spec})
}

// withoutConverters takes away the labels that Convert gives to all.
func withoutConverters(labels map[string]string) {
	for _, own := range []string{LabelName, LabelPartOf, LabelManagedBy} {
		delete(labels, own)
	}
}

// serviceKey is what a workload is called in a file: as it was in the one that it came from, else by its own name.
func serviceKey(o translate.Object) string {
	if key := serviceOf(o.GetAnnotations()[AnnotationFrom]); key != "" {
		return key
	}
	return o.GetName()
}

// tell notes what becomes of parts of a Pod that are well where they are, and mean something else in a file.
func (m *manifestStack) tell(g *given[translate.Object], key string, t *corev1.PodTemplateSpec) {
	if len(t.Spec.ImagePullSecrets) > 0 {
		m.find(g, Approximated, key, "pulls its image by a Secret: docker login, then docker stack deploy --with-registry-auth")
	}
	if s, ok := g.object.(*appsv1.StatefulSet); ok && (s.Spec.Replicas == nil || *s.Spec.Replicas > 1) {
		m.find(g, Approximated, key, "replicas of a service have no names of their own (%s-0), and share its volumes on a node", s.Name)
	}
}

// aliases are the names beside its key by which a service is called. The Services that select it are used up.
func (m *manifestStack) aliases(names []string, key string, t *corev1.PodTemplateSpec) []string {
	var out []string
	for _, s := range m.services {
		if !slices.Contains(names, s.object.Name) || !selects(s.object, t) {
			continue
		}
		s.used = true
		converted := s.object.Labels[LabelManagedBy] == managedBy
		published := s.object.Spec.Type == corev1.ServiceTypeLoadBalancer || s.object.Spec.Type == corev1.ServiceTypeNodePort
		if name := s.object.Name; name != key && (!converted || !published && name != label(key)) {
			out = append(out, name)
		}
		if published {
			continue
		}
		for _, p := range s.object.Spec.Ports {
			if target := podPort(&p, t); target != 0 && target != p.Port {
				m.find(&given[translate.Object]{object: s.object, at: s.at}, Approximated, key, "its port %d leads to %d: other services of a stack reach it at %d", p.Port, target, target)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// podPort is the port in the Pods; 0 where they have none by that name.
func podPort(p *corev1.ServicePort, t *corev1.PodTemplateSpec) int32 {
	for _, c := range t.Spec.Containers {
		for _, have := range c.Ports {
			if p.TargetPort.StrVal != "" && have.Name == p.TargetPort.StrVal {
				return have.ContainerPort
			}
		}
	}
	return p.TargetPort.IntVal
}

func selects(s *corev1.Service, t *corev1.PodTemplateSpec) bool {
	for k, v := range s.Spec.Selector {
		if t.Labels[k] != v {
			return false
		}
	}
	return len(s.Spec.Selector) > 0
}

// attach has a service be in the stack's own network, as all Pods are in one.
func (m *manifestStack) attach(spec *swarm.ServiceSpec, key string, aliases []string) {
	task := &spec.TaskTemplate
	if len(task.Networks) > 0 { // the node's
		if !slices.ContainsFunc(m.stack.Networks, func(n Network) bool { return n.Key == "host" }) {
			m.stack.Networks = append(m.stack.Networks, Network{Key: "host", Name: "host", External: true, Options: network.CreateOptions{}})
		}
		return
	}
	task.Networks = []swarm.NetworkAttachmentConfig{{Target: m.stack.scoped("default"), Aliases: append(aliases, key)}}
}

// mounts says of a service's volumes what docker stack deploy does.
func (m *manifestStack) mounts(spec *swarm.ServiceSpec) {
	c := spec.TaskTemplate.ContainerSpec
	for i := range c.Mounts {
		at := &c.Mounts[i]
		if at.Type != mount.TypeVolume || at.Source == "" {
			continue
		}
		if _, have := m.volumeKeys[at.Source]; !have {
			v := Volume{Name: at.Source, External: true}
			if o := at.VolumeOptions; o != nil && o.DriverConfig != nil {
				v.External, v.Driver, v.Options = false, o.DriverConfig.Name, o.DriverConfig.Options
			}
			m.volume(v, at.Source)
		}
		v := &m.stack.Volumes[m.volumeKeys[at.Source]]
		o := &mount.VolumeOptions{}
		if before := at.VolumeOptions; before != nil {
			o.Subpath = before.Subpath
		}
		if !v.External {
			o.Labels = m.stack.labels(v.Labels)
			if v.Driver != "" || len(v.Options) > 0 {
				o.DriverConfig = &mount.Driver{Name: v.Driver, Options: v.Options}
			}
		}
		at.VolumeOptions = o
	}
}
