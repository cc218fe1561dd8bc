package swarm

import (
	"context"
	"fmt"
	"time"

	swarmapi "github.com/moby/swarmkit/v2/api"
	"google.golang.org/grpc"
	"k8s.io/klog/v2"

	"skep/translate"
)

// A Deployment changes when one of its tasks goes, and a gateway that begins later no longer finds that task: by what
// it finds, the Deployment would be older than others have shown it. So it asks SwarmKit which tasks went before it
// came, as far back as the raft log reaches.

// departuresTimeout is how long a start waits for it: it can do without.
const departuresTimeout = 5 * time.Second

// logged is how many transactions a manager keeps at most: SwarmKit's default for raft snapshots.
const logged = 10_000

// departures are the indices of the last removals of services' tasks, by service ID. Without the control socket
// they are not known, and nothing is done but that.
func (e *Engine) departures(ctx context.Context) (map[string]uint64, error) {
	id, err := e.mark(ctx)
	if err != nil {
		return nil, err
	}
	defer e.unmark(ctx, id)
	ctx, cancel := context.WithTimeout(ctx, departuresTimeout)
	defer cancel()
	mark, _, err := e.ConfigInspectWithRaw(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the Swarm's version: %w", err)
	}
	for back := uint64(logged); ; back /= 2 {
		from := mark.Version.Index - min(back, mark.Version.Index-1)
		found, err := e.departuresSince(ctx, from, id)
		if err == nil || back < 16 || ctx.Err() != nil {
			return found, err
		}
		klog.V(2).InfoS("SwarmKit's log does not reach back so far", "index", from, "err", err)
	}
}

// departuresSince replays the log from an index to the making of a mark.
func (e *Engine) departuresSince(ctx context.Context, from uint64, mark string) (map[string]uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := swarmapi.NewWatchClient(e.control.conn).Watch(ctx, &swarmapi.WatchRequest{
		Entries: []*swarmapi.WatchRequest_WatchEntry{
			{Kind: "task", Action: swarmapi.WatchActionKindRemove},
			{Kind: "config", Action: swarmapi.WatchActionKindCreate, Filters: []*swarmapi.SelectBy{{By: &swarmapi.SelectBy_ID{ID: mark}}}},
		},
		ResumeFrom: &swarmapi.Version{Index: from},
	}, grpc.ForceCodecV2(newSlimCodec(func(string) bool { return true })))
	if err != nil {
		return nil, err
	}
	found := map[string]uint64{}
	for {
		message, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		for _, ev := range message.Events {
			if ev.Object.GetConfig() != nil {
				return found, nil
			}
			t := ev.Object.GetTask()
			found[t.ServiceID] = max(found[t.ServiceID], t.Meta.Version.Index+1, indexBefore(message))
		}
	}
}

// depart notes that a task of a service was removed.
func (m *Mirror) depart(service string, index uint64) {
	m.departed[service] = max(m.departed[service], index)
}

// learn takes in what departures found, of services that are still there.
func (m *Mirror) learn(departed map[string]uint64, all []change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range all {
		if index := departed[c.id]; c.kind == translate.GroupService && index > 0 {
			m.depart(c.id, index)
		}
	}
}
