package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/api/types/network"
	daemonnetwork "github.com/docker/docker/daemon/network"
	"github.com/docker/docker/errdefs"
)

// gatewayNetwork is the bridge that containers of overlay networks leave their node by.
const gatewayNetwork = "docker_gwbridge"

// hostNetworks are the networks of one node: those that every Engine in a Swarm has, and the ones that users add, which
// are only a name here.
type hostNetworks struct {
	mu   sync.Mutex
	node string
	list []network.Inspect
}

func newHostNetworks(node string) *hostNetworks {
	h := &hostNetworks{node: node}
	bridged := func(subnet, gateway string) network.CreateOptions {
		return network.CreateOptions{Driver: "bridge", IPAM: &network.IPAM{
			Driver: "default",
			Config: []network.IPAMConfig{{Subnet: subnet, Gateway: gateway}},
		}}
	}
	for _, create := range []network.CreateRequest{
		{Name: network.NetworkBridge, CreateOptions: bridged("172.17.0.0/16", "172.17.0.1")},
		{Name: gatewayNetwork, CreateOptions: bridged("172.18.0.0/16", "172.18.0.1")},
		{Name: network.NetworkHost, CreateOptions: network.CreateOptions{Driver: "host"}},
		{Name: network.NetworkNone, CreateOptions: network.CreateOptions{Driver: "null"}},
	} {
		h.list = append(h.list, h.inspect(create))
	}
	return h
}

// inspect is a network as it is just after its creation. Its ID follows from its node and name.
func (h *hostNetworks) inspect(create network.CreateRequest) network.Inspect {
	sum := sha256.Sum256([]byte(h.node + "/" + create.Name))
	result := network.Inspect{
		Name:       create.Name,
		ID:         hex.EncodeToString(sum[:]),
		Created:    time.Now(),
		Scope:      "local",
		Driver:     create.Driver,
		EnableIPv4: create.EnableIPv4 == nil || *create.EnableIPv4,
		EnableIPv6: create.EnableIPv6 != nil && *create.EnableIPv6,
		IPAM:       network.IPAM{Driver: "default", Config: []network.IPAMConfig{}},
		Internal:   create.Internal,
		Attachable: create.Attachable,
		ConfigOnly: create.ConfigOnly,
		Containers: map[string]network.EndpointResource{},
		Options:    map[string]string{},
		Labels:     map[string]string{},
	}
	if create.IPAM != nil {
		result.IPAM = *create.IPAM
	}
	if create.ConfigFrom != nil {
		result.ConfigFrom = *create.ConfigFrom
	}
	if create.Options != nil {
		result.Options = create.Options
	}
	if create.Labels != nil {
		result.Labels = create.Labels
	}
	return result
}

func (h *hostNetworks) all() []network.Inspect {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}

// has reports whether there is a network of that name or ID.
func (h *hostNetworks) has(term string) bool {
	return slices.ContainsFunc(h.all(), func(n network.Inspect) bool { return n.Name == term || n.ID == term })
}

func (h *hostNetworks) create(create network.CreateRequest) (network.Inspect, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, other := range h.list {
		if other.Name == create.Name {
			return network.Inspect{}, errNetworkExists(create.Name)
		}
	}
	result := h.inspect(create)
	h.list = append(h.list, result)
	return result, nil
}

func (h *hostNetworks) remove(n network.Inspect) error {
	switch {
	case daemonnetwork.IsPredefined(n.Name):
		return errdefs.Forbidden(fmt.Errorf("%s is a pre-defined network and cannot be removed", n.Name))
	case n.Name == gatewayNetwork:
		return errdefs.Forbidden(fmt.Errorf("error while removing network: network %s has active endpoints", n.Name))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = slices.DeleteFunc(h.list, func(other network.Inspect) bool { return other.ID == n.ID })
	return nil
}

func errNetworkExists(name string) error {
	return errdefs.Conflict(fmt.Errorf("network with name %s already exists", name))
}
