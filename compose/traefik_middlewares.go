package compose

import (
	"slices"
	"strconv"
	"strings"
)

// middlewareKinds are what annotations can say of Traefik's middlewares; all others are told.
var middlewareKinds = map[string]func(t *traefik, d *draft, m *middleware){
	"redirectscheme": redirectScheme,
	"ipallowlist":    allowList,
	"ipwhitelist":    allowList,
	"stripprefix":    stripPrefix,
	"replacepath":    replacePath,
	"buffering":      buffering,
	"basicauth":      basicAuth,
	"headers":        headers,
}

// instead says what does for an Ingress what a middleware did, where no annotation of skep's does.
var instead = map[string]string{
	"redirectregex":    "the annotation permanent-redirect sends a whole Ingress to one URL; a host without www is a host of its own Ingress (ingress-nginx: from-to-www-redirect)",
	"ratelimit":        "ingress-nginx limits by its annotations limit-rps and limit-burst-multiplier",
	"compress":         "ingress-nginx compresses by its ConfigMap (use-gzip)",
	"forwardauth":      "ingress-nginx asks another by its annotation auth-url: until then everybody gets in",
	"digestauth":       "ingress-nginx has its annotation auth-type: digest: until then everybody gets in",
	"addprefix":        "the annotation rewrite-target changes the path",
	"replacepathregex": "the annotations use-regex and rewrite-target change the path",
	"stripprefixregex": "the annotations use-regex and rewrite-target change the path",
	"retry":            "ingress-nginx tries again by its annotation proxy-next-upstream-tries",
	"inflightreq":      "ingress-nginx has its annotation limit-connections",
	"errors":           "ingress-nginx has its annotations custom-http-errors and default-backend",
	"circuitbreaker":   "a service mesh does that",
}

// guards keep somebody out.
var guards = []string{"forwardauth", "digestauth", "passtlsclientcert", "plugin"}

const maxChain = 20

// apply has a router's middlewares change its draft, in their order.
func (t *traefik) apply(d *draft) {
	for _, m := range d.middlewares {
		t.applyOne(d, m, 0)
	}
	t.applyNamed(d, d.list("middlewares"), d.where("middlewares"), 0)
}

// applyNamed applies middlewares by their names. at is the place that names them.
func (t *traefik) applyNamed(d *draft, names []string, at string, depth int) {
	for _, full := range names {
		name, provider, _ := strings.Cut(full, "@")
		m := t.middlewares[strings.ToLower(name)]
		if m == nil || provider != "" && provider != "docker" && provider != "swarm" {
			t.decide(Refused, at, "the middleware %s stands elsewhere, in Traefik's own configuration or another stack: the Ingress goes without it", full)
			continue
		}
		d.uses = append(d.uses, m)
		if depth > maxChain {
			t.find(Refused, m.at, "the chain of middlewares has no end")
			return
		}
		t.applyOne(d, m, depth)
	}
}

func (t *traefik) applyOne(d *draft, m *middleware, depth int) {
	if m.kind == "chain" {
		t.applyNamed(d, words(m.value("middlewares")), m.at, depth+1)
		return
	}
	if does := middlewareKinds[m.kind]; does != nil {
		does(t, d, m)
		return
	}
	what := "no annotation that skep's Ingress understands says it"
	if hint := instead[m.kind]; hint != "" {
		what = hint
	}
	if slices.Contains(guards, m.kind) {
		t.decide(Refused, m.at, "the Ingress goes without the middleware %s: %s", m.kind, what)
		return
	}
	t.find(Refused, m.at, "the Ingress goes without the middleware %s: %s", m.kind, what)
}

// rest tells of options that are left out.
func (t *traefik) rest(m *middleware, known ...string) {
	for _, option := range m.others(known...) {
		t.find(Refused, m.options[option].at, "no annotation that skep's Ingress understands says it: the Ingress goes without %s of %s", option, m.kind)
	}
}

// redirectScheme sends to HTTPS; nothing else has an annotation.
func redirectScheme(t *traefik, d *draft, m *middleware) {
	if scheme := strings.ToLower(m.value("scheme")); scheme != "https" && scheme != "websecure" && !strings.Contains(scheme, "https") {
		t.find(Refused, m.at, "an Ingress sends to HTTPS, and to no other scheme")
		return
	}
	d.redirect = true
	if port := m.value("port"); port != "" && port != "443" {
		t.find(Approximated, m.options["port"].at, "it is sent to the controller's own port of HTTPS")
	}
	t.rest(m, "scheme", "permanent", "port")
}

// allowList lets addresses in, and no others.
func allowList(t *traefik, d *draft, m *middleware) {
	sources := words(m.value("sourcerange"))
	for _, source := range sources {
		if !isSource(source) {
			t.decide(Refused, m.at, "%q is no address and no CIDR block: nobody is let in until nginx.ingress.kubernetes.io/whitelist-source-range is right", source)
			sources = []string{"255.255.255.255/32"} // nobody's
			break
		}
	}
	if len(sources) > 0 {
		d.annotate("whitelist-source-range", strings.Join(sources, ","))
	}
	t.rest(m, "sourcerange")
}

// stripPrefix takes prefixes off paths: see ingressPaths.
func stripPrefix(t *traefik, d *draft, m *middleware) {
	d.strip = append(d.strip, words(m.value("prefixes"))...)
	t.rest(m, "prefixes", "forceslash")
}

// replacePath asks the backend for one path.
func replacePath(t *traefik, d *draft, m *middleware) {
	path := m.value("path")
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "$ {}\"'\\;") {
		t.find(Refused, m.at, "%q is no path that the annotation rewrite-target takes", path)
		return
	}
	d.annotate("rewrite-target", path)
}

// buffering bounds what a caller sends.
func buffering(t *traefik, d *draft, m *middleware) {
	if size, err := strconv.ParseUint(m.value("maxrequestbodybytes"), 10, 32); err == nil && size < 1e9 {
		d.annotate("proxy-body-size", strconv.FormatUint(size, 10))
		t.rest(m, "maxrequestbodybytes")
		return
	}
	t.rest(m)
}

// basicAuth asks for a password.
func basicAuth(t *traefik, d *draft, m *middleware) {
	d.auth = append(d.auth, words(m.value("users"))...)
	if len(d.auth) == 0 {
		t.decide(Refused, m.at, "the Ingress goes without passwords, which stand in a file of Traefik's: everybody gets in until ingress-nginx's annotations auth-type and auth-secret say who")
	} else {
		t.decide(Approximated, m.at, "ingress-nginx asks for the passwords, by its annotations auth-type and auth-secret; skep's own Ingress does not, and lets everybody in")
	}
	t.rest(m, "users", "usersfile", "realm", "removeheader")
}

// headers are mostly what annotations cannot say.
func headers(t *traefik, d *draft, m *middleware) {
	if m.value("sslredirect") == "true" {
		d.redirect = true
	}
	for _, option := range m.others("sslredirect") {
		t.find(Refused, m.options[option].at, "no annotation that skep's Ingress understands sets headers: the Ingress goes without %s; ingress-nginx has configuration-snippet, its ConfigMap (hsts, add-headers) and enable-cors", option)
	}
}
