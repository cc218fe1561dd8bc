package gateway

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/client-go/kubernetes"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/registry/core/service/ipallocator"
	"k8s.io/kubernetes/pkg/registry/core/service/portallocator"
	servicestore "k8s.io/kubernetes/pkg/registry/core/service/storage"

	"skep/swarm"
	"skep/translate"
)

// nodePorts are the ports that Services get on nodes, kube-apiserver's --service-node-port-range by default.
const (
	firstNodePort = 30000
	lastNodePort  = 32767
)

func services(b *builder) (map[string]rest.Storage, error) {
	addresses := map[api.IPFamily]ipallocator.Interface{api.IPv4Protocol: swarmAddresses{}}
	ports := &nodePorts{held: b.mirror.HoldsPort, given: map[int]time.Time{}}
	s, status, through, err := servicestore.NewREST(b, api.IPv4Protocol, addresses, ports, slicesOf{b.client}, b.pods, b.agents.podTransport())
	if err != nil {
		return nil, err
	}
	return map[string]rest.Storage{"": s, "/status": status, "/proxy": through}, nil
}

// slicesOf finds what a Service is proxied to.
type slicesOf struct{ client kubernetes.Interface }

// GetEndpointSlices implements proxy.EndpointSliceGetter.
func (s slicesOf) GetEndpointSlices(namespace, name string) ([]*discoveryv1.EndpointSlice, error) {
	list, err := s.client.DiscoveryV1().EndpointSlices(namespace).List(context.Background(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name})
	if err != nil {
		return nil, err
	}
	found := make([]*discoveryv1.EndpointSlice, 0, len(list.Items))
	for i := range list.Items {
		found = append(found, &list.Items[i])
	}
	return found, nil
}

// swarmAddresses leaves it to Swarm which address a Service gets: it is known when its service is there.
type swarmAddresses struct{}

var _ ipallocator.Interface = swarmAddresses{}

var errOwnAddress = errors.New(translate.OwnAddress) //nolint:staticcheck // Swarm is a name

// Allocate implements ipallocator.Interface.
func (swarmAddresses) Allocate(net.IP) error { return errOwnAddress }

// AllocateNext implements ipallocator.Interface.
func (swarmAddresses) AllocateNext() (net.IP, error)   { return net.ParseIP(translate.Unassigned), nil }
func (swarmAddresses) Release(net.IP) error            { return nil }
func (swarmAddresses) ForEach(func(net.IP))            {}
func (swarmAddresses) CIDR() net.IPNet                 { return net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)} }
func (swarmAddresses) IPFamily() api.IPFamily          { return api.IPv4Protocol }
func (swarmAddresses) Has(net.IP) bool                 { return false }
func (swarmAddresses) Destroy()                        {}
func (swarmAddresses) EnableMetrics()                  {}
func (s swarmAddresses) DryRun() ipallocator.Interface { return s }

// nodePorts gives out ports that neither a Service nor any service of the Swarm has.
type nodePorts struct {
	held func(port int) swarm.PortUse

	mu    sync.Mutex
	given map[int]time.Time // to Services that may not be stored yet
}

var _ portallocator.Interface = (*nodePorts)(nil)

// givenFor is how long a port that was given out is kept for its Service to be stored.
const givenFor = 30 * time.Second

// Allocate implements portallocator.Interface. What Docker's tools have published is refused later, by name.
func (p *nodePorts) Allocate(port int) error {
	if port < firstNodePort || port > lastNodePort {
		return &portallocator.ErrNotInRange{ValidPorts: "30000-32767"}
	}
	if p.held(port) == swarm.PortOfService {
		return portallocator.ErrAllocated
	}
	return nil
}

// AllocateNext implements portallocator.Interface.
func (p *nodePorts) AllocateNext() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for port, at := range p.given {
		if time.Since(at) > givenFor {
			delete(p.given, port)
		}
	}
	for port := firstNodePort; port <= lastNodePort; port++ {
		if _, given := p.given[port]; !given && p.held(port) == swarm.PortFree {
			p.given[port] = time.Now()
			return port, nil
		}
	}
	return 0, portallocator.ErrFull
}

// Release implements portallocator.Interface: what is not stored, or removed, holds no port.
func (p *nodePorts) Release(port int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.given, port)
	return nil
}

// ForEach implements portallocator.Interface.
func (p *nodePorts) ForEach(func(int)) {}

// Has implements portallocator.Interface.
func (p *nodePorts) Has(port int) bool { return p.held(port) != swarm.PortFree }
func (p *nodePorts) Destroy()          {}
func (p *nodePorts) EnableMetrics()    {}
