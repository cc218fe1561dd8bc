package translate

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// serviceFacets are the parts of a service beside its task template.
var serviceFacets = []facet[swarm.ServiceSpec, Object]{
	{
		name: "service-labels", // not the task's, which Seen holds as well
		at:   func(s *swarm.ServiceSpec) any { return labelPairs(userLabels(s.Labels)) },
		get:  getServiceLabels,
	},
	{
		name: "replicas",
		at: func(s *swarm.ServiceSpec) any {
			if n := replicasOf(s); n != nil {
				return strconv.FormatUint(*n, 10)
			}
			return nil
		},
		get: getReplicas,
	},
	{
		name: "strategy",
		at:   func(s *swarm.ServiceSpec) any { return pace(s.UpdateConfig) },
		get:  getStrategy,
	},
	{name: "service-only", at: serviceOnlyAt, get: getServiceOnly},
	jobFacets[0], jobFacets[1],
}

func replicasOf(s *swarm.ServiceSpec) *uint64 {
	switch {
	case s.Mode.Replicated != nil:
		return s.Mode.Replicated.Replicas
	case s.Mode.ReplicatedJob != nil:
		return s.Mode.ReplicatedJob.TotalCompletions
	}
	return nil
}

func getReplicas(s *swarm.ServiceSpec, object *Object) {
	n := replicasOf(s)
	if n == nil {
		return
	}
	count := int32(min(*n, 1<<31-1))
	switch o := (*object).(type) {
	case *appsv1.Deployment:
		o.Spec.Replicas = &count
	case *appsv1.ReplicaSet:
		o.Spec.Replicas = &count
	case *appsv1.StatefulSet:
		o.Spec.Replicas = &count
	case *batchv1.Job:
		o.Spec.Completions = &count
	}
}

// userLabels are the labels of a Swarm object that are neither skep's nor those of Docker's stacks.
func userLabels(labels map[string]string) map[string]string {
	user, ingresses := map[string]string{}, traefikKeys(labels)
	for k, v := range labels {
		if !stackLabel(k) && !ingresses[k] {
			user[k] = v
		}
	}
	return user
}

// labelPairs are labels as a list: an empty value is not the same as no label.
func labelPairs(labels map[string]string) []string {
	pairs := make([]string, 0, len(labels))
	for k, v := range labels {
		pairs = append(pairs, k+"="+v)
	}
	slices.Sort(pairs)
	return pairs
}

// reservedLabel tells the names that are skep's and Docker's.
func reservedLabel(key string) bool {
	return strings.HasPrefix(key, "skep.") || strings.HasPrefix(key, "com.docker.")
}

// stackLabel tells the labels by which skep and Docker's stacks know what is theirs. Others of Docker's, such as
// com.docker.lb.*, are of whoever set them.
func stackLabel(key string) bool {
	return strings.HasPrefix(key, "skep.") || strings.HasPrefix(key, "com.docker.stack.") || strings.HasPrefix(key, "com.docker.swarm.")
}

// getServiceLabels shows Swarm labels as labels where Kubernetes allows them, else in an annotation.
func getServiceLabels(s *swarm.ServiceSpec, object *Object) {
	meta := objectMeta(*object)
	var rest map[string]string
	meta.Labels, rest = splitLabels(userLabels(s.Labels))
	meta.Annotations = maps.Clone(meta.Annotations)
	delete(meta.Annotations, AnnotationSwarmLabels)
	if len(rest) > 0 {
		doc, err := json.Marshal(rest)
		if err == nil {
			metav1.SetMetaDataAnnotation(meta, AnnotationSwarmLabels, string(doc))
		}
	}
}

// splitLabels parts what Kubernetes allows as labels from the rest.
func splitLabels(labels map[string]string) (valid, rest map[string]string) {
	for k, v := range labels {
		to := &rest
		if len(validation.IsQualifiedName(k)) == 0 && len(validation.IsValidLabelValue(v)) == 0 {
			to = &valid
		}
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[k] = v
	}
	return valid, rest
}

// putServiceLabels is the other direction.
func putServiceLabels(object Object) map[string]string {
	labels := map[string]string{}
	if doc, ok := object.GetAnnotations()[AnnotationSwarmLabels]; ok {
		rest := map[string]string{}
		if json.Unmarshal([]byte(doc), &rest) == nil {
			maps.Copy(labels, userLabels(rest))
		}
	}
	maps.Copy(labels, userLabels(object.GetLabels()))
	return labels
}
