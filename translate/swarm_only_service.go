package translate

import (
	"maps"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// serviceOnlyOf reads the parts of a live service, with Swarm's defaults as Docker fills them in.
func serviceOnlyOf(s *swarm.ServiceSpec) serviceOnly {
	var only serviceOnly
	if u := s.UpdateConfig; u != nil {
		parts := updateOnly{FailureAction: u.FailureAction, Monitor: u.Monitor, MaxFailureRatio: u.MaxFailureRatio}
		if parts.FailureAction == swarm.UpdateFailureActionPause {
			parts.FailureAction = ""
		}
		if parts.Monitor == defaultMonitor {
			parts.Monitor = 0
		}
		only.UpdateConfig = filled(parts)
	}
	if r := s.RollbackConfig; r != nil {
		back := *r
		if back.FailureAction == "" {
			back.FailureAction = swarm.UpdateFailureActionPause
		}
		if back.Order == "" {
			back.Order = swarm.UpdateOrderStopFirst
		}
		only.RollbackConfig = &back
	}
	return only
}

// rollsOut tells the kinds whose services Swarm updates.
func rollsOut(object any) bool {
	switch object.(type) {
	case *appsv1.Deployment, *appsv1.DaemonSet, *appsv1.StatefulSet:
		return true
	}
	return false
}

func serviceOnlyAt(s *swarm.ServiceSpec) any { return written(serviceOnlyOf(s)) }

func getServiceOnly(s *swarm.ServiceSpec, object *Object) {
	meta := objectMeta(*object)
	if !rollsOut(*object) {
		return
	}
	meta.Annotations = maps.Clone(meta.Annotations)
	delete(meta.Annotations, AnnotationSwarmSpec)
	if doc := written(serviceOnlyOf(s)); doc != "" {
		metav1.SetMetaDataAnnotation(meta, AnnotationSwarmSpec, doc)
	}
}

// putServiceOnly makes a service have the parts that the object's annotation names.
func putServiceOnly(object Object, spec *swarm.ServiceSpec) {
	if !rollsOut(object) {
		return
	}
	only := readOnly[serviceOnly](object.GetAnnotations())
	spec.RollbackConfig = only.RollbackConfig
	if u := only.UpdateConfig; u != nil && spec.UpdateConfig != nil {
		if u.FailureAction != "" {
			spec.UpdateConfig.FailureAction = u.FailureAction
		}
		spec.UpdateConfig.Monitor, spec.UpdateConfig.MaxFailureRatio = u.Monitor, u.MaxFailureRatio
	}
}
