package translate

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"

	"github.com/docker/docker/api/types/swarm"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checkSwarmSpec refuses annotations that do not say what they may.
func checkSwarmSpec(obj runtime.Object, tpl *corev1.PodTemplateSpec, at *field.Path) field.ErrorList {
	if tpl == nil {
		return nil
	}
	metadata := field.NewPath("metadata")
	if _, ok := obj.(*corev1.Pod); ok {
		return checkOnly[taskOnly](tpl.Annotations, metadata)
	}
	of := at.Root()
	_, job := obj.(*batchv1.Job)
	if _, cron := obj.(*batchv1.CronJob); cron {
		job, of = true, of.Child("jobTemplate", "spec")
	}
	errs := checkOnly[taskOnly](tpl.Annotations, of.Child("template", "metadata"))
	object, ok := obj.(Object)
	if !ok {
		return errs
	}
	if job && object.GetAnnotations()[AnnotationSwarmSpec] != "" {
		return append(errs, field.Forbidden(onlyAt(metadata), "is about updates, and a job's service has none: put what is about its tasks on the template"))
	}
	return append(errs, checkOnly[serviceOnly](object.GetAnnotations(), metadata)...)
}

func onlyAt(metadata *field.Path) *field.Path {
	return metadata.Child("annotations").Key(AnnotationSwarmSpec)
}

func checkOnly[T any](annotations map[string]string, metadata *field.Path) field.ErrorList {
	doc, ok := annotations[AnnotationSwarmSpec]
	if !ok {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(doc)))
	decoder.DisallowUnknownFields()
	var only T
	err := decoder.Decode(&only)
	if err == nil && decoder.Decode(&struct{}{}) != io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return field.ErrorList{field.Invalid(onlyAt(metadata), doc, "is to be JSON of what Kubernetes has no field for, in the shape of Docker's API: "+err.Error())}
	}
	task, ok := any(only).(taskOnly)
	if c := orZero(task.RestartPolicy).Condition; ok && c != "" && !slices.Contains([]swarm.RestartPolicyCondition{
		swarm.RestartPolicyConditionNone, swarm.RestartPolicyConditionOnFailure, swarm.RestartPolicyConditionAny,
	}, c) {
		return field.ErrorList{field.NotSupported(onlyAt(metadata).Child("RestartPolicy", "Condition"), c, []string{"none", "on-failure", "any"})}
	}
	if h := orZero(orZero(task.ContainerSpec).Healthcheck); len(h.Test) > 0 && (len(h.Test) > 1 || h.Test[0] != "NONE") {
		return field.ErrorList{field.Forbidden(onlyAt(metadata).Child("ContainerSpec", "Healthcheck", "Test"), `can only be ["NONE"]: a check is a livenessProbe`)}
	}
	return nil
}
