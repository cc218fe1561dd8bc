package compose

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"skep/translate"
)

// Reference names an object, or a key of its data or a port of a Service, that another object uses.
type Reference struct{ Kind, Namespace, Name, Key string }

// String is the reference as a person reads it: ConfigMap site[index.html], in its namespace where it has one.
func (r Reference) String() string {
	name := r.Name
	if r.Namespace != "" {
		name = r.Namespace + "/" + name
	}
	if r.Key != "" {
		name += "[" + r.Key + "]"
	}
	return r.Kind + " " + name
}

// dangling are the references of objects that lead nowhere: neither to one of them nor to what is external. An external
// object without a namespace is in any, and one without a key has all.
func dangling(objects []translate.Object, external []Reference) []Fault {
	have, outside := map[Reference]bool{}, map[Reference]bool{}
	for _, o := range objects {
		at := referenceTo(o)
		have[at] = true
		for _, key := range keysOf(o) {
			at.Key = key
			have[at] = true
		}
	}
	for _, r := range external {
		outside[r] = true
	}
	var all []Fault
	for _, o := range objects {
		for _, r := range referencesOf(o) {
			anywhere, whole, wholeAnywhere := r, r, r
			anywhere.Namespace, wholeAnywhere.Namespace, whole.Key, wholeAnywhere.Key = "", "", "", ""
			if have[r] || outside[r] || outside[anywhere] || outside[whole] || outside[wholeAnywhere] {
				continue
			}
			all = append(all, Fault{Object: referenceTo(o), Dangling: true, Err: fmt.Errorf("names %s, which there is not", r)})
		}
	}
	return append(all, leadingNowhere(objects)...)
}

// keysOf are what others can name of an object: the keys of its data, the ports of a Service.
func keysOf(o translate.Object) []string {
	switch o := o.(type) {
	case *corev1.ConfigMap:
		return append(slices.Collect(maps.Keys(o.Data)), slices.Collect(maps.Keys(o.BinaryData))...)
	case *corev1.Secret:
		return append(slices.Collect(maps.Keys(o.Data)), slices.Collect(maps.Keys(o.StringData))...)
	case *corev1.Service:
		var ports []string
		for _, p := range o.Spec.Ports {
			ports = append(ports, fmt.Sprint(p.Port))
			if p.Name != "" {
				ports = append(ports, p.Name)
			}
		}
		return ports
	}
	return nil
}

// collector gathers an object's references.
type collector struct {
	namespace string
	all       []Reference
}

func (c *collector) add(kind, name, key string, optional *bool) {
	if name != "" && (optional == nil || !*optional) {
		c.all = append(c.all, Reference{Kind: kind, Namespace: c.namespace, Name: name, Key: key})
	}
}

// referencesOf are what an object cannot do without, in the order in which it names it.
func referencesOf(o translate.Object) []Reference {
	c := collector{namespace: o.GetNamespace()}
	if t := templateIn(o); t != nil {
		c.pod(&t.Spec)
	}
	switch o := o.(type) {
	case *appsv1.StatefulSet:
		c.add("Service", o.Spec.ServiceName, "", nil)
	case *networkingv1.Ingress:
		c.ingress(o)
	case *autoscalingv2.HorizontalPodAutoscaler:
		c.add(o.Spec.ScaleTargetRef.Kind, o.Spec.ScaleTargetRef.Name, "", nil)
	case *corev1.PersistentVolumeClaim:
		if o.Spec.VolumeName != "" {
			c.all = append(c.all, Reference{Kind: "PersistentVolume", Name: o.Spec.VolumeName})
		}
	}
	return c.all
}

// templateIn is the Pods that an object runs; nil for one that runs none.
func templateIn(o translate.Object) *corev1.PodTemplateSpec {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	case *corev1.Pod:
		return &corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
	}
	return nil
}

// pod gathers what a Pod names.
func (c *collector) pod(p *corev1.PodSpec) {
	if p.ServiceAccountName != "default" { // which every namespace has
		c.add("ServiceAccount", p.ServiceAccountName, "", nil)
	}
	for _, s := range p.ImagePullSecrets {
		c.add("Secret", s.Name, "", nil)
	}
	for i := range p.Volumes {
		c.volume(&p.Volumes[i])
	}
	for _, container := range slices.Concat(p.InitContainers, p.Containers) {
		for _, from := range container.EnvFrom {
			if s := from.ConfigMapRef; s != nil {
				c.add("ConfigMap", s.Name, "", s.Optional)
			}
			if s := from.SecretRef; s != nil {
				c.add("Secret", s.Name, "", s.Optional)
			}
		}
		for _, e := range container.Env {
			if e.ValueFrom == nil {
				continue
			}
			if s := e.ValueFrom.ConfigMapKeyRef; s != nil {
				c.add("ConfigMap", s.Name, s.Key, s.Optional)
			}
			if s := e.ValueFrom.SecretKeyRef; s != nil {
				c.add("Secret", s.Name, s.Key, s.Optional)
			}
		}
	}
}

func (c *collector) volume(v *corev1.Volume) {
	if s := v.ConfigMap; s != nil {
		c.items("ConfigMap", s.Name, s.Items, s.Optional)
	}
	if s := v.Secret; s != nil {
		c.items("Secret", s.SecretName, s.Items, s.Optional)
	}
	if s := v.PersistentVolumeClaim; s != nil {
		c.add("PersistentVolumeClaim", s.ClaimName, "", nil)
	}
	if v.Projected == nil {
		return
	}
	for _, from := range v.Projected.Sources {
		if s := from.ConfigMap; s != nil {
			c.items("ConfigMap", s.Name, s.Items, s.Optional)
		}
		if s := from.Secret; s != nil {
			c.items("Secret", s.Name, s.Items, s.Optional)
		}
	}
}

func (c *collector) items(kind, name string, items []corev1.KeyToPath, optional *bool) {
	c.add(kind, name, "", optional)
	for _, item := range items {
		c.add(kind, name, item.Key, optional)
	}
}

func (c *collector) ingress(o *networkingv1.Ingress) {
	backend := func(b *networkingv1.IngressBackend) {
		if b == nil || b.Service == nil {
			return
		}
		port := b.Service.Port.Name
		if port == "" {
			port = fmt.Sprint(b.Service.Port.Number)
		}
		c.add("Service", b.Service.Name, port, nil)
	}
	backend(o.Spec.DefaultBackend)
	for _, rule := range o.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for i := range rule.HTTP.Paths {
			backend(&rule.HTTP.Paths[i].Backend)
		}
	}
	for _, tls := range o.Spec.TLS {
		c.add("Secret", tls.SecretName, "", nil)
	}
}

// leadingNowhere are Services that lead nowhere: no Pod of the objects has their labels, or the port that they name.
func leadingNowhere(objects []translate.Object) []Fault {
	var all []Fault
	for _, o := range objects {
		s, ok := o.(*corev1.Service)
		if !ok || len(s.Spec.Selector) == 0 {
			continue
		}
		found := selectedPods(s, objects)
		if len(found) == 0 {
			all = append(all, Fault{Object: referenceTo(o), Dangling: true, Err: fmt.Errorf("selects no Pod (%s)", labels.Set(s.Spec.Selector))})
			continue
		}
		for _, p := range s.Spec.Ports {
			if p.TargetPort.Type == intstr.String && !slices.ContainsFunc(found, func(t *corev1.PodTemplateSpec) bool { return hasPort(t, p.TargetPort.StrVal) }) {
				all = append(all, Fault{Object: referenceTo(o), Dangling: true, Err: fmt.Errorf("names the port %q, which its Pods have not", p.TargetPort.StrVal)})
			}
		}
	}
	return all
}

// selectedPods are the Pods that a Service leads to.
func selectedPods(s *corev1.Service, objects []translate.Object) []*corev1.PodTemplateSpec {
	var found []*corev1.PodTemplateSpec
	for _, o := range objects {
		t := templateIn(o)
		if t != nil && o.GetNamespace() == s.Namespace && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(t.Labels)) {
			found = append(found, t)
		}
	}
	return found
}

// hasPort says whether Pods have a port of this name.
func hasPort(t *corev1.PodTemplateSpec, port string) bool {
	return slices.ContainsFunc(slices.Concat(t.Spec.InitContainers, t.Spec.Containers), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port })
	})
}
