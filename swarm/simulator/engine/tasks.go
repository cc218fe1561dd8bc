package engine

import (
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/daemon/cluster/convert"
	"github.com/moby/swarmkit/v2/api"
)

// GetTasks returns the tasks that match; tasks of containers only, unless another runtime is asked for.
func (e *engine) GetTasks(options swarm.TaskListOptions) ([]swarm.Task, error) {
	wanted, err := e.taskFilters(options.Filters)
	if err != nil {
		return nil, err
	}
	response, err := call(e.control.ListTasks, &api.ListTasksRequest{Filters: wanted})
	if err != nil {
		return nil, err
	}
	result := make([]swarm.Task, 0, len(response.Tasks))
	for _, task := range response.Tasks {
		converted, err := convert.TaskFromGRPC(*task)
		if err != nil {
			return nil, err
		}
		result = append(result, converted)
	}
	return result, nil
}

// taskFilters translates the filters, services and nodes among them from whatever names they are called by.
func (e *engine) taskFilters(f filters.Args) (*api.ListTasksRequest_Filters, error) {
	err := accept(f, "name", "id", "label", "service", "node", "desired-state", "_up-to-date", "runtime")
	if err != nil {
		return nil, err
	}
	wanted := &api.ListTasksRequest_Filters{
		NamePrefixes: f.Get("name"),
		IDPrefixes:   f.Get("id"),
		Labels:       pairs(f, "label"),
		UpToDate:     f.Contains("_up-to-date"),
		Runtimes:     f.Get("runtime"),
	}
	if len(wanted.Runtimes) == 0 {
		wanted.Runtimes = []string{string(swarm.RuntimeContainer), ""}
	}
	for _, term := range f.Get("service") {
		service, err := services.find(e.Store(), term)
		if err != nil {
			return nil, err
		}
		wanted.ServiceIDs = append(wanted.ServiceIDs, service.ID)
	}
	for _, term := range f.Get("node") {
		node, err := nodes.find(e.Store(), term)
		if err != nil {
			return nil, err
		}
		wanted.NodeIDs = append(wanted.NodeIDs, node.ID)
	}
	wanted.DesiredStates, err = enums[api.TaskState](f, "desired-state", api.TaskState_value)
	return wanted, err
}

// GetTask returns a task by ID, name or start of the ID.
func (e *engine) GetTask(term string) (swarm.Task, error) {
	task, err := tasks.find(e.Store(), term)
	if err != nil {
		return swarm.Task{}, err
	}
	return convert.TaskFromGRPC(*task)
}
