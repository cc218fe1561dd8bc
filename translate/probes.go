package translate

import (
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// Docker's defaults for a health check that says less (moby, daemon/health.go).
const (
	dockerHealthPeriod  = 30 * time.Second
	dockerHealthRetries = 3
)

// putHealth makes Docker's one health check of the liveness probe, and of the startup probe that runs the
// same command. A task counts as running once it is healthy, so readiness by that command comes free.
func (p *putter) putHealth() {
	live, start, ready := p.c.LivenessProbe, p.c.StartupProbe, p.c.ReadinessProbe
	for _, other := range []struct {
		name  string
		probe *corev1.Probe
	}{{"startupProbe", start}, {"readinessProbe", ready}} {
		p.likeLiveness(p.cAt.Child(other.name), other.probe, live)
	}
	if live == nil || live.Exec == nil {
		return
	}
	p.spec.Healthcheck = &container.HealthConfig{
		Test:        healthTest(p.probeCommand(live.Exec.Command)),
		Interval:    seconds(live.PeriodSeconds),
		Timeout:     seconds(live.TimeoutSeconds),
		Retries:     int(live.FailureThreshold),
		StartPeriod: seconds(live.InitialDelaySeconds),
	}
	if start != nil {
		grace := seconds(start.InitialDelaySeconds) + seconds(start.PeriodSeconds)*time.Duration(start.FailureThreshold)
		p.spec.Healthcheck.StartPeriod = max(grace, p.spec.Healthcheck.StartPeriod)
	}
}

// healthTest is a probe's command as Docker's tools write it: one for the shell is healthCommand's CMD-SHELL.
func healthTest(command []string) []string {
	if len(command) == 3 && command[0] == "/bin/sh" && command[1] == "-c" {
		return []string{"CMD-SHELL", command[2]}
	}
	return append([]string{"CMD"}, command...)
}

// likeLiveness refuses a probe that asks something else than the liveness probe: Docker runs one check.
func (p *putter) likeLiveness(at *field.Path, probe, live *corev1.Probe) {
	if probe == nil || probe.Exec == nil {
		return // the other handlers have fates of their own
	}
	if live == nil || live.Exec == nil || !slices.Equal(probe.Exec.Command, live.Exec.Command) {
		p.refuse(at.Child("exec", "command"), "differs from the livenessProbe's, and Docker runs one check a container: give both the same command, or let the Pod have a sandbox")
	}
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// probeCommand expands $(VAR) from the literal variables only, as the kubelet does for probes.
func (p *putter) probeCommand(words []string) []string {
	static := map[string]string{}
	for _, e := range p.c.Env {
		if e.ValueFrom == nil {
			static[e.Name] = e.Value
		}
	}
	var out []string
	for _, w := range words {
		out = append(out, expansion.Expand(w, expansion.MappingFuncFor(static)))
	}
	return out
}

// healthAt leaves out what Kubernetes cannot say, the start interval.
func healthAt(s *swarm.TaskSpec) any {
	h := containerSpec(s).Healthcheck
	if h == nil {
		return nil
	}
	return []any{h.Test, h.Interval, h.Timeout, h.Retries, h.StartPeriod}
}

func getHealth(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	c := podContainer(o)
	command := healthCommand(containerSpec(s).Healthcheck)
	same := func(probe *corev1.Probe) bool {
		return probe != nil && probe.Exec != nil && slices.Equal(probe.Exec.Command, command)
	}
	if command == nil {
		c.LivenessProbe, c.StartupProbe, c.ReadinessProbe = nil, nil, nil
		return
	}
	if !same(c.ReadinessProbe) {
		c.ReadinessProbe = nil
	}
	// The start period is the liveness probe's delay from now on.
	c.StartupProbe = nil
	h := containerSpec(s).Healthcheck
	c.LivenessProbe = &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}},
		InitialDelaySeconds: int32(ceilSeconds(h.StartPeriod)),
		PeriodSeconds:       int32(ceilSeconds(orDefault(h.Interval, dockerHealthPeriod))),
		TimeoutSeconds:      int32(ceilSeconds(orDefault(h.Timeout, dockerHealthPeriod))),
		FailureThreshold:    int32(orDefault(h.Retries, dockerHealthRetries)),
		SuccessThreshold:    1,
	}
}

// healthCommand is the check's command as Kubernetes writes one; nil for none, and for the image's own.
func healthCommand(h *container.HealthConfig) []string {
	if h == nil || len(h.Test) < 2 {
		return nil
	}
	switch h.Test[0] {
	case "CMD":
		return allDollars(h.Test[1:])
	case "CMD-SHELL":
		return allDollars([]string{"/bin/sh", "-c", h.Test[1]}) // and back: healthTest
	}
	return nil
}

func orDefault[T ~int | ~int64](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}
