package swarm

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker/daemon/cluster/convert"
	swarmapi "github.com/moby/swarmkit/v2/api"
	"google.golang.org/grpc"
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
	stream, err := swarmapi.NewWatchClient(e.control.conn).Watch(ctx, request, grpc.ForceCodecV2(newSlimCodec(m.hasTask)))
	if err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil { // an empty message: from here on nothing is missed
		return err
	}
	pushed := &commits{}
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
			case changes <- pushed.changes(message):
			case <-ctx.Done():
				failed <- ctx.Err()
				return
			}
		}
	}()
	departed := make(chan map[string]uint64, 1)
	go func() {
		found, err := e.departures(ctx)
		if err != nil {
			klog.V(2).InfoS("Which tasks were removed before is not known", "err", err)
		}
		departed <- found
	}()
	all, err := e.readAll(ctx)
	if err != nil {
		return fmt.Errorf("read the Swarm: %w", err)
	}
	m.learn(<-departed, all)
	e.awaitReports(ctx, m, all)
	m.replace(all)
	m.takeIn(ctx, changes)
	cancel()
	return <-failed
}

// commits reads what SwarmKit pushes: a message is a transaction.
type commits struct {
	last uint64 // the index of the last one
}

// changes of a transaction. What it changed has the raft index from before it for its version; what it removed has
// none. The message's own version is often missing, and is the index after it.
func (s *commits) changes(message *swarmapi.WatchMessage) []change {
	var index uint64
	changes := make([]change, 0, len(message.Events))
	for _, ev := range message.Events {
		c, version, err := changeOf(ev.Object)
		if err != nil {
			klog.ErrorS(err, "a change that SwarmKit told of cannot be read")
			continue
		}
		c.known = isCut(ev.Object.GetTask())
		if ev.Action == swarmapi.WatchActionKindRemove {
			c.object = nil
		} else {
			index = max(index, version)
		}
		changes = append(changes, c)
	}
	if index == 0 {
		index = s.ofRemovals(message)
	}
	s.last = max(s.last, index)
	for i := range changes {
		if changes[i].object == nil {
			changes[i].index = index
		}
	}
	return changes
}

// ofRemovals is the index that a transaction of nothing but removals has, 0 where that cannot be told: at least the
// one after the last.
func (s *commits) ofRemovals(message *swarmapi.WatchMessage) uint64 {
	index := indexBefore(message)
	if s.last > 0 {
		index = max(index, s.last+1)
	}
	return index
}

// indexBefore is the raft index from before a transaction, which is the version of what it changes; 0 where the
// message does not tell.
func indexBefore(message *swarmapi.WatchMessage) uint64 {
	if message.Version == nil || message.Version.Index == 0 {
		return 0
	}
	return message.Version.Index - 1
}

// changeOf converts an object with Docker's own code, so that it is what the Engine API would show, and tells its
// version's index; a network has none in that API.
func changeOf(object *swarmapi.Object) (c change, index uint64, err error) {
	switch o := object.GetObject().(type) {
	case *swarmapi.Object_Service:
		s, err := convert.ServiceFromGRPC(*o.Service)
		return change{kind: translate.GroupService, id: s.ID, object: &s}, s.Version.Index, err
	case *swarmapi.Object_Task:
		t, err := convert.TaskFromGRPC(*o.Task)
		return change{kind: kindTask, id: t.ID, object: slimTask(&t)}, t.Version.Index, err
	case *swarmapi.Object_Node:
		n := convert.NodeFromGRPC(*o.Node)
		return change{kind: translate.GroupNode, id: n.ID, object: &n}, n.Version.Index, nil
	case *swarmapi.Object_Config:
		c := convert.ConfigFromGRPC(o.Config)
		return change{kind: translate.GroupConfig, id: c.ID, object: slimConfig(&c)}, c.Version.Index, nil
	case *swarmapi.Object_Secret:
		s := convert.SecretFromGRPC(o.Secret)
		s.Spec.Data = nil
		return change{kind: translate.GroupSecret, id: s.ID, object: &s}, s.Version.Index, nil
	case *swarmapi.Object_Network:
		return networkChange(convert.BasicNetworkFromGRPC(*o.Network)), o.Network.Meta.Version.Index, nil
	}
	return change{}, 0, errors.New("unknown kind of object")
}
