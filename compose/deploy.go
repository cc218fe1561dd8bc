package compose

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
)

// The labels that docker stack deploy sets.
const (
	stackNameLabel  = "com.docker.stack.namespace"
	stackImageLabel = "com.docker.stack.image"
)

// scoped is the name that what a stack calls key has in the Swarm.
func (s *Stack) scoped(key string) string {
	if s.Name == "" {
		return key
	}
	return s.Name + "_" + key
}

// labels are labels with that of the stack; nil for none.
func (s *Stack) labels(own map[string]string) map[string]string {
	if s.Name == "" && len(own) == 0 {
		return nil
	}
	all := make(map[string]string, len(own)+1)
	maps.Copy(all, own)
	if s.Name != "" {
		all[stackNameLabel] = s.Name
	}
	return all
}

// services makes the stack's services, and of Compose's jobs services that run once.
func (l *load) services(p *types.Project, s *Stack) []Service {
	var all []Service
	raw := mappings(s.Model["services"])
	for name, config := range p.Services {
		all = append(all, Service{Key: name, Spec: l.deploy(s, &config, "services."+name, raw[name]), File: &config})
	}
	raw = mappings(s.Model["jobs"])
	for name, job := range p.Jobs {
		config := types.ServiceConfig{
			Name: name, Profiles: job.Profiles, ContainerSpec: job.ContainerSpec, WorkloadSpec: job.WorkloadSpec, Extensions: job.Extensions,
		}
		once := Service{Key: name, Spec: l.deploy(s, &config, "jobs."+name, raw[name]), File: &config, Triggers: job.Triggers, Job: true}
		once.Spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: new(uint64(1)), TotalCompletions: new(uint64(1))}}
		all = append(all, once)
	}
	slices.SortFunc(all, func(a, b Service) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(fmt.Sprint(a.Job), fmt.Sprint(b.Job)))
	})
	return all
}

// deploy is the specification of a service of the files; what Docker would refuse of it is told.
func (l *load) deploy(s *Stack, service *types.ServiceConfig, at string, raw map[string]any) swarm.ServiceSpec {
	return deploy{stack: s, service: service, raw: raw, wrong: func(key, format string, args ...any) {
		l.find(s.Places, Refused, at+"."+key, false, format, args...)
	}}.spec()
}

// deploySpec is what docker stack deploy creates of a service in a stack.
func deploySpec(s *Stack, service *types.ServiceConfig) swarm.ServiceSpec {
	return deploy{stack: s, service: service, wrong: func(string, string, ...any) {}}.spec()
}

// deploy is a service on its way into a Swarm. What it makes is what docker stack deploy does (docker/cli,
// cli/compose/convert), but that networks, configs and secrets are known by their names, as there are no IDs yet.
type deploy struct {
	stack   *Stack // all of it but its services
	service *types.ServiceConfig
	raw     map[string]any // the service in the model, for what compose-go's types do not keep; nil where there is none
	// wrong notes what Docker would refuse of a key, and what comes of it here.
	wrong func(key, format string, args ...any)
}

// spec is the service's specification.
func (d deploy) spec() swarm.ServiceSpec {
	s := d.service
	how := types.DeployConfig{}
	if s.Deploy != nil {
		how = *s.Deploy
	}
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: d.stack.scoped(s.Name), Labels: d.stack.labels(how.Labels)},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: d.container(),
			Resources:     d.resources(how.Resources),
			RestartPolicy: d.restart(how.RestartPolicy),
			Placement:     placement(how.Placement),
			Networks:      d.attachments(),
		},
		EndpointSpec:   d.endpoint(how.EndpointMode),
		Mode:           d.mode(how),
		UpdateConfig:   update(how.UpdateConfig),
		RollbackConfig: update(how.RollbackConfig),
	}
	if d.stack.Name != "" {
		spec.Labels[stackImageLabel] = s.Image
	}
	if s.Logging != nil {
		spec.TaskTemplate.LogDriver = &swarm.Driver{Name: s.Logging.Driver, Options: s.Logging.Options}
	}
	return spec
}

// container is what runs.
func (d deploy) container() *swarm.ContainerSpec {
	s := d.service
	add, drop := effectiveCapabilities(s.CapAdd, s.CapDrop)
	c := &swarm.ContainerSpec{
		Image:          s.Image,
		Command:        s.Entrypoint,
		Args:           s.Command,
		Hostname:       s.Hostname,
		Hosts:          d.hosts(),
		Healthcheck:    d.health(),
		Env:            environment(s.Environment),
		Labels:         d.stack.labels(s.Labels),
		Dir:            s.WorkingDir,
		User:           s.User,
		Mounts:         d.mounts(),
		StopSignal:     s.StopSignal,
		TTY:            s.Tty,
		OpenStdin:      s.StdinOpen,
		Secrets:        d.secrets(),
		Configs:        d.configs(),
		ReadOnly:       s.ReadOnly,
		Privileges:     &swarm.Privileges{CredentialSpec: d.credentials()},
		Isolation:      container.Isolation(s.Isolation),
		Init:           s.Init,
		Sysctls:        s.Sysctls,
		CapabilityAdd:  add,
		CapabilityDrop: drop,
		Ulimits:        ulimitsOf(s.Ulimits),
		OomScoreAdj:    s.OomScoreAdj,
	}
	c.StopGracePeriod = duration(s.StopGracePeriod)
	if s.DNS != nil || s.DNSSearch != nil {
		c.DNSConfig = &swarm.DNSConfig{Nameservers: s.DNS, Search: s.DNSSearch}
	}
	return c
}

func duration(d *types.Duration) *time.Duration {
	if d == nil {
		return nil
	}
	return new(time.Duration(*d))
}

// environment is a container's, in the order of its text.
func environment(all types.MappingWithEquals) []string {
	var list []string
	for name, value := range all {
		if value != nil {
			name += "=" + *value
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// hosts are the entries of /etc/hosts. compose-go keeps them in no order, so they come from the model: a list in its own
// order, all else in that of its texts.
func (d deploy) hosts() []string {
	pairs := d.service.ExtraHosts.AsList("=")
	slices.Sort(pairs)
	if list, ok := d.raw["extra_hosts"].([]any); ok {
		pairs = nil
		for _, item := range list {
			pairs = append(pairs, fmt.Sprint(item))
		}
	}
	entries := make([]string, 0, len(pairs))
	for _, pair := range pairs {
		name, address, ok := strings.Cut(pair, "=")
		if !ok {
			name, address, _ = strings.Cut(pair, ":")
		}
		if len(address) > 2 && address[0] == '[' && address[len(address)-1] == ']' {
			address = address[1 : len(address)-1]
		}
		entries = append(entries, address+" "+name)
	}
	return entries
}

// health is the container's health check.
func (d deploy) health() *container.HealthConfig {
	check := d.service.HealthCheck
	switch {
	case check == nil:
		return nil
	case check.Disable:
		if len(check.Test) > 0 {
			d.wrong("healthcheck.disable", "the health check has a test too, which docker stack deploy refuses; there is none")
		}
		return &container.HealthConfig{Test: []string{"NONE"}}
	}
	h := &container.HealthConfig{Test: check.Test}
	for _, one := range []struct {
		from *types.Duration
		to   *time.Duration
	}{{check.Timeout, &h.Timeout}, {check.Interval, &h.Interval}, {check.StartPeriod, &h.StartPeriod}, {check.StartInterval, &h.StartInterval}} {
		if one.from != nil {
			*one.to = time.Duration(*one.from)
		}
	}
	if check.Retries != nil {
		h.Retries = int(*check.Retries)
	}
	return h
}

// effectiveCapabilities are those to add and to drop, by their full names and in order; what is added is not dropped.
func effectiveCapabilities(add, drop []string) (added, dropped []string) {
	added, dropped = capabilityNames(add), capabilityNames(drop)
	dropped = slices.DeleteFunc(dropped, func(name string) bool { return slices.Contains(added, name) })
	if len(dropped) == 0 {
		dropped = nil
	}
	return added, dropped
}

func capabilityNames(all []string) []string {
	var names []string
	for _, name := range all {
		name = strings.ToUpper(strings.TrimSpace(name))
		switch {
		case name == "ALL":
			return []string{name} // it says all that others could
		case name == "RESET":
			continue // it only means something to docker service update
		case !strings.HasPrefix(name, "CAP_"):
			name = "CAP_" + name
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func ulimitsOf(all map[string]*types.UlimitsConfig) []*container.Ulimit {
	list := make([]*container.Ulimit, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		limit := all[name]
		soft, hard := limit.Soft, limit.Hard
		if limit.Single != 0 {
			soft, hard = limit.Single, limit.Single
		}
		list = append(list, &container.Ulimit{Name: name, Soft: int64(soft), Hard: int64(hard)})
	}
	return list
}

// resources are what the tasks may have and what is kept for them.
func (d deploy) resources(of types.Resources) *swarm.ResourceRequirements {
	r := &swarm.ResourceRequirements{}
	if limits := of.Limits; limits != nil {
		r.Limits = &swarm.Limit{NanoCPUs: d.cpus("limits", limits.NanoCPUs), MemoryBytes: int64(limits.MemoryBytes), Pids: limits.Pids}
	}
	if kept := of.Reservations; kept != nil {
		r.Reservations = &swarm.Resources{NanoCPUs: d.cpus("reservations", kept.NanoCPUs), MemoryBytes: int64(kept.MemoryBytes)}
		for _, resource := range kept.GenericResources {
			generic := swarm.GenericResource{}
			if spec := resource.DiscreteResourceSpec; spec != nil {
				generic.DiscreteResourceSpec = &swarm.DiscreteGenericResource{Kind: spec.Kind, Value: spec.Value}
			}
			r.Reservations.GenericResources = append(r.Reservations.GenericResources, generic)
		}
	}
	return r
}

// cpus are the processors of a limit or reservation, in billionths. compose-go's own figure has few digits.
func (d deploy) cpus(kind string, rounded types.NanoCPUs) int64 {
	var value any = d.raw
	for _, key := range []string{"deploy", "resources", kind, "cpus"} {
		values, _ := value.(map[string]any)
		value = values[key]
	}
	if value == nil {
		value = strconv.FormatFloat(float64(rounded), 'f', -1, 32)
	}
	cpus, ok := new(big.Rat).SetString(fmt.Sprint(value))
	if !ok {
		d.wrong("deploy.resources."+kind+".cpus", "%v is no number of processors; none is set", value)
		return 0
	}
	nano := cpus.Mul(cpus, big.NewRat(int64(time.Second), 1)) // as many as a second has nanoseconds
	if !nano.IsInt() {
		d.wrong("deploy.resources."+kind+".cpus", "%v has more than nine digits after the point; the rest is cut off", value)
	}
	return new(big.Int).Quo(nano.Num(), nano.Denom()).Int64()
}

func placement(of types.Placement) *swarm.Placement {
	p := &swarm.Placement{Constraints: of.Constraints, Preferences: []swarm.PlacementPreference{}, MaxReplicas: of.MaxReplicas}
	for _, preference := range of.Preferences {
		p.Preferences = append(p.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: preference.Spread}})
	}
	return p
}

func update(of *types.UpdateConfig) *swarm.UpdateConfig {
	if of == nil {
		return nil
	}
	u := &swarm.UpdateConfig{
		Parallelism: 1, Delay: time.Duration(of.Delay), FailureAction: of.FailureAction, Monitor: time.Duration(of.Monitor),
		MaxFailureRatio: of.MaxFailureRatio, Order: of.Order,
	}
	if of.Parallelism != nil {
		u.Parallelism = *of.Parallelism
	}
	return u
}
