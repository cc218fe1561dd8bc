package translate

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// templateWith is a Pod template with a fragment laid over it.
func templateWith(t *testing.T, fragment string) *corev1.PodTemplateSpec {
	t.Helper()
	pod := fragmentPod(t, "spec", fragment)
	return &corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
}

// Templates by what they ask for.
const (
	asksNothing       = `containers: [{name: a, image: b}]`
	asksOther         = `containers: [{name: a, image: c}]`
	asksBetter        = `containers: [{name: a, image: b, securityContext: {runAsNonRoot: true}}]`
	asksBetter2       = `containers: [{name: a, image: c, securityContext: {runAsNonRoot: true}}]`
	asksMore          = `containers: [{name: a, image: b, securityContext: {runAsNonRoot: true}, terminationMessagePath: /a}]`
	asksTwo           = `containers: [{name: a, image: b}, {name: c, image: d}]`
	asksTheImpossible = `containers: [{name: a, image: b, args: ["$(NODE)"], env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}], securityContext: {runAsNonRoot: true}}]`
)

func TestFormFor(t *testing.T) {
	for _, c := range []struct {
		template, annotation string
		want                 form
	}{
		{asksNothing, "", plainTask},
		{asksBetter, "", sandboxed},
		{asksTwo, "", sandboxed},
		{asksTheImpossible, "", sandboxed},
		{asksNothing, "always", sandboxed},
		{asksBetter, "never", plainTask},
		{asksTwo, "never", plainTask}, // and refused
	} {
		tpl := templateWith(t, c.template)
		if c.annotation != "" {
			tpl.Annotations = map[string]string{AnnotationSandbox: c.annotation}
		}
		if got := formFor(tpl, DefaultNetworking); got != c.want {
			t.Errorf("%s, %q: form %d, want %d", c.template, c.annotation, got, c.want)
		}
	}
	newer := DefaultNetworking
	newer.QuickHealth = true
	tpl := templateWith(t, `containers: [{name: a, image: b, securityContext: {allowPrivilegeEscalation: false}}]`)
	if formFor(tpl, DefaultNetworking) != sandboxed || formFor(tpl, newer) != plainTask {
		t.Error("allowPrivilegeEscalation takes a sandbox on old Engines, and no other")
	}
}

// TestNextForm: a plain task stays one while it holds its template as well as before; a sandbox where none is needed any
// more becomes a plain task.
func TestNextForm(t *testing.T) {
	for _, c := range []struct {
		live    form
		was, is string
		want    form
	}{
		{plainTask, asksNothing, asksOther, plainTask},
		{plainTask, asksNothing, asksBetter, sandboxed},
		{plainTask, asksBetter, asksBetter2, plainTask},
		{plainTask, asksBetter, asksNothing, plainTask},
		{plainTask, asksBetter, asksMore, sandboxed},
		{plainTask, asksBetter, asksTwo, sandboxed},
		{plainTask, asksBetter, asksTheImpossible, sandboxed},
		{sandboxed, asksBetter, asksBetter2, sandboxed},
		{sandboxed, asksTwo, asksNothing, plainTask},
		{sandboxed, asksTwo, asksBetter, sandboxed},
	} {
		if got := nextForm(c.live, templateWith(t, c.was), templateWith(t, c.is), DefaultNetworking); got != c.want {
			t.Errorf("from %d, %s, to %s: form %d, want %d", c.live, c.was, c.is, got, c.want)
		}
	}
	never, free := templateWith(t, asksBetter), templateWith(t, asksBetter)
	never.Annotations = map[string]string{AnnotationSandbox: "never"}
	if nextForm(plainTask, never, free, DefaultNetworking) != sandboxed || nextForm(sandboxed, free, never, DefaultNetworking) != plainTask {
		t.Error("the annotation is not followed")
	}
}

// TestNeverIsSaid: what cannot be without the sandbox is refused by its field, with what to do.
func TestNeverIsSaid(t *testing.T) {
	pod := fragmentPod(t, "spec", `{hostPID: true, `+asksTwo+`}`)
	pod.Annotations = map[string]string{AnnotationSandbox: "never"}
	refused, _ := Check("Pod", pod, DefaultNetworking)
	said := map[string]bool{}
	for _, err := range refused {
		said[err.Field] = strings.Contains(err.Detail, "leave the annotation out")
	}
	if len(refused) != 2 || !said["spec.hostPID"] || !said["spec.containers"] {
		t.Errorf("%v", refused)
	}
}
