package simulator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/docker/docker/libnetwork/cnmallocator"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/allocator/networkallocator"
	"github.com/moby/swarmkit/v2/manager/state/store"
	"github.com/sirupsen/logrus"
)

// Options say what to simulate.
type Options struct {
	Nodes    int    // at least 1; 3 when zero
	Managers int    // of them; 1 when zero
	Seed     int64  // of everything that is left to chance; drawn when zero
	Rules    Rules  // what nodes and containers do
	Dir      string // for certificates and the control socket
}

// Simulator is a running Swarm.
type Simulator struct {
	store   *store.MemoryStore
	control api.ControlServer
	cluster string
	manager *api.Node
	options Options
	agent   *agent
	end     []func()
}

// New founds a Swarm and starts it. The context ends nothing: Close does.
func New(ctx context.Context, o Options) (*Simulator, error) {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Managers == 0 {
		o.Managers = 1
	}
	if o.Nodes < 1 || o.Managers < 1 || o.Managers > o.Nodes {
		return nil, fmt.Errorf("%d managers of %d nodes: there must be at least one of each, and no more managers than nodes", o.Managers, o.Nodes)
	}
	if o.Dir == "" {
		return nil, errors.New("a folder for certificates and the control socket must be named")
	}
	if o.Seed == 0 {
		o.Seed = rand.Int64()
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	s := &Simulator{options: o}
	if err := s.start(context.WithoutCancel(ctx)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Simulator) start(ctx context.Context) error {
	identity, err := newIdentity(s.options)
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	s.cluster = identity.cluster
	s.store = store.NewMemoryStore(newChangeLog())
	s.end = append(s.end, func() { _ = s.store.Close() }) // it fails never
	provider := cnmallocator.NewProvider(nil)
	network, err := provider.NewAllocator(&networkallocator.Config{})
	if err != nil {
		return fmt.Errorf("start the network allocator: %w", err)
	}
	if err := found(s.store, s.cluster, identity.root); err != nil {
		return err
	}
	if s.manager, err = createNodes(s.store, s.options, identity.root); err != nil {
		return fmt.Errorf("create nodes: %w", err)
	}
	s.agent = newAgent(s.store, s.options)
	addresses := newAllocator(s.store, network)
	all := append([]part{{addresses.run, addresses.stop}, {s.agent.run, s.agent.stop}}, parts(s.store)...)
	s.end = append(s.end, start(ctx, all, func(err error) { logrus.WithError(err).Error("A part of the manager has ended") }))
	s.control = newControl(s.store, provider)
	return s.serveControl(identity)
}

// Close ends the Swarm.
func (s *Simulator) Close() {
	for i := len(s.end) - 1; i >= 0; i-- {
		s.end[i]()
	}
	s.end = nil
}

// Store holds the objects of the Swarm.
func (s *Simulator) Store() *store.MemoryStore { return s.store }

// Control is SwarmKit's control API, in process.
func (s *Simulator) Control() api.ControlServer { return s.control }

// ClusterID is the ID of the Swarm's cluster object.
func (s *Simulator) ClusterID() string { return s.cluster }

// NodeID is the ID of the manager that is spoken to.
func (s *Simulator) NodeID() string { return s.manager.ID }

// Dir is the folder that takes the place of Docker's data root: certificates and the control socket are below it.
func (s *Simulator) Dir() string { return s.options.Dir }

// Pullable returns an error in a registry's words for an image that the rules say cannot be pulled.
func (s *Simulator) Pullable(image string) error {
	if why := s.options.Rules.image(image); why != "" {
		return errors.New(why)
	}
	return nil
}

// Kill ends a container as SIGKILL would. It reports whether there is one of that ID that runs.
func (s *Simulator) Kill(_ context.Context, containerID string) bool {
	return s.agent.kill(containerID)
}
