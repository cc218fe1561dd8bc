package sandbox

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"skep/swarm/sandbox/spec"
	"skep/translate/manifest"
)

func condition(t *testing.T, st corev1.PodStatus, kind corev1.PodConditionType) corev1.PodCondition {
	t.Helper()
	for _, c := range st.Conditions {
		if c.Type == kind {
			return c
		}
	}
	t.Fatalf("no condition %s", kind)
	return corev1.PodCondition{}
}

func TestInitContainersRunOneAfterTheOther(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a", "b")
	pod.Spec.InitContainers = []corev1.Container{app("one"), app("two")}
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["one"] = []run{{lasts: time.Second, code: 1}, {lasts: time.Second}}
		e.runs["two"] = []run{{lasts: time.Minute}}
	}, func(l *life) {
		l.pass(30 * time.Second)
		equal(t, "phase", l.status().Phase, corev1.PodPending)
		c := condition(t, l.status(), corev1.PodInitialized)
		equal(t, "Initialized", c.Reason+" "+c.Message, "ContainersNotInitialized containers with incomplete status: [two]")
		equal(t, "init container that runs is ready", l.container("two").Ready, false)
		equal(t, "a waits for", l.container("a").State.Waiting.Reason, "PodInitializing")
		equal(t, "restarts of one", l.container("one").RestartCount, 1)
		l.pass(time.Minute)
		equalAll(t, "order", l.engine.traced("start", "end"),
			"start one", "end one", "start one", "end one", "start two", "end two", "start a", "start b")
		equal(t, "phase", l.status().Phase, corev1.PodRunning)
		equal(t, "ready", condition(t, l.status(), corev1.PodReady).Status, corev1.ConditionTrue)
	})
}

func TestFailedInitContainerFailsThePod(t *testing.T) {
	pod := podOf(corev1.RestartPolicyNever, "a")
	pod.Spec.InitContainers = []corev1.Container{sidecar("side"), app("one")}
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["one"] = []run{{lasts: time.Second, code: 3, message: "no database"}}
	}, func(l *life) {
		l.pass(time.Minute)
		equal(t, "exit code", l.exited(), 1)
		equal(t, "phase", l.status().Phase, corev1.PodFailed)
		equal(t, "message", l.container("one").State.Terminated.Message, "no database")
		equal(t, "exit code of one", l.container("one").State.Terminated.ExitCode, 3)
		equalAll(t, "order", l.engine.traced("start", "end"), "start side", "start one", "end one", "end side")
		equal(t, "containers left for their logs", len(l.engine.containers), 2)
	})
}

func TestSidecarsStopLastInReverseOrder(t *testing.T) {
	pod := podOf(corev1.RestartPolicyNever, "a")
	pod.Spec.InitContainers = []corev1.Container{sidecar("s1"), app("one"), sidecar("s2")}
	pod.Spec.InitContainers[0].StartupProbe = execProbe("up", 1, 1)
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["one"] = []run{{lasts: time.Second}}
		e.runs["a"] = []run{{lasts: time.Minute}}
		e.runs["s2"] = []run{{lingers: 5 * time.Second}}
		ready := time.Now().Add(10 * time.Second)
		e.exec = func(*fakeContainer, []string) (int, string, time.Duration) {
			if time.Now().Before(ready) {
				return 1, "not yet", 0
			}
			return 0, "", 0
		}
		pod.Spec.InitContainers[0].StartupProbe.FailureThreshold = 60
	}, func(l *life) {
		l.pass(5 * time.Second)
		equalAll(t, "before s1 has started", l.engine.traced("start"), "start s1")
		l.pass(10 * time.Minute)
		equal(t, "exit code", l.exited(), 0)
		equal(t, "phase", l.status().Phase, corev1.PodSucceeded)
		equalAll(t, "order", l.engine.traced("start", "end"), "start s1", "start one", "end one", "start s2", "start a",
			"end a", "end s2", "end s1")
	})
}

func TestCrashingContainerBacksOff(t *testing.T) {
	live(t, podOf(corev1.RestartPolicyAlways, "a", "b"), func(e *fakeEngine, _ *fakeMaker) {
		e.runs["a"] = []run{{lasts: time.Second, code: 1, log: "panic"}}
	}, func(l *life) {
		l.pass(5 * time.Second)
		// The first restart is at once, the second after 10 s.
		equal(t, "restarts", l.container("a").RestartCount, 1)
		w := l.container("a").State.Waiting
		if w == nil {
			t.Fatal("a does not wait")
		}
		equal(t, "reason", w.Reason, "CrashLoopBackOff")
		equal(t, "message", w.Message, "back-off 10s restarting failed container=a pod=web_shop(u1)")
		equal(t, "last state", l.container("a").LastTerminationState.Terminated.Reason, "Error")
		equal(t, "phase", l.status().Phase, corev1.PodRunning)
		equal(t, "Ready", condition(t, l.status(), corev1.PodReady).Message, "containers with unready status: [a]")
		equalAll(t, "events", l.events("BackOff"), "Back-off restarting failed container a in pod web_shop(u1)")
		for _, want := range []int32{2, 3, 4, 5} { // after 10, 20, 40 and 80 s
			l.pass(time.Duration(10<<(want-2))*time.Second + time.Second)
			equal(t, "restarts", l.container("a").RestartCount, want)
		}
		l.pass(time.Hour)
		equal(t, "message", l.container("a").State.Waiting.Message, "back-off 5m0s restarting failed container=a pod=web_shop(u1)")
		equal(t, "containers kept: b, the last a and the one before", len(l.engine.containers), 3)
	})
}

func TestBackOffIsForgottenAfterTenMinutes(t *testing.T) {
	live(t, podOf(corev1.RestartPolicyAlways, "a"), func(e *fakeEngine, _ *fakeMaker) {
		crash := run{lasts: time.Second, code: 1}
		e.runs["a"] = []run{crash, crash, crash, {lasts: 11 * time.Minute, code: 1}, {}}
	}, func(l *life) {
		l.pass(13 * time.Minute)
		c := l.container("a")
		equal(t, "restarts", c.RestartCount, 4)
		equal(t, "time it was held up", c.State.Running.StartedAt.Sub(c.LastTerminationState.Terminated.FinishedAt.Time), 0)
	})
}

// A Pod of which all containers are about to be restarted runs.
func TestPhaseBetweenRestarts(t *testing.T) {
	live(t, podOf(corev1.RestartPolicyAlways, "a"), func(e *fakeEngine, _ *fakeMaker) {
		e.runs["a"] = []run{{lasts: time.Second}}
	}, func(l *life) {
		l.pass(5 * time.Second)
		equal(t, "waits", l.container("a").State.Waiting.Reason, "CrashLoopBackOff")
		equal(t, "phase", l.status().Phase, corev1.PodRunning)
		l.cancel()
		l.pass(time.Minute)
		// It is not started again, and all has ended well.
		equal(t, "phase", l.status().Phase, corev1.PodSucceeded)
		equal(t, "state", l.container("a").State.Terminated.Reason, "Completed")
	})
}

func TestPhaseByRestartPolicy(t *testing.T) {
	for _, c := range []struct {
		policy corev1.RestartPolicy
		codes  []int // of a, by attempt
		phase  corev1.PodPhase
		exit   int
	}{
		{corev1.RestartPolicyNever, []int{0}, corev1.PodSucceeded, 0},
		{corev1.RestartPolicyNever, []int{2}, corev1.PodFailed, 1},
		{corev1.RestartPolicyOnFailure, []int{2, 2, 0}, corev1.PodSucceeded, 0},
	} {
		live(t, podOf(c.policy, "a", "b"), func(e *fakeEngine, _ *fakeMaker) {
			for _, code := range c.codes {
				e.runs["a"] = append(e.runs["a"], run{lasts: time.Second, code: code})
			}
			e.runs["b"] = []run{{lasts: time.Minute}}
		}, func(l *life) {
			l.pass(30 * time.Second)
			equal(t, "phase while b runs", l.status().Phase, corev1.PodRunning)
			l.pass(time.Minute)
			equal(t, "exit code", l.exited(), c.exit)
			equal(t, "phase", l.status().Phase, c.phase)
			equal(t, "restarts", l.container("a").RestartCount, int32(len(c.codes)-1))
		})
	}
}

func TestRestartRulesOfAContainer(t *testing.T) {
	never, in := corev1.ContainerRestartPolicyNever, corev1.ContainerRestartRuleOnExitCodesOpIn
	pod := podOf(corev1.RestartPolicyAlways, "a", "b")
	pod.Spec.Containers[0].RestartPolicy = &never
	pod.Spec.Containers[0].RestartPolicyRules = []corev1.ContainerRestartRule{{
		Action: corev1.ContainerRestartRuleActionRestart, ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: in, Values: []int32{42}},
	}}
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["a"] = []run{{lasts: time.Second, code: 42}, {lasts: time.Second, code: 1}}
	}, func(l *life) {
		l.pass(time.Hour)
		equal(t, "restarts", l.container("a").RestartCount, 1)
		equal(t, "exit code", l.container("a").State.Terminated.ExitCode, 1)
		equal(t, "phase", l.status().Phase, corev1.PodRunning)
	})
}

func TestRestartAllContainers(t *testing.T) {
	never, in := corev1.ContainerRestartPolicyNever, corev1.ContainerRestartRuleOnExitCodesOpIn
	pod := podOf(corev1.RestartPolicyAlways, "a", "b")
	pod.Spec.InitContainers = []corev1.Container{app("one")}
	pod.Spec.Containers[0].RestartPolicy = &never
	pod.Spec.Containers[0].RestartPolicyRules = []corev1.ContainerRestartRule{{
		Action:    corev1.ContainerRestartRuleActionRestartAllContainers,
		ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: in, Values: []int32{42}},
	}}
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["one"] = []run{{lasts: time.Second}}
		e.runs["a"] = []run{{lasts: time.Second, code: 42}, {}}
	}, func(l *life) {
		l.pass(time.Minute)
		equalAll(t, "order", l.engine.traced("start", "end"), "start one", "end one", "start a", "start b",
			"end a", "end b", "start one", "end one", "start a", "start b")
		equal(t, "restarts of b", l.container("b").RestartCount, 1)
		equal(t, "phase", l.status().Phase, corev1.PodRunning)
	})
}

func TestImageThatCannotBePulled(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a")
	pod.Spec.Containers[0].Image = "registry.test/app:v1"
	live(t, pod, nil, func(l *life) {
		l.pass(time.Second)
		equal(t, "reason", l.container("a").State.Waiting.Reason, "ErrImagePull")
		equalAll(t, "events", l.events("Failed"),
			`Failed to pull image "registry.test/app:v1": no such image in the registry`, "Error: ErrImagePull")
		l.pass(5 * time.Second)
		equal(t, "reason", l.container("a").State.Waiting.Reason, "ImagePullBackOff")
		equal(t, "message", l.container("a").State.Waiting.Message,
			`Back-off pulling image "registry.test/app:v1": ErrImagePull: no such image in the registry`)
		l.pass(5 * time.Minute)
		pulls := len(l.engine.traced("pull")) // after 0, 10, 30, 70, 150 s
		equal(t, "pulls in five minutes", pulls, 5)
		l.engine.mu.Lock()
		l.engine.registry["registry.test/app:v1"] = nil
		l.engine.mu.Unlock()
		l.pass(5 * time.Minute)
		equal(t, "phase", l.status().Phase, corev1.PodRunning)
		equal(t, "restarts", l.container("a").RestartCount, 0)
	})
}

func TestImagePolicies(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "never", "always", "invalid")
	pod.Spec.Containers[0].Image, pod.Spec.Containers[0].ImagePullPolicy = "gone", corev1.PullNever
	pod.Spec.Containers[1].ImagePullPolicy = corev1.PullAlways
	pod.Spec.Containers[2].Image = "Not/An:Image:"
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) { e.registry["app:latest"] = nil }, func(l *life) {
		l.pass(time.Second)
		equal(t, "never", l.container("never").State.Waiting.Reason, "ErrImageNeverPull")
		equal(t, "always runs", l.container("always").State.Running != nil, true)
		equalAll(t, "pulls", l.engine.traced("pull"), "pull app:latest")
		equal(t, "invalid", l.container("invalid").State.Waiting.Reason, "InvalidImageName")
		equal(t, "phase", l.status().Phase, corev1.PodPending)
	})
}

func TestContainersThatCannotBeMade(t *testing.T) {
	live(t, podOf(corev1.RestartPolicyAlways, "a"), func(_ *fakeEngine, m *fakeMaker) {
		m.config = &spec.ConfigError{Message: `configmap "c" not found`}
	}, func(l *life) {
		l.pass(time.Second)
		equal(t, "reason", l.container("a").State.Waiting.Reason, "CreateContainerConfigError")
		equal(t, "message", l.container("a").State.Waiting.Message, `configmap "c" not found`)
		equalAll(t, "events", l.events("Failed"), `Error: configmap "c" not found`)
		l.maker.mu.Lock()
		l.maker.config = nil
		l.maker.mu.Unlock()
		l.pass(time.Minute)
		equal(t, "runs", l.container("a").State.Running != nil, true)
	})
	live(t, podOf(corev1.RestartPolicyNever, "a"), func(e *fakeEngine, _ *fakeMaker) {
		e.runs["a"] = []run{{fails: errors.New(`exec: "nosuch": executable file not found in $PATH`)}}
	}, func(l *life) {
		l.pass(time.Second)
		equal(t, "exit code", l.exited(), 1)
		equal(t, "reason", l.container("a").State.Terminated.Reason, "StartError")
		equal(t, "exit code", l.container("a").State.Terminated.ExitCode, 128)
	})
}

func TestVolumesComeBeforeContainers(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a")
	live(t, pod, func(_ *fakeEngine, m *fakeMaker) {
		missing := errors.New(`MountVolume.SetUp failed for volume "v" : configmap "c" not found`)
		m.setup = []error{missing, missing, missing, missing, missing, missing}
	}, func(l *life) {
		l.pass(2 * time.Second)
		equal(t, "started", len(l.engine.traced("start")), 0)
		equal(t, "reason", l.container("a").State.Waiting.Reason, "ContainerCreating")
		equal(t, "event", l.events("FailedMount")[0], `MountVolume.SetUp failed for volume "v" : configmap "c" not found`)
		l.maker.mu.Lock()
		l.maker.setup = nil
		l.maker.mu.Unlock()
		// What was missing comes with an update, which is not waited for until the next try.
		if err := l.sandbox.Take(manifest.Update{ConfigMaps: map[string]*corev1.ConfigMap{"c": {}}}); err != nil {
			t.Fatal(err)
		}
		l.pass(0)
		equalAll(t, "started", l.engine.traced("start"), "start a")
		equal(t, "sources", l.maker.took[0].ConfigMaps["c"] != nil, true)
	})
}

func TestTerminationMessageFallsBackToTheLog(t *testing.T) {
	pod := podOf(corev1.RestartPolicyNever, "a", "b")
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
	}
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["a"] = []run{{lasts: time.Second, code: 137, oom: true, log: "the end of the log"}}
		e.runs["b"] = []run{{lasts: time.Second, log: "not of a success"}}
	}, func(l *life) {
		l.pass(time.Minute)
		equal(t, "message of a", l.container("a").State.Terminated.Message, "the end of the log")
		equal(t, "reason of a", l.container("a").State.Terminated.Reason, "OOMKilled")
		equal(t, "message of b", l.container("b").State.Terminated.Message, "")
		equal(t, "reason of b", l.container("b").State.Terminated.Reason, "Completed")
	})
}

func TestDeadline(t *testing.T) {
	for policy, code := range map[corev1.RestartPolicy]int{corev1.RestartPolicyNever: 1, corev1.RestartPolicyOnFailure: 0} {
		pod := podOf(policy, "a")
		deadline := int64(60)
		pod.Spec.ActiveDeadlineSeconds = &deadline
		live(t, pod, nil, func(l *life) {
			l.pass(50 * time.Second)
			equal(t, "phase", l.status().Phase, corev1.PodRunning)
			l.pass(time.Minute)
			equal(t, "exit code", l.exited(), code)
			equal(t, "phase and reason", string(l.status().Phase)+l.status().Reason, "FailedDeadlineExceeded")
			equalAll(t, "events", l.events("DeadlineExceeded"), deadlineMessage)
			equal(t, "state of a", l.container("a").State.Terminated.ExitCode, 143)
		})
	}
}

func TestStopTakesEverythingAlong(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a", "b", "c")
	pod.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
		Exec: &corev1.ExecAction{Command: []string{"drain"}},
	}}
	pod.Spec.Containers[2].Image = "nowhere"
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["b"] = []run{{lingers: stubborn}}
		e.exec = func(*fakeContainer, []string) (int, string, time.Duration) { return 1, "secret", 10 * time.Second }
	}, func(l *life) {
		l.pass(time.Second)
		l.cancel()
		l.pass(9 * time.Second)
		// a and b are ended side by side.
		equalAll(t, "hook", l.engine.traced("exec"), "exec a drain")
		equalAll(t, "stopped while the hook runs", l.engine.traced("stop"), "stop b 30s")
		l.pass(time.Minute)
		equal(t, "exit code", l.exited(), 143)
		equalAll(t, "in the end", l.engine.traced("stop", "end"), "stop b 30s", "stop a 20s", "end a", "end b")
		equal(t, "containers left", len(l.engine.containers), 0)
		equal(t, "phase", l.status().Phase, corev1.PodFailed)
		equal(t, "b was killed", l.container("b").State.Terminated.ExitCode, 137)
		equalAll(t, "hook", l.events("FailedPreStopHook"), "PreStopHook failed")
		equal(t, "secret told", strings.Contains(l.out.String(), "secret"), false)
		equal(t, "killing", len(l.events("Killing")), 2)
	})
}

// A container whose hook takes all of the grace period has two seconds for its stop signal, and nobody asks any more
// whether it is alive.
func TestHookThatTakesTheWholeGracePeriod(t *testing.T) {
	pod := podOf(corev1.RestartPolicyAlways, "a")
	c := &pod.Spec.Containers[0]
	c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3600}}}
	c.LivenessProbe = execProbe("alive", 1, 1)
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["a"] = []run{{lingers: stubborn}}
		e.exec = func(*fakeContainer, []string) (int, string, time.Duration) { return 0, "", 0 }
	}, func(l *life) {
		l.pass(4500 * time.Millisecond)
		equal(t, "probes", len(l.engine.traced("exec")), 5)
		l.cancel()
		l.pass(29 * time.Second)
		equal(t, "probes", len(l.engine.traced("exec")), 5)
		l.pass(10 * time.Second)
		equalAll(t, "end", l.engine.traced("stop", "end"), "stop a 2s", "end a")
		equal(t, "events of the hook", len(l.events("FailedPreStopHook")), 0)
	})
}

func TestPostStartHook(t *testing.T) {
	pod := podOf(corev1.RestartPolicyNever, "a", "b")
	pod.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{
		Exec: &corev1.ExecAction{Command: []string{"warm", "up"}},
	}}
	live(t, pod, func(e *fakeEngine, _ *fakeMaker) {
		e.runs["b"] = []run{{lasts: time.Minute}}
		e.exec = func(*fakeContainer, []string) (int, string, time.Duration) { return 1, "cold", 10 * time.Second }
	}, func(l *life) {
		l.pass(5 * time.Second)
		// The container does not run, as its Pod sees it, and the next one is not started, until the hook is over.
		equal(t, "a", l.container("a").State.Waiting.Reason, "ContainerCreating")
		equalAll(t, "started", l.engine.traced("start"), "start a")
		l.pass(10 * time.Minute)
		equal(t, "exit code", l.exited(), 1)
		equalAll(t, "event", l.events("FailedPostStartHook"), "PostStartHook failed")
		equal(t, "killing", l.events("Killing")[0], "FailedPostStartHook")
		equal(t, "a", l.container("a").State.Terminated.ExitCode, 143)
	})
}

func TestEphemeralContainers(t *testing.T) {
	live(t, podOf(corev1.RestartPolicyAlways, "a"), func(e *fakeEngine, _ *fakeMaker) {
		e.runs["debug"] = []run{{lasts: time.Minute, code: 5}}
	}, func(l *life) {
		l.pass(time.Second)
		debug := corev1.EphemeralContainer{TargetContainerName: "a", EphemeralContainerCommon: corev1.EphemeralContainerCommon(app("debug"))}
		for range 2 { // an update has all of them, again and again
			if err := l.sandbox.Take(manifest.Update{EphemeralContainers: []corev1.EphemeralContainer{debug}}); err != nil {
				t.Fatal(err)
			}
		}
		l.pass(time.Second)
		equal(t, "runs", l.container("debug").State.Running != nil, true)
		id := strings.TrimPrefix(l.container("debug").ContainerID, "docker://")
		equal(t, "processes", string(l.engine.containers[id].host.PidMode), "container:id-k8s_a_web_shop_sandbox_0")
		l.pass(time.Hour)
		equal(t, "not restarted", l.container("debug").State.Terminated.ExitCode, 5)
		equal(t, "phase", l.status().Phase, corev1.PodRunning)
	})
}

func TestDeathThatNoEventTells(t *testing.T) {
	live(t, podOf(corev1.RestartPolicyNever, "a"), nil, func(l *life) {
		l.pass(time.Second)
		l.engine.mu.Lock()
		l.engine.died = nil // the stream has broken
		l.engine.mu.Unlock()
		for _, c := range l.engine.containers {
			l.engine.exit(c, 0)
		}
		l.pass(time.Minute)
		equal(t, "phase", l.status().Phase, corev1.PodRunning)
		l.sandbox.post(l.sandbox.lookAtAll) // it is there again
		l.pass(time.Second)
		equal(t, "exit code", l.exited(), 0)
	})
}

// A container that somebody removes is as good as killed.
func TestRemovedContainerIsRestarted(t *testing.T) {
	live(t, podOf(corev1.RestartPolicyAlways, "a"), nil, func(l *life) {
		l.pass(time.Second)
		_ = l.engine.Remove(t.Context(), "id-k8s_a_web_shop_sandbox_0")
		l.engine.died("id-k8s_a_web_shop_sandbox_0")
		l.pass(time.Second)
		equal(t, "restarts", l.container("a").RestartCount, 1)
		equal(t, "last state", l.container("a").LastTerminationState.Terminated.Reason, "ContainerStatusUnknown")
	})
}
