package swarm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	"k8s.io/klog/v2"

	"skep/translate"
)

// Volumes are the volumes of the nodes' engines. Swarm itself knows none.
type Volumes interface {
	// List gives the volumes of a node.
	List(ctx context.Context, nodeID string) ([]volume.Volume, error)
	// Remove takes a volume away. Where there is none, the error is one of errdefs.IsNotFound; one that a container
	// has is errdefs.IsConflict.
	Remove(ctx context.Context, nodeID, name string) error
}

// NodeVolumes asks the Engine for the volumes of its own node, and others for those of all others.
type NodeVolumes struct {
	engine *Engine
	others Volumes
}

var _ Volumes = NodeVolumes{}

// VolumesOf are the volumes that can be reached by way of an Engine. others may be nil: then those of other nodes
// cannot.
func VolumesOf(e *Engine, others Volumes) NodeVolumes { return NodeVolumes{e, others} }

// errNoVolumes says what is missing for the volumes of another node.
func errNoVolumes(nodeID string) error {
	return fmt.Errorf("the volumes of node %s cannot be reached: skep's agent is to run there", nodeID)
}

// List implements Volumes.
func (v NodeVolumes) List(ctx context.Context, nodeID string) ([]volume.Volume, error) {
	if nodeID != v.engine.Info.Swarm.NodeID {
		if v.others == nil {
			return nil, errNoVolumes(nodeID)
		}
		return v.others.List(ctx, nodeID)
	}
	list, err := v.engine.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	all := make([]volume.Volume, 0, len(list.Volumes))
	for _, found := range list.Volumes {
		all = append(all, *found)
	}
	return all, nil
}

// Remove implements Volumes.
func (v NodeVolumes) Remove(ctx context.Context, nodeID, name string) error {
	if nodeID != v.engine.Info.Swarm.NodeID {
		if v.others == nil {
			return errNoVolumes(nodeID)
		}
		return v.others.Remove(ctx, nodeID, name)
	}
	return v.engine.VolumeRemove(ctx, name, false)
}

const (
	// volumesInterval is how often other nodes are asked; the Engine's own tells by events.
	volumesInterval = time.Minute
	// volumesAgain is how long is waited before a broken stream of events is followed again.
	volumesAgain = 5 * time.Second
)

// KeepVolumes keeps the mirror told of the volumes that the nodes' engines have, until the context ends.
func (m *Mirror) KeepVolumes(ctx context.Context, v NodeVolumes) {
	if v.others != nil {
		go m.pollVolumes(ctx, v)
	}
	for ctx.Err() == nil {
		if err := m.followVolumes(ctx, v); err != nil && ctx.Err() == nil {
			logVolumes(v.engine.Info.Name, err)
		}
		select {
		case <-time.After(volumesAgain):
		case <-ctx.Done():
		}
	}
}

// followVolumes lists the Engine's volumes after each event about one.
func (m *Mirror) followVolumes(ctx context.Context, v NodeVolumes) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard, failed := v.engine.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.VolumeEventType)),
		filters.Arg("event", string(events.ActionCreate)), filters.Arg("event", string(events.ActionDestroy)),
	)})
	ring := make(chan struct{}, 1)
	ring <- struct{}{}
	for {
		select {
		case <-heard:
			select {
			case ring <- struct{}{}:
			default:
			}
		case <-ring:
			list, err := v.List(ctx, v.engine.Info.Swarm.NodeID)
			if err != nil {
				return err
			}
			m.setVolumes(v.engine.Info.Swarm.NodeID, list)
		case err := <-failed:
			if err == nil {
				err = fmt.Errorf("the Engine ended its events")
			}
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// pollVolumes asks the other nodes now and then. What a node has that does not answer is believed to be there.
func (m *Mirror) pollVolumes(ctx context.Context, v NodeVolumes) {
	for {
		m.mu.RLock()
		nodes := maps.Clone(m.nodes)
		lost := map[string]bool{}
		for _, known := range m.provisions.docker {
			lost[known.NodeID] = nodes[known.NodeID] == nil
		}
		m.mu.RUnlock()
		for _, id := range slices.Sorted(maps.Keys(nodes)) {
			n := nodes[id]
			if id == v.engine.Info.Swarm.NodeID || n.Status.State != swarm.NodeStateReady {
				continue
			}
			if list, err := v.List(ctx, id); err != nil {
				logVolumes(n.Description.Hostname, err)
			} else {
				m.setVolumes(id, list)
			}
		}
		for id, gone := range lost {
			if gone {
				m.setVolumes(id, nil)
			}
		}
		select {
		case <-time.After(volumesInterval):
		case <-ctx.Done():
			return
		}
	}
}

// RemoveVolume takes a Docker volume away that was made for the claim with this UID: from the nodes that its
// PersistentVolume is on, and from those where Pods of it were before that was decided, as far as they answer. made is
// false where the PersistentVolume's own is of another making and left alone.
func (m *Mirror) RemoveVolume(ctx context.Context, v NodeVolumes, name, claimUID string, hosts []string) (made bool, err error) {
	made = true
	own := m.nodesNamed(hosts)
	for _, id := range own {
		removed, err := m.removeVolumeOn(ctx, v, id, name, claimUID)
		if err != nil {
			return made, err
		}
		made = made && removed
	}
	for _, id := range m.nodesNamed(nil) {
		if slices.Contains(own, id) {
			continue
		}
		if _, err := m.removeVolumeOn(ctx, v, id, name, claimUID); err != nil {
			klog.V(2).InfoS("An empty volume may be left over", "volume", name, "node", id, "err", err)
		}
	}
	return made, nil
}

// removeVolumeOn is RemoveVolume on one node.
func (m *Mirror) removeVolumeOn(ctx context.Context, v NodeVolumes, nodeID, name, claimUID string) (made bool, err error) {
	list, err := v.List(ctx, nodeID)
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(list, func(have volume.Volume) bool { return have.Name == name })
	switch {
	case at < 0:
		return true, nil
	case !slices.Contains([]string{claimUID, translate.AnyUID}, list[at].Labels[translate.LabelUID]) && list[at].Labels[translate.LabelEphemeral] == "":
		return false, nil
	}
	if err := v.Remove(ctx, nodeID, name); err != nil && !errdefs.IsNotFound(err) {
		return true, err
	}
	if nodeID != v.engine.Info.Swarm.NodeID { // else an event says it
		m.setVolumes(nodeID, slices.Delete(list, at, at+1))
	}
	return true, nil
}

// nodesNamed are the IDs of the nodes with these host names; of all nodes for none.
func (m *Mirror) nodesNamed(hosts []string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var ids []string
	for id, n := range m.nodes {
		if len(hosts) == 0 || slices.Contains(hosts, n.Description.Hostname) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
