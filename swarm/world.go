package swarm

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"

	"skep/translate"
)

// world is the mirror as lenses see it. Its user holds the mirror's lock.
type world struct {
	m *Mirror
	Sealer
}

var _ translate.World = world{}

func (m *Mirror) world() world { return world{m, m.Sealer} }

// Workload implements translate.World. Parsing is done once a version; more than one reader may do it at
// the same time, to the same result.
func (w world) Workload(id string) *translate.Workload {
	p := w.m.workload(id)
	if p.now != nil {
		return p.now
	}
	s, gone := w.m.services[id], false
	if s == nil {
		if s, gone = w.m.gone[id], true; s == nil {
			return nil
		}
	}
	name := w.Name(translate.ServiceIdentity(&s.Spec), id)
	wl := translate.ParseNext(p.before, s, name)
	wl.Gone = gone
	w.m.keepWorkload(id, wl)
	return wl
}

// Tasks implements translate.World.
func (w world) Tasks(serviceID string) []*swarm.Task { return w.m.tasks[serviceID] }

// Departed implements translate.World.
func (w world) Departed(serviceID string) uint64 { return w.m.departed[serviceID] }

// Owned implements translate.World.
func (w world) Owned(serviceID string) []*swarm.Config {
	docs := make([]*swarm.Config, 0, len(w.m.owned[serviceID]))
	for _, c := range w.m.owned[serviceID] {
		docs = append(docs, c)
	}
	return docs
}

// Node implements translate.World.
func (w world) Node(id string) *swarm.Node { return w.m.nodes[id] }

// SwarmConfig implements translate.World.
func (w world) SwarmConfig(id string) *swarm.Config { return w.m.configs[id] }

// SwarmSecret implements translate.World.
func (w world) SwarmSecret(id string) *swarm.Secret { return w.m.secrets[id] }

// Network implements translate.World.
func (w world) Network(id string) string { return w.m.networks[id].Name }

// Now implements translate.World.
func (w world) Now() time.Time { return time.Now() }

// Name implements translate.World: the first to claim an identity has its name, the others add to it.
func (w world) Name(id translate.Identity, swarmID string) string {
	list := w.m.claims[id]
	if len(list) == 0 || list[0].id == swarmID {
		return id.Name
	}
	return id.Name + "-" + strings.ToLower(swarmID[:min(5, len(swarmID))])
}

// Stack implements translate.World.
func (w world) Stack(namespace string) string {
	if st := w.m.stacks[namespace]; st != nil {
		return st.name
	}
	return namespace
}

// Namespace implements translate.World.
func (w world) Namespace(name string) *translate.NamespaceParts {
	st, parts := w.m.stacks[name], &translate.NamespaceParts{}
	if st != nil {
		parts.Since, parts.Index, parts.Document = st.since, st.index, w.m.configs[st.document]
	}
	if slices.Contains(translate.BuiltinNamespaces, name) {
		parts.Since = w.m.oldestNode()
	} else if st == nil {
		return nil
	}
	return parts
}

// oldestNode is when the Swarm began.
func (m *Mirror) oldestNode() time.Time {
	first := m.born
	for _, n := range m.nodes {
		if n.CreatedAt.Before(first) {
			first = n.CreatedAt
		}
	}
	return first
}

// find is the document of an object.
func (w world) find(kind, namespace, name string) *swarm.Config {
	for _, c := range w.m.claims[translate.Identity{Kind: kind, Namespace: namespace, Name: name}] {
		if doc := w.m.configs[c.id]; doc != nil && doc.Spec.Labels[translate.LabelKind] == kind {
			return doc
		}
	}
	return nil
}

// Document implements translate.Givens.
func (w world) Document(kind string, k translate.Key) *swarm.Config {
	return w.find(kind, k.Namespace, k.Name)
}

// ClusterCA implements translate.Givens.
func (w world) ClusterCA() string { return w.m.ClusterCA }

// APIServer implements translate.Givens.
func (w world) APIServer() translate.APIServer {
	api := translate.APIServer{Port: w.m.APIPort}
	for _, n := range w.m.nodes {
		if n.ManagerStatus != nil && n.Status.State == swarm.NodeStateReady {
			api.Addresses = append(api.Addresses, translate.NodeAddress(n))
		}
	}
	slices.Sort(api.Addresses)
	return api
}

// ConfigMap implements translate.Sources.
func (w world) ConfigMap(namespace, name string) *corev1.ConfigMap {
	var cm *corev1.ConfigMap
	if doc := w.find("ConfigMap", namespace, name); doc != nil {
		cm = &corev1.ConfigMap{}
		if json.Unmarshal([]byte(doc.Spec.Labels[translate.LabelObject]), cm) != nil {
			return nil
		}
	}
	return translate.WithRootCA(w, namespace, name, cm)
}

// Secret implements translate.Sources.
func (w world) Secret(namespace, name string) *corev1.Secret {
	doc := w.find("Secret", namespace, name)
	if doc == nil {
		return nil
	}
	plain, err := w.Open(doc.Spec.Labels[translate.LabelSealed], doc.Spec.Name)
	if err != nil {
		return nil // the task waits for a Secret that can be read
	}
	s := &corev1.Secret{}
	if json.Unmarshal(plain, s) != nil {
		return nil
	}
	return s
}

// Unreadable implements translate.World.
func (w world) Unreadable(namespace, name string) bool {
	return w.find("Secret", namespace, name) != nil && w.Secret(namespace, name) == nil
}

// NativeConfig implements translate.Sources.
func (w world) NativeConfig(namespace, name, key string) string {
	for _, c := range w.m.claims[translate.Identity{Kind: "ConfigMap", Namespace: namespace, Name: name}] {
		if n := w.m.configs[c.id]; n != nil && n.Spec.Labels[translate.LabelKind] == "" && n.Spec.Name == key {
			return n.Spec.Name
		}
	}
	return ""
}

// NativeSecret implements translate.Sources.
func (w world) NativeSecret(namespace, name, key string) string {
	for _, c := range w.m.claims[translate.Identity{Kind: "Secret", Namespace: namespace, Name: name}] {
		if n := w.m.secrets[c.id]; n != nil && n.Spec.Name == key {
			return n.Spec.Name
		}
	}
	return ""
}
