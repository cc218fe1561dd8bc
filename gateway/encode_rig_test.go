package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	storagefeature "k8s.io/apiserver/pkg/storage/feature"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	restclient "k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/compatibility"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/generated/openapi"
	deploymentstore "k8s.io/kubernetes/pkg/registry/apps/deployment/storage"
	podstore "k8s.io/kubernetes/pkg/registry/core/pod/storage"
	secretstore "k8s.io/kubernetes/pkg/registry/core/secret/storage"
)

// shelf is a storage of objects that never change, under Kubernetes' own watch cache.
type shelf struct {
	storage.Interface
	objects []runtime.Object
	rev     uint64
	empty   func() runtime.Object
}

func (shelf) Versioner() storage.Versioner                                { return storage.APIObjectVersioner{} }
func (shelf) ReadinessCheck() error                                       { return nil }
func (shelf) RequestWatchProgress(context.Context) error                  { return nil }
func (shelf) EnableResourceSizeEstimation(storage.KeysFunc) error         { return nil }
func (shelf) CompactRevision() int64                                      { return 0 }
func (shelf) Stats(context.Context) (storage.Stats, error)                { return storage.Stats{}, nil }
func (s shelf) GetCurrentResourceVersion(context.Context) (uint64, error) { return s.rev, nil }

func (s shelf) GetList(_ context.Context, _ string, _ storage.ListOptions, listObj runtime.Object) error {
	if err := meta.SetList(listObj, s.objects); err != nil {
		return err
	}
	return s.Versioner().UpdateList(listObj, s.rev, "", nil)
}

// Watch tells what there is, as the watch cache asks at first, and nothing more.
func (s shelf) Watch(_ context.Context, _ string, opts storage.ListOptions) (watch.Interface, error) {
	told := watch.NewFakeWithChanSize(len(s.objects)+1, false)
	if opts.SendInitialEvents == nil || !*opts.SendInitialEvents {
		return told, nil
	}
	for _, o := range s.objects {
		told.Add(o)
	}
	end := s.empty()
	if err := s.Versioner().UpdateObject(end, s.rev); err != nil {
		return nil, err
	}
	if err := storage.AnnotateInitialEventsEndBookmark(end); err != nil {
		return nil, err
	}
	told.Action(watch.Bookmark, end)
	return told, nil
}

// shelves are a generic.RESTOptionsGetter over objects in memory.
type shelves map[schema.GroupResource]shelf

// GetRESTOptions implements generic.RESTOptionsGetter.
func (s shelves) GetRESTOptions(resource schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	decorate := func(
		config *storagebackend.ConfigForResource, prefix string, keyFunc func(runtime.Object) (string, error),
		newFunc, newListFunc func() runtime.Object, getAttrs storage.AttrFunc, triggers storage.IndexerFuncs, indexers *cache.Indexers,
	) (storage.Interface, factory.DestroyFunc, error) {
		below := s[resource]
		below.empty = newFunc
		c, err := cacher.NewCacherFromConfig(cacher.Config{
			Storage: below, Versioner: below.Versioner(), GroupResource: resource, EventsHistoryWindow: storagebackend.DefaultEventsHistoryWindow,
			ResourcePrefix: prefix, KeyFunc: keyFunc, NewFunc: newFunc, NewListFunc: newListFunc, GetAttrsFunc: getAttrs,
			IndexerFuncs: triggers, Indexers: indexers, Codec: config.Codec,
		})
		if err != nil {
			return nil, nil, err
		}
		return cacher.NewCacheDelegator(c, below), c.Stop, nil
	}
	return generic.RESTOptions{
		StorageConfig:  &storagebackend.ConfigForResource{Config: storagebackend.Config{Codec: legacyscheme.Codecs.LegacyCodec(schema.GroupVersion{Group: resource.Group, Version: "v1"})}, GroupResource: resource},
		Decorator:      decorate,
		ResourcePrefix: "/" + resource.Resource,
	}, nil
}

// rig is an API server for Pods, Deployments and Secrets in memory: with kept, skep's way from the front on, without
// it just as kube-apiserver has it. Tables are global, so only the last one made counts.
func rig(tb testing.TB, kept *encodings, objects ...runtime.Object) http.Handler {
	tb.Helper()
	storagefeature.DefaultFeatureSupportChecker = watchProgress{}
	on := shelves{}
	for i, o := range objects {
		gvr, _ := meta.UnsafeGuessKindToResource(kindOf(tb, o))
		s := on[gvr.GroupResource()]
		s.objects, s.rev = append(s.objects, o), uint64(i+1_000_000)
		on[gvr.GroupResource()] = s
	}
	for _, gr := range []schema.GroupResource{{Resource: "pods"}, {Resource: "secrets"}, {Group: "apps", Resource: "deployments"}} {
		if _, ok := on[gr]; !ok {
			on[gr] = shelf{rev: 1_000_000}
		}
	}
	config := genericapiserver.NewConfig(legacyscheme.Codecs)
	config.EffectiveVersion = compatibility.NewEffectiveVersionFromString(KubernetesVersion, "", "")
	config.ExternalAddress = "127.0.0.1:443"
	config.LoopbackClientConfig = &restclient.Config{}
	config.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
	config.Authentication.Authenticator = authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: &user.DefaultInfo{Name: "admin", Groups: []string{adminGroup}}}, true, nil
	})
	namer := openapinamer.NewDefinitionNamer(legacyscheme.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, namer)
	server, err := config.Complete(nil).New("rig", genericapiserver.NewEmptyDelegate())
	if err != nil {
		tb.Fatal(err)
	}
	codecs := metainternalscheme.Codecs
	tb.Cleanup(func() { metainternalscheme.Codecs = codecs })
	for _, group := range []string{"", "apps"} {
		info := genericapiserver.NewDefaultAPIGroupInfo(group, legacyscheme.Scheme, legacyscheme.ParameterCodec, legacyscheme.Codecs)
		info.VersionedResourcesStorageMap["v1"] = rigStorage(tb, group, on, kept != nil)
		info.PrioritizedVersions = served(&info)
		if kept != nil {
			info.NegotiatedSerializer = listCodecs{info.NegotiatedSerializer, kept, sealedKinds()}
			keepTables(kept)
		}
		install := server.InstallAPIGroup
		if group == "" {
			install = func(info *genericapiserver.APIGroupInfo) error {
				return server.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, info)
			}
		}
		if err := install(&info); err != nil {
			tb.Fatal(err)
		}
	}
	handler := http.Handler(server.Handler)
	if kept != nil {
		handler = frontFor(handler.ServeHTTP)
	}
	return handler
}

func rigStorage(tb testing.TB, group string, on shelves, kept bool) map[string]rest.Storage {
	tb.Helper()
	if group == "apps" {
		s, err := deploymentstore.NewStorage(on)
		if err != nil {
			tb.Fatal(err)
		}
		return map[string]rest.Storage{"deployments": s.Deployment}
	}
	p, err := podstore.NewStorage(on, nil, nil, noBudgets{}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := secretstore.NewREST(on)
	if err != nil {
		tb.Fatal(err)
	}
	if kept {
		s.TableConvertor = unkeptRows{s.TableConvertor}
	}
	return map[string]rest.Storage{"pods": p.Pod, "secrets": s}
}

func kindOf(tb testing.TB, o runtime.Object) schema.GroupVersionKind {
	tb.Helper()
	kinds, _, err := legacyscheme.Scheme.ObjectKinds(o)
	if err != nil {
		tb.Fatal(err)
	}
	return kinds[0]
}

func internal(tb testing.TB, o runtime.Object) runtime.Object {
	tb.Helper()
	legacyscheme.Scheme.Default(o)
	in, err := legacyscheme.Scheme.ConvertToVersion(o, runtime.InternalGroupVersioner)
	if err != nil {
		tb.Fatal(err)
	}
	return in
}

// somePods are Pods as skep derives them from the tasks of Deployments, 100 a Deployment, with all that is shared
// by copies of a template apart, as the mirror has it. Every thousandth has the label pick=yes.
func somePods(tb testing.TB, n int) []runtime.Object {
	tb.Helper()
	at := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC))
	pods := make([]runtime.Object, 0, n)
	for i := range n {
		app, hash := fmt.Sprintf("web-%03d", i/100), fmt.Sprintf("%010x", i/100*7919)
		yes := true
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("%s-%s-%05x", app, hash, i), GenerateName: app + "-" + hash + "-", Namespace: "default",
				UID: uuid.NewUUID(), ResourceVersion: strconv.Itoa(i + 1), CreationTimestamp: at,
				Labels:      map[string]string{"app": app, "pod-template-hash": hash, "app.kubernetes.io/part-of": "shop"},
				Annotations: map[string]string{"skep/task": fmt.Sprintf("%025x", i)},
				OwnerReferences: []metav1.OwnerReference{{
					APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app + "-" + hash, UID: types.UID(fmt.Sprintf("0b1c2d3e-0000-4000-8000-%012x", i/100)),
					Controller: &yes, BlockOwnerDeletion: &yes,
				}},
			},
			Spec:   corev1.PodSpec{NodeName: fmt.Sprintf("worker-%d", i%10), ServiceAccountName: "default"},
			Status: runningStatus(app, i, at),
		}
		if i%1000 == 0 {
			pod.Labels["pick"] = "yes"
		}
		pod.Spec.Containers = []corev1.Container{{
			Name: "main", Image: "registry.example.com/shop/" + app + ":1.36.1", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
			Env:            []corev1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}, {Name: "DATABASE", Value: "postgres://db:5432/shop"}},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/bin/healthy"}}}},
		}}
		pods = append(pods, internal(tb, pod))
	}
	return pods
}

func runningStatus(app string, i int, at metav1.Time) corev1.PodStatus {
	status := corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: "10.0.0.7", HostIPs: []corev1.HostIP{{IP: "10.0.0.7"}}, StartTime: &at, QOSClass: corev1.PodQOSBestEffort,
		PodIP: fmt.Sprintf("10.1.%d.%d", i/250, i%250), PodIPs: []corev1.PodIP{{IP: fmt.Sprintf("10.1.%d.%d", i/250, i%250)}},
	}
	for _, c := range []corev1.PodConditionType{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		status.Conditions = append(status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue, LastTransitionTime: at})
	}
	started := true
	status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "main", Image: "registry.example.com/shop/" + app + ":1.36.1", ImageID: "registry.example.com/shop/" + app + ":1.36.1",
		ContainerID: fmt.Sprintf("docker://%064x", i), Ready: true, Started: &started,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}},
	}}
	return status
}

// listOf makes an internal list of shallow copies, as the watch cache does.
func podListOf(pods []runtime.Object) *api.PodList {
	list := &api.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "1000000"}, Items: make([]api.Pod, len(pods))}
	for i, pod := range pods {
		list.Items[i] = *pod.(*api.Pod)
	}
	return list
}

func someDeployments(tb testing.TB, n int) []runtime.Object {
	tb.Helper()
	all := make([]runtime.Object, 0, n)
	for i := range n {
		app := fmt.Sprintf("web-%03d", i)
		labels := map[string]string{"app": app}
		all = append(all, internal(tb, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: app, Namespace: "default", UID: uuid.NewUUID(), ResourceVersion: strconv.Itoa(i + 1), Labels: labels},
			Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "busybox:1.36"}}},
				},
			},
		}))
	}
	return all
}
