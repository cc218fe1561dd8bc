package swarm

import (
	"context"
	"time"
)

// A task passes eight states on its way to running, and its Pod, ReplicaSet and Deployment change with each:
// told one by one to a hundred watches, a thousand new tasks are a million messages. So after every batch the
// mirror rests, in proportion to what the batch brought, and takes in at once what came meanwhile. A few changes
// are shown as they come; of many only the last state within a tenth of a second is. Who waits for a write of
// their own ends the rest.

const (
	restPerChange = 4 * time.Millisecond
	restMost      = 250 * time.Millisecond
	// batchLimit is how many changes may wait.
	batchLimit = 4096
)

// takeIn applies changes as they come, until no more come or the context ends.
func (m *Mirror) takeIn(ctx context.Context, changes <-chan []change) {
	var batch []change
	rested := time.NewTimer(0)
	defer rested.Stop()
	resting := true
	for {
		select {
		case more, open := <-changes:
			if !open {
				m.apply(batch)
				return
			}
			batch = append(batch, more...)
		case <-rested.C:
			resting = false
		case <-m.hurry:
		case <-ctx.Done():
			return
		}
		batch = drain(batch, changes)
		if len(batch) == 0 || resting && len(batch) < batchLimit && m.waiting.Load() == 0 {
			continue
		}
		m.apply(batch)
		resting = true
		rested.Reset(min(time.Duration(len(batch))*restPerChange, restMost))
		batch = nil
	}
}

// drain appends what is there already.
func drain(batch []change, changes <-chan []change) []change {
	for len(batch) < batchLimit {
		select {
		case more, open := <-changes:
			if !open {
				return batch // takeIn will see that, too
			}
			batch = append(batch, more...)
		default:
			return batch
		}
	}
	return batch
}

// awaitSoon waits like await, and has the feed not rest meanwhile.
func (m *Mirror) awaitSoon(ctx context.Context, done func() bool) error {
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	select {
	case m.hurry <- struct{}{}:
	default:
	}
	return m.await(ctx, done)
}
