package compose

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	daemonsetregistry "k8s.io/kubernetes/pkg/registry/apps/daemonset"
	deploymentregistry "k8s.io/kubernetes/pkg/registry/apps/deployment"
	statefulsetregistry "k8s.io/kubernetes/pkg/registry/apps/statefulset"
	horizontalpodautoscalerregistry "k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	cronjobregistry "k8s.io/kubernetes/pkg/registry/batch/cronjob"
	jobregistry "k8s.io/kubernetes/pkg/registry/batch/job"
	configmapregistry "k8s.io/kubernetes/pkg/registry/core/configmap"
	namespaceregistry "k8s.io/kubernetes/pkg/registry/core/namespace"
	persistentvolumeregistry "k8s.io/kubernetes/pkg/registry/core/persistentvolume"
	persistentvolumeclaimregistry "k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	podregistry "k8s.io/kubernetes/pkg/registry/core/pod"
	secretregistry "k8s.io/kubernetes/pkg/registry/core/secret"
	serviceregistry "k8s.io/kubernetes/pkg/registry/core/service"
	serviceaccountregistry "k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	ingressregistry "k8s.io/kubernetes/pkg/registry/networking/ingress"
	ingressclassregistry "k8s.io/kubernetes/pkg/registry/networking/ingressclass"
	networkpolicyregistry "k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	poddisruptionbudgetregistry "k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	storageclassregistry "k8s.io/kubernetes/pkg/registry/storage/storageclass"

	"skep/translate"
)

// kindRule is one of the kinds that a conversion makes.
type kindRule struct {
	group, kind string
	// place is its place among the others when they are applied, and what its files' names begin with.
	place int
	// strategy is what the API server validates it by.
	strategy rest.RESTCreateStrategy
}

// kindRules are all that a conversion makes, in the order in which they are applied: what others name comes first. Services
// and NetworkPolicies come before the Pods, so that a Swarm's service has its names and networks when it is made and need
// not start anew for them, and no Pod is in reach of others before its policy is there.
var kindRules = []kindRule{
	{"", "Namespace", 0, namespaceregistry.Strategy},
	{"storage.k8s.io", "StorageClass", 5, storageclassregistry.Strategy},
	{"networking.k8s.io", "IngressClass", 5, ingressclassregistry.Strategy},
	{"", "PersistentVolume", 10, persistentvolumeregistry.Strategy},
	{"", "ServiceAccount", 15, serviceaccountregistry.Strategy},
	{"", "Secret", 20, secretregistry.Strategy},
	{"", "ConfigMap", 25, configmapregistry.Strategy},
	{"", "PersistentVolumeClaim", 30, persistentvolumeclaimregistry.Strategy},
	{"networking.k8s.io", "NetworkPolicy", 35, networkpolicyregistry.Strategy},
	{"", "Service", 40, serviceregistry.Strategy},
	{"apps", "StatefulSet", 50, statefulsetregistry.Strategy},
	{"apps", "DaemonSet", 50, daemonsetregistry.Strategy},
	{"apps", "Deployment", 50, deploymentregistry.Strategy},
	{"", "Pod", 50, podregistry.Strategy},
	{"batch", "Job", 55, jobregistry.Strategy},
	{"batch", "CronJob", 55, cronjobregistry.Strategy},
	{"autoscaling", "HorizontalPodAutoscaler", 60, horizontalpodautoscalerregistry.Strategy},
	{"policy", "PodDisruptionBudget", 60, poddisruptionbudgetregistry.Strategy},
	{"networking.k8s.io", "Ingress", 70, ingressregistry.Strategy},
}

// lastPlace is that of kinds that are not in the table.
const lastPlace = 99

// kindOf is an object's row; nil for a kind that has none.
func kindOf(gvk schema.GroupVersionKind) *kindRule {
	for i := range kindRules {
		if kindRules[i].kind == gvk.Kind && kindRules[i].group == gvk.Group {
			return &kindRules[i]
		}
	}
	return nil
}

// placeOf is an object's place among the others.
func placeOf(o translate.Object) int {
	if k := kindOf(gvkOf(o)); k != nil {
		return k.place
	}
	return lastPlace
}

func gvkOf(o translate.Object) schema.GroupVersionKind { return o.GetObjectKind().GroupVersionKind() }

// ordered puts objects into an order that applies cleanly, which depends on their kinds and names only.
func ordered(objects []translate.Object) []translate.Object {
	slices.SortStableFunc(objects, func(a, b translate.Object) int {
		return cmp.Or(cmp.Compare(placeOf(a), placeOf(b)), cmp.Compare(gvkOf(a).Kind, gvkOf(b).Kind),
			cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return objects
}
