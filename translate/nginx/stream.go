package nginx

import (
	"fmt"
)

// StreamConfig is what an nginx does that passes connections on as they are.
type StreamConfig struct {
	// Resolver is the address of the DNS server, with a port if it is not 53. Docker's is 127.0.0.11.
	Resolver  string
	Listeners []Listener
}

// Listener is one port. TCP and UDP have ports of their own.
type Listener struct {
	Name    string // for readers
	Port    int32
	UDP     bool
	Backend Backend
	// SendProxy tells the backend who calls, by the PROXY protocol; with TCP only.
	SendProxy bool
}

// Stream writes a configuration; an error names the listener that cannot be.
func Stream(c StreamConfig) (string, error) {
	var servers, w writer
	servers.depth = 1
	pool := backends{key: streamKey}
	pool.blocks.depth = 1
	type port struct {
		number int32
		udp    bool
	}
	taken := map[port]bool{}
	for _, l := range c.Listeners {
		at := port{l.Port, l.UDP}
		if taken[at] {
			return "", fmt.Errorf("listener %q: port %d is taken", l.Name, l.Port)
		}
		taken[at] = true
		if err := servers.listener(l, &pool); err != nil {
			return "", fmt.Errorf("listener %q: %w", l.Name, err)
		}
	}
	w.preamble(streamConnections)
	w.block("stream", func() {
		w.streamDefaults(c.Resolver, len(pool.known))
		w.linef("proxy_connect_timeout 2s;")
		w.WriteString(pool.blocks.String())
		w.WriteString(servers.String())
	})
	return w.String(), w.err
}

// streamKey is what connections are drawn by.
const streamKey = "$connection$remote_addr$remote_port$msec"

func (w *writer) streamDefaults(resolver string, variables int) {
	w.resolver(resolver)
	w.linef("variables_hash_max_size %d;", hashSize(variables+256))
	w.linef("variables_hash_bucket_size 128;")
	w.linef("proxy_next_upstream on;") // a name has several addresses
	w.linef("proxy_socket_keepalive on;")
}

func (w *writer) listener(l Listener, pool *backends) error {
	if err := checkPort(l.Port); err != nil {
		return err
	}
	if err := checkText(l.Name); err != nil {
		return err
	}
	value, err := pool.value(l.Backend)
	if err != nil {
		return err
	}
	w.block("server", func() {
		if l.Name != "" {
			w.linef("# %s", l.Name)
		}
		if l.UDP {
			w.linef("listen %d udp reuseport;", l.Port) // so that a client's packets stay with one worker
			w.linef("proxy_timeout 30s;")
		} else {
			w.linef("listen %d so_keepalive=on;", l.Port)
			w.linef("proxy_timeout 1h;")
			if l.SendProxy {
				w.linef("proxy_protocol on;")
			}
		}
		if value == "" {
			w.linef(`return "";`)
			return
		}
		w.linef("set $skep_backend %s;", value)
		w.linef("proxy_pass $skep_backend;")
	})
	return nil
}

// hashSize is a size of nginx's hash tables that holds n names without many collisions.
func hashSize(n int) int {
	size := 1024
	for size < 2*n {
		size *= 2
	}
	return size
}
