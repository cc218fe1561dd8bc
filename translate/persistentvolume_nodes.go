package translate

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// onNode is the affinity of a volume that is on one node.
func onNode(hostname string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{hostname}}},
	}}}}
}

// placementOf says the nodes from which a volume can be had as Swarm's constraints; all is false where those cannot
// say everything.
func placementOf(a *corev1.VolumeNodeAffinity) (constraints []string, all bool) {
	if a == nil || a.Required == nil || len(a.Required.NodeSelectorTerms) == 0 {
		return nil, true
	}
	if len(a.Required.NodeSelectorTerms) > 1 {
		return nil, false
	}
	term := a.Required.NodeSelectorTerms[0]
	all = true
	for _, e := range term.MatchExpressions {
		c, ok := pin(e.Key, e.Operator, e.Values)
		constraints, all = append(constraints, c...), all && ok
	}
	for _, e := range term.MatchFields { // validation lets only metadata.name pass
		c, ok := pin(corev1.LabelHostname, e.Operator, e.Values)
		constraints, all = append(constraints, c...), all && ok
	}
	return constraints, all
}

// pin says one requirement as constraints.
func pin(label string, op corev1.NodeSelectorOperator, values []string) (constraints []string, ok bool) {
	key, own := constraintKeys[label]
	if !own {
		key = "node.labels." + label
	}
	compare := ""
	switch {
	case op == corev1.NodeSelectorOpIn && len(values) == 1:
		compare = "=="
	case op == corev1.NodeSelectorOpNotIn:
		compare = "!="
	default:
		return nil, false
	}
	for _, value := range values {
		if label == corev1.LabelArchStable {
			value = architecture(value)
		}
		if !constraintKey.MatchString(key) || !constraintValue.MatchString(value) {
			return nil, false
		}
		constraints = append(constraints, pinned+strings.TrimPrefix(key, "node.")+compare+value)
	}
	return constraints, true
}

// PinnedTo are the hosts, by name, that a volume is on; nil for one that is not kept to hosts.
func PinnedTo(pv *corev1.PersistentVolume) []string {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return nil
	}
	var hosts []string
	for _, term := range pv.Spec.NodeAffinity.Required.NodeSelectorTerms {
		for _, e := range term.MatchExpressions {
			if e.Key == corev1.LabelHostname && e.Operator == corev1.NodeSelectorOpIn {
				hosts = append(hosts, e.Values...)
			}
		}
	}
	return hosts
}

// createdAt reads when Docker says that a volume was made; zero where it does not.
func createdAt(text string) metav1.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return metav1.Time{}
	}
	return metav1.NewTime(at.UTC()).Rfc3339Copy()
}
