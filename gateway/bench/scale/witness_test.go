package scale

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func pod(name, uid, version string, phase corev1.PodPhase) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name, UID: types.UID(uid), ResourceVersion: version},
		Status:     corev1.PodStatus{Phase: phase},
	}
}

func TestWitness(t *testing.T) {
	for name, c := range map[string]struct {
		tell   func(w *witness) error
		faults int
	}{
		"a usual life": {func(w *witness) error {
			_, _ = w.Add(pod("y", "2", "6", "Pending")), w.Update(pod("y", "2", "7", "Running"))
			return w.Delete(pod("y", "2", "8", "Running"))
		}, 0},
		"a list that has all":          {func(w *witness) error { return w.Replace([]any{pod("x", "1", "5", "Running")}, "9") }, 0},
		"added though known":           {func(w *witness) error { return w.Add(pod("x", "1", "6", "Running")) }, 1},
		"older than known":             {func(w *witness) error { return w.Update(pod("x", "1", "4", "Running")) }, 1},
		"twice the same version":       {func(w *witness) error { return w.Update(pod("x", "1", "5", "Failed")) }, 1},
		"changed though unknown":       {func(w *witness) error { return w.Update(pod("y", "2", "6", "Running")) }, 1},
		"deleted though unknown":       {func(w *witness) error { return w.Delete(pod("y", "2", "6", "Running")) }, 1},
		"deleted though it is there":   {func(w *witness) error { return w.Delete(pod("x", "1", "6", "Running")) }, 1},
		"a list forgot it":             {func(w *witness) error { return w.Replace(nil, "9") }, 1},
		"a list that is older":         {func(w *witness) error { return w.Replace([]any{pod("x", "1", "5", "Running")}, "3") }, 1},
		"a list with an older version": {func(w *witness) error { return w.Replace([]any{pod("x", "1", "4", "Running")}, "9") }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			truth, err := sightAll([]any{pod("x", "1", "5", "Running")})
			if err != nil {
				t.Fatal(err)
			}
			w := newWitness()
			if err := w.Replace([]any{pod("x", "1", "5", "Running")}, "5"); err != nil || !w.equals(truth) {
				t.Fatalf("the first list: %v, equal: %v", err, w.equals(truth))
			}
			if err := c.tell(w); err != nil {
				t.Fatal(err)
			}
			if got := w.faults(truth); len(got) != c.faults {
				t.Errorf("%d faults, not %d: %q", len(got), c.faults, got)
			}
		})
	}
	w := newWitness()
	if err := w.Replace([]any{pod("x", "1", "5", "Failed")}, "5"); err != nil {
		t.Fatal(err)
	}
	if truth, _ := sightAll([]any{pod("x", "1", "5", "Running")}); w.equals(truth) {
		t.Error("another content of the same version is taken for the same")
	}
}
