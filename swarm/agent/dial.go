package agent

import (
	"context"
	"net/http"
	"strconv"
)

// serveDial connects the client with a port of a container, /dial/{namespace}/{pod}/{id}/{port}: after the answer 101 the
// connection is the container's. It is how the gateway passes HTTP on to Pods.
func (a *Agent) serveDial(w http.ResponseWriter, r *http.Request) {
	port, err := strconv.ParseUint(r.PathValue("port"), 10, 16)
	if err != nil || port == 0 {
		fail(w, failure(http.StatusBadRequest, "%q is no port", r.PathValue("port")))
		return
	}
	c, err := a.running(r.Context(), r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	// Not the request's own context, which may end once the connection is taken over; the connection's end is the end.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	f := a.newForwarder(ctx, c, cancel)
	defer f.close()
	if _, err := f.connect(); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "tcp")
	w.WriteHeader(http.StatusSwitchingProtocols)
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the client has gone
	}
	defer func() { _ = client.Close() }()
	context.AfterFunc(ctx, func() { _ = client.Close() })
	_ = f.PortForward(ctx, "", "", int32(port), client) // why it failed is the end of the connection
}
