package compose

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// route makes Ingresses of the labels by which Traefik routes to services, and of kompose's.
func (c *converter) route() {
	t := &traefik{converter: c, targets: map[string]*target{}, middlewares: map[string]*middleware{}, taken: map[hostPath]string{}, streams: map[string]bool{}}
	for _, w := range c.workloads {
		t.read(w)
		c.replaced(w)
	}
	for _, d := range merged(t.drafts()) {
		t.write(d)
	}
	for _, name := range sortedKeys(t.middlewares) {
		if m := t.middlewares[name]; !m.used {
			c.find(Meaningless, m.at, "no Ingress of this stack uses the middleware %s", name)
		}
	}
	for _, w := range c.workloads {
		c.komposeExpose(w)
	}
}

// replaced tells of a service that is Traefik itself.
func (c *converter) replaced(w *workload) {
	image, _, _ := strings.Cut(w.service.File.Image, "@")
	image = image[strings.LastIndexByte(image, '/')+1:]
	if name, _, _ := strings.Cut(image, ":"); name != "traefik" {
		return
	}
	told := strings.ToLower(strings.Join(slices.Concat(w.service.File.Command, w.service.File.Entrypoint), " "))
	for key := range w.service.File.Environment {
		told += " " + strings.ToLower(strings.ReplaceAll(key, "_", "."))
	}
	for _, provider := range []string{"providers.docker", "providers.swarm", "swarmmode", "--docker"} {
		if strings.Contains(told, provider) {
			c.decide(Approximated, w.at+".image", "it finds services by Docker's API, and none of the Pods: the cluster's Ingress controller takes its place (Traefik's own chart is one), so leave %s out; it is converted all the same", w.name)
			return
		}
	}
}

// draft is a router on its way to be an Ingress.
type draft struct {
	*router
	paths       []hostPath
	backend     *workload
	port        int32
	plain       bool // it takes HTTP
	secure      bool // it takes HTTPS
	redirect    bool // it sends to HTTPS
	annotations map[string]string
	strip       []string // prefixes that are taken off paths
	auth        []string // users with hashes of their passwords
	uses        []*middleware
}

// drafts are all routers that can be Ingresses, in the order of their services and names. What they ask for in vain is
// told.
func (t *traefik) drafts() []*draft {
	var all []*draft
	for _, w := range t.workloads {
		of := slices.DeleteFunc(slices.Clone(t.routers), func(r *router) bool { return r.by != w })
		slices.SortFunc(of, func(a, b *router) int { return strings.Compare(a.name, b.name) })
		for _, r := range of {
			if d := t.draft(r); d != nil {
				all = append(all, d)
			}
		}
	}
	return all
}

// draft makes an Ingress of a router as far as it is one; nil where nothing is left of it, and then nothing is told of its
// middlewares either.
func (t *traefik) draft(r *router) *draft {
	d := &draft{router: r, annotations: map[string]string{}}
	t.entries(d)
	before := len(t.result.Findings)
	t.apply(d)
	told := slices.Clone(t.result.Findings[before:])
	t.result.Findings = t.result.Findings[:before]
	if !t.take(d) || !t.lead(d) {
		return nil
	}
	t.result.Findings = append(t.result.Findings, told...)
	for _, m := range d.uses {
		m.used = true
	}
	t.unknown(r)
	return d
}

// take finds out which requests a router takes; false where an Ingress can take none of them.
func (t *traefik) take(d *draft) bool {
	rule := d.value("rule")
	if rule == "" {
		t.decide(Refused, d.at, "it has no rule, and Traefik's default rule stands in Traefik's own configuration: write an Ingress with its host, to the Service %s", d.by.name)
		return false
	}
	read := parseRule
	if d.old {
		read = func(text string) ([][]matcher, error) {
			ways, strip, err := parseOldRule(text)
			d.strip = append(d.strip, strip...)
			return ways, err
		}
	}
	ways, err := read(rule)
	at := d.where("rule")
	if err != nil {
		t.decide(Refused, at, "the rule cannot be read, and is left out: %v", err)
		return false
	}
	a := accept(ways)
	if d.redirect && len(a.paths) == 0 {
		t.find(Approximated, at, "Ingress controllers send all hosts that have TLS to HTTPS by themselves: %s is no Ingress of its own", d.name)
		for _, m := range d.uses {
			m.used = true
		}
		return false
	}
	for _, problem := range a.problems {
		t.decide(Refused, at, "left out of the Ingress: %s", problem)
	}
	for _, note := range a.notes {
		t.find(Approximated, at, "%s", note)
	}
	if len(a.sources) > 0 {
		d.annotate("whitelist-source-range", strings.Join(a.sources, ","))
	}
	if d.value("priority") != "" {
		t.find(Approximated, d.where("priority"), "an Ingress has no priorities: exact paths come first, then the longest")
	}
	d.paths = a.paths
	return len(d.paths) > 0
}

// unknown tells of a router's fields that no Ingress has.
func (t *traefik) unknown(r *router) {
	for _, field := range sortedKeys(r.fields) {
		base, _, _ := strings.Cut(indexed.ReplaceAllString(field, ""), ".")
		if !slices.Contains([]string{"rule", "rulesyntax", "entrypoints", "tls", "service", "middlewares", "priority", "port", "protocol"}, base) || field == "tls.options" {
			t.find(Refused, r.fields[field].at, "an Ingress has nothing for %s", field)
		}
	}
}

// entries are the entry points of a router: what Traefik's configuration calls web and websecure, by most who write it.
func (t *traefik) entries(d *draft) {
	secure := false
	for field := range d.fields {
		secure = secure || field == "tls" && d.value(field) != "false" || strings.HasPrefix(field, "tls.")
	}
	for _, name := range d.list("entrypoints") {
		name = strings.ToLower(name)
		switch {
		case strings.Contains(name, "https"), strings.Contains(name, "secure"), name == "443", name == "tls":
			d.secure = true
		case strings.Contains(name, "http"), strings.Contains(name, "web"), name == "80":
			d.plain = true
		default:
			d.plain = true
			t.find(Approximated, d.where("entrypoints"), "which port the entry point %s is stands in Traefik's own configuration: the Ingress is at those of its controller, 80 and 443", name)
		}
	}
	if secure {
		d.secure, d.plain = true, false // a router with TLS takes nothing else
	}
	d.plain = d.plain || !d.secure
}

// lead finds out where a router leads to.
func (t *traefik) lead(d *draft) bool {
	name, provider, _ := strings.Cut(d.value("service"), "@")
	name = strings.ToLower(name)
	if provider != "" && provider != "docker" && provider != "swarm" {
		what := "what Traefik's own configuration calls " + d.value("service") + ": make an Ingress with a backend of your own"
		if provider == "internal" {
			what = "Traefik itself (" + d.value("service") + "), which is another Service in a cluster, if it is there at all"
		}
		t.decide(Refused, d.where("service"), "it leads to %s", what)
		return false
	}
	d.backend = d.by
	to := t.targets[name]
	if name == "" {
		to = t.only(d)
	}
	switch {
	case to != nil:
		d.backend = to.by
		return t.serve(d, to)
	case d.old:
		t.oldProtocol(d)
		d.port = portNumber(d.value("port"))
	case name != "" && t.has(d.by):
		t.decide(Refused, d.where("service"), "there is no service %s in the labels: the router leads nowhere", name)
		return false
	}
	t.defaultPort(d)
	return true
}

// only is what a router leads to that names nothing: the one that its service has, or the one of its name.
func (t *traefik) only(d *draft) *target {
	var one *target
	for _, name := range sortedKeys(t.targets) {
		if to := t.targets[name]; to.by == d.by && (one == nil || name == d.name) {
			one = to
		}
	}
	return one
}

func (t *traefik) has(w *workload) bool {
	for _, to := range t.targets {
		if to.by == w {
			return true
		}
	}
	return false
}

func portNumber(text string) int32 {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > maxPort {
		return 0
	}
	return int32(n)
}

// defaultPort is the one that Traefik takes where no label says one: the lowest.
func (t *traefik) defaultPort(d *draft) {
	if d.port != 0 {
		return
	}
	for _, p := range d.backend.container().Ports {
		if p.Protocol == "TCP" && (d.port == 0 || p.ContainerPort < d.port) {
			d.port = p.ContainerPort
		}
	}
	if d.port == 0 {
		d.port = 80
		t.decide(Approximated, d.at, "nothing says at which port %s listens: the Ingress leads to 80; say it by the label traefik.http.services.%s.loadbalancer.server.port", d.backend.name, d.name)
	}
}

// serve takes over what labels say of a service's load balancer.
func (t *traefik) serve(d *draft, to *target) bool {
	for _, field := range sortedKeys(to.fields) {
		l := to.fields[field]
		switch field := strings.TrimPrefix(field, "loadbalancer."); {
		case field == "server.port":
			d.port = portNumber(l.value)
		case field == "server.scheme":
			t.scheme(d, l)
		case field == "passhostheader" && l.value == "true", field == "server" && l.value == "":
		case strings.HasPrefix(field, "sticky"):
			t.find(Approximated, l.at, "ingress-nginx has the annotation nginx.ingress.kubernetes.io/affinity: cookie for it; skep's Ingress spreads callers over all Pods")
		case strings.HasPrefix(field, "healthcheck"):
			t.find(Approximated, l.at, "a Service sends nothing to Pods that are not ready: the service's healthcheck decides that")
		default:
			t.find(Refused, l.at, "an Ingress has nothing for %s", field)
		}
	}
	t.defaultPort(d)
	return true
}

// scheme is what a backend speaks.
func (t *traefik) scheme(d *draft, l routingLabel) {
	switch strings.ToLower(l.value) {
	case "http", "":
	case "https":
		d.annotate("backend-protocol", "HTTPS")
	case "h2c":
		d.annotate("backend-protocol", "GRPC")
		t.find(Approximated, l.at, "HTTP/2 without TLS is taken to be gRPC")
	default:
		t.find(Refused, l.at, "there is no Ingress for the scheme %s", l.value)
	}
}

func (t *traefik) oldProtocol(d *draft) {
	if l, ok := d.fields["protocol"]; ok {
		t.scheme(d, l)
	}
}

// annotate writes an annotation that skep's own Ingress understands, as ingress-nginx does.
func (d *draft) annotate(name, value string) { d.annotations[annotationNginx+name] = value }

const annotationNginx = "nginx.ingress.kubernetes.io/"

// merged makes one of the drafts that take the same requests by HTTP and by HTTPS: an Ingress does both. The one with TLS
// gives it its name; whoever redirects gives it the redirection.
func merged(all []*draft) []*draft {
	groups := map[string][]*draft{}
	var order []string
	for _, d := range all {
		key := fmt.Sprint(d.paths, d.backend.name, d.port)
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], d)
	}
	var out []*draft
	for _, key := range order {
		of := groups[key]
		slices.SortStableFunc(of, func(a, b *draft) int { return cmp.Compare(a.rank(), b.rank()) })
		main := of[0]
		for _, other := range of[1:] {
			main.follow(other)
		}
		switch redirects := slices.ContainsFunc(of, func(d *draft) bool { return d.redirect }); {
		case redirects && main.secure:
			main.annotate("ssl-redirect", "true")
		case redirects:
			main.annotate("force-ssl-redirect", "true")
		case main.secure && slices.ContainsFunc(of, func(d *draft) bool { return d.plain }):
			main.annotate("ssl-redirect", "false")
		}
		out = append(out, main)
	}
	return out
}

// follow takes over what another draft asks for that is merged into this one, and does more than redirect: an Ingress has
// one set of annotations for HTTP and HTTPS.
func (d *draft) follow(other *draft) {
	if other.redirect {
		return
	}
	for key, value := range other.annotations {
		if _, own := d.annotations[key]; !own {
			d.annotations[key] = value
		}
	}
	if len(d.auth) == 0 {
		d.auth = other.auth
	}
}

func (d *draft) rank() int {
	switch {
	case d.secure && !d.redirect:
		return 0
	case d.secure:
		return 1
	case !d.redirect:
		return 2
	}
	return 3
}
