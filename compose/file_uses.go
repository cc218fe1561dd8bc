package compose

import (
	"os"
	"path"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// dockerMode is the mode of configs and secrets for which a file says none.
const dockerMode os.FileMode = 0o444

// mounted is what a service says of a config or secret that it mounts.
func mounted(key, target, uid, gid string, mode os.FileMode) said {
	m := said{"source": key}
	if target != key {
		m["target"] = target
	}
	for name, id := range map[string]string{"uid": uid, "gid": gid} {
		if id != "" && id != "0" {
			m[name] = id
		}
	}
	if mode != dockerMode {
		m["mode"] = uint32(mode)
	}
	return m
}

func (f *filer) configRefs(c *swarm.ContainerSpec) []any {
	var out []any
	for _, ref := range c.Configs {
		if ref != nil && ref.File != nil { // the others are credentials: see privileges
			out = append(out, mounted(f.configs.key(ref.ConfigName), ref.File.Name, ref.File.UID, ref.File.GID, ref.File.Mode))
		}
	}
	return out
}

func (f *filer) secretRefs(c *swarm.ContainerSpec) []any {
	var out []any
	for _, ref := range c.Secrets {
		if ref != nil && ref.File != nil {
			out = append(out, mounted(f.secrets.key(ref.SecretName), ref.File.Name, ref.File.UID, ref.File.GID, ref.File.Mode))
		}
	}
	return out
}

func (f *filer) mounts(service string, c *swarm.ContainerSpec) []any {
	var out []any
	for i := range c.Mounts {
		if m := f.mount(service, &c.Mounts[i]); m != nil {
			out = append(out, m)
		}
	}
	return out
}

func (f *filer) mount(service string, m *mount.Mount) said {
	out := said{"type": string(m.Type), "target": m.Target}
	put(out, "read_only", m.ReadOnly)
	put(out, "consistency", string(m.Consistency))
	switch m.Type {
	case mount.TypeBind, mount.TypeNamedPipe:
		f.bind(service, out, m)
	case mount.TypeTmpfs:
		if o := m.TmpfsOptions; o != nil {
			if o.SizeBytes != 0 {
				out["tmpfs"] = said{"size": int(o.SizeBytes)}
			}
			if o.Mode != 0 || len(o.Options) > 0 {
				f.find(service, "volumes", Refused, "of the tmpfs at %s only the size can be said in a stack file: its mode and options are left out", m.Target)
			}
		}
	case mount.TypeVolume:
		f.volume(service, out, m)
	case mount.TypeCluster:
		out["source"] = m.Source
		if !strings.HasPrefix(m.Source, "group:") {
			out["source"] = f.volumes.key(m.Source)
		}
	case mount.TypeImage:
		out["source"] = m.Source
		if o := m.ImageOptions; o != nil && o.Subpath != "" {
			out["image"] = said{"subpath": o.Subpath}
		}
	default:
		f.find(service, "volumes", Refused, "a mount of the type %q cannot be said in a stack file: %s is left out", m.Type, m.Target)
		return nil
	}
	return out
}

func (f *filer) bind(service string, out said, m *mount.Mount) {
	put(out, "source", m.Source)
	o := m.BindOptions
	if o == nil {
		return
	}
	bind := said{}
	put(bind, "propagation", string(o.Propagation))
	put(out, "bind", bind)
	if o.NonRecursive || o.CreateMountpoint || o.ReadOnlyNonRecursive || o.ReadOnlyForceRecursive {
		f.find(service, "volumes", Refused, "of the bind of %s only the propagation can be said in a stack file: the other options are left out", m.Target)
	}
}

func (f *filer) volume(service string, out said, m *mount.Mount) {
	o := m.VolumeOptions
	if m.Source == "" {
		if o != nil && o.NoCopy {
			f.find(service, "volumes", Approximated, "an anonymous volume of a stack file starts with what the image has at %s, where this one starts empty: use a tmpfs or a named volume with nocopy", m.Target)
		}
		return
	}
	out["source"] = f.volumes.key(m.Source)
	if o != nil {
		options := said{}
		put(options, "nocopy", o.NoCopy)
		put(options, "subpath", o.Subpath)
		put(out, "volume", options)
	}
}

// attachments are a service's networks. That it has the stack's own, as all have of which a file says nothing, is not said.
func (f *filer) attachments(s *Service) said {
	networks := s.Spec.TaskTemplate.Networks
	if len(networks) == 0 {
		networks = s.Spec.Networks //nolint:staticcheck // what a service of an old Docker has
	}
	m := said{}
	for _, n := range networks {
		at := said{}
		aliases := n.Aliases
		if container.NetworkMode(n.Target).IsUserDefined() {
			aliases = withoutOwn(aliases, s.Key)
		}
		put(at, "aliases", aliases)
		put(at, "driver_opts", n.DriverOpts)
		m[f.networks.key(n.Target)] = at
	}
	if len(networks) == 0 {
		f.find(s.Key, "networks", Approximated, "is in no network, and docker stack deploy puts it into the stack's own")
	}
	if own, ok := m["default"].(said); ok && len(m) == 1 && len(own) == 0 {
		return nil
	}
	return m
}

// withoutOwn are aliases but for a service's key, which docker stack deploy puts behind them.
func withoutOwn(aliases []string, key string) []string {
	if n := len(aliases); n > 0 && aliases[n-1] == key {
		return aliases[:n-1]
	}
	return aliases
}

// model is the stack as a file, and what no file can say of it.
func (s *Stack) model() (said, []Finding) {
	f := newFiler(s)
	services := said{}
	for i := range s.Services {
		services[s.Services[i].Key] = f.service(&s.Services[i])
	}
	m := said{"services": services}
	put(m, "networks", f.networkSection())
	put(m, "volumes", f.volumeSection())
	put(m, "configs", f.fileSection("configs", s.Configs, f.configs))
	put(m, "secrets", f.fileSection("secrets", s.Secrets, f.secrets))
	return m, f.findings
}

// named sets an entry's name where it is not the one that docker stack deploy makes of its key.
func (f *filer) named(m said, key, name string, external bool) {
	if external {
		m["external"] = true
		if name != key {
			m["name"] = name
		}
		return
	}
	if name != f.stack.scoped(key) {
		m["name"] = name
	}
}

func (f *filer) foreign(section said, k *keys) {
	for name, key := range k.foreign {
		m := said{}
		f.named(m, key, name, true)
		section[key] = m
	}
}

func (f *filer) networkSection() said {
	section := said{}
	for _, n := range f.stack.Networks {
		m := said{}
		f.named(m, n.Key, n.Name, n.External)
		if !n.External {
			f.network(m, &n)
		}
		if n.Key != "default" || len(m) > 0 {
			section[n.Key] = m
		}
	}
	f.foreign(section, f.networks)
	return section
}

func (f *filer) network(m said, n *Network) {
	o := &n.Options
	if o.Driver != "overlay" {
		put(m, "driver", o.Driver)
	}
	put(m, "driver_opts", o.Options)
	put(m, "internal", o.Internal)
	put(m, "attachable", o.Attachable)
	put(m, "labels", ownLabels(o.Labels))
	path := "networks." + n.Key
	refuse := func(key, format string) {
		f.findings = append(f.findings, Finding{Fate: Refused, Path: path + "." + key, Message: format})
	}
	if o.EnableIPv6 != nil && *o.EnableIPv6 {
		refuse("enable_ipv6", "cannot be said in a stack file: make the network with docker network create --ipv6 and have it external")
	}
	if o.IPAM == nil {
		return
	}
	ipam := said{}
	if o.IPAM.Driver != "default" {
		put(ipam, "driver", o.IPAM.Driver)
	}
	var pools []any
	for _, c := range o.IPAM.Config {
		pools = append(pools, said{"subnet": c.Subnet})
		if c.IPRange != "" || len(c.AuxAddress) > 0 {
			refuse("ipam.config", "of a pool of addresses only the subnet can be said in a stack file: make the network with docker network create and have it external")
		}
	}
	put(ipam, "config", pools)
	put(m, "ipam", ipam)
}

func (f *filer) volumeSection() said {
	section := said{}
	for _, v := range f.stack.Volumes {
		m := said{}
		f.named(m, v.Key, v.Name, v.External)
		if !v.External {
			put(m, "driver", v.Driver)
			put(m, "driver_opts", v.Options)
			put(m, "labels", ownLabels(v.Labels))
		}
		section[v.Key] = m
	}
	f.foreign(section, f.volumes)
	return section
}

func (f *filer) fileSection(name string, files []File, k *keys) said {
	section := said{}
	for _, file := range files {
		m := said{}
		f.named(m, file.Key, file.Name, file.External)
		if !file.External {
			put(m, "labels", ownLabels(file.Labels))
			put(m, "template_driver", file.Template)
			put(m, "driver", file.Driver)
			if file.Driver == "" {
				m["file"] = "./" + dataPath(name, file.Key)
			}
		}
		section[file.Key] = m
	}
	f.foreign(section, k)
	return section
}

// keyFor is the key of what Docker calls name in a stack: without the stack's name where that is its own.
func keyFor(stack, name string, own bool, taken map[string]bool) string {
	if rest, ok := strings.CutPrefix(name, stack+"_"); own && ok && rest != "" && !taken[cleanKey(rest)] {
		taken[cleanKey(rest)] = true
		return cleanKey(rest)
	}
	return freeKey(name, taken)
}

// freeKey is a name as a key that is not taken yet.
func freeKey(name string, taken map[string]bool) string {
	key := cleanKey(name)
	if taken[key] {
		key = label(translate.OtherName(label(key), translate.Key{Name: name}))
	}
	taken[key] = true
	return key
}

// cleanKey is a name with nothing in it that a key of a Compose file may not have.
func cleanKey(name string) string {
	key := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '-'
	}, name)
	if key == "" || path.Base(key) != key || key == ".." {
		return "x" + key
	}
	return key
}
