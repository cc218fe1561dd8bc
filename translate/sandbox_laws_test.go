package translate

import (
	"encoding/json"
	"math/rand"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"skep/translate/manifest"
)

func TestSandboxPutGet(t *testing.T)        { laws(t, lawSandboxPutGet) }
func TestSandboxGetPut(t *testing.T)        { laws(t, lawSandboxGetPut) }
func TestSandboxForeignChange(t *testing.T) { laws(t, lawSandboxForeignChange) }

func FuzzSandboxPutGet(f *testing.F)        { f.Fuzz(lawSandboxPutGet) }
func FuzzSandboxGetPut(f *testing.F)        { f.Fuzz(lawSandboxGetPut) }
func FuzzSandboxForeignChange(f *testing.F) { f.Fuzz(lawSandboxForeignChange) }

// lawSandboxPutGet: what needs the sandbox gets one, what was sent is what is read back, and what the sandbox finds
// is what was sent.
func lawSandboxPutGet(t *testing.T, seed int64) {
	tpl, src := randomSandboxed(rand.New(rand.NewSource(seed)))
	mustBeValid(t, seed, tpl)
	if formFor(tpl, DefaultNetworking) != sandboxed {
		t.Fatalf("seed %d: it is to be a plain task", seed)
	}
	plan := mustPut(t, seed, tpl, src, sandboxed)
	got := tpl.DeepCopy()
	OverlayPod(got, throughDocker(t, &plan.Task), SeenPod(&plan.Task))
	if diff := differ(tpl, got); diff != "" {
		t.Errorf("seed %d: sent and read back differ:\n%s", seed, diff)
	}
	pod := laidPod(t, &plan)
	if !equality.Semantic.DeepEqual(pod.Spec, tpl.Spec) || !equality.Semantic.DeepEqual(pod.Annotations, tpl.Annotations) {
		t.Errorf("seed %d: the sandbox finds another Pod:\n%s", seed, differ(tpl.Spec, pod.Spec))
	}
	if pod.Namespace != somePod.Namespace || pod.Labels[LabelHash] != somePod.Hash || pod.Labels["app"] != tpl.Labels["app"] {
		t.Errorf("seed %d: the sandbox finds a Pod of %+v", seed, pod.ObjectMeta)
	}
}

// laidPod is the Pod that a plan lays before its sandbox.
func laidPod(t *testing.T, plan *PodPlan) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	if err := json.Unmarshal(laidFile(t, plan, manifest.PodFile), pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// laidFile is the content of a file that a plan lays before its sandbox; nil where there is none.
func laidFile(t *testing.T, plan *PodPlan, target string) []byte {
	t.Helper()
	name := ""
	for _, ref := range plan.Task.ContainerSpec.Configs {
		if ref.File.Name == target {
			name = ref.ConfigName
		}
	}
	for _, ref := range plan.Task.ContainerSpec.Secrets {
		if ref.File.Name == target {
			name = ref.SecretName
		}
	}
	for _, m := range plan.Materials {
		if m.Name == name {
			return m.Data
		}
	}
	return nil
}

// lawSandboxGetPut: putting what was read of a sandbox, whatever Docker's tools did to it, changes nothing.
func lawSandboxGetPut(t *testing.T, seed int64) {
	r := rand.New(rand.NewSource(seed))
	tpl, src := randomSandboxed(r)
	plan := mustPut(t, seed, tpl, src, sandboxed)
	live := throughDocker(t, &plan.Task)
	touched(dice{r}, live)
	got := tpl.DeepCopy()
	OverlayPod(got, live, SeenPod(&plan.Task))
	one, two := mustPut(t, seed, got, src, sandboxed), mustPut(t, seed, got, src, sandboxed)
	if diff := differ(one, two); diff != "" {
		t.Errorf("seed %d: Put is not deterministic:\n%s", seed, diff)
	}
	same, err := mergeTask(live, &one.Task, &two.Task, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := differ(*live, same); diff != "" {
		t.Errorf("seed %d: applying what was read changes:\n%s", seed, diff)
	}
}

// touched does some of what docker service update can do to a sandbox.
func touched(d dice, live *swarm.TaskSpec) {
	for _, list := range [][]foreignChange{sandboxChanges, sandboxOwn} {
		if change := list[d.Intn(len(list))]; d.yes() {
			change.do(live.ContainerSpec, live)
		}
	}
}

// lawSandboxForeignChange: of what someone changes on a sandbox, that shows in the object which a Pod template can
// say, and nothing else does.
func lawSandboxForeignChange(t *testing.T, seed int64) {
	r := rand.New(rand.NewSource(seed))
	tpl, src := randomSandboxed(r)
	plan := mustPut(t, seed, tpl, src, sandboxed)
	seen := SeenPod(&plan.Task)

	live := throughDocker(t, &plan.Task)
	change := sandboxChanges[r.Intn(len(sandboxChanges))]
	change.do(live.ContainerSpec, live)
	got := tpl.DeepCopy()
	OverlayPod(got, live, seen)
	mustBeValid(t, seed, got)
	again := mustPut(t, seed, got, src, sandboxed)
	for _, f := range sandboxFacets {
		if f.name == "manifest" {
			continue // it says the change, too
		}
		if diff := differ(prune(f.at(live)), prune(f.at(&again.Task))); diff != "" {
			t.Errorf("seed %d: after %s the part %s differs:\n%s", seed, change.name, f.name, diff)
		}
	}
	if change.keeps != nil && !change.keeps(tpl, got) {
		t.Errorf("seed %d: %s changed more than that:\n%s", seed, change.name, differ(tpl, got))
	}
	if !slices.EqualFunc(got.Spec.Containers, tpl.Spec.Containers, func(a, b corev1.Container) bool { return equality.Semantic.DeepEqual(a, b) }) {
		t.Errorf("seed %d: %s changed the containers", seed, change.name)
	}

	live = throughDocker(t, &plan.Task)
	change = sandboxOwn[r.Intn(len(sandboxOwn))]
	change.do(live.ContainerSpec, live)
	got = tpl.DeepCopy()
	OverlayPod(got, live, seen)
	if diff := differ(tpl, got); diff != "" {
		t.Errorf("seed %d: %s of the sandbox shows in the Pod:\n%s", seed, change.name, diff)
	}
}
