package swarm

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"skep/translate"
)

// rules are the documents that say who is reached how: Ingresses, their classes and their certificates.
type rules struct {
	ingresses map[string]*networkingv1.Ingress      // by config ID
	classes   map[string]*networkingv1.IngressClass // by config ID
	backends  map[translate.Key]int                 // how often Ingresses name a Service
	secrets   map[translate.Key]int                 // and a Secret
	ring      chan struct{}

	policies map[string]*networkingv1.NetworkPolicy // by config ID
	// namespaces are the IDs of their manifests: policies name them by their labels.
	namespaces map[string]bool
	moves      chan struct{}
	// memberships is worked out when it is asked for, by any reader.
	memberships *memberships
}

// memberships are those of a state of the policies and workloads; nil until they are worked out.
type memberships struct {
	once sync.Once
	all  map[string]translate.Membership
}

func newRules() rules {
	return rules{
		ingresses: map[string]*networkingv1.Ingress{}, classes: map[string]*networkingv1.IngressClass{},
		backends: map[translate.Key]int{}, secrets: map[translate.Key]int{}, ring: make(chan struct{}, 1),
		policies: map[string]*networkingv1.NetworkPolicy{}, namespaces: map[string]bool{}, moves: make(chan struct{}, 1), memberships: &memberships{},
	}
}

func (r *rules) wake() { wake(r.ring) }

// touchIngresses has all Ingresses looked at again: they show where they are reached.
func (r *rules) touchIngresses(touched dirty) {
	for id := range r.ingresses {
		touched.add(translate.GroupConfig, id)
	}
}

// readRules takes in a config that changed.
func (m *Mirror) readRules(id string, touched dirty) {
	r, c := &m.exposures.rules, m.configs[id]
	if old := r.ingresses[id]; old != nil {
		r.count(old, -1)
		delete(r.ingresses, id)
		r.wake()
	}
	if r.classes[id] != nil {
		delete(r.classes, id)
		r.touchIngresses(touched)
		r.wake()
	}
	if r.policies[id] != nil {
		delete(r.policies, id)
		r.regroup(true)
	}
	if r.namespaces[id] {
		delete(r.namespaces, id)
		r.regroup(false)
	}
	if c == nil {
		return
	}
	doc := []byte(c.Spec.Labels[translate.LabelObject])
	switch c.Spec.Labels[translate.LabelKind] {
	case "Ingress":
		if ing := (&networkingv1.Ingress{}); json.Unmarshal(doc, ing) == nil {
			r.ingresses[id] = ing
			r.count(ing, 1)
			r.wake()
		}
	case "IngressClass":
		if class := (&networkingv1.IngressClass{}); json.Unmarshal(doc, class) == nil {
			r.classes[id] = class
			r.touchIngresses(touched)
			r.wake()
		}
	case "NetworkPolicy":
		if p := (&networkingv1.NetworkPolicy{}); json.Unmarshal(doc, p) == nil {
			r.policies[id] = p
			r.regroup(true)
		}
	case "Namespace":
		r.namespaces[id] = true
		r.regroup(false)
	case "Secret":
		identity := translate.ConfigIdentity(c.Spec.Annotations, "Secret")
		if r.secrets[translate.Key{Namespace: identity.Namespace, Name: identity.Name}] > 0 {
			r.wake()
		}
	}
}

// count enters what an Ingress refers to, or takes it out again.
func (r *rules) count(ing *networkingv1.Ingress, by int) {
	add := func(counts map[translate.Key]int, name string) {
		k := translate.Key{Namespace: ing.Namespace, Name: name}
		if counts[k] += by; counts[k] == 0 {
			delete(counts, k)
		}
	}
	for _, b := range translate.IngressBackends(ing) {
		if b.Service != nil {
			add(r.backends, b.Service.Name)
		}
	}
	for _, tls := range ing.Spec.TLS {
		if tls.SecretName != "" {
			add(r.secrets, tls.SecretName)
		}
	}
}

// regroup forgets who shares an overlay with whom, where there are policies or were until now.
func (r *rules) regroup(changed bool) {
	if changed || len(r.policies) > 0 {
		r.memberships = &memberships{}
		wake(r.moves)
		r.wake()
	}
}

// Policies implements translate.Policies.
func (w world) Policies() []*networkingv1.NetworkPolicy {
	all := make([]*networkingv1.NetworkPolicy, 0, len(w.m.exposures.rules.policies))
	for _, p := range w.m.exposures.rules.policies {
		all = append(all, p)
	}
	return all
}

// NamespaceLabels implements translate.Policies.
func (w world) NamespaceLabels(namespace string) map[string]string {
	labels := map[string]string{}
	if st := w.m.stacks[namespace]; st != nil && w.m.configs[st.document] != nil {
		ns := &corev1.Namespace{}
		if json.Unmarshal([]byte(w.m.configs[st.document].Spec.Labels[translate.LabelObject]), ns) == nil {
			maps.Copy(labels, ns.Labels)
		}
	}
	labels[corev1.LabelMetadataName] = namespace
	return labels
}

// PolicyWorkloads implements translate.Policies.
func (w world) PolicyWorkloads() []translate.PolicyWorkload {
	var all []translate.PolicyWorkload
	for id, p := range w.m.exposures.parts {
		if translate.IsPolicyWorkload(w, p.wl) {
			all = append(all, translate.PolicyWorkload{
				ID: p.wl.Service.Spec.Name, Service: id, Namespace: p.namespace, Labels: p.wl.Template.Labels,
			})
		}
	}
	slices.SortFunc(all, func(a, b translate.PolicyWorkload) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Memberships implements translate.Policies.
func (w world) Memberships() map[string]translate.Membership {
	r := &w.m.exposures.rules
	if len(r.policies) == 0 {
		return nil
	}
	r.memberships.once.Do(func() {
		r.memberships.all = translate.PolicyMemberships(w.Policies(), w.NamespaceLabels, w.PolicyWorkloads(), w.m.Networking.Network)
	})
	return r.memberships.all
}

// Ingresses implements translate.Exposures.
func (w world) Ingresses() []*networkingv1.Ingress {
	all := make([]*networkingv1.Ingress, 0, len(w.m.exposures.rules.ingresses))
	for _, ing := range w.m.exposures.rules.ingresses {
		all = append(all, ing)
	}
	return all
}

// IngressClass implements translate.Exposures.
func (w world) IngressClass(name string) *networkingv1.IngressClass {
	for _, class := range w.m.exposures.rules.classes {
		if class.Name == name {
			return class
		}
	}
	return nil
}

// Labelled implements translate.Exposures.
func (w world) Labelled() []string {
	var ids []string
	for id, p := range w.m.exposures.parts {
		if p.labelled {
			ids = append(ids, id)
		}
	}
	return ids
}
