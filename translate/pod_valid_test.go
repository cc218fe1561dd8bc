package translate

import (
	"math/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/capabilities"
)

// TestPodGetIsValid: what is read can be applied again, so upstream's validation must take it.
func TestPodGetIsValid(t *testing.T) {
	laws(t, func(t *testing.T, seed int64) {
		t.Helper()
		r := rand.New(rand.NewSource(seed))
		s := randomTask(r)
		tpl := GetPod(&s, "shop_Web_1")
		mustBeValid(t, seed, &tpl)

		sent, src := randomPod(r)
		mustBeValid(t, seed, sent)
		plan := mustPutPlain(t, seed, sent, src)
		change := foreignChanges[r.Intn(len(foreignChanges))]
		seen, live := SeenPod(&plan.Task), throughDocker(t, &plan.Task)
		change.do(live.ContainerSpec, live)
		OverlayPod(sent, live, seen)
		mustBeValid(t, seed, sent)
	})
}

// mustBeValid asks upstream's validation.
func mustBeValid(t *testing.T, seed int64, tpl *corev1.PodTemplateSpec) {
	t.Helper()
	holder := &corev1.Pod{ObjectMeta: *tpl.ObjectMeta.DeepCopy(), Spec: *tpl.Spec.DeepCopy()}
	holder.Name, holder.Namespace = "web", "default"
	corev1defaults.SetObjectDefaults_Pod(holder)
	var internal core.Pod
	if err := corev1defaults.Convert_v1_Pod_To_core_Pod(holder, &internal, nil); err != nil {
		t.Fatal(err)
	}
	capabilities.Initialize(capabilities.Capabilities{AllowPrivileged: true})
	options := pod.GetValidationOptionsFromPodSpecAndMeta(&internal.Spec, nil, &internal.ObjectMeta, nil)
	if errs := validation.ValidatePodCreate(&internal, options); len(errs) > 0 {
		t.Errorf("seed %d: not valid: %v", seed, errs)
	}
}
