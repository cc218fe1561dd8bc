package sandbox

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/probe"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"skep/translate/manifest"
)

// probeKind is what a probe is for, as events name it.
type probeKind string

const (
	startupProbe   probeKind = "Startup"
	livenessProbe  probeKind = "Liveness"
	readinessProbe probeKind = "Readiness"
)

// beginProbes is called when the unit's container runs: its startup probe goes first.
func (s *Sandbox) beginProbes(u *unit) {
	ctx, cancel := context.WithCancel(s.work)
	u.probed = cancel
	if u.spec.StartupProbe == nil || u.role == manifest.RoleEphemeral {
		s.begun(ctx, u)
		return
	}
	s.repeat(ctx, u, startupProbe, u.spec.StartupProbe, func(good bool) bool {
		if good {
			s.begun(ctx, u)
		} else {
			s.failed(u, startupProbe, u.spec.StartupProbe)
		}
		return false
	})
}

// begun is called when the unit's container has started, as its startup probe sees it.
func (s *Sandbox) begun(ctx context.Context, u *unit) {
	u.started, u.everStarted = true, true
	u.ready = u.spec.ReadinessProbe == nil
	if u.once() || u.role == manifest.RoleEphemeral {
		return
	}
	if p := u.spec.ReadinessProbe; p != nil {
		s.repeat(ctx, u, readinessProbe, p, func(good bool) bool {
			u.ready = good
			return true
		})
	}
	if p := u.spec.LivenessProbe; p != nil {
		s.repeat(ctx, u, livenessProbe, p, func(good bool) bool {
			if !good {
				s.failed(u, livenessProbe, p)
			}
			return good
		})
	}
}

// failed kills the container of which a liveness or startup probe has failed too often. A Pod that ends is left in peace.
func (s *Sandbox) failed(u *unit, kind probeKind, p *corev1.Probe) {
	if s.ending != nil || u.phase != running || u.killing {
		return
	}
	who, what := "Container", "liveness"
	if u.role == manifest.RoleInit {
		who = "Init container"
	}
	if kind == startupProbe {
		what = "startup"
	}
	message := fmt.Sprintf("%s %s failed %s probe", who, u.spec.Name, what)
	// A container that is killed leaves with a code that is not 0; its rules are not asked, since it has none yet.
	if u.role == manifest.RoleContainer && restartable(&corev1.Container{RestartPolicy: u.spec.RestartPolicy}, s.Pod.Spec.RestartPolicy, 137) {
		message += ", will be restarted"
	}
	u.probeKilled = true
	s.kill(u, killing{message: message, failed: p})
}

// repeat probes the unit's container until the context ends or done is false. That is called in the loop whenever one of
// the thresholds is reached.
func (s *Sandbox) repeat(ctx context.Context, u *unit, kind probeKind, p *corev1.Probe, done func(good bool) bool) {
	c, id := u.spec, u.id
	delay := time.Until(u.startedAt.Add(seconds(p.InitialDelaySeconds)))
	go func() {
		if !sleep(ctx, max(delay, 0)) {
			return
		}
		tick := time.NewTicker(seconds(max(p.PeriodSeconds, 1)))
		defer tick.Stop()
		var run streak
		// Of a Pod that ends only the readiness is of interest.
		for kind == readinessProbe || s.life.Err() == nil {
			if good, ok := s.once(ctx, u, c, id, kind, p); ok && run.reaches(good, p) && !s.ask(ctx, done, good) {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// ask is what done says of it in the loop.
func (s *Sandbox) ask(ctx context.Context, done func(good bool) bool, good bool) bool {
	answer := make(chan bool, 1)
	s.post(func() { answer <- ctx.Err() == nil && done(good) })
	select {
	case more := <-answer:
		return more
	case <-ctx.Done():
		return false
	}
}

// once probes once and tells the event; ok is false if there is no answer.
func (s *Sandbox) once(ctx context.Context, u *unit, c *corev1.Container, id string, kind probeKind, p *corev1.Probe) (good, ok bool) {
	result, output, err := s.probe(ctx, c, id, p)
	if ctx.Err() != nil {
		return false, false
	}
	if err != nil {
		s.tell(u, corev1.EventTypeWarning, "Unhealthy", fmt.Sprintf("%s probe errored and resulted in %s state: %v", kind, result, err))
		return false, false
	}
	switch result {
	case probe.Success:
		return true, true
	case probe.Warning:
		s.tell(u, corev1.EventTypeWarning, "ProbeWarning", fmt.Sprintf("%s probe warning: %s", kind, output))
		return true, true
	case probe.Failure:
		s.tell(u, corev1.EventTypeWarning, "Unhealthy", fmt.Sprintf("%s probe failed: %s", kind, output))
		return false, true
	default:
		return false, true
	}
}

// streak counts equal answers in a row.
type streak struct {
	good  bool
	count int32
}

// reaches says whether the answer, with those before it, is as many as the probe's threshold asks for.
func (r *streak) reaches(good bool, p *corev1.Probe) bool {
	if r.count == 0 || r.good != good {
		*r = streak{good: good}
	}
	r.count++
	if good {
		return r.count >= p.SuccessThreshold
	}
	return r.count >= p.FailureThreshold
}

// expandStatic expands $(NAME) in a probe's command, by the variables that the container's spec gives a value.
func expandStatic(command []string, env []corev1.EnvVar) []string {
	values := map[string]string{}
	for _, v := range env {
		if v.ValueFrom == nil {
			values[v.Name] = v.Value
		}
	}
	mapping := expansion.MappingFuncFor(values)
	out := make([]string, len(command))
	for i, word := range command {
		out[i] = expansion.Expand(word, mapping)
	}
	return out
}
