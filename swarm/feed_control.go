package swarm

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker/daemon/cluster/convert"
	swarmapi "github.com/moby/swarmkit/v2/api"
	"k8s.io/klog/v2"

	"skep/translate"
)

// watchedKinds are SwarmKit's names for what the mirror holds.
var watchedKinds = []string{"node", "service", "network", "task", "secret", "config"}

// followControl takes in what SwarmKit pushes: every change in the order of its commit.
func (e *Engine) followControl(ctx context.Context, m *Mirror) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request := &swarmapi.WatchRequest{}
	for _, kind := range watchedKinds {
		request.Entries = append(request.Entries, &swarmapi.WatchRequest_WatchEntry{
			Kind:   kind,
			Action: swarmapi.WatchActionKindCreate | swarmapi.WatchActionKindUpdate | swarmapi.WatchActionKindRemove,
		})
	}
	stream, err := swarmapi.NewWatchClient(e.control.conn).Watch(ctx, request)
	if err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil { // an empty message: from here on nothing is missed
		return err
	}
	changes, failed := make(chan []change, batchLimit), make(chan error, 1)
	go func() {
		defer close(changes)
		for {
			message, err := stream.Recv()
			if err != nil {
				failed <- err
				return
			}
			select {
			case changes <- m.changesOf(message):
			case <-ctx.Done():
				failed <- ctx.Err()
				return
			}
		}
	}()
	all, err := e.readAll(ctx)
	if err != nil {
		return fmt.Errorf("read the Swarm: %w", err)
	}
	m.replace(all)
	m.takeIn(ctx, changes)
	cancel()
	return <-failed
}

// changesOf reads a message. The message's own version is often missing; objects carry theirs.
func (m *Mirror) changesOf(message *swarmapi.WatchMessage) []change {
	var index uint64
	if message.Version != nil {
		index = message.Version.Index
	}
	changes := make([]change, 0, len(message.Events))
	for _, ev := range message.Events {
		known := m.slimObject(ev.Object)
		c, err := changeOf(ev.Object)
		c.known = known
		if err != nil {
			klog.ErrorS(err, "a change that SwarmKit told of cannot be read")
			continue
		}
		if ev.Action == swarmapi.WatchActionKindRemove {
			c.object, c.index = nil, index
		}
		changes = append(changes, c)
	}
	return changes
}

// slimObject takes away what the mirror has: most messages are of tasks that it knows, and a task's spec, which
// never changes, is most of it.
func (m *Mirror) slimObject(object *swarmapi.Object) (known bool) {
	t := object.GetTask()
	if t == nil {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if known = m.task[t.ID] != nil; known {
		t.Spec = swarmapi.TaskSpec{}
	}
	return known
}

// changeOf converts an object with Docker's own code, so that it is what the Engine API would show.
func changeOf(object *swarmapi.Object) (change, error) {
	switch o := object.GetObject().(type) {
	case *swarmapi.Object_Service:
		s, err := convert.ServiceFromGRPC(*o.Service)
		return change{kind: translate.GroupService, id: s.ID, object: &s}, err
	case *swarmapi.Object_Task:
		t, err := convert.TaskFromGRPC(*o.Task)
		return change{kind: kindTask, id: t.ID, object: slimTask(&t)}, err
	case *swarmapi.Object_Node:
		n := convert.NodeFromGRPC(*o.Node)
		return change{kind: translate.GroupNode, id: n.ID, object: &n}, nil
	case *swarmapi.Object_Config:
		c := convert.ConfigFromGRPC(o.Config)
		return change{kind: translate.GroupConfig, id: c.ID, object: slimConfig(&c)}, nil
	case *swarmapi.Object_Secret:
		s := convert.SecretFromGRPC(o.Secret)
		s.Spec.Data = nil
		return change{kind: translate.GroupSecret, id: s.ID, object: &s}, nil
	case *swarmapi.Object_Network:
		n := convert.BasicNetworkFromGRPC(*o.Network)
		return change{kind: kindNetwork, id: n.ID, object: Network{
			ID: n.ID, Name: n.Name, Labels: n.Labels, Created: n.Created, Ingress: n.Ingress,
		}}, nil
	}
	return change{}, errors.New("unknown kind of object")
}
