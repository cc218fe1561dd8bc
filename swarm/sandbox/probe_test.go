package sandbox

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// execProbe runs a command, with thresholds for failure and success.
func execProbe(command string, failures, successes int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{command}}},
		PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: failures, SuccessThreshold: successes,
	}
}

func TestReadinessFollowsItsThresholds(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a")
	pod.Spec.Containers[0].ReadinessProbe = execProbe("ready", 3, 2)
	pod.Spec.Containers[0].ReadinessProbe.InitialDelaySeconds = 10
	var from, to time.Time
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		from, to = time.Now().Add(20500*time.Millisecond), time.Now().Add(30500*time.Millisecond)
		e.exec = func(*fakeContainer, []string) (int, string, time.Duration) {
			if now := time.Now(); now.After(from) && now.Before(to) {
				return 1, "busy", 0
			}
			return 0, "", 0
		}
	}, func(l *life) {
		for _, c := range []struct {
			at    time.Duration
			ready bool
		}{{9, false}, {10, false}, {12, true}, {22, true}, {24, false}, {31, false}, {33, true}} {
			l.pass(time.Until(from.Add(-20500*time.Millisecond + c.at*time.Second)))
			equal(t, "ready", l.container("a").Ready, c.ready)
			equal(t, "started", *l.container("a").Started, true)
		}
		equal(t, "event", l.events("Unhealthy")[0], "Readiness probe failed: busy")
		// What has not changed keeps its time.
		since := condition(t, l.status(), corev1.PodReady).LastTransitionTime.Sub(condition(t, l.status(), corev1.PodInitialized).LastTransitionTime.Time)
		equal(t, "from the Pod's start to its last readiness", since, 32*time.Second)
		equal(t, "restarts", l.container("a").RestartCount, 0)
	})
}

func TestLivenessFailureRestarts(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a")
	p := execProbe("alive", 3, 1)
	grace := int64(7)
	p.TerminationGracePeriodSeconds = &grace
	pod.Spec.Containers[0].LivenessProbe = p
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["a"] = []run{{lingers: stubborn}, {}}
		e.exec = func(c *fakeContainer, _ []string) (int, string, time.Duration) {
			if c.run.lingers > 0 {
				return 0, "", time.Minute // it hangs
			}
			return 0, "", 0
		}
	}, func(l *life) {
		l.pass(30 * time.Second)
		equalAll(t, "what happened", l.engine.traced("start", "stop", "end"), "start a", "stop a 7s", "end a", "start a")
		equal(t, "restarts", l.container("a").RestartCount, 1)
		equal(t, "last", l.container("a").LastTerminationState.Terminated.ExitCode, 137)
		equalAll(t, "killing", l.events("Killing"), "Container a failed liveness probe, will be restarted")
		equal(t, "event", l.events("Unhealthy")[0], `Liveness probe failed: command timed out: "alive" timed out after 1s`)
	})
}

// A container that its liveness probe kills now and then is back at once: the back-off counts from the end before.
func TestLivenessRestartsAreNotHeldUp(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a")
	pod.Spec.Containers[0].LivenessProbe = execProbe("alive", 1, 1)
	pod.Spec.Containers[0].LivenessProbe.InitialDelaySeconds = 15
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.exec = func(*fakeContainer, []string) (int, string, time.Duration) { return 1, "dead", 0 }
	}, func(l *life) {
		l.pass(47 * time.Second)
		equal(t, "restarts", l.container("a").RestartCount, 3)
		equal(t, "runs", l.container("a").State.Running != nil, true)
	})
}

func TestStartupProbeGoesFirst(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a", "b")
	a, b := &pod.Spec.Containers[0], &pod.Spec.Containers[1]
	a.StartupProbe, a.LivenessProbe = execProbe("started", 60, 1), execProbe("alive", 1, 1)
	b.StartupProbe = execProbe("never", 5, 1)
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		began := time.Now()
		e.exec = func(_ *fakeContainer, command []string) (int, string, time.Duration) {
			// Until it has started a is not alive, either.
			if command[0] == "never" || time.Since(began) < 20*time.Second {
				return 1, "no", 0
			}
			return 0, "", 0
		}
	}, func(l *life) {
		l.pass(4500 * time.Millisecond)
		equal(t, "a started", *l.container("a").Started, false)
		equal(t, "a ready", l.container("a").Ready, false)
		l.pass(30 * time.Second)
		equal(t, "a started", *l.container("a").Started, true)
		equal(t, "a restarts", l.container("a").RestartCount, 0)
		equal(t, "b was restarted", l.container("b").RestartCount > 0, true)
		equal(t, "killing", l.events("Killing")[0], "Container b failed startup probe, will be restarted")
	})
}

// Events that come again and again do not fill the log.
func TestEventsAreLimited(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a")
	pod.Spec.Containers[0].ReadinessProbe = execProbe("ready", 3, 1)
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.exec = func(*fakeContainer, []string) (int, string, time.Duration) { return 1, "no", 0 }
	}, func(l *life) {
		l.pass(time.Hour)
		if n := len(l.events("Unhealthy")); n < 25 || n > 25+12+1 {
			t.Errorf("%d events in an hour, want 25 and then one in five minutes", n)
		}
	})
}
