package nginx

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Server is a host.
type Server struct {
	// Host is a DNS name in lower case, "*." and one for names with one label more, or "" for all others.
	Host string
	// Certificate is the path of a PEM with the chain and the key; "" for none.
	Certificate string
	Locations   []Location
}

// Check tells what HTTP would refuse of the server, apart from its locations.
func (s Server) Check() error {
	if s.Host != "" && (!siteName.MatchString(s.Host) || len(s.Host) > 253) {
		return errors.New("is not a DNS name, with or without a \"*.\" before it")
	}
	return checkFile(s.Certificate)
}

// serverWriter writes server blocks, and in pool what they need.
type serverWriter struct {
	writer
	config HTTPConfig
	pool   backends
	hops   hops
	// direct are the server's locations for requests that found no hop: what they have.
	direct []string
}

func (w *serverWriter) server(s Server) error {
	if err := s.Check(); err != nil {
		return err
	}
	rules, err := w.rules(s)
	if err != nil {
		return err
	}
	w.direct = nil
	w.block("server", func() {
		w.listen(s)
		for _, r := range rules {
			if err = errors.Join(err, w.location(r, s)); err != nil {
				return
			}
		}
		if !slices.ContainsFunc(s.Locations, func(l Location) bool { return l.Key() == everything.Key() }) {
			err = w.fallback(s)
		}
		w.writeDirect()
	})
	return err
}

// listen writes where a server is reached. Options of the socket stand once, with the default server.
func (w *serverWriter) listen(s Server) {
	suffix := ""
	if s.Host == "" {
		suffix = " default_server so_keepalive=on"
	}
	w.linef("listen %d%s;", w.config.HTTPPort, suffix)
	if port := w.config.RelayHTTPPort; port != 0 {
		w.linef("listen %d proxy_protocol%s;", port, suffix)
	}
	certificate := cmp.Or(s.Certificate, w.config.DefaultCertificate)
	if w.config.HTTPSPort != 0 && (certificate != "" || s.Host == "") {
		w.linef("listen %d ssl http2%s;", w.config.HTTPSPort, suffix)
		if port := w.config.RelayHTTPSPort; port != 0 {
			w.linef("listen %d proxy_protocol ssl http2%s;", port, suffix)
		}
		if certificate == "" {
			w.linef("ssl_reject_handshake on;")
		} else {
			w.linef("ssl_certificate %s;", w.quote(certificate))
			w.linef("ssl_certificate_key %s;", w.quote(certificate))
		}
	}
	w.linef("server_name %s;", w.quote(serverName(s.Host)))
}

// serverName is a host as nginx matches it. Its own wildcards stand for any number of labels, Kubernetes' for one.
func serverName(host string) string {
	switch rest, wildcard := strings.CutPrefix(host, "*."); {
	case host == "":
		return "_"
	case wildcard:
		return `~^[^.]+\.` + regexp.QuoteMeta(rest) + "$"
	}
	return host
}

// everything is the location that matches last.
var everything = Location{Path: "/", Match: Prefix}

func (w *serverWriter) fallback(s Server) error {
	if w.config.DefaultBackend == nil {
		w.block(`location "/"`, func() { w.linef("return 404;") })
		return nil
	}
	l := everything
	l.Backend = *w.config.DefaultBackend
	return w.location(rule{`"/"`, l}, s)
}

// rule is one location block: what stands before its braces, and what it does.
type rule struct {
	head string
	Location
}

// rules are a server's locations in the order in which they match. nginx itself takes "=" first, then the first regular
// expression that matches, then the longest prefix. Where there is a regular expression of a user's, the prefixes
// become some too, so that the longest path matches first, whatever its kind.
func (w *writer) rules(s Server) ([]rule, error) {
	locations, seen := slices.Clone(s.Locations), map[string]bool{}
	slices.SortStableFunc(locations, before)
	regexes := slices.ContainsFunc(locations, func(l Location) bool { return l.Match == Regex })
	var out []rule
	for _, l := range locations {
		if err := l.Check(); err != nil {
			return nil, err
		}
		if seen[l.Key()] {
			return nil, fmt.Errorf("path %q is there twice", l.Path)
		}
		seen[l.Key()] = true
		for _, head := range w.heads(l, regexes, seen) {
			out = append(out, rule{head, l})
		}
	}
	return out, nil
}

// before puts exact paths first, then the longest.
func before(a, b Location) int {
	if (a.Match == Exact) != (b.Match == Exact) {
		if a.Match == Exact {
			return -1
		}
		return 1
	}
	return cmp.Or(len(b.Path)-len(a.Path), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Match, b.Match))
}
