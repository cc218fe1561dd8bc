package sandbox

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// sync sets going what the Pod wants and what is not on its way yet.
func (s *Sandbox) sync() {
	switch {
	case s.over:
	case s.ending != nil:
		s.over = s.windDown(killing{})
	case !s.mounted:
	case s.resetting:
		s.reset()
	default:
		s.keepUp()
	}
}

// keepUp starts what is missing, or ends the Pod when nothing is left to do.
func (s *Sandbox) keepUp() {
	missing, verdict := wanted(s.units, s.initialized, s.Pod.Spec.RestartPolicy)
	switch verdict {
	case initFailed:
		s.finish(ending{failed: true})
		s.over = s.windDown(killing{})
		return
	case finished:
		s.finish(ending{})
		s.over = s.windDown(killing{})
		return
	case initializing:
	case initialized:
		s.initialized = true
	}
	now := time.Now()
	for _, u := range missing {
		if s.starting != nil {
			return
		}
		if s.due(u, now) {
			s.start(u)
		}
	}
}

// verdict is how far a Pod is.
type verdict int

const (
	initializing verdict = iota
	initialized          // its containers may run
	initFailed           // an init container failed for good
	finished             // no container runs, and none is to be started
)

// wanted are the units to be started, in that order, and how far the Pod is.
func wanted(units []*unit, hasInitialized bool, policy corev1.RestartPolicy) ([]*unit, verdict) {
	var missing []*unit
	for _, u := range units {
		if u.role == manifest.RoleEphemeral && u.phase == idle {
			missing = append(missing, u)
		}
	}
	if hasInitialized {
		for _, u := range units {
			if u.sidecar() && !u.alive() {
				missing = append(missing, u)
			}
		}
	} else {
		inits, v := wantedInits(units, policy)
		missing = append(missing, inits...)
		if v != initialized {
			return missing, v
		}
	}
	alive := false
	for _, u := range units {
		if u.role != manifest.RoleContainer {
			continue
		}
		if !u.alive() && again(u, policy) {
			missing = append(missing, u)
		} else if !u.alive() {
			continue
		}
		alive = true
	}
	if !alive {
		return nil, finished
	}
	return missing, initialized
}

// wantedInits are those of a Pod whose containers have not been started yet: one after the other, and the sidecars that
// have been started once are kept running.
func wantedInits(units []*unit, policy corev1.RestartPolicy) ([]*unit, verdict) {
	var missing []*unit
	for _, u := range units {
		switch {
		case u.role != manifest.RoleInit || u.succeeded() && u.once():
		case u.alive():
			if !u.sidecar() || !u.everStarted {
				return missing, initializing
			}
		case !again(u, policy):
			return nil, initFailed
		default:
			missing = append(missing, u)
			if !u.everStarted || u.once() {
				return missing, initializing
			}
		}
	}
	return missing, initialized
}

// again says whether a unit that does not run is to be started.
func again(u *unit, policy corev1.RestartPolicy) bool {
	return u.phase == idle || restartable(u.spec, policy, u.end.ExitCode)
}

// due says whether the unit may be started now. If it has to wait, the loop will look again.
func (s *Sandbox) due(u *unit, now time.Time) bool {
	if now.Before(u.retry) {
		return false
	}
	if u.phase != exited || u.cleared {
		return true
	}
	failed := u.end.FinishedAt.Time
	if u.probeKilled {
		// A kubelet decides on the restart before it kills: by the end of the container before this one.
		u.probeKilled = false
		if u.last == nil {
			u.cleared = true
			return true
		}
		if u.crash.left(now, u.last.FinishedAt.Time) == 0 {
			failed = u.last.FinishedAt.Time
		}
	}
	if wait := u.crash.left(now, failed); wait > 0 {
		s.postpone(u, wait, "CrashLoopBackOff",
			fmt.Sprintf("back-off %v restarting failed container=%s pod=%s", u.crash.delay, u.spec.Name, s.fullName()))
		s.event(u, corev1.EventTypeWarning, "BackOff",
			fmt.Sprintf("Back-off restarting failed container %s in pod %s", u.spec.Name, s.fullName()))
		return false
	}
	u.crash.next(now, failed)
	u.cleared = true
	return true
}

// postpone puts off the next try to start the unit.
func (s *Sandbox) postpone(u *unit, wait time.Duration, reason, message string) {
	u.waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
	u.retry = time.Now().Add(wait)
	s.after(wait, nil)
}

// fullName is the Pod as a kubelet's messages name it.
func (s *Sandbox) fullName() string {
	return fmt.Sprintf("%s_%s(%s)", s.Pod.Name, s.Pod.Namespace, s.Pod.UID)
}

// finish begins the Pod's end; what is on its way to be started is given up. A later reason counts only if it comes from
// outside: then nothing may be left.
func (s *Sandbox) finish(e ending) {
	s.endLife()
	if s.ending == nil {
		s.ending = &e
	} else if e.stopped {
		s.ending.stopped = true
	}
}

// windDown ends all containers that run, and is true when none is left.
func (s *Sandbox) windDown(k killing) bool {
	if s.starting != nil {
		return false
	}
	left := false
	for _, u := range s.units {
		if u.alive() {
			left = true
			s.kill(u, k)
		}
	}
	return !left
}

// reset ends and removes all containers of the Pod but its ephemeral ones, and begins anew, as the restart rule
// RestartAllContainers wants it.
func (s *Sandbox) reset() {
	left := s.starting != nil
	for _, u := range s.units {
		if u.role != manifest.RoleEphemeral && u.alive() {
			left = true
			s.kill(u, killing{message: "killing", grace: new(int64)})
		}
	}
	if left {
		return
	}
	s.resetting, s.initialized = false, false
	for _, u := range s.units {
		if u.role == manifest.RoleEphemeral {
			continue
		}
		for _, id := range []string{u.id, u.previous} {
			s.discard(id)
		}
		u.forget()
	}
	s.keepUp()
}

// discard removes a container that nobody needs any more, beside the loop.
func (s *Sandbox) discard(id string) {
	if id == "" {
		return
	}
	go func() {
		if err := s.Engine.Remove(s.work, id); err != nil && s.work.Err() == nil {
			s.Log.Printf("cannot remove container %s, which goes with the sandbox: %v", id, err)
		}
	}()
}

// removeAll removes all that the sandbox has made. What the Engine does not let go of is the next Reap's.
func (s *Sandbox) removeAll() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.work), 10*time.Second)
	defer cancel()
	ids, err := s.Engine.Siblings(ctx, s.Sandbox)
	if err != nil {
		s.Log.Printf("cannot list the pod's containers: %v", err)
	}
	done := make(chan error, len(ids))
	for _, id := range ids {
		go func() { done <- s.Engine.Remove(ctx, id) }()
	}
	for range ids {
		if err := <-done; err != nil {
			s.Log.Printf("cannot remove a container of the pod: %v", err)
		}
	}
}
