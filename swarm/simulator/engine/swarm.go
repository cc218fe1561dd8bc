package engine

import (
	"context"
	"errors"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/daemon/cluster/convert"
	"github.com/docker/docker/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/ca"
	"github.com/moby/swarmkit/v2/manager/encryption"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// member is what a node of a Swarm says to another one.
const member = `This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.`

var errMember = errdefs.Unavailable(errors.New(member)) //nolint:staticcheck // Docker's own words

// Init refuses: the Swarm is there from the start.
func (e *engine) Init(swarm.InitRequest) (string, error) { return "", errMember }

// Join refuses, as it would on any manager.
func (e *engine) Join(swarm.JoinRequest) error { return errMember }

// Leave refuses: there is nothing but the Swarm here.
func (e *engine) Leave(context.Context, bool) error {
	return errdefs.NotImplemented(errors.New("leaving the swarm is not simulated: end the simulator instead"))
}

// UnlockSwarm refuses: a simulated manager is never locked.
func (e *engine) UnlockSwarm(swarm.UnlockRequest) error {
	return errdefs.Conflict(errors.New("swarm is not locked"))
}

// Inspect returns the cluster with its join tokens.
func (e *engine) Inspect() (swarm.Swarm, error) {
	cluster, err := e.cluster()
	if err != nil {
		return swarm.Swarm{}, err
	}
	return convert.SwarmFromGRPC(*cluster), nil
}

// cluster is the one cluster object, without keys.
func (e *engine) cluster() (*api.Cluster, error) {
	response, err := call(e.control.ListClusters, &api.ListClustersRequest{})
	if err != nil {
		return nil, err
	}
	if len(response.Clusters) == 0 {
		return nil, errdefs.Unavailable(errors.New("this node is not part of a swarm"))
	}
	return response.Clusters[0], nil
}

// Update replaces the cluster's spec and rotates its tokens and key.
func (e *engine) Update(version uint64, spec swarm.Spec, flags swarm.UpdateFlags) error {
	cluster, err := e.cluster()
	if err != nil {
		return err
	}
	if spec.Name == "" {
		spec.Name = store.DefaultClusterName
	}
	if spec.Name != store.DefaultClusterName {
		return errdefs.InvalidParameter(errors.New(`swarm spec must be named "default"`))
	}
	wanted, err := convert.SwarmSpecToGRPC(spec)
	if err != nil {
		return errdefs.InvalidParameter(err)
	}
	_, err = call(e.control.UpdateCluster, &api.UpdateClusterRequest{
		ClusterID:      cluster.ID,
		ClusterVersion: &api.Version{Index: version},
		Spec:           &wanted,
		Rotation: api.KeyRotation{
			WorkerJoinToken:  flags.RotateWorkerToken,
			ManagerJoinToken: flags.RotateManagerToken,
			ManagerUnlockKey: flags.RotateManagerUnlockKey,
		},
	})
	return err
}

// GetUnlockKey returns the key of a Swarm whose managers lock themselves, and nothing for another. The control API keeps
// keys to itself; a manager asks its CA, which looks here as well.
func (e *engine) GetUnlockKey() (string, error) {
	cluster, err := e.cluster()
	if err != nil || !cluster.Spec.EncryptionConfig.AutoLockManagers {
		return "", err
	}
	var keys []*api.EncryptionKey
	e.Store().View(func(tx store.ReadTx) {
		if whole := store.GetCluster(tx, cluster.ID); whole != nil {
			keys = whole.UnlockKeys
		}
	})
	for _, key := range keys {
		if key.Subsystem == ca.ManagerRole {
			return encryption.HumanReadableKey(key.Key), nil
		}
	}
	return "", nil
}
