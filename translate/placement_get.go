package translate

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// requirement is a constraint as Kubernetes asks for it.
type requirement struct {
	key   string
	equal bool
	value string
}

// ours are the constraints that someone meant; the one that waits for something missing and those
// that keep a task with its volumes are skep's own.
func ours(s *swarm.TaskSpec) []string {
	var out []string
	if s.Placement != nil {
		for _, c := range s.Placement.Constraints {
			if !isMissingConstraint(c) && !isPin(c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// placementAt leaves out the platforms, which docker's client fills in from the image.
func placementAt(s *swarm.TaskSpec) any {
	var descriptors []string
	var most uint64
	if s.Placement != nil {
		descriptors, most = spreads(s), s.Placement.MaxReplicas
	}
	return []any{ours(s), descriptors, most == 1}
}

func spreads(s *swarm.TaskSpec) []string {
	var out []string
	for _, pref := range s.Placement.Preferences {
		if pref.Spread != nil {
			out = append(out, pref.Spread.SpreadDescriptor)
		}
	}
	return out
}

// parseConstraint reads a constraint that Kubernetes can say; SwarmKit trims around the operator.
func parseConstraint(c string) (requirement, bool) {
	op := "=="
	if !strings.Contains(c, op) {
		op = "!="
	}
	key, value, ok := strings.Cut(c, op)
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	r := requirement{equal: op == "==", value: value}
	lower := strings.ToLower(key)
	for label, swarmKey := range constraintKeys {
		if lower == swarmKey {
			r.key = label
		}
	}
	const prefix = "node.labels."
	switch {
	case !ok:
		return r, false
	case r.key == corev1.LabelArchStable:
		for goarch, uname := range architectures {
			if strings.EqualFold(value, uname) {
				r.value = goarch
			}
		}
	case lower == "node.role":
		manager := strings.EqualFold(value, "manager")
		r.key, r.value, r.equal = labelControlPlane, "", r.equal == manager
		return r, manager || strings.EqualFold(value, "worker")
	case strings.HasPrefix(lower, prefix):
		r.key = key[len(prefix):]
	}
	return r, len(validation.IsQualifiedName(r.key)) == 0 && r.value != "" && len(validation.IsValidLabelValue(r.value)) == 0
}

func getPlacement(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	pinned := o.Spec.NodeName
	o.Spec.NodeName, o.Spec.NodeSelector = "", nil
	var rest []corev1.NodeSelectorRequirement
	for _, c := range ours(s) {
		r, ok := parseConstraint(c)
		switch _, taken := o.Spec.NodeSelector[r.key]; {
		case !ok:
		case r.equal && r.key == corev1.LabelHostname && r.value == pinned && o.Spec.NodeName == "":
			o.Spec.NodeName = pinned
		case r.equal && !taken:
			o.Spec.NodeSelector = withLabel(o.Spec.NodeSelector, r.key, r.value)
		default:
			rest = append(rest, r.expression())
		}
	}
	setNodeAffinity(o, rest)
	setApart(o, s.Placement != nil && s.Placement.MaxReplicas == 1)
	setSpreads(o, s)
}

func (r requirement) expression() corev1.NodeSelectorRequirement {
	switch {
	case r.key == labelControlPlane && r.equal:
		return corev1.NodeSelectorRequirement{Key: r.key, Operator: corev1.NodeSelectorOpExists}
	case r.key == labelControlPlane:
		return corev1.NodeSelectorRequirement{Key: r.key, Operator: corev1.NodeSelectorOpDoesNotExist}
	case r.equal:
		return corev1.NodeSelectorRequirement{Key: r.key, Operator: corev1.NodeSelectorOpIn, Values: []string{r.value}}
	}
	return corev1.NodeSelectorRequirement{Key: r.key, Operator: corev1.NodeSelectorOpNotIn, Values: []string{r.value}}
}

func withLabel(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}

// changeAffinity keeps what else the affinity says, and drops one that says nothing.
func changeAffinity(o *corev1.PodTemplateSpec, change func(*corev1.Affinity)) {
	a := &corev1.Affinity{}
	if o.Spec.Affinity != nil {
		a = o.Spec.Affinity.DeepCopy()
	}
	change(a)
	if n := a.NodeAffinity; n != nil && prune(n) == nil {
		a.NodeAffinity = nil
	}
	if n := a.PodAntiAffinity; n != nil && prune(n) == nil {
		a.PodAntiAffinity = nil
	}
	if o.Spec.Affinity = a; prune(a) == nil {
		o.Spec.Affinity = nil
	}
}

func setNodeAffinity(o *corev1.PodTemplateSpec, rest []corev1.NodeSelectorRequirement) {
	changeAffinity(o, func(a *corev1.Affinity) {
		if a.NodeAffinity == nil {
			a.NodeAffinity = &corev1.NodeAffinity{}
		}
		a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = nil
		if len(rest) > 0 {
			a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: rest}},
			}
		}
	})
}

// setApart says "one replica a node" as the template's antipathy to its own labels. It needs labels.
func setApart(o *corev1.PodTemplateSpec, apart bool) {
	own := map[string]string{}
	for k, v := range o.Labels {
		if !swarmOnly(k) && k != LabelHash {
			own[k] = v
		}
	}
	changeAffinity(o, func(a *corev1.Affinity) {
		if a.PodAntiAffinity == nil {
			a.PodAntiAffinity = &corev1.PodAntiAffinity{}
		}
		a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = nil
		if apart && len(own) > 0 {
			a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = []corev1.PodAffinityTerm{{
				LabelSelector: &metav1.LabelSelector{MatchLabels: own}, TopologyKey: corev1.LabelHostname,
			}}
		}
	})
}

// setSpreads drops the spreads that Swarm knows no more and adds the ones that are new.
func setSpreads(o *corev1.PodTemplateSpec, s *swarm.TaskSpec) {
	var keys []string
	if s.Placement != nil {
		for _, d := range spreads(s) {
			if key, ok := strings.CutPrefix(d, "node.labels."); ok && len(validation.IsQualifiedName(key)) == 0 && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	out := slices.DeleteFunc(slices.Clone(o.Spec.TopologySpreadConstraints), func(c corev1.TopologySpreadConstraint) bool {
		key, native := spreadKey(c)
		return native && !slices.Contains(keys, key)
	})
	for _, key := range keys {
		if !slices.ContainsFunc(out, func(c corev1.TopologySpreadConstraint) bool { return c.TopologyKey == key }) {
			out = append(out, corev1.TopologySpreadConstraint{
				MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.ScheduleAnyway,
			})
		}
	}
	if o.Spec.TopologySpreadConstraints = out; len(out) == 0 {
		o.Spec.TopologySpreadConstraints = nil
	}
}
