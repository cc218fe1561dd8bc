package gateway

import (
	"testing"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/kubernetes/pkg/apis/core"
	registrypod "k8s.io/kubernetes/pkg/registry/core/pod"
)

// A field selector finds the same objects whether or not empty fields are kept.
func TestCompactSelects(t *testing.T) {
	pending := &core.Pod{Status: core.PodStatus{Phase: core.PodPending}}
	pending.Name, pending.Namespace = "p", "ns"
	running := pending.DeepCopy()
	running.Spec.NodeName, running.Status.Phase = "sim-1", core.PodRunning
	for _, pod := range []*core.Pod{pending, running} {
		_, all, err := registrypod.GetAttrs(pod)
		if err != nil {
			t.Fatal(err)
		}
		_, some, err := compact(registrypod.GetAttrs)(pod)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 || len(some) >= len(all) {
			t.Errorf("of %d fields %d are kept", len(all), len(some))
		}
		for _, selector := range []string{
			"spec.nodeName=", "spec.nodeName!=", "spec.nodeName=sim-1", "spec.nodeName!=sim-1", "status.phase=Running",
			"status.nominatedNodeName=", "metadata.namespace=ns,spec.nodeName!=sim-2", "metadata.name!=p",
		} {
			s, err := fields.ParseSelector(selector)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := s.Matches(some), s.Matches(all); got != want {
				t.Errorf("%s of a Pod on node %q: %v, and with all fields %v", selector, pod.Spec.NodeName, got, want)
			}
		}
	}
}
