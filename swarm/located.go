package swarm

import (
	"strings"

	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// TaskNode is the ID of the node that a task is on; "" where there is none.
func (m *Mirror) TaskNode(taskID string) string {
	if t := m.lookTask(taskID); t != nil {
		return t.NodeID
	}
	return ""
}

// TaskContainer is the ID of a task's container while it may run; "" where there is none.
func (m *Mirror) TaskContainer(taskID string) string {
	t := m.lookTask(taskID)
	if t == nil || translate.Ended(t) || t.Status.ContainerStatus == nil {
		return ""
	}
	return t.Status.ContainerStatus.ContainerID
}

// IsSandbox says whether a task is a sandbox, and its Pod's containers are others.
func (m *Mirror) IsSandbox(taskID string) bool {
	t := m.lookTask(taskID)
	return t != nil && translate.Reported(t)
}

func (m *Mirror) lookTask(id string) *swarm.Task {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.task[id]
}

// NodeAddress is a node's name in Kubernetes, and its address; empty for one that is not known.
func (m *Mirror) NodeAddress(nodeID string) (name, address string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := m.nodes[nodeID]
	if n == nil {
		return "", ""
	}
	return translate.NodeName(m.world(), n), translate.NodeAddress(n)
}

// TaskAt is the node and the container of the task that runs and has an address on one of the Swarm's networks.
func (m *Mirror) TaskAt(address string) (nodeID, container string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, t := range m.task {
		if translate.Ended(t) || t.Status.ContainerStatus == nil {
			continue
		}
		for _, a := range t.NetworksAttachments {
			for _, prefix := range a.Addresses {
				if ip, _, _ := strings.Cut(prefix, "/"); ip == address {
					return t.NodeID, t.Status.ContainerStatus.ContainerID
				}
			}
		}
	}
	return "", ""
}
