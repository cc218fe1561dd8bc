package translate

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
)

// mergeTask is merge for tasks, with lists merged by what their entries are about. A JSON merge patch
// replaces a list as a whole, and with it what Kubernetes cannot say: a mount's driver options, a config
// that is no file. With fresh, variables and files are taken from after even where before says the same:
// new Pods read ConfigMaps and Secrets anew. Where nothing changed, the answer is prev.
func mergeTask(prev, before, after *swarm.TaskSpec, fresh bool) (swarm.TaskSpec, error) {
	out, err := merge(prev, before, after)
	if err != nil || prev.ContainerSpec == nil || out.ContainerSpec == nil {
		return out, err
	}
	spec := *out.ContainerSpec // merge may have answered prev itself
	p, b, a := prev.ContainerSpec, containerSpec(before), containerSpec(after)
	spec.Env = mergeList(p.Env, b.Env, a.Env, envKey, fresh)
	spec.Mounts = mergeList(p.Mounts, b.Mounts, a.Mounts, mountKey, false)
	spec.Configs = mergeList(p.Configs, b.Configs, a.Configs, configKey, fresh)
	spec.Secrets = mergeList(p.Secrets, b.Secrets, a.Secrets, secretKey, fresh)
	spec.Hosts = mergeList(p.Hosts, b.Hosts, a.Hosts, oneSpace, false)
	spec.Groups = mergeList(p.Groups, b.Groups, a.Groups, oneSpace, false)
	spec.CapabilityAdd = mergeList(p.CapabilityAdd, b.CapabilityAdd, a.CapabilityAdd, capKey, false)
	spec.CapabilityDrop = mergeList(p.CapabilityDrop, b.CapabilityDrop, a.CapabilityDrop, capKey, false)
	out.ContainerSpec = &spec
	constraints := mergeList(constraintsOf(prev), constraintsOf(before), constraintsOf(after), noSpace, false)
	if out.Placement != nil || len(constraints) > 0 {
		place := swarm.Placement{}
		if out.Placement != nil {
			place = *out.Placement
		}
		place.Constraints = constraints
		out.Placement = &place
	}
	return out, nil
}

// mergeList lays the change from before to after over prev. An entry that before and after both have and
// prev has not is one that prev says in words of its own, or that is fresh.
func mergeList[E any](prev, before, after []E, key func(E) string, fresh bool) []E {
	if !fresh && digest(before) == digest(after) {
		return prev
	}
	find := func(list []E, k string) int {
		return slices.IndexFunc(list, func(e E) bool { return key(e) == k })
	}
	var out []E
	for _, e := range after {
		k := key(e)
		was, have := find(before, k), find(prev, k)
		switch unchanged := was >= 0 && digest(before[was]) == digest(e); {
		case fresh || !unchanged:
			out = append(out, e)
		case have >= 0:
			out = append(out, prev[have])
		}
	}
	for _, e := range prev {
		if k := key(e); find(before, k) < 0 && find(out, k) < 0 {
			out = append(out, e)
		}
	}
	return out
}

func constraintsOf(s *swarm.TaskSpec) []string {
	if s.Placement == nil {
		return nil
	}
	return s.Placement.Constraints
}

func envKey(entry string) string {
	name, _, _ := strings.Cut(entry, "=")
	return name
}

func mountKey(m mount.Mount) string { return m.Target }

func configKey(ref *swarm.ConfigReference) string {
	if ref.File == nil {
		return ref.ConfigName
	}
	return placedFiles(&swarm.ContainerSpec{Configs: []*swarm.ConfigReference{ref}})[0].target
}

func secretKey(ref *swarm.SecretReference) string {
	if ref.File == nil {
		return ref.SecretName
	}
	return placedFiles(&swarm.ContainerSpec{Secrets: []*swarm.SecretReference{ref}})[0].target
}

func capKey(c string) string   { return strings.TrimPrefix(strings.ToUpper(c), "CAP_") }
func noSpace(s string) string  { return strings.Join(strings.Fields(s), "") }
func oneSpace(s string) string { return strings.Join(strings.Fields(s), " ") }
