package translate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"

	"skep/translate/nginx"
)

// The proxies' own places.
const (
	proxyNamespace  = "kube-system"
	proxyConfigPath = "/etc/skep/nginx.conf"
	// proxyVersion grows when proxies come to be written in another way.
	proxyVersion = 1
	// resolver is Docker's DNS in every container of an overlay.
	resolver = "127.0.0.11"
)

// proxySpec is the service that carries a Service, and the files that it mounts.
func proxySpec(w World, e *Exposed) (swarm.ServiceSpec, []Material, error) {
	listeners, networks := listenersOf(w, e)
	config, err := nginx.Stream(nginx.StreamConfig{Resolver: resolver, Listeners: listeners})
	if err != nil {
		return swarm.ServiceSpec{}, nil, fmt.Errorf("the proxy of Service %s: %w", AddressID(e.Key()), err)
	}
	material := configMaterial(config)
	k := e.Key()
	spec := proxyBase(w, proxyName("svc", k), AddressID(k), material)
	alias, kept := w.Networking().serviceHost(k), keptIn(w, e)
	if !kept {
		networks = append([]string{w.Networking().Network}, networks...)
	}
	for _, target := range networks {
		spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{Target: target, Aliases: []string{alias}})
	}
	if e.published() && !kept {
		spec.EndpointSpec.Ports = publishedPorts(w, e)
		for i := range spec.EndpointSpec.Ports {
			p := &spec.EndpointSpec.Ports[i]
			p.TargetPort = insidePort(e, *p)
		}
	}
	return spec, []Material{material}, nil
}

// proxyName is readable, and no two Services share one: dashes may stand in both parts of a key.
func proxyName(what string, k Key) string {
	if k == IngressProxy {
		return strings.TrimPrefix(what+"-ingress", "svc-")
	}
	name := what + "-" + k.Namespace + "-" + k.Name
	if strings.Contains(k.Namespace+k.Name, "-") {
		sum := sha256.Sum256([]byte(AddressID(k)))
		tail := "-" + hex.EncodeToString(sum[:4])
		name = name[:min(len(name), maxServiceName-len(proxyNamespace+"_")-len(tail))] + tail
	}
	return name
}

// seal notes what a proxy was given. How it is looked at is left out: that depends on the gateway's own engine.
func seal(spec *swarm.ServiceSpec) {
	plain, c := *spec, *spec.TaskTemplate.ContainerSpec
	c.Healthcheck = nil
	plain.TaskTemplate.ContainerSpec = &c
	spec.Labels[LabelProxySpec] = digest(plain)
}

// keptIn says whether a policy keeps what is behind a Service off the flat overlay. Then so is the proxy, and it
// publishes nothing: else all would get in by it.
func keptIn(w World, e *Exposed) bool {
	return slices.ContainsFunc(selected(w, e), func(wl *Workload) bool { return isolated(w, wl) })
}

// proxyBase is what all proxies have in common. They show as Deployments of kube-system.
func proxyBase(w World, name, of string, config Material) swarm.ServiceSpec {
	one, second := uint64(1), time.Second
	full := proxyNamespace + "_" + name
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{
			Name:   fit(full, full, maxServiceName),
			Labels: map[string]string{LabelStack: proxyNamespace, LabelProxy: of, LabelProxyVersion: strconv.Itoa(proxyVersion)},
		},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image: w.Networking().ProxyImage, Command: []string{"nginx", "-c", proxyConfigPath, "-g", "daemon off;"},
				StopSignal: "SIGQUIT", StopGracePeriod: ptr(time.Minute), // nginx ends when its connections have
				Healthcheck: proxyHealth(w.Networking()),
				Configs: []*swarm.ConfigReference{{
					ConfigName: config.Name, File: &swarm.ConfigReferenceFileTarget{Name: proxyConfigPath, UID: "0", GID: "0", Mode: 0o444},
				}},
			},
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &second},
		},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
		UpdateConfig: &swarm.UpdateConfig{
			Parallelism: 1, Order: swarm.UpdateOrderStartFirst, FailureAction: swarm.UpdateFailureActionPause, Monitor: second,
		},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP},
	}
	if w.Networking().RoundRobin {
		spec.EndpointSpec.Mode = swarm.ResolutionModeDNSRR
	}
	return spec
}

func ptr[T any](v T) *T { return &v }

// proxyHealth keeps a proxy out of Swarm's DNS and balancing until nginx listens: it writes its process ID then.
func proxyHealth(n Networking) *container.HealthConfig {
	h := &container.HealthConfig{
		Test: []string{"CMD", "test", "-s", "/tmp/nginx.pid"}, Interval: 2 * time.Second,
		Timeout: 30 * time.Second, Retries: 30, // a node that is slow is no reason to end a proxy
	}
	if n.QuickHealth {
		h.Interval, h.StartPeriod, h.StartInterval = 30*time.Second, 30*time.Second, time.Second
	}
	return h
}

// configMaterial is a configuration as a Swarm config, named by its content.
func configMaterial(text string) Material {
	sum := sha256.Sum256([]byte("0:0:444\n" + text))
	return Material{Name: materialName(hex.EncodeToString(sum[:])), Data: []byte(text)}
}

// listenersOf are what a Service's proxy listens for and where it passes it on, and the networks, beside the flat
// one, on which that is.
func listenersOf(w World, e *Exposed) ([]nginx.Listener, []string) {
	var listeners []nginx.Listener
	var networks []string
	for _, p := range e.Object.Spec.Ports {
		if protocolOf(p.Protocol) == corev1.ProtocolSCTP {
			continue // nginx knows no SCTP; Carry says so
		}
		backend, on := backendOf(w, e, &p, false)
		for _, n := range on {
			if !slices.Contains(networks, n) {
				networks = append(networks, n)
			}
		}
		listeners = append(listeners, nginx.Listener{
			Name: p.Name, Port: p.Port, UDP: protocolOf(p.Protocol) == corev1.ProtocolUDP, Backend: backend,
		})
	}
	listeners = append(listeners, outsideListeners(e, listeners)...)
	slices.Sort(networks)
	return listeners, networks
}

// outsideListeners listen at the numbers of the nodes' ports as well: an engine publishes a port of a container once.
func outsideListeners(e *Exposed, inside []nginx.Listener) []nginx.Listener {
	var more []nginx.Listener
	for _, p := range e.OutsidePorts() {
		udp := p.Protocol == swarm.PortConfigProtocolUDP
		at := slices.IndexFunc(inside, func(l nginx.Listener) bool { return l.Port == int32(p.TargetPort) && l.UDP == udp })
		if number := int32(insidePort(e, p)); at >= 0 && number != inside[at].Port {
			l := inside[at]
			l.Port = number
			more = append(more, l)
		}
	}
	return more
}

// insidePort is where a proxy listens for a port of the nodes: at the same number, unless that is another port's.
func insidePort(e *Exposed, p swarm.PortConfig) uint32 {
	for _, other := range e.Object.Spec.Ports {
		if other.Port == int32(p.PublishedPort) && swarmProtocol(other.Protocol) == p.Protocol {
			return p.TargetPort
		}
	}
	return p.PublishedPort
}

// backendOf is what is behind a port of a Service, and the networks, beside the flat one, on which it is.
// With vip it is the workloads' virtual IPs, where they have any: connections to them can be kept. Else it is the tasks,
// of which the proxy tries another when one does not answer.
func backendOf(w World, e *Exposed, p *corev1.ServicePort, vip bool) (backend nginx.Backend, networks []string) {
	if e.Object.Spec.Type == corev1.ServiceTypeExternalName {
		return nginx.Backend{Targets: []nginx.Target{{Host: e.Object.Spec.ExternalName, Port: p.Port, Weight: 1}}}, nil
	}
	if e.selector == nil && e.Document != nil {
		return nginx.Backend{Targets: writtenTargets(w, e, p), Affinity: affine(e)}, nil
	}
	for _, wl := range selected(w, e) {
		port, ok := targetPort(&wl.Template, p)
		if !ok {
			continue
		}
		on, reachable := networksTo(w, wl)
		if !reachable && !wl.Template.Spec.HostNetwork {
			continue
		}
		networks = append(networks, on...)
		if affine(e) || wl.Template.Spec.HostNetwork {
			backend.Targets = append(backend.Targets, taskTargets(w, wl, port)...)
			continue
		}
		host := "tasks." + wl.Service.Spec.Name
		if ip := addressOf(w, wl.Service, RouteNative); vip && ip != "" && !isolated(w, wl) {
			host = ip
		}
		backend.Targets = append(backend.Targets, nginx.Target{Host: host, Port: port, Weight: wantedTasks(w, wl)})
	}
	if len(backend.Targets) == 1 {
		backend.Targets[0].Weight = 1 // however many tasks: scaling is no change
	}
	backend.Affinity = affine(e)
	return backend, networks
}

func affine(e *Exposed) bool { return e.Object.Spec.SessionAffinity == corev1.ServiceAffinityClientIP }

// networksTo are the networks that a proxy has to join to reach a workload; none where it is on the flat one.
func networksTo(w World, wl *Workload) (names []string, reachable bool) {
	spec := &wl.Service.Spec.TaskTemplate
	if onFlat(w, spec) {
		return nil, true
	}
	for _, n := range spec.Networks {
		if name := cmp.Or(w.Network(n.Target), n.Target); name != "host" && name != "bridge" && name != "none" {
			names = append(names, name)
		}
	}
	return names, len(names) > 0
}

// wantedTasks is how many tasks a workload is to have: its weight beside others.
func wantedTasks(w World, wl *Workload) int {
	if n := replicasOf(&wl.Service.Spec); n != nil {
		return int(min(*n, 1<<16))
	}
	n := 0
	for _, t := range w.Tasks(wl.Service.ID) {
		if wanted(t) && !hasEnded(t) {
			n++
		}
	}
	return n
}

// taskTargets are the single tasks: who is to come back to the same one needs their addresses.
func taskTargets(w World, wl *Workload, port int32) []nginx.Target {
	var targets []nginx.Target
	for _, a := range podAddresses(w, wl) {
		if a.ready {
			targets = append(targets, nginx.Target{Host: a.ip, Port: port, Weight: 1})
		}
	}
	slices.SortFunc(targets, func(a, b nginx.Target) int { return cmp.Compare(a.Host, b.Host) })
	return targets
}
