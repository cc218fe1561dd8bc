package nginx

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Match is how a location's path is compared.
type Match string

// Prefix compares element by element: /foo matches /foo, /foo/ and /foo/bar, not /foobar. Regex matches at the
// beginning, whatever the case.
const (
	Exact  Match = "Exact"
	Prefix Match = "Prefix"
	Regex  Match = "Regex"
)

// Protocol is what a backend speaks.
type Protocol string

// The protocols; "" is HTTP.
const (
	ProtocolHTTP  Protocol = "HTTP"
	ProtocolHTTPS Protocol = "HTTPS"
	ProtocolGRPC  Protocol = "GRPC"
	ProtocolGRPCS Protocol = "GRPCS"
)

// protocols are the module of nginx that speaks each, and what stands before the address.
var protocols = map[Protocol]struct{ module, scheme string }{
	"":            {"proxy", "http"},
	ProtocolHTTP:  {"proxy", "http"},
	ProtocolHTTPS: {"proxy", "https"},
	ProtocolGRPC:  {"grpc", "grpc"},
	ProtocolGRPCS: {"grpc", "grpcs"},
}

// NoLimit is the BodySize of a location that takes bodies of any size.
const NoLimit = -1

// Redirect is an answer that sends the client elsewhere.
type Redirect struct {
	Code int
	// URL is http, https or a path of the same host. $request_uri, $host, $scheme, $args and $is_args are filled in.
	URL string
}

// Location is a path of a server.
type Location struct {
	Path     string // begins with "/"
	Match    Match
	Backend  Backend
	Protocol Protocol
	// Rewrite is the path that the backend gets instead of the client's, with $1 to $9 for the groups of a Regex.
	Rewrite string
	// Redirect answers instead of the backend.
	Redirect *Redirect
	// SSLRedirect sends clients from HTTP to HTTPS if the server has a certificate, ForceSSLRedirect in any case.
	SSLRedirect, ForceSSLRedirect bool
	// BodySize is how many bytes a request's body may have: 0 for 1 MiB, or NoLimit.
	BodySize int64
	// The timeouts are in seconds; 0 for nginx's 60, and 5 to connect.
	ConnectTimeout, ReadTimeout, SendTimeout int32
	// Whitelist are the IPs and CIDR blocks that may ask; none for all.
	Whitelist []string
	// Closed answers 503, whatever else is said.
	Closed bool
}

// Key is the same for two locations that match the same requests.
func (l Location) Key() string {
	switch l.Match {
	case Regex:
		return "~" + l.Path
	case Exact:
		return "=" + plainPath(l.Path)
	default:
		return strings.TrimRight(plainPath(l.Path), "/") + "/"
	}
}

// Check tells what HTTP would refuse.
func (l Location) Check() error {
	groups, err := 0, error(nil)
	switch l.Match {
	case Exact, Prefix:
		err = checkPath(l.Path)
	case Regex:
		groups, err = checkRegex(l.Path)
	default:
		err = fmt.Errorf("match %q is not known", l.Match)
	}
	if err != nil {
		return err
	}
	if l.Rewrite != "" {
		if err := CheckRewrite(l.Rewrite, groups); err != nil {
			return fmt.Errorf("rewrite %w", err)
		}
	}
	return errors.Join(l.checkRedirect(), l.checkRest(), l.Backend.Check())
}

func (l Location) checkRedirect() error {
	if l.Redirect == nil {
		return nil
	}
	switch l.Redirect.Code {
	case 301, 302, 303, 307, 308:
		return CheckRedirect(l.Redirect.URL)
	}
	return fmt.Errorf("redirect with code %d", l.Redirect.Code)
}

func (l Location) checkRest() error {
	if _, ok := protocols[l.Protocol]; !ok {
		return fmt.Errorf("protocol %q is not known", l.Protocol)
	}
	if l.BodySize < NoLimit || l.BodySize > 1<<50 {
		return fmt.Errorf("body size %d is not between 0 and 2^50", l.BodySize)
	}
	for _, t := range []int32{l.ConnectTimeout, l.ReadTimeout, l.SendTimeout} {
		if t < 0 || t > 1_000_000 {
			return fmt.Errorf("timeout %d is not between 0 and 1000000", t)
		}
	}
	for _, source := range l.Whitelist {
		if err := CheckSource(source); err != nil {
			return err
		}
	}
	return nil
}

// heads are what nginx matches for a location. A prefix gives two, for the path itself and for what is below; the
// first is left to an exact location of that path, which is in seen.
func (w *writer) heads(l Location, regexes bool, seen map[string]bool) []string {
	path := plainPath(l.Path)
	bare := strings.TrimRight(path, "/")
	switch {
	case l.Match == Regex:
		return []string{"~* " + w.quote("^(?:"+l.Path+")")}
	case l.Match == Exact && bare != "" && bare != path:
		// "= /foo/" would make nginx redirect /foo there.
		return []string{"~ " + w.quote("^"+regexp.QuoteMeta(path)+`\z`)}
	case l.Match == Exact:
		return []string{"= " + w.quote(path)}
	case bare == "":
		return []string{`"/"`}
	case regexes:
		return []string{"~ " + w.quote("^"+regexp.QuoteMeta(bare)+`(?:/|\z)`)}
	case seen["="+bare]:
		return []string{w.quote(bare + "/")}
	}
	return []string{"= " + w.quote(bare), w.quote(bare + "/")}
}

func (w *serverWriter) location(r rule, s Server) (err error) {
	w.block("location "+r.head, func() {
		if r.ForceSSLRedirect || r.SSLRedirect && s.Certificate != "" && w.config.HTTPSPort != 0 {
			w.block("if ($scheme = http)", func() { w.linef("return 308 %s;", w.httpsURL()) })
		}
		switch {
		case r.Closed:
			w.linef("return 503;")
		case r.Redirect != nil:
			w.linef("return %d %s;", r.Redirect.Code, w.fill(r.Redirect.URL, redirectVariables))
		default:
			err = w.backend(r.Location)
		}
	})
	return err
}

func (w *serverWriter) httpsURL() string {
	if port := w.config.HTTPSPort; port != 0 && port != 443 {
		return fmt.Sprintf("https://$host:%d$request_uri", port)
	}
	return "https://$host$request_uri"
}

// backend hands the request to the backend, once the client may ask at all.
func (w *serverWriter) backend(l Location) error {
	value, err := w.pool.value(l.Backend)
	if err != nil {
		return err
	}
	if value == "" {
		w.linef("return 503;")
		return nil
	}
	w.admit(l)
	var h *hop
	if protocols[l.Protocol].module == "proxy" && l.Backend.named() { // gRPC has nothing but POST
		h = w.hops.add(l.Backend, value, l.ConnectTimeout)
	}
	if h != nil {
		w.linef("error_page 502 = %s;", w.withoutHop(l))
		w.linef("set $skep_direct %s;", value)
		value = "$" + h.name
	}
	w.linef("set $skep_backend %s;", value)
	if l.Rewrite != "" {
		from := "^"
		if l.Match == Regex {
			from = "(?i)^(?:" + l.Path + ")"
		}
		w.linef("rewrite %s %s break;", w.quote(from), w.fill(l.Rewrite, rewriteVariables))
	}
	w.pass(l, "$skep_backend")
	return nil
}

// admit writes who may ask, and how much of a request there may be.
func (w *writer) admit(l Location) {
	for _, source := range l.Whitelist {
		prefix, err := sourcePrefix(source)
		if err != nil {
			w.fail(err)
		}
		w.linef("allow %s;", prefix)
	}
	if len(l.Whitelist) > 0 {
		w.linef("deny all;")
	}
	switch {
	case l.BodySize == NoLimit:
		w.linef("client_max_body_size 0;")
	case l.BodySize > 0:
		w.linef("client_max_body_size %d;", l.BodySize)
	}
}

func (w *writer) pass(l Location, to string) {
	p := protocols[l.Protocol]
	for _, t := range []struct {
		name    string
		seconds int32
	}{{"connect", l.ConnectTimeout}, {"read", l.ReadTimeout}, {"send", l.SendTimeout}} {
		if t.seconds > 0 {
			w.linef("%s_%s_timeout %ds;", p.module, t.name, t.seconds)
		}
	}
	w.linef("%s_pass %s://%s;", p.module, p.scheme, to)
}
