package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/docker/docker/client"
)

// DefaultListen is the kubelet's port, and DefaultClient the common name of the gateway's certificate.
const (
	DefaultListen = ":10250"
	DefaultClient = "skep-gateway"
)

// ServeOptions say how an agent is served to the gateway.
type ServeOptions struct {
	// Listen is an address of TCP. Empty: DefaultListen.
	Listen string
	// CertFile and KeyFile are the agent's certificate and key, ClientCAFile the authority of its clients, all in PEM.
	// They are read again when they change.
	CertFile, KeyFile, ClientCAFile string
	// ClientName is the common name that a client's certificate must have. Empty: DefaultClient.
	ClientName string
	// DockerHost is the Engine's address. Empty: DOCKER_HOST, else the local socket.
	DockerHost string
	// Image is skep's. Empty: that of the container that the agent runs in, else DefaultImage.
	Image string
	// Node is the node's name, for messages. Empty: the Engine's host name.
	Node string
	// Reap is as in Options.
	Reap func(ctx context.Context, docker *client.Client) error
	// Ready, if set, is told the address once it is served.
	Ready func(net.Addr)
}

// Serve runs an agent and serves it over mutual TLS until ctx ends. Its errors are sentences for a person.
func Serve(ctx context.Context, o ServeOptions) error {
	docker, err := connect(ctx, &o)
	if err != nil {
		return err
	}
	defer docker.Close() //nolint:errcheck // nothing is lost
	files, err := openCredentials(o)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("the agent cannot listen on %s: %w", o.Listen, err)
	}
	a := New(docker, Options{Image: o.Image, Node: o.Node, Reap: func(ctx context.Context) error {
		if o.Reap == nil {
			return nil
		}
		return o.Reap(ctx, docker)
	}})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := newServer(files.guard(tidy(a.Handler())))
	server.TLSConfig = files.config()
	go func() { _ = a.Run(ctx) }() // ends with ctx only
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if o.Ready != nil {
		o.Ready(listener.Addr())
	}
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the agent no longer serves %s: %w", o.Listen, err)
	}
	return nil
}

// newServer is an HTTP server for the handler: of version 1.1, since connections are upgraded.
func newServer(handler http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: handler, Protocols: &protocols,
		ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

// connect reaches the Engine and fills in what the options leave open.
func connect(ctx context.Context, o *ServeOptions) (*client.Client, error) {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.ClientName == "" {
		o.ClientName = DefaultClient
	}
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if o.DockerHost != "" {
		options = append(options, client.WithHost(o.DockerHost))
	}
	docker, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("the Docker host cannot be used: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	info, err := docker.Info(ctx)
	if err != nil {
		_ = docker.Close()
		return nil, fmt.Errorf("no Docker Engine answers at %s: mount its socket into the agent's container, or name another with --docker-host (%w)",
			docker.DaemonHost(), err)
	}
	if o.Node == "" {
		o.Node = info.Name
	}
	if o.Image == "" {
		o.Image = ownImage(ctx, docker)
	}
	return docker, nil
}

// ownContainer is what Docker mounts into each container from a directory that has its ID.
var ownContainer = regexp.MustCompile(`/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) `)

// ownImage is the image of the container that this process runs in, by its ID: it is on this node for sure. Empty if it
// runs in none.
func ownImage(ctx context.Context, docker client.APIClient) string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	found := ownContainer.FindSubmatch(mounts)
	if found == nil {
		return ""
	}
	c, err := docker.ContainerInspect(ctx, string(found[1]))
	if err != nil {
		return ""
	}
	return c.Image
}
