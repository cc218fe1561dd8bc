package simulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/ca"
	"github.com/moby/swarmkit/v2/identity"
	"github.com/moby/swarmkit/v2/manager/allocator/networkallocator"
	"github.com/moby/swarmkit/v2/manager/controlapi"
	"github.com/moby/swarmkit/v2/manager/drivers"
	"github.com/moby/swarmkit/v2/manager/state/store"
	"github.com/moby/swarmkit/v2/manager/watchapi"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// ControlSocket is the path of SwarmKit's control socket below the folder of a simulation.
const ControlSocket = "swarm/control.sock"

// membership is what a manager proves itself with: its certificate, and the authority that all nodes share.
type membership struct {
	cluster     string
	root        *ca.RootCA
	certificate *tls.Certificate
}

// newIdentity makes the Swarm's authority and the manager's certificate, and leaves them where Docker has them.
func newIdentity(o Options) (*membership, error) {
	root, err := ca.CreateRootCA("swarm-ca")
	if err != nil {
		return nil, err
	}
	paths := ca.NewConfigPaths(filepath.Join(o.Dir, "swarm", "certificates"))
	if err := ca.SaveRootCA(root, paths.RootCA); err != nil {
		return nil, err
	}
	cluster := identity.NewID()
	pair, _, err := root.IssueAndSaveNewCertificates(ca.NewKeyReadWriter(paths.Node, nil, nil), nodeID(o.Seed, 1), ca.ManagerRole, cluster)
	if err != nil {
		return nil, err
	}
	return &membership{cluster: cluster, root: &root, certificate: pair}, nil
}

// control is SwarmKit's control API for a Swarm without raft: where that would be asked who is a member, the node's
// own role tells.
type control struct {
	*controlapi.Server
	store *store.MemoryStore
}

func newControl(s *store.MemoryStore, networks networkallocator.DriverValidator) api.ControlServer {
	return &control{controlapi.NewServer(s, nil, nil, networks, drivers.New(nil)), s}
}

// UpdateNode implements api.ControlServer. Demotions alone are our own.
func (c *control) UpdateNode(ctx context.Context, r *api.UpdateNodeRequest) (*api.UpdateNodeResponse, error) {
	if r.Spec == nil || r.NodeVersion == nil || r.Spec.DesiredRole != api.NodeRoleWorker {
		return c.Server.UpdateNode(ctx, r)
	}
	var n *api.Node
	err := c.store.Update(func(tx store.Tx) error {
		if n = store.GetNode(tx, r.NodeID); n == nil {
			return status.Errorf(codes.NotFound, "node %s not found", r.NodeID)
		}
		managers, err := store.FindNodes(tx, store.ByRole(api.NodeRoleManager))
		if err != nil {
			return status.Errorf(codes.Internal, "internal store error: %v", err)
		}
		if len(managers) == 1 && managers[0].ID == n.ID {
			return status.Error(codes.FailedPrecondition, "attempting to demote the last manager of the swarm")
		}
		n.Meta.Version = *r.NodeVersion
		n.Spec = *r.Spec.Copy()
		return store.UpdateNode(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateNodeResponse{Node: n}, nil
}

// RemoveNode implements api.ControlServer. A manager has to be demoted first.
func (c *control) RemoveNode(ctx context.Context, r *api.RemoveNodeRequest) (*api.RemoveNodeResponse, error) {
	var n *api.Node
	c.store.View(func(tx store.ReadTx) { n = store.GetNode(tx, r.NodeID) })
	if n != nil && n.Spec.DesiredRole == api.NodeRoleManager {
		return nil, status.Errorf(codes.FailedPrecondition,
			"node %s is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal", r.NodeID)
	}
	return c.Server.RemoveNode(ctx, r)
}

// serveControl serves the control and watch APIs on the control socket, to managers.
func (s *Simulator) serveControl(m *membership) error {
	socket := filepath.Join(s.options.Dir, ControlSocket)
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(m.serverConfig())))
	watches := watchapi.NewServer(s.store)
	if err := watches.Start(context.Background()); err != nil {
		return err
	}
	api.RegisterControlServer(server, s.control)
	api.RegisterWatchServer(server, watches)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(listener); err != nil {
			logrus.WithError(err).Error("The control socket is not served")
		}
	}()
	s.end = append(s.end, func() {
		_ = watches.Stop() // it was started
		server.Stop()
		<-served
	})
	return nil
}

// serverConfig lets in who has a manager's certificate of this Swarm.
func (m *membership) serverConfig() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{*m.certificate}, MinVersion: tls.VersionTLS12,
		ClientCAs: m.root.Pool, ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{"h2"},
		VerifyPeerCertificate: func(_ [][]byte, chains [][]*x509.Certificate) error {
			for _, role := range chains[0][0].Subject.OrganizationalUnit {
				if role == ca.ManagerRole {
					return nil
				}
			}
			return errors.New("the certificate is not a manager's")
		},
	}
}
