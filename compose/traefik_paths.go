package compose

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// hostPath is one host and path that an Ingress takes.
type hostPath struct {
	host  string // "" for any
	path  string
	exact bool
}

func (p hostPath) pathType() networkingv1.PathType {
	if p.exact {
		return networkingv1.PathTypeExact
	}
	return networkingv1.PathTypePrefix
}

// accepted is what a rule comes to: hosts and paths, the addresses that callers have to have, and, a sentence each, what an
// Ingress cannot say and what it says in another way.
type accepted struct {
	paths    []hostPath
	sources  []string
	problems []string
	notes    []string
}

// accept says a rule's ways as hosts and paths. A way with a condition that no Ingress has is left out: without the
// condition it would let in what the rule keeps out.
func accept(ways [][]matcher) accepted {
	var out accepted
	for _, way := range ways {
		w := acceptedWay{paths: []hostPath{{path: "/"}}}
		for _, m := range way {
			if problem := w.narrow(m); problem != "" {
				out.problems = append(out.problems, problem)
				w.paths = nil
				break
			}
		}
		if len(w.sources) > 0 && len(ways) > 1 {
			out.problems = append(out.problems, "ClientIP beside other ways into the same router: an Ingress of its own with the annotation nginx.ingress.kubernetes.io/whitelist-source-range")
			continue
		}
		out.sources = append(out.sources, w.sources...)
		out.notes = append(out.notes, w.notes...)
		for _, p := range w.paths {
			if problem := p.problem(); problem != "" {
				out.problems = append(out.problems, problem)
			} else if !slices.Contains(out.paths, p) {
				out.paths = append(out.paths, p)
			}
		}
	}
	return out
}

type acceptedWay struct {
	paths   []hostPath
	sources []string
	notes   []string
}

// narrow has a way meet one more condition; a sentence where it cannot.
func (w *acceptedWay) narrow(m matcher) string {
	switch {
	case m.not:
		return fmt.Sprintf("%s: an Ingress says which requests it takes, and not which it does not; a path of its own that leads elsewhere can take them first", m)
	case len(m.values) == 0:
		return fmt.Sprintf("%s has no value", m)
	}
	switch m.name {
	case "host", "hostheader":
		return w.hosts(m.values)
	case "hostregexp":
		var hosts []string
		for _, pattern := range m.values {
			host, ok := wildcard(pattern)
			if !ok {
				return fmt.Sprintf("%s: an Ingress has whole host names, and *.example.com for one label before them: list the hosts", m)
			}
			if host != pattern {
				w.notes = append(w.notes, fmt.Sprintf("%s is %s, which takes any one label there", m, host))
			}
			hosts = append(hosts, host)
		}
		return w.hosts(hosts)
	case "path":
		return w.narrowPaths(m.values, true)
	case "pathprefix":
		return w.narrowPaths(m.values, false)
	case "clientip":
		for _, source := range m.values {
			if !isSource(source) {
				return fmt.Sprintf("%s: %q is no address and no CIDR block", m, source)
			}
		}
		w.sources = append(w.sources, m.values...)
		return ""
	case "pathregexp":
		return fmt.Sprintf("%s: write the path by hand, with the annotation nginx.ingress.kubernetes.io/use-regex, which holds for all paths of its Ingress", m)
	}
	return fmt.Sprintf("%s: an Ingress chooses by host and path alone; HTTPRoute of the Gateway API chooses by headers, method and query", m)
}

func (w *acceptedWay) hosts(hosts []string) string {
	var all []hostPath
	for _, p := range w.paths {
		for _, host := range hosts {
			host = strings.ToLower(host)
			if p.host == "" || p.host == host {
				all = append(all, hostPath{host, p.path, p.exact})
			}
		}
	}
	if w.paths = all; len(all) == 0 {
		return "no request has two hosts"
	}
	return ""
}

func (w *acceptedWay) narrowPaths(paths []string, exact bool) string {
	var all []hostPath
	for _, p := range w.paths {
		for _, path := range paths {
			switch {
			case !strings.HasPrefix(path, "/"):
				return fmt.Sprintf("path %q does not begin with a slash", path)
			case strings.ContainsAny(path, "{}"):
				return fmt.Sprintf("path %q: an Ingress has no patterns in paths, but by the annotation nginx.ingress.kubernetes.io/use-regex: write it by hand", path)
			}
			if both, ok := p.meet(hostPath{p.host, path, exact}); ok {
				all = append(all, both)
			}
		}
	}
	if w.paths = all; len(all) == 0 {
		return "no request has two such paths"
	}
	return ""
}

// meet is what two paths of one host have in common.
func (p hostPath) meet(other hostPath) (hostPath, bool) {
	switch {
	case p.exact && other.exact:
		return p, p.path == other.path
	case p.exact:
		return p, strings.HasPrefix(p.path, other.path)
	case other.exact || len(other.path) > len(p.path):
		return other, strings.HasPrefix(other.path, p.path)
	}
	return p, strings.HasPrefix(p.path, other.path)
}

// problem says why Kubernetes would not take a host or path; "" where it does.
func (p hostPath) problem() string {
	_, notAddress := netip.ParseAddr(p.host)
	wild := strings.HasPrefix(p.host, "*.") && len(validation.IsWildcardDNS1123Subdomain(p.host)) == 0
	switch {
	case p.host != "" && notAddress == nil:
		return fmt.Sprintf("host %q: an Ingress has names and no addresses; without a host it takes all", p.host)
	case p.host != "" && !wild && len(validation.IsDNS1123Subdomain(p.host)) > 0:
		return fmt.Sprintf("host %q is no DNS name: small letters, digits, hyphens and dots, without a port", p.host)
	}
	for _, part := range []string{"//", "/./", "/../", "%2f", "%2F"} {
		if strings.Contains(p.path, part) {
			return fmt.Sprintf("path %q: an Ingress has no path with %s", p.path, part)
		}
	}
	if strings.HasSuffix(p.path, "/..") || strings.HasSuffix(p.path, "/.") {
		return fmt.Sprintf("path %q: an Ingress has no path that ends in dots", p.path)
	}
	return ""
}

// Patterns of hosts that mean any one label, or any, before a domain: of Traefik 2, {sub:[a-z]+}.example.com, and of
// Traefik 3, ^[a-z]+\.example\.com$.
var (
	oldWildcard = regexp.MustCompile(`^\{[A-Za-z0-9_-]+(?::(?:\.[*+]|\[[^\]]+\][*+]))?\}\.([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)$`)
	newWildcard = regexp.MustCompile(`^\^?\(?(?:\.[*+]|\[[^\]]+\][*+])\)?\\\.([A-Za-z0-9-]+(?:\\\.[A-Za-z0-9-]+)+)\$?$`)
)

// wildcard is the host of an Ingress that a pattern of hosts means; false where it means none.
func wildcard(pattern string) (string, bool) {
	if !strings.ContainsAny(pattern, `{}\^$[]()*+?|`) {
		return pattern, true
	}
	for _, known := range []*regexp.Regexp{oldWildcard, newWildcard} {
		if m := known.FindStringSubmatch(pattern); m != nil {
			return "*." + strings.ToLower(strings.ReplaceAll(m[1], `\.`, ".")), true
		}
	}
	return "", false
}

// isSource says whether a text is an address or a block of them, as annotations have it.
func isSource(text string) bool {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Zone() == ""
	}
	_, err := netip.ParsePrefix(text)
	return err == nil
}
