package swarm

import (
	"cmp"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// applyOne puts one change into the maps and returns its version index.
func (m *Mirror) applyOne(c change, touched dirty) uint64 {
	if c.kind != kindTask && m.isLate(c) {
		return 0
	}
	switch c.kind {
	case translate.GroupService:
		return m.applyService(c, touched)
	case kindTask:
		return m.applyTask(c, touched)
	case translate.GroupNode:
		return m.applyNode(c, touched)
	case translate.GroupConfig:
		return m.applyConfig(c, touched)
	case translate.GroupSecret:
		return m.applySecret(c, touched)
	case kindNetwork:
		return m.applyNetwork(c, touched)
	default:
		return 0
	}
}

// isLate says whether a change was overtaken by its object's removal: who reads one object by itself may come
// after the feed. Swarm never gives an ID twice.
func (m *Mirror) isLate(c change) bool {
	if c.object == nil {
		m.removed.Add(c.id, struct{}{})
		return false
	}
	return m.removed.Contains(c.id)
}

// removedMax is how many removals are remembered.
const removedMax = 4096

func (m *Mirror) applyService(c change, touched dirty) uint64 {
	old := m.services[c.id]
	s, _ := c.object.(*swarm.Service)
	if s != nil && old != nil && s.Version.Index <= old.Version.Index {
		return 0
	}
	touched.add(translate.GroupService, c.id)
	before := m.outdate(c.id)
	if old != nil {
		m.unclaim(translate.ServiceIdentity(&old.Spec), c.id, touched)
		m.leaveStack(old.Spec.Labels, c.id, touched)
	}
	if s == nil {
		delete(m.services, c.id)
		if old != nil && len(m.tasks[c.id]) > 0 {
			m.gone[c.id] = old
		} else {
			delete(m.workloads, c.id)
			delete(m.departed, c.id)
		}
		return c.index
	}
	m.shareService(s, old)
	m.services[c.id] = s
	delete(m.gone, c.id)
	m.claim(translate.ServiceIdentity(&s.Spec), claim{c.id, s.Spec.Labels[translate.LabelObject] != "", s.CreatedAt}, touched)
	m.joinStack(s.Spec.Labels, c.id, s.Meta, touched)
	if old == nil || before != nil {
		m.events.note(observed{service: s, before: before})
	}
	return s.Version.Index
}

func (m *Mirror) applyNode(c change, touched dirty) uint64 {
	old := m.nodes[c.id]
	n, _ := c.object.(*swarm.Node)
	if n != nil && old != nil && n.Version.Index <= old.Version.Index {
		return 0
	}
	touched.add(translate.GroupNode, c.id)
	if old != nil {
		m.unclaim(translate.NodeIdentity(old), c.id, touched)
	}
	if n == nil {
		delete(m.nodes, c.id)
		m.touchPodsOn(c.id, touched)
		return c.index
	}
	m.nodes[c.id] = n
	m.claim(translate.NodeIdentity(n), claim{id: c.id, created: n.CreatedAt}, touched)
	if old == nil || old.Status != n.Status || old.Description.Hostname != n.Description.Hostname {
		m.touchPodsOn(c.id, touched)
	}
	m.events.note(observed{oldNode: old, node: n})
	return n.Version.Index
}

// touchPodsOn has the Pods of a node looked at again: they show its name and address.
func (m *Mirror) touchPodsOn(nodeID string, touched dirty) {
	m.touchVolumesOn(nodeID, touched)
	for id, tasks := range m.tasks {
		if slices.ContainsFunc(tasks, func(t *swarm.Task) bool { return t.NodeID == nodeID }) {
			touched.add(translate.GroupService, id)
		}
	}
}

func (m *Mirror) applyConfig(c change, touched dirty) uint64 {
	old := m.configs[c.id]
	n, _ := c.object.(*swarm.Config)
	if n != nil && old != nil && n.Version.Index <= old.Version.Index {
		return 0
	}
	touched.add(translate.GroupConfig, c.id)
	m.markSource(old)
	m.markSource(n)
	m.provisions.take(old, n, touched)
	if old != nil {
		m.leaveConfig(old, touched)
	}
	if n == nil {
		delete(m.configs, c.id)
		return c.index
	}
	m.configs[c.id] = n
	if n.Spec.Labels[translate.LabelMaterial] == labelledMark {
		maps.Copy(touched, m.overdue)
		clear(m.overdue)
	}
	if owner := n.Spec.Labels[translate.LabelOwner]; owner != "" {
		if m.owned[owner] == nil {
			m.owned[owner] = map[string]*swarm.Config{}
		}
		m.owned[owner][c.id] = n
		touched.add(translate.GroupService, owner)
	} else {
		m.claim(translate.ConfigIdentity(n.Spec.Annotations, "ConfigMap"),
			claim{c.id, n.Spec.Labels[translate.LabelKind] != "", n.CreatedAt}, touched)
	}
	if n.Spec.Labels[translate.LabelMaterial] == "" {
		m.joinStack(n.Spec.Labels, c.id, n.Meta, touched)
	}
	return n.Version.Index
}

func (m *Mirror) leaveConfig(old *swarm.Config, touched dirty) {
	m.leaveStack(old.Spec.Labels, old.ID, touched)
	owner := old.Spec.Labels[translate.LabelOwner]
	if owner == "" {
		m.unclaim(translate.ConfigIdentity(old.Spec.Annotations, "ConfigMap"), old.ID, touched)
		return
	}
	delete(m.owned[owner], old.ID)
	if len(m.owned[owner]) == 0 {
		delete(m.owned, owner)
	}
	touched.add(translate.GroupService, owner)
}

func (m *Mirror) applySecret(c change, touched dirty) uint64 {
	old := m.secrets[c.id]
	n, _ := c.object.(*swarm.Secret)
	if n != nil && old != nil && n.Version.Index <= old.Version.Index {
		return 0
	}
	touched.add(translate.GroupSecret, c.id)
	if old != nil {
		m.leaveStack(old.Spec.Labels, c.id, touched)
		m.unclaim(translate.ConfigIdentity(old.Spec.Annotations, "Secret"), c.id, touched)
	}
	if n == nil {
		delete(m.secrets, c.id)
		return c.index
	}
	m.secrets[c.id] = n
	m.claim(translate.ConfigIdentity(n.Spec.Annotations, "Secret"), claim{id: c.id, created: n.CreatedAt}, touched)
	if n.Spec.Labels[translate.LabelMaterial] == "" {
		m.joinStack(n.Spec.Labels, c.id, n.Meta, touched)
	}
	return n.Version.Index
}

func (m *Mirror) applyNetwork(c change, touched dirty) uint64 {
	m.exposures.rules.regroup(false) // a workload's overlays are known by name
	if old, ok := m.networks[c.id]; ok {
		m.leaveStack(old.Labels, c.id, touched)
	}
	n, ok := c.object.(Network)
	if !ok {
		delete(m.networks, c.id)
		return c.index
	}
	m.networks[c.id] = n
	m.joinStack(n.Labels, c.id, swarm.Meta{CreatedAt: n.Created}, touched)
	return c.index
}

// claim enters an object for an identity; who else claims it may get another name by that.
func (m *Mirror) claim(id translate.Identity, c claim, touched dirty) {
	list := append(m.claims[id], c)
	slices.SortFunc(list, func(a, b claim) int {
		switch {
		case a.ours != b.ours && a.ours:
			return -1
		case a.ours != b.ours:
			return 1
		case !a.created.Equal(b.created):
			return a.created.Compare(b.created)
		}
		return cmp.Compare(a.id, b.id)
	})
	m.claims[id] = list
	if len(list) == 1 {
		m.outdate(c.id)
		m.touchID(c.id, touched)
		return
	}
	m.touchClaims(list, touched)
}

func (m *Mirror) unclaim(id translate.Identity, swarmID string, touched dirty) {
	list := slices.DeleteFunc(slices.Clone(m.claims[id]), func(c claim) bool { return c.id == swarmID })
	if len(list) == 0 {
		delete(m.claims, id)
		return
	}
	m.claims[id] = list
	m.touchClaims(list, touched)
}

// touchClaims has everything that claims an identity looked at again: its name depends on the others.
func (m *Mirror) touchClaims(list []claim, touched dirty) {
	for _, c := range list {
		m.outdate(c.id)
		m.touchID(c.id, touched)
		if m.nodes[c.id] != nil {
			m.touchPodsOn(c.id, touched)
		}
	}
}

func (m *Mirror) touchID(id string, touched dirty) {
	if _, ok := m.services[id]; ok {
		touched.add(translate.GroupService, id)
	}
	if _, ok := m.configs[id]; ok {
		touched.add(translate.GroupConfig, id)
	}
	if _, ok := m.secrets[id]; ok {
		touched.add(translate.GroupSecret, id)
	}
	if _, ok := m.nodes[id]; ok {
		touched.add(translate.GroupNode, id)
	}
}

// joinStack enters an object into the stack of its label. Only what makes or describes the namespace has it
// looked at again: a stack of a thousand services changes all the time.
func (m *Mirror) joinStack(labels map[string]string, id string, meta swarm.Meta, touched dirty) {
	name := labels[translate.LabelStack]
	if name == "" {
		return
	}
	ns := translate.DNSName(name)
	st := m.stacks[ns]
	if st == nil {
		st = &stack{name: name, ids: map[string]bool{}, since: meta.CreatedAt, index: meta.Version.Index}
		m.stacks[ns] = st
		touched.add(translate.GroupNamespace, ns)
	}
	st.ids[id] = true
	if meta.CreatedAt.Before(st.since) {
		st.since = meta.CreatedAt
		touched.add(translate.GroupNamespace, ns)
	}
	if labels[translate.LabelKind] == "Namespace" {
		st.document = id
		touched.add(translate.GroupNamespace, ns)
	}
	if translate.IsGiven(labels) {
		touched.add(translate.GroupNamespace, ns)
	}
}

// leaveStack takes it out again. The namespace's age stays what it was while anything is left of it.
func (m *Mirror) leaveStack(labels map[string]string, id string, touched dirty) {
	ns := translate.DNSName(labels[translate.LabelStack])
	st := m.stacks[ns]
	if labels[translate.LabelStack] == "" || st == nil {
		return
	}
	delete(st.ids, id)
	if translate.IsGiven(labels) {
		touched.add(translate.GroupNamespace, ns)
	}
	if st.document == id {
		st.document = ""
		touched.add(translate.GroupNamespace, ns)
	}
	if len(st.ids) == 0 {
		delete(m.stacks, ns)
		touched.add(translate.GroupNamespace, ns)
	}
}
