package nginx

import (
	"fmt"
	"slices"
)

// A name cannot stand in an upstream block, and only an upstream block keeps connections. So a backend with names gets a
// hop: an upstream block whose server is a socket of nginx's own, where a stream server takes each connection on to
// whatever the name means at the time.
//
// Requests that nginx may send once only, gRPC's among them, go directly, on a connection of their own: a backend that
// closes a connection that was kept may do so as the request arrives. Others go directly when the hop fails: from SIGQUIT
// on nginx listens nowhere, and still has requests that were there before.

const (
	// maxHops is how many backends get one; the others are reached directly. Each is a socket that is open in nginx's
	// master, and Docker may allow that 1,024 files.
	maxHops = 400
	// hopBytes is the length from which on a configuration has none: a Swarm config has less than 1,000 KiB, and each
	// hop takes half of one.
	hopBytes = 1000 << 10
	// connectTimeout is in seconds: that of a location that says none.
	connectTimeout = 5
	// hopTimeout is longer than any timeout of a location, which is the one to count.
	hopTimeout = "12d"
)

// hop is the way to a backend with names.
type hop struct {
	backend Backend
	name    string // of the upstream block; as a variable, the way that a request is to go
	direct  string // what proxy_pass takes without the hop
	connect int32  // the longest connect timeout of the locations, in seconds
}

// hops are those of a configuration, each once, in the order in which they are first asked for.
type hops struct {
	most  int
	list  []*hop
	known map[string]*hop
}

// add returns the hop to a backend that is direct to proxy_pass; nil when there are too many.
func (h *hops) add(b Backend, direct string, connect int32) *hop {
	if connect == 0 {
		connect = connectTimeout
	}
	one := h.known[direct]
	switch {
	case one != nil:
		one.connect = max(one.connect, connect)
		return one
	case len(h.list) >= h.most:
		return nil
	case h.known == nil:
		h.known = map[string]*hop{}
	}
	one = &hop{backend: b, name: fmt.Sprintf("skep_hop_%d", len(h.list)+1), direct: direct, connect: connect}
	h.list, h.known[direct] = append(h.list, one), one
	return one
}

func (h *hop) socket() string {
	return fmt.Sprintf("unix:%s/%s.sock", runDir, h.name)
}

// withoutHop returns the name of a location that does for requests of l what l does, without a hop. One that had none
// before is left with its 502.
func (w *serverWriter) withoutHop(l Location) string {
	var body writer
	body.depth = 3
	body.block(`if ($skep_keep = "")`, func() { body.linef("return 502;") })
	body.pass(l, "$skep_direct")
	i := slices.Index(w.direct, body.String())
	if i < 0 {
		i = len(w.direct)
		w.direct = append(w.direct, body.String())
	}
	return fmt.Sprintf("@skep_direct_%d", i+1)
}

// writeDirect writes the server's locations that withoutHop named.
func (w *serverWriter) writeDirect() {
	for i, body := range w.direct {
		w.block(fmt.Sprintf("location @skep_direct_%d", i+1), func() { w.WriteString(body) })
	}
}

// writeUpstreams writes what the http block needs of the hops.
func (w *writer) writeUpstreams(all []*hop) {
	if len(all) == 0 {
		return
	}
	w.block(`map "$request_method:$http_upgrade" $skep_keep`, func() {
		w.linef(`default "";`)
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} { // those that nginx sends again
			w.linef(`"%s:" 1;`, method)
		}
	})
	for _, h := range all {
		w.block("upstream "+h.name, func() {
			w.linef("server %s;", h.socket()) // one, so that nginx tries again for as long as kept connections fail
			w.linef("%s", keepalive)
			w.linef("%s", turn)
			w.linef("keepalive_timeout 1s;") // sooner than any backend's own
		})
		w.block(fmt.Sprintf("map $skep_keep $%s", h.name), func() {
			w.linef("default %s;", h.direct)
			w.linef("1 %s;", h.name)
		})
	}
}

// writeConnect has addresses that refuse passed over, and one that does not answer be the last: HTTP goes on then.
func (w *writer) writeConnect(seconds int32) {
	w.linef("proxy_connect_timeout %ds;", seconds)
	w.linef("proxy_next_upstream_timeout %ds;", seconds)
}

// writeHops writes the stream block.
func (w *writer) writeHops(all []*hop, resolver string) {
	pool := backends{key: streamKey}
	var servers writer
	servers.depth, pool.blocks.depth = 1, 1
	for _, h := range all {
		value, err := pool.value(h.backend)
		if err != nil {
			w.fail(err)
		}
		servers.block("server", func() {
			servers.linef("listen %s backlog=4096;", h.socket()) // a socket with a full queue refuses at once
			if h.connect != connectTimeout {
				servers.writeConnect(h.connect)
			}
			servers.linef("set $skep_backend %s;", value)
			servers.linef("proxy_pass $skep_backend;")
		})
	}
	w.block("stream", func() {
		w.streamDefaults(resolver, len(pool.known))
		w.writeConnect(connectTimeout)
		w.linef("proxy_timeout %s;", hopTimeout)
		w.WriteString(pool.blocks.String())
		w.WriteString(servers.String())
	})
}
