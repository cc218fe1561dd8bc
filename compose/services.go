package compose

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"skep/translate"
)

// Node ports, kube-apiserver's --service-node-port-range by default.
const (
	firstNodePort = 30000
	lastNodePort  = 32767
)

// expose gives all services the Services by which they are called: one of their own name on the ports that their
// containers listen on, one for what they publish, and one for each other name.
func (c *converter) expose() {
	for _, w := range c.workloads {
		c.names.take("Service", w.name, w.at) // before any other of that name is made up
	}
	calls := callsOf(c.workloads)
	for _, w := range c.workloads {
		ports := c.portsOf(w)
		if len(ports) > 0 {
			for _, p := range calls.dialled(w) {
				ports = addPort(ports, p)
			}
		}
		w.container().Ports = nil
		for _, p := range ports {
			w.container().Ports = append(w.container().Ports, corev1.ContainerPort{ContainerPort: p.number, Protocol: p.protocol})
		}
		if c.called(w, ports, calls) {
			c.add(c.ownService(w, ports), w.at)
		}
		c.publish(w)
		c.tellName(w, calls)
		c.externalLinks(w)
	}
	c.alias(calls)
}

// called says whether a service gets a Service at all. A job, and what is on its node's own network, is called by nobody
// unless something says so.
func (c *converter) called(w *workload, ports []port, calls calls) bool {
	k := c.kindOf(w)
	switch {
	case k == statefulSet: // which names one
		return true
	case w.template.Spec.HostNetwork:
		return len(routedPorts(w.service)) > 0
	case k == job, k == cronJob:
		return len(ports) > 0 || len(calls.by(w.service.Key, w)) > 0
	}
	return w.service.File.NetworkMode != "none"
}

// ownService is the Service of a service's own name. Where no port is known it is headless, for a headless one is reached
// at every port; the annotation has skep leave the service its virtual IP all the same.
func (c *converter) ownService(w *workload, ports []port) *corev1.Service {
	s := &corev1.Service{ObjectMeta: newMeta(w.name), Spec: corev1.ServiceSpec{Selector: maps.Clone(w.selector), Ports: servicePorts(ports)}}
	s.Labels = map[string]string{LabelName: w.name}
	switch wanted := strings.ToLower(w.service.File.Labels["kompose.service.type"]); {
	case c.roundRobin(w), wanted == "headless", wanted == "none":
		s.Spec.ClusterIP = corev1.ClusterIPNone
	case len(ports) == 0:
		nameOnly(s)
	}
	return s
}

// nameOnly makes a Service that is but a name of Pods.
func nameOnly(s *corev1.Service) {
	s.Spec.ClusterIP, s.Spec.Ports = corev1.ClusterIPNone, nil
	annotate(s, translate.AnnotationRoute, string(translate.RouteNative))
}

func annotate(o translate.Object, key, value string) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	o.SetAnnotations(annotations)
}

// roundRobin says whether a service's name is to be the addresses of its tasks.
func (c *converter) roundRobin(w *workload) bool {
	d := w.service.File.Deploy
	return d != nil && strings.EqualFold(d.EndpointMode, "dnsrr")
}

// serviceNamed is the Service of a name; nil for none.
func (c *converter) serviceNamed(name string) *corev1.Service {
	for _, o := range c.result.Objects {
		if s, ok := o.(*corev1.Service); ok && s.Name == name {
			return s
		}
	}
	return nil
}

// backend sees to it that a workload's Service has a port, by which an Ingress can reach it.
func (c *converter) backend(w *workload, number int32) {
	to := port{number: number, protocol: corev1.ProtocolTCP}
	s := c.serviceNamed(w.name)
	if s == nil {
		c.add(c.ownService(w, []port{to}), w.at)
		return
	}
	if slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == number && p.Protocol == corev1.ProtocolTCP }) {
		return
	}
	if len(s.Spec.Ports) == 0 && !c.roundRobin(w) && maps.Equal(s.Spec.Selector, w.selector) {
		s.Spec.ClusterIP = ""
		delete(s.Annotations, translate.AnnotationRoute)
	}
	s.Spec.Ports = append(s.Spec.Ports, servicePort(s.Spec.Ports, to, number))
	con := w.container()
	if !slices.ContainsFunc(con.Ports, func(p corev1.ContainerPort) bool {
		return p.ContainerPort == number && p.Protocol == corev1.ProtocolTCP
	}) {
		con.Ports = append(con.Ports, corev1.ContainerPort{ContainerPort: number, Protocol: corev1.ProtocolTCP})
	}
}

// publish makes what reaches a service from outside.
func (c *converter) publish(w *workload) {
	way, outlets := c.publishAs(w), c.outlets(w)
	if way == PublishIngress {
		outlets = c.publishByIngress(w, outlets)
		way = PublishLoadBalancer
	}
	groups := []struct {
		suffix string
		way    Publish
		is     func(outlet) bool
	}{
		{"", way, func(o outlet) bool { return o.number != 0 && !o.local }},
		{"-local", way, func(o outlet) bool { return o.number != 0 && o.local }},
		{"-any", PublishNodePort, func(o outlet) bool { return o.number == 0 }}, // there is no number that a load balancer could have
	}
	first := true
	for _, g := range groups {
		of := slices.DeleteFunc(slices.Clone(outlets), func(o outlet) bool { return !g.is(o) })
		switch {
		case len(of) == 0:
			continue
		case way == "":
			c.find(Approximated, w.at+".ports", "kompose.service.type is %s: it is reached inside the cluster alone, and nothing is published", w.service.File.Labels["kompose.service.type"])
			return
		case first:
			g.suffix = ""
		}
		first = false
		c.publishPorts(w, w.name+"-published"+g.suffix, of, g.way)
	}
}

// publishAs is how a service is published: as kompose's label has it, or the options.
func (c *converter) publishAs(w *workload) Publish {
	switch strings.ToLower(w.service.File.Labels["kompose.service.type"]) {
	case "nodeport":
		return PublishNodePort
	case "loadbalancer":
		return PublishLoadBalancer
	case "clusterip", "headless", "none":
		return ""
	}
	return cmp.Or(c.options.Publish, PublishLoadBalancer)
}

// publishPorts makes the Service of ports that are reached from outside, in one way.
func (c *converter) publishPorts(w *workload, name string, outlets []outlet, way Publish) {
	labels := w.service.File.Labels
	name = c.names.take("Service", name, w.at+".ports")
	s := &corev1.Service{ObjectMeta: newMeta(name), Spec: corev1.ServiceSpec{Selector: maps.Clone(w.selector), Type: corev1.ServiceTypeLoadBalancer}}
	s.Labels = map[string]string{LabelName: w.name}
	annotate(s, translate.AnnotationRoute, string(translate.RouteNative))
	if way == PublishNodePort {
		s.Spec.Type = corev1.ServiceTypeNodePort
	} else {
		annotate(s, translate.AnnotationNodePorts, translate.NodePortsNone)
	}
	if outlets[0].local {
		s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
		c.find(Approximated, outlets[0].at+".mode", "Swarm opens the port on the nodes that run a task: here a Service that goes to those nodes alone and keeps the caller's address (externalTrafficPolicy: Local); where it has to be the node's own port, write hostPort on the container")
	}
	switch strings.ToLower(labels["kompose.service.external-traffic-policy"]) {
	case "local":
		s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	case "cluster":
		s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	}
	for _, o := range outlets {
		c.publishPort(s, o, labels["kompose.service.nodeport.port"])
	}
	c.add(s, w.at+".ports")
}

// publishPort adds a port to a Service that publishes. asked is the node port that kompose's label gives the first.
func (c *converter) publishPort(s *corev1.Service, o outlet, asked string) {
	number := cmp.Or(o.number, o.to.number)
	if slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == number && p.Protocol == o.to.protocol }) {
		return
	}
	p := servicePort(s.Spec.Ports, o.to, number)
	if s.Spec.Type == corev1.ServiceTypeNodePort {
		node, err := strconv.Atoi(asked)
		first := len(s.Spec.Ports) == 0
		switch {
		case first && err == nil && node >= firstNodePort && node <= lastNodePort:
			p.NodePort = int32(node)
		case o.number >= firstNodePort && o.number <= lastNodePort:
			p.NodePort = o.number
		case o.number != 0:
			c.find(Approximated, o.at+".published", "%d is no node port, which are %d-%d: Kubernetes chooses one (kubectl get service %s), or publish by a load balancer", o.number, firstNodePort, lastNodePort, s.Name)
		}
	}
	s.Spec.Ports = append(s.Spec.Ports, p)
}

// tellName says where a service is called by another name than the file has for it.
func (c *converter) tellName(w *workload, calls calls) {
	key := w.service.Key
	if c.serviceNamed(w.name) == nil {
		return
	}
	if w.name[0] >= '0' && w.name[0] <= '9' {
		c.find(Approximated, w.at, "the name of its Service begins with a digit, which clusters before Kubernetes 1.36 refuse")
	}
	if w.service.File.Labels["kompose.service.name_override"] == "" && !strings.EqualFold(key, w.name) {
		c.find(Approximated, w.at, "%s is no name of a Service, which has small letters, digits and hyphens: who calls it has to call %s%s", key, w.name, where(calls.by(key, w)))
	}
	for _, other := range []string{"tasks." + key, c.stack.Name + "_" + key} {
		for _, at := range calls.by(other, w) {
			if strings.HasPrefix(other, "tasks.") {
				c.decide(Approximated, at.at, "%s gives the addresses of all tasks, and no Service has such a name: make %s headless (deploy.endpoint_mode: dnsrr), and call it %s here", other, w.name, w.name)
			} else if c.stack.Name != "" {
				c.decide(Approximated, at.at, "%s is how a Swarm calls it: call it %s here", other, w.name)
			}
		}
	}
}

// where lists the keys that call a name, at the end of a sentence.
func where(all []call) string {
	if len(all) == 0 {
		return ""
	}
	var keys []string
	for _, one := range all {
		keys = append(keys, one.at)
	}
	return ", as in " + strings.Join(slices.Compact(keys), ", ")
}

// claim is another name by which a service is called.
type claim struct {
	name, at string
	by       *workload
}

// nameClaims are all the other names of services, in order.
func (c *converter) nameClaims(calls calls) []claim {
	byKey := map[string]*workload{}
	for _, w := range c.workloads {
		byKey[w.service.Key] = w
	}
	var all []claim
	for _, w := range c.workloads {
		f := w.service.File
		if w.service.File.Labels["kompose.service.name_override"] != "" {
			all = append(all, claim{w.service.Key, w.at, w})
		}
		for _, network := range sortedKeys(f.Networks) {
			if n := f.Networks[network]; n != nil {
				for i, name := range n.Aliases {
					all = append(all, claim{name, fmt.Sprintf("%s.networks.%s.aliases[%d]", w.at, network, i), w})
				}
			}
		}
		for i, link := range f.Links {
			key, name, named := strings.Cut(link, ":")
			if on := byKey[key]; on != nil && named {
				all = append(all, claim{name, fmt.Sprintf("%s.links[%d]", w.at, i), on})
			}
		}
		for key, name := range map[string]string{"container_name": f.ContainerName, "hostname": f.Hostname} {
			if name != "" && len(calls.by(name, w)) > 0 {
				all = append(all, claim{name, w.at + "." + key, w})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b claim) int { return cmp.Or(cmp.Compare(a.by.name, b.by.name), cmp.Compare(a.at, b.at)) })
	return all
}

// externalLinks tells what a service calls that nobody here is.
func (c *converter) externalLinks(w *workload) {
	for i, link := range w.service.File.ExternalLinks {
		of, name, _ := strings.Cut(link, ":")
		c.decide(Refused, fmt.Sprintf("%s.external_links[%d]", w.at, i), "%s runs outside of this stack: make a Service %s of type ExternalName that names it", of, label(cmp.Or(name, of)))
	}
}

// alias makes Services of the other names of services. A name that several have is one Service for all of them.
func (c *converter) alias(calls calls) {
	claims := map[string][]claim{}
	for _, one := range c.nameClaims(calls) {
		if strings.EqualFold(one.name, one.by.service.Key) && one.by.name == label(one.by.service.Key) || one.by.template.Spec.HostNetwork {
			continue
		}
		if name, ok := c.aliasName(one); ok {
			claims[name] = append(claims[name], one)
		}
	}
	for _, name := range sortedKeys(claims) {
		c.aliasService(name, claims[name])
	}
}

// aliasName is the name of a Service for another name of a service; false where there can be none.
func (c *converter) aliasName(one claim) (string, bool) {
	name := strings.ToLower(one.name)
	switch {
	case name == "" || strings.Contains(name, "{{"):
		return "", false
	case strings.Contains(name, "."):
		c.find(Refused, one.at, "%s has dots, and the names of Services have none: call it %s, or let the cluster's DNS rewrite the name (CoreDNS: rewrite name)", one.name, one.by.name)
		return "", false
	case len(validation.IsDNS1123Label(name)) > 0:
		name = label(name)
		c.find(Approximated, one.at, "%s is no name of a Service, which has small letters, digits and hyphens: who calls it has to call %s", one.name, name)
	}
	return name, true
}

// aliasService makes the Service of a name that these claim.
func (c *converter) aliasService(name string, claims []claim) {
	var all []*workload
	own := c.serviceNamed(name)
	for _, w := range c.workloads {
		mine := own != nil && w.name == name
		if mine || slices.ContainsFunc(claims, func(one claim) bool { return one.by == w }) {
			all = append(all, w)
		}
	}
	if len(all) == 1 {
		if own == nil {
			s := c.ownService(all[0], c.portsOf(all[0]))
			s.Name = c.names.take("Service", name, claims[0].at)
			c.add(s, claims[0].at)
		}
		return
	}
	common := map[string]string{"alias.skep/" + name: "true"}
	for _, w := range all {
		maps.Copy(w.template.Labels, common)
	}
	if own == nil {
		own = &corev1.Service{ObjectMeta: newMeta(name)}
		own.Name = c.names.take("Service", name, claims[0].at)
		c.add(own, claims[0].at)
	}
	own.Spec.Selector = common
	nameOnly(own)
	c.find(Approximated, claims[0].at, "several services answer to %s: it is a headless Service of all their Pods, found by the label alias.skep/%s", name, name)
}
