package swarm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/docker/docker/api/types/system"
	swarmapi "github.com/moby/swarmkit/v2/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// control is SwarmKit's own API on a manager: it pushes every change, tasks among them, and removes tasks.
type control struct {
	conn *grpc.ClientConn
	path string
}

// openControl dials the control socket with the node's own certificate, as Docker's daemon does. Without a
// path it returns nil when the socket or the certificate is not there to be read.
func openControl(path string, info system.Info) (*control, error) {
	if path == "none" {
		return nil, nil
	}
	given := path != ""
	if !given {
		path = defaultControlSocket
	}
	c, err := dialControl(path, filepath.Join(info.DockerRootDir, "swarm", "certificates"))
	if err != nil {
		if given {
			return nil, fmt.Errorf("the control socket %s cannot be used: %w", path, err)
		}
		return nil, nil // the Engine's own API does, only slower
	}
	if err := c.knows(info.Swarm.NodeID); err != nil {
		c.close()
		if given {
			return nil, fmt.Errorf("the control socket %s is not of the Engine at --docker-host: %w", path, err)
		}
		return nil, nil // another Engine's socket: ours is elsewhere
	}
	return c, nil
}

func dialControl(path, certificates string) (*control, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	// Read anew for each connection: the node's certificate is renewed while we run.
	load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(certificates, "swarm-node.crt"), filepath.Join(certificates, "swarm-node.key"))
		return &pair, err
	}
	if _, err := load(nil); err != nil {
		return nil, err
	}
	root, err := os.ReadFile(filepath.Join(certificates, "swarm-root-ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		return nil, errors.New("swarm-root-ca.crt holds no certificate")
	}
	conn, err := grpc.NewClient("unix://"+path,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			GetClientCertificate: load, RootCAs: pool, ServerName: "swarm-manager", MinVersion: tls.VersionTLS12,
		})),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(128<<20)))
	if err != nil {
		return nil, err
	}
	return &control{conn: conn, path: path}, nil
}

// knows asks whether the manager behind the socket has the node in its Swarm.
func (c *control) knows(node string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := swarmapi.NewControlClient(c.conn).GetNode(ctx, &swarmapi.GetNodeRequest{NodeID: node})
	return err
}

func (c *control) close() { _ = c.conn.Close() }

// removeTask takes a task away; its service's orchestrator starts another at once.
func (c *control) removeTask(ctx context.Context, id string) error {
	_, err := swarmapi.NewControlClient(c.conn).RemoveTask(ctx, &swarmapi.RemoveTaskRequest{TaskID: id})
	return err
}
