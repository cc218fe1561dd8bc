package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"skep/translate/nginx"
)

// LabelTraefik lists, with commas, the labels of a service that stand for Ingresses of the class traefik.
const LabelTraefik = "skep.traefik"

// CarryIngresses plans the next step towards what all Ingresses together ask for, and tells what of it cannot be. An
// empty plan: there is nothing to do. Like Carry, any number of gateways may take the step, and none restarts a
// workload's task.
func CarryIngresses(w World) (Plan, []Problem, error) {
	all := w.Ingresses()
	plan, found, err := carryIngresses(w, all)
	return plan, ingressProblems(found, all), err
}

// Unserved says of all Ingresses of the proxy why Swarm does not take it.
func Unserved(w World, why string) []Problem {
	var all []Problem
	for _, ing := range w.Ingresses() {
		if ingressController(w, ing) == IngressControllerProxy {
			all = append(all, Problem{"Ingress", KeyOf(ing), ing.UID, "NotServed", why})
		}
	}
	return all
}

func carryIngresses(w World, all []*networkingv1.Ingress) (Plan, []IngressProblem, error) {
	byController := map[string][]*networkingv1.Ingress{}
	for _, ing := range all {
		if ing.DeletionTimestamp == nil {
			c := ingressController(w, ing)
			byController[c] = append(byController[c], ing)
		}
	}
	plan, problems, err := carryProxied(w, byController[IngressControllerProxy])
	if err != nil || !plan.Commit.Empty() {
		return plan, problems, err
	}
	plan, more := carryTraefik(w, byController[IngressControllerTraefik])
	return plan, append(problems, more...), nil
}

// carryProxied has the one proxy serve these Ingresses.
func carryProxied(w World, ingresses []*networkingv1.Ingress) (Plan, []IngressProblem, error) {
	if len(ingresses) == 0 {
		return withoutProxy(w, IngressProxy), nil, nil
	}
	src := &ingressLookup{World: w}
	o := IngressOptions{HTTPPort: int32(w.Networking().HTTPPort), HTTPSPort: int32(w.Networking().HTTPSPort), Resolver: resolver}
	if o.HTTPPort == 0 {
		o.HTTPPort = 80 // in the overlay only
	}
	var relays map[uint32]relay
	if w.Networking().RoundRobin { // a front tells who calls
		o.RelayHTTPPort, o.RelayHTTPSPort = relayHTTPPort, relayHTTPSPort
		relays = map[uint32]relay{w.Networking().HTTPPort: {relayHTTPPort, true}, w.Networking().HTTPSPort: {relayHTTPSPort, true}}
	}
	config, files, problems := RenderIngresses(ingresses, src, o)
	if config == "" || len(config) > maxConfigData {
		return Plan{}, problems, fmt.Errorf("the configuration of %d Ingresses has %d bytes, and a Swarm config takes %d: %v",
			len(ingresses), len(config), maxConfigData, problems)
	}
	spec, materials := ingressSpec(w, config, files, src.networks)
	plan, err := followBoth(w, IngressProxy, spec, materials, relays)
	return plan, problems, err
}

// Where the proxy of Ingresses listens for its front.
const (
	relayHTTPPort  = 10080
	relayHTTPSPort = 10443
)

// ingressSpec is the service that carries all Ingresses.
func ingressSpec(w World, config string, files []IngressFile, networks []string) (swarm.ServiceSpec, []Material) {
	material := configMaterial(config)
	spec := proxyBase(w, proxyName("svc", IngressProxy), AddressID(IngressProxy), material)
	materials := []Material{material}
	for _, f := range files {
		secret := Material{Name: materialName(w.Digest(append([]byte("0:0:400\n"), f.Data...))), Secret: true, Data: f.Data}
		materials = append(materials, secret)
		spec.TaskTemplate.ContainerSpec.Secrets = append(spec.TaskTemplate.ContainerSpec.Secrets, &swarm.SecretReference{
			SecretName: secret.Name, File: &swarm.SecretReferenceFileTarget{Name: f.Path, UID: "0", GID: "0", Mode: 0o400},
		})
	}
	alias := w.Networking().serviceHost(Key{proxyNamespace, "ingress"})
	for _, target := range ingressNetworks(w, spec.Name, networks) {
		spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{Target: target, Aliases: []string{alias}})
	}
	mode := swarm.PortConfigPublishModeIngress
	if w.Networking().RoundRobin {
		mode = swarm.PortConfigPublishModeHost
	}
	for _, port := range []uint32{w.Networking().HTTPPort, w.Networking().HTTPSPort} {
		if port != 0 {
			spec.EndpointSpec.Ports = append(spec.EndpointSpec.Ports, swarm.PortConfig{
				Protocol: swarm.PortConfigProtocolTCP, TargetPort: port, PublishedPort: port, PublishMode: mode,
			})
		}
	}
	return spec, materials
}

// ingressNetworks are the overlays of the proxy: those that policies put it on as they do a workload, and of those on
// which its backends are the stacks' own.
func ingressNetworks(w World, service string, backends []string) []string {
	m := membershipFor(w, service, proxyNamespace, map[string]string{LabelServiceName: service})
	names := slices.Clone(m.names(w.Networking().Network))
	for _, name := range backends {
		if m.Flat && !isManaged(w, name) {
			names = append(names, name)
		}
	}
	return names
}

// ingressLookup answers what Ingresses refer to, and notes on which networks, beside the flat one, that is.
type ingressLookup struct {
	World
	networks []string
}

var _ IngressSources = (*ingressLookup)(nil)

// Service implements IngressSources.
func (w *ingressLookup) Service(namespace, name string) *corev1.Service {
	if e := exposedAs(w.World, Key{namespace, name}); e != nil {
		return e.Object
	}
	return nil
}

// Backend implements IngressSources.
func (w *ingressLookup) Backend(namespace, service string, port networkingv1.ServiceBackendPort) (nginx.Backend, error) {
	e := exposedAs(w.World, Key{namespace, service})
	if e == nil {
		return nginx.Backend{}, fmt.Errorf("there is no Service %q", service)
	}
	for _, p := range e.Object.Spec.Ports {
		if p.Port != port.Number && (p.Name == "" || p.Name != port.Name) {
			continue
		}
		backend, on := backendOf(w.World, e, &p, true)
		for _, n := range on {
			if !slices.Contains(w.networks, n) {
				w.networks = append(w.networks, n)
			}
		}
		slices.Sort(w.networks)
		return backend, nil
	}
	return nginx.Backend{}, fmt.Errorf("the Service %q has no port %s", service, portText(port))
}

func portText(p networkingv1.ServiceBackendPort) string {
	if p.Name != "" {
		return fmt.Sprintf("named %q", p.Name)
	}
	return fmt.Sprint(p.Number)
}

// carryTraefik labels the services behind these Ingresses, and takes labels away that nothing asks for any more.
// Labels of services restart nothing.
func carryTraefik(w World, ingresses []*networkingv1.Ingress) (Plan, []IngressProblem) {
	byService, problems := TraefikLabels(ingresses, &ingressLookup{World: w}, TraefikOptions{Network: w.Networking().Network})
	wanted := map[string]map[string]string{}
	for k, labels := range byService {
		e := exposedAs(w, k)
		if e == nil {
			continue
		}
		for _, wl := range selected(w, e) {
			if wanted[wl.Service.ID] == nil {
				wanted[wl.Service.ID] = map[string]string{}
			}
			maps.Copy(wanted[wl.Service.ID], labels)
		}
	}
	for _, id := range w.Labelled() {
		if _, ok := wanted[id]; !ok {
			wanted[id] = nil
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		if wl := w.Workload(id); wl != nil && !wl.Gone {
			if step := relabel(wl.Service, wanted[id]); !step.Empty() {
				return Plan{Commit: step}, problems
			}
		}
	}
	return Plan{}, problems
}

// relabel gives a service these labels for Traefik, instead of those that it had.
func relabel(s *swarm.Service, labels map[string]string) Step {
	out := maps.Clone(s.Spec.Labels)
	for key := range traefikKeys(s.Spec.Labels) {
		delete(out, key)
	}
	delete(out, LabelTraefik)
	if len(labels) > 0 {
		maps.Copy(out, labels)
		out[LabelTraefik] = strings.Join(slices.Sorted(maps.Keys(labels)), ",")
	}
	if maps.Equal(out, s.Spec.Labels) {
		return Step{}
	}
	spec := s.Spec
	spec.Labels = out
	return Step{Group: GroupService, ID: s.ID, Version: s.Version, Service: &spec}
}

// traefikKeys are the labels of a service that stand for Ingresses.
func traefikKeys(labels map[string]string) map[string]bool {
	keys := map[string]bool{}
	if list := labels[LabelTraefik]; list != "" {
		for _, key := range strings.Split(list, ",") {
			keys[key] = true
		}
	}
	return keys
}
