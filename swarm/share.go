package swarm

import (
	"reflect"
	"slices"

	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// What comes off the wire says the same things over and over: a task repeats its service's spec, and the
// words of its status. The mirror keeps them once, so that ten thousand tasks are not ten thousand specs.

// shareTask has a new version of a task share what it can with the last one, its service and its siblings.
func (m *Mirror) shareTask(t, old *swarm.Task) {
	if old == nil {
		m.shareSpec(&t.Spec, t.ServiceID)
		t.ServiceID = m.word(t.ServiceID)
	} else {
		t.ID, t.ServiceID, t.Spec = old.ID, old.ServiceID, old.Spec // they never change
		shareAttachments(t, old)
		if reflect.DeepEqual(t.Status.ContainerStatus, old.Status.ContainerStatus) {
			t.Status.ContainerStatus = old.Status.ContainerStatus
		}
	}
	if n := m.nodes[t.NodeID]; n != nil {
		t.NodeID = n.ID
	}
	for i := range t.NetworksAttachments {
		n := &t.NetworksAttachments[i].Network
		n.ID = m.word(n.ID)
	}
	t.DesiredState = swarm.TaskState(m.word(string(t.DesiredState)))
	t.Status.State = swarm.TaskState(m.word(string(t.Status.State)))
	t.Status.Message = m.word(t.Status.Message)
}

// shareSpec replaces a task's spec by an equal one of its service or of another task of it.
func (m *Mirror) shareSpec(spec *swarm.TaskSpec, service string) {
	s := m.services[service]
	if s == nil {
		s = m.gone[service]
	}
	if s != nil && translate.SameSpec(spec, &s.Spec.TaskTemplate) {
		*spec = s.Spec.TaskTemplate
		return
	}
	tries := 0
	var last *swarm.ContainerSpec
	for _, t := range m.tasks[service] {
		if t.Spec.ContainerSpec == last {
			continue // compared just now
		}
		if translate.SameSpec(spec, &t.Spec) {
			*spec = t.Spec
			return
		}
		if tries++; tries == 4 {
			return
		}
		last = t.Spec.ContainerSpec
	}
}

// shareService has a new version of a service share the specs that the last one had, or its tasks have.
func (m *Mirror) shareService(s, old *swarm.Service) {
	if old != nil {
		s.ID = old.ID
		if s.PreviousSpec != nil && reflect.DeepEqual(s.PreviousSpec, &old.Spec) {
			before := old.Spec // a copy: the old service is not to stay in memory
			s.PreviousSpec = &before
		}
		if translate.SameSpec(&s.Spec.TaskTemplate, &old.Spec.TaskTemplate) {
			s.Spec.TaskTemplate = old.Spec.TaskTemplate
			return
		}
	}
	m.shareSpec(&s.Spec.TaskTemplate, s.ID)
}

func shareAttachments(t, old *swarm.Task) {
	same := slices.EqualFunc(t.NetworksAttachments, old.NetworksAttachments, func(a, b swarm.NetworkAttachment) bool {
		return a.Network.ID == b.Network.ID && a.Network.Spec.Ingress == b.Network.Spec.Ingress && slices.Equal(a.Addresses, b.Addresses)
	})
	if same {
		t.NetworksAttachments = old.NetworksAttachments
	}
}

// wordsMax bounds the words that are kept: states, messages and the IDs of services and networks.
const wordsMax = 1 << 14

// word is the one copy of a text that many tasks say.
func (m *Mirror) word(s string) string {
	if w, ok := m.words[s]; ok {
		return w
	}
	if len(m.words) >= wordsMax {
		clear(m.words)
	}
	m.words[s] = s
	return s
}
