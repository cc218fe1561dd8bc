package compose

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"

	"skep/translate"
)

// API are the calls of a Docker Engine, a manager of the Swarm, that Export makes. Docker's client has them.
type API interface {
	SwarmInspect(ctx context.Context) (swarm.Swarm, error)
	ServiceList(ctx context.Context, options swarm.ServiceListOptions) ([]swarm.Service, error)
	ConfigList(ctx context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error)
	SecretList(ctx context.Context, options swarm.SecretListOptions) ([]swarm.Secret, error)
	NetworkList(ctx context.Context, options network.ListOptions) ([]network.Summary, error)
	VolumeList(ctx context.Context, options volume.ListOptions) (volume.ListResponse, error)
}

// Export reads a running stack. Where there is none of that name the error lists those that there are.
func Export(ctx context.Context, api API, stack string) (*Stack, error) {
	r, err := readSwarm(ctx, api)
	if err != nil {
		return nil, err
	}
	services := r.stacks()[stack]
	if len(services) == 0 {
		return nil, fmt.Errorf("the Swarm runs no stack %q: it has %s", stack, listing(slices.Sorted(maps.Keys(r.stacks()))))
	}
	return r.stack(stack, services), nil
}

// ExportService reads one running service, by its name or ID, and what it uses.
func ExportService(ctx context.Context, api API, name string) (*Stack, error) {
	r, err := readSwarm(ctx, api)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range r.services {
		s := &r.services[i]
		if s.Spec.Name == name || s.ID == name {
			out := r.stack(stackOf(s), []*swarm.Service{s})
			return out, nil
		}
		names = append(names, s.Spec.Name)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("the Swarm runs no service %q: it has %s", name, listing(names))
}

// ExportAll reads all that a Swarm runs, as a Stack per stack in the order of their names. Services of none are in the
// Stack "default", as kubectl shows them. What skep itself runs there is left out.
func ExportAll(ctx context.Context, api API) ([]*Stack, error) {
	r, err := readSwarm(ctx, api)
	if err != nil {
		return nil, err
	}
	stacks := r.stacks()
	var all []*Stack
	for _, name := range slices.Sorted(maps.Keys(stacks)) {
		services := slices.DeleteFunc(stacks[name], func(s *swarm.Service) bool { return isOwn(&s.Spec) })
		if len(services) > 0 {
			all = append(all, r.stack(name, services))
		}
	}
	return all, nil
}

// listing is a list of names for a message.
func listing(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// unstacked is the Stack of services that belong to none.
const unstacked = translate.DefaultNamespace

func stackOf(s *swarm.Service) string {
	return cmp.Or(s.Spec.Labels[translate.LabelStack], unstacked)
}

// isProxy says whether a service carries the traffic of a Kubernetes Service or Ingress: whoever has those has no use for it.
func isProxy(spec *swarm.ServiceSpec) bool {
	return spec.Labels[translate.LabelProxy]+spec.Labels[translate.LabelFront] != ""
}

// isOwn says whether a service is a part of skep: its proxies, its agents, its gateways.
func isOwn(spec *swarm.ServiceSpec) bool {
	if isProxy(spec) {
		return true
	}
	if spec.TaskTemplate.ContainerSpec == nil || spec.Labels[translate.LabelObject] != "" {
		return false
	}
	named, err := reference.ParseNormalizedNamed(spec.TaskTemplate.ContainerSpec.Image)
	return err == nil && path.Base(reference.Path(named)) == "skep"
}

// running is a Swarm as it was read.
type running struct {
	services []swarm.Service // by name
	configs  []swarm.Config
	secrets  []swarm.Secret
	networks map[string]*network.Summary // by ID
	volumes  map[string]*volume.Volume   // by name; of the engine that was asked
	pools    addressPools
}

func readSwarm(ctx context.Context, api API) (*running, error) {
	r := &running{networks: map[string]*network.Summary{}, volumes: map[string]*volume.Volume{}}
	cluster, err := api.SwarmInspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the Swarm: %w", err)
	}
	r.pools = addressPools{cluster.DefaultAddrPool, int(cluster.SubnetSize)}
	if r.services, err = api.ServiceList(ctx, swarm.ServiceListOptions{}); err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	if r.configs, err = api.ConfigList(ctx, swarm.ConfigListOptions{}); err != nil {
		return nil, fmt.Errorf("list configs: %w", err)
	}
	if r.secrets, err = api.SecretList(ctx, swarm.SecretListOptions{}); err != nil {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	networks, err := api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	volumes, err := api.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	for i := range networks {
		r.networks[networks[i].ID] = &networks[i]
	}
	for _, v := range volumes.Volumes {
		if v != nil {
			r.volumes[v.Name] = v
		}
	}
	slices.SortFunc(r.services, func(a, b swarm.Service) int { return cmp.Compare(a.Spec.Name, b.Spec.Name) })
	slices.SortFunc(r.configs, func(a, b swarm.Config) int { return cmp.Compare(a.Spec.Name, b.Spec.Name) })
	slices.SortFunc(r.secrets, func(a, b swarm.Secret) int { return cmp.Compare(a.Spec.Name, b.Spec.Name) })
	return r, nil
}

// stacks are the services by their stacks, but for those that only carry traffic.
func (r *running) stacks() map[string][]*swarm.Service {
	all := map[string][]*swarm.Service{}
	for i := range r.services {
		s := &r.services[i]
		if !isProxy(&s.Spec) {
			all[stackOf(s)] = append(all[stackOf(s)], s)
		}
	}
	return all
}

// stack makes a Stack of services of one stack.
func (r *running) stack(name string, services []*swarm.Service) *Stack {
	e := &exporter{running: r, stack: &Stack{Name: name}, keys: map[string]map[string]bool{}}
	for _, s := range services {
		e.service(s)
	}
	e.usedNetworks()
	e.usedVolumes()
	e.usedFiles()
	s := e.stack
	slices.SortFunc(s.Services, func(a, b Service) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(s.Networks, func(a, b Network) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(s.Volumes, func(a, b Volume) int { return cmp.Compare(a.Key, b.Key) })
	for _, part := range s.parts() {
		slices.SortFunc(part.files, func(a, b File) int { return cmp.Compare(a.Key, b.Key) })
	}
	s.complete()
	return s
}
