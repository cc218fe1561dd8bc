package gateway

import (
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	// Kinds that nothing else here brings in.
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	kubeletclient "k8s.io/kubernetes/pkg/kubelet/client"
	controllerrevisionstore "k8s.io/kubernetes/pkg/registry/apps/controllerrevision/storage"
	daemonsetstore "k8s.io/kubernetes/pkg/registry/apps/daemonset/storage"
	deploymentstore "k8s.io/kubernetes/pkg/registry/apps/deployment/storage"
	replicasetstore "k8s.io/kubernetes/pkg/registry/apps/replicaset/storage"
	statefulsetstore "k8s.io/kubernetes/pkg/registry/apps/statefulset/storage"
	"k8s.io/kubernetes/pkg/registry/authentication/selfsubjectreview"
	"k8s.io/kubernetes/pkg/registry/authorization/selfsubjectaccessreview"
	cronjobstore "k8s.io/kubernetes/pkg/registry/batch/cronjob/storage"
	leasestore "k8s.io/kubernetes/pkg/registry/coordination/lease/storage"
	configmapstore "k8s.io/kubernetes/pkg/registry/core/configmap/storage"
	endpointsstore "k8s.io/kubernetes/pkg/registry/core/endpoint/storage"
	eventstore "k8s.io/kubernetes/pkg/registry/core/event/storage"
	namespacestore "k8s.io/kubernetes/pkg/registry/core/namespace/storage"
	nodestore "k8s.io/kubernetes/pkg/registry/core/node/storage"
	persistentvolumestore "k8s.io/kubernetes/pkg/registry/core/persistentvolume/storage"
	claimstore "k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim/storage"
	secretstore "k8s.io/kubernetes/pkg/registry/core/secret/storage"
	endpointslicestore "k8s.io/kubernetes/pkg/registry/discovery/endpointslice/storage"
	ingressstore "k8s.io/kubernetes/pkg/registry/networking/ingress/storage"
	ingressclassstore "k8s.io/kubernetes/pkg/registry/networking/ingressclass/storage"
	networkpolicystore "k8s.io/kubernetes/pkg/registry/networking/networkpolicy/storage"
	storageclassstore "k8s.io/kubernetes/pkg/registry/storage/storageclass/storage"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"skep/translate"
)

// Resource is a row of the table of what skep serves.
type Resource struct {
	GVR schema.GroupVersionResource
	// Backing says what holds the objects: service, task, node, namespace, config, document, memory or none.
	Backing string
	// Lens is nil where nothing is kept.
	Lens translate.Lens
	// storage makes the resource and its subresources, by the suffix of their path.
	storage func(b *builder) (map[string]rest.Storage, error)
}

// Resources are all that skep serves. Adding a kind is a row here and a file in translate.
var Resources = []Resource{
	{corev1.SchemeGroupVersion.WithResource("namespaces"), "namespace", translate.Namespaces{}, namespaces},
	{corev1.SchemeGroupVersion.WithResource("nodes"), "node", translate.Nodes{}, nodes},
	{corev1.SchemeGroupVersion.WithResource("pods"), "task", translate.Pods{}, pods},
	{corev1.SchemeGroupVersion.WithResource("configmaps"), "derived, document", translate.ConfigMaps, func(b *builder) (map[string]rest.Storage, error) {
		s, err := configmapstore.NewREST(b)
		return map[string]rest.Storage{"": s}, err
	}},
	{corev1.SchemeGroupVersion.WithResource("secrets"), "document, sealed", secrets, func(b *builder) (map[string]rest.Storage, error) {
		s, err := secretstore.NewREST(b)
		if err != nil {
			return nil, err
		}
		s.TableConvertor = unkeptRows{s.TableConvertor}
		return map[string]rest.Storage{"": s}, nil
	}},
	{corev1.SchemeGroupVersion.WithResource("serviceaccounts"), "derived, document", translate.ServiceAccounts, func(b *builder) (map[string]rest.Storage, error) {
		return b.accounts.storage(b)
	}},
	{corev1.SchemeGroupVersion.WithResource("events"), "memory", translate.Events{}, events},
	{eventsv1.SchemeGroupVersion.WithResource("events"), "memory", translate.Events{}, events},
	{appsv1.SchemeGroupVersion.WithResource("deployments"), "service", translate.Deployments{}, func(b *builder) (map[string]rest.Storage, error) {
		s, err := deploymentstore.NewStorage(b)
		return map[string]rest.Storage{"": s.Deployment, "/status": s.Status, "/scale": s.Scale}, err
	}},
	{appsv1.SchemeGroupVersion.WithResource("replicasets"), "service, document", translate.ReplicaSets{}, func(b *builder) (map[string]rest.Storage, error) {
		s, err := replicasetstore.NewStorage(b)
		return map[string]rest.Storage{"": s.ReplicaSet, "/status": s.Status, "/scale": s.Scale}, err
	}},
	{appsv1.SchemeGroupVersion.WithResource("daemonsets"), "service", translate.DaemonSets{}, func(b *builder) (map[string]rest.Storage, error) {
		s, status, err := daemonsetstore.NewREST(b)
		return map[string]rest.Storage{"": s, "/status": status}, err
	}},
	{appsv1.SchemeGroupVersion.WithResource("controllerrevisions"), "service, document", translate.ControllerRevisions{}, func(b *builder) (map[string]rest.Storage, error) {
		s, err := controllerrevisionstore.NewREST(b)
		return map[string]rest.Storage{"": s}, err
	}},
	{appsv1.SchemeGroupVersion.WithResource("statefulsets"), "service", translate.StatefulSets{}, func(b *builder) (map[string]rest.Storage, error) {
		s, err := statefulsetstore.NewStorage(b)
		return map[string]rest.Storage{"": s.StatefulSet, "/status": s.Status, "/scale": s.Scale}, err
	}},
	{batchv1.SchemeGroupVersion.WithResource("jobs"), "service, document", translate.Jobs{}, jobs},
	{batchv1.SchemeGroupVersion.WithResource("cronjobs"), "document", translate.CronJobs, func(b *builder) (map[string]rest.Storage, error) {
		s, status, err := cronjobstore.NewREST(b)
		return map[string]rest.Storage{"": s, "/status": status}, err
	}},
	{corev1.SchemeGroupVersion.WithResource("services"), "document, service", translate.Services{}, services},
	{corev1.SchemeGroupVersion.WithResource("endpoints"), "derived, document", translate.EndpointsOf{}, func(b *builder) (map[string]rest.Storage, error) {
		s, err := endpointsstore.NewREST(b)
		return map[string]rest.Storage{"": s}, err
	}},
	{discoveryv1.SchemeGroupVersion.WithResource("endpointslices"), "derived, document", translate.EndpointSlices{}, func(b *builder) (map[string]rest.Storage, error) {
		s, err := endpointslicestore.NewREST(b)
		return map[string]rest.Storage{"": s}, err
	}},
	{networkingv1.SchemeGroupVersion.WithResource("ingresses"), "document", translate.Ingresses{}, func(b *builder) (map[string]rest.Storage, error) {
		s, status, err := ingressstore.NewREST(b)
		return map[string]rest.Storage{"": s, "/status": status}, err
	}},
	{networkingv1.SchemeGroupVersion.WithResource("ingressclasses"), "document", ingressClasses, func(b *builder) (map[string]rest.Storage, error) {
		s, err := ingressclassstore.NewREST(b)
		return map[string]rest.Storage{"": s}, err
	}},
	{networkingv1.SchemeGroupVersion.WithResource("networkpolicies"), "document, network", translate.NetworkPolicies{}, func(b *builder) (map[string]rest.Storage, error) {
		s, err := networkpolicystore.NewREST(b)
		return map[string]rest.Storage{"": s}, err
	}},
	{corev1.SchemeGroupVersion.WithResource("persistentvolumes"), "document, volume", translate.PersistentVolumes{}, func(b *builder) (map[string]rest.Storage, error) {
		s, status, err := persistentvolumestore.NewREST(b)
		return map[string]rest.Storage{"": s, "/status": status}, err
	}},
	{corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"), "document", translate.PersistentVolumeClaims{}, func(b *builder) (map[string]rest.Storage, error) {
		s, status, err := claimstore.NewREST(b)
		return map[string]rest.Storage{"": s, "/status": status}, err
	}},
	{storagev1.SchemeGroupVersion.WithResource("storageclasses"), "document", translate.StorageClasses, func(b *builder) (map[string]rest.Storage, error) {
		s, err := storageclassstore.NewREST(b)
		return map[string]rest.Storage{"": s}, err
	}},
	{coordinationv1.SchemeGroupVersion.WithResource("leases"), "document", leases, func(b *builder) (map[string]rest.Storage, error) {
		s, err := leasestore.NewREST(b)
		return map[string]rest.Storage{"": s}, err
	}},
	{metricsv1beta1.SchemeGroupVersion.WithResource("nodes"), "none", nil, newNodeMetrics},
	{metricsv1beta1.SchemeGroupVersion.WithResource("pods"), "none", nil, newPodMetrics},
	{authorizationv1.SchemeGroupVersion.WithResource("selfsubjectaccessreviews"), "none", nil, func(b *builder) (map[string]rest.Storage, error) {
		return map[string]rest.Storage{"": selfsubjectaccessreview.NewREST(b.authorizer, legacyscheme.Scheme)}, nil
	}},
	{authenticationv1.SchemeGroupVersion.WithResource("selfsubjectreviews"), "none", nil, func(*builder) (map[string]rest.Storage, error) {
		return map[string]rest.Storage{"": selfsubjectreview.NewREST()}, nil
	}},
	{apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"), "none", nil, func(*builder) (map[string]rest.Storage, error) {
		return map[string]rest.Storage{"": noDefinitions{rest.NewDefaultTableConvertor(apiextensionsv1.Resource("customresourcedefinitions"))}}, nil
	}},
}

var (
	secrets = translate.Documents{
		Of: "Secret", Sealed: true, Native: translate.GroupSecret,
		New:     func() translate.Object { return &corev1.Secret{} },
		Default: func(o translate.Object) { coredefaults.SetObjectDefaults_Secret(o.(*corev1.Secret)) },
	}
	ingressClasses = translate.Documents{Of: "IngressClass", New: func() translate.Object { return &networkingv1.IngressClass{} }}
	leases         = translate.Documents{Of: "Lease", New: func() translate.Object { return &coordinationv1.Lease{} }}
)

// sealedKinds are the kinds whose content the Swarm's other clients cannot read.
func sealedKinds() map[schema.GroupKind]bool {
	sealed := map[schema.GroupKind]bool{}
	for _, r := range Resources {
		if d, ok := r.Lens.(translate.Documents); ok && d.Sealed {
			sealed[schema.GroupKind{Group: r.GVR.Group, Kind: d.Kind()}] = true
		}
	}
	return sealed
}

func namespaces(b *builder) (map[string]rest.Storage, error) {
	s, status, finalize, err := namespacestore.NewREST(b)
	return map[string]rest.Storage{"": s, "/status": status, "/finalize": finalize}, err
}

func nodes(b *builder) (map[string]rest.Storage, error) {
	s, err := nodestore.NewStorage(b, kubeletclient.KubeletClientConfig{}, nil)
	if err != nil {
		return nil, err
	}
	b.nodes = s.Node
	return map[string]rest.Storage{"": s.Node, "/status": s.Status}, nil
}

// eventTTL is how long Events are kept, as by kube-apiserver's --event-ttl.
const eventTTL = 3600

func events(b *builder) (map[string]rest.Storage, error) {
	s, err := eventstore.NewREST(b, eventTTL)
	return map[string]rest.Storage{"": s}, err
}
