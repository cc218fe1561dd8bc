package simulator

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/docker/go-events"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state"
	"github.com/moby/swarmkit/v2/manager/state/store"
	"github.com/sirupsen/logrus"
)

// reportEvery is how long states are collected before they are written: a dispatcher does so too, so that a thousand
// containers that start are a few transactions.
const reportEvery = 50 * time.Millisecond

// agent plays the agents of all nodes, and the dispatcher that they report to.
type agent struct {
	store   *store.MemoryStore
	options Options
	numbers map[string]int // of the nodes, by ID

	mu         sync.Mutex
	containers map[string]*container // by task ID
	byID       map[string]*container // by container ID
	down       map[string]bool       // nodes
	due        schedule
	dirty      map[*container]bool // with a state that is not reported
	attempts   map[string]int      // tasks seen of each slot

	wake              chan struct{}
	timers            []*time.Timer
	stopping, stopped chan struct{}
}

func newAgent(s *store.MemoryStore, o Options) *agent {
	a := &agent{
		store: s, options: o, numbers: map[string]int{},
		containers: map[string]*container{}, byID: map[string]*container{}, down: map[string]bool{},
		dirty: map[*container]bool{}, attempts: map[string]int{}, wake: make(chan struct{}, 1),
		stopping: make(chan struct{}), stopped: make(chan struct{}),
	}
	for number := 1; number <= o.Nodes; number++ {
		a.numbers[nodeID(o.Seed, number)] = number
	}
	return a
}

func (a *agent) stop() {
	close(a.stopping)
	<-a.stopped
	for _, t := range a.timers {
		t.Stop()
	}
}

// run carries tasks through their states until it is stopped.
func (a *agent) run(context.Context) error {
	defer close(a.stopped)
	var nodes []*api.Node
	var tasks []*api.Task
	changes, cancel, err := store.ViewAndWatch(a.store, func(tx store.ReadTx) (err error) {
		if nodes, err = store.FindNodes(tx, store.All); err == nil {
			tasks, err = store.FindTasks(tx, store.All)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for what is there: %w", err)
	}
	defer cancel()
	for _, n := range nodes {
		a.takeNode(n)
	}
	for _, t := range tasks {
		a.assign(t)
	}
	a.planFailures(a.options)
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	next := time.NewTimer(time.Hour)
	defer next.Stop()
	for {
		select {
		case change := <-changes:
			a.take(change)
		case <-report.C:
			a.write()
		case <-next.C:
		case <-a.wake:
		case <-a.stopping:
			return nil
		}
		next.Reset(a.work())
	}
}

func (a *agent) take(change events.Event) {
	switch v := change.(type) {
	case api.EventCreateTask:
		a.assign(v.Task)
	case api.EventUpdateTask:
		a.assign(v.Task)
	case api.EventDeleteTask:
		a.forget(v.Task.ID)
	case api.EventCreateNode:
		a.takeNode(v.Node)
	case api.EventUpdateNode:
		a.takeNode(v.Node)
	case state.EventCommit:
	}
}

func (a *agent) takeNode(n *api.Node) {
	a.mu.Lock()
	was := a.down[n.ID]
	a.down[n.ID] = n.Status.State == api.NodeStatus_DOWN
	if was && !a.down[n.ID] {
		for _, c := range a.containers {
			if c.task.NodeID == n.ID { // what it did not hear meanwhile
				a.schedule(c, time.Now())
			}
		}
	}
	a.mu.Unlock()
	a.settleNode(n)
}

// assign takes in what the Swarm wants of a task now. A task is an agent's from the state ASSIGNED on.
func (a *agent) assign(t *api.Task) {
	if t.NodeID == "" || t.Status.State < api.TaskStateAssigned {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.containers[t.ID]
	switch {
	case c == nil && t.Status.State > api.TaskStateRunning:
		return
	case c == nil:
		c = a.newContainer(t)
		a.containers[t.ID], a.byID[c.id] = c, c
	case t.Status.State > api.TaskStateRunning && c.state <= api.TaskStateRunning:
		c.task, c.state = t, t.Status.State // not by us: its node was removed
		c.end(time.Now())
		return
	case c.task.DesiredState == t.DesiredState:
		c.task = t
		return // our own report, mostly
	default:
		c.task = t
	}
	a.schedule(c, time.Now())
}

func (a *agent) forget(task string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.containers[task]
	if c == nil {
		return
	}
	delete(a.containers, task)
	delete(a.byID, c.id)
	delete(a.dirty, c)
	if c.place >= 0 {
		heap.Remove(&a.due, c.place)
	}
	c.end(time.Now())
}

// schedule has a container looked at again at a time. The agent is locked.
func (a *agent) schedule(c *container, at time.Time) {
	c.at = at
	if c.place >= 0 {
		heap.Fix(&a.due, c.place)
	} else {
		heap.Push(&a.due, c)
	}
}

// work does all that is due and returns how long there is nothing to do.
func (a *agent) work() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for len(a.due) > 0 {
		c := a.due[0]
		if c.at.After(now) {
			return c.at.Sub(now)
		}
		heap.Remove(&a.due, 0)
		if a.down[c.task.NodeID] || a.dirty[c] {
			continue // it comes back with its node, or with its report
		}
		if next := c.step(now); !next.IsZero() {
			a.schedule(c, next)
		}
		if c.status != nil {
			a.dirty[c] = true
		}
	}
	return time.Hour
}

// write reports the states that have changed. A container goes on only when it is written where it stands, so that
// every state is seen.
func (a *agent) write() {
	a.mu.Lock()
	var reports []*container
	statuses := map[string]api.TaskStatus{}
	for c := range a.dirty {
		reports = append(reports, c)
		statuses[c.task.ID] = *c.status
		c.status = nil
		if c.next.IsZero() {
			continue
		}
		a.schedule(c, c.next)
	}
	clear(a.dirty)
	a.mu.Unlock()
	if len(reports) == 0 {
		return
	}
	a.report(a.store.Batch(func(batch *store.Batch) error {
		for id, status := range statuses {
			if err := batch.Update(func(tx store.Tx) error { return writeStatus(tx, id, status) }); err != nil {
				return err
			}
		}
		return nil
	}))
}

// writeStatus writes a task's state, which never goes back.
func writeStatus(tx store.Tx, id string, status api.TaskStatus) error {
	t := store.GetTask(tx, id)
	if t == nil || t.Status.State >= status.State {
		return nil
	}
	t.Status = status
	return store.UpdateTask(tx, t)
}

func (a *agent) report(err error) {
	if err != nil {
		logrus.WithError(err).Error("A state is not written")
	}
}

// kill ends a container as SIGKILL would.
func (a *agent) kill(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.byID[id]
	if c == nil || c.state != api.TaskStateRunning {
		return false
	}
	c.killed = true
	a.schedule(c, time.Now())
	select {
	case a.wake <- struct{}{}:
	default:
	}
	return true
}

// schedule orders containers by when they are due.
type schedule []*container

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push implements heap.Interface.
func (s *schedule) Push(x any) {
	c := x.(*container)
	c.place = len(*s)
	*s = append(*s, c)
}

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	c := (*s)[last]
	(*s)[last], *s = nil, (*s)[:last]
	c.place = -1
	return c
}
