package swarm

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"
)

// api is what this package asks of the Docker Engine API.
type api interface {
	Info(ctx context.Context) (system.Info, error)
	Events(ctx context.Context, options events.ListOptions) (<-chan events.Message, <-chan error)

	ServiceCreate(ctx context.Context, spec swarm.ServiceSpec, options swarm.ServiceCreateOptions) (swarm.ServiceCreateResponse, error)
	ServiceUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.ServiceSpec, options swarm.ServiceUpdateOptions) (swarm.ServiceUpdateResponse, error)
	ServiceRemove(ctx context.Context, id string) error
	ServiceList(ctx context.Context, options swarm.ServiceListOptions) ([]swarm.Service, error)
	ServiceInspectWithRaw(ctx context.Context, id string, options swarm.ServiceInspectOptions) (swarm.Service, []byte, error)

	ConfigCreate(ctx context.Context, spec swarm.ConfigSpec) (swarm.ConfigCreateResponse, error)
	ConfigUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.ConfigSpec) error
	ConfigRemove(ctx context.Context, id string) error
	ConfigList(ctx context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error)
	ConfigInspectWithRaw(ctx context.Context, id string) (swarm.Config, []byte, error)

	SecretCreate(ctx context.Context, spec swarm.SecretSpec) (swarm.SecretCreateResponse, error)
	SecretRemove(ctx context.Context, id string) error
	SecretList(ctx context.Context, options swarm.SecretListOptions) ([]swarm.Secret, error)
	SecretInspectWithRaw(ctx context.Context, id string) (swarm.Secret, []byte, error)

	NodeUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.NodeSpec) error
	NodeRemove(ctx context.Context, id string, options swarm.NodeRemoveOptions) error
	NodeList(ctx context.Context, options swarm.NodeListOptions) ([]swarm.Node, error)
	NodeInspectWithRaw(ctx context.Context, id string) (swarm.Node, []byte, error)

	NetworkCreate(ctx context.Context, name string, options network.CreateOptions) (network.CreateResponse, error)
	NetworkRemove(ctx context.Context, id string) error
	NetworkList(ctx context.Context, options network.ListOptions) ([]network.Inspect, error)

	TaskList(ctx context.Context, options swarm.TaskListOptions) ([]swarm.Task, error)
	TaskLogs(ctx context.Context, id string, options container.LogsOptions) (io.ReadCloser, error)
	ContainerRemove(ctx context.Context, id string, options container.RemoveOptions) error

	VolumeList(ctx context.Context, options volume.ListOptions) (volume.ListResponse, error)
	VolumeRemove(ctx context.Context, id string, force bool) error
}

var _ api = (*client.Client)(nil)

// Engine is a Docker Engine that manages a Swarm.
type Engine struct {
	api
	Info   system.Info
	docker *client.Client
	// Elsewhere removes a container of another node; nil where nobody can. It is set before the Engine is used.
	Elsewhere func(ctx context.Context, nodeID, container string) error
	control   *control // nil when SwarmKit's control socket cannot be used
	local     bool     // on this machine
	version   string   // of the API, as negotiated
}

// Options say how to reach the Engine.
type Options struct {
	// Host is the Engine's address; empty: DOCKER_HOST, else the local socket.
	Host string
	// ControlSocket is SwarmKit's, below the Engine's --exec-root; empty: looked for where Docker has it
	// by default; "none": do not use it.
	ControlSocket string
}

// defaultControlSocket is where an Engine with the default --exec-root has it.
const defaultControlSocket = "/run/docker/swarm/control.sock"

// Connect reaches an Engine and makes sure that it manages a Swarm. Its errors are sentences for a person.
func Connect(ctx context.Context, o Options) (*Engine, error) {
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if o.Host != "" {
		options = append(options, hostOption(o.Host), client.WithAPIVersionNegotiation())
	}
	c, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("the Docker host cannot be used: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	info, err := c.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("no Docker Engine answers at %s: start it, or name another with --docker-host (%w)", c.DaemonHost(), err)
	}
	if info.Swarm.LocalNodeState != swarm.LocalNodeStateActive {
		return nil, fmt.Errorf("the Docker Engine at %s is in no Swarm: run \"docker swarm init\" there", c.DaemonHost())
	}
	if !info.Swarm.ControlAvailable {
		return nil, fmt.Errorf("the Docker Engine at %s is a worker of its Swarm: name a manager with --docker-host, or run \"docker node promote %s\" on one",
			c.DaemonHost(), info.Name)
	}
	e := &Engine{api: c, docker: c, Info: info, local: strings.HasPrefix(c.DaemonHost(), "unix://"), version: c.ClientVersion()}
	if e.control, err = openControl(o.ControlSocket, info); err != nil {
		return nil, err
	}
	return e, nil
}

// Client is Docker's own, for who only reads.
func (e *Engine) Client() *client.Client { return e.docker }

// hostOption is --docker-host, with the TLS of DOCKER_CERT_PATH as Docker's own tools use it.
func hostOption(host string) client.Opt {
	return func(c *client.Client) error {
		dir := os.Getenv(client.EnvOverrideCertPath)
		if dir == "" {
			return client.WithHost(host)(c)
		}
		config, err := tlsconfig.Client(tlsconfig.Options{
			CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"),
			InsecureSkipVerify: os.Getenv(client.EnvTLSVerify) == "",
		})
		if err != nil {
			return fmt.Errorf("%s: %w", client.EnvOverrideCertPath, err)
		}
		h := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, CheckRedirect: client.CheckRedirect}
		if err := client.WithHTTPClient(h)(c); err != nil {
			return err
		}
		return client.WithHost(host)(c)
	}
}

// Close lets go of the connections.
func (e *Engine) Close() {
	if e.control != nil {
		e.control.close()
	}
	if c, ok := e.api.(io.Closer); ok {
		_ = c.Close()
	}
}

// Docker is the client of the Engine itself: for what runs on its own node.
func (e *Engine) Docker() *client.Client { return e.docker }

// Pushed says whether changes are pushed by SwarmKit rather than looked for.
func (e *Engine) Pushed() bool { return e.control != nil }

// QuickHealth says whether containers can be looked at more often while they start.
func (e *Engine) QuickHealth() bool { return versions.GreaterThanOrEqualTo(e.version, "1.44") }
