package engine

import (
	"context"
	"runtime"
	"time"

	dockerapi "github.com/docker/docker/api"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/backend"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/daemon/cluster/convert"
	"github.com/moby/swarmkit/v2/api"
)

// What stands for the operating system and kernel of a node, so that nobody takes this for a real Engine.
const (
	operatingSystem = "skep simulator (its containers are make-believe)"
	kernel          = "simulated"
)

// Status is what a ping says of the Swarm.
func (e *engine) Status() string { return "active/manager" }

// SystemInfo describes the node, apart from what Info tells of the Swarm.
func (e *engine) SystemInfo(context.Context) (*system.Info, error) {
	node, err := nodes.find(e.Store(), e.NodeID())
	if err != nil {
		return nil, err
	}
	info := &system.Info{
		ID:                 node.ID,
		Name:               hostname(node),
		Driver:             "simulated",
		DriverStatus:       [][2]string{},
		Plugins:            plugins(node),
		SystemTime:         time.Now().Format(time.RFC3339Nano),
		LoggingDriver:      "json-file",
		CgroupDriver:       "none",
		KernelVersion:      kernel,
		OperatingSystem:    operatingSystem,
		OSType:             "linux",
		IndexServerAddress: "https://index.docker.io/v1/",
		RegistryConfig:     &registry.ServiceConfig{IndexConfigs: map[string]*registry.IndexInfo{}, Mirrors: []string{}},
		DockerRootDir:      e.Dir(),
		Labels:             []string{},
		ServerVersion:      Version,
		Runtimes:           map[string]system.RuntimeWithStatus{},
	}
	if d := node.Description; d != nil && d.Platform != nil && d.Resources != nil {
		info.OSType, info.Architecture = d.Platform.OS, d.Platform.Architecture
		info.NCPU, info.MemTotal = int(d.Resources.NanoCPUs/1e9), d.Resources.MemoryBytes
	}
	for _, task := range e.containers() {
		info.Containers++
		switch containerState(task) {
		case container.StateRunning:
			info.ContainersRunning++
		default:
			info.ContainersStopped++
		}
	}
	return info, nil
}

// plugins are those that the node says that it has.
func plugins(node *api.Node) system.PluginsInfo {
	var result system.PluginsInfo
	if node.Description == nil || node.Description.Engine == nil {
		return result
	}
	for _, plugin := range node.Description.Engine.Plugins {
		switch plugin.Type {
		case "Volume":
			result.Volume = append(result.Volume, plugin.Name)
		case "Network":
			result.Network = append(result.Network, plugin.Name)
		case "Log":
			result.Log = append(result.Log, plugin.Name)
		}
	}
	return result
}

// Info describes the Swarm as its manager sees it.
func (e *engine) Info(context.Context) swarm.Info {
	info := swarm.Info{
		NodeID:           e.NodeID(),
		LocalNodeState:   swarm.LocalNodeStateActive,
		ControlAvailable: true,
	}
	cluster, err := e.cluster()
	if err != nil {
		info.Error = err.Error()
		return info
	}
	whole := convert.SwarmFromGRPC(*cluster)
	info.Cluster = &whole.ClusterInfo // without the tokens
	response, err := call(e.control.ListNodes, &api.ListNodesRequest{})
	if err != nil {
		info.Error = err.Error()
		return info
	}
	info.Nodes = len(response.Nodes)
	for _, node := range response.Nodes {
		if node.ID == info.NodeID {
			info.NodeAddr = node.Status.Addr
		}
		if node.ManagerStatus != nil {
			info.Managers++
			info.RemoteManagers = append(info.RemoteManagers, swarm.Peer{NodeID: node.ID, Addr: node.ManagerStatus.Addr})
		}
	}
	return info
}

// SystemVersion describes the Engine.
func (e *engine) SystemVersion(context.Context) (types.Version, error) {
	v := types.Version{
		Version:       Version,
		APIVersion:    dockerapi.DefaultVersion,
		MinAPIVersion: dockerapi.MinSupportedAPIVersion,
		GitCommit:     "simulated",
		GoVersion:     runtime.Version(),
		Os:            "linux",
		Arch:          runtime.GOARCH,
		KernelVersion: kernel,
	}
	v.Platform.Name = operatingSystem
	v.Components = []types.ComponentVersion{{Name: "Engine", Version: v.Version, Details: map[string]string{
		"ApiVersion":    v.APIVersion,
		"MinAPIVersion": v.MinAPIVersion,
		"GitCommit":     v.GitCommit,
		"GoVersion":     v.GoVersion,
		"Os":            v.Os,
		"Arch":          v.Arch,
		"KernelVersion": v.KernelVersion,
		"Experimental":  "false",
	}}}
	return v, nil
}

// SystemDiskUsage is nothing at all.
func (e *engine) SystemDiskUsage(context.Context, backend.DiskUsageOptions) (*backend.DiskUsage, error) {
	return &backend.DiskUsage{}, nil
}

// AuthenticateToRegistry refuses: there is no registry to log in to.
func (e *engine) AuthenticateToRegistry(context.Context, *registry.AuthConfig) (string, string, error) {
	return "", "", unsimulated("logging in to a registry is not simulated")
}
