package compose

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// exporter makes a Stack of what runs.
type exporter struct {
	*running
	stack *Stack
	keys  map[string]map[string]bool // taken, by section
}

func (e *exporter) take(section, name string, own bool) string {
	if e.keys[section] == nil {
		e.keys[section] = map[string]bool{}
	}
	return keyFor(e.stack.Name, name, own, e.keys[section])
}

func (e *exporter) find(path string, fate Fate, decide bool, format string, args ...any) {
	e.stack.Findings = append(e.stack.Findings, Finding{Fate: fate, Path: path, Service: serviceOf(path), Decide: decide, Message: fmt.Sprintf(format, args...)})
}

// own says whether docker stack deploy made something as a part of this stack.
func (e *exporter) own(labels map[string]string) bool {
	return labels[translate.LabelStack] == e.stack.Name
}

// usedNetworks lists what the services are attached to.
func (e *exporter) usedNetworks() {
	byName := map[string]*network.Summary{}
	for _, id := range slices.Sorted(maps.Keys(e.networks)) {
		n := e.networks[id]
		if have := byName[n.Name]; have == nil || have.Scope != "swarm" { // a node may have one of its own by that name
			byName[n.Name] = n
		}
	}
	seen := map[string]bool{}
	for i := range e.stack.Services {
		for _, at := range e.stack.Services[i].Spec.TaskTemplate.Networks {
			if seen[at.Target] {
				continue
			}
			seen[at.Target] = true
			n := byName[at.Target]
			out := Network{Name: at.Target, External: n == nil || !e.own(n.Labels)}
			out.Key = e.take("networks", at.Target, !out.External)
			if !out.External {
				out.Options = e.networkOptions(n)
			}
			e.stack.Networks = append(e.stack.Networks, out)
		}
	}
}

// networkOptions are what a network was made with, without what Docker chose itself.
func (e *exporter) networkOptions(n *network.Summary) network.CreateOptions {
	o := network.CreateOptions{Driver: n.Driver, Internal: n.Internal, Attachable: n.Attachable, Labels: n.Labels, Options: maps.Clone(n.Options)}
	delete(o.Options, "com.docker.network.driver.overlay.vxlanid_list")
	if n.EnableIPv6 {
		o.EnableIPv6 = new(true)
	}
	ipam := network.IPAM{}
	if n.IPAM.Driver != "default" {
		ipam.Driver = n.IPAM.Driver
	}
	for _, c := range n.IPAM.Config {
		if !e.pools.chose(c.Subnet) {
			ipam.Config = append(ipam.Config, network.IPAMConfig{Subnet: c.Subnet, IPRange: c.IPRange, AuxAddress: c.AuxAddress})
		}
	}
	if ipam.Driver != "" || len(ipam.Config) > 0 {
		o.IPAM = &ipam
	}
	return o
}

// addressPools are what a Swarm gives its networks addresses of.
type addressPools struct {
	pools []string
	size  int
}

// chose says whether a subnet looks like one that the Swarm chose: it takes them from the beginning of its pools. One that
// someone wrote there comes out the same, or nearly, when the Swarm chooses again.
func (p addressPools) chose(subnet string) bool {
	const first = 256 // of them
	is, err := netip.ParsePrefix(subnet)
	if err != nil || is.Bits() != p.size {
		return false
	}
	for _, text := range p.pools {
		pool, err := netip.ParsePrefix(text)
		if err != nil || !pool.Addr().Is4() || !is.Addr().Is4() || !pool.Contains(is.Addr()) {
			continue
		}
		if (number32(is.Addr())-number32(pool.Masked().Addr()))>>(32-p.size) < first {
			return true
		}
	}
	return false
}

func number32(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// usedVolumes lists the named volumes of the services, by what their mounts say of them. The engine that was asked knows
// those that it has itself.
func (e *exporter) usedVolumes() {
	have := map[string]int{}
	for i := range e.stack.Services {
		s := &e.stack.Services[i]
		for _, m := range s.Spec.TaskTemplate.ContainerSpec.Mounts {
			if m.Type != mount.TypeVolume || m.Source == "" {
				continue
			}
			v := e.volume(&m)
			at, twice := have[m.Source]
			if !twice {
				have[m.Source] = len(e.stack.Volumes)
				v.Key = e.take("volumes", m.Source, !v.External)
				e.stack.Volumes = append(e.stack.Volumes, v)
				continue
			}
			first := &e.stack.Volumes[at]
			if first.External != v.External || first.Driver != v.Driver || !maps.Equal(first.Options, v.Options) || !maps.Equal(first.Labels, v.Labels) {
				e.find("services."+s.Key+".volumes", Approximated, false, "mounts the volume %s with other options than a service before it, and a file says them once: those of the first hold", m.Source)
			}
		}
	}
}

func (e *exporter) volume(m *mount.Mount) Volume {
	v := Volume{Name: m.Source, External: true}
	if o := m.VolumeOptions; o != nil {
		v.Labels = o.Labels
		if o.DriverConfig != nil {
			v.Driver, v.Options = o.DriverConfig.Name, o.DriverConfig.Options
		}
		v.External = o.DriverConfig == nil && !e.own(o.Labels)
	}
	if is := e.volumes[m.Source]; v.External && is != nil {
		v.Driver, v.Options, v.Labels = is.Driver, is.Options, is.Labels
	}
	return v
}

// usedFiles lists the configs and secrets that the services mount.
func (e *exporter) usedFiles() {
	configs, secrets := map[string]string{}, map[string]string{} // by name, one place where it is
	for i := range e.stack.Services {
		c := e.stack.Services[i].Spec.TaskTemplate.ContainerSpec
		for _, ref := range c.Configs {
			configs[ref.ConfigName] = ""
			if ref.File != nil {
				configs[ref.ConfigName] = ref.File.Name
			}
		}
		for _, ref := range c.Secrets {
			secrets[ref.SecretName] = ""
			if ref.File != nil {
				secrets[ref.SecretName] = ref.File.Name
			}
		}
	}
	for i := range e.configs {
		s := &e.configs[i].Spec
		if target, used := configs[s.Name]; used {
			e.stack.Configs = append(e.stack.Configs, e.config(s, target))
		}
	}
	for i := range e.secrets {
		s := &e.secrets[i].Spec
		if target, used := secrets[s.Name]; used {
			e.stack.Secrets = append(e.stack.Secrets, e.secret(s, target))
		}
	}
}

// material says whether a config or secret is skep's: what a container mounts out of a ConfigMap or Secret.
func material(labels map[string]string) bool { return labels[translate.LabelMaterial] != "" }

// fileKey is the key of a config or secret: of one of skep's, which is named by its content, the name of its file where no
// other has that.
func (e *exporter) fileKey(section string, a swarm.Annotations, target string, own bool) string {
	base := path.Base(target)
	if material(a.Labels) && base != "." && base != "/" && !e.keys[section][cleanKey(base)] {
		return e.take(section, base, own)
	}
	return e.take(section, a.Name, own)
}

func (e *exporter) config(s *swarm.ConfigSpec, target string) File {
	own := e.own(s.Labels) || material(s.Labels)
	out := File{Key: e.fileKey("configs", s.Annotations, target, own), Name: s.Name, External: !own, Data: s.Data, Labels: withoutSkep(s.Labels)}
	if s.Templating != nil {
		out.Template = s.Templating.Name
	}
	return out
}

func (e *exporter) secret(s *swarm.SecretSpec, target string) File {
	own := e.own(s.Labels) || material(s.Labels)
	out := File{Key: e.fileKey("secrets", s.Annotations, target, own), Name: s.Name, External: !own, Unknown: true, Labels: withoutSkep(s.Labels)}
	if s.Templating != nil {
		out.Template = s.Templating.Name
	}
	if s.Driver != nil {
		out.Driver = s.Driver.Name
		if len(s.Driver.Options) > 0 {
			e.find("secrets."+out.Key+".driver_opts", Approximated, true, "the driver %s has options, which are to be written into the file by hand: %v", s.Driver.Name, s.Driver.Options)
		}
	}
	if own && out.Driver == "" {
		e.find("secrets."+out.Key, Approximated, true, "a Swarm does not give a secret's data back: fill in %s", dataPath("secrets", out.Key))
	}
	return out
}
