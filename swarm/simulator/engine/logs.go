package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/backend"
	"github.com/docker/docker/api/types/container"
	timetypes "github.com/docker/docker/api/types/time"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state"
	"github.com/moby/swarmkit/v2/manager/state/store"

	"skep/swarm/simulator"
)

// logStream sends the lines of some tasks to one client.
type logStream struct {
	*engine
	services, tasks map[string]bool // by ID: of which services, and which tasks besides
	follow          bool
	tail            int // how many lines of a task that are there already; all if negative
	since           time.Time
	out             chan *backend.LogMessage
}

// ServiceLogs returns the lines of the selected services' and tasks' containers, task after task. A client that follows
// gets those of new tasks too and is never told that there are no more, even if every task is dead.
func (e *engine) ServiceLogs(ctx context.Context, selector *backend.LogSelector, options *container.LogsOptions) (<-chan *backend.LogMessage, error) {
	s := &logStream{
		engine:   e,
		services: map[string]bool{},
		tasks:    map[string]bool{},
		follow:   options.Follow,
		out:      make(chan *backend.LogMessage, 1),
	}
	if err := s.choose(selector); err != nil {
		return nil, fmt.Errorf("error making log selector: %w", err)
	}
	var err error
	if s.tail, err = tailLines(options.Tail); err != nil {
		return nil, err
	}
	if options.Since != "" {
		seconds, nanos, err := timetypes.ParseTimestamps(options.Since, 0)
		if err != nil {
			return nil, fmt.Errorf("could not parse since timestamp: %w", err)
		}
		s.since = time.Unix(seconds, nanos)
	}
	go func() {
		defer close(s.out)
		if s.follow {
			s.sendFollowed(ctx)
		} else {
			s.sendPresent(ctx)
		}
	}()
	return s.out, nil
}

func (s *logStream) choose(selector *backend.LogSelector) error {
	for _, term := range selector.Services {
		service, err := services.find(s.Store(), term)
		if err != nil {
			return err
		}
		s.services[service.ID] = true
	}
	for _, term := range selector.Tasks {
		task, err := tasks.find(s.Store(), term)
		if err != nil {
			return err
		}
		s.tasks[task.ID] = true
	}
	return nil
}

func tailLines(tail string) (int, error) {
	if tail == "" || tail == "all" {
		return -1, nil
	}
	count, err := strconv.Atoi(tail)
	switch {
	case err != nil:
		return 0, errors.New(`tail value must be a positive integer or "all"`)
	case count < 0:
		return 0, errors.New("negative tail values not supported")
	}
	return count, nil
}

// matches reports whether the stream has a task's lines. Those of a service that have not started are none of it.
func (s *logStream) matches(task *api.Task) bool {
	return s.tasks[task.ID] || s.services[task.ServiceID] && task.Status.State >= api.TaskStateRunning
}

// sendPresent sends the lines that there are, and in the end a warning of those that are out of reach.
func (s *logStream) sendPresent(ctx context.Context) {
	var (
		present []*api.Task
		missing []string
	)
	s.Store().View(func(tx store.ReadTx) {
		for _, task := range s.find(tx) {
			if !s.matches(task) {
				continue
			}
			node := store.GetNode(tx, task.NodeID)
			switch {
			case task.NodeID == "":
				missing = append(missing, fmt.Sprintf("task %s has not been scheduled", task.ID))
			case node == nil || node.Status.State != api.NodeStatus_READY:
				missing = append(missing, fmt.Sprintf("node %s is not available", task.NodeID))
			default:
				present = append(present, task)
			}
		}
	})
	for _, task := range present {
		s.copy(ctx, task)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		s.send(ctx, &backend.LogMessage{Err: fmt.Errorf("rpc error: code = Unknown desc = warning: incomplete log stream. "+
			"some logs could not be retrieved for the following reasons: %s", strings.Join(slices.Compact(missing), ", "))})
	}
}

// find returns the chosen tasks, and those of the chosen services, oldest first.
func (s *logStream) find(tx store.ReadTx) []*api.Task {
	var found []*api.Task
	for id := range s.tasks {
		if task := store.GetTask(tx, id); task != nil {
			found = append(found, task)
		}
	}
	for id := range s.services {
		if tasks, err := store.FindTasks(tx, store.ByServiceID(id)); err == nil {
			found = append(found, tasks...)
		}
	}
	slices.SortFunc(found, func(a, b *api.Task) int {
		return cmp.Or(a.Meta.CreatedAt.Compare(b.Meta.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return found
}

// sendFollowed copies the lines of each task from when it runs, until ctx ends.
func (s *logStream) sendFollowed(ctx context.Context) {
	var copies sync.WaitGroup
	defer copies.Wait()
	followed := map[string]bool{}
	follow := func(task *api.Task) {
		if task.Status.State < api.TaskStateRunning || followed[task.ID] || !s.matches(task) {
			return
		}
		followed[task.ID] = true
		copies.Go(func() { s.copy(ctx, task) })
	}
	changes, stop := state.Watch(s.Store().WatchQueue(), api.EventCreateTask{}, api.EventUpdateTask{})
	defer stop()
	s.Store().View(func(tx store.ReadTx) {
		for _, task := range s.find(tx) {
			follow(task)
		}
	})
	for {
		select {
		case change := <-changes:
			switch event := change.(type) {
			case api.EventCreateTask:
				follow(event.Task)
			case api.EventUpdateTask:
				follow(event.Task)
			}
		case <-ctx.Done():
			return
		}
	}
}

// copy sends a task's lines: those that are there and, if the stream follows, those to come until its container ends.
func (s *logStream) copy(ctx context.Context, task *api.Task) {
	lines, more, ended := s.Output(task.ID)
	var last time.Time
	if len(lines) > 0 {
		last = lines[len(lines)-1].At
	}
	if s.tail >= 0 {
		lines = lines[max(0, len(lines)-s.tail):]
	}
	for {
		for _, line := range lines {
			if !line.At.Before(s.since) && !s.send(ctx, logMessage(task, line)) {
				return
			}
		}
		if ended || !s.follow {
			return
		}
		select {
		case <-more:
			lines, more, ended = s.Output(task.ID)
			lines, last = newer(lines, last)
		case <-ctx.Done():
			return
		}
	}
}

// newer returns the lines of after a time, and the time of the last of them. Old lines get lost, so that their number
// tells nothing.
func newer(lines []simulator.Line, after time.Time) ([]simulator.Line, time.Time) {
	i := slices.IndexFunc(lines, func(line simulator.Line) bool { return line.At.After(after) })
	if i < 0 {
		return nil, after
	}
	return lines[i:], lines[len(lines)-1].At
}

// send reports whether the client still listens.
func (s *logStream) send(ctx context.Context, m *backend.LogMessage) bool {
	select {
	case s.out <- m:
		return true
	case <-ctx.Done():
		return false
	}
}

func logMessage(task *api.Task, line simulator.Line) *backend.LogMessage {
	source := "stdout"
	if line.Stderr {
		source = "stderr"
	}
	return &backend.LogMessage{
		Line:      append([]byte(line.Text), '\n'),
		Source:    source,
		Timestamp: line.At.UTC(),
		Attrs: []backend.LogAttr{
			{Key: "com.docker.swarm.node.id", Value: task.NodeID},
			{Key: "com.docker.swarm.service.id", Value: task.ServiceID},
			{Key: "com.docker.swarm.task.id", Value: task.ID},
		},
	}
}
