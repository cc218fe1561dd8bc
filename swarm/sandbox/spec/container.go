package spec

import (
	"strconv"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// Container is what an attempt of a container is to Docker, by what the Pod's sources are now. Directories that its mounts
// need are made, and the file of its termination message. Its image must be there: image is that one's config. An error is
// a *ConfigError.
//
// Config has the image's name, all labels of package manifest but LabelTask, and no Hostname, as the network is another
// container's. The PID namespace of a targetContainerName and health checks, which the image's are turned off for, are the
// caller's.
func (p *Pod) Container(c *corev1.Container, image ImageConfig, attempt int) (*container.Config, *container.HostConfig, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	config, host, err := p.container(c, image, attempt)
	if err != nil {
		return nil, nil, &ConfigError{Message: err.Error()}
	}
	return config, host, nil
}

func (p *Pod) container(c *corev1.Container, image ImageConfig, attempt int) (*container.Config, *container.HostConfig, error) {
	env, err := p.environment(c)
	if err != nil {
		return nil, nil, err
	}
	mounts, err := p.mounts(c, env, attempt)
	if err != nil {
		return nil, nil, err
	}
	if err := verifyNonRoot(p.pod, c, image.User); err != nil {
		return nil, nil, err
	}
	host := &container.HostConfig{Mounts: mounts, Resources: resources(p.pod, c)}
	host.OomScoreAdj = oomScore(p.pod, c, p.facts.Node.Memory().Value())
	if err := p.secure(host, c); err != nil {
		return nil, nil, err
	}
	p.join(host)
	config := &container.Config{
		Image:       c.Image,
		Labels:      p.labels(c, attempt),
		User:        user(effective(p.pod, c), image.User),
		Env:         env.list(),
		Entrypoint:  env.expand(c.Command),
		Cmd:         env.expand(c.Args),
		WorkingDir:  c.WorkingDir,
		StopSignal:  stopSignal(c),
		OpenStdin:   c.Stdin,
		StdinOnce:   c.Stdin && c.StdinOnce,
		Tty:         c.TTY,
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	p.addSwarmOnly(config, host, c)
	return config, host, nil
}

func stopSignal(c *corev1.Container) string {
	if c.Lifecycle == nil {
		return ""
	}
	return string(deref(c.Lifecycle.StopSignal, ""))
}

func (p *Pod) labels(c *corev1.Container, attempt int) map[string]string {
	return map[string]string{
		manifest.LabelSandbox:      p.facts.Sandbox,
		manifest.LabelRole:         p.role(c.Name),
		manifest.LabelContainer:    c.Name,
		manifest.LabelPodName:      p.pod.Name,
		manifest.LabelPodNamespace: p.pod.Namespace,
		manifest.LabelPodUID:       string(p.pod.UID),
		manifest.LabelAttempt:      strconv.Itoa(attempt),
	}
}

// role is what a container is in the Pod; one that the Pod does not name came later, which only ephemeral ones can.
func (p *Pod) role(name string) string {
	for i := range p.pod.Spec.InitContainers {
		if p.pod.Spec.InitContainers[i].Name == name {
			return manifest.RoleInit
		}
	}
	for i := range p.pod.Spec.Containers {
		if p.pod.Spec.Containers[i].Name == name {
			return manifest.RoleContainer
		}
	}
	return manifest.RoleEphemeral
}

// join puts a container into the namespaces that the Pod's containers share.
func (p *Pod) join(host *container.HostConfig) {
	spec, sandbox := &p.pod.Spec, "container:"+p.facts.Sandbox
	host.NetworkMode = container.NetworkMode(sandbox)
	if spec.HostNetwork {
		host.NetworkMode = "host"
		for _, alias := range spec.HostAliases {
			for _, name := range alias.Hostnames {
				host.ExtraHosts = append(host.ExtraHosts, name+":"+alias.IP)
			}
		}
	}
	switch {
	case spec.HostPID:
		host.PidMode = "host"
	case deref(spec.ShareProcessNamespace, false):
		host.PidMode = container.PidMode(sandbox)
	}
	switch {
	case spec.HostIPC:
		host.IpcMode = container.IPCModeHost
	case p.facts.ShareIPC:
		host.IpcMode = container.IpcMode(sandbox)
	}
}
