package nginx

import (
	"fmt"
	"strings"
	"testing"
)

func to(host string) Backend { return Backend{Targets: []Target{{host, 8080, 1}}} }

// httpSeed has something of everything that needs no file.
var httpSeed = HTTPConfig{
	Resolver: "127.0.0.11", HTTPPort: 80, HTTPSPort: 443, HealthPort: DefaultHealthPort, DefaultBackend: new(to("tasks.default")),
	Servers: []Server{
		{Host: "shop.example", Locations: []Location{
			{Path: "/", Match: Prefix, Backend: to("tasks.web"), SSLRedirect: true},
			{Path: "/foo", Match: Prefix, Backend: to("tasks.foo"), ForceSSLRedirect: true, BodySize: NoLimit, ConnectTimeout: 1, ReadTimeout: 2, SendTimeout: 3},
			{Path: "/foo", Match: Exact, Backend: to("tasks.exact"), BodySize: 8 << 20, Whitelist: []string{"10.1.2.3/8", "::1"}},
			{Path: "/foo/", Match: Exact, Backend: to("10.0.0.1")},
			{Path: `/a "b"{$c};\`, Match: Exact, Backend: to("10.0.0.1"), Rewrite: `/"x"{;}\ y`},
			{Path: `/ä%20%24`, Match: Prefix, Closed: true},
			{Path: "/grpc", Match: Prefix, Backend: to("tasks.grpc"), Protocol: ProtocolGRPC, ReadTimeout: 5},
			{Path: "/old", Match: Prefix, Redirect: &Redirect{308, `https://new.example/a;b{c}"$request_uri`}},
		}},
		{Host: "*.shop.example", Locations: []Location{
			{Path: `/api/(v[0-9]{1,2})/([^"/]+)\$`, Match: Regex, Backend: to("tasks.api"), Rewrite: "/$2/$1", Protocol: ProtocolHTTPS},
			{Path: "/api", Match: Prefix, Backend: Backend{Targets: []Target{{"tasks.a", 1, 1}, {"tasks.b", 1, 1}}}},
			{Path: "/", Match: Prefix, Backend: Backend{Targets: []Target{{"10.0.0.1", 1, 1}, {"10.0.0.2", 1, 1}}, Affinity: true}},
		}},
		{Host: "empty.example"},
	},
}

func TestHTTPAccepted(t *testing.T) {
	config, err := HTTP(httpSeed)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(config)
	mustAccept(t, config)
	checkBalance(t, config)
}

func TestHTTPEmpty(t *testing.T) {
	config, err := HTTP(HTTPConfig{Resolver: "127.0.0.11", HTTPPort: 80})
	if err != nil {
		t.Fatal(err)
	}
	mustAccept(t, config)
}

// TestHTTPMany is what a large cluster has: rendered at once, and taken by nginx without a complaint.
func TestHTTPMany(t *testing.T) {
	c := HTTPConfig{Resolver: "127.0.0.11", HTTPPort: 80, HTTPSPort: 443}
	for i := range 1000 {
		host := fmt.Sprintf("%s%d.example", strings.Repeat("a-long-name.", i%20), i)
		c.Servers = append(c.Servers, Server{Host: host, Locations: []Location{
			{Path: "/", Match: Prefix, Backend: to(fmt.Sprintf("tasks.web%d", i))},
			{Path: "/api", Match: Prefix, Backend: Backend{Targets: []Target{{"tasks.a", 1, 1 + i}, {"tasks.b", 1, 1}}}},
		}})
	}
	config, err := HTTP(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(config, "listen unix:"); got != maxHops {
		t.Errorf("%d hops", got)
	}
	if size := len(config); size >= 1000<<10 {
		t.Errorf("%d bytes are more than a Swarm config may have", size)
	}
	mustAccept(t, config)
	for i := range 200 {
		c.Servers = append(c.Servers, Server{Host: fmt.Sprintf("more%d.example", i), Locations: c.Servers[i].Locations})
	}
	config, err = HTTP(c)
	if err != nil || len(config) >= hopBytes || strings.Contains(config, "unix:") {
		t.Errorf("%d bytes, %v", len(config), err)
	}
	mustAccept(t, config)
}

// TestHopTimeout has two locations of one backend share a hop, which waits for as long as the more patient one.
func TestHopTimeout(t *testing.T) {
	c := HTTPConfig{Resolver: "127.0.0.11", HTTPPort: 80, Servers: []Server{{Host: "a.example", Locations: []Location{
		{Path: "/a", Match: Prefix, Backend: to("tasks.web"), ConnectTimeout: 3},
		{Path: "/b", Match: Prefix, Backend: to("tasks.web"), ConnectTimeout: 7},
		{Path: "/c", Match: Prefix, Backend: to("tasks.other"), ConnectTimeout: 3},
		{Path: "/d", Match: Prefix, Backend: to("tasks.other")},
		{Path: "/e", Match: Prefix, Backend: to("tasks.grpc"), Protocol: ProtocolGRPC},
		{Path: "/f", Match: Prefix, Backend: to("10.0.0.1")},
		{Path: "/g", Match: Prefix, Backend: to("tasks.closed"), Closed: true},
	}}}}
	config, err := HTTP(c)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{
		"listen unix:": 2, "        proxy_connect_timeout 7s;\n        proxy_next": 1, "        proxy_connect_timeout 5s;\n        proxy_next": 0,
		"location @skep_direct_": 3, "tasks.closed": 0,
	} {
		if got := strings.Count(config, text); got != want {
			t.Errorf("%q is there %d times, not %d:\n%s", text, got, want, config)
		}
	}
	mustAccept(t, config)
}

func TestHTTPRefused(t *testing.T) {
	site := func(host string, l ...Location) HTTPConfig {
		return HTTPConfig{Resolver: "127.0.0.11", HTTPPort: 80, Servers: []Server{{Host: host, Locations: l}}}
	}
	at := func(change func(*Location)) HTTPConfig {
		l := Location{Path: "/", Match: Prefix, Backend: to("web")}
		change(&l)
		return site("a.example", l)
	}
	for _, c := range []struct {
		config HTTPConfig
		want   string
	}{
		{site("a;b"), "not a DNS name"},
		{site("~.*"), "not a DNS name"},
		{site("*"), "not a DNS name"},
		{site("*.*.b"), "not a DNS name"},
		{site("A.example"), "not a DNS name"},
		{HTTPConfig{Resolver: "127.0.0.11", HTTPPort: 80, HTTPSPort: 80}, "twice"},
		{HTTPConfig{Resolver: "127.0.0.11"}, "port 0"},
		{HTTPConfig{Resolver: "127.0.0.11", HTTPPort: 80, Servers: []Server{{Host: "a"}, {Host: "a"}}}, "twice"},
		{HTTPConfig{Resolver: "127.0.0.11", HTTPPort: 80, Servers: []Server{{Host: "a", Certificate: "data:$x"}}}, "not the path"},
		{HTTPConfig{Resolver: "127.0.0.11", HTTPPort: 80, DefaultCertificate: "/a;b"}, "not the path"},
		{site("a", Location{Path: "/foo", Match: Prefix}, Location{Path: "/foo/", Match: Prefix}), "twice"},
		{at(func(l *Location) { l.Path = "" }), "begin with"},
		{at(func(l *Location) { l.Path = "= /" }), "begin with"},
		{at(func(l *Location) { l.Path = "/\n" }), "control character"},
		{at(func(l *Location) { l.Path = "/%0a" }), "control character"},
		{at(func(l *Location) { l.Path = "/\xff" }), "UTF-8"},
		{at(func(l *Location) { l.Path = "/" + strings.Repeat("a", 250) }), "longer than 250"},
		{at(func(l *Location) { l.Match = "Glob" }), "not known"},
		{at(func(l *Location) { l.Protocol = "FCGI" }), "not known"},
		{at(func(l *Location) { l.Rewrite = "x" }), "begin with"},
		{at(func(l *Location) { l.Rewrite = "/$uri" }), "begins none"},
		{at(func(l *Location) { l.Rewrite = "/$" }), "begins none"},
		{at(func(l *Location) { l.Rewrite = "/$1" }), "has 0 groups"},
		{at(func(l *Location) { l.Redirect = &Redirect{301, "javascript:x"} }), "begins neither"},
		{at(func(l *Location) { l.Redirect = &Redirect{301, "/$uri"} }), "begins none"},
		{at(func(l *Location) { l.Redirect = &Redirect{301, "/$host_x"} }), "begins none"},
		{at(func(l *Location) { l.Redirect = &Redirect{301, "/a b"} }), "escaped"},
		{at(func(l *Location) { l.Redirect = &Redirect{200, "/"} }), "code"},
		{at(func(l *Location) { l.Whitelist = []string{"all"} }), "neither an IP"},
		{at(func(l *Location) { l.Whitelist = []string{"fe80::1%x;"} }), "neither an IP"},
		{at(func(l *Location) { l.BodySize = -2 }), "body size"},
		{at(func(l *Location) { l.ReadTimeout = -2 }), "timeout"},
	} {
		if _, err := HTTP(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func FuzzHTTP(f *testing.F) {
	f.Add("shop.example", "/foo", "Prefix", "tasks.web", "/x", "https://new.example$request_uri", "10.0.0.0/8", "/tls/a.pem", "GRPC", int64(1), int32(1))
	f.Add("*.shop.example", `/foo(/|$)(.*)`, "Regex", "10.0.0.1", "/$2", "", "::1", "", "HTTPS", int64(-1), int32(0))
	f.Add("", `/"; } server { }`, "Exact", "tasks.web", `/"; } $`, `/"; }`, "all;", "", "", int64(0), int32(0))
	f.Add("a b", `/\`, "Prefix", "unix:/x", `/\`, `/\`, "", "/a\nb", "HTTP", int64(0), int32(0))
	f.Add("a", "/${x}{", "Exact", "$x", "/${x}", "/${host}", "", "", "", int64(0), int32(0))
	f.Add("a", `/[\w.-]{2,3}\{(?:a|b)+?$`, "Regex", "tasks.web", `/$1`, "", "", "", "GRPCS", int64(0), int32(0))
	f.Add("a", "/", "Prefix", "tasks.web", "", "", "", "", "HTTPS", int64(0), int32(1_000_000))
	f.Fuzz(func(t *testing.T, host, path, match, target, rewrite, redirect, source, certificate, protocol string, body int64, seconds int32) {
		l := Location{
			Path: path, Match: Match(match), Backend: Backend{Targets: []Target{{target, 80, 1}, {"tasks.b", 1, 1}}}, Protocol: Protocol(protocol),
			Rewrite: rewrite, BodySize: body, ReadTimeout: seconds, ConnectTimeout: seconds, Whitelist: []string{source},
		}
		gone := Location{Path: path + "x", Match: Match(match), Redirect: &Redirect{301, redirect}}
		for _, locations := range [][]Location{{l}, {gone}, {l, gone}} {
			config, err := HTTP(HTTPConfig{
				Resolver: "127.0.0.11", HTTPPort: 80, HTTPSPort: 443,
				Servers: []Server{{Host: host, Certificate: certificate, Locations: locations}},
			})
			if err != nil {
				continue
			}
			checkBalance(t, config)
			if certificate == "" { // there is no such file
				accepted(t, config)
			}
		}
	})
}
