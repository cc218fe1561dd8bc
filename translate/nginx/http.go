package nginx

import (
	"fmt"
	"slices"
)

// keepalive is how many idle connections a worker keeps to a backend, and after how many requests the next address has
// its turn: an address can stand for several Pods.
const (
	keepalive = "keepalive 32;"
	turn      = "keepalive_requests 100;"
)

// DefaultHealthPort is where /healthz answers when nothing else is said.
const DefaultHealthPort = 10254

// HTTPConfig is what an nginx does that routes by host and path.
type HTTPConfig struct {
	// Resolver is the address of the DNS server, with a port if it is not 53. Docker's is 127.0.0.11.
	Resolver string
	// HTTPPort and HTTPSPort are what nginx listens at, and what redirects tell clients: they are to be published as
	// they are. Without an HTTPSPort there is no TLS.
	HTTPPort, HTTPSPort int32
	// RelayHTTPPort and RelayHTTPSPort take the same from who passes it on with the PROXY protocol; 0 for none.
	RelayHTTPPort, RelayHTTPSPort int32
	// HealthPort answers /healthz with 200; 0 is DefaultHealthPort.
	HealthPort int32
	Servers    []Server
	// DefaultBackend answers where no host and no path matches; without one that is 404.
	DefaultBackend *Backend
	// DefaultCertificate is the path of a PEM for servers without a certificate. Without one their hosts are not
	// served on HTTPS: the handshake is rejected.
	DefaultCertificate string
}

// HTTP writes a configuration; an error names the server that cannot be.
//
// gRPC needs a server with a certificate: nginx 1.22 speaks HTTP/2 on a port without TLS only if nobody speaks HTTP/1
// there.
func HTTP(c HTTPConfig) (string, error) {
	if c.HealthPort == 0 {
		c.HealthPort = DefaultHealthPort
	}
	if err := c.check(); err != nil {
		return "", err
	}
	text, err := c.render(maxHops)
	if len(text) >= hopBytes {
		return c.render(0)
	}
	return text, err
}

func (c HTTPConfig) render(most int) (string, error) {
	var w writer
	servers := serverWriter{config: c, pool: backends{key: "$request_id", upstream: keepalive + " " + turn}, hops: hops{most: most}}
	servers.depth, servers.pool.blocks.depth = 1, 1
	for _, s := range withDefault(c.Servers) {
		if err := servers.server(s); err != nil {
			return "", fmt.Errorf("host %q: %w", s.Host, err)
		}
	}
	w.preamble(httpConnections)
	if len(servers.hops.list) > 0 {
		w.writeHops(servers.hops.list, c.Resolver)
	}
	w.block("http", func() {
		w.resolver(c.Resolver)
		w.httpDefaults()
		w.hashes(len(c.Servers), len(servers.pool.known)+len(servers.hops.list))
		w.tlsDefaults()
		w.proxyDefaults(c)
		w.WriteString(servers.pool.blocks.String())
		w.writeUpstreams(servers.hops.list)
		w.health(c.HealthPort)
		w.WriteString(servers.String())
	})
	if w.err == nil {
		w.err = servers.err
	}
	return w.String(), w.err
}

func (c HTTPConfig) check() error {
	ports := []int32{c.HTTPPort, c.HealthPort}
	if c.HTTPSPort != 0 {
		ports = append(ports, c.HTTPSPort)
	}
	for _, port := range []int32{c.RelayHTTPPort, c.RelayHTTPSPort} {
		if port != 0 {
			ports = append(ports, port)
		}
	}
	for i, port := range ports {
		if err := checkPort(port); err != nil {
			return err
		}
		if slices.Contains(ports[:i], port) {
			return fmt.Errorf("port %d is to be used twice", port)
		}
	}
	hosts := map[string]bool{}
	for _, s := range c.Servers {
		if hosts[s.Host] {
			return fmt.Errorf("host %q is there twice", s.Host)
		}
		hosts[s.Host] = true
	}
	return checkFile(c.DefaultCertificate)
}

// withDefault puts the server of all other hosts first.
func withDefault(servers []Server) []Server {
	i := slices.IndexFunc(servers, func(s Server) bool { return s.Host == "" })
	if i < 0 {
		return append([]Server{{}}, servers...)
	}
	out := append([]Server{servers[i]}, servers[:i]...)
	return append(out, servers[i+1:]...)
}

func (w *writer) httpDefaults() {
	w.linef("access_log /dev/stdout combined buffer=32k flush=1s;") // a write for each request costs as much as the rest
	w.linef("server_tokens off;")
	w.linef("absolute_redirect off;") // redirects to a path stay with the host and port that the client knows
	w.linef("reset_timedout_connection on;")
	w.linef("keepalive_timeout 75s;")
	w.linef("keepalive_requests 1000;")
	w.linef("large_client_header_buffers 4 16k;")
	w.linef("client_max_body_size 1m;")
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		w.linef("%s_temp_path %s/nginx-%s;", what, runDir, what)
	}
}

func (w *writer) hashes(servers, variables int) {
	w.linef("server_names_hash_max_size %d;", hashSize(servers))
	w.linef("server_names_hash_bucket_size 512;") // the longest name in one
	w.linef("variables_hash_max_size %d;", hashSize(variables+512))
	w.linef("variables_hash_bucket_size 128;")
	w.linef("proxy_headers_hash_max_size 1024;")
	w.linef("proxy_headers_hash_bucket_size 128;")
}

func (w *writer) tlsDefaults() {
	w.linef("ssl_protocols TLSv1.2 TLSv1.3;")
	w.linef("ssl_session_cache shared:skep:10m;")
	w.linef("ssl_session_timeout 10m;")
}

// forwarded are the headers that backends get. What a client says of itself is replaced: anyone can say anything.
var forwarded = []struct{ name, value string }{
	{"Host", "$skep_host"},
	{"X-Real-IP", "$remote_addr"},
	{"X-Forwarded-For", "$remote_addr"},
	{"X-Forwarded-Host", "$skep_host"},
	{"X-Forwarded-Port", "$skep_port"},
	{"X-Forwarded-Proto", "$scheme"},
	{"X-Request-ID", "$request_id"},
}

func (w *writer) proxyDefaults(c HTTPConfig) {
	w.block("map $server_port $skep_port", func() { // what the client knows
		w.linef("default $server_port;")
		for _, r := range [][2]int32{{c.RelayHTTPPort, c.HTTPPort}, {c.RelayHTTPSPort, c.HTTPSPort}} {
			if r[0] != 0 {
				w.linef("%d %d;", r[0], r[1])
			}
		}
	})
	if c.RelayHTTPPort+c.RelayHTTPSPort != 0 {
		w.linef("real_ip_header proxy_protocol;")
		w.linef("set_real_ip_from 0.0.0.0/0;") // the header is only read where relays connect
	}
	w.block("map $http_upgrade $skep_connection", func() {
		w.linef("default upgrade;")
		w.linef(`"" "";`)
	})
	w.block("map $http_host $skep_host", func() { // HTTP/1.0 may have none
		w.linef("default $http_host;")
		w.linef(`"" $host;`)
	})
	for _, module := range []string{"proxy", "grpc"} {
		for _, h := range forwarded {
			w.linef("%s_set_header %s %s;", module, h.name, h.value)
		}
		w.linef("%s_connect_timeout %ds;", module, connectTimeout)
		w.linef("%s_read_timeout 60s;", module)
		w.linef("%s_send_timeout 60s;", module)
		w.linef("%s_next_upstream error timeout;", module) // a POST that was sent is not sent again
		w.linef("%s_next_upstream_tries 3;", module)
		w.linef("%s_socket_keepalive on;", module)
		w.linef("%s_ssl_protocols TLSv1.2 TLSv1.3;", module)
		w.linef("%s_ssl_server_name on;", module)
		w.linef("%s_ssl_name $host;", module)
	}
	w.linef("proxy_set_header Upgrade $http_upgrade;")
	w.linef("proxy_set_header Connection $skep_connection;")
	w.linef("proxy_http_version 1.1;")
	w.linef("proxy_redirect off;")
	w.linef("proxy_buffering off;") // events and long polls come as they are sent
	w.linef("proxy_buffer_size 16k;")
	w.linef("proxy_buffers 4 16k;")
	w.linef("grpc_buffer_size 16k;")
}

func (w *writer) health(port int32) {
	w.block("server", func() {
		w.linef("listen %d;", port)
		w.linef("access_log off;")
		w.block("location = /healthz", func() { w.linef("return 200;") })
		w.block("location /", func() { w.linef("return 404;") })
	})
}
