package swarm

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// ensureNetwork makes an attachable overlay unless it is there. The addresses of Pods and Services come from it: without
// a CIDR of its own it gets a /24 of the Swarm's address pool, and the 255th task waits for ever.
func (e *Engine) ensureNetwork(ctx context.Context, m *Mirror, name string) error {
	if m.hasNetwork(name) {
		return nil
	}
	options := network.CreateOptions{
		Driver: "overlay", Scope: "swarm", Attachable: true, Labels: map[string]string{translate.LabelMaterial: "network"},
		Internal: translate.PolicyNetworkInternal(name),
	}
	if name == m.Networking.Network {
		options.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: m.Networking.CIDR}}}
	}
	_, err := e.NetworkCreate(ctx, name, options)
	if err != nil && !isNameConflict(err) && !strings.Contains(err.Error(), "already exists") { // another was faster
		return fmt.Errorf("create the network %q: %w", name, err)
	}
	return nil
}

func (m *Mirror) hasNetwork(name string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, n := range m.networks {
		if n.Name == name {
			return true
		}
	}
	return false
}

// ensureMaterial makes the config or secret that a container mounts unless it is there. It is named by its
// content, so one of that name is the same.
func (e *Engine) ensureMaterial(ctx context.Context, m *Mirror, material translate.Material) error {
	if m.materialID(material.Name, material.Secret) != "" {
		return nil
	}
	a := swarm.Annotations{Name: material.Name, Labels: map[string]string{translate.LabelMaterial: "true"}}
	var err error
	var id string
	kind := translate.GroupConfig
	if material.Secret {
		kind = translate.GroupSecret
		var made swarm.SecretCreateResponse
		made, err = e.SecretCreate(ctx, swarm.SecretSpec{Annotations: a, Data: material.Data})
		id = made.ID
	} else {
		var made swarm.ConfigCreateResponse
		made, err = e.ConfigCreate(ctx, swarm.ConfigSpec{Annotations: a, Data: material.Data})
		id = made.ID
	}
	if isNameConflict(err) {
		id, err = e.materialNamed(ctx, material)
	}
	if err != nil {
		return err
	}
	e.settle(ctx, m, kind, id, 0, false)
	return nil
}

// materialNamed finds what another gateway made meanwhile.
func (e *Engine) materialNamed(ctx context.Context, material translate.Material) (string, error) {
	named := filters.NewArgs(filters.Arg("name", material.Name))
	if material.Secret {
		list, err := e.SecretList(ctx, swarm.SecretListOptions{Filters: named})
		for _, s := range list {
			if s.Spec.Name == material.Name {
				return s.ID, err
			}
		}
		return "", err
	}
	list, err := e.ConfigList(ctx, swarm.ConfigListOptions{Filters: named})
	for _, c := range list {
		if c.Spec.Name == material.Name {
			return c.ID, err
		}
	}
	return "", err
}

func isNameConflict(err error) bool {
	return err != nil && (errdefs.IsConflict(err) || errdefs.IsAlreadyExists(err) ||
		strings.Contains(err.Error(), "name conflicts with an existing object"))
}

// materialID is the ID of the config or secret of a name; empty when there is none.
func (m *Mirror) materialID(name string, secret bool) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	kind := "ConfigMap"
	if secret {
		kind = "Secret"
	}
	for _, c := range m.claims[translate.Identity{Kind: kind, Namespace: translate.DefaultNamespace, Name: translate.DNSName(name)}] {
		if n := m.configs[c.id]; !secret && n != nil && n.Spec.Name == name {
			return n.ID
		}
		if n := m.secrets[c.id]; secret && n != nil && n.Spec.Name == name {
			return n.ID
		}
	}
	return ""
}

// resolve fills in the IDs of configs and secrets that a spec names.
func (m *Mirror) resolve(spec *swarm.ServiceSpec) {
	c := spec.TaskTemplate.ContainerSpec
	if c == nil {
		return
	}
	for i, ref := range c.Configs {
		if ref.ConfigID == "" && ref.ConfigName != "" {
			filled := *ref
			filled.ConfigID = m.namedID(ref.ConfigName, false)
			c.Configs[i] = &filled
		}
	}
	for i, ref := range c.Secrets {
		if ref.SecretID == "" && ref.SecretName != "" {
			filled := *ref
			filled.SecretID = m.namedID(ref.SecretName, true)
			c.Secrets[i] = &filled
		}
	}
}

// namedID is the ID of any config or secret of a name.
func (m *Mirror) namedID(name string, secret bool) string {
	if id := m.materialID(name, secret); id != "" {
		return id
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if secret {
		for id, s := range m.secrets {
			if s.Spec.Name == name {
				return id
			}
		}
		return ""
	}
	for id, c := range m.configs {
		if c.Spec.Name == name {
			return id
		}
	}
	return ""
}
