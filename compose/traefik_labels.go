package compose

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// routingLabel is a label by which a service is routed to.
type routingLabel struct {
	key   string // in small letters: Traefik minds no capitals
	value string
	at    string // in the model
}

const traefikPrefix = "traefik."

// routingLabels are a service's labels for Traefik, in order. It reads those of services where it reads a Swarm, and
// those of containers else: a file has only those that its Traefik reads, or the same in both places.
func routingLabels(s *Service, at string) []routingLabel {
	var all []routingLabel
	add := func(labels map[string]string, at string) {
		for _, key := range sortedKeys(labels) {
			lower := strings.ToLower(key)
			if strings.HasPrefix(lower, traefikPrefix) && !slices.ContainsFunc(all, func(l routingLabel) bool { return l.key == lower }) {
				all = append(all, routingLabel{lower, labels[key], at + "." + key})
			}
		}
	}
	if d := s.File.Deploy; d != nil {
		add(d.Labels, at+".deploy.labels")
	}
	add(s.File.Labels, at+".labels")
	slices.SortFunc(all, func(a, b routingLabel) int { return strings.Compare(a.key, b.key) })
	return all
}

// routed says whether Traefik is to look at the labels.
func routed(labels []routingLabel) bool {
	return !slices.ContainsFunc(labels, func(l routingLabel) bool {
		on, err := strconv.ParseBool(l.value)
		return l.key == "traefik.enable" && err == nil && !on
	})
}

var portLabel = regexp.MustCompile(`^traefik\.(?:(?:http|tcp|(udp))\.services\.[^.]+\.loadbalancer\.server\.port|(?:[^.]+\.)?port)$`)

// routedPorts are the ports of a service's containers to which its routing labels lead.
func routedPorts(s *Service) []port {
	labels := routingLabels(s, "")
	if !routed(labels) {
		return nil
	}
	var all []port
	for _, l := range labels {
		m := portLabel.FindStringSubmatch(l.key)
		number, err := strconv.Atoi(strings.TrimSpace(l.value))
		if m == nil || err != nil || number > maxPort {
			continue
		}
		p := port{number: int32(number), protocol: corev1.ProtocolTCP}
		if m[1] != "" {
			p.protocol = corev1.ProtocolUDP
		}
		all = addPort(all, p)
	}
	return all
}

// router is one of Traefik's routers.
type router struct {
	name        string
	at          string // its first label
	by          *workload
	fields      map[string]routingLabel // rule, entrypoints, tls.certresolver
	old         bool                    // its rule is Traefik 1's
	middlewares []*middleware           // of its own, beside those that it names
}

func (r *router) value(field string) string { return strings.TrimSpace(r.fields[field].value) }

// where is the place of a field, or of the router where it has none.
func (r *router) where(field string) string {
	if l, ok := r.fields[field]; ok {
		return l.at
	}
	return r.at
}

// list is a field of several values.
func (r *router) list(field string) []string { return words(r.value(field)) }

// words are the parts of a text between its commas.
func words(text string) []string {
	var all []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// target is one of Traefik's services: the containers of a service at a port.
type target struct {
	by     *workload
	fields map[string]routingLabel // loadbalancer.server.port
}

// middleware is one of Traefik's middlewares.
type middleware struct {
	name    string
	at      string // its first label
	kind    string // basicauth
	options map[string]routingLabel
	used    bool
}

// value is an option's.
func (m *middleware) value(option string) string { return strings.TrimSpace(m.options[option].value) }

// others are the options that are none of these, in order.
func (m *middleware) others(known ...string) []string {
	var all []string
	for _, option := range sortedKeys(m.options) {
		if !slices.Contains(known, option) {
			all = append(all, option)
		}
	}
	return all
}

// indexed takes the place in a list off a key: users[0].
var indexed = regexp.MustCompile(`\[\d+\]`)

// traefik is what all labels of a stack say together: routers name services and middlewares of other services as well.
type traefik struct {
	*converter
	routers     []*router
	targets     map[string]*target
	middlewares map[string]*middleware
	taken       map[hostPath]string // by which router
	streams     map[string]bool     // routers of TCP and UDP that were told
}

// read takes a service's labels in, and tells of those that make no Ingress.
func (t *traefik) read(w *workload) {
	labels := routingLabels(w.service, w.at)
	if len(labels) == 0 {
		return
	}
	if !routed(labels) {
		t.find(Meaningless, labels[0].at, "traefik.enable is false: there is no Ingress")
		return
	}
	old, asked := map[string]*oldRouter{}, false
	for _, l := range labels {
		asked = asked || l.key == "traefik.enable"
		t.label(w, l, old)
	}
	for _, segment := range sortedKeys(old) {
		t.addOld(w, segment, old[segment])
	}
	if asked && !slices.ContainsFunc(t.routers, func(r *router) bool { return r.by == w }) && !streamed(labels) {
		t.decide(Refused, labels[0].at, "it has no rule, and Traefik's default rule stands in Traefik's own configuration: write an Ingress with its host, to the Service %s", w.name)
	}
}

// label takes in one label.
func (t *traefik) label(w *workload, l routingLabel, old map[string]*oldRouter) {
	parts := strings.Split(l.key, ".")
	switch what := parts[1]; {
	case what == "enable":
	case what == "docker", what == "swarm", what == "constraint-label", what == "tags":
		t.find(Meaningless, l.at, "it says how Traefik finds a service in a Swarm, and the Ingress says it here")
	case what == "tcp", what == "udp":
		t.stream(l, parts)
	case what == "http" && len(parts) >= 5:
		t.http(w, l, parts)
	case what != "http" && what != "tls":
		t.old(l, parts, old)
	default:
		t.find(Refused, l.at, "it says nothing that an Ingress could")
	}
}

// streamed says whether labels route what is no HTTP.
func streamed(labels []routingLabel) bool {
	return slices.ContainsFunc(labels, func(l routingLabel) bool {
		return strings.HasPrefix(l.key, "traefik.tcp.") || strings.HasPrefix(l.key, "traefik.udp.") || strings.HasPrefix(l.key, "traefik.http.middlewares.")
	})
}

// stream tells of a router of TCP or UDP.
func (t *traefik) stream(l routingLabel, parts []string) {
	if len(parts) > 4 && parts[2] == "services" {
		return // the port is the Service's
	}
	id := strings.Join(parts[1:min(4, len(parts))], ".")
	if t.streams[id] {
		return
	}
	t.streams[id] = true
	t.decide(Refused, l.at, "an Ingress is for HTTP alone: publish the port (ports, a Service of type LoadBalancer), or use a TCPRoute, TLSRoute or UDPRoute of the Gateway API")
}

// http takes in a label of Traefik 2 or 3: traefik.http.routers.web.rule.
func (t *traefik) http(w *workload, l routingLabel, parts []string) {
	name, field := parts[3], strings.Join(parts[4:], ".")
	switch parts[2] {
	case "routers":
		i := slices.IndexFunc(t.routers, func(r *router) bool { return r.name == name && !r.old })
		if i < 0 {
			i = len(t.routers)
			t.routers = append(t.routers, &router{name: name, at: l.at, by: w, fields: map[string]routingLabel{}})
		}
		if _, twice := t.routers[i].fields[field]; !twice {
			t.routers[i].fields[field] = l
		}
	case "services":
		to := t.targets[name]
		if to == nil {
			to = &target{by: w, fields: map[string]routingLabel{}}
			t.targets[name] = to
		}
		to.fields[field] = l
	case "middlewares":
		m := t.middlewares[name]
		if m == nil {
			m = &middleware{name: name, at: l.at, kind: parts[4], options: map[string]routingLabel{}}
			t.middlewares[name] = m
		}
		option := indexed.ReplaceAllString(strings.Join(parts[min(5, len(parts)):], "."), "")
		if have, more := m.options[option]; more {
			l.value = have.value + "," + l.value
		}
		m.options[option] = l
	default:
		t.find(Refused, l.at, "it says nothing that an Ingress could")
	}
}

// oldRouter is what Traefik 1 is told of one service, or of one segment of it.
type oldRouter struct {
	at     string
	fields map[string]routingLabel // frontend.rule, port
}

// old takes in a label of Traefik 1: traefik.frontend.rule, or of a segment traefik.admin.frontend.rule.
func (t *traefik) old(l routingLabel, parts []string, all map[string]*oldRouter) {
	segment, rest := "", parts[1:]
	if !slices.Contains(oldFields, rest[0]) && len(rest) > 1 {
		segment, rest = rest[0], rest[1:]
	}
	if !slices.Contains(oldFields, rest[0]) {
		t.find(Refused, l.at, "it says nothing that an Ingress could")
		return
	}
	r := all[segment]
	if r == nil {
		r = &oldRouter{at: l.at, fields: map[string]routingLabel{}}
		all[segment] = r
	}
	r.fields[strings.Join(rest, ".")] = l
}

// oldFields are what a label of Traefik 1 begins with.
var oldFields = []string{"frontend", "port", "protocol", "backend", "weight", "domain"}

// addOld makes a router of Traefik 1's labels.
func (t *traefik) addOld(w *workload, segment string, o *oldRouter) {
	name := w.name
	if segment != "" {
		name += "-" + segment
	}
	r := &router{name: name, at: o.at, by: w, old: true, fields: map[string]routingLabel{}}
	for _, field := range sortedKeys(o.fields) {
		l := o.fields[field]
		field, _ := strings.CutPrefix(field, "frontend.")
		switch field {
		case "rule", "entrypoints", "priority", "port", "protocol":
			r.fields[field] = l
		case "backend", "weight", "domain", "passhostheader", "value":
			t.find(Meaningless, l.at, "it is for Traefik's own load balancing: a Service does that")
		default:
			r.old1(field, l)
		}
	}
	if r.value("rule") == "" && segment != "" && r.value("port") == "" {
		t.find(Refused, r.at, "segment %s has no rule", segment)
		return
	}
	t.routers = append(t.routers, r)
}

// old1 makes a middleware of what Traefik 1 has in its frontends.
func (r *router) old1(field string, l routingLabel) {
	kind, option := "", ""
	switch field {
	case "auth.basic", "auth.basic.users":
		kind, option = "basicauth", "users"
	case "whitelist.sourcerange", "whitelistsourcerange":
		kind, option = "ipallowlist", "sourcerange"
	case "redirect.entrypoint":
		kind, option, l.value = "redirectscheme", "scheme", strings.ToLower(l.value)
	case "redirect.regex", "redirect.replacement":
		kind, option = "redirectregex", strings.TrimPrefix(field, "redirect.")
	default:
		kind, option, _ = strings.Cut(field, ".")
	}
	i := slices.IndexFunc(r.middlewares, func(m *middleware) bool { return m.kind == kind })
	if i < 0 {
		i = len(r.middlewares)
		r.middlewares = append(r.middlewares, &middleware{name: kind, at: l.at, kind: kind, options: map[string]routingLabel{}})
	}
	r.middlewares[i].options[option] = l
}
