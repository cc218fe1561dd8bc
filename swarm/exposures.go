package swarm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/swarm"
	discoveryv1 "k8s.io/api/discovery/v1"

	"skep/translate"
)

// exposures is what the mirror knows of Kubernetes Services: their documents, and which services each is about. It is
// brought up to date after each batch, by what the batch touched.
type exposures struct {
	services map[string]map[string]*translate.Exposed // by namespace and name
	slices   map[translate.Key]map[string]*discoveryv1.EndpointSlice
	document map[string]aboutService // what a config is about, by its ID
	rules    rules
	members  map[string]map[string]*part // by namespace and service ID
	parts    map[string]*part            // by service ID

	selected, wearing, mesh, proxies, fronts map[translate.Key][]string // service IDs, the oldest first
	ports                                    map[string][]string        // service IDs by protocol and port
	asked                                    map[string][]translate.Key // Services that ask for a port on the nodes, likewise

	astir map[translate.Key]bool // what happened to since it was last taken
	ring  chan struct{}
}

// aboutService is the Service that a config is about, and the Service itself where it is that.
type aboutService struct {
	key  translate.Key
	made *translate.Exposed
}

// part is what a service has to do with Kubernetes Services.
type part struct {
	wl                                              *translate.Workload
	namespace                                       string
	selectedBy, wears, showsAs, carriesOf, frontsOf []translate.Key
	ports                                           []string
	labelled                                        bool
}

func newExposures() exposures {
	return exposures{
		services: map[string]map[string]*translate.Exposed{}, slices: map[translate.Key]map[string]*discoveryv1.EndpointSlice{},
		document: map[string]aboutService{}, rules: newRules(), members: map[string]map[string]*part{}, parts: map[string]*part{},
		selected: map[translate.Key][]string{}, wearing: map[translate.Key][]string{}, mesh: map[translate.Key][]string{},
		proxies: map[translate.Key][]string{}, fronts: map[translate.Key][]string{}, ports: map[string][]string{}, asked: map[string][]translate.Key{},
		astir: map[translate.Key]bool{}, ring: make(chan struct{}, 1),
	}
}

// expose finds out which Services a batch is about.
func (m *Mirror) expose(touched dirty) {
	x := &m.exposures
	proxied := len(x.proxies[translate.IngressProxy]) > 0
	changed := m.exposeConfigs(touched)
	nodes := false
	for g := range maps.Clone(touched) {
		nodes = nodes || g.Kind == translate.GroupNode
		if g.Kind != translate.GroupService {
			continue
		}
		for _, k := range m.exposeService(g.ID) {
			touched.add(translate.GroupAddress, translate.AddressID(k))
		}
	}
	if nodes { // load balancers show their addresses, and so does the API itself
		x.touchServices(touched)
		touched.add(translate.GroupAddress, translate.AddressID(translate.APIService))
	}
	if nodes || proxied != (len(x.proxies[translate.IngressProxy]) > 0) {
		x.rules.touchIngresses(touched)
	}
	for k := range changed {
		touched.add(translate.GroupAddress, translate.AddressID(k))
		for id, p := range x.members[k.Namespace] {
			x.reselect(m, k, id, p)
		}
	}
	x.stir(touched)
}

// exposeConfigs reads the documents of a batch, and tells which Services they are or were about.
func (m *Mirror) exposeConfigs(touched dirty) map[translate.Key]bool {
	changed := map[translate.Key]bool{}
	for g := range maps.Clone(touched) {
		if g.Kind == translate.GroupConfig {
			for _, k := range m.exposeConfig(g.ID) {
				changed[k] = true
			}
			m.readRules(g.ID, touched)
		}
	}
	return changed
}

// touchServices has all Services looked at again.
func (x *exposures) touchServices(touched dirty) {
	for namespace, all := range x.services {
		for name := range all {
			touched.add(translate.GroupAddress, translate.AddressID(translate.Key{Namespace: namespace, Name: name}))
		}
	}
}

// stir notes the Services of a batch for those who have traffic go its way.
func (x *exposures) stir(touched dirty) {
	for g := range touched {
		if g.Kind != translate.GroupAddress {
			continue
		}
		k := translate.AddressKey(g.ID)
		x.astir[k] = true
		if x.rules.backends[k] > 0 || k == translate.IngressProxy {
			x.rules.wake()
		}
	}
	if len(x.astir) > 0 {
		wake(x.ring)
	}
}

// wake rings unless it rings already.
func wake(ring chan struct{}) {
	select {
	case ring <- struct{}{}:
	default:
	}
}

// exposeConfig reads a document of Services or their endpoints, and tells which Services it is or was about.
func (m *Mirror) exposeConfig(id string) []translate.Key {
	x := &m.exposures
	var about []translate.Key
	if was, ok := x.document[id]; ok {
		about = append(about, was.key)
		delete(x.document, id)
		delete(x.slices[was.key], id)
		x.retract(was)
	}
	c := m.configs[id]
	if c == nil {
		return about
	}
	var k translate.Key
	var e *translate.Exposed
	switch c.Spec.Labels[translate.LabelKind] {
	case "Service":
		e = translate.ParseExposed(c)
		if e == nil {
			return about
		}
		k = e.Key()
		if x.services[k.Namespace] == nil {
			x.services[k.Namespace] = map[string]*translate.Exposed{}
		}
		x.services[k.Namespace][k.Name] = e
		for _, p := range e.OutsidePorts() {
			id := portID(p.Protocol, p.PublishedPort)
			x.asked[id] = append(slices.Clip(x.asked[id]), k)
		}
	case "Endpoints":
		identity := translate.ConfigIdentity(c.Spec.Annotations, "Endpoints")
		k = translate.Key{Namespace: identity.Namespace, Name: identity.Name}
	case "EndpointSlice":
		slice := &discoveryv1.EndpointSlice{}
		if json.Unmarshal([]byte(c.Spec.Labels[translate.LabelObject]), slice) != nil {
			return about
		}
		k = translate.Key{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
		if x.slices[k] == nil {
			x.slices[k] = map[string]*discoveryv1.EndpointSlice{}
		}
		x.slices[k][id] = slice
	default:
		return about
	}
	x.document[id] = aboutService{k, e}
	return append(about, k)
}

// retract takes a Service out, and what it asked for. Another may have taken its place in the same batch.
func (x *exposures) retract(was aboutService) {
	if was.made == nil {
		return
	}
	if k := was.key; x.services[k.Namespace][k.Name] == was.made {
		delete(x.services[k.Namespace], k.Name)
	}
	for _, p := range was.made.OutsidePorts() {
		id := portID(p.Protocol, p.PublishedPort)
		list := slices.Clone(x.asked[id])
		if at := slices.Index(list, was.key); at >= 0 {
			list = slices.Delete(list, at, at+1)
		}
		if x.asked[id] = list; len(list) == 0 {
			delete(x.asked, id)
		}
	}
}

// exposeService looks at a service again, and tells which Services it has, or had, to do with.
func (m *Mirror) exposeService(id string) []translate.Key {
	x := &m.exposures
	before := x.parts[id]
	var wl *translate.Workload
	if s := m.services[id]; s != nil {
		wl = m.world().Workload(id)
	}
	if before != nil && before.wl == wl {
		return before.keys() // its tasks changed
	}
	var about []translate.Key
	if before != nil {
		about = before.keys()
		x.leave(id, before)
	}
	x.rules.regroup(false)
	if wl == nil {
		return about
	}
	p := m.partOf(wl)
	x.join(m, id, p)
	return append(about, p.keys()...)
}

func (p *part) keys() []translate.Key {
	return slices.Concat(p.selectedBy, p.wears, p.showsAs, p.carriesOf, p.frontsOf)
}

// partOf is what a workload's service has to do with Services.
func (m *Mirror) partOf(wl *translate.Workload) *part {
	s := wl.Service
	p := &part{wl: wl, namespace: wl.Identity.Namespace, wears: translate.Worn(m.Networking, &s.Spec)}
	p.labelled = s.Spec.Labels[translate.LabelTraefik] != ""
	if of := s.Spec.Labels[translate.LabelProxy]; of != "" {
		p.carriesOf, p.wears = []translate.Key{translate.AddressKey(of)}, nil
	}
	if of := s.Spec.Labels[translate.LabelFront]; of != "" {
		p.frontsOf = []translate.Key{translate.AddressKey(of)}
	}
	for _, e := range m.exposures.services[p.namespace] {
		if e.Selects(wl) {
			p.selectedBy = append(p.selectedBy, e.Key())
		}
	}
	if k, ok := translate.MeshKey(s, wl.Identity.Name); ok {
		p.showsAs = []translate.Key{k}
	}
	for _, port := range s.Endpoint.Ports {
		p.ports = append(p.ports, portID(port.Protocol, port.PublishedPort))
	}
	if s.Spec.EndpointSpec != nil {
		for _, port := range s.Spec.EndpointSpec.Ports { // Swarm may not have come to it yet
			if id := portID(port.Protocol, port.PublishedPort); port.PublishedPort != 0 && !slices.Contains(p.ports, id) {
				p.ports = append(p.ports, id)
			}
		}
	}
	return p
}

func portID(protocol swarm.PortConfigProtocol, port uint32) string {
	return fmt.Sprintf("%d/%s", port, protocol)
}

// join and leave enter a service for all that it has to do with, and take it out again.
func (x *exposures) join(m *Mirror, id string, p *part) {
	x.parts[id] = p
	if x.members[p.namespace] == nil {
		x.members[p.namespace] = map[string]*part{}
	}
	x.members[p.namespace][id] = p
	enter(m, x.selected, p.selectedBy, id)
	enter(m, x.wearing, p.wears, id)
	enter(m, x.mesh, p.showsAs, id)
	enter(m, x.proxies, p.carriesOf, id)
	enter(m, x.fronts, p.frontsOf, id)
	enter(m, x.ports, p.ports, id)
}

func (x *exposures) leave(id string, p *part) {
	delete(x.parts, id)
	delete(x.members[p.namespace], id)
	strike(x.selected, p.selectedBy, id)
	strike(x.wearing, p.wears, id)
	strike(x.mesh, p.showsAs, id)
	strike(x.proxies, p.carriesOf, id)
	strike(x.fronts, p.frontsOf, id)
	strike(x.ports, p.ports, id)
}

// reselect asks a Service that changed whether it selects a workload.
func (x *exposures) reselect(m *Mirror, k translate.Key, id string, p *part) {
	e := x.services[k.Namespace][k.Name]
	was, is := slices.Contains(p.selectedBy, k), e != nil && e.Selects(p.wl)
	switch {
	case was && !is:
		p.selectedBy = slices.DeleteFunc(slices.Clone(p.selectedBy), func(have translate.Key) bool { return have == k })
		strike(x.selected, []translate.Key{k}, id)
	case is && !was:
		p.selectedBy = append(slices.Clip(p.selectedBy), k)
		enter(m, x.selected, []translate.Key{k}, id)
	}
}

// enter adds a service to lists that are ordered by age. A list is replaced, never changed.
func enter[K comparable](m *Mirror, lists map[K][]string, keys []K, id string) {
	for _, k := range keys {
		list := append(slices.Clone(lists[k]), id)
		slices.SortFunc(list, func(a, b string) int {
			if s, t := m.services[a], m.services[b]; s != nil && t != nil && !s.CreatedAt.Equal(t.CreatedAt) {
				return s.CreatedAt.Compare(t.CreatedAt)
			}
			return cmp.Compare(a, b)
		})
		lists[k] = list
	}
}

func strike[K comparable](lists map[K][]string, keys []K, id string) {
	for _, k := range keys {
		list := slices.DeleteFunc(slices.Clone(lists[k]), func(have string) bool { return have == id })
		if len(list) == 0 {
			delete(lists, k)
			continue
		}
		lists[k] = list
	}
}

// takeAstir are the Services to which something happened since the last time.
func (m *Mirror) takeAstir() []translate.Key {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.Collect(maps.Keys(m.exposures.astir))
	clear(m.exposures.astir)
	return keys
}

// storedIn is the Swarm object that a group's object is stored in, where it is one.
func (m *Mirror) storedIn(g translate.Group) (translate.GroupKind, string) {
	if g.Kind != translate.GroupAddress {
		return g.Kind, g.ID
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if e := m.world().Exposed(translate.AddressKey(g.ID)); e != nil {
		return translate.GroupConfig, e.Document.ID
	}
	return g.Kind, g.ID
}

// PortUse says what has a port of the nodes.
type PortUse int

// What can have a port: nothing, a Kubernetes Service, or only a service of the Swarm.
const (
	PortFree PortUse = iota
	PortOfService
	PortOfSwarm
)

// HoldsPort tells what has a port of the nodes, by whatever protocol.
func (m *Mirror) HoldsPort(port int) PortUse {
	m.mu.RLock()
	defer m.mu.RUnlock()
	use := PortFree
	for _, protocol := range []swarm.PortConfigProtocol{swarm.PortConfigProtocolTCP, swarm.PortConfigProtocolUDP, swarm.PortConfigProtocolSCTP} {
		id := portID(protocol, uint32(port))
		if len(m.exposures.asked[id]) > 0 {
			return PortOfService
		}
		if len(m.exposures.ports[id]) > 0 {
			use = PortOfSwarm
		}
	}
	return use
}
