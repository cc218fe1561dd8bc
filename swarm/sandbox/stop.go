package sandbox

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// minGrace is what a container always gets between its stop signal and KILL, in seconds.
const minGrace = 2

// killing is how and why a container is ended.
type killing struct {
	message string // of the event; "" for a container that ends with its Pod
	grace   *int64 // in seconds; nil: the Pod's
	// failed is the probe that wants it.
	failed *corev1.Probe
}

// kill ends the unit's container beside the loop, if that is not on its way already.
func (s *Sandbox) kill(u *unit, k killing) {
	if u.killing {
		return
	}
	u.killing = true
	if k.message == "" {
		k.message = "Stopping container " + u.spec.Name
	}
	s.event(u, corev1.EventTypeNormal, "Killing", k.message)
	grace := s.grace(k)
	id, dead, c := u.id, u.dead, u.spec
	before := s.before(u)
	go func() {
		deadline := time.Now().Add(grace)
		if c.Lifecycle != nil && c.Lifecycle.PreStop != nil && grace > 0 {
			s.preStop(u, c, id, grace)
		}
		await(before, deadline)
		s.stop(id, dead, max(time.Until(deadline), minGrace*time.Second))
	}()
}

// grace is the time for the preStop hook and what follows the stop signal.
func (s *Sandbox) grace(k killing) time.Duration {
	switch {
	case k.grace != nil:
		return seconds(*k.grace)
	case k.failed != nil && k.failed.TerminationGracePeriodSeconds != nil:
		return seconds(*k.failed.TerminationGracePeriodSeconds)
	case s.Pod.Spec.TerminationGracePeriodSeconds != nil:
		return seconds(*s.Pod.Spec.TerminationGracePeriodSeconds)
	default:
		return seconds(int64(corev1.DefaultTerminationGracePeriodSeconds))
	}
}

// before are the ends that a sidecar waits for when its Pod ends: of all containers, and of the sidecars behind it.
func (s *Sandbox) before(u *unit) []chan struct{} {
	if s.ending == nil || !u.sidecar() {
		return nil
	}
	var ends []chan struct{}
	behind := false
	for _, other := range s.units {
		if other.alive() && (other.role == manifest.RoleContainer || behind && other.sidecar()) {
			ends = append(ends, other.dead)
		}
		behind = behind || other == u
	}
	return ends
}

func await(ends []chan struct{}, deadline time.Time) {
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	for _, end := range ends {
		select {
		case <-end:
		case <-late.C:
			return
		}
	}
}

// stop asks the Engine until the container has ended: the Engine may be restarting.
func (s *Sandbox) stop(id string, dead chan struct{}, grace time.Duration) {
	for {
		err := s.Engine.Stop(s.work, id, grace)
		if err == nil || isMissing(err) {
			s.observeEnd(id, err)
		} else {
			s.Log.Printf("cannot stop container %s, trying again: %v", id, err)
		}
		again := time.NewTimer(time.Second)
		select {
		case <-dead:
			again.Stop()
			return
		case <-s.work.Done():
			again.Stop()
			return
		case <-again.C:
		}
	}
}

// observeEnd looks at a container that the Engine says is stopped; one that never ran is taken as ended, too.
func (s *Sandbox) observeEnd(id string, err error) {
	if err != nil {
		s.post(func() { s.died(id, vanished()) })
		return
	}
	state, err := s.Engine.State(s.work, id)
	if err == nil && !state.Running && state.FinishedAt.Year() <= 1 {
		state.FinishedAt, state.ExitCode = time.Now(), 137
		s.post(func() { s.died(id, terminated(state, "")) })
		return
	}
	s.observe(id)
}

// preStop runs the hook, at most for the grace period. What it says is for nobody's eyes: it may have secrets.
func (s *Sandbox) preStop(u *unit, c *corev1.Container, id string, grace time.Duration) {
	ctx, cancel := context.WithTimeout(s.work, grace)
	defer cancel()
	err := s.hook(ctx, c, id, c.Lifecycle.PreStop)
	if err == nil || ctx.Err() != nil {
		return
	}
	s.Log.Printf("preStop hook of container %s failed", c.Name)
	s.post(func() { s.event(u, corev1.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed") })
}

// exitCode is what Swarm is told. It starts a task again by its restart policy, which is made of the Pod's: so a Pod that is
// over for good has to look as if it had succeeded where Swarm restarts what failed.
func (s *Sandbox) exitCode() int {
	switch {
	case s.status.Phase == corev1.PodSucceeded:
		return 0
	case s.ending.stopped:
		return 143
	case s.ending.reason == deadlineReason && s.Pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure:
		return 0
	default:
		return 1
	}
}
