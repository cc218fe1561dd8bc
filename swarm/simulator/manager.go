package simulator

import (
	"context"
	"fmt"
	"sync"

	"github.com/docker/docker/libnetwork/cnmallocator"
	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/ca"
	"github.com/moby/swarmkit/v2/identity"
	"github.com/moby/swarmkit/v2/manager/allocator/networkallocator"
	"github.com/moby/swarmkit/v2/manager/orchestrator/constraintenforcer"
	"github.com/moby/swarmkit/v2/manager/orchestrator/global"
	"github.com/moby/swarmkit/v2/manager/orchestrator/jobs"
	"github.com/moby/swarmkit/v2/manager/orchestrator/replicated"
	"github.com/moby/swarmkit/v2/manager/orchestrator/taskreaper"
	"github.com/moby/swarmkit/v2/manager/orchestrator/volumeenforcer"
	"github.com/moby/swarmkit/v2/manager/scheduler"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// taskHistory is Docker's default for `docker swarm update --task-history-limit`.
const taskHistory = 5

// found writes what a new Swarm starts with: its cluster object and its networks.
func found(s *store.MemoryStore, clusterID string, root *ca.RootCA) error {
	return s.Update(func(tx store.Tx) error {
		if err := store.CreateCluster(tx, newCluster(clusterID, root)); err != nil {
			return fmt.Errorf("create the cluster: %w", err)
		}
		networks := []*api.Network{{
			ID: identity.NewID(),
			Spec: api.NetworkSpec{
				Annotations:  api.Annotations{Name: "ingress"},
				Ingress:      true,
				DriverConfig: &api.Driver{},
				IPAM:         &api.IPAMOptions{Driver: &api.Driver{}},
			},
		}}
		for _, local := range new(cnmallocator.Provider).PredefinedNetworks() {
			networks = append(networks, &api.Network{
				ID: identity.NewID(),
				Spec: api.NetworkSpec{
					Annotations:  api.Annotations{Name: local.Name, Labels: map[string]string{networkallocator.PredefinedLabel: "true"}},
					DriverConfig: &api.Driver{Name: local.Driver},
				},
			})
		}
		for _, n := range networks {
			if err := store.CreateNetwork(tx, n); err != nil {
				return fmt.Errorf("create the network %s: %w", n.Spec.Annotations.Name, err)
			}
		}
		return nil
	})
}

func newCluster(id string, root *ca.RootCA) *api.Cluster {
	var key []byte
	if signer, err := root.Signer(); err == nil {
		key = signer.Key
	}
	return &api.Cluster{
		ID: id,
		Spec: api.ClusterSpec{
			Annotations:   api.Annotations{Name: store.DefaultClusterName},
			Orchestration: api.OrchestrationConfig{TaskHistoryRetentionLimit: taskHistory},
			Dispatcher:    api.DispatcherConfig{HeartbeatPeriod: gogotypes.DurationProto(heartbeat)},
			Raft:          api.RaftConfig{SnapshotInterval: transactionsKept, LogEntriesForSlowFollowers: 500, HeartbeatTick: 1, ElectionTick: 10},
			CAConfig:      ca.DefaultCAConfig(),
		},
		RootCA: api.RootCA{
			CAKey: key, CACert: root.Certs, CACertHash: root.Digest.String(),
			JoinTokens: api.JoinTokens{Worker: ca.GenerateJoinToken(root, false), Manager: ca.GenerateJoinToken(root, false)},
		},
		DefaultAddressPool: []string{"10.0.0.0/8"},
		SubnetSize:         24,
	}
}

// part is one of SwarmKit's loops. A context alone ends none of them.
type part struct {
	run  func(context.Context) error
	stop func()
}

// parts are what a leading manager runs over the store, but for the allocator and the dispatcher.
func parts(s *store.MemoryStore) []part {
	replicas, globals, batch := replicated.NewReplicatedOrchestrator(s), global.NewGlobalOrchestrator(s), jobs.NewOrchestrator(s)
	reaper, schedule := taskreaper.New(s), scheduler.New(s)
	constraints, volumes := constraintenforcer.New(s), volumeenforcer.New(s)
	endless := func(run func(context.Context)) func(context.Context) error {
		return func(ctx context.Context) error {
			run(ctx)
			return nil
		}
	}
	return []part{
		{schedule.Run, schedule.Stop},
		{endless(func(context.Context) { constraints.Run() }), constraints.Stop},
		{endless(func(context.Context) { volumes.Run() }), volumes.Stop},
		{endless(reaper.Run), reaper.Stop},
		{replicas.Run, replicas.Stop},
		{endless(batch.Run), batch.Stop},
		{globals.Run, globals.Stop},
	}
}

// start runs the parts and returns what ends them and waits for it. Each must have been started before it is stopped.
func start(ctx context.Context, all []part, failed func(error)) (stop func()) {
	var running sync.WaitGroup
	for _, p := range all {
		running.Add(1)
		go func() {
			defer running.Done()
			if err := p.run(ctx); err != nil {
				failed(err)
			}
		}()
	}
	return func() {
		for _, p := range all {
			p.stop()
		}
		running.Wait()
	}
}
