package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/swarmkit/v2/api"
)

// container is the make-believe container of a task. The agent's lock guards it.
type container struct {
	id        string
	pid       int32
	task      *api.Task // as the Swarm last wanted it
	state     api.TaskState
	behaviour Behaviour
	wrong     error // of its labels
	start     time.Duration
	exit      time.Duration
	sick      time.Duration
	halt      time.Duration

	began, running, ended time.Time
	halting               time.Time // since when it has been asked to stop
	killed                bool
	code                  int32

	status *api.TaskStatus // to be reported
	next   time.Time       // when to go on after that
	at     time.Time       // when it is due
	place  int             // among those that are; -1 for none
	more   chan struct{}   // closed when there is more output than when it was asked for
}

// newContainer draws what a task's container is going to do. The agent is locked.
func (a *agent) newContainer(t *api.Task) *container {
	sum := sha256.Sum256([]byte(t.ID))
	c := &container{id: hex.EncodeToString(sum[:]), pid: 1000 + int32(sum[0])<<8 + int32(sum[1]), task: t, state: t.Status.State, place: -1}
	c.behaviour, c.wrong = a.options.Rules.task(t)
	slot := fmt.Sprint(t.ServiceAnnotations.Name, "/", t.Slot)
	if t.Slot == 0 {
		slot = fmt.Sprint(t.ServiceAnnotations.Name, "/", t.NodeID)
	}
	a.attempts[slot]++
	r := chance(a.options.Seed, slot, a.attempts[slot])
	c.start = c.behaviour.Start.draw(r)
	c.exit = c.behaviour.Exit.draw(r)
	c.sick = c.behaviour.Unhealthy.draw(r)
	c.halt = min(c.behaviour.Stop.draw(r), gracePeriod(t))
	return c
}

// Docker's own defaults for what a service does not say.
const (
	defaultGrace    = 10 * time.Second
	defaultInterval = 30 * time.Second
)

// gracePeriod is how long a container may take to stop.
func gracePeriod(t *api.Task) time.Duration {
	if c := t.Spec.GetContainer(); c != nil {
		return durationOf(c.StopGracePeriod, defaultGrace)
	}
	return defaultGrace
}

func durationOf(d *gogotypes.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	got, err := gogotypes.DurationFromProto(d)
	if err != nil || got <= 0 {
		return otherwise
	}
	return got
}

// healthyAfter is when a container's first health check succeeds: at its first interval, which is another while it starts.
// Until then a task is starting.
func healthyAfter(t *api.Task) time.Duration {
	c := t.Spec.GetContainer()
	if c == nil || c.Healthcheck == nil || len(c.Healthcheck.Test) == 0 || c.Healthcheck.Test[0] == "NONE" {
		return 0
	}
	if first := durationOf(c.Healthcheck.StartInterval, 0); first > 0 && durationOf(c.Healthcheck.StartPeriod, 0) > 0 {
		return first
	}
	return durationOf(c.Healthcheck.Interval, defaultInterval)
}

// step brings a container to its next state, or finds out when that is due, which it returns; zero for never by itself.
func (c *container) step(now time.Time) time.Time {
	switch {
	case c.state > api.TaskStateRunning:
		return time.Time{}
	case c.wrong != nil:
		return c.enter(now, api.TaskStateRejected, "preparing", c.wrong.Error())
	case c.task.DesiredState > api.TaskStateCompleted:
		return c.shutDown(now)
	case c.state < api.TaskStatePreparing:
		return c.enter(now, api.TaskStatePreparing, "preparing", "")
	case c.state == api.TaskStatePreparing && c.behaviour.Pull != "":
		return c.enter(now, api.TaskStateRejected, "preparing", c.behaviour.Pull)
	case c.state == api.TaskStatePreparing:
		return c.enter(now, api.TaskStateReady, "prepared", "")
	case c.state == api.TaskStateReady && c.task.DesiredState < api.TaskStateRunning:
		return time.Time{}
	case c.state == api.TaskStateReady:
		c.began = now
		return c.enter(now, api.TaskStateStarting, "starting", "")
	case c.state == api.TaskStateStarting:
		if ready := c.began.Add(max(c.start, healthyAfter(c.task))); now.Before(ready) {
			return ready
		}
		c.running = now
		return c.enter(now, api.TaskStateRunning, "started", "")
	default:
		return c.live(now)
	}
}

// live is a running container: whether it ends, and how.
func (c *container) live(now time.Time) time.Time {
	exits, sickens := c.running.Add(c.exit), c.running.Add(c.sick)
	switch {
	case c.killed:
		return c.fail(now, 137, "")
	case c.behaviour.Exit.said() && !now.Before(exits):
		code := int32(0)
		if c.behaviour.Code != nil {
			code = int32(*c.behaviour.Code)
		}
		if code == 0 {
			return c.enter(now, api.TaskStateCompleted, "finished", "")
		}
		return c.fail(now, code, "")
	case c.behaviour.Unhealthy.said() && !now.Before(sickens):
		return c.fail(now, 137, ": dockerexec: unhealthy container")
	}
	next := time.Time{}
	for at, said := range map[time.Time]bool{exits: c.behaviour.Exit.said(), sickens: c.behaviour.Unhealthy.said()} {
		if said && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

func (c *container) fail(now time.Time, code int32, why string) time.Time {
	c.code = code
	return c.enter(now, api.TaskStateFailed, "started", fmt.Sprintf("task: non-zero exit (%d)%s", code, why))
}

// shutDown ends a container because the Swarm wants it to.
func (c *container) shutDown(now time.Time) time.Time {
	if c.halting.IsZero() {
		c.halting = now
	}
	if end := c.halting.Add(c.halt); c.state >= api.TaskStateStarting && now.Before(end) && !c.killed {
		return end
	}
	return c.enter(now, api.TaskStateShutdown, "shutdown", "")
}

// enter is the next state, to be reported; the container goes on when it has been. It returns zero: there is nothing
// to do until then.
func (c *container) enter(now time.Time, state api.TaskState, message, failure string) time.Time {
	c.state = state
	status := taskStatus(state, message)
	status.Err = failure
	if state >= api.TaskStateStarting && !c.began.IsZero() {
		status.RuntimeStatus = &api.TaskStatus_Container{Container: &api.ContainerStatus{ContainerID: c.id, ExitCode: c.code}}
		status.PortStatus = hostPorts(c.task)
	}
	if state == api.TaskStateRunning {
		status.GetContainer().PID = c.pid
	}
	c.status, c.next = &status, now
	if state > api.TaskStateRunning {
		c.next = time.Time{}
		c.end(now)
	}
	return time.Time{}
}

// end closes the container's output.
func (c *container) end(now time.Time) {
	if c.ended.IsZero() {
		c.ended = now
	}
	c.tellMore()
}

// hostPorts are the ports that a running container has on its node.
func hostPorts(t *api.Task) *api.PortStatus {
	var ports []*api.PortConfig
	for _, p := range portsOf(t.Endpoint) {
		if p.PublishMode == api.PublishModeHost {
			ports = append(ports, p)
		}
	}
	return &api.PortStatus{Ports: ports}
}

// taskStatus is a state as of now.
func taskStatus(state api.TaskState, message string) api.TaskStatus {
	return api.TaskStatus{State: state, Message: message, Timestamp: gogotypes.TimestampNow()}
}
