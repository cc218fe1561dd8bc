package engine

import (
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/daemon/cluster/convert"
	"github.com/docker/docker/errdefs"
	"github.com/moby/swarmkit/v2/api"
)

// GetNodes returns the nodes that match.
func (e *engine) GetNodes(options swarm.NodeListOptions) ([]swarm.Node, error) {
	f := options.Filters
	if err := accept(f, "name", "id", "label", "role", "membership", "node.label"); err != nil {
		return nil, err
	}
	roles, err := enums[api.NodeRole](f, "role", api.NodeRole_value)
	if err != nil {
		return nil, err
	}
	memberships, err := enums[api.NodeSpec_Membership](f, "membership", api.NodeSpec_Membership_value)
	if err != nil {
		return nil, err
	}
	response, err := call(e.control.ListNodes, &api.ListNodesRequest{Filters: &api.ListNodesRequest_Filters{
		NamePrefixes: f.Get("name"),
		IDPrefixes:   f.Get("id"),
		Labels:       pairs(f, "label"),
		NodeLabels:   pairs(f, "node.label"),
		Roles:        roles,
		Memberships:  memberships,
	}})
	if err != nil {
		return nil, err
	}
	result := make([]swarm.Node, 0, len(response.Nodes))
	for _, node := range response.Nodes {
		result = append(result, convert.NodeFromGRPC(*node))
	}
	return result, nil
}

// GetNode returns a node by ID, host name or start of the ID.
func (e *engine) GetNode(term string) (swarm.Node, error) {
	node, err := nodes.find(e.Store(), term)
	if err != nil {
		return swarm.Node{}, err
	}
	return convert.NodeFromGRPC(*node), nil
}

// UpdateNode replaces a node's spec.
func (e *engine) UpdateNode(term string, version uint64, spec swarm.NodeSpec) error {
	wanted, err := convert.NodeSpecToGRPC(spec)
	if err != nil {
		return errdefs.InvalidParameter(err)
	}
	node, err := nodes.find(e.Store(), term)
	if err != nil {
		return err
	}
	_, err = call(e.control.UpdateNode, &api.UpdateNodeRequest{
		NodeID:      node.ID,
		NodeVersion: &api.Version{Index: version},
		Spec:        &wanted,
	})
	return err
}

// RemoveNode takes a node out of the Swarm.
func (e *engine) RemoveNode(term string, force bool) error {
	node, err := nodes.find(e.Store(), term)
	if err != nil {
		return err
	}
	_, err = call(e.control.RemoveNode, &api.RemoveNodeRequest{NodeID: node.ID, Force: force})
	return err
}
