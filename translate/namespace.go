package translate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BuiltinNamespaces are there in every cluster.
var BuiltinNamespaces = []string{DefaultNamespace, "kube-node-lease", "kube-public", "kube-system"}

// Namespaces pairs Namespaces with stacks. One made through Kubernetes has a document; one whose stack
// Docker deployed has none until something is written on it.
type Namespaces struct{}

var _ Lens = Namespaces{}

// Kind implements Lens.
func (Namespaces) Kind() string { return "Namespace" }

// Groups implements Lens.
func (Namespaces) Groups() []GroupKind { return []GroupKind{GroupNamespace} }

// Get implements Lens.
func (Namespaces) Get(w World, g Group) []Derived {
	parts := w.Namespace(g.ID)
	if parts == nil {
		return nil
	}
	d := Derived{Key: Key{Name: g.ID}, Parts: []any{parts.Document, parts.Since.UnixNano()}, Index: parts.Index}
	if parts.Document != nil {
		d.Index = parts.Document.Version.Index
	}
	d.Build = func() (Object, error) {
		if parts.Document == nil {
			return derivedNamespace(w, g.ID, parts), nil
		}
		ns := &corev1.Namespace{}
		if err := readDocument(w, parts.Document, ns); err != nil {
			return nil, err
		}
		ns.Status.Phase = corev1.NamespaceActive
		if ns.DeletionTimestamp != nil {
			ns.Status.Phase = corev1.NamespaceTerminating
		}
		return ns, nil
	}
	return []Derived{d}
}

func derivedNamespace(w World, name string, parts *NamespaceParts) *corev1.Namespace {
	ns := &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: swarmUID("namespace", name, parts.Since.String()), CreationTimestamp: stamp(parts.Since),
			Labels: map[string]string{corev1.LabelMetadataName: name},
		},
		Spec:   corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
		Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
	}
	if stack := w.Stack(name); stack != name {
		ns.Annotations = map[string]string{AnnotationSwarmName: stack}
	}
	if slices.Contains(BuiltinNamespaces, name) {
		ns.UID = swarmUID("namespace", name)
	}
	return ns
}

// Put implements Lens.
func (Namespaces) Put(w World, g Group, old, object Object) (Plan, error) {
	ns := object.DeepCopyObject().(*corev1.Namespace)
	ns.Status = corev1.NamespaceStatus{}
	parts := w.Namespace(g.ID)
	if old == nil || parts == nil || parts.Document == nil {
		step, err := putDocument(w, ns, "", nil)
		return Plan{Commit: step}, err
	}
	step, err := putDocument(w, ns, "", parts.Document)
	return Plan{Commit: step}, err
}

// Remove implements Lens. What is in the namespace is gone by then: the namespace controller saw to it.
func (Namespaces) Remove(w World, g Group, _ Object) (Plan, error) {
	parts := w.Namespace(g.ID)
	if parts == nil || parts.Document == nil {
		return Plan{}, nil
	}
	return Plan{Commit: Step{Group: GroupConfig, ID: parts.Document.ID}}, nil
}
