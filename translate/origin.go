package translate

import (
	"reflect"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// origin is what a task's spec says of the Pod that the task is. Hashing a spec takes longer than all the
// rest of a Pod, and the tasks of a service have one spec or two.
type origin struct {
	key  specKey
	spec swarm.TaskSpec
	hash string
	base string // the Pod's name but for its end
	// template is what the spec alone says; nil until it is asked for.
	template *corev1.PodTemplateSpec
}

// specKey tells that two specs are one in memory.
type specKey struct {
	container  *swarm.ContainerSpec
	plugin     any
	attachment *swarm.NetworkAttachmentSpec
	resources  *swarm.ResourceRequirements
	restart    *swarm.RestartPolicy
	placement  *swarm.Placement
	networks   *swarm.NetworkAttachmentConfig
	count      int
	logDriver  *swarm.Driver
	force      uint64
	runtime    swarm.RuntimeType
}

func keyOfSpec(s *swarm.TaskSpec) specKey {
	k := specKey{
		container: s.ContainerSpec, plugin: s.PluginSpec, attachment: s.NetworkAttachmentSpec, resources: s.Resources,
		restart: s.RestartPolicy, placement: s.Placement, count: len(s.Networks), logDriver: s.LogDriver,
		force: s.ForceUpdate, runtime: s.Runtime,
	}
	if len(s.Networks) > 0 {
		k.networks = &s.Networks[0]
	}
	return k
}

// SameSpec compares task specs by value, at once where they are one in memory.
func SameSpec(a, b *swarm.TaskSpec) bool {
	return keyOfSpec(a) == keyOfSpec(b) || reflect.DeepEqual(a, b)
}

// kept is how many origins, templates and documents a workload remembers; there are more only where
// someone changes a service faster than its tasks.
const kept = 32

// originOf is the origin of a task, worked out once for a spec.
func (w *Workload) originOf(t *swarm.Task) *origin {
	key := keyOfSpec(&t.Spec)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.origins {
		if o.key == key {
			return o
		}
	}
	for _, o := range w.origins {
		if reflect.DeepEqual(&o.spec, &t.Spec) {
			return o
		}
	}
	if len(w.origins) >= kept {
		w.origins = nil
	}
	o := &origin{key: key, spec: t.Spec}
	if SameSpec(&t.Spec, &w.Service.Spec.TaskTemplate) {
		o.hash = w.Hash
	} else {
		o.hash = taskHash(&t.Spec)
	}
	o.base = w.podBase(o)
	w.origins = append(w.origins, o)
	return o
}

// podBase is what the names of an origin's Pods begin with.
func (w *Workload) podBase(o *origin) string {
	if c := o.spec.ContainerSpec; c != nil && c.Labels[LabelPod] != "" && asWritten(&o.spec) {
		return c.Labels[LabelPod]
	}
	if w.Identity.Kind == "Deployment" {
		return w.Identity.Name + "-" + o.hash
	}
	return w.Identity.Name
}

// HashOf tells which template a task was made of.
func (w *Workload) HashOf(task *swarm.Task) string { return w.originOf(task).hash }

// templateOfTask is the template that a task was made of: the present one, a past revision's, or what the
// task's own spec says.
func templateOfTask(w World, wl *Workload, t *swarm.Task) *corev1.PodTemplateSpec {
	o := wl.originOf(t)
	if o.hash == wl.Hash {
		return &wl.Template
	}
	if wl.Identity.Kind == "Deployment" {
		if r, ok := pastRevisions(w, wl)[wl.Identity.Name+"-"+o.hash]; ok {
			return &r.rs.Spec.Template
		}
	}
	if wl.hasEditions() {
		if e := editions(w, wl)[o.hash]; e != nil {
			return e.template
		}
	}
	wl.mu.Lock()
	defer wl.mu.Unlock()
	if o.template == nil {
		template := GetPod(&o.spec, wl.Service.Spec.Name)
		o.template = &template
	}
	return o.template
}

// prototype is what all Pods of a template have in common. They share its memory: it is not to be changed.
func (w *Workload) prototype(template *corev1.PodTemplateSpec, hash string) *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	if pod := w.prototypes[template]; pod != nil {
		return pod
	}
	copied := template.DeepCopy()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.Identity.Namespace, GenerateName: w.Identity.Name + "-",
			Labels: copied.Labels, Annotations: copied.Annotations,
			OwnerReferences: []metav1.OwnerReference{podOwner(w, hash)},
		},
		Spec: copied.Spec,
	}
	pod.Labels = w.withRevision(pod.Labels, hash)
	if w.Identity.Kind == "Deployment" {
		pod.GenerateName = w.Identity.Name + "-" + hash + "-"
	}
	if pod.Spec.ServiceAccountName == "" { // as the API server has it for each Pod that is created
		pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount = DefaultServiceAccount, DefaultServiceAccount
	}
	coredefaults.SetObjectDefaults_Pod(pod)
	pod.Spec = shared(&pod.Spec, &template.Spec)
	if w.prototypes == nil || len(w.prototypes) >= kept {
		w.prototypes = map[*corev1.PodTemplateSpec]*corev1.Pod{}
	}
	w.prototypes[template] = pod
	return pod
}

// shared is spec in the memory of another that says the same.
func shared(spec, other *corev1.PodSpec) corev1.PodSpec {
	if equality.Semantic.DeepEqual(spec, other) {
		return *other
	}
	return *spec
}

// inherit takes over from a service's last version what is the same: all Pods that stay keep their memory.
func (w *Workload) inherit(before *Workload) {
	if before.Identity != w.Identity || before.Object.GetUID() != w.Object.GetUID() || before.Service.Spec.Name != w.Service.Spec.Name {
		return
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	for _, o := range before.origins {
		copied := *o
		w.origins = append(w.origins, &copied)
	}
	if before.Hash != w.Hash || !sameTemplate(&before.Template, &w.Template) {
		return
	}
	w.Template = before.Template
	if pod := before.prototypes[&before.Template]; pod != nil {
		w.prototypes = map[*corev1.PodTemplateSpec]*corev1.Pod{&w.Template: pod}
	}
}
