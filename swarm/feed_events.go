package swarm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

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
	e.awaitReports(ctx, m, all)
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

// groupOfEvent is what the events of a type are about.
var groupOfEvent = map[events.Type]translate.GroupKind{
	events.ServiceEventType: translate.GroupService, events.ConfigEventType: translate.GroupConfig,
	events.SecretEventType: translate.GroupSecret, events.NodeEventType: translate.GroupNode, events.NetworkEventType: kindNetwork,
}

// inspect reads what an event is about. An event can be late: what it tells of may be gone again.
func (e *Engine) inspect(ctx context.Context, message events.Message) ([]change, error) {
	kind, known := groupOfEvent[message.Type]
	if !known {
		return nil, nil
	}
	c, err := e.read(ctx, kind, message.Actor.ID)
	if err != nil {
		return nil, fmt.Errorf("inspect %s %s: %w", message.Type, message.Actor.ID, err)
	}
	return []change{c}, nil
}
