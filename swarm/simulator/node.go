package simulator

import (
	"fmt"
	"time"

	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/ca"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// What a simulated node is where no rule says otherwise.
const (
	nodeCPUs      = 8
	nodeMemory    = 32 << 30
	engineVersion = "28.5.2"
	heartbeat     = 5 * time.Second
)

// LabelState is the label by which a node is told to fail: "down", and anything else to return. `docker node update
// --label-add simulate.state=down sim-2` and `kubectl label node` set it.
const LabelState = Label + "state"

// idAlphabet and idLength are those of SwarmKit's own IDs.
const (
	idAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
	idLength   = 25
)

// nodeID is a node's ID, the same at each run of a seed.
func nodeID(seed int64, number int) string {
	r, id := chance(seed, "node", number), make([]byte, idLength)
	for i := range id {
		id[i] = idAlphabet[r.IntN(len(idAlphabet))]
	}
	return string(id)
}

// newNode is the number-th node as it is after it has joined.
func newNode(o Options, number int) (*api.Node, error) {
	hostname := fmt.Sprintf("sim-%d", number)
	rule := o.Rules.node(hostname)
	memory, err := rule.memory()
	if err != nil {
		return nil, fmt.Errorf("memory of %s: %w", hostname, err)
	}
	role := api.NodeRoleWorker
	if number <= o.Managers {
		role = api.NodeRoleManager
	}
	id := nodeID(o.Seed, number)
	n := &api.Node{
		ID: id,
		Spec: api.NodeSpec{
			Annotations: api.Annotations{Labels: rule.Labels},
			DesiredRole: role, Membership: api.NodeMembershipAccepted, Availability: api.NodeAvailabilityActive,
		},
		Role:   role,
		Status: api.NodeStatus{State: api.NodeStatus_READY, Addr: nodeAddress(number)},
		Certificate: api.Certificate{
			CN: id, Role: role, Status: api.IssuanceStatus{State: api.IssuanceStateIssued},
		},
		Description: &api.NodeDescription{
			Hostname:  hostname,
			Platform:  &api.Platform{Architecture: "x86_64", OS: "linux"},
			Resources: &api.Resources{NanoCPUs: int64(first(rule.CPUs, nodeCPUs) * 1e9), MemoryBytes: first(memory, nodeMemory)},
			Engine:    &api.EngineDescription{EngineVersion: engineVersion, Labels: map[string]string{"simulated": "true"}, Plugins: plugins()},
			TLSInfo:   &api.NodeTLSInfo{},
		},
	}
	n.ManagerStatus = managerStatus(n, number)
	return n, nil
}

// nodeAddress is of the range that is set aside for tests of network devices (RFC 2544): nobody answers there.
func nodeAddress(number int) string { return fmt.Sprintf("198.18.%d.%d", number/250, number%250+1) }

// managerStatus is a manager's; nil for a worker. The first manager leads.
func managerStatus(n *api.Node, number int) *api.ManagerStatus {
	if n.Role != api.NodeRoleManager {
		return nil
	}
	return &api.ManagerStatus{
		RaftID: uint64(number), Addr: n.Status.Addr + ":2377", Leader: number == 1,
		Reachability: api.RaftMemberStatus_REACHABLE,
	}
}

// plugins are those that every Engine brings. A task on an overlay needs a node that lists it.
func plugins() []api.PluginDescription {
	all := []api.PluginDescription{{Type: "Volume", Name: "local"}}
	for _, name := range []string{"bridge", "host", "ipvlan", "macvlan", "null", "overlay"} {
		all = append(all, api.PluginDescription{Type: "Network", Name: name})
	}
	for _, name := range []string{"json-file", "journald", "local", "syslog"} {
		all = append(all, api.PluginDescription{Type: "Log", Name: name})
	}
	return all
}

// createNodes writes the nodes of the start and returns the first, which is the manager that is spoken to.
func createNodes(s *store.MemoryStore, o Options, root *ca.RootCA) (*api.Node, error) {
	var manager *api.Node
	err := s.Batch(func(batch *store.Batch) error {
		for number := range o.Nodes {
			n, err := newNode(o, number+1)
			if err != nil {
				return err
			}
			n.Description.TLSInfo.TrustRoot = root.Certs
			if number == 0 {
				manager = n
			}
			if err := batch.Update(func(tx store.Tx) error { return store.CreateNode(tx, n) }); err != nil {
				return err
			}
		}
		return nil
	})
	return manager, err
}

// settleNode brings a node to what its specification and labels ask for: its role, and whether it is up. The
// dispatcher and the role manager of a real manager do it.
func (a *agent) settleNode(n *api.Node) {
	down := n.Spec.Annotations.Labels[LabelState] == "down"
	status := n.Status
	switch {
	case down && status.State == api.NodeStatus_READY:
		status.State, status.Message = api.NodeStatus_DOWN, "heartbeat failure"
	case !down && status.State == api.NodeStatus_DOWN:
		status.State, status.Message = api.NodeStatus_READY, ""
	}
	if status == n.Status && n.Role == n.Spec.DesiredRole {
		return
	}
	a.update(n.ID, func(n *api.Node) {
		n.Status = status
		n.Role = n.Spec.DesiredRole
		n.Certificate.Role = n.Role
		n.ManagerStatus = managerStatus(n, a.numbers[n.ID])
		if n.ManagerStatus != nil && status.State == api.NodeStatus_DOWN {
			n.ManagerStatus.Reachability = api.RaftMemberStatus_UNREACHABLE
		}
	})
}

// update changes a node in the store, where it is still there.
func (a *agent) update(id string, change func(*api.Node)) {
	a.report(a.store.Update(func(tx store.Tx) error {
		n := store.GetNode(tx, id)
		if n == nil {
			return nil
		}
		change(n)
		return store.UpdateNode(tx, n)
	}))
}

// planFailures has nodes fail and return at the times that their rules give.
func (a *agent) planFailures(o Options) {
	for number := 1; number <= o.Nodes; number++ {
		id := nodeID(o.Seed, number)
		rule := o.Rules.node(fmt.Sprintf("sim-%d", number))
		for _, turn := range []struct {
			at    Span
			state string
		}{{rule.Down, "down"}, {rule.Back, "up"}} {
			if turn.at.said() {
				a.timers = append(a.timers, time.AfterFunc(turn.at.draw(chance(o.Seed, id, turn.state)), func() { a.label(id, turn.state) }))
			}
		}
	}
}

// label says on a node whether it is to be up, where everybody can see it.
func (a *agent) label(id, state string) {
	a.update(id, func(n *api.Node) {
		labels := map[string]string{}
		for k, v := range n.Spec.Annotations.Labels {
			labels[k] = v
		}
		labels[LabelState] = state
		n.Spec.Annotations.Labels = labels
	})
}
