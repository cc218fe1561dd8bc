package sandbox

import (
	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// podPhase is the Pod's phase by what its containers do, as a kubelet computes it.
func (s *Sandbox) podPhase() corev1.PodPhase {
	phase := phaseOf(s.units, s.Pod.Spec.RestartPolicy, s.initialized, s.over)
	switch {
	case s.ending == nil:
		return phase
	case s.ending.reason != "":
		return corev1.PodFailed // a deadline's Pod has failed while its containers are being ended
	case s.over && (s.ending.failed || phase != corev1.PodSucceeded):
		return corev1.PodFailed
	default:
		return phase
	}
}

// tally counts the containers of a Pod by how far they are.
type tally struct {
	pending, running, waiting        int
	stopped, final, succeeded, fatal int
}

// phaseOf is the phase of a Pod of these containers. hasInitialized says that its init containers were done once, over that
// nothing will be started any more.
func phaseOf(units []*unit, policy corev1.RestartPolicy, hasInitialized, over bool) corev1.PodPhase {
	var n tally
	for _, u := range units {
		switch {
		case u.role == manifest.RoleEphemeral:
		case u.once():
			n.initContainer(u, policy)
		case u.sidecar():
			n.sidecar(u, hasInitialized)
		default:
			n.container(u, policy)
		}
	}
	switch {
	case n.fatal > 0:
		return corev1.PodFailed
	case n.pending > 0 || n.waiting > 0:
		return corev1.PodPending
	case n.running > 0:
		return corev1.PodRunning
	case n.stopped == 0:
		return corev1.PodPending
	case !over && n.final < n.stopped:
		return corev1.PodRunning // at least one is being restarted
	case n.succeeded == n.stopped:
		return corev1.PodSucceeded
	default:
		return corev1.PodFailed
	}
}

func (n *tally) initContainer(u *unit, policy corev1.RestartPolicy) {
	switch {
	case u.phase != exited:
		n.pending++
	case u.end.ExitCode != 0 && !restartable(u.spec, policy, u.end.ExitCode):
		n.fatal++
	}
	// By one that is being restarted the Pod is pending as well: its containers wait.
}

func (n *tally) sidecar(u *unit, hasInitialized bool) {
	if u.phase == running {
		n.running++
	}
	if u.phase != exited && !u.started && !hasInitialized {
		n.pending++
	}
}

func (n *tally) container(u *unit, policy corev1.RestartPolicy) {
	end := u.end
	if u.phase == starting && u.attempts > 1 {
		end = u.last // it is told as what it was until it runs again
	}
	switch {
	case u.phase == running:
		n.running++
	case end == nil:
		n.waiting++
	default:
		n.stopped++
		if !restartable(u.spec, policy, end.ExitCode) {
			n.final++
		}
		if end.ExitCode == 0 {
			n.succeeded++
		}
	}
}
