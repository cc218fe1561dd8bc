package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/network"
)

// defaultNetwork is the key of the network of services that name none.
const defaultNetwork = "default"

// overlay is the driver of a stack's network that names none.
const overlay = "overlay"

// networks are those that a service is on, as are all that docker stack deploy creates.
func (l *load) networks(p *types.Project, s *Stack) []Network {
	used := map[string]bool{}
	use := func(c *types.ContainerSpec) {
		for key := range c.Networks {
			used[key] = true
		}
		if len(c.Networks) == 0 {
			used[defaultNetwork] = true
		}
	}
	for _, service := range p.Services {
		use(&service.ContainerSpec)
	}
	for _, job := range p.Jobs {
		use(&job.ContainerSpec)
	}
	var all []Network
	for _, key := range slices.Sorted(maps.Keys(p.Networks)) {
		if !used[key] {
			l.find(s.Places, Meaningless, "networks."+key, false, "no service is on it, so Docker does not create it")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(used)) {
		config, have := p.Networks[key]
		if !have { // the one of those who name none, or one that undefined tells of
			config.Name = s.scoped(key)
		}
		all = append(all, s.network(key, config))
	}
	return all
}

// network is a network as docker stack deploy creates it.
func (s *Stack) network(key string, config types.NetworkConfig) Network {
	if config.External {
		return Network{Key: key, Name: config.Name, External: true}
	}
	o := network.CreateOptions{
		Driver: config.Driver, Options: config.DriverOpts, Internal: config.Internal, Attachable: config.Attachable,
		EnableIPv4: config.EnableIPv4, EnableIPv6: config.EnableIPv6, Labels: s.labels(config.Labels),
	}
	if o.Driver == "" {
		o.Driver = overlay
	}
	if config.Ipam.Driver != "" || len(config.Ipam.Config) > 0 {
		o.IPAM = &network.IPAM{Driver: config.Ipam.Driver, Options: config.Ipam.Options}
		for _, pool := range config.Ipam.Config {
			o.IPAM.Config = append(o.IPAM.Config, network.IPAMConfig{
				Subnet: pool.Subnet, IPRange: pool.IPRange, Gateway: pool.Gateway, AuxAddress: pool.AuxiliaryAddresses,
			})
		}
	}
	return Network{Key: key, Name: config.Name, Options: o}
}

// volumes are the named volumes that a service mounts, as Docker creates no others.
func (l *load) volumes(p *types.Project, s *Stack) []Volume {
	used := map[string]bool{}
	use := func(c *types.ContainerSpec) {
		for _, mount := range c.Volumes {
			named := mount.Type == types.VolumeTypeVolume || mount.Type == ""
			if named && mount.Source != "" || mount.Type == types.VolumeTypeCluster && !strings.HasPrefix(mount.Source, volumeGroup) {
				used[mount.Source] = true
			}
		}
	}
	for _, service := range p.Services {
		use(&service.ContainerSpec)
		for i := range service.PreStart {
			use(&service.PreStart[i].ContainerSpec)
		}
	}
	for _, job := range p.Jobs {
		use(&job.ContainerSpec)
	}
	var all []Volume
	for _, key := range slices.Sorted(maps.Keys(p.Volumes)) {
		if !used[key] {
			l.find(s.Places, Meaningless, "volumes."+key, false, "no service mounts it, so Docker does not create it")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(used)) {
		config, have := p.Volumes[key]
		if !have { // undefined tells of it
			config.Name = s.scoped(key)
		}
		volume := Volume{Key: key, Name: config.Name, External: bool(config.External), Driver: config.Driver, Options: config.DriverOpts}
		if !volume.External {
			volume.Labels = s.labels(config.Labels)
		}
		all = append(all, volume)
	}
	return all
}

// volumeGroup starts the source of a mount that takes any cluster volume of a group.
const volumeGroup = "group:"

// objects are configs or secrets with their data, those too that a service names and the files do not have. kind is their
// section.
func (l *load) objects(kind string, of map[string]types.FileObjectConfig, s *Stack) []File {
	var all []File
	for key := range l.missing[kind] {
		all = append(all, File{Key: key, Name: s.scoped(key), Unknown: true, Labels: s.labels(nil)})
	}
	for _, key := range slices.Sorted(maps.Keys(of)) {
		config := of[key]
		f := File{
			Key: key, Name: config.Name, External: bool(config.External), Template: config.TemplateDriver, Driver: config.Driver,
		}
		if f.External {
			f.Unknown = true
			all = append(all, f)
			continue
		}
		f.Labels = s.labels(config.Labels)
		l.data(&f, kind+"."+key, config, s.Places)
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// data finds the data of a config or secret. Where it cannot be had, it is left to be filled in.
func (l *load) data(f *File, at string, config types.FileObjectConfig, places Places) {
	switch {
	case config.File != "" && l.gate.dir == "":
		f.Unknown = true
		l.find(places, Approximated, at+".file", true, "its data is in the file %s, which cannot be read here; fill it in", config.File)
	case config.File != "":
		data, err := l.gate.read(config.File)
		if err != nil {
			f.Unknown = true
			l.find(places, Refused, at+".file", true, "its data is in the file %s, %s, or fill the data in", config.File, l.noData(config.File, err))
			return
		}
		f.Data = data
	case config.Content != "":
		f.Data = []byte(config.Content)
	case config.Environment != "":
		value, ok := l.value(config.Environment)
		if own, have := l.own[at]; have {
			value, ok = own, true
		}
		if !ok {
			f.Unknown = true
			l.find(places, Approximated, at+".environment", true,
				"its data is in the variable %s, which is not set; set it with --env-file or in the environment, or fill the data in", config.Environment)
			return
		}
		f.Data = []byte(value)
	case config.Driver != "":
		f.Unknown = true // the driver makes it
	default:
		f.Unknown = true
		if l.empty[at] {
			f.Unknown, f.Data = false, []byte{}
			return
		}
		l.find(places, Refused, at, true, "nothing says what its data is; give it file:, environment: or external: true")
	}
}

// noData says why a config's or secret's file was not read, and what to do. docker stack config takes files whose configs
// are missing, and so do we.
func (l *load) noData(file string, err error) string {
	switch {
	case remote(file):
		return "which is not here, and nothing is fetched; fetch it and name the copy"
	case errors.Is(err, errOutside):
		return "which lies outside of the project's directory; allow it with --allow " + file
	case errors.Is(err, fs.ErrNotExist):
		return "which does not exist; create it"
	}
	return fmt.Sprintf("which cannot be read (%v); mend it", err)
}

func configs(all types.Configs) map[string]types.FileObjectConfig {
	objects := make(map[string]types.FileObjectConfig, len(all))
	for key, config := range all {
		objects[key] = types.FileObjectConfig(config)
	}
	return objects
}

func secrets(all types.Secrets) map[string]types.FileObjectConfig {
	objects := make(map[string]types.FileObjectConfig, len(all))
	for key, secret := range all {
		objects[key] = types.FileObjectConfig(secret)
	}
	return objects
}
