package simulator

import (
	"fmt"
	"time"

	"github.com/moby/swarmkit/v2/api"
)

// A running container writes a line at each of these, and the last linesKept of them can be read.
const (
	lineEvery = 10 * time.Second
	linesKept = 1000
)

// Line is a line that a container wrote, without its line feed.
type Line struct {
	At     time.Time
	Stderr bool
	Text   string
}

// Output returns what a task's container has written so far, oldest first, and a channel that is closed when there is
// more or the container has ended, which ended tells. Lines follow from the container's life alone: none are kept.
func (s *Simulator) Output(taskID string) (lines []Line, more <-chan struct{}, ended bool) {
	a := s.agent
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.containers[taskID]
	if c == nil {
		closed := make(chan struct{})
		close(closed)
		return nil, closed, true
	}
	now := time.Now()
	if c.more == nil {
		c.more = make(chan struct{})
		if c.state == api.TaskStateRunning {
			time.AfterFunc(lineEvery-now.Sub(c.running)%lineEvery, func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				c.tellMore()
			})
		}
	}
	if p := podOf(a.store, c.task); p != nil {
		return c.sandboxLines(p), c.more, !c.ended.IsZero()
	}
	return c.lines(now), c.more, !c.ended.IsZero()
}

// tellMore wakes who waits for output. The agent is locked.
func (c *container) tellMore() {
	if c.more != nil {
		close(c.more)
		c.more = nil
	}
}

func (c *container) lines(now time.Time) []Line {
	if c.running.IsZero() {
		return nil
	}
	if !c.ended.IsZero() {
		now = c.ended
	}
	var lines []Line
	for _, text := range c.behaviour.Log {
		lines = append(lines, Line{At: c.running, Text: text})
	}
	if len(lines) == 0 {
		lines = append(lines, Line{At: c.running, Text: fmt.Sprintf("simulated container of %s started", imageOf(c.task))})
	}
	last := int(now.Sub(c.running) / lineEvery)
	for i := max(1, last-linesKept+1); i <= last; i++ {
		lived := time.Duration(i) * lineEvery
		lines = append(lines, Line{At: c.running.Add(lived), Text: fmt.Sprintf("simulated container has run for %s", lived)})
	}
	if !c.ended.IsZero() {
		lines = append(lines, Line{At: now, Stderr: c.code != 0, Text: fmt.Sprintf("simulated container ends with code %d", c.code)})
	}
	return lines
}
