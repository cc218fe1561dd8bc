package translate

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// testNow is when the tests take place.
var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fakeWorld is a Swarm as plain maps.
type fakeWorld struct {
	services map[string]*swarm.Service
	gone     map[string]*swarm.Service
	tasks    map[string]*swarm.Task
	configs  map[string]*swarm.Config
	secrets  map[string]*swarm.Secret
	nodes    map[string]*swarm.Node
	networks map[string]string // name by ID
	volumes  map[string]*DockerVolume
	events   map[string]*corev1.Event
	// materials are those that plans asked for, by name.
	materials map[string]Material
	now       time.Time
	index     uint64
	workloads map[string]*Workload
	exposed   map[string]*Exposed // by config ID

	reports    map[string]*manifest.Report // by task ID
	unreadable map[string]bool             // Secrets by name

	ca            string // the gateway's certificate
	api           APIServer
	networking    Networking
	stackNetworks map[string][]string // by namespace
}

var _ World = (*fakeWorld)(nil)

// Unreadable implements World.
func (w *fakeWorld) Unreadable(_, name string) bool { return w.unreadable[name] }

// Report implements Reports.
func (w *fakeWorld) Report(taskID string) *manifest.Report { return w.reports[taskID] }

func newWorld() *fakeWorld {
	return &fakeWorld{
		services: map[string]*swarm.Service{}, gone: map[string]*swarm.Service{}, tasks: map[string]*swarm.Task{},
		configs: map[string]*swarm.Config{}, secrets: map[string]*swarm.Secret{}, nodes: map[string]*swarm.Node{},
		volumes:  map[string]*DockerVolume{},
		networks: map[string]string{skepNetworkID: DefaultNetworking.Network}, events: map[string]*corev1.Event{},
		materials: map[string]Material{}, workloads: map[string]*Workload{}, now: testNow, index: 10,
		exposed: map[string]*Exposed{}, networking: DefaultNetworking, stackNetworks: map[string][]string{},
	}
}

func (w *fakeWorld) Workload(id string) *Workload {
	s, gone := w.services[id], false
	if s == nil {
		if s, gone = w.gone[id], true; s == nil {
			return nil
		}
	}
	if wl := w.workloads[id]; wl != nil && wl.Service == s && wl.Gone == gone {
		return wl
	}
	wl := ParseWorkload(s, w.Name(ServiceIdentity(&s.Spec), id))
	wl.Gone = gone
	w.workloads[id] = wl
	return wl
}

func (w *fakeWorld) Tasks(serviceID string) []*swarm.Task {
	var all []*swarm.Task
	for _, t := range w.tasks {
		if t.ServiceID == serviceID {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *swarm.Task) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func (w *fakeWorld) Departed(string) uint64 { return 0 }

func (w *fakeWorld) Owned(serviceID string) []*swarm.Config {
	var all []*swarm.Config
	for _, id := range slices.Sorted(maps.Keys(w.configs)) {
		if w.configs[id].Spec.Labels[LabelOwner] == serviceID {
			all = append(all, w.configs[id])
		}
	}
	return all
}

func (w *fakeWorld) Node(id string) *swarm.Node          { return w.nodes[id] }
func (w *fakeWorld) Event(id string) *corev1.Event       { return w.events[id] }
func (w *fakeWorld) SwarmConfig(id string) *swarm.Config { return w.configs[id] }
func (w *fakeWorld) SwarmSecret(id string) *swarm.Secret { return w.secrets[id] }
func (w *fakeWorld) Network(id string) string            { return w.networks[id] }
func (w *fakeWorld) Now() time.Time                      { return w.now }
func (w *fakeWorld) Digest(data []byte) string           { return sources{}.Digest(data) }

// Seal turns the text around and says what it is about.
func (w *fakeWorld) Seal(plain []byte, about string) (string, error) {
	turned := slices.Clone(plain)
	slices.Reverse(turned)
	return about + "|" + base64.StdEncoding.EncodeToString(turned), nil
}

func (w *fakeWorld) Open(sealed, about string) ([]byte, error) {
	doc, ok := strings.CutPrefix(sealed, about+"|")
	if !ok {
		return nil, fmt.Errorf("not sealed for %s", about)
	}
	plain, err := base64.StdEncoding.DecodeString(doc)
	slices.Reverse(plain)
	return plain, err
}

// claim is a Swarm object that says which Kubernetes object it is.
type claim struct {
	id       string
	since    time.Time
	stack    string
	identity Identity
}

// claims are all of them, the oldest first.
func (w *fakeWorld) claims() []claim {
	var all []claim
	for id, s := range w.services {
		all = append(all, claim{id, s.CreatedAt, s.Spec.Labels[LabelStack], ServiceIdentity(&s.Spec)})
	}
	for id, c := range w.configs {
		identity := ConfigIdentity(c.Spec.Annotations, "ConfigMap")
		if c.Spec.Labels[LabelOwner] != "" {
			identity = Identity{} // it is part of a service's
		}
		all = append(all, claim{id, c.CreatedAt, c.Spec.Labels[LabelStack], identity})
	}
	for id, s := range w.secrets {
		all = append(all, claim{id, s.CreatedAt, s.Spec.Labels[LabelStack], ConfigIdentity(s.Spec.Annotations, "Secret")})
	}
	for id, n := range w.nodes {
		all = append(all, claim{id, n.CreatedAt, "", NodeIdentity(n)})
	}
	slices.SortFunc(all, func(a, b claim) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.id, b.id)) })
	return all
}

func (w *fakeWorld) Name(identity Identity, id string) string {
	for _, c := range w.claims() {
		if c.identity == identity && c.id != id {
			return identity.Name + "-" + id[:min(5, len(id))]
		}
		if c.id == id {
			break
		}
	}
	return identity.Name
}

func (w *fakeWorld) Stack(namespace string) string {
	for _, c := range w.claims() {
		if c.stack != "" && DNSName(c.stack) == namespace {
			return c.stack
		}
	}
	return namespace
}

func (w *fakeWorld) Namespace(name string) *NamespaceParts {
	var parts *NamespaceParts
	if slices.Contains(BuiltinNamespaces, name) {
		parts = &NamespaceParts{Since: testNow.AddDate(0, -1, 0), Index: 1}
	}
	for _, c := range w.claims() {
		if c.stack == "" || DNSName(c.stack) != name {
			continue
		}
		if parts == nil {
			parts = &NamespaceParts{Since: c.since, Index: 1}
		}
		if doc := w.configs[c.id]; doc != nil && doc.Spec.Labels[LabelKind] == "Namespace" {
			parts.Document = doc
		}
	}
	return parts
}

// find is the document or Docker's own config or secret that has this identity.
func (w *fakeWorld) find(id Identity) string {
	for _, c := range w.claims() {
		if c.identity == id {
			return c.id
		}
	}
	return ""
}

func (w *fakeWorld) ConfigMap(namespace, name string) *corev1.ConfigMap {
	cm := &corev1.ConfigMap{}
	if !w.read(Identity{"ConfigMap", namespace, name}, cm) {
		cm = nil
	}
	return WithRootCA(w, namespace, name, cm)
}

func (w *fakeWorld) Document(kind string, k Key) *swarm.Config {
	if doc := w.configs[w.find(Identity{kind, k.Namespace, k.Name})]; doc != nil && doc.Spec.Labels[LabelKind] == kind {
		return doc
	}
	return nil
}

func (w *fakeWorld) ClusterCA() string { return w.ca }

func (w *fakeWorld) APIServer() APIServer { return w.api }

func (w *fakeWorld) Secret(namespace, name string) *corev1.Secret {
	s := &corev1.Secret{}
	if !w.read(Identity{"Secret", namespace, name}, s) {
		return nil
	}
	return s
}

func (w *fakeWorld) read(id Identity, into Object) bool {
	c := w.configs[w.find(id)]
	return c != nil && c.Spec.Labels[LabelKind] == id.Kind && readDocument(w, c, into) == nil
}

func (w *fakeWorld) NativeConfig(namespace, name, key string) string {
	c := w.configs[w.find(Identity{"ConfigMap", namespace, name})]
	if c != nil && c.Spec.Labels[LabelKind] == "" && c.Spec.Name == key {
		return key
	}
	return ""
}

func (w *fakeWorld) NativeSecret(namespace, name, key string) string {
	if s := w.secrets[w.find(Identity{"Secret", namespace, name})]; s != nil && s.Spec.Name == key {
		return key
	}
	return ""
}
