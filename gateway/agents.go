package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"k8s.io/klog/v2"

	"skep/swarm"
	"skep/swarm/agent"
	"skep/swarm/sandbox"
)

// DefaultAgentPort is where the nodes' agents listen: the kubelet's port.
const DefaultAgentPort = 10250

// agentDial is how long an agent may take to be reached.
const agentDial = 5 * time.Second

// agents are what answers for the containers of each node: for the Engine's own node an agent in this process, for the
// others the one that listens there.
type agents struct {
	mirror *swarm.Mirror
	engine *swarm.Engine
	port   int
	client func() (*tls.Config, error)

	here  *agent.Agent
	local http.RoundTripper

	mu     sync.Mutex
	remote map[string]http.RoundTripper // by address
}

func newAgents(o Options, engine *swarm.Engine, mirror *swarm.Mirror, c *Credentials) *agents {
	docker := engine.Docker()
	pipe := agent.Pipe()
	a := &agents{
		mirror: mirror, engine: engine, port: o.AgentPort, client: c.AgentClient, remote: map[string]http.RoundTripper{},
		here: agent.New(docker, agent.Options{
			Image: mirror.Networking.Image, Node: engine.Info.Name,
			Reap: func(ctx context.Context) error { return sandbox.Reap(ctx, docker) },
		}),
		local: &http.Transport{DialContext: pipe.DialContext, DisableCompression: true},
	}
	engine.Elsewhere = func(ctx context.Context, nodeID, container string) error {
		return a.call(ctx, nodeID, http.MethodDelete, "/containers/"+container, nil, nil)
	}
	server := &http.Server{Handler: a.here.Handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(pipe) }()
	return a
}

// run serves the agent of the Engine's own node until the context ends.
func (a *agents) run(ctx context.Context) {
	if err := a.checkImage(ctx); err != nil {
		klog.ErrorS(err, "Pods that need skep's sandbox will not start")
	}
	go func() {
		if err := a.here.Run(ctx); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "What sandboxes left behind on this node is not taken away")
		}
	}()
}

// on is where the agent of a node is called, and how. The error is for a client.
func (a *agents) on(nodeID string) (*url.URL, http.RoundTripper, error) {
	if nodeID == a.engine.Info.Swarm.NodeID {
		return &url.URL{Scheme: "http", Host: "agent"}, a.local, nil
	}
	name, host := a.mirror.NodeAddress(nodeID)
	if host == "" {
		return nil, nil, errors.New("the Pod has no node that the Swarm knows")
	}
	address := net.JoinHostPort(host, strconv.Itoa(a.port))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.remote[address] == nil {
		config, err := a.client()
		if err != nil {
			return nil, nil, err
		}
		a.remote[address] = &http.Transport{
			TLSClientConfig: config, DialContext: dialAgent(name), TLSHandshakeTimeout: agentDial, IdleConnTimeout: time.Minute, DisableCompression: true,
		}
	}
	return &url.URL{Scheme: "https", Host: address}, a.remote[address], nil
}

// dialAgent says in its errors whose agent does not answer.
func dialAgent(node string) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: agentDial}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("the agent of node %s does not answer at %s: deploy it on every node, and let the gateway reach that port (docs/deploy.md): %w", node, address, err)
		}
		return conn, nil
	}
}

// call asks a node's agent for something; in and out may be nil.
func (a *agents) call(ctx context.Context, nodeID, method, path string, in, out any) error {
	base, transport, err := a.on(nodeID)
	if err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		doc, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode for the agent: %w", err)
		}
		body = bytes.NewReader(doc)
	}
	r, err := http.NewRequestWithContext(ctx, method, base.String()+path, body)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		err := fmt.Errorf("the agent answers %s: %s", response.Status, bytes.TrimSpace(text))
		switch response.StatusCode {
		case http.StatusNotFound:
			return errdefs.ErrNotFound.WithMessage(err.Error())
		case http.StatusConflict:
			return errdefs.ErrConflict.WithMessage(err.Error())
		}
		return err
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(out)
}

// checkImage asks for skep's own image on the Engine's node: nil when it is there, else what to do.
func (a *agents) checkImage(ctx context.Context) error {
	image := a.mirror.Networking.Image
	if _, err := a.engine.Docker().ImageInspect(ctx, image); err != nil {
		return fmt.Errorf("the image %q is not on this node, and Pods of several containers, init containers or probes, and port-forward need it on every node: "+
			"\"make image\" builds it, \"docker save | docker load\" or a registry bring it to the others (docs/deploy.md): %w", image, err)
	}
	return nil
}
