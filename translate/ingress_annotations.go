package translate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"skep/translate/nginx"
)

// ingressPrefix is what the annotations of ingress-nginx begin with.
const ingressPrefix = "nginx.ingress.kubernetes.io/"

// ingressSettings are what annotations say of all paths of an Ingress.
type ingressSettings struct {
	nginx.Location
	useRegex bool
	appRoot  string
}

// ingressAnnotation is one that is understood.
type ingressAnnotation struct {
	name string
	// allowed says what a value has to be.
	allowed string
	// read takes a value over; false when it is not allowed.
	read func(s *ingressSettings, value string) bool
	// guards says that the annotation keeps somebody out: if it cannot be read, everybody is.
	guards bool
}

var ingressAnnotations = []ingressAnnotation{
	{name: "app-root", allowed: `a path that begins with "/"`, read: ingressAppRoot},
	{name: "backend-protocol", allowed: "HTTP, HTTPS, GRPC or GRPCS", read: ingressProtocol},
	{name: "force-ssl-redirect", allowed: "true or false", read: func(s *ingressSettings, v string) bool { return ingressBool(&s.ForceSSLRedirect, v) }},
	{name: "permanent-redirect", allowed: `a URL of http or https, or a path, in which only $request_uri, $host, $scheme, $args and $is_args are filled in`, read: ingressRedirect},
	{name: "proxy-body-size", allowed: "a number of bytes, or of k, m or g, such as 8m, or 0 for no limit", read: ingressBodySize},
	{name: "proxy-connect-timeout", allowed: "a number of seconds", read: func(s *ingressSettings, v string) bool { return ingressSeconds(&s.ConnectTimeout, v) }},
	{name: "proxy-read-timeout", allowed: "a number of seconds", read: func(s *ingressSettings, v string) bool { return ingressSeconds(&s.ReadTimeout, v) }},
	{name: "proxy-send-timeout", allowed: "a number of seconds", read: func(s *ingressSettings, v string) bool { return ingressSeconds(&s.SendTimeout, v) }},
	{name: "rewrite-target", allowed: `a path that begins with "/", in which only $1 to $9 are filled in`, read: ingressRewrite},
	{name: "ssl-redirect", allowed: "true or false", read: func(s *ingressSettings, v string) bool { return ingressBool(&s.SSLRedirect, v) }},
	{name: "use-regex", allowed: "true or false", read: ingressUseRegex},
	{name: "whitelist-source-range", allowed: "IP addresses and CIDR blocks with commas between them", read: ingressWhitelist, guards: true},
}

// readSettings reads an Ingress's annotations. One that is not allowed is as if it was not there, with a problem.
func (c *ingressCollector) readSettings(i *networkingv1.Ingress) ingressSettings {
	s := ingressSettings{Location: nginx.Location{SSLRedirect: true}}
	for _, a := range ingressAnnotations {
		value, ok := i.Annotations[ingressPrefix+a.name]
		if !ok || a.read(&s, strings.TrimSpace(value)) {
			continue
		}
		becomes := "it has no effect"
		if a.guards {
			becomes, s.Closed = "all paths answer 503 until it is right", true
		}
		c.problem(i, IngressInvalidAnnotation, "%s%s: %q is not %s: %s", ingressPrefix, a.name, value, a.allowed, becomes)
	}
	return s
}

func ingressBool(to *bool, value string) bool {
	v, err := strconv.ParseBool(value)
	if err == nil {
		*to = v
	}
	return err == nil
}

func ingressSeconds(to *int32, value string) bool {
	v, err := strconv.ParseInt(value, 10, 32)
	if err != nil || v < 1 || (nginx.Location{Match: nginx.Prefix, Path: "/", ReadTimeout: int32(v)}).Check() != nil {
		return false
	}
	*to = int32(v)
	return true
}

func ingressAppRoot(s *ingressSettings, value string) bool {
	if !strings.HasPrefix(value, "/") || strings.Contains(value, "$") || nginx.CheckRedirect(value) != nil {
		return false
	}
	s.appRoot = value
	return true
}

func ingressProtocol(s *ingressSettings, value string) bool {
	p := nginx.Protocol(strings.ToUpper(value))
	if p == "" || (nginx.Location{Match: nginx.Prefix, Path: "/", Protocol: p}).Check() != nil {
		return false
	}
	s.Protocol = p
	return true
}

func ingressRedirect(s *ingressSettings, value string) bool {
	if nginx.CheckRedirect(value) != nil {
		return false
	}
	s.Redirect = &nginx.Redirect{Code: 301, URL: value}
	return true
}

// ingressSize is a size as nginx writes it; nine digits stay below 2^63 whatever the unit.
var ingressSize = regexp.MustCompile(`^([0-9]{1,9})([kmg]?)$`)

func ingressBodySize(s *ingressSettings, value string) bool {
	m := ingressSize.FindStringSubmatch(strings.ToLower(value))
	if m == nil {
		return false
	}
	size, _ := strconv.ParseInt(m[1], 10, 64) // digits, and few
	size <<= map[string]int{"k": 10, "m": 20, "g": 30}[m[2]]
	if size == 0 {
		size = nginx.NoLimit
	}
	if (nginx.Location{Match: nginx.Prefix, Path: "/", BodySize: size}).Check() != nil {
		return false
	}
	s.BodySize = size
	return true
}

// ingressRewrite takes a path with groups to mean that the paths are regular expressions, as ingress-nginx does.
func ingressRewrite(s *ingressSettings, value string) bool {
	const anyGroup = 9
	if nginx.CheckRewrite(value, anyGroup) != nil {
		return false
	}
	s.Rewrite = value
	s.useRegex = s.useRegex || strings.Contains(value, "$")
	return true
}

func ingressUseRegex(s *ingressSettings, value string) bool {
	var v bool
	ok := ingressBool(&v, value)
	s.useRegex = s.useRegex || v
	return ok
}

func ingressWhitelist(s *ingressSettings, value string) bool {
	var sources []string
	for source := range strings.SplitSeq(value, ",") {
		source = strings.TrimSpace(source)
		if nginx.CheckSource(source) != nil {
			return false
		}
		sources = append(sources, source)
	}
	s.Whitelist = sources
	return true
}

// IngressWarnings are what an Ingress says that has no effect, a sentence each: HTTP warnings for whoever writes it.
func IngressWarnings(i *networkingv1.Ingress) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(i.Annotations)) {
		name, ours := strings.CutPrefix(key, ingressPrefix)
		known := slices.ContainsFunc(ingressAnnotations, func(a ingressAnnotation) bool { return a.name == name })
		if ours && !known {
			out = append(out, fmt.Sprintf("metadata.annotations[%s]: is not known to skep and has no effect", key))
		}
	}
	if b := i.Spec.DefaultBackend; b != nil && b.Resource != nil {
		out = append(out, "spec.defaultBackend.resource: only Services can be backends: it answers 503")
	}
	for n, rule := range i.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for m, path := range rule.HTTP.Paths {
			if path.Backend.Resource != nil {
				out = append(out, fmt.Sprintf("spec.rules[%d].http.paths[%d].backend.resource: only Services can be backends: the path answers 503", n, m))
			}
		}
	}
	return append(out, ingressTLSWarnings(i)...)
}

// ingressTLSWarnings are of certificates that no rule needs.
func ingressTLSWarnings(i *networkingv1.Ingress) []string {
	var out []string
	for n, entry := range i.Spec.TLS {
		for m, host := range entry.Hosts {
			used := slices.ContainsFunc(ingressHosts(i), func(h string) bool {
				return ingressTLS(i, h) == &i.Spec.TLS[n] && (h == host || strings.HasPrefix(host, "*."))
			})
			if !used {
				out = append(out, fmt.Sprintf("spec.tls[%d].hosts[%d]: no rule is for %q: its certificate has no effect", n, m, host))
			}
		}
		if entry.SecretName == "" {
			out = append(out, fmt.Sprintf("spec.tls[%d].secretName: there is none: the hosts have the proxy's default certificate, or no TLS if it has none", n))
		}
	}
	return out
}
