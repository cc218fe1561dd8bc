package agent

import (
	"context"
	"net/http"
	"sync"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// DefaultImage is skep's image where no other is named.
const DefaultImage = "skep:latest"

// streamIdle is how long a stream may be silent: the kubelet's streamingConnectionIdleTimeout.
const streamIdle = 4 * time.Hour

// Limits of request bodies, in bytes. A Pod may refer to many ConfigMaps and Secrets of up to 1 MiB each.
const (
	maxUpdate = 64 << 20
	maxBody   = 1 << 20
)

// Options are an agent's.
type Options struct {
	// Image is skep's, which helpers are made of. Empty: DefaultImage.
	Image string
	// Node is the node's name, for messages.
	Node string
	// Reap takes away what sandboxes left that are no more: sandbox.Reap. It is called at start and when containers end.
	Reap func(ctx context.Context) error
}

// Agent serves the kubelet's API of one node.
type Agent struct {
	docker  Docker
	options Options
	meter   meter

	pulls  map[pull]string // ephemeral containers whose image is being pulled (""), or could not be (why)
	pullMu sync.Mutex
}

// New is an agent of the node whose Engine docker is.
func New(docker Docker, o Options) *Agent {
	if o.Image == "" {
		o.Image = DefaultImage
	}
	a := &Agent{docker: docker, options: o, pulls: map[pull]string{}}
	a.meter.docker = docker
	return a
}

// Handler serves the API. Who may ask is not its business: see Serve.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{id}", a.serveExec)
	mux.HandleFunc("/attach/{namespace}/{pod}/{id}", a.serveAttach)
	mux.HandleFunc("/portForward/{namespace}/{pod}/{id}", a.servePortForward)
	mux.HandleFunc("/dial/{namespace}/{pod}/{id}/{port}", a.serveDial)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{id}", a.serveLogs)
	mux.HandleFunc("POST /update/{namespace}/{pod}/{id}", a.serveUpdate)
	mux.HandleFunc("PUT /ephemeral/{namespace}/{pod}/{id}", a.putEphemeral)
	mux.HandleFunc("GET /ephemeral/{namespace}/{pod}/{id}", a.getEphemeral)
	mux.HandleFunc("DELETE /containers/{id}", a.removeContainer)
	mux.HandleFunc("GET /stats", a.serveStats)
	mux.HandleFunc("GET /volumes", a.listVolumes)
	mux.HandleFunc("POST /volumes", a.createVolume)
	mux.HandleFunc("DELETE /volumes/{name}", a.removeVolume)
	mux.HandleFunc("GET /healthz", a.serveHealth)
	return mux
}

func (a *Agent) serveExec(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	command := r.URL.Query()["command"]
	switch {
	case err != nil:
		fail(w, failure(http.StatusBadRequest, "%w", err))
		return
	case len(command) == 0 || command[0] == "":
		fail(w, failure(http.StatusBadRequest, "you must specify at least 1 command for the container"))
		return
	}
	id := r.PathValue("id")
	if _, err := a.running(r.Context(), id); err != nil {
		fail(w, err)
		return
	}
	hangup, r := watchHangup(w, r)
	defer hangup.done()
	remotecommand.ServeExec(hangup, r, executor{a, *options}, r.PathValue("pod"), "", id, command, options,
		streamIdle, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (a *Agent) serveAttach(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		fail(w, failure(http.StatusBadRequest, "%w", err))
		return
	}
	id := r.PathValue("id")
	c, err := a.running(r.Context(), id)
	if err != nil {
		fail(w, err)
		return
	}
	hangup, r := watchHangup(w, r)
	defer hangup.done()
	remotecommand.ServeAttach(hangup, r, attacher{a, *options, c}, r.PathValue("pod"), "", id, options,
		streamIdle, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (a *Agent) servePortForward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		fail(w, failure(http.StatusBadRequest, "%w", err))
		return
	}
	c, err := a.running(r.Context(), r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	hangup, r := watchHangup(w, r)
	defer hangup.done()
	forwarder := a.newForwarder(r.Context(), c, hangup.end)
	defer forwarder.close()
	portforward.ServePortForward(hangup, r, forwarder, r.PathValue("pod"), "", options,
		streamIdle, remotecommand.DefaultStreamCreationTimeout, portforward.SupportedProtocols)
}

func (a *Agent) serveHealth(w http.ResponseWriter, r *http.Request) {
	if _, err := a.docker.Ping(r.Context()); err != nil {
		fail(w, failure(http.StatusServiceUnavailable, "node %s: the Docker Engine does not answer: %w", a.options.Node, err))
		return
	}
	_, _ = w.Write([]byte("ok"))
}
