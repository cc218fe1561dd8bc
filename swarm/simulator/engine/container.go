package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"
	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/swarmkit/v2/api"
)

// containerStatus is what a task says of its container; nothing before there is one.
func containerStatus(task *api.Task) api.ContainerStatus {
	if status := task.Status.GetContainer(); status != nil {
		return *status
	}
	return api.ContainerStatus{}
}

func containerID(task *api.Task) string { return containerStatus(task).ContainerID }

// containerName is the name that an agent gives to a task's container: service, slot or node, task.
func containerName(task *api.Task) string {
	slot := fmt.Sprint(task.Slot)
	if task.Slot == 0 {
		slot = task.NodeID
	}
	return fmt.Sprintf("%s.%s.%s", task.ServiceAnnotations.Name, slot, task.ID)
}

func containerState(task *api.Task) container.ContainerState {
	switch state := task.Status.State; {
	case state < api.TaskStateStarting:
		return container.StateCreated
	case state <= api.TaskStateRunning:
		return container.StateRunning
	}
	return container.StateExited
}

// containerLabels are those of the spec, and an agent's own.
func containerLabels(task *api.Task) map[string]string {
	result := map[string]string{}
	maps.Copy(result, task.Spec.GetContainer().Labels)
	for key, value := range map[string]string{
		"task":         "",
		"task.id":      task.ID,
		"task.name":    containerName(task),
		"node.id":      task.NodeID,
		"service.id":   task.ServiceID,
		"service.name": task.ServiceAnnotations.Name,
	} {
		result["com.docker.swarm."+key] = value
	}
	return result
}

func timeOf(stamp *gogotypes.Timestamp) time.Time {
	at, err := gogotypes.TimestampFromProto(stamp)
	if err != nil {
		return time.Time{}
	}
	return at
}

// changed is since when a task is in its state.
func changed(task *api.Task) time.Time { return timeOf(task.Status.Timestamp) }

// condition says how long a container has been as it is, for people.
func condition(task *api.Task) string {
	since := units.HumanDuration(time.Since(changed(task)))
	switch containerState(task) {
	case container.StateCreated:
		return "Created"
	case container.StateRunning:
		return "Up " + since
	}
	return fmt.Sprintf("Exited (%d) %s ago", containerStatus(task).ExitCode, since)
}

// endpoints are a container's places in networks.
func endpoints(task *api.Task) map[string]*network.EndpointSettings {
	result := map[string]*network.EndpointSettings{}
	for _, attachment := range task.Networks {
		if attachment.Network == nil {
			continue
		}
		endpoint := &network.EndpointSettings{NetworkID: attachment.Network.ID, Aliases: attachment.Aliases}
		if len(attachment.Addresses) > 0 {
			endpoint.IPAddress, _, _ = strings.Cut(attachment.Addresses[0], "/")
		}
		result[attachment.Network.Spec.Annotations.Name] = endpoint
	}
	return result
}

// hostPorts are the ports of the node that lead to a container.
func hostPorts(task *api.Task) []*api.PortConfig {
	if task.Status.PortStatus == nil {
		return nil
	}
	return task.Status.PortStatus.Ports
}

func protocol(port *api.PortConfig) string { return strings.ToLower(port.Protocol.String()) }

func commandOf(task *api.Task) []string {
	spec := task.Spec.GetContainer()
	return slices.Concat(spec.Command, spec.Args)
}

// summarize is a container in a list of them.
func summarize(task *api.Task) container.Summary {
	result := container.Summary{
		ID:              containerID(task),
		Names:           []string{"/" + containerName(task)},
		Image:           task.Spec.GetContainer().Image,
		Command:         strings.Join(commandOf(task), " "),
		Created:         timeOf(task.Meta.CreatedAt).Unix(),
		Ports:           []container.Port{},
		Labels:          containerLabels(task),
		State:           containerState(task),
		Status:          condition(task),
		NetworkSettings: &container.NetworkSettingsSummary{Networks: endpoints(task)},
		Mounts:          []container.MountPoint{},
	}
	result.HostConfig.NetworkMode = network.NetworkDefault
	for _, port := range hostPorts(task) {
		result.Ports = append(result.Ports, container.Port{
			IP:          "0.0.0.0",
			PrivatePort: uint16(port.TargetPort),
			PublicPort:  uint16(port.PublishedPort),
			Type:        protocol(port),
		})
	}
	return result
}

// inspect is all that there is to say of a container.
func inspect(task *api.Task) container.InspectResponse {
	command := commandOf(task)
	base := &container.ContainerJSONBase{
		ID:         containerID(task),
		Created:    timeOf(task.Meta.CreatedAt).UTC().Format(time.RFC3339Nano),
		Args:       []string{},
		State:      stateOf(task),
		Name:       "/" + containerName(task),
		Driver:     "simulated",
		Platform:   "linux",
		HostConfig: &container.HostConfig{NetworkMode: network.NetworkDefault},
	}
	if len(command) > 0 {
		base.Path, base.Args = command[0], command[1:]
	}
	settings := &container.NetworkSettings{Networks: endpoints(task)}
	settings.Ports = nat.PortMap{}
	for _, port := range hostPorts(task) {
		target := nat.Port(fmt.Sprintf("%d/%s", port.TargetPort, protocol(port)))
		settings.Ports[target] = append(settings.Ports[target],
			nat.PortBinding{HostIP: "0.0.0.0", HostPort: fmt.Sprint(port.PublishedPort)})
	}
	return container.InspectResponse{
		ContainerJSONBase: base,
		Mounts:            []container.MountPoint{},
		NetworkSettings:   settings,
		Config:            configOf(task),
	}
}

func configOf(task *api.Task) *container.Config {
	spec := task.Spec.GetContainer()
	return &container.Config{
		Hostname:   spec.Hostname,
		User:       spec.User,
		Tty:        spec.TTY,
		OpenStdin:  spec.OpenStdin,
		Env:        spec.Env,
		Entrypoint: spec.Command,
		Cmd:        spec.Args,
		Image:      spec.Image,
		WorkingDir: spec.Dir,
		StopSignal: spec.StopSignal,
		Labels:     containerLabels(task),
	}
}

func stateOf(task *api.Task) *container.State {
	status := containerStatus(task)
	state := &container.State{
		Status:     containerState(task),
		Pid:        int(status.PID),
		ExitCode:   int(status.ExitCode),
		Error:      task.Status.Err,
		FinishedAt: time.Time{}.Format(time.RFC3339Nano),
		StartedAt:  time.Time{}.Format(time.RFC3339Nano),
	}
	switch at := changed(task).UTC().Format(time.RFC3339Nano); state.Status {
	case container.StateRunning:
		state.Running, state.StartedAt = true, at
	case container.StateExited:
		state.Pid, state.FinishedAt = 0, at
	}
	return state
}
