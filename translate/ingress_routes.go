package translate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"skep/translate/nginx"
)

// ingressRoute is one path of one host, and which Ingress it comes from.
type ingressRoute struct {
	nginx.Location
	ingress *networkingv1.Ingress
	host    string
	id      string // its place in the Ingress
	service Key    // "" for none
	// inherited says that it is the default backend's, once more for a host of another Ingress.
	inherited bool
}

// ingressCollector gathers what Ingresses ask for, the oldest first.
type ingressCollector struct {
	src       IngressSources
	ingresses []*networkingv1.Ingress
	settings  map[*networkingv1.Ingress]ingressSettings
	hosts     map[string]bool
	routes    []*ingressRoute
	// owners are who has a path, by host and the location's key.
	owners   map[[2]string]*networkingv1.Ingress
	problems []IngressProblem
}

func collectIngresses(ingresses []*networkingv1.Ingress, src IngressSources) *ingressCollector {
	c := &ingressCollector{
		src: src, ingresses: sortIngresses(ingresses), settings: map[*networkingv1.Ingress]ingressSettings{},
		hosts: map[string]bool{}, owners: map[[2]string]*networkingv1.Ingress{},
	}
	for _, i := range c.ingresses {
		c.settings[i] = c.readSettings(i)
		c.addRules(i)
	}
	for _, i := range c.ingresses {
		c.addDefault(i)
	}
	return c
}

func (c *ingressCollector) addRules(i *networkingv1.Ingress) {
	s := c.settings[i]
	for n, rule := range i.Spec.Rules {
		if err := (nginx.Server{Host: rule.Host}).Check(); err != nil {
			c.problem(i, IngressInvalidRule, "host %q %v", rule.Host, err)
			continue
		}
		c.hosts[rule.Host] = true
		if root := s.appRoot; root != "" {
			c.add(&ingressRoute{ingress: i, host: rule.Host, id: fmt.Sprintf("%d-root", n), Location: nginx.Location{
				Path: "/", Match: nginx.Exact, Redirect: &nginx.Redirect{Code: 302, URL: root},
				SSLRedirect: s.SSLRedirect, ForceSSLRedirect: s.ForceSSLRedirect, Closed: s.Closed,
			}})
		}
		if rule.HTTP == nil {
			continue // all of the host is the default backend's
		}
		for m, path := range rule.HTTP.Paths {
			r := &ingressRoute{ingress: i, host: rule.Host, id: fmt.Sprintf("%d-%d", n, m), Location: s.Location}
			r.Path, r.Match = ingressMatch(path, s.useRegex)
			if c.checkRoute(r) {
				r.Backend, r.service = c.backend(i, path.Backend)
				c.add(r)
			}
		}
	}
}

// ingressMatch is how a path is compared. Where pathType leaves it open it is a prefix, or a regular expression if
// annotations ask for one.
func ingressMatch(path networkingv1.HTTPIngressPath, useRegex bool) (string, nginx.Match) {
	typ := networkingv1.PathTypeImplementationSpecific
	if path.PathType != nil {
		typ = *path.PathType
	}
	switch {
	case typ == networkingv1.PathTypeExact:
		return path.Path, nginx.Exact
	case path.Path == "" || path.Path == "/":
		return "/", nginx.Prefix
	case useRegex && (typ != networkingv1.PathTypePrefix || regexp.QuoteMeta(path.Path) != path.Path):
		return path.Path, nginx.Regex
	}
	return path.Path, nginx.Prefix
}

// checkRoute leaves out a path that cannot be, and a rewrite that does not fit the path.
func (c *ingressCollector) checkRoute(r *ingressRoute) bool {
	plain := r.Location
	plain.Rewrite = ""
	if err := plain.Check(); err != nil {
		c.problem(r.ingress, IngressInvalidRule, "host %q: %v", r.host, err)
		return false
	}
	if err := r.Check(); err != nil {
		c.problem(r.ingress, IngressInvalidAnnotation, "host %q, path %q: %v: it is not rewritten", r.host, r.Path, err)
		r.Location = plain
	}
	return true
}

// backend is where a path leads, nowhere if need be: it then answers 503.
func (c *ingressCollector) backend(i *networkingv1.Ingress, b networkingv1.IngressBackend) (nginx.Backend, Key) {
	switch {
	case b.Service == nil:
		c.problem(i, IngressNoBackend, "a backend that is no Service is not supported: its paths answer 503")
		return nginx.Backend{}, Key{}
	case c.src.Service(i.Namespace, b.Service.Name) == nil:
		c.problem(i, IngressNoBackend, "Service %q is not there: its paths answer 503", b.Service.Name)
		return nginx.Backend{}, Key{}
	}
	backend, err := c.src.Backend(i.Namespace, b.Service.Name, b.Service.Port)
	if err == nil {
		err = backend.Check()
	}
	if err != nil {
		c.problem(i, IngressNoBackend, "Service %q: %v: its paths answer 503", b.Service.Name, err)
		return nginx.Backend{}, Key{}
	}
	return backend, Key{Namespace: i.Namespace, Name: b.Service.Name}
}

// add takes a route unless its path is taken.
func (c *ingressCollector) add(r *ingressRoute) {
	key := [2]string{r.host, r.Key()}
	switch owner := c.owners[key]; owner {
	case nil:
		c.owners[key] = r.ingress
		c.routes = append(c.routes, r)
	case r.ingress:
		c.problem(r.ingress, IngressConflict, "host %q, path %q is there twice: the first is served", r.host, r.Path)
	default:
		c.problem(r.ingress, IngressConflict, "host %q, path %q is served for Ingress %s/%s, which is older", r.host, r.Path, owner.Namespace, owner.Name)
	}
}

// addDefault gives what no path matches to an Ingress's default backend: on its own hosts, and, if it is the oldest
// that has one, everywhere else.
func (c *ingressCollector) addDefault(i *networkingv1.Ingress) {
	if i.Spec.DefaultBackend == nil {
		return
	}
	r := ingressRoute{ingress: i, id: "default", Location: c.settings[i].Location}
	r.Path, r.Match = "/", nginx.Prefix
	c.checkRoute(&r)
	r.Backend, r.service = c.backend(i, *i.Spec.DefaultBackend)
	for n, rule := range i.Spec.Rules {
		if c.hosts[rule.Host] {
			c.addFree(r, rule.Host, fmt.Sprintf("%d-default", n), false)
		}
	}
	oldest := slices.IndexFunc(c.ingresses, func(o *networkingv1.Ingress) bool { return o.Spec.DefaultBackend != nil })
	if first := c.ingresses[oldest]; first != i {
		if len(i.Spec.Rules) == 0 {
			c.problem(i, IngressConflict, "the default backend is that of Ingress %s/%s, which is older", first.Namespace, first.Name)
		}
		return
	}
	c.hosts[""] = true
	c.addFree(r, "", "default", false)
	c.inherit(r)
}

func (c *ingressCollector) addFree(r ingressRoute, host, id string, inherited bool) {
	if r.host, r.id, r.inherited = host, id, inherited; c.owners[[2]string{host, r.Key()}] == nil {
		c.add(&r)
	}
}

// inherit gives a default backend, once all that have one had their hosts, those that have none.
func (c *ingressCollector) inherit(r ingressRoute) {
	owned := map[string]bool{}
	for _, i := range c.ingresses {
		for _, rule := range i.Spec.Rules {
			owned[rule.Host] = owned[rule.Host] || i.Spec.DefaultBackend != nil
		}
	}
	for _, host := range slices.Sorted(maps.Keys(c.hosts)) {
		if !owned[host] {
			c.addFree(r, host, "default", true)
		}
	}
}
