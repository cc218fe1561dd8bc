package simulator

import (
	"fmt"

	"github.com/moby/swarmkit/v2/api"
)

// The range that published ports come from where none is asked for: SwarmKit's.
const (
	firstDynamicPort = 30000
	lastDynamicPort  = 32767
)

// ports are the published ports of the routing mesh and the services that hold them.
type ports struct {
	holders map[port]string
	next    map[api.PortConfig_Protocol]uint32
}

type port struct {
	protocol api.PortConfig_Protocol
	number   uint32
}

func newPorts() *ports {
	return &ports{holders: map[port]string{}, next: map[api.PortConfig_Protocol]uint32{}}
}

// release gives back all ports of a service.
func (p *ports) release(service string) {
	for held, by := range p.holders {
		if by == service {
			delete(p.holders, held)
		}
	}
}

// allocated says whether a service has the ports that its specification asks for.
func (p *ports) allocated(s *api.Service) bool {
	wanted, have := wantedPorts(s), portsOf(s.Endpoint)
	if len(wanted) != len(have) {
		return false
	}
	for i, w := range wanted {
		if !fits(w, have[i]) {
			return false
		}
	}
	return true
}

func portsOf(e *api.Endpoint) []*api.PortConfig {
	if e == nil {
		return nil
	}
	return e.Ports
}

func wantedPorts(s *api.Service) []*api.PortConfig {
	if s.Spec.Endpoint == nil {
		return nil
	}
	return s.Spec.Endpoint.Ports
}

// fits says whether a port is one that was asked for: any of the dynamic ones where no number was.
func fits(wanted, have *api.PortConfig) bool {
	number := wanted.PublishedPort
	if number == 0 && wanted.PublishMode == api.PublishModeIngress {
		number = have.PublishedPort
	}
	return wanted.Name == have.Name && wanted.Protocol == have.Protocol && wanted.TargetPort == have.TargetPort &&
		wanted.PublishMode == have.PublishMode && number == have.PublishedPort && (number != 0 || have.PublishMode == api.PublishModeHost)
}

// allocate sets a service's ports. One that it got before stays its own; one that another service has is refused, and
// then nothing is held.
func (p *ports) allocate(s *api.Service) error {
	before := s.Endpoint.Ports
	p.release(s.ID)
	s.Endpoint.Ports = nil
	for _, w := range wantedPorts(s) {
		got := w.Copy()
		if got.PublishMode == api.PublishModeIngress {
			if got.PublishedPort == 0 {
				got.PublishedPort = p.sticky(w, before)
			}
			if err := p.hold(got, s.ID); err != nil {
				p.release(s.ID)
				return err
			}
		}
		s.Endpoint.Ports = append(s.Endpoint.Ports, got)
	}
	return nil
}

// sticky is the number that a port without one had before, where it is still free.
func (p *ports) sticky(wanted *api.PortConfig, before []*api.PortConfig) uint32 {
	for _, b := range before {
		if fits(wanted, b) && p.holders[port{b.Protocol, b.PublishedPort}] == "" {
			return b.PublishedPort
		}
	}
	return 0
}

func (p *ports) hold(c *api.PortConfig, service string) error {
	if c.PublishedPort == 0 {
		for range lastDynamicPort - firstDynamicPort + 1 {
			candidate := port{c.Protocol, firstDynamicPort + p.next[c.Protocol]}
			p.next[c.Protocol] = (p.next[c.Protocol] + 1) % (lastDynamicPort - firstDynamicPort + 1)
			if p.holders[candidate] == "" {
				c.PublishedPort = candidate.number
				break
			}
		}
	}
	key := port{c.Protocol, c.PublishedPort}
	switch holder := p.holders[key]; {
	case c.PublishedPort == 0:
		return fmt.Errorf("no port between %d and %d is free", firstDynamicPort, lastDynamicPort)
	case holder != "" && holder != service:
		return fmt.Errorf("port %d is already in use by service %s", c.PublishedPort, holder)
	}
	p.holders[key] = service
	return nil
}
