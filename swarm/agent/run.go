package agent

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"k8s.io/klog/v2"
)

// settleTime is how long the reaper waits after a container's end for others: a Pod's end together.
const settleTime = 200 * time.Millisecond

// Pauses after a failure of the reaper.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// Run is the node's reaper, until ctx ends: it takes away what sandboxes and agents left that are no more, at start and
// whenever a container ends. Its error is that of ctx.
func (a *Agent) Run(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		began := time.Now()
		if err := a.reapOnEvents(ctx); ctx.Err() == nil {
			a.log(err, "what is left of Pods that ended is not taken away at the moment", "retry", pause)
		}
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// reapOnEvents follows the Engine's events until something fails. It subscribes first, so that nothing happens unseen.
func (a *Agent) reapOnEvents(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended, failed := a.docker.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)),
		filters.Arg("event", string(events.ActionDie)), filters.Arg("event", string(events.ActionDestroy)),
	)})
	if err := a.reap(ctx); err != nil {
		return err
	}
	settled := time.NewTimer(0)
	settled.Stop()
	for waiting := false; ; {
		select {
		case <-ended:
			if !waiting {
				waiting = true
				settled.Reset(settleTime)
			}
		case <-settled.C:
			waiting = false
			if err := a.reap(ctx); err != nil {
				return err
			}
		case err := <-failed:
			return err
		}
	}
}

func (a *Agent) reap(ctx context.Context) error {
	if a.options.Reap != nil {
		if err := a.options.Reap(ctx); err != nil {
			return err
		}
	}
	return a.sweep(ctx)
}

func (a *Agent) log(err error, message string, keysAndValues ...any) {
	klog.ErrorS(err, message, append([]any{"node", a.options.Node}, keysAndValues...)...)
}
