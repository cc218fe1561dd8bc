package translate

import (
	"encoding/json"
	"fmt"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Documents pairs the objects of a kind that Swarm does not know with Swarm configs whose labels hold
// them: labels can be changed and have a version, a config's data cannot.
type Documents struct {
	// Of is the kind.
	Of string
	// New makes an empty object.
	New func() Object
	// Default fills in what a client may leave out. May be nil.
	Default func(Object)
	// Sealed documents are encrypted.
	Sealed bool
	// Native is the group in which Docker's own objects of this kind are; "" for none.
	Native GroupKind
}

var _ Lens = Documents{}

// Kind implements Lens.
func (l Documents) Kind() string { return l.Of }

// Groups implements Lens.
func (l Documents) Groups() []GroupKind {
	if l.Native == GroupSecret {
		return []GroupKind{GroupConfig, GroupSecret}
	}
	return []GroupKind{GroupConfig}
}

// Get implements Lens.
func (l Documents) Get(w World, g Group) []Derived {
	if g.Kind == GroupSecret {
		return nativeSecret(w, w.SwarmSecret(g.ID))
	}
	c := w.SwarmConfig(g.ID)
	if c == nil || c.Spec.Labels[LabelOwner] != "" {
		return nil
	}
	if kind := c.Spec.Labels[LabelKind]; kind != l.Of {
		if kind == "" && l.Native == GroupConfig {
			return nativeConfig(w, c)
		}
		return nil
	}
	return []Derived{{
		Key:   documentKey(c),
		Parts: []any{c},
		Index: c.Version.Index,
		Build: func() (Object, error) {
			object := l.New()
			if err := readDocument(w, c, object); err != nil {
				return nil, err
			}
			if l.Default != nil {
				l.Default(object)
			}
			return object, nil
		},
	}}
}

func documentKey(c *swarm.Config) Key {
	id := ConfigIdentity(c.Spec.Annotations, "")
	return Key{id.Namespace, id.Name}
}

// readDocument decodes the manifest that a config's labels hold.
func readDocument(w World, c *swarm.Config, object Object) error {
	doc := []byte(c.Spec.Labels[LabelObject])
	if sealed, ok := c.Spec.Labels[LabelSealed]; ok {
		var err error
		if doc, err = w.Open(sealed, c.Spec.Name); err != nil {
			return fmt.Errorf("config %s: %w", c.Spec.Name, err)
		}
	}
	if err := json.Unmarshal(doc, object); err != nil {
		return fmt.Errorf("config %s: label %s: %w", c.Spec.Name, LabelObject, err)
	}
	return nil
}

// Put implements Lens.
func (l Documents) Put(w World, g Group, old, object Object) (Plan, error) {
	object = object.DeepCopyObject().(Object)
	if old != nil && isNative(old) {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("metadata", "name"),
			"this was made with docker and Swarm cannot change it; make another under a new name")}
	}
	var present *swarm.Config
	if old != nil {
		present = w.SwarmConfig(g.ID)
	}
	step, err := l.put(w, object, present)
	return Plan{Commit: step}, err
}

func (l Documents) put(w World, object Object, present *swarm.Config) (Step, error) {
	if !l.Sealed {
		return putDocument(w, object, "", present)
	}
	step, err := putDocument(w, object, "", present)
	if err != nil {
		return Step{}, err
	}
	sealed, err := w.Seal([]byte(step.Config.Labels[LabelObject]), step.Config.Name)
	if err != nil {
		return Step{}, fmt.Errorf("seal %s: %w", step.Config.Name, err)
	}
	delete(step.Config.Labels, LabelObject)
	step.Config.Labels[LabelSealed] = sealed
	return step, nil
}

// putDocument is the step that makes a config hold an object. ownerID is the service that it goes with.
func putDocument(w World, object Object, ownerID string, present *swarm.Config) (Step, error) {
	doc, err := encodeObject(object)
	if err != nil {
		return Step{}, err
	}
	kind := gvkOf(object).Kind
	identity := Identity{kind, object.GetNamespace(), object.GetName()}
	if present != nil {
		spec := swarm.ConfigSpec{Annotations: swarm.Annotations{Name: present.Spec.Name, Labels: map[string]string{}}, Data: present.Spec.Data}
		for k, v := range present.Spec.Labels {
			spec.Labels[k] = v
		}
		spec.Labels[LabelObject] = doc
		return Step{Group: GroupConfig, ID: present.ID, Version: present.Version, Config: &spec}, nil
	}
	labels := map[string]string{LabelKind: kind, LabelName: identity.Name, LabelObject: doc}
	if identity.Namespace != "" {
		labels[LabelStack] = w.Stack(identity.Namespace)
	} else if kind == "Namespace" {
		labels[LabelStack] = w.Stack(identity.Name)
	}
	if ownerID != "" {
		labels[LabelOwner] = ownerID
	}
	return Step{Group: GroupConfig, Config: &swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: identity.DocumentName(), Labels: labels},
		Data:        []byte(kind + " " + identity.Namespace + "/" + identity.Name + ": skep keeps it in this config's labels\n"),
	}}, nil
}

// Remove implements Lens.
func (l Documents) Remove(_ World, g Group, _ Object) (Plan, error) {
	return Plan{Commit: Step{Group: g.Kind, ID: g.ID}}, nil
}

// AnnotationNative marks a ConfigMap or Secret that is a Swarm config or secret made by Docker's tools.
const AnnotationNative = "skep/native"

func isNative(o Object) bool { return o.GetAnnotations()[AnnotationNative] != "" }

// nativeMeta is the metadata of a Swarm config or secret that Docker's tools made.
func nativeMeta(w World, kind, id string, meta swarm.Meta, a swarm.Annotations) metav1.ObjectMeta {
	identity := ConfigIdentity(a, kind)
	labels, _ := splitLabels(userLabels(a.Labels))
	return metav1.ObjectMeta{
		Namespace: identity.Namespace, Name: w.Name(identity, id), UID: swarmUID(id),
		CreationTimestamp: stamp(meta.CreatedAt), Labels: labels,
		Annotations: map[string]string{AnnotationNative: a.Name},
	}
}

// nativeConfig is a Swarm config as an immutable ConfigMap of one key, the config's name.
func nativeConfig(w World, c *swarm.Config) []Derived {
	if c.Spec.Labels[LabelMaterial] != "" {
		return nil
	}
	meta := nativeMeta(w, "ConfigMap", c.ID, c.Meta, c.Spec.Annotations)
	return []Derived{{
		Key: KeyOf(&meta), Parts: []any{c, meta.Name}, Index: c.Version.Index,
		Build: func() (Object, error) {
			yes := true
			return &corev1.ConfigMap{ObjectMeta: meta, Immutable: &yes, BinaryData: map[string][]byte{c.Spec.Name: c.Spec.Data}}, nil
		},
	}}
}

// nativeSecret is a Swarm secret as an immutable Secret. Swarm does not give its data back.
func nativeSecret(w World, s *swarm.Secret) []Derived {
	if s == nil || s.Spec.Labels[LabelMaterial] != "" {
		return nil
	}
	meta := nativeMeta(w, "Secret", s.ID, s.Meta, s.Spec.Annotations)
	return []Derived{{
		Key: KeyOf(&meta), Parts: []any{s, meta.Name}, Index: s.Version.Index,
		Build: func() (Object, error) {
			yes := true
			return &corev1.Secret{ObjectMeta: meta, Immutable: &yes, Type: corev1.SecretTypeOpaque}, nil
		},
	}}
}
