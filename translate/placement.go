package translate

import (
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// constraintMissing is the label that no node has: a task that waits for something stays pending on it.
const constraintMissing = "node.labels.skep.missing"

// Labels by which Kubernetes asks for what Swarm has keys of its own for.
const (
	labelControlPlane = "node-role.kubernetes.io/control-plane"
	labelMaster       = "node-role.kubernetes.io/master"
)

// constraintKeys are the labels with a Swarm key of their own; every other is a node label.
var constraintKeys = map[string]string{
	corev1.LabelHostname:   "node.hostname",
	corev1.LabelOSStable:   "node.platform.os",
	corev1.LabelArchStable: "node.platform.arch",
}

// architectures: Swarm compares constraints with what the node's kernel calls itself, letter by letter.
var architectures = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l", "386": "i686"}

// SwarmKit's grammar (manager/constraint/constraint.go).
var (
	constraintKey   = regexp.MustCompile(`^(?i)[a-z_][a-z0-9\-_.]+$`)
	constraintValue = regexp.MustCompile(`^(?i)[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+$`)
)

func (p *putter) putPlacement() {
	place := &swarm.Placement{}
	p.plan.Task.Placement = place
	if p.pod.NodeName != "" {
		p.constrain(p.at.Child("nodeName"), "node.hostname", "==", p.pod.NodeName)
	}
	for _, key := range sortedKeys(p.pod.NodeSelector) {
		p.require(p.at.Child("nodeSelector").Key(key), key, corev1.NodeSelectorOpIn, []string{p.pod.NodeSelector[key]})
	}
	p.putAffinity()
	for _, spread := range p.pod.TopologySpreadConstraints {
		if key, ok := spreadKey(spread); ok {
			place.Preferences = append(place.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: "node.labels." + key}})
		}
	}
	p.putPins(place)
	for _, m := range p.plan.Missing {
		wait := constraintMissing + "==" + strings.ToLower(m.Kind) + "/" + m.Name
		if !slices.Contains(place.Constraints, wait) {
			place.Constraints = append(place.Constraints, wait)
		}
	}
	if prune(place) == nil {
		p.plan.Task.Placement = nil
	}
}

func (p *putter) putAffinity() {
	a := p.pod.Affinity
	if a == nil {
		return
	}
	at := p.at.Child("affinity")
	if a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		at := at.Child("nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
		terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
		if len(terms) > 1 {
			p.refuse(at, "says either-or, and Swarm's constraints must all hold: give the nodes of all terms one label and ask for that")
		} else if len(terms) == 1 {
			p.putTerm(at.Index(0), terms[0])
		}
	}
	if a.PodAntiAffinity == nil {
		return
	}
	at = at.Child("podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
	for i, term := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		if !p.againstItself(term) {
			p.refuse(at.Index(i), "Swarm keeps only replicas of one service apart, one a node: select this template's own labels by topologyKey kubernetes.io/hostname")
			continue
		}
		p.plan.Task.Placement.MaxReplicas = 1
	}
}

func (p *putter) putTerm(at *field.Path, term corev1.NodeSelectorTerm) {
	for i, e := range term.MatchExpressions {
		p.require(at.Child("matchExpressions").Index(i), e.Key, e.Operator, e.Values)
	}
	for i, e := range term.MatchFields { // validation lets only metadata.name pass
		p.require(at.Child("matchFields").Index(i), corev1.LabelHostname, e.Operator, e.Values)
	}
}

// againstItself tells a term that keeps a Pod away from others of its own template on a node. Labels
// that other templates could carry, too, are compared with the labels of this one.
func (p *putter) againstItself(term corev1.PodAffinityTerm) bool {
	if term.TopologyKey != corev1.LabelHostname || len(term.Namespaces) > 0 || term.NamespaceSelector != nil ||
		len(term.MatchLabelKeys)+len(term.MismatchLabelKeys) > 0 || term.LabelSelector == nil {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(p.tpl.Labels))
}

// require says one node selector requirement as constraints, or refuses what they cannot say.
func (p *putter) require(at *field.Path, key string, op corev1.NodeSelectorOperator, values []string) {
	if key == labelControlPlane || key == labelMaster {
		p.requireRole(at, op, values)
		return
	}
	swarmKey, own := constraintKeys[key]
	if !own {
		swarmKey = "node.labels." + key
	}
	switch {
	case op == corev1.NodeSelectorOpIn && len(values) == 1:
		p.constrain(at, swarmKey, "==", values[0])
	case op == corev1.NodeSelectorOpIn && swarmKey == "node.platform.arch":
		for _, v := range values {
			p.plan.Task.Placement.Platforms = append(p.plan.Task.Placement.Platforms, swarm.Platform{Architecture: architecture(v)})
		}
	case op == corev1.NodeSelectorOpNotIn:
		for _, v := range values {
			p.constrain(at, swarmKey, "!=", v)
		}
	case op == corev1.NodeSelectorOpIn:
		p.refuse(at, "asks for one of several values, and Swarm's constraints know one: give those nodes a label of their own and ask for that")
	default:
		p.refuse(at, "%s cannot be said in Swarm's constraints, which know only a value and not a value: ask for one value (In), or exclude some (NotIn)", op)
	}
}

// requireRole reads the label that Kubernetes puts on its control plane. It has no value.
func (p *putter) requireRole(at *field.Path, op corev1.NodeSelectorOperator, values []string) {
	empty := len(values) == 1 && values[0] == ""
	switch {
	case op == corev1.NodeSelectorOpExists, op == corev1.NodeSelectorOpIn && empty:
		p.constrain(at, "node.role", "==", "manager")
	case op == corev1.NodeSelectorOpDoesNotExist, op == corev1.NodeSelectorOpNotIn && empty:
		p.constrain(at, "node.role", "!=", "manager")
	default:
		p.refuse(at, "the role's label has no value: ask whether it exists")
	}
}

func architecture(goarch string) string {
	if uname, ok := architectures[goarch]; ok {
		return uname
	}
	return goarch
}

func (p *putter) constrain(at *field.Path, key, op, value string) {
	if key == "node.platform.arch" {
		value = architecture(value)
	}
	switch {
	case !constraintKey.MatchString(key):
		p.refuse(at, "Swarm's constraints allow only letters, digits, '-', '_' and '.' in a label's key: give the nodes a label without '/' and ask for that")
		return
	case !constraintValue.MatchString(value):
		p.refuse(at, "Swarm's constraints cannot ask for the value %q: give the label another one", value)
		return
	}
	if c := key + op + value; !slices.Contains(p.plan.Task.Placement.Constraints, c) {
		p.plan.Task.Placement.Constraints = append(p.plan.Task.Placement.Constraints, c)
	}
}

// spreadKey is the node label that a spread is over; ok is false where Swarm cannot spread over it, or,
// for hosts, does so anyway. Preferences are not parsed as constraints are: any key will do.
func spreadKey(c corev1.TopologySpreadConstraint) (key string, ok bool) {
	_, own := constraintKeys[c.TopologyKey]
	return c.TopologyKey, !own
}
