package translate

import (
	"encoding/json"
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
