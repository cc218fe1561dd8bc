package sandbox

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate/manifest"
)

// phase is where a container of the Pod is.
type phase int

const (
	idle     phase = iota // no container has been made of it
	starting              // one has been made, and is not known to run yet: its postStart hook counts as starting
	running
	exited
)

// unit is one container of the Pod's spec, through all its restarts. Only the loop touches it.
type unit struct {
	spec *corev1.Container
	role string // manifest.RoleInit, RoleContainer or RoleEphemeral
	// target names the container whose process namespace an ephemeral container joins.
	target string

	phase     phase
	id        string // of the present container, or the one that exited last
	previous  string // of the one before, kept for its log
	attempts  int    // how many containers have been made
	restarts  int32
	imageID   string
	startedAt time.Time
	end       *corev1.ContainerStateTerminated // while exited
	last      *corev1.ContainerStateTerminated // of the container before
	// shown is the status before the present container was made: it is told until that one runs.
	shown corev1.ContainerStatus
	// dead is closed when the present container has ended.
	dead chan struct{}

	// waiting is why the last try to start failed, or is put off.
	waiting *corev1.ContainerStateWaiting
	retry   time.Time // no try before
	crash   backoff
	cleared bool // the present end has been through the back-off
	image   puller

	probed      context.CancelFunc // ends the probes
	started     bool               // the startup probe has succeeded, or there is none
	ready       bool               // so has the readiness probe
	everStarted bool               // once in this life of the Pod
	killing     bool
	probeKilled bool // it is ended by a probe
}

func (u *unit) sidecar() bool {
	p := u.spec.RestartPolicy
	return u.role == manifest.RoleInit && p != nil && *p == corev1.ContainerRestartPolicyAlways
}

// once says that it is an init container that has to come to its end.
func (u *unit) once() bool { return u.role == manifest.RoleInit && !u.sidecar() }

// alive says that there may be processes of it.
func (u *unit) alive() bool { return u.phase == starting || u.phase == running }

// succeeded is a container that came to a good end.
func (u *unit) succeeded() bool { return u.phase == exited && u.end.ExitCode == 0 }

// path is the unit in its Pod, as events name it.
func (u *unit) path() string {
	field := map[string]string{
		manifest.RoleInit: "spec.initContainers", manifest.RoleContainer: "spec.containers",
		manifest.RoleEphemeral: "spec.ephemeralContainers",
	}[u.role]
	return field + "{" + u.spec.Name + "}"
}

// restartable says whether a container that ended so is to be started again: by the first of its rules that fits, else by
// its own policy, else by its Pod's.
func restartable(c *corev1.Container, pod corev1.RestartPolicy, code int32) bool {
	policy := pod
	if c.RestartPolicy != nil {
		if _, ok := matchingRule(c, code); ok {
			return true // both actions there are restart it
		}
		policy = corev1.RestartPolicy(*c.RestartPolicy)
	}
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	default:
		return true
	}
}

// matchingRule is the action of the first of the container's restartPolicyRules that its exit code fits.
func matchingRule(c *corev1.Container, code int32) (corev1.ContainerRestartRuleAction, bool) {
	for _, rule := range c.RestartPolicyRules {
		if rule.ExitCodes == nil {
			continue
		}
		in := slices.Contains(rule.ExitCodes.Values, code)
		if in == (rule.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) {
			return rule.Action, true
		}
	}
	return "", false
}

// made is told when the unit's next container has been created.
func (u *unit) made(id, imageID string, shown corev1.ContainerStatus) (obsolete string) {
	obsolete = u.previous
	u.previous, u.id = u.id, id
	if u.end != nil {
		u.last, u.end = u.end, nil
	}
	if u.attempts > 0 {
		u.restarts++
	}
	u.attempts++
	u.phase, u.imageID, u.shown = starting, imageID, shown
	u.started, u.ready, u.killing, u.probeKilled = false, false, false, false
	u.dead = make(chan struct{})
	return obsolete
}

// ended is told when the present container is no more.
func (u *unit) ended(end corev1.ContainerStateTerminated) {
	if u.probed != nil {
		u.probed()
		u.probed = nil
	}
	end.ContainerID = containerID(u.id)
	u.phase, u.end, u.cleared, u.killing = exited, &end, false, false
	u.started, u.ready = false, false
	close(u.dead)
}

// forget puts the unit back to the beginning of its Pod, after all its containers have been removed: only the count of its
// restarts and how it ended are left.
func (u *unit) forget() {
	if u.attempts > 0 {
		u.last = u.end
	}
	u.phase, u.end, u.waiting, u.retry = idle, nil, nil, time.Time{}
	u.id, u.previous, u.everStarted = "", "", false
}

// terminated is how a container ended, as a status tells it.
func terminated(s State, message string) corev1.ContainerStateTerminated {
	reason := "Error"
	switch {
	case s.OOMKilled:
		reason = "OOMKilled"
	case s.ExitCode == 0:
		reason = "Completed"
	}
	return corev1.ContainerStateTerminated{
		ExitCode: int32(s.ExitCode), Reason: reason, Message: message,
		StartedAt: metav1.NewTime(s.StartedAt), FinishedAt: metav1.NewTime(s.FinishedAt),
	}
}

func containerID(id string) string {
	if id == "" {
		return ""
	}
	return "docker://" + id
}
