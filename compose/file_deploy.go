package compose

import (
	"strconv"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// deploy is what a stack file says of a service beside its containers.
func (f *filer) deploy(s *Service) said {
	m, spec, task := said{}, &s.Spec, &s.Spec.TaskTemplate
	f.mode(s.Key, m, &spec.Mode)
	put(m, "labels", ownLabels(spec.Labels))
	if spec.EndpointSpec != nil {
		put(m, "endpoint_mode", string(spec.EndpointSpec.Mode))
	}
	if c := spec.UpdateConfig; c != nil {
		m["update_config"] = updateConfig(c)
	}
	if c := spec.RollbackConfig; c != nil {
		m["rollback_config"] = updateConfig(c)
	}
	if task.RestartPolicy != nil {
		m["restart_policy"] = restartPolicy(task.RestartPolicy)
	}
	put(m, "resources", f.resources(s.Key, task.Resources))
	put(m, "placement", f.placement(s.Key, task.Placement))
	return m
}

func (f *filer) mode(service string, m said, mode *swarm.ServiceMode) {
	switch {
	case mode.Global != nil:
		m["mode"] = "global"
	case mode.GlobalJob != nil:
		m["mode"] = "global-job"
	case mode.ReplicatedJob != nil:
		m["mode"] = "replicated-job"
		j := mode.ReplicatedJob
		if j.TotalCompletions != nil {
			m["replicas"] = int(*j.TotalCompletions)
		}
		if countOf(j.MaxConcurrent) != countOf(j.TotalCompletions) {
			f.find(service, "deploy.replicas", Approximated, "%d runs in all and %d at a time cannot both be said in a stack file: all run at once", countOf(j.TotalCompletions), countOf(j.MaxConcurrent))
		}
	case mode.Replicated != nil && mode.Replicated.Replicas != nil:
		m["replicas"] = int(*mode.Replicated.Replicas)
	}
}

// countOf is a count of Docker's, which takes none for one.
func countOf(n *uint64) uint64 {
	if n == nil {
		return 1
	}
	return *n
}

func updateConfig(c *swarm.UpdateConfig) said {
	m := said{"parallelism": int(c.Parallelism)}
	if c.Delay != 0 {
		m["delay"] = c.Delay.String()
	}
	if c.Monitor != 0 {
		m["monitor"] = c.Monitor.String()
	}
	if c.MaxFailureRatio != 0 {
		// As short as it was written: 0.1 is no round number in 32 bits.
		ratio, err := strconv.ParseFloat(strconv.FormatFloat(float64(c.MaxFailureRatio), 'g', -1, 32), 64)
		if err == nil {
			m["max_failure_ratio"] = ratio
		}
	}
	put(m, "failure_action", c.FailureAction)
	put(m, "order", c.Order)
	return m
}

func restartPolicy(p *swarm.RestartPolicy) said {
	m := said{}
	put(m, "condition", string(p.Condition))
	for _, d := range []struct {
		key string
		is  *time.Duration
	}{{"delay", p.Delay}, {"window", p.Window}} {
		if d.is != nil {
			m[d.key] = d.is.String()
		}
	}
	if p.MaxAttempts != nil {
		m["max_attempts"] = int(*p.MaxAttempts)
	}
	return m
}

func (f *filer) resources(service string, r *swarm.ResourceRequirements) said {
	m := said{}
	if r == nil {
		return m
	}
	if l := r.Limits; l != nil {
		limits := said{}
		put(limits, "cpus", cpus(l.NanoCPUs))
		put(limits, "memory", bytesOf(l.MemoryBytes))
		if l.Pids != 0 {
			limits["pids"] = int(l.Pids)
		}
		put(m, "limits", limits)
	}
	l := r.Reservations
	if l == nil {
		return m
	}
	reservations := said{}
	put(reservations, "cpus", cpus(l.NanoCPUs))
	put(reservations, "memory", bytesOf(l.MemoryBytes))
	var generic []any
	for _, g := range l.GenericResources {
		switch {
		case g.DiscreteResourceSpec != nil:
			generic = append(generic, said{"discrete_resource_spec": said{"kind": g.DiscreteResourceSpec.Kind, "value": int(g.DiscreteResourceSpec.Value)}})
		case g.NamedResourceSpec != nil:
			f.find(service, "deploy.resources.reservations.generic_resources", Refused, "the one %s=%s cannot be asked for in a stack file, only a number of them: reserve a number",
				g.NamedResourceSpec.Kind, g.NamedResourceSpec.Value)
		}
	}
	put(reservations, "generic_resources", generic)
	put(m, "reservations", reservations)
	return m
}

func (f *filer) placement(service string, p *swarm.Placement) said {
	m := said{}
	if p == nil {
		return m
	}
	put(m, "constraints", p.Constraints)
	var preferences []any
	for _, preference := range p.Preferences {
		if preference.Spread != nil {
			preferences = append(preferences, said{"spread": preference.Spread.SpreadDescriptor})
		}
	}
	put(m, "preferences", preferences)
	if p.MaxReplicas != 0 {
		m["max_replicas_per_node"] = int(p.MaxReplicas)
	}
	if len(p.Platforms) > 0 {
		f.find(service, "deploy.placement.constraints", Refused, "one of several platforms (%s and others) cannot be asked for in a stack file, where all constraints must hold: give those nodes a label and ask for that", p.Platforms[0].Architecture)
	}
	return m
}
