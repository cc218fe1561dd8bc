package compose

import (
	"cmp"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
)

// mode is how often the service runs.
func (d deploy) mode(how types.DeployConfig) swarm.ServiceMode {
	replicas := how.Replicas
	if replicas == nil {
		replicas = d.service.Scale
	}
	var count *uint64
	switch {
	case replicas == nil:
	case *replicas < 0:
		d.wrong("deploy.replicas", "%d is less than none; it is one", *replicas)
	default:
		count = new(uint64(*replicas))
	}
	switch how.Mode {
	case "", "replicated":
	case "global", "global-job":
		if count != nil {
			d.wrong("deploy.replicas", "a service with deploy.mode %s runs once on every node, so docker stack deploy refuses replicas; they are left out", how.Mode)
		}
		if how.Mode == "global" {
			return swarm.ServiceMode{Global: &swarm.GlobalService{}}
		}
		return swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	case "replicated-job":
		return swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: count, TotalCompletions: count}}
	default:
		d.wrong("deploy.mode", "Docker knows no mode %s; it is replicated", how.Mode)
	}
	return swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: count}}
}

// restart is what happens when a task ends: deploy.restart_policy, or else restart.
func (d deploy) restart(policy *types.RestartPolicy) *swarm.RestartPolicy {
	if policy != nil {
		return &swarm.RestartPolicy{
			Condition: swarm.RestartPolicyCondition(policy.Condition), Delay: duration(policy.Delay), MaxAttempts: policy.MaxAttempts,
			Window: duration(policy.Window),
		}
	}
	name, attempts, _ := strings.Cut(d.service.Restart, ":")
	switch name {
	case "", "no":
		return nil
	case "always", "unless-stopped":
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny}
	case "on-failure":
		count, err := strconv.ParseUint(cmp.Or(attempts, "0"), 10, 64)
		if err != nil {
			d.wrong("restart", "%s is no number of attempts; there is no limit", attempts)
		}
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionOnFailure, MaxAttempts: &count}
	}
	d.wrong("restart", "Docker knows no policy %s; it is as if the key were not there", name)
	return nil
}

// attachments are the networks that the tasks are on, in the order of their names in the Swarm.
func (d deploy) attachments() []swarm.NetworkAttachmentConfig {
	networks := d.service.Networks
	if len(networks) == 0 {
		networks = map[string]*types.ServiceNetworkConfig{defaultNetwork: nil}
	}
	all := []swarm.NetworkAttachmentConfig{}
	for key, on := range networks {
		to, external := swarm.NetworkAttachmentConfig{Target: d.stack.scoped(key)}, false
		for _, network := range d.stack.Networks {
			if network.Key == key {
				to.Target, external = network.Name, network.External
			}
		}
		if on != nil {
			to.Aliases, to.DriverOpts = slices.Clone(on.Aliases), on.DriverOpts
		}
		// The networks that every node has know no names. That of a stack without a name is called "default" as one of them is.
		own := !external && key == to.Target
		if (own || container.NetworkMode(to.Target).IsUserDefined()) && on.ServiceNameAliasEnabled() {
			to.Aliases = append(to.Aliases, d.service.Name)
		}
		all = append(all, to)
	}
	slices.SortFunc(all, func(a, b swarm.NetworkAttachmentConfig) int { return strings.Compare(a.Target, b.Target) })
	return all
}

// endpoint is how the service is reached.
func (d deploy) endpoint(mode string) *swarm.EndpointSpec {
	ports := []swarm.PortConfig{}
	for i, port := range d.service.Ports {
		config := swarm.PortConfig{
			Protocol: swarm.PortConfigProtocol(port.Protocol), TargetPort: port.Target, PublishMode: swarm.PortConfigPublishMode(port.Mode),
		}
		first, last, err := portRange(port.Published)
		if err != nil {
			d.wrong("ports["+strconv.Itoa(i)+"]", "%s is no port; one is picked", port.Published)
		}
		for published := first; published <= last; published++ {
			config.PublishedPort = published
			ports = append(ports, config)
		}
	}
	slices.SortStableFunc(ports, func(a, b swarm.PortConfig) int { return cmp.Compare(a.PublishedPort, b.PublishedPort) })
	return &swarm.EndpointSpec{Mode: swarm.ResolutionMode(strings.ToLower(mode)), Ports: ports}
}

// portRange reads a published port, or some: 8080-8090. Docker publishes all of them. None is 0.
func portRange(text string) (first, last uint32, err error) {
	if text == "" {
		return 0, 0, nil
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	low, err := strconv.ParseUint(from, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	high, err := strconv.ParseUint(to, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	if high < low {
		return 0, 0, strconv.ErrRange
	}
	return uint32(low), uint32(high), nil
}

// fileReference is a config or secret as a service uses it.
type fileReference struct {
	name, target, uid, gid string
	mode                   os.FileMode
}

// referred are the references of a service, in the order of their names in the Swarm.
func (d deploy) referred(key string, of []types.FileReferenceConfig, from []File) []fileReference {
	var all []fileReference
	targets := map[string]bool{}
	for i, config := range of {
		ref := fileReference{
			name: d.nameOf(config.Source, from), target: cmp.Or(config.Target, config.Source),
			uid: cmp.Or(config.UID, "0"), gid: cmp.Or(config.GID, "0"), mode: 0o444,
		}
		if config.Mode != nil {
			ref.mode = os.FileMode(uint32(*config.Mode))
		}
		if targets[ref.target] {
			d.wrong(key+"["+strconv.Itoa(i)+"]", "something else is mounted at %s, and docker stack deploy refuses both; this one is left out", ref.target)
			continue
		}
		targets[ref.target] = true
		all = append(all, ref)
	}
	slices.SortStableFunc(all, func(a, b fileReference) int { return strings.Compare(a.name, b.name) })
	return all
}

// nameOf is the name of a config or secret in the Swarm.
func (d deploy) nameOf(key string, of []File) string {
	for _, f := range of {
		if f.Key == key {
			return f.Name
		}
	}
	return d.stack.scoped(key)
}

func (d deploy) secrets() []*swarm.SecretReference {
	var of []types.FileReferenceConfig
	for _, secret := range d.service.Secrets {
		of = append(of, types.FileReferenceConfig(secret))
	}
	all := []*swarm.SecretReference{}
	for _, ref := range d.referred("secrets", of, d.stack.Secrets) {
		all = append(all, &swarm.SecretReference{
			SecretName: ref.name, File: &swarm.SecretReferenceFileTarget{Name: ref.target, UID: ref.uid, GID: ref.gid, Mode: ref.mode},
		})
	}
	return all
}

// configs are those that the service mounts, and the one that its credentials are in.
func (d deploy) configs() []*swarm.ConfigReference {
	var of []types.FileReferenceConfig
	for _, config := range d.service.Configs {
		of = append(of, types.FileReferenceConfig(config))
	}
	all := []*swarm.ConfigReference{}
	for _, ref := range d.referred("configs", of, d.stack.Configs) {
		all = append(all, &swarm.ConfigReference{
			ConfigName: ref.name, File: &swarm.ConfigReferenceFileTarget{Name: ref.target, UID: ref.uid, GID: ref.gid, Mode: ref.mode},
		})
	}
	if from := d.credentials(); from != nil && from.Config != "" {
		all = append(all, &swarm.ConfigReference{ConfigName: from.Config, Runtime: &swarm.ConfigReferenceRuntimeTarget{}})
		slices.SortStableFunc(all, func(a, b *swarm.ConfigReference) int { return strings.Compare(a.ConfigName, b.ConfigName) })
	}
	return all
}

// credentials are where the container's credentials come from: a config, by its name in the Swarm, a file or a registry.
func (d deploy) credentials() *swarm.CredentialSpec {
	of := d.service.CredentialSpec
	if of == nil || of.Config == "" && of.File == "" && of.Registry == "" {
		return nil
	}
	spec := &swarm.CredentialSpec{Config: of.Config, File: of.File, Registry: of.Registry}
	if of.Config != "" {
		spec.Config = d.nameOf(of.Config, d.stack.Configs)
	}
	return spec
}

// mounts are the service's volumes.
func (d deploy) mounts() []mount.Mount {
	all := make([]mount.Mount, 0, len(d.service.Volumes))
	for _, volume := range d.service.Volumes {
		m := mount.Mount{
			Type: mount.Type(cmp.Or(volume.Type, types.VolumeTypeVolume)), Source: volume.Source, Target: volume.Target,
			ReadOnly: volume.ReadOnly, Consistency: mount.Consistency(volume.Consistency),
		}
		switch volume.Type {
		case types.VolumeTypeVolume, "":
			d.named(&m, volume)
		case types.VolumeTypeBind, types.VolumeTypeNamedPipe:
			if volume.Type == types.VolumeTypeBind {
				m.Source = tidied(volume.Source)
			}
			if volume.Bind != nil && volume.Bind.Propagation != "" {
				m.BindOptions = &mount.BindOptions{Propagation: mount.Propagation(volume.Bind.Propagation)}
			}
		case types.VolumeTypeTmpfs:
			if volume.Tmpfs != nil {
				m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(volume.Tmpfs.Size)}
			}
		case types.VolumeTypeImage:
			if volume.Image != nil {
				m.ImageOptions = &mount.ImageOptions{Subpath: volume.Image.SubPath}
			}
		case types.VolumeTypeCluster:
			m.ClusterOptions = &mount.ClusterOptions{}
			if !strings.HasPrefix(volume.Source, volumeGroup) {
				m.Source = d.volume(volume.Source).Name
			}
		}
		all = append(all, m)
	}
	return all
}

// named completes the mount of a named volume; one without a source is anonymous.
func (d deploy) named(m *mount.Mount, volume types.ServiceVolumeConfig) {
	if volume.Source == "" {
		return
	}
	config := d.volume(volume.Source)
	m.Source = config.Name
	m.VolumeOptions = &mount.VolumeOptions{}
	if volume.Volume != nil {
		m.VolumeOptions.NoCopy, m.VolumeOptions.Subpath = volume.Volume.NoCopy, volume.Volume.Subpath
	}
	if config.External {
		return
	}
	m.VolumeOptions.Labels = maps.Clone(config.Labels)
	if config.Driver != "" || config.Options != nil {
		m.VolumeOptions.DriverConfig = &mount.Driver{Name: config.Driver, Options: maps.Clone(config.Options)}
	}
}

// volume is a volume of the stack; one that the files do not have is as if they said nothing of it.
func (d deploy) volume(key string) Volume {
	for _, v := range d.stack.Volumes {
		if v.Key == key {
			return v
		}
	}
	return Volume{Key: key, Name: d.stack.scoped(key), Labels: d.stack.labels(nil)}
}

// tidied is the source of a bind mount. Docker's command line makes relative ones absolute, in the directory where it
// runs; here they stay relative to the project, as nobody knows where that will be.
func tidied(source string) string {
	if source == "" || absolute(source) || strings.HasPrefix(source, "~") {
		return source
	}
	source = path.Clean(source)
	if source == "." || source == ".." || strings.HasPrefix(source, "../") {
		return source
	}
	return "./" + source
}
