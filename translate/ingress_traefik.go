package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"skep/translate/nginx"
)

// TraefikOptions are what a Traefik that reads a Swarm's services is to know.
type TraefikOptions struct {
	// Network is the name of the overlay that it reaches the services on.
	Network string
	// V2 writes rules as Traefik 2 reads them; 3 reads wildcards, regular expressions and whitelists differently.
	V2 bool
	// HTTPSPort is where redirects lead; 0 is 443.
	HTTPSPort int32
}

// TraefikLabels are the labels that make a Traefik with the entry points web and websecure serve Ingresses, for each
// Kubernetes Service that answers. Certificates are Traefik's own affair: it takes none from labels. What labels cannot
// say is a problem.
func TraefikLabels(ingresses []*networkingv1.Ingress, src IngressSources, o TraefikOptions) (map[Key]map[string]string, []IngressProblem) {
	w := traefikWriter{ingressCollector: collectIngresses(ingresses, src), options: o, labels: map[Key]map[string]string{}}
	w.borrowServices()
	for _, r := range w.routes {
		if !r.inherited && r.service != (Key{}) { // a route without a host is for all hosts
			w.route(r)
		}
	}
	return w.labels, w.problems
}

type traefikWriter struct {
	*ingressCollector
	options TraefikOptions
	labels  map[Key]map[string]string
}

// borrowServices puts redirects that lead to no Service with another of their Ingress's: a label needs a place.
func (w *traefikWriter) borrowServices() {
	for _, r := range w.routes {
		if r.service != (Key{}) || r.Redirect == nil {
			continue
		}
		if i := slices.IndexFunc(w.routes, func(o *ingressRoute) bool { return o.ingress == r.ingress && o.service != Key{} }); i >= 0 {
			r.service, r.Backend = w.routes[i].service, w.routes[i].Backend
		}
	}
}

// traefikName begins the names of an Ingress's routers. No two have the same: names share one space.
func traefikName(i *networkingv1.Ingress) string {
	sum := sha256.Sum256([]byte(i.Namespace + "/" + i.Name))
	return strings.ReplaceAll(i.Namespace+"-"+i.Name, ".", "-") + "-" + hex.EncodeToString(sum[:])[:nameHash]
}

// traefikSchemes are how Traefik calls what a backend speaks.
var traefikSchemes = map[nginx.Protocol]string{
	"": "http", nginx.ProtocolHTTP: "http", nginx.ProtocolHTTPS: "https", nginx.ProtocolGRPC: "h2c", nginx.ProtocolGRPCS: "https",
}

func (w *traefikWriter) route(r *ingressRoute) {
	if len(r.Backend.Targets) == 0 {
		w.problem(r.ingress, IngressNoBackend, "Service %q has nothing to answer", r.service.Name)
		return
	}
	rule, ok := w.rule(r)
	if !ok {
		return
	}
	labels := w.labels[r.service]
	if labels == nil {
		labels = map[string]string{
			"traefik.enable": "true", "traefik.docker.network": w.options.Network, "traefik.swarm.network": w.options.Network,
		}
		w.labels[r.service] = labels
	}
	base := traefikName(r.ingress)
	service := fmt.Sprintf("%s-%s-%d", base, r.service.Name, r.Backend.Targets[0].Port)
	at := "traefik.http.services." + service + ".loadbalancer."
	labels[at+"server.port"] = strconv.Itoa(int(r.Backend.Targets[0].Port))
	labels[at+"server.scheme"] = traefikSchemes[r.Protocol]
	if r.Backend.Affinity {
		labels[at+"sticky.cookie"] = "true"
	}
	router := map[string]string{"rule": rule, "priority": strconv.Itoa(traefikPriority(r)), "service": service}
	w.routers(r, labels, base, router)
}

// routers writes one router for HTTP, and one for HTTPS where that is asked for.
func (w *traefikWriter) routers(r *ingressRoute, labels map[string]string, base string, router map[string]string) {
	name := base + "-" + r.id
	middlewares := w.middlewares(r, labels, name)
	write := func(name, entry string, tls bool, middlewares []string) {
		at := "traefik.http.routers." + name + "."
		for field, value := range router {
			labels[at+field] = value
		}
		labels[at+"entrypoints"] = entry
		if tls {
			labels[at+"tls"] = "true"
		}
		if len(middlewares) > 0 {
			labels[at+"middlewares"] = strings.Join(middlewares, ",")
		}
	}
	secure := ingressTLS(r.ingress, r.host) != nil
	if secure || r.ForceSSLRedirect {
		write(name+"-tls", "websecure", true, middlewares)
	}
	if secure && r.SSLRedirect || r.ForceSSLRedirect {
		at := "traefik.http.middlewares." + base + "-https.redirectscheme."
		labels[at+"scheme"], labels[at+"permanent"] = "https", "true"
		if port := w.options.HTTPSPort; port != 0 && port != 443 {
			labels[at+"port"] = strconv.Itoa(int(port))
		}
		middlewares = []string{base + "-https"}
	}
	write(name, "web", false, middlewares)
}

// traefikPriority has hosts before wildcards before none, then exact paths, then the longest.
func traefikPriority(r *ingressRoute) int {
	priority := 1 + 10*len(r.Path)
	if r.Match == nginx.Exact {
		priority += 10_000
	}
	switch {
	case strings.HasPrefix(r.host, "*."):
		priority += 100_000
	case r.host != "":
		priority += 200_000
	}
	return priority
}

// rule is what Traefik matches for a route.
func (w *traefikWriter) rule(r *ingressRoute) (rule string, ok bool) {
	path := traefikQuote(r.Path)
	bare := strings.TrimRight(r.Path, "/")
	switch {
	case w.options.V2 && strings.ContainsAny(r.Path, "{}") && r.Match != nginx.Regex:
		w.problem(r.ingress, IngressNoEffect, "host %q, path %q: Traefik 2 has no way to write braces in a path", r.host, r.Path)
		return "", false
	case w.options.V2 && r.Match == nginx.Regex:
		w.problem(r.ingress, IngressNoEffect, "host %q, path %q: regular expressions are left out for Traefik 2, which writes them in a way of its own", r.host, r.Path)
		return "", false
	case r.Match == nginx.Regex:
		rule = "PathRegexp(" + traefikQuote("(?i)^(?:"+r.Path+")") + ")"
	case r.Match == nginx.Exact:
		rule = "Path(" + path + ")"
	case bare == "":
		rule = "PathPrefix(`/`)"
	default:
		rule = "(Path(" + traefikQuote(bare) + ") || PathPrefix(" + traefikQuote(bare+"/") + "))"
	}
	wild, wildcard := strings.CutPrefix(r.host, "*.")
	switch {
	case r.host == "":
		return rule, true
	case wildcard && w.options.V2:
		return "HostRegexp(`{label:[^.]+}." + wild + "`) && " + rule, true
	case wildcard:
		return "HostRegexp(`^[^.]+\\." + regexp.QuoteMeta(wild) + "$`) && " + rule, true
	}
	return "Host(`" + r.host + "`) && " + rule, true
}

// traefikQuote writes a word of a rule as Go writes strings.
func traefikQuote(text string) string {
	if strings.Contains(text, "`") {
		return strconv.Quote(text)
	}
	return "`" + text + "`"
}

// middlewares writes what a route's annotations ask for, and returns the names in the order in which they apply.
func (w *traefikWriter) middlewares(r *ingressRoute, labels map[string]string, name string) []string {
	var names []string
	add := func(suffix string, fields map[string]string) {
		names = append(names, name+"-"+suffix)
		for field, value := range fields {
			labels["traefik.http.middlewares."+name+"-"+suffix+"."+field] = value
		}
	}
	allow := "ipallowlist.sourcerange"
	if w.options.V2 {
		allow = "ipwhitelist.sourcerange"
	}
	switch {
	case r.Closed:
		add("closed", map[string]string{allow: "255.255.255.255/32"}) // nobody's
	case len(r.Whitelist) > 0:
		add("whitelist", map[string]string{allow: strings.Join(r.Whitelist, ",")})
	}
	if fields := w.redirect(r); fields != nil {
		add("redirect", fields)
	}
	if r.BodySize > 0 {
		add("body", map[string]string{"buffering.maxrequestbodybytes": strconv.FormatInt(r.BodySize, 10)})
	}
	switch {
	case r.Rewrite != "" && r.Match == nginx.Regex:
		add("rewrite", map[string]string{
			"replacepathregex.regex":       "(?i)^(?:" + r.Path + ").*$",
			"replacepathregex.replacement": regexp.MustCompile(`\$([1-9])`).ReplaceAllString(r.Rewrite, "$${$1}"),
		})
	case r.Rewrite != "":
		add("rewrite", map[string]string{"replacepath.path": r.Rewrite})
	}
	if r.ConnectTimeout != 0 || r.ReadTimeout != 0 || r.SendTimeout != 0 {
		w.problem(r.ingress, IngressNoEffect, "timeouts have no effect with Traefik, which has one set of them for all")
	}
	return names
}

// traefikURL is a whole URL: its scheme, host, path with query, and query alone.
const traefikURL = `^(https?)://([^/:]+)(?::[0-9]+)?(/[^?]*(\?(.*))?)?$`

// traefikVariables are the groups of traefikURL that nginx's variables stand for.
var traefikVariables = map[string]string{"$scheme": "${1}", "$host": "${2}", "$request_uri": "${3}", "$is_args": "", "$args": "${5}"}

// redirect is a redirectregex middleware's fields; nil where there is no redirect.
func (w *traefikWriter) redirect(r *ingressRoute) map[string]string {
	if r.Redirect == nil {
		return nil
	}
	to := r.Redirect.URL
	if strings.HasPrefix(to, "/") {
		to = "$scheme://$host" + to
	}
	if strings.Contains(to, "$is_args") {
		w.problem(r.ingress, IngressNoEffect, "$is_args is not filled in by Traefik: use $request_uri")
	}
	for _, name := range slices.SortedFunc(maps.Keys(traefikVariables), func(a, b string) int { return len(b) - len(a) }) {
		to = strings.ReplaceAll(to, name, traefikVariables[name])
	}
	return map[string]string{
		"redirectregex.regex": traefikURL, "redirectregex.replacement": to,
		"redirectregex.permanent": strconv.FormatBool(r.Redirect.Code == 301 || r.Redirect.Code == 308),
	}
}
