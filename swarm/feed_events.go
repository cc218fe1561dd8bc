package swarm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// heardOf are the events that matter. Those of this node's containers say which tasks to look at; what health
// checks do inside them is not among them.
func heardOf() filters.Args {
	wanted := filters.NewArgs()
	for _, kind := range []events.Type{
		events.ServiceEventType, events.ConfigEventType, events.SecretEventType, events.NodeEventType, events.NetworkEventType, events.ContainerEventType,
	} {
		wanted.Add("type", string(kind))
	}
	for _, action := range []events.Action{
		events.ActionCreate, events.ActionUpdate, events.ActionRemove, events.ActionDestroy,
		events.ActionStart, events.ActionDie, events.ActionHealthStatus,
	} {
		wanted.Add("event", string(action))
	}
	return wanted
}

// followEvents takes in Docker's events, which name what changed but not how, and polls tasks.
func (e *Engine) followEvents(ctx context.Context, m *Mirror) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, failed := e.Events(ctx, events.ListOptions{Filters: heardOf()})
	all, err := e.readAll(ctx)
	if err != nil {
		return fmt.Errorf("read the Swarm: %w", err)
	}
	m.replace(all)
	tasks := newPoller(e, m)
	poll := time.NewTimer(tasks.next())
	defer poll.Stop()
	for {
		select {
		case message := <-stream:
			if tasks.hear(message) {
				break
			}
			changes, err := e.inspect(ctx, message)
			if err != nil {
				return err
			}
			m.apply(changes)
		case <-poll.C:
			if err := tasks.look(ctx); err != nil {
				return err
			}
		case err := <-failed:
			if err == nil {
				err = errors.New("the Engine ended its events")
			}
			return err
		}
		poll.Reset(tasks.next())
	}
}

// inspect reads what an event is about. An event can be late: what it tells of may be gone again.
func (e *Engine) inspect(ctx context.Context, message events.Message) ([]change, error) {
	c := change{id: message.Actor.ID}
	var err error
	switch message.Type {
	case events.ServiceEventType:
		c.kind = translate.GroupService
		var s swarm.Service
		s, _, err = e.ServiceInspectWithRaw(ctx, c.id, swarm.ServiceInspectOptions{})
		c.object = &s
	case events.ConfigEventType:
		c.kind = translate.GroupConfig
		var s swarm.Config
		s, _, err = e.ConfigInspectWithRaw(ctx, c.id)
		c.object = slimConfig(&s)
	case events.SecretEventType:
		c.kind = translate.GroupSecret
		var s swarm.Secret
		s, _, err = e.SecretInspectWithRaw(ctx, c.id)
		c.object = &s
	case events.NodeEventType:
		c.kind = translate.GroupNode
		var n swarm.Node
		n, _, err = e.NodeInspectWithRaw(ctx, c.id)
		c.object = &n
	case events.NetworkEventType:
		c.kind = kindNetwork
		var list []network.Inspect
		list, err = e.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("id", c.id))})
		for _, n := range list {
			if n.Scope == "swarm" {
				c.object = Network{ID: n.ID, Name: n.Name, Labels: n.Labels, Created: n.Created, Ingress: n.Ingress}
			}
		}
	default:
		return nil, nil
	}
	if errdefs.IsNotFound(err) {
		c.object, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inspect %s %s: %w", message.Type, c.id, err)
	}
	return []change{c}, nil
}
