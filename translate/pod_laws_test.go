package translate

import (
	"encoding/json"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// native answers that every config and secret is docker's own, by the name that Get gives it.
type native struct{ sources }

func (native) NativeConfig(_, name, key string) string { return nativeName(name, key) }
func (native) NativeSecret(_, name, key string) string { return nativeName(name, key) }

func nativeName(name, key string) string {
	if DNSName(key) == name {
		return key
	}
	return ""
}

// laws runs a law over many seeds; fuzzing looks for more.
func laws(t *testing.T, law func(*testing.T, int64)) {
	t.Helper()
	someLaws(t, 400, law)
}

// someLaws does so with fewer seeds where each costs more.
func someLaws(t *testing.T, count int, law func(*testing.T, int64)) {
	t.Helper()
	if err := quick.Check(func(seed int64) bool {
		law(t, seed)
		return !t.Failed()
	}, &quick.Config{MaxCount: count}); err != nil {
		t.Error(err)
	}
}

func TestPodPutGet(t *testing.T)        { laws(t, lawPutGet) }
func TestPodGetPut(t *testing.T)        { laws(t, lawGetPut) }
func TestPodForeignChange(t *testing.T) { laws(t, lawForeignChange) }

func FuzzPodPutGet(f *testing.F)        { f.Fuzz(lawPutGet) }
func FuzzPodGetPut(f *testing.F)        { f.Fuzz(lawGetPut) }
func FuzzPodForeignChange(f *testing.F) { f.Fuzz(lawForeignChange) }

var somePod = PodIdentity{Namespace: "default", Name: "web-5d4b9c", Generated: true, Hash: "5d4b9c"}

// lawPutGet: what was sent is what is read back, after Docker filled in what it fills in.
func lawPutGet(t *testing.T, seed int64) {
	tpl, src := randomPod(rand.New(rand.NewSource(seed)))
	plan := mustPutPlain(t, seed, tpl, src)
	seen := SeenPod(&plan.Task)
	got := tpl.DeepCopy()
	OverlayPod(got, throughDocker(t, &plan.Task), seen)
	if diff := differ(tpl, got); diff != "" {
		t.Errorf("seed %d: sent and read back differ:\n%s", seed, diff)
	}
}

// lawGetPut: applying what was read changes nothing, and reading what it says gives it again.
func lawGetPut(t *testing.T, seed int64) {
	s := randomTask(rand.New(rand.NewSource(seed)))
	before := clone(t, &s)
	tpl := GetPod(&s, "shop_Web_1")
	if !reflect.DeepEqual(&s, before) {
		t.Errorf("seed %d: Get changed the task", seed)
	}
	one, two := mustPutPlain(t, seed, &tpl, native{}), mustPutPlain(t, seed, &tpl, native{})
	if diff := differ(one, two); diff != "" {
		t.Errorf("seed %d: Put is not deterministic:\n%s", seed, diff)
	}
	for _, merged := range []func() (swarm.TaskSpec, error){
		func() (swarm.TaskSpec, error) { return merge(&s, &one.Task, &two.Task) },
		func() (swarm.TaskSpec, error) { return mergeTask(&s, &one.Task, &two.Task, false) },
	} {
		same, err := merged()
		if err != nil {
			t.Fatal(err)
		}
		if diff := differ(s, same); diff != "" {
			t.Errorf("seed %d: applying what was read changes:\n%s", seed, diff)
		}
	}
	if diff := differ(taskOnlyOf(&s), taskOnlyOf(&one.Task)); diff != "" {
		t.Errorf("seed %d: what only Swarm can say is lost:\n%s", seed, diff)
	}
	again := GetPod(&one.Task, "shop_Web_1")
	if diff := differ(tpl.Spec, again.Spec); diff != "" {
		t.Errorf("seed %d: a second Get differs:\n%s", seed, diff)
	}
}

// lawForeignChange: what someone changes in Swarm shows in the object, and nothing else does.
func lawForeignChange(t *testing.T, seed int64) {
	r := rand.New(rand.NewSource(seed))
	tpl, src := randomPod(r)
	plan := mustPutPlain(t, seed, tpl, native{src})
	seen := SeenPod(&plan.Task)
	live := throughDocker(t, &plan.Task)
	change := foreignChanges[r.Intn(len(foreignChanges))]
	change.do(live.ContainerSpec, live)
	got := tpl.DeepCopy()
	OverlayPod(got, live, seen)
	again := mustPutPlain(t, seed, got, native{src})
	for _, f := range podFacets(nil) {
		if diff := differ(prune(f.at(live)), prune(f.at(&again.Task))); diff != "" {
			t.Errorf("seed %d: after %s the part %s differs:\n%s", seed, change.name, f.name, diff)
		}
	}
	if change.keeps != nil && !change.keeps(tpl, got) {
		t.Errorf("seed %d: %s changed more than that:\n%s", seed, change.name, differ(tpl, got))
	}
}

// mustPut puts a template in a form that has to take it, with nothing refused.
func mustPut(t *testing.T, seed int64, tpl *corev1.PodTemplateSpec, src Sources, f form) PodPlan {
	t.Helper()
	owner := &corev1.Pod{ObjectMeta: *tpl.ObjectMeta.DeepCopy(), Spec: tpl.Spec}
	owner.Annotations = withEntry(owner.Annotations, AnnotationSandbox, map[form]string{plainTask: "never", sandboxed: "always"}[f])
	if refused, _ := Check("Pod", owner, DefaultNetworking); len(refused) > 0 {
		t.Fatalf("seed %d: refused: %v", seed, refused)
	}
	plan, err := putPodAs(tpl, somePod, src, f)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if got := formOf(&plan.Task); got != f {
		t.Fatalf("seed %d: the task is of form %d, want %d", seed, got, f)
	}
	return plan
}

func mustPutPlain(t *testing.T, seed int64, tpl *corev1.PodTemplateSpec, src Sources) PodPlan {
	t.Helper()
	return mustPut(t, seed, tpl, src, plainTask)
}

// differ shows two values that are not the same.
func differ(a, b any) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	docs := make([]string, 2)
	for i, v := range []any{a, b} {
		doc, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			return err.Error()
		}
		docs[i] = string(doc)
	}
	one, two := strings.Split(docs[0], "\n"), strings.Split(docs[1], "\n")
	var out strings.Builder
	for _, line := range one {
		if !slices.Contains(two, line) {
			out.WriteString("- " + line + "\n")
		}
	}
	for _, line := range two {
		if !slices.Contains(one, line) {
			out.WriteString("+ " + line + "\n")
		}
	}
	if out.Len() == 0 {
		return "the order, or what JSON leaves out"
	}
	return out.String()
}

func clone(t *testing.T, s *swarm.TaskSpec) *swarm.TaskSpec {
	t.Helper()
	doc, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	out := &swarm.TaskSpec{}
	if err := json.Unmarshal(doc, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// throughDocker fills in what the Engine fills in when a service is read back.
func throughDocker(t *testing.T, s *swarm.TaskSpec) *swarm.TaskSpec {
	t.Helper()
	out := clone(t, s)
	for _, ref := range out.ContainerSpec.Configs {
		ref.ConfigID = "id-" + ref.ConfigName
	}
	for _, ref := range out.ContainerSpec.Secrets {
		ref.SecretID = "id-" + ref.SecretName
	}
	for i := range out.Networks {
		out.Networks[i].Target = "k7jtw6i8ga6a"
	}
	out.ContainerSpec.Isolation = "default"
	out.Runtime = swarm.RuntimeContainer
	if out.Placement == nil {
		out.Placement = &swarm.Placement{}
	}
	if out.Resources == nil {
		out.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{}, Reservations: &swarm.Resources{}}
	}
	return out
}

// foreignChange is something that docker service update can do.
type foreignChange struct {
	name string
	do   func(*swarm.ContainerSpec, *swarm.TaskSpec)
	// keeps tells that the rest of the template is as it was sent; nil where the facets say enough.
	keeps func(before, after *corev1.PodTemplateSpec) bool
}

func sameExcept(change func(*corev1.PodTemplateSpec)) func(before, after *corev1.PodTemplateSpec) bool {
	return func(before, after *corev1.PodTemplateSpec) bool {
		before, after = before.DeepCopy(), after.DeepCopy()
		for _, o := range []*corev1.PodTemplateSpec{before, after} {
			change(o)
			withoutSwarmSpec(o) // a part of a task of its own
		}
		return equality.Semantic.DeepEqual(before, after)
	}
}

// keepsEntries: all that was sent is still there, if in other places.
func keepsEntries(before, after *corev1.PodTemplateSpec) bool {
	b, a := before.Spec.Containers[0], after.Spec.Containers[0]
	for _, e := range b.Env {
		if e.Name != "FOREIGN" && !slices.ContainsFunc(a.Env, func(o corev1.EnvVar) bool { return reflect.DeepEqual(o, e) }) {
			return false
		}
	}
	for _, vm := range b.VolumeMounts {
		if !slices.ContainsFunc(a.VolumeMounts, func(o corev1.VolumeMount) bool { return reflect.DeepEqual(o, vm) }) {
			return false
		}
	}
	return reflect.DeepEqual(b.EnvFrom, a.EnvFrom)
}

func withoutPrefix(env []string, prefix string) []string {
	return slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, prefix) })
}
