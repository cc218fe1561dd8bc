package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/swarm/sandbox/spec"
	"skep/translate/manifest"
)

// startError is why a container does not run.
type startError struct {
	reason, message string        // of the waiting state
	event           string        // of the event Failed; "" for none
	retry           time.Duration // until the next try; 0: retryDelay
	state           corev1.ContainerStateTerminated
	stage           stage
}

// stage is how far a start came before it failed.
type stage int

const (
	beforeCreate stage = iota
	notStarted         // there is a container, which the Engine cannot run
	hookFailed         // it runs, its postStart hook has failed
)

// retryDelay is how long a kubelet waits before it tries again what is no matter of a back-off.
const retryDelay = 10 * time.Second

// start begins to start the unit's next container.
func (s *Sandbox) start(u *unit) {
	s.starting = u
	attempt := u.attempts
	targetID, err := s.targetOf(u)
	go func() {
		var started time.Time
		if err == nil {
			started, err = s.launch(s.life, u, attempt, targetID)
		}
		s.post(func() { s.launched(u, started, err) })
	}()
}

// targetOf is the container whose process namespace the unit joins, "" for none.
func (s *Sandbox) targetOf(u *unit) (string, *startError) {
	if u.target == "" {
		return "", nil
	}
	if t := s.named(u.target); t != nil && t.alive() {
		return t.id, nil
	}
	m := fmt.Sprintf("unable to find target container %q", u.target)
	return "", &startError{reason: "CreateContainerConfigError", message: m, event: "Error: " + m}
}

// launch takes the unit from its image to a container that runs and whose postStart hook is over. It runs beside the loop.
func (s *Sandbox) launch(ctx context.Context, u *unit, attempt int, target string) (time.Time, *startError) {
	image, fail := s.ensure(ctx, u)
	if fail != nil {
		return time.Time{}, fail
	}
	id, fail := s.create(ctx, u, image, attempt, target)
	if fail != nil {
		return time.Time{}, fail
	}
	s.post(func() { s.discard(u.made(id, image.ID, s.containerStatus(u))) })
	s.tell(u, corev1.EventTypeNormal, "Created", "Container created")
	if err := s.Engine.Start(ctx, id); err != nil {
		return time.Time{}, &startError{
			reason: "RunContainerError", message: words(err), event: "Error: " + words(err), stage: notStarted,
			state: corev1.ContainerStateTerminated{
				ExitCode: 128, Reason: "StartError", Message: words(err), FinishedAt: metav1.Now(),
			},
		}
	}
	started := time.Now()
	s.tell(u, corev1.EventTypeNormal, "Started", "Container started")
	if l := u.spec.Lifecycle; l != nil && l.PostStart != nil {
		if err := s.hook(ctx, u.spec, id, l.PostStart); err != nil && ctx.Err() == nil {
			s.tell(u, corev1.EventTypeWarning, "FailedPostStartHook", "PostStartHook failed")
			return started, &startError{reason: "PostStartHookError", message: err.Error(), stage: hookFailed}
		}
	}
	state, err := s.Engine.State(ctx, id)
	switch {
	case err != nil:
		return started, nil // an event, or the next look at all, will tell
	case !state.Running:
		s.post(func() { s.examine(id, state) })
	}
	return state.StartedAt, nil
}

// create makes the container of what the Pod's maker says, with the labels by which it is found.
func (s *Sandbox) create(ctx context.Context, u *unit, image Image, attempt int, target string) (string, *startError) {
	config, host, err := s.Maker.Container(u.spec, image.Config, attempt)
	if err != nil {
		reason := "CreateContainerError"
		if _, ok := errors.AsType[*spec.ConfigError](err); ok {
			reason = "CreateContainerConfigError"
		}
		return "", &startError{reason: reason, message: err.Error(), event: "Error: " + err.Error()}
	}
	labels := maps.Clone(config.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		manifest.LabelSandbox:      s.Sandbox,
		manifest.LabelRole:         u.role,
		manifest.LabelContainer:    u.spec.Name,
		manifest.LabelPodName:      s.Pod.Name,
		manifest.LabelPodNamespace: s.Pod.Namespace,
		manifest.LabelPodUID:       string(s.Pod.UID),
		manifest.LabelAttempt:      strconv.Itoa(attempt),
	})
	config.Labels = labels
	host.NetworkMode = container.NetworkMode("container:" + s.Sandbox)
	if target != "" {
		host.PidMode = container.PidMode("container:" + target)
	}
	id, err := s.Engine.Create(ctx, s.containerName(u, attempt), config, host)
	if err != nil {
		return "", &startError{reason: "CreateContainerError", message: words(err), event: "Error: " + words(err)}
	}
	return id, nil
}

// containerName is unique on the node: it has the sandbox's ID and not the Pod's UID, because a bare Pod keeps its UID when
// Swarm starts its task anew, and the containers of before are kept as long as the task is.
func (s *Sandbox) containerName(u *unit, attempt int) string {
	return fmt.Sprintf("k8s_%s_%s_%s_%.12s_%d", u.spec.Name, s.Pod.Name, s.Pod.Namespace, s.Sandbox, attempt)
}

// launched takes the outcome of a start into the loop.
func (s *Sandbox) launched(u *unit, started time.Time, fail *startError) {
	s.starting = nil
	if fail == nil {
		u.waiting, u.retry = nil, time.Time{}
		if u.phase == starting {
			u.phase, u.startedAt = running, started
			s.beginProbes(u)
		}
		return
	}
	if s.ending != nil {
		return // what has been given up tells nothing; a container that was made is ended with the others
	}
	if fail.event != "" {
		s.event(u, corev1.EventTypeWarning, "Failed", fail.event)
	}
	u.waiting = &corev1.ContainerStateWaiting{Reason: fail.reason, Message: fail.message}
	switch fail.stage {
	case beforeCreate:
		if fail.retry == 0 {
			fail.retry = retryDelay
		}
		s.postpone(u, fail.retry, fail.reason, fail.message)
	case notStarted:
		if u.alive() {
			u.ended(fail.state)
		}
	case hookFailed:
		if u.alive() {
			u.phase, u.startedAt = running, started
			s.kill(u, killing{message: "FailedPostStartHook"})
		}
	}
}
