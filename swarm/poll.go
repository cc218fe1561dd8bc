package swarm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

const (
	// taskPoll is how often tasks are looked at that are on their way to another state, since Docker's events
	// do not tell of them.
	taskPoll = 400 * time.Millisecond
	// pollFirst is how soon after an event that brings tasks into motion.
	pollFirst = 150 * time.Millisecond
	// busyShare and quietShare bound the time that polls take: a tenth while something moves, else a sixtieth.
	busyShare, quietShare = 10, 60
	// pollMost is how late at most it is seen that a container of another node died by itself.
	pollMost = 30 * time.Second
	// stirred is for how long after an event its service is looked at, whatever its tasks say.
	stirred = 5 * time.Second
	// partServices is of how many services tasks are asked for at once: the tasks of a large Swarm are 10 MB.
	partServices = 100
)

// poller looks at tasks: often at those of services that are converging, seldom at all the others, which it
// goes through part by part.
type poller struct {
	e *Engine
	m *Mirror

	// hot are services of which something was heard, and until when that counts. "" means all.
	hot map[string]time.Time
	// wait is how long to the next look at what converges. It doubles while nothing comes of it: a task for
	// which there is no node waits forever.
	wait   time.Duration
	busyAt time.Time
	// round are the services that the present round has not looked at yet.
	round   []string
	parts   int // of a whole round
	quietAt time.Time
}

func newPoller(e *Engine, m *Mirror) *poller {
	now := time.Now()
	return &poller{e: e, m: m, hot: map[string]time.Time{}, wait: taskPoll, busyAt: now.Add(taskPoll), quietAt: now.Add(taskPoll), parts: 1}
}

// next is how long until there is something to do.
func (p *poller) next() time.Duration { return time.Until(earliest(p.busyAt, p.quietAt)) }

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// hear takes note of an event, and says whether it was of a container and so of nothing else.
func (p *poller) hear(message events.Message) (container bool) {
	now := time.Now()
	switch message.Type {
	case events.ContainerEventType:
		container = true
		id := message.Actor.Attributes["com.docker.swarm.service.id"]
		if id == "" {
			return container
		}
		p.hot[id] = now.Add(stirred)
	case events.ServiceEventType:
		p.hot[message.Actor.ID] = now.Add(stirred)
	case events.NodeEventType:
		p.hot[""] = now.Add(stirred)
	default:
		return false
	}
	p.wait = taskPoll
	p.busyAt = earliest(p.busyAt, now.Add(pollFirst))
	return container
}

// look polls what is due.
func (p *poller) look(ctx context.Context) error {
	if !time.Now().Before(p.quietAt) {
		if err := p.lookQuiet(ctx); err != nil {
			return err
		}
	}
	if now := time.Now(); !now.Before(p.busyAt) {
		return p.lookBusy(ctx, now)
	}
	return nil
}

// lookBusy polls the services that converge.
func (p *poller) lookBusy(ctx context.Context, now time.Time) error {
	maps.DeleteFunc(p.hot, func(_ string, until time.Time) bool { return until.Before(now) })
	services := p.m.converging(p.hot)
	changed := false
	for part := range slices.Chunk(services, partServices) {
		some, err := p.poll(ctx, part)
		if err != nil {
			return err
		}
		changed = changed || some
	}
	if p.wait = min(2*p.wait, pollMost); changed || len(p.hot) > 0 {
		p.wait = taskPoll
	}
	p.busyAt = time.Now().Add(max(p.wait, (busyShare-1)*time.Since(now)))
	if len(services) == 0 { // until something is heard, or a round finds that something moves
		p.busyAt = now.Add(pollMost)
	}
	return nil
}

// lookQuiet polls the next part of all.
func (p *poller) lookQuiet(ctx context.Context) error {
	if len(p.round) == 0 {
		p.round = p.m.withTasks()
		p.parts = max(1, (len(p.round)+partServices-1)/partServices)
	}
	part := p.round[:min(partServices, len(p.round))]
	p.round = p.round[len(part):]
	if p.parts == 1 {
		part = nil
	}
	began := time.Now()
	changed, err := p.poll(ctx, part)
	if err != nil {
		return err
	}
	now := time.Now()
	interval := min((quietShare-1)*now.Sub(began), pollMost/time.Duration(p.parts))
	p.quietAt = now.Add(max(interval, taskPoll))
	if changed {
		p.wait = taskPoll
		p.busyAt = earliest(p.busyAt, now.Add(p.wait))
	}
	if part == nil && p.busyAt.Before(now.Add(taskPoll)) { // those that converge were among them
		p.busyAt = now.Add(taskPoll)
	}
	return nil
}

// poll tells the mirror which tasks of some services, nil for all, changed, in the order of their versions.
func (p *poller) poll(ctx context.Context, services []string) (changed bool, err error) {
	options := swarm.TaskListOptions{Filters: filters.NewArgs()}
	for _, id := range services {
		options.Filters.Add("service", id)
	}
	list, err := p.e.TaskList(ctx, options)
	if err != nil {
		return false, fmt.Errorf("list tasks: %w", err)
	}
	changes := p.m.taskChanges(list, services)
	if len(changes) > 0 {
		p.m.apply(changes)
	}
	return len(changes) > 0, nil
}

// converging are the services that are hot, or have tasks on their way to another state.
func (m *Mirror) converging(hot map[string]time.Time) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, all := hot[""]
	var found []string
	for _, id := range m.allServices() {
		if _, ok := hot[id]; ok || all || m.moves(id) {
			found = append(found, id)
		}
	}
	return found
}

// withTasks are all services that may have tasks, in the order of their IDs.
func (m *Mirror) withTasks() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Sorted(slices.Values(m.allServices()))
}

// allServices are those that are and those of which tasks are left. The mirror is locked.
func (m *Mirror) allServices() []string {
	ids := slices.Collect(maps.Keys(m.services))
	for id := range m.tasks {
		if m.services[id] == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// moves says whether a service is being updated, or a task of it is not where it is to come to.
func (m *Mirror) moves(id string) bool {
	if s := m.services[id]; s != nil && s.UpdateStatus != nil {
		switch s.UpdateStatus.State {
		case swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted:
			return true
		default:
		}
	}
	return slices.ContainsFunc(m.tasks[id], translate.Moves)
}
