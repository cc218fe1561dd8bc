package translate

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The objects that a cluster's controllers keep in every namespace.
const (
	DefaultServiceAccount = "default"
	RootCAConfigMap       = "kube-root-ca.crt"
	rootCAKey             = "ca.crt"
)

const (
	annotationDescription = "kubernetes.io/description"
	rootCADescription     = "The certificate by which Pods know this Swarm's Kubernetes API. skep keeps its content; what else is written here stays."
)

// Givens answers what is needed for those objects.
type Givens interface {
	// Document is the config that holds an object's manifest; nil where there is none.
	Document(kind string, k Key) *swarm.Config
	// ClusterCA is the certificate, as PEM, by which clients know the gateway; "" when it is not known.
	ClusterCA() string
	APIServer() APIServer
}

// Given pairs a kind of documents of which every namespace has one. Nothing of it is in the Swarm, so that no stack gets
// what nobody asked for, until someone writes on it or deletes it: then it has a document like others. One that is
// deleted is there again at once, with another UID, as kube-controller-manager has it.
type Given struct {
	Documents
	// Name is that of the object in every namespace.
	Name string
	// Fill makes the content: of one that nobody wrote, or, where Always, of every one. It says false where there
	// is none to be made.
	Fill   func(w Givens, o Object) bool
	Always bool
}

var _ Lens = Given{}

// ServiceAccounts are documents, and the one that Pods have that name none.
var ServiceAccounts = Given{
	Documents: Documents{Of: "ServiceAccount", New: func() Object { return &corev1.ServiceAccount{} }},
	Name:      DefaultServiceAccount,
	Fill:      func(Givens, Object) bool { return true },
}

// ConfigMaps are documents, Docker's own configs, and the certificate by which Pods know the gateway.
var ConfigMaps = Given{
	Documents: Documents{Of: "ConfigMap", Native: GroupConfig, New: func() Object { return &corev1.ConfigMap{} }},
	Name:      RootCAConfigMap, Fill: fillRootCA, Always: true,
}

// fillRootCA writes what kube-controller-manager's publisher does.
func fillRootCA(w Givens, o Object) bool {
	ca := w.ClusterCA()
	if ca == "" {
		return false
	}
	cm := o.(*corev1.ConfigMap)
	cm.Data, cm.BinaryData = map[string]string{rootCAKey: ca}, nil
	if _, told := cm.Annotations[annotationDescription]; !told {
		cm.Annotations = withEntry(cm.Annotations, annotationDescription, rootCADescription)
	}
	return true
}

// IsGiven says whether a config with these labels holds what is given to its namespace.
func IsGiven(labels map[string]string) bool {
	return slices.ContainsFunc([]Given{ServiceAccounts, ConfigMaps}, func(l Given) bool {
		return labels[LabelKind] == l.Of && labels[LabelName] == l.Name
	})
}

// WithRootCA is the ConfigMap of that name as Pods see it: cm itself, which is nil where there is no document, unless
// it is the one that is given.
func WithRootCA(w World, namespace, name string, cm *corev1.ConfigMap) *corev1.ConfigMap {
	if name != RootCAConfigMap {
		return cm
	}
	if cm == nil {
		parts := w.Namespace(namespace)
		if parts == nil {
			return nil
		}
		cm = ConfigMaps.unwritten(namespace, parts).(*corev1.ConfigMap)
	}
	fillRootCA(w, cm)
	return cm
}

// Groups implements Lens.
func (l Given) Groups() []GroupKind { return append(l.Documents.Groups(), GroupNamespace) }

// Get implements Lens.
func (l Given) Get(w World, g Group) []Derived {
	if g.Kind != GroupNamespace {
		return slices.DeleteFunc(l.Documents.Get(w, g), func(d Derived) bool { return d.Key.Name == l.Name })
	}
	parts := w.Namespace(g.ID)
	if parts == nil {
		return nil
	}
	k := Key{g.ID, l.Name}
	doc := w.Document(l.Of, k)
	if doc == nil && (isEnding(parts.Document) || !l.Fill(w, l.unwritten(g.ID, parts))) {
		return nil
	}
	d := Derived{Key: k, Parts: []any{doc, parts.Since.UnixNano(), w.ClusterCA()}, Index: parts.Index}
	if doc != nil {
		d.Index = doc.Version.Index
	}
	d.Build = func() (Object, error) { return l.build(w, g.ID, parts, doc) }
	return []Derived{d}
}

func (l Given) build(w World, namespace string, parts *NamespaceParts, doc *swarm.Config) (Object, error) {
	object := l.unwritten(namespace, parts)
	if doc != nil {
		object = l.New()
		if err := readDocument(w, doc, object); err != nil {
			return nil, err
		}
	}
	if doc == nil || l.Always {
		l.Fill(w, object)
	}
	return object, nil
}

// unwritten is the object, without content, as long as nobody wrote it.
func (l Given) unwritten(namespace string, parts *NamespaceParts) Object {
	object := l.New()
	object.SetNamespace(namespace)
	object.SetName(l.Name)
	object.SetCreationTimestamp(stamp(parts.Since))
	object.SetUID(swarmUID("given", l.Of, namespace, parts.Since.String()))
	if slices.Contains(BuiltinNamespaces, namespace) {
		object.SetUID(swarmUID("given", l.Of, namespace)) // as their namespace: nothing tells when they were made
	}
	return object
}

// isEnding says whether a namespace is to be deleted: then nothing more is given to it.
func isEnding(doc *swarm.Config) bool {
	if doc == nil || !strings.Contains(doc.Spec.Labels[LabelObject], "deletionTimestamp") {
		return false
	}
	var ns metav1.PartialObjectMetadata
	return json.Unmarshal([]byte(doc.Spec.Labels[LabelObject]), &ns) == nil && ns.DeletionTimestamp != nil
}

// Put implements Lens.
func (l Given) Put(w World, g Group, old, object Object) (Plan, error) {
	if g.Kind != GroupNamespace {
		return l.Documents.Put(w, g, old, object)
	}
	step, err := l.put(w, object.DeepCopyObject().(Object), w.Document(l.Of, Key{g.ID, l.Name}))
	return Plan{Commit: step}, err
}

// Remove implements Lens.
func (l Given) Remove(w World, g Group, old Object) (Plan, error) {
	if g.Kind != GroupNamespace {
		return l.Documents.Remove(w, g, old)
	}
	if doc := w.Document(l.Of, Key{g.ID, l.Name}); doc != nil {
		return Plan{Commit: Step{Group: GroupConfig, ID: doc.ID}}, nil
	}
	parts := w.Namespace(g.ID)
	if parts == nil || isEnding(parts.Document) {
		return Plan{}, nil
	}
	next := l.unwritten(g.ID, parts)
	next.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(l.Of))
	next.SetUID(swarmUID("given", l.Of, g.ID, w.Now().String()))
	next.SetCreationTimestamp(stamp(w.Now()))
	l.Fill(w, next)
	step, err := l.put(w, next, nil)
	return Plan{Commit: step}, err
}
