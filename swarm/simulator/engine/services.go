package engine

import (
	"errors"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/daemon/cluster/convert"
	"github.com/docker/docker/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/api/defaults"
)

var errNoContainer = errors.New("service does not use container tasks")

// GetServices returns the services that match, with counts of their tasks if the options want a status.
func (e *engine) GetServices(options swarm.ServiceListOptions) ([]swarm.Service, error) {
	f := options.Filters
	if err := accept(f, "name", "id", "label", "mode", "runtime"); err != nil {
		return nil, err
	}
	wanted := &api.ListServicesRequest_Filters{
		NamePrefixes: f.Get("name"),
		IDPrefixes:   f.Get("id"),
		Labels:       pairs(f, "label"),
		Runtimes:     f.Get("runtime"),
	}
	if len(wanted.Runtimes) == 0 {
		wanted.Runtimes = []string{string(swarm.RuntimeContainer)}
	}
	response, err := call(e.control.ListServices, &api.ListServicesRequest{Filters: wanted})
	if err != nil {
		return nil, err
	}
	result := make([]swarm.Service, 0, len(response.Services))
	for _, service := range response.Services {
		if !f.ExactMatch("mode", mode(service)) {
			continue
		}
		converted, err := convert.ServiceFromGRPC(*service)
		if err != nil {
			return nil, err
		}
		result = append(result, converted)
	}
	if options.Status {
		err = e.addStatus(result)
	}
	return result, err
}

// mode is a service's mode in the words of the filter.
func mode(service *api.Service) string {
	switch service.Spec.GetMode().(type) {
	case *api.ServiceSpec_Global:
		return "global"
	case *api.ServiceSpec_Replicated:
		return "replicated"
	case *api.ServiceSpec_ReplicatedJob:
		return "replicated-job"
	case *api.ServiceSpec_GlobalJob:
		return "global-job"
	}
	return ""
}

func (e *engine) addStatus(list []swarm.Service) error {
	places := make(map[string]int, len(list))
	request := &api.ListServiceStatusesRequest{}
	for i, service := range list {
		places[service.ID] = i
		request.Services = append(request.Services, service.ID)
	}
	response, err := call(e.control.ListServiceStatuses, request)
	if err != nil {
		return err
	}
	for _, status := range response.Statuses {
		list[places[status.ServiceID]].ServiceStatus = &swarm.ServiceStatus{
			RunningTasks:   status.RunningTasks,
			DesiredTasks:   status.DesiredTasks,
			CompletedTasks: status.CompletedTasks,
		}
	}
	return nil
}

// GetService returns a service by ID, name or start of the ID, with SwarmKit's defaults in its spec's gaps if wanted.
func (e *engine) GetService(term string, insertDefaults bool) (swarm.Service, error) {
	service, err := services.find(e.Store(), term)
	if err != nil {
		return swarm.Service{}, err
	}
	if insertDefaults {
		service.Spec = *defaults.InterpolateService(&service.Spec)
	}
	return convert.ServiceFromGRPC(*service)
}

// CreateService creates a service. A registry is queried for API versions before 1.30, whose clients do not look for the
// digest of an image themselves.
func (e *engine) CreateService(spec swarm.ServiceSpec, auth string, queryRegistry bool) (*swarm.ServiceCreateResponse, error) {
	wanted, container, err := e.serviceSpec(&spec)
	if err != nil {
		return nil, err
	}
	if auth != "" {
		container.PullOptions = &api.ContainerSpec_PullOptions{RegistryAuth: auth}
	}
	result := &swarm.ServiceCreateResponse{}
	if queryRegistry {
		result.Warnings = e.pin(container)
	}
	response, err := call(e.control.CreateService, &api.CreateServiceRequest{Spec: wanted})
	if err != nil {
		return nil, err
	}
	result.ID = response.Service.ID
	return result, nil
}

// UpdateService replaces a service's spec, or goes back to the one before.
func (e *engine) UpdateService(term string, version uint64, spec swarm.ServiceSpec, options swarm.ServiceUpdateOptions, queryRegistry bool) (*swarm.ServiceUpdateResponse, error) {
	wanted, container, err := e.serviceSpec(&spec)
	if err != nil {
		return nil, err
	}
	current, err := services.find(e.Store(), term)
	if err != nil {
		return nil, err
	}
	if container.PullOptions, err = pullOptions(current, options); err != nil {
		return nil, err
	}
	result := &swarm.ServiceUpdateResponse{}
	if queryRegistry {
		result.Warnings = e.pin(container)
	}
	request := &api.UpdateServiceRequest{
		ServiceID:      current.ID,
		ServiceVersion: &api.Version{Index: version},
		Spec:           wanted,
	}
	switch options.Rollback {
	case "", "none":
	case "previous":
		request.Rollback = api.UpdateServiceRequest_PREVIOUS
	default:
		return nil, fmt.Errorf("unrecognized rollback option %s", options.Rollback)
	}
	if _, err := call(e.control.UpdateService, request); err != nil {
		return nil, err
	}
	return result, nil
}

// pullOptions are the credentials that an update brings, or those of the spec that it says, so that they are not lost.
func pullOptions(current *api.Service, options swarm.ServiceUpdateOptions) (*api.ContainerSpec_PullOptions, error) {
	if options.EncodedRegistryAuth != "" {
		return &api.ContainerSpec_PullOptions{RegistryAuth: options.EncodedRegistryAuth}, nil
	}
	from := &current.Spec
	switch options.RegistryAuthFrom {
	case "", swarm.RegistryAuthFromSpec:
	case swarm.RegistryAuthFromPreviousSpec:
		if from = current.PreviousSpec; from == nil {
			return nil, errors.New("service does not have a previous spec")
		}
	default:
		return nil, errors.New("unsupported registryAuthFrom value")
	}
	container := from.Task.GetContainer()
	if container == nil {
		return nil, errNoContainer
	}
	return container.PullOptions, nil
}

// RemoveService removes a service; its tasks follow.
func (e *engine) RemoveService(term string) error {
	service, err := services.find(e.Store(), term)
	if err != nil {
		return err
	}
	_, err = call(e.control.RemoveService, &api.RemoveServiceRequest{ServiceID: service.ID})
	return err
}

// serviceSpec translates a spec, and returns its container as well. Networks by name become networks by ID.
func (e *engine) serviceSpec(spec *swarm.ServiceSpec) (*api.ServiceSpec, *api.ContainerSpec, error) {
	if err := e.resolveNetworks(spec); err != nil {
		return nil, nil, err
	}
	wanted, err := convert.ServiceSpecToGRPC(*spec)
	if err != nil {
		return nil, nil, errdefs.InvalidParameter(err)
	}
	if plugin := wanted.Task.GetGeneric(); plugin != nil {
		return nil, nil, fmt.Errorf("runtime type %q only supported in experimental", plugin.Kind)
	}
	container := wanted.Task.GetContainer()
	if container == nil {
		return nil, nil, errNoContainer
	}
	return &wanted, container, nil
}

// resolveNetworks replaces the names of networks in a spec by IDs.
func (e *engine) resolveNetworks(spec *swarm.ServiceSpec) error {
	targets := spec.TaskTemplate.Networks
	if len(targets) == 0 {
		targets = spec.Networks //nolint:staticcheck // deprecated for clients, which may still send it
	}
	for i, target := range targets {
		network, err := networks.find(e.Store(), target.Target)
		switch {
		case err == nil:
			targets[i].Target = network.ID
		case !cerrdefs.IsNotFound(err):
			return err
		case e.nets.has(target.Target):
			return errdefs.Forbidden(fmt.Errorf("The network %s cannot be used with services. "+ //nolint:staticcheck // Docker's own words
				"Only networks scoped to the swarm can be used, such as those created with the overlay driver.", target.Target))
		default:
			return errors.New(err.Error()) // of status 500: dockerd does not say that it is a matter of not finding
		}
	}
	return nil
}
