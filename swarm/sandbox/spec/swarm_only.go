package spec

import (
	"encoding/json"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// swarmOnly are the parts of the annotation that are about containers; package translate has all, and refused what it
// cannot read.
type swarmOnly struct {
	LogDriver *struct {
		Name    string
		Options map[string]string
	}
	Resources struct {
		Limits struct{ Pids int64 }
	}
	ContainerSpec struct {
		User       string
		Groups     []string
		StopSignal string
		Init       *bool
		Ulimits    []*container.Ulimit
	}
}

// addSwarmOnly gives a container what Docker can do and Kubernetes has no field for.
func (p *Pod) addSwarmOnly(config *container.Config, host *container.HostConfig, c *corev1.Container) {
	var only swarmOnly
	if json.Unmarshal([]byte(p.pod.Annotations[manifest.AnnotationSwarmSpec]), &only) != nil {
		return
	}
	if d := only.LogDriver; d != nil {
		host.LogConfig = container.LogConfig{Type: d.Name, Config: d.Options}
	}
	if pids := only.Resources.Limits.Pids; pids > 0 {
		host.PidsLimit = &pids
	}
	host.Init, host.Ulimits = only.ContainerSpec.Init, only.ContainerSpec.Ulimits
	host.GroupAdd = append(host.GroupAdd, only.ContainerSpec.Groups...)
	if effective(p.pod, c).RunAsUser == nil && only.ContainerSpec.User != "" {
		config.User = only.ContainerSpec.User
	}
	if config.StopSignal == "" {
		config.StopSignal = only.ContainerSpec.StopSignal
	}
}
