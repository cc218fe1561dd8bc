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
	spec.Env = mergeList(envRule, p.Env, b.Env, a.Env, fresh)
	spec.Mounts = mergeList(mountRule, p.Mounts, b.Mounts, a.Mounts, fresh)
	spec.Configs = mergeList(configRule, p.Configs, b.Configs, a.Configs, fresh)
	spec.Secrets = mergeList(secretRule, p.Secrets, b.Secrets, a.Secrets, fresh)
	spec.Hosts = mergeList(lineRule, p.Hosts, b.Hosts, a.Hosts, false)
	spec.Groups = mergeList(lineRule, p.Groups, b.Groups, a.Groups, false)
	spec.CapabilityAdd = mergeList(capRule, p.CapabilityAdd, b.CapabilityAdd, a.CapabilityAdd, false)
	spec.CapabilityDrop = mergeList(capRule, p.CapabilityDrop, b.CapabilityDrop, a.CapabilityDrop, false)
	out.ContainerSpec = &spec
	constraints := mergeList(constraintRule, constraintsOf(prev), constraintsOf(before), constraintsOf(after), false)
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

// listRule says what the entries of a list are about.
type listRule[E any] struct {
	key func(E) string
	// resolved tells entries that may come out of a ConfigMap or Secret; nil where none does.
	resolved func(E) bool
	// same tells two entries of one key that mean the same content.
	same func(a, b E) bool
	// stays tells resolved entries that do not go when what they came from is gone; nil where all do.
	stays func(E) bool
}

var (
	envRule = listRule[string]{
		key:      envKey,
		resolved: func(entry string) bool { return len(envByName([]string{entry})) > 0 },
		same:     func(a, b string) bool { return a == b },
	}
	mountRule = listRule[mount.Mount]{
		key:      func(m mount.Mount) string { return m.Target },
		resolved: func(m mount.Mount) bool { return isEmptyFile(m) || isClaimMount(m) },
		same: func(a, b mount.Mount) bool {
			return isEmptyFile(a) && isEmptyFile(b) || isClaimMount(a) && isClaimMount(b) && a.Source == b.Source
		},
		stays: isClaimMount,
	}
	configRule = listRule[*swarm.ConfigReference]{
		key:      configKey,
		resolved: func(ref *swarm.ConfigReference) bool { return ref.File != nil },
		same:     func(a, b *swarm.ConfigReference) bool { return a.ConfigName == b.ConfigName },
	}
	secretRule = listRule[*swarm.SecretReference]{
		key:      secretKey,
		resolved: func(ref *swarm.SecretReference) bool { return ref.File != nil },
		same:     func(a, b *swarm.SecretReference) bool { return a.SecretName == b.SecretName },
	}
	lineRule       = listRule[string]{key: func(s string) string { return strings.Join(strings.Fields(s), " ") }}
	constraintRule = listRule[string]{key: func(s string) string { return strings.Join(strings.Fields(s), "") }}
	capRule        = listRule[string]{key: func(s string) string { return strings.TrimPrefix(strings.ToUpper(s), "CAP_") }}
)

// mergeList lays the change from before to after over prev. An entry that before and after both have and
// prev has not is one that prev says in words of its own. With fresh, entries that ConfigMaps and Secrets
// gave are as they give them now: new ones come, old ones go.
func mergeList[E any](rule listRule[E], prev, before, after []E, fresh bool) []E {
	if !fresh && digest(before) == digest(after) {
		return prev
	}
	find := func(list []E, k string) int {
		return slices.IndexFunc(list, func(e E) bool { return rule.key(e) == k })
	}
	anew := func(e E) bool { return fresh && rule.resolved(e) }
	goes := func(e E) bool { return anew(e) && (rule.stays == nil || !rule.stays(e)) }
	var out []E
	for _, e := range after {
		k := rule.key(e)
		was, have := find(before, k), find(prev, k)
		switch unchanged := was >= 0 && digest(before[was]) == digest(e); {
		case !unchanged, anew(e) && (have < 0 || !rule.same(prev[have], e)):
			out = append(out, e)
		case have >= 0:
			out = append(out, prev[have])
		}
	}
	for _, e := range prev {
		if k := rule.key(e); find(before, k) < 0 && find(after, k) < 0 && !goes(e) {
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
