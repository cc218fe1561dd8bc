package compose

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// write makes the Ingress of a router.
func (t *traefik) write(d *draft) {
	name := t.names.take("Ingress", d.name, d.at)
	paths := d.ingressPaths(t)
	for _, p := range d.paths {
		if other, taken := t.taken[p]; taken {
			t.decide(Approximated, d.where("rule"), "host %q and path %q are those of %s as well: which of them answers is the Ingress controller's to choose", p.host, p.path, other)
			continue
		}
		t.taken[p] = d.name
	}
	i := t.ingress(name, d.backend, d.port, paths)
	for key, value := range d.annotations {
		annotate(i, key, value)
	}
	if d.secure {
		t.certificate(d, i)
	}
	if len(d.auth) > 0 {
		t.passwords(d, i)
	}
	t.add(i, d.where("rule"))
}

// ingressPath is a path of an Ingress.
type ingressPath struct {
	host, path string
	kind       networkingv1.PathType
}

// plainPath is what a path of a rule can be made of to be a regular expression as it stands.
var plainPath = regexp.MustCompile(`^(?:/[A-Za-z0-9_~-]+)+$`)

// ingressPaths are a draft's paths as the Ingress has them: where prefixes are taken off them all, as regular expressions
// with the annotation rewrite-target, which holds for all.
func (d *draft) ingressPaths(t *traefik) []ingressPath {
	var all, stripped []ingressPath
	for _, p := range d.paths {
		all = append(all, ingressPath{p.host, p.path, p.pathType()})
		bare := strings.TrimRight(p.path, "/")
		ours := slices.ContainsFunc(d.strip, func(prefix string) bool { return strings.TrimRight(prefix, "/") == bare })
		if ours && plainPath.MatchString(bare) {
			stripped = append(stripped, ingressPath{p.host, bare + "(/|$)(.*)", networkingv1.PathTypeImplementationSpecific})
		}
	}
	switch {
	case len(d.strip) == 0:
		return all
	case len(stripped) == len(all) && d.annotations[annotationNginx+"rewrite-target"] == "":
		d.annotate("use-regex", "true")
		d.annotate("rewrite-target", "/$2")
		return stripped
	}
	t.decide(Refused, d.where("rule"), "%s is not taken off the paths: the annotation rewrite-target does that for an Ingress all of whose paths are that prefix", strings.Join(d.strip, ", "))
	return all
}

// ingress is an Ingress that leads to a port of a workload's Service.
func (c *converter) ingress(name string, w *workload, port int32, paths []ingressPath) *networkingv1.Ingress {
	c.backend(w, port)
	i := &networkingv1.Ingress{ObjectMeta: newMeta(name)}
	i.Labels = map[string]string{LabelName: w.name}
	if class := c.options.IngressClass; class != "" {
		i.Spec.IngressClassName = &class
	}
	for _, p := range paths {
		at := slices.IndexFunc(i.Spec.Rules, func(r networkingv1.IngressRule) bool { return r.Host == p.host })
		if at < 0 {
			at = len(i.Spec.Rules)
			i.Spec.Rules = append(i.Spec.Rules, networkingv1.IngressRule{
				Host: p.host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{}},
			})
		}
		http := i.Spec.Rules[at].HTTP
		http.Paths = append(http.Paths, networkingv1.HTTPIngressPath{
			Path: p.path, PathType: &p.kind,
			Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: w.name, Port: networkingv1.ServiceBackendPort{Number: port},
			}},
		})
	}
	return i
}

// certificate has an Ingress serve HTTPS, with a certificate that someone has to bring.
func (t *traefik) certificate(d *draft, i *networkingv1.Ingress) {
	var hosts []string
	for _, rule := range i.Spec.Rules {
		hosts = append(hosts, rule.Host)
	}
	for _, field := range sortedKeys(d.fields) {
		if strings.HasPrefix(field, "tls.domains") {
			hosts = append(hosts, words(d.value(field))...)
		}
	}
	tls := networkingv1.IngressTLS{SecretName: label(i.Name + "-tls")}
	for _, host := range hosts {
		valid := len(validation.IsDNS1123Subdomain(host)) == 0 || len(validation.IsWildcardDNS1123Subdomain(host)) == 0
		if host != "" && valid && !slices.Contains(tls.Hosts, host) {
			tls.Hosts = append(tls.Hosts, host)
		}
	}
	i.Spec.TLS = append(i.Spec.TLS, tls)
	of := cmp.Or(strings.Join(tls.Hosts, ", "), "all hosts")
	t.fill("Secret", tls.SecretName, "", "the certificate of "+of+": kubectl create secret tls "+tls.SecretName+" --cert FILE --key FILE")
	at, issuer := d.where("entrypoints"), "ISSUER"
	for _, field := range []string{"tls.certresolver", "tls"} {
		if _, ok := d.fields[field]; ok {
			at = d.where(field)
			issuer = cmp.Or(d.value("tls.certresolver"), issuer)
			break
		}
	}
	t.decide(Approximated, at, "the certificate of %s has to be in the Secret %s: bring it, or have cert-manager make it (the annotation cert-manager.io/cluster-issuer: %s on the Ingress %s)", of, tls.SecretName, issuer, i.Name)
}

// passwords has ingress-nginx ask for them.
func (t *traefik) passwords(d *draft, i *networkingv1.Ingress) {
	secret := &corev1.Secret{ObjectMeta: newMeta(label(i.Name + "-auth")), Data: map[string][]byte{"auth": []byte(strings.Join(d.auth, "\n") + "\n")}}
	secret.Name = t.names.take("Secret", secret.Name, d.at)
	secret.Labels = map[string]string{LabelName: d.backend.name}
	annotate(i, annotationNginx+"auth-type", "basic")
	annotate(i, annotationNginx+"auth-secret", secret.Name)
	t.add(secret, d.where("middlewares"))
}

// webPorts are ports by which HTTP is served, by custom.
var webPorts = []int32{80, 8080, 3000, 5000, 8000, 8008, 8081, 8888, 9000, 9090, 4200, 3001, 443, 8443}

// publishByIngress makes an Ingress to the first port that speaks HTTP, as it seems, and returns those that are left.
func (c *converter) publishByIngress(w *workload, outlets []outlet) []outlet {
	if len(routedPorts(w.service)) > 0 {
		return outlets // its own labels say how it is routed to
	}
	at := slices.IndexFunc(outlets, func(o outlet) bool {
		http := slices.Contains(webPorts, o.to.number) || o.number == 80 || o.number == 443
		if o.to.app != "" {
			http = strings.HasPrefix(strings.ToLower(o.to.app), "http")
		}
		return http && o.to.protocol == corev1.ProtocolTCP
	})
	if at < 0 {
		return outlets
	}
	o := outlets[at]
	host := c.options.Host
	if host != "" && o.number != 80 && o.number != 443 {
		host = w.name + "." + host // Docker told services apart by their ports
	}
	name := c.names.take("Ingress", w.name, o.at)
	i := c.ingress(name, w, o.to.number, []ingressPath{{host, "/", networkingv1.PathTypePrefix}})
	if host == "" {
		c.decide(Approximated, o.at, "the Ingress %s takes all hosts: give it one, or another service's Ingress and this one take the same requests", name)
	} else {
		c.find(Approximated, o.at, "it is reached at the host %s by an Ingress, and not at port %d", host, o.number)
	}
	if slices.Contains([]int32{443, 8443}, o.to.number) {
		annotate(i, annotationNginx+"backend-protocol", "HTTPS")
	}
	c.add(i, o.at)
	return slices.Delete(slices.Clone(outlets), at, at+1)
}
