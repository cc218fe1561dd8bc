package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/docker/docker/api/types/swarm"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// docker makes the Swarm what Docker's tools or its nodes made it.
func (s *stage) docker(h happening) {
	s.t.Helper()
	version, made := swarm.Version{Index: s.index}, testNow.Add(-time.Hour)
	fill := func(m *swarm.Meta, have bool, was swarm.Meta) {
		m.Version = version
		switch {
		case have && m.CreatedAt.IsZero():
			m.CreatedAt = was.CreatedAt
		case m.CreatedAt.IsZero():
			m.CreatedAt = made
		}
		if m.UpdatedAt.IsZero() {
			m.UpdatedAt = s.now
		}
	}
	if v := h.Service; v != nil {
		fillIn(s.t, &v.Spec.TaskTemplate)
		was := s.services[v.ID]
		if was != nil {
			fill(&v.Meta, true, was.Meta)
			v.PreviousSpec = &was.Spec
		}
		fill(&v.Meta, false, swarm.Meta{})
		before := s.workload(v.ID)
		s.services[v.ID] = v
		s.keep(ServiceEvents(before, s.Workload(v.ID)))
	}
	if v := h.Node; v != nil {
		was := s.nodes[v.ID]
		if was != nil {
			fill(&v.Meta, true, was.Meta)
		}
		fill(&v.Meta, false, swarm.Meta{})
		s.nodes[v.ID] = v
		s.keep(NodeEvents(s, was, v))
	}
	if v := h.Task; v != nil {
		was := s.tasks[v.ID]
		if was != nil {
			fill(&v.Meta, true, was.Meta)
			v.ServiceID, v.Spec = was.ServiceID, was.Spec
		}
		fill(&v.Meta, false, swarm.Meta{})
		if v.ServiceID == "" {
			for id, service := range s.services {
				v.ServiceID = id
				if v.Spec.ContainerSpec == nil {
					v.Spec = *copyOf(s.t, &service.Spec.TaskTemplate)
				}
			}
		}
		if service := s.services[v.ServiceID]; service != nil && v.Spec.ContainerSpec == nil {
			v.Spec = *copyOf(s.t, &service.Spec.TaskTemplate)
		}
		s.tasks[v.ID] = v
		s.keep(TaskEvents(s, was, v))
	}
	if v := h.Config; v != nil {
		fill(&v.Meta, false, swarm.Meta{})
		s.configs[v.ID] = v
	}
	if v := h.Secret; v != nil {
		fill(&v.Meta, false, swarm.Meta{})
		s.secrets[v.ID] = v
	}
	if h.Gone != "" {
		s.lose(h.Gone)
	}
}

// lose takes a task away by its ID, or a service by its name.
func (s *stage) lose(what string) {
	s.t.Helper()
	if t := s.tasks[what]; t != nil {
		delete(s.tasks, what)
		s.keep(TaskEvents(s, t, nil))
		return
	}
	for id, v := range s.services {
		if v.Spec.Name == what {
			s.gone[id] = v
			delete(s.services, id)
			return
		}
	}
	s.t.Fatalf("no task and no service %s", what)
}

// update does what docker service update does.
func (s *stage) update(name string, with json.RawMessage) {
	s.t.Helper()
	for id, service := range s.services {
		if service.Spec.Name != name {
			continue
		}
		doc, err := json.Marshal(service.Spec)
		if err != nil {
			s.t.Fatal(err)
		}
		if doc, err = jsonpatch.MergePatch(doc, with); err != nil {
			s.t.Fatal(err)
		}
		var spec swarm.ServiceSpec
		if err := json.Unmarshal(doc, &spec); err != nil {
			s.t.Fatal(err)
		}
		s.run(s.t, Plan{Commit: Step{Group: GroupService, ID: id, Version: service.Version, Service: &spec}})
		return
	}
	s.t.Fatalf("no service %s", name)
}

// arrange is what Docker does of itself, and what the gateway was told.
func (s *stage) arrange(h happening) {
	s.t.Helper()
	for name, ip := range h.VIP {
		found := false
		for id, service := range s.services {
			if service.Spec.Name == name {
				next := *service
				next.Endpoint.VirtualIPs = []swarm.EndpointVirtualIP{{NetworkID: skepNetworkID, Addr: ip + "/16"}}
				s.services[id], found = &next, true
			}
		}
		if !found {
			s.t.Fatalf("no service %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Run)) {
		s.runTasks(name, h.Run[name], swarm.TaskStateRunning)
	}
	for _, name := range slices.Sorted(maps.Keys(h.Begin)) {
		s.runTasks(name, h.Begin[name], swarm.TaskStatePreparing)
	}
	if v := h.Volume; v != nil {
		s.volumes[VolumeGroupID(v.At, v.Name)] = &DockerVolume{NodeID: v.At, Volume: &v.Volume}
	}
	maps.Copy(s.stackNetworks, h.StackNetworks)
	maps.Copy(s.networks, h.Networks)
	if h.Networking != nil {
		if err := json.Unmarshal(h.Networking, &s.networking); err != nil {
			s.t.Fatal(err)
		}
	}
}

// runTasks makes tasks of what a service's spec is now. Those that run take the place of all others.
func (s *stage) runTasks(name string, count int, state swarm.TaskState) {
	s.t.Helper()
	found := false
	for id, service := range s.services {
		if service.Spec.Name != name {
			continue
		}
		found = true
		for _, t := range s.Tasks(id) {
			if state == swarm.TaskStateRunning {
				old := *t
				old.DesiredState, old.Status.State = swarm.TaskStateShutdown, swarm.TaskStateShutdown
				s.tasks[t.ID] = &old
			}
		}
		for slot := range count {
			s.index++
			s.tasksMade++
			t := &swarm.Task{
				ID: fmt.Sprintf("%05d%s", s.tasksMade, id), ServiceID: id, Slot: slot + 1, NodeID: "n1", DesiredState: swarm.TaskStateRunning,
				Meta: swarm.Meta{Version: swarm.Version{Index: s.index}, CreatedAt: s.now, UpdatedAt: s.now},
				Spec: *copyOf(s.t, &service.Spec.TaskTemplate), Status: swarm.TaskStatus{State: state, Timestamp: s.now},
			}
			for _, n := range t.Spec.Networks {
				t.NetworksAttachments = append(t.NetworksAttachments, swarm.NetworkAttachment{
					Network: swarm.Network{ID: n.Target}, Addresses: []string{fmt.Sprintf("10.244.1.%d/16", s.tasksMade)},
				})
			}
			s.tasks[t.ID] = t
		}
	}
	if !found {
		s.t.Fatalf("no service %s", name)
	}
}
