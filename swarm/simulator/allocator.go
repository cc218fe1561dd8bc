package simulator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/go-events"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/allocator/networkallocator"
	"github.com/moby/swarmkit/v2/manager/state"
	"github.com/moby/swarmkit/v2/manager/state/store"
	"github.com/sirupsen/logrus"
)

// allocator gives networks their subnets, services their virtual IPs and ports, and tasks their addresses, by libnetwork's
// own allocator. SwarmKit's looks through all tasks of a node at every change of one of them, to give nodes the addresses
// of load balancers that nothing here would use: with 10,000 tasks that takes longer than all else together.
type allocator struct {
	store   *store.MemoryStore
	network networkallocator.NetworkAllocator
	ports   *ports

	ingress  *api.Network
	services map[string]bool // with what they asked for
	tasks    map[string]bool // that hold addresses
	pending  map[string]bool // tasks and services that wait for something
	gone     map[string]bool // networks

	stopping, stopped chan struct{}
}

// allocationRetry is how long what could not be had is not asked for again.
const allocationRetry = 5 * time.Second

func newAllocator(s *store.MemoryStore, network networkallocator.NetworkAllocator) *allocator {
	return &allocator{
		store: s, network: network, ports: newPorts(),
		services: map[string]bool{}, tasks: map[string]bool{}, pending: map[string]bool{}, gone: map[string]bool{},
		stopping: make(chan struct{}), stopped: make(chan struct{}),
	}
}

func (a *allocator) stop() {
	close(a.stopping)
	<-a.stopped
}

// run allocates until it is stopped. What changes in one transaction is worked off in one.
func (a *allocator) run(context.Context) error {
	defer close(a.stopped)
	var networks []string
	changes, cancel, err := store.ViewAndWatch(a.store, func(tx store.ReadTx) (err error) {
		networks, err = a.find(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("look for what is there: %w", err)
	}
	defer cancel()
	for _, id := range networks {
		a.allocateNetwork(id)
	}
	a.allocatePending()
	retry := time.NewTicker(allocationRetry)
	defer retry.Stop()
	for {
		select {
		case change := <-changes:
			a.take(change)
		case <-retry.C:
			a.allocatePending()
		case <-a.stopping:
			return nil
		}
	}
}

// find notes what was there before the allocator, and returns the networks.
func (a *allocator) find(tx store.ReadTx) (networks []string, err error) {
	found, err := store.FindNetworks(tx, store.All)
	if err != nil {
		return nil, err
	}
	for _, n := range found {
		networks = append(networks, n.ID)
	}
	services, err := store.FindServices(tx, store.All)
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		a.pending[s.ID] = true
	}
	tasks, err := store.FindTasks(tx, store.All)
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		a.pending[t.ID] = true
	}
	return networks, nil
}

// take notes what a change asks for; the end of its transaction allocates it.
func (a *allocator) take(change events.Event) {
	switch v := change.(type) {
	case api.EventCreateNetwork:
		a.allocateNetwork(v.Network.ID)
	case api.EventDeleteNetwork:
		a.releaseNetwork(v.Network)
	case api.EventCreateService:
		a.pending[v.Service.ID] = true
	case api.EventUpdateService:
		a.pending[v.Service.ID] = true
	case api.EventDeleteService:
		a.releaseService(v.Service)
	case api.EventCreateTask:
		a.pending[v.Task.ID] = true
	case api.EventUpdateTask:
		if v.Task.Status.State > api.TaskStateRunning {
			a.releaseTask(v.Task)
		}
	case api.EventDeleteTask:
		a.releaseTask(v.Task)
	case state.EventCommit:
		a.allocatePending()
	}
}

func (a *allocator) allocateNetwork(id string) {
	err := a.store.Update(func(tx store.Tx) error {
		n := store.GetNetwork(tx, id)
		if n == nil {
			return nil
		}
		if !a.network.IsAllocated(n) {
			if err := a.network.Allocate(n); err != nil {
				return err
			}
			if err := store.UpdateNetwork(tx, n); err != nil {
				return err
			}
		}
		if n.Spec.Ingress {
			a.ingress = n
		}
		return nil
	})
	if err != nil {
		logrus.WithError(err).WithField("network", id).Error("A network gets no subnet")
	}
}

func (a *allocator) releaseNetwork(n *api.Network) {
	if a.ingress != nil && a.ingress.ID == n.ID {
		a.ingress = nil
	}
	a.gone[n.ID] = true // with all addresses on it
	if err := a.network.Deallocate(n.Copy()); err != nil {
		logrus.WithError(err).WithField("network", n.ID).Warn("A network keeps its subnet")
	}
}

func (a *allocator) releaseService(s *api.Service) {
	delete(a.pending, s.ID)
	delete(a.services, s.ID)
	a.ports.release(s.ID)
	if s.Endpoint == nil {
		return
	}
	if err := a.network.DeallocateService(s.Copy()); err != nil {
		logrus.WithError(err).WithField("service", s.ID).Warn("A service keeps its virtual IPs")
	}
}

func (a *allocator) releaseTask(t *api.Task) {
	delete(a.pending, t.ID)
	if !a.tasks[t.ID] {
		return
	}
	delete(a.tasks, t.ID)
	t = t.Copy()
	t.Networks = slices.DeleteFunc(t.Networks, func(n *api.NetworkAttachment) bool { return a.gone[n.Network.ID] })
	if err := a.network.DeallocateTask(t); err != nil {
		logrus.WithError(err).WithField("task", t.ID).Warn("A task keeps its addresses")
	}
}

// allocatePending gives all that wait what they need, services first. What cannot be had stays.
func (a *allocator) allocatePending() {
	if len(a.pending) == 0 {
		return
	}
	err := a.store.Batch(func(batch *store.Batch) error {
		for _, allocate := range []func(store.Tx, string) (bool, error){a.allocateService, a.allocateTask} {
			for id := range a.pending {
				if err := batch.Update(func(tx store.Tx) error {
					done, err := allocate(tx, id)
					if err != nil {
						logrus.WithError(err).WithField("id", id).Debug("Not allocated yet")
					} else if done {
						delete(a.pending, id)
					}
					return nil
				}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		logrus.WithError(err).Error("An allocation is not written")
	}
}

// allocateService gives a service its virtual IPs and ports. It is done when the ID is of no service that lacks any.
func (a *allocator) allocateService(tx store.Tx, id string) (done bool, err error) {
	s := store.GetService(tx, id)
	if s == nil {
		return false, nil // a task, perhaps
	}
	if a.network.IsServiceAllocated(s) && a.ports.allocated(s) {
		a.services[id] = true
		return true, nil
	}
	delete(a.services, id)
	s.Endpoint = endpointOf(s)
	if err := a.ports.allocate(s); err != nil {
		return false, err
	}
	if networkallocator.IsIngressNetworkNeeded(s) {
		if a.ingress == nil {
			return false, errors.New("ingress network is missing")
		}
		a.joinIngress(s)
	}
	if err := a.network.AllocateService(s); err != nil {
		return false, err
	}
	if s.Spec.Endpoint == nil && len(s.Endpoint.VirtualIPs) == 0 && len(s.Endpoint.Ports) == 0 {
		s.Endpoint = nil
	}
	a.services[id] = true
	return true, store.UpdateService(tx, s)
}

// endpointOf is a service's endpoint before its allocation: what it has, by the specification of now.
func endpointOf(s *api.Service) *api.Endpoint {
	e := &api.Endpoint{}
	if s.Endpoint != nil {
		e.VirtualIPs, e.Ports = s.Endpoint.VirtualIPs, s.Endpoint.Ports
	}
	if s.Spec.Endpoint != nil {
		e.Spec = s.Spec.Endpoint.Copy()
	}
	return e
}

// joinIngress asks for a virtual IP on the network of the routing mesh.
func (a *allocator) joinIngress(s *api.Service) {
	for _, vip := range s.Endpoint.VirtualIPs {
		if vip.NetworkID == a.ingress.ID {
			return
		}
	}
	s.Endpoint.VirtualIPs = append(s.Endpoint.VirtualIPs, &api.Endpoint_VirtualIP{NetworkID: a.ingress.ID})
}

// allocateTask gives a task its addresses and lets the scheduler have it.
func (a *allocator) allocateTask(tx store.Tx, id string) (done bool, err error) {
	t := store.GetTask(tx, id)
	if t == nil || t.Status.State >= api.TaskStatePending {
		return store.GetService(tx, id) == nil, nil
	}
	s := store.GetService(tx, t.ServiceID)
	if t.ServiceID != "" && (s == nil || !a.services[s.ID]) {
		return s == nil, nil // its service comes first, or has gone and takes it along
	}
	t.Networks = a.attachments(tx, t, s)
	if err := a.network.AllocateTask(t); err != nil {
		return false, err
	}
	a.tasks[id] = len(t.Networks) > 0
	if s != nil {
		t.Endpoint = s.Endpoint.Copy()
	}
	t.Status = taskStatus(api.TaskStatePending, "pending task scheduling")
	return true, store.UpdateTask(tx, t)
}

// attachments are the networks that a task is to join: the routing mesh's, then those of its specification.
func (a *allocator) attachments(tx store.ReadTx, t *api.Task, s *api.Service) []*api.NetworkAttachment {
	var all []*api.NetworkAttachment
	if s != nil && networkallocator.IsIngressNetworkNeeded(s) && a.ingress != nil {
		all = append(all, &api.NetworkAttachment{Network: a.ingress})
	}
	wanted := t.Spec.Networks
	if len(wanted) == 0 && s != nil {
		wanted = s.Spec.Networks
	}
	for _, w := range wanted {
		if n := store.GetNetwork(tx, w.Target); n != nil {
			all = append(all, &api.NetworkAttachment{
				Network: n, Aliases: w.Aliases, Addresses: w.Addresses, DriverAttachmentOpts: w.DriverAttachmentOpts,
			})
		}
	}
	return all
}
