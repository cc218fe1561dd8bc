package compose

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
)

// said is a part of a model.
type said = map[string]any

// filer says what a Swarm holds as docker stack deploy reads it.
type filer struct {
	stack    *Stack
	networks *keys
	volumes  *keys
	configs  *keys
	secrets  *keys
	findings []Finding
}

// keys are a section's keys, by the names in the Swarm. What the stack does not list is none of its own.
type keys struct {
	of      map[string]string
	foreign map[string]string // key by name, of what nobody listed
}

func (k *keys) key(name string) string {
	if key, ok := k.of[name]; ok {
		return key
	}
	if key, ok := k.foreign[name]; ok {
		return key
	}
	taken := map[string]bool{}
	for _, all := range []map[string]string{k.of, k.foreign} {
		for _, key := range all {
			taken[key] = true
		}
	}
	key := freeKey(name, taken)
	k.foreign[name] = key
	return key
}

func newFiler(s *Stack) *filer {
	listed := func() *keys { return &keys{map[string]string{}, map[string]string{}} }
	f := &filer{stack: s, networks: listed(), volumes: listed(), configs: listed(), secrets: listed()}
	for _, n := range s.Networks {
		f.networks.of[n.Name] = n.Key
	}
	if own := s.scoped("default"); f.networks.of[own] == "" {
		f.networks.of[own] = "default"
	}
	for _, v := range s.Volumes {
		f.volumes.of[v.Name] = v.Key
	}
	for _, c := range s.Configs {
		f.configs.of[c.Name] = c.Key
	}
	for _, c := range s.Secrets {
		f.secrets.of[c.Name] = c.Key
	}
	return f
}

// find notes what a stack file cannot say of a service. key is where it would stand, "" for the service itself.
func (f *filer) find(service, key string, fate Fate, format string, args ...any) {
	path := "services." + service
	if key != "" {
		path += "." + key
	}
	f.findings = append(f.findings, Finding{Fate: fate, Path: path, Service: service, Message: fmt.Sprintf(format, args...)})
}

// put sets a key unless the value is nothing.
func put(m said, key string, value any) {
	switch v := value.(type) {
	case nil:
		return
	case string:
		if v == "" {
			return
		}
	case bool:
		if !v {
			return
		}
	case int64:
		if v == 0 {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
		value = anyList(v)
	case []any:
		if len(v) == 0 {
			return
		}
	case said:
		if len(v) == 0 {
			return
		}
	case map[string]string:
		if len(v) == 0 {
			return
		}
		value = anyMap(v)
	}
	m[key] = value
}

func anyList(list []string) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

func anyMap(m map[string]string) said {
	out := make(said, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// ownLabels are labels but for those that docker stack deploy sets itself.
func ownLabels(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	delete(out, translate.LabelStack)
	delete(out, stackImageLabel)
	return out
}

// service is what a stack file says of a service.
func (f *filer) service(s *Service) said {
	m := said{}
	task := &s.Spec.TaskTemplate
	c := task.ContainerSpec
	if c == nil {
		f.find(s.Key, "", Refused, "runs no container, and a stack file has nothing else: make it by hand")
		return m
	}
	put(m, "image", c.Image)
	put(m, "entrypoint", c.Command)
	put(m, "command", c.Args)
	put(m, "hostname", c.Hostname)
	put(m, "environment", f.environment(s.Key, c.Env))
	put(m, "labels", ownLabels(c.Labels))
	put(m, "working_dir", c.Dir)
	put(m, "user", c.User)
	put(m, "tty", c.TTY)
	put(m, "stdin_open", c.OpenStdin)
	put(m, "read_only", c.ReadOnly)
	put(m, "stop_signal", c.StopSignal)
	put(m, "sysctls", c.Sysctls)
	put(m, "cap_add", c.CapabilityAdd)
	put(m, "cap_drop", c.CapabilityDrop)
	put(m, "oom_score_adj", c.OomScoreAdj)
	put(m, "isolation", string(c.Isolation))
	if c.StopGracePeriod != nil {
		m["stop_grace_period"] = c.StopGracePeriod.String()
	}
	if c.Init != nil {
		m["init"] = *c.Init
	}
	put(m, "extra_hosts", hostList(c.Hosts))
	put(m, "ulimits", ulimits(c.Ulimits))
	put(m, "healthcheck", healthcheck(c.Healthcheck))
	if l := task.LogDriver; l != nil {
		logging := said{}
		put(logging, "driver", l.Name)
		put(logging, "options", l.Options)
		m["logging"] = logging
	}
	f.resolver(s.Key, m, c)
	f.privileges(s.Key, m, c)
	put(m, "configs", f.configRefs(c))
	put(m, "secrets", f.secretRefs(c))
	put(m, "volumes", f.mounts(s.Key, c))
	put(m, "networks", f.attachments(s))
	if s.Spec.EndpointSpec != nil {
		put(m, "ports", ports(s.Spec.EndpointSpec.Ports))
	}
	put(m, "deploy", f.deploy(s))
	return m
}

// environment is a map; of two that have one name the last holds, as in a container.
func (f *filer) environment(service string, env []string) said {
	m := said{}
	for _, entry := range env {
		name, value, set := strings.Cut(entry, "=")
		if before, twice := m[name]; twice && before != any(value) {
			f.find(service, "environment."+name, Approximated, "is set twice, and a file can do so once: the last value stays, which is the one that holds")
		}
		if m[name] = any(value); !set {
			m[name] = nil
		}
	}
	return m
}

// hostList turns lines of /etc/hosts round.
func hostList(lines []string) []string {
	var out []string
	for _, line := range lines {
		fields := strings.Fields(line)
		for _, name := range fields[min(1, len(fields)):] {
			out = append(out, name+":"+fields[0])
		}
	}
	return out
}

func ulimits(list []*container.Ulimit) said {
	m := said{}
	for _, u := range list {
		switch {
		case u == nil:
		case u.Soft == u.Hard && u.Soft != 0:
			m[u.Name] = int(u.Hard)
		default:
			m[u.Name] = said{"soft": int(u.Soft), "hard": int(u.Hard)}
		}
	}
	return m
}

func healthcheck(h *container.HealthConfig) said {
	m := said{}
	switch {
	case h == nil:
		return nil
	case len(h.Test) > 0 && h.Test[0] == "NONE":
		m["disable"] = true
		return m
	}
	put(m, "test", h.Test)
	for _, d := range []struct {
		key string
		is  time.Duration
	}{{"interval", h.Interval}, {"timeout", h.Timeout}, {"start_period", h.StartPeriod}, {"start_interval", h.StartInterval}} {
		if d.is != 0 {
			m[d.key] = d.is.String()
		}
	}
	if h.Retries != 0 {
		m["retries"] = h.Retries
	}
	return m
}

func (f *filer) resolver(service string, m said, c *swarm.ContainerSpec) {
	if len(c.Groups) > 0 {
		f.find(service, "group_add", Refused, "%v cannot be said in a stack file: docker service update --group-add says it after the deployment", c.Groups)
	}
	if c.DNSConfig == nil {
		return
	}
	put(m, "dns", c.DNSConfig.Nameservers)
	put(m, "dns_search", c.DNSConfig.Search)
	if len(c.DNSConfig.Options) > 0 {
		f.find(service, "dns_opt", Refused, "%v cannot be said in a stack file: docker service update --dns-option-add says it after the deployment", c.DNSConfig.Options)
	}
}

func (f *filer) privileges(service string, m said, c *swarm.ContainerSpec) {
	p := c.Privileges
	if p == nil {
		return
	}
	if spec := p.CredentialSpec; spec != nil {
		credential := said{}
		put(credential, "file", spec.File)
		put(credential, "registry", spec.Registry)
		if spec.Config != "" {
			credential["config"] = f.configs.key(spec.Config)
		}
		put(m, "credential_spec", credential)
	}
	var lost []string
	if se := p.SELinuxContext; se != nil && *se != (swarm.SELinuxContext{}) {
		lost = append(lost, "an SELinux context")
	}
	if p.Seccomp != nil && p.Seccomp.Mode != "" && p.Seccomp.Mode != swarm.SeccompModeDefault {
		lost = append(lost, "a seccomp profile")
	}
	if p.AppArmor != nil && p.AppArmor.Mode != "" && p.AppArmor.Mode != swarm.AppArmorModeDefault {
		lost = append(lost, "AppArmor disabled")
	}
	if p.NoNewPrivileges {
		lost = append(lost, "no new privileges")
	}
	if len(lost) > 0 {
		f.find(service, "security_opt", Refused, "%s cannot be said in a stack file, which docker stack deploy reads without security_opt: keep this service out of the file, or do without", strings.Join(lost, ", "))
	}
}

func ports(list []swarm.PortConfig) []any {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b swarm.PortConfig) int { return int(a.PublishedPort) - int(b.PublishedPort) })
	var out []any
	for _, p := range list {
		m := said{"target": int(p.TargetPort)}
		if p.PublishedPort != 0 {
			m["published"] = int(p.PublishedPort)
		}
		put(m, "protocol", string(p.Protocol))
		put(m, "mode", string(p.PublishMode))
		out = append(out, m)
	}
	return out
}

// cpus is a number of CPUs as a file has it.
func cpus(nano int64) string {
	if nano == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(nano)/1e9, 'f', -1, 64)
}

// bytesOf is a number of bytes in the largest unit of which it is a whole number.
func bytesOf(n int64) string {
	if n == 0 {
		return ""
	}
	for _, unit := range []struct {
		shift int
		name  string
	}{{30, "G"}, {20, "M"}, {10, "K"}} {
		if n%(1<<unit.shift) == 0 {
			return strconv.FormatInt(n>>unit.shift, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}
