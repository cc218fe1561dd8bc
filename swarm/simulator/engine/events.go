package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	daemonevents "github.com/docker/docker/daemon/events"
	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state"
)

// actions are what happens to an object, in Docker's words. Commits and the like have none.
var actions = map[api.WatchActionKind]events.Action{
	api.WatchActionKindCreate: events.ActionCreate,
	api.WatchActionKindUpdate: events.ActionUpdate,
	api.WatchActionKindRemove: events.ActionRemove,
}

// recordEvents makes Docker events of the store's changes until ctx ends. The last 256 are kept for those who ask since.
func (e *engine) recordEvents(ctx context.Context) error {
	var entries []*api.WatchRequest_WatchEntry
	for _, kind := range []string{"node", "service", "network", "secret", "config"} {
		entries = append(entries, &api.WatchRequest_WatchEntry{
			Kind:   kind,
			Action: api.WatchActionKindCreate | api.WatchActionKindUpdate | api.WatchActionKindRemove,
		})
	}
	kinds, err := api.ConvertWatchArgs(entries)
	if err != nil {
		return fmt.Errorf("watch the store: %w", err)
	}
	changes, stop := state.Watch(e.Store().WatchQueue(), kinds...)
	go func() {
		defer stop()
		for {
			select {
			case change := <-changes:
				if event, ok := change.(api.Event); ok {
					e.recordEvent(api.WatchMessageEvent(event))
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

func (e *engine) recordEvent(change *api.WatchMessage_Event) {
	if change == nil || change.Object == nil {
		return
	}
	message := events.Message{Action: actions[change.Action], Scope: "swarm"}
	var meta api.Meta
	switch object := change.Object.GetObject().(type) {
	case *api.Object_Node:
		meta = object.Node.Meta
		message.Type, message.Actor = events.NodeEventType, nodeActor(object.Node, change.OldObject.GetNode())
	case *api.Object_Service:
		meta = object.Service.Meta
		message.Type, message.Actor = events.ServiceEventType, serviceActor(object.Service, change.OldObject.GetService())
	case *api.Object_Network:
		meta = object.Network.Meta
		message.Type, message.Actor = events.NetworkEventType, actor(object.Network.ID, object.Network.Spec.Annotations.Name)
	case *api.Object_Secret:
		meta = object.Secret.Meta
		message.Type, message.Actor = events.SecretEventType, actor(object.Secret.ID, object.Secret.Spec.Annotations.Name)
	case *api.Object_Config:
		meta = object.Config.Meta
		message.Type, message.Actor = events.ConfigEventType, actor(object.Config.ID, object.Config.Spec.Annotations.Name)
	default:
		return
	}
	at := happened(change.Action, meta)
	message.Time, message.TimeNano = at.Unix(), at.UnixNano()
	e.events.PublishMessage(message)
}

// happened is when a change was made. The store does not tell it for removals.
func happened(action api.WatchActionKind, meta api.Meta) time.Time {
	stamp := meta.UpdatedAt
	switch action {
	case api.WatchActionKindCreate:
		stamp = meta.CreatedAt
	case api.WatchActionKindRemove:
		return time.Now()
	default:
	}
	at, err := gogotypes.TimestampFromProto(stamp)
	if err != nil {
		return time.Now()
	}
	return at
}

func actor(id, name string) events.Actor {
	return events.Actor{ID: id, Attributes: map[string]string{"name": name}}
}

// note writes down a value that has changed, before and after.
func note(attributes map[string]string, key, before, after string) {
	if before != after {
		attributes[key+".old"] = strings.ToLower(before)
		attributes[key+".new"] = strings.ToLower(after)
	}
}

// nodeActor describes a node, and what is not as it was; before is nil unless the node was updated.
func nodeActor(node, before *api.Node) events.Actor {
	result := actor(node.ID, cmp.Or(node.Spec.Annotations.Name, hostname(node)))
	if before == nil {
		return result
	}
	note(result.Attributes, "availability", before.Spec.Availability.String(), node.Spec.Availability.String())
	note(result.Attributes, "role", before.Role.String(), node.Role.String())
	note(result.Attributes, "state", before.Status.State.String(), node.Status.State.String())
	if was, is := before.ManagerStatus, node.ManagerStatus; was != nil && is != nil {
		note(result.Attributes, "leader", strconv.FormatBool(was.Leader), strconv.FormatBool(is.Leader))
		note(result.Attributes, "reachability", was.Reachability.String(), is.Reachability.String())
	}
	return result
}

// serviceActor describes a service, and what is not as it was; before is nil unless the service was updated.
func serviceActor(service, before *api.Service) events.Actor {
	result := actor(service.ID, service.Spec.Annotations.Name)
	if before == nil {
		return result
	}
	if was, is := before.Spec.Task.GetContainer(), service.Spec.Task.GetContainer(); was != nil && is != nil && was.Image != is.Image {
		maps.Copy(result.Attributes, map[string]string{"image.old": was.Image, "image.new": is.Image})
	}
	if was, is := before.Spec.GetReplicated(), service.Spec.GetReplicated(); was != nil && is != nil {
		note(result.Attributes, "replicas", strconv.FormatUint(was.Replicas, 10), strconv.FormatUint(is.Replicas, 10))
	}
	switch was, is := before.UpdateStatus, service.UpdateStatus; {
	case is == nil:
	case was == nil:
		result.Attributes["updatestate.new"] = strings.ToLower(is.State.String())
	default:
		note(result.Attributes, "updatestate", was.State.String(), is.State.String())
	}
	return result
}

// SubscribeToEvents returns the recorded events of that time, and those to come.
func (e *engine) SubscribeToEvents(since, until time.Time, filter filters.Args) ([]events.Message, chan interface{}) {
	return e.events.SubscribeTopic(since, until, daemonevents.NewFilter(filter))
}

// UnsubscribeFromEvents closes a channel of SubscribeToEvents.
func (e *engine) UnsubscribeFromEvents(listener chan interface{}) { e.events.Evict(listener) }
