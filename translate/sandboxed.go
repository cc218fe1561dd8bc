package translate

import (
	"reflect"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"skep/translate/manifest"
)

// AnnotationSandbox on a Pod says whether it runs under skep's sandbox: "never" keeps it a plain task, whatever a
// sandbox would do better; "always" is the other way round. Without it a Pod that a plain task can hold is one.
const AnnotationSandbox = "skep/sandbox"

// form is how a Pod runs.
type form int

const (
	eitherForm form = iota // not decided yet
	plainTask              // the task's container is the Pod's one container
	sandboxed              // the task's container is skep's sandbox
)

// need is how much a Pod template asks for the sandbox.
type need int

const (
	needless need = iota
	better        // a plain task can only approximate it
	must          // a plain task cannot hold it
)

func (f *fate) need() need {
	if f.plain != "" {
		return better
	}
	return must
}

// isSandbox says whether a task is a sandbox.
func isSandbox(spec *swarm.TaskSpec) bool {
	return spec.ContainerSpec != nil && spec.ContainerSpec.Labels[manifest.LabelRole] == manifest.RoleSandbox
}

// formOf is the form of a task that is there.
func formOf(spec *swarm.TaskSpec) form {
	if isSandbox(spec) {
		return sandboxed
	}
	return plainTask
}

// needOf is how much a template asks for the sandbox, by the fates of its fields.
func needOf(tpl *corev1.PodTemplateSpec, net Networking) need {
	switch tpl.Annotations[AnnotationSandbox] {
	case "never":
		return needless
	case "always":
		return must
	}
	k := newChecker(podRows)
	spec := tpl.Spec // a copy that can be addressed
	k.walkStruct(reflect.ValueOf(&spec).Elem(), "", nil, subject{net: net})
	return k.needed
}

// formFor decides how a new Pod of a template runs.
func formFor(tpl *corev1.PodTemplateSpec, net Networking) form {
	if tpl.Annotations[AnnotationSandbox] == "never" {
		return plainTask
	}
	if needOf(tpl, net) != needless {
		return sandboxed
	}
	// What the table cannot say, such as a variable in the command that only the node knows.
	at := field.NewPath("spec")
	if plain := checkForm(tpl, at, net, plainTask); len(plain) > len(checkForm(tpl, at, net, sandboxed)) {
		return sandboxed
	}
	return plainTask
}

// HeldPlain says whether a template's Pods run under a sandbox unless AnnotationSandbox keeps them plain tasks, which would
// hold them: as what Docker's tools made is held.
func HeldPlain(tpl *corev1.PodTemplateSpec, net Networking) bool {
	if formFor(tpl, net) == plainTask {
		return false
	}
	refused, _ := checkPlain(tpl, net)
	return len(refused) == 0
}

// nextForm decides how the Pods of a changed template run. Those of a plain task stay plain as long as it holds
// them as well as before: what Docker made does not become a sandbox by a change of something else.
func nextForm(live form, was, is *corev1.PodTemplateSpec, net Networking) form {
	if live == plainTask && was.Annotations[AnnotationSandbox] == is.Annotations[AnnotationSandbox] {
		_, before := checkPlain(was, net)
		if refused, now := checkPlain(is, net); len(refused) == 0 && len(NewWarnings(now, before)) == 0 {
			return plainTask
		}
	}
	return formFor(is, net)
}

// checkPlain tells what a plain task cannot hold of a template, and what it can only approximate.
func checkPlain(tpl *corev1.PodTemplateSpec, net Networking) (refused field.ErrorList, warnings []string) {
	k := newChecker(podRows)
	k.form = plainTask
	spec := tpl.Spec // a copy that can be addressed
	at := field.NewPath("spec")
	k.walkStruct(reflect.ValueOf(&spec).Elem(), "", at, subject{net: net})
	return append(k.refused, checkForm(tpl, at, net, plainTask)...), k.warnings
}

// podRows are the fates below a Pod's spec.
var podRows = func() []fate {
	var rows []fate
	for _, part := range podFates {
		rows = append(rows, part...)
	}
	return rows
}()
