package translate

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	appsdefaults "k8s.io/kubernetes/pkg/apis/apps/v1"
	batchdefaults "k8s.io/kubernetes/pkg/apis/batch/v1"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// Workload is a service as the Kubernetes object that it is.
type Workload struct {
	Service  *swarm.Service
	Identity Identity // with the name that it has among those that claim it
	// Object has metadata and spec: a Deployment, ReplicaSet, StatefulSet, DaemonSet, Job or Pod.
	Object Object
	// Template is what runs; in a paused Deployment it is not what the spec says.
	Template corev1.PodTemplateSpec
	// Hash tells this template from the service's earlier ones.
	Hash string
	// Behind says that the object asks for another template than what runs.
	Behind bool
	// Gone says that the service was removed and only tasks are left.
	Gone bool

	// What is worked out once, by whoever needs it first.
	mu         sync.Mutex
	origins    []*origin
	prototypes map[*corev1.PodTemplateSpec]*corev1.Pod
	documents  map[*swarm.Config]*appsv1.ReplicaSet
	present    revision
	pods       population
	once       sync.Once
	before     *appsv1.ReplicaSet

	editions    map[*swarm.Config]*edition
	onceEdition sync.Once
	edition     *edition
}

// ParseWorkload reads a service. name is the one that World.Name gives it.
func ParseWorkload(s *swarm.Service, name string) *Workload { return ParseNext(nil, s, name) }

// ParseNext reads a service of which before was an earlier version: what did not change is shared. before may
// be nil.
func ParseNext(before *Workload, s *swarm.Service, name string) *Workload {
	w := &Workload{Service: s, Identity: ServiceIdentity(&s.Spec)}
	w.Identity.Name = name
	if before != nil && SameSpec(&before.Service.Spec.TaskTemplate, &s.Spec.TaskTemplate) {
		w.Hash = before.Hash
	} else {
		w.Hash = taskHash(&s.Spec.TaskTemplate)
	}
	if w.readLabel() != nil {
		w.derive()
	}
	w.Object.SetNamespace(w.Identity.Namespace)
	w.Object.SetName(name)
	if _, running := s.Spec.Labels[LabelRunning]; running {
		asked := templateOf(w.Object)
		w.Behind = !sameTemplate(&asked, &w.Template)
	}
	if before != nil {
		w.inherit(before)
	}
	return w
}

// readLabel takes the object from the service's label and lays the live spec over it.
func (w *Workload) readLabel() error {
	spec := &w.Service.Spec
	doc, ok := spec.Labels[LabelObject]
	if !ok {
		return fmt.Errorf("no label %s", LabelObject)
	}
	object := newWorkloadObject(w.Identity.Kind)
	if object == nil {
		return fmt.Errorf("kind %q is no workload", w.Identity.Kind)
	}
	if err := json.Unmarshal([]byte(doc), object); err != nil {
		return fmt.Errorf("label %s: %w", LabelObject, err)
	}
	var seen Seen
	if err := json.Unmarshal([]byte(spec.Labels[LabelSeen]), &seen); err != nil {
		seen = Seen{} // nothing is known to be untouched: Swarm wins everywhere
	}
	w.Object = object
	if d, ok := object.(*appsv1.Deployment); ok && seen[seenHash] != "" && seen[seenHash] != w.Hash {
		// Docker's tools made a revision of their own.
		d.Annotations = withEntry(d.Annotations, revisionAnnotation, strconv.FormatInt(revisionOf(d)+1, 10))
	}
	overlay(serviceFacets, spec, &w.Object, seen)
	template := templateOf(object)
	if running, ok := spec.Labels[LabelRunning]; ok {
		if err := json.Unmarshal([]byte(running), &w.Template); err != nil {
			return fmt.Errorf("label %s: %w", LabelRunning, err)
		}
		OverlayPod(&w.Template, &spec.TaskTemplate, seen)
	} else {
		OverlayPod(&template, &spec.TaskTemplate, seen)
		setTemplate(object, template)
	}
	defaultWorkload(object)
	if _, ok := spec.Labels[LabelRunning]; !ok {
		w.Template = templateOf(object)
	}
	return nil
}

// derive makes the object from the Swarm spec alone.
func (w *Workload) derive() {
	s := w.Service
	object := newWorkloadObject(w.Identity.Kind)
	if object == nil {
		w.Identity.Kind = "Deployment"
		object = &appsv1.Deployment{}
	}
	w.Object = object
	object.SetUID(swarmUID(s.ID))
	object.SetCreationTimestamp(metav1.NewTime(s.CreatedAt).Rfc3339Copy())
	object.SetGeneration(1)
	overlay(serviceFacets, &s.Spec, &w.Object, nil)
	if s.Spec.Name != w.Identity.Namespace+"_"+w.Identity.Name && s.Spec.Name != w.Identity.Name {
		metav1.SetMetaDataAnnotation(objectMeta(object), AnnotationSwarmName, s.Spec.Name)
	}
	template := GetPod(&s.Spec.TaskTemplate, s.Spec.Name)
	setTemplate(object, template)
	if d, ok := object.(*appsv1.Deployment); ok {
		d.Annotations = withEntry(d.Annotations, revisionAnnotation, derivedRevision(s))
	}
	defaultWorkload(object)
	w.Template = templateOf(object)
}

// taskHash is what skep wrote, while the task is what skep wrote; else a hash of the task's spec.
func taskHash(spec *swarm.TaskSpec) string {
	if spec.ContainerSpec != nil {
		if hash := hashLabel(spec.ContainerSpec.Labels); hash != "" && asWritten(spec) {
			return hash
		}
	}
	plain := *spec
	if plain.ContainerSpec != nil {
		c := *plain.ContainerSpec
		c.Labels = maps.Clone(c.Labels)
		delete(c.Labels, LabelSpec)
		plain.ContainerSpec = &c
	}
	return shortHash(prune(plain))
}

// specVersion changes when what specDigest looks at does: what another skep wrote cannot be checked and
// is believed, so that an upgrade renames no Pods.
const specVersion = "2"

// asWritten says whether a task spec is what skep wrote, or at least nothing says otherwise.
func asWritten(spec *swarm.TaskSpec) bool {
	version, written, ok := strings.Cut(spec.ContainerSpec.Labels[LabelSpec], "-")
	return ok && (version != specVersion || written == specDigest(spec))
}

// specDigest is over all that makes Swarm start a task anew, as far as skep writes it.
func specDigest(spec *swarm.TaskSpec) string {
	return digest(map[string]any{"seen": SeenPod(spec), "force": spec.ForceUpdate})
}

// hashTemplate is the pod-template-hash of a template that is new.
func hashTemplate(template *corev1.PodTemplateSpec) string { return shortHash(template) }

// hashLabel is the hash that a container's labels say: of a StatefulSet's the name stands before it.
func hashLabel(labels map[string]string) string {
	if hash := labels[LabelHash]; hash != "" {
		return hash
	}
	return strings.TrimPrefix(labels[appsv1.ControllerRevisionHashLabelKey], labels[LabelPod]+"-")
}

// isHashLabel tells the labels by which the owners of Pods tell their templates apart.
func isHashLabel(key string) bool {
	return key == LabelHash || key == appsv1.ControllerRevisionHashLabelKey
}

func shortHash(v any) string {
	doc, err := json.Marshal(v)
	if err != nil {
		return "0"
	}
	sum := fnv.New32a()
	sum.Write(doc)
	return rand.SafeEncodeString(fmt.Sprint(sum.Sum32()))
}

func newWorkloadObject(kind string) Object {
	switch kind {
	case "Deployment":
		return &appsv1.Deployment{}
	case "ReplicaSet":
		return &appsv1.ReplicaSet{}
	case "DaemonSet":
		return &appsv1.DaemonSet{}
	case kindStatefulSet:
		return &appsv1.StatefulSet{}
	case "Job":
		return &batchv1.Job{}
	case "Pod":
		return &corev1.Pod{}
	}
	return nil
}

func defaultWorkload(object Object) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		appsdefaults.SetObjectDefaults_Deployment(o)
	case *appsv1.ReplicaSet:
		appsdefaults.SetObjectDefaults_ReplicaSet(o)
	case *appsv1.DaemonSet:
		appsdefaults.SetObjectDefaults_DaemonSet(o)
	case *appsv1.StatefulSet:
		appsdefaults.SetObjectDefaults_StatefulSet(o)
	case *batchv1.Job:
		batchdefaults.SetObjectDefaults_Job(o)
	case *corev1.Pod:
		coredefaults.SetObjectDefaults_Pod(o)
	}
}

func templateOf(object Object) corev1.PodTemplateSpec {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return o.Spec.Template
	case *appsv1.ReplicaSet:
		return o.Spec.Template
	case *appsv1.DaemonSet:
		return o.Spec.Template
	case *appsv1.StatefulSet:
		return o.Spec.Template
	case *batchv1.Job:
		return o.Spec.Template
	case *corev1.Pod:
		template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: o.Labels, Annotations: o.Annotations}, Spec: o.Spec}
		template.Spec.EphemeralContainers = nil // they come to a Pod that runs
		return template
	}
	return corev1.PodTemplateSpec{}
}

// setTemplate puts a template into an object, and where the object has no selector one that finds it.
func setTemplate(object Object, template corev1.PodTemplateSpec) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	if name, ok := template.Labels[LabelServiceName]; ok {
		selector.MatchLabels[LabelServiceName] = name
	}
	// What Kubernetes demands of these kinds stands over what Swarm has; merge leaves Swarm's as it is.
	switch object.(type) {
	case *appsv1.Deployment, *appsv1.ReplicaSet, *appsv1.DaemonSet, *appsv1.StatefulSet:
		AlwaysRestart(&template)
	case *batchv1.Job:
		jobRestart(&template)
	}
	switch o := object.(type) {
	case *appsv1.Deployment:
		o.Spec.Template = template
		o.Spec.Selector = either(o.Spec.Selector, selector)
	case *appsv1.ReplicaSet:
		o.Spec.Template = template
		o.Spec.Selector = either(o.Spec.Selector, selector)
	case *appsv1.DaemonSet:
		o.Spec.Template = template
		o.Spec.Selector = either(o.Spec.Selector, selector)
	case *appsv1.StatefulSet:
		o.Spec.Template = template
		o.Spec.Selector = either(o.Spec.Selector, selector)
	case *batchv1.Job:
		o.Spec.Template = template
		o.Spec.Selector = either(o.Spec.Selector, selector)
	case *corev1.Pod:
		ephemeral := o.Spec.EphemeralContainers
		o.Spec = template.Spec
		o.Spec.EphemeralContainers = ephemeral
	}
}

func either[T any](first, second *T) *T {
	if first != nil {
		return first
	}
	return second
}

func objectMeta(object Object) *metav1.ObjectMeta {
	return object.(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta)
}

func withEntry(m map[string]string, k, v string) map[string]string {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}

// encodeObject is the JSON that LabelObject holds: metadata and spec, no status, no resourceVersion.
func encodeObject(object Object) (string, error) {
	object = object.DeepCopyObject().(Object)
	object.SetResourceVersion("")
	switch o := object.(type) {
	case *appsv1.Deployment:
		o.Status = appsv1.DeploymentStatus{}
	case *appsv1.ReplicaSet:
		o.Status = appsv1.ReplicaSetStatus{}
	case *appsv1.DaemonSet:
		o.Status = appsv1.DaemonSetStatus{}
	case *appsv1.StatefulSet:
		o.Status = appsv1.StatefulSetStatus{}
	case *batchv1.Job:
		o.Status = batchv1.JobStatus{}
	case *corev1.Pod:
		o.Status = corev1.PodStatus{}
	}
	object.GetObjectKind().SetGroupVersionKind(gvkOf(object))
	doc, err := json.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", object, err)
	}
	text := string(doc)
	for _, none := range []any{struct{}{}, appsv1.ReplicaSetStatus{}, appsv1.DaemonSetStatus{}, appsv1.StatefulSetStatus{}, corev1.NodeStatus{}, corev1.ServiceStatus{}} {
		status, err := json.Marshal(none)
		if err != nil {
			return "", fmt.Errorf("encode %T: %w", none, err)
		}
		text = strings.Replace(text, `,"status":`+string(status), "", 1)
	}
	return text, nil
}

// sameTemplate compares templates by meaning.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool { return equality.Semantic.DeepEqual(a, b) }

// owner is the reference that a dependent has to its controller.
func owner(apiVersion, kind, name string, uid types.UID) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{
		APIVersion: apiVersion, Kind: kind, Name: name, UID: uid, Controller: &yes, BlockOwnerDeletion: &yes,
	}
}
