package swarm

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	storagefeature "k8s.io/apiserver/pkg/storage/feature"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	core "k8s.io/kubernetes/pkg/apis/core"
	eventregistry "k8s.io/kubernetes/pkg/registry/core/event"
	noderegistry "k8s.io/kubernetes/pkg/registry/core/node"
	podregistry "k8s.io/kubernetes/pkg/registry/core/pod"

	"skep/translate"
)

// shelf is upstream's watch cache over a view, as the gateway has one for each resource.
type shelf struct {
	kind     string
	resource schema.GroupResource
	newFunc  func() runtime.Object
	newList  func() runtime.Object
	attrs    storage.AttrFunc
	indexers *cache.Indexers
	triggers storage.IndexerFuncs
	global   bool
}

// shelves are those of which a large Swarm has many objects.
func shelves() []shelf {
	return []shelf{
		{
			kind: "Pod", resource: core.Resource("pods"), attrs: podregistry.GetAttrs,
			newFunc: func() runtime.Object { return &core.Pod{} }, newList: func() runtime.Object { return &core.PodList{} },
			indexers: podregistry.Indexers(), triggers: map[string]storage.IndexerFunc{"spec.nodeName": podregistry.NodeNameTriggerFunc},
		},
		{
			kind: "Deployment", resource: apps.Resource("deployments"), attrs: storage.DefaultNamespaceScopedAttr,
			newFunc: func() runtime.Object { return &apps.Deployment{} }, newList: func() runtime.Object { return &apps.DeploymentList{} },
		},
		{
			kind: "ReplicaSet", resource: apps.Resource("replicasets"), attrs: storage.DefaultNamespaceScopedAttr,
			newFunc: func() runtime.Object { return &apps.ReplicaSet{} }, newList: func() runtime.Object { return &apps.ReplicaSetList{} },
		},
		{
			kind: "Event", resource: core.Resource("events"), attrs: eventregistry.GetAttrs,
			newFunc: func() runtime.Object { return &core.Event{} }, newList: func() runtime.Object { return &core.EventList{} },
		},
		{
			kind: "Node", resource: core.Resource("nodes"), attrs: noderegistry.GetAttrs, global: true,
			newFunc: func() runtime.Object { return &core.Node{} }, newList: func() runtime.Object { return &core.NodeList{} },
		},
	}
}

// open puts the cache over the view and waits until it is filled.
func (s shelf) open(tb testing.TB, v *View) *cacher.CacheDelegator {
	tb.Helper()
	storagefeature.DefaultFeatureSupportChecker = progressIsSupported{}
	prefix := "/" + s.resource.Resource
	store := NewStore(&Engine{}, v, s.resource, prefix, s.newFunc)
	c, err := cacher.NewCacherFromConfig(cacher.Config{
		Storage: store, Versioner: store.Versioner(), GroupResource: s.resource, EventsHistoryWindow: cacher.DefaultEventFreshDuration,
		ResourcePrefix: prefix, GetAttrsFunc: s.attrs, NewFunc: s.newFunc, NewListFunc: s.newList,
		KeyFunc: func(o runtime.Object) (string, error) {
			m, err := meta.Accessor(o)
			if err != nil {
				return "", err
			}
			return store.keyOf(translate.KeyOf(m)), nil
		},
		Indexers: s.indexers, IndexerFuncs: s.triggers, Codec: legacyscheme.Codecs.LegacyCodec(legacyscheme.Scheme.PrioritizedVersionsAllGroups()...),
	})
	if err != nil {
		tb.Fatal(err)
	}
	d := cacher.NewCacheDelegator(c, store)
	tb.Cleanup(func() { d.Stop(); c.Stop() })
	wait, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	if err := c.Wait(wait); err != nil {
		tb.Fatal(err)
	}
	return d
}

// openAll has the caches of all shelves.
func openAll(tb testing.TB, views map[string]*View) map[string]*cacher.CacheDelegator {
	tb.Helper()
	all := map[string]*cacher.CacheDelegator{}
	for _, s := range shelves() {
		all[s.kind] = s.open(tb, views[s.kind])
	}
	return all
}

// onlooker counts what a client that watches all Pods is told. Cut off, it goes on from where it was.
type onlooker struct {
	told, cut atomic.Int64
	last      string
}

// look watches all Pods from now on until the test ends.
func look(tb testing.TB, pods *cacher.CacheDelegator) *onlooker {
	tb.Helper()
	now, err := pods.GetCurrentResourceVersion(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	o := &onlooker{last: strconv.FormatUint(now, 10)}
	first := o.watch(tb, pods)
	go func() {
		for w := first; w != nil; w = o.watch(tb, pods) {
			o.follow(w)
			w.Stop()
			if tb.Context().Err() != nil {
				return
			}
			o.cut.Add(1)
		}
	}()
	return o
}

func (o *onlooker) watch(tb testing.TB, pods *cacher.CacheDelegator) watch.Interface {
	tb.Helper()
	opts := storage.ListOptions{Recursive: true, Predicate: storage.Everything, ResourceVersion: o.last}
	w, err := pods.Watch(tb.Context(), "/pods/", opts)
	if err != nil {
		tb.Error(err)
	}
	return w
}

func (o *onlooker) follow(w watch.Interface) {
	for ev := range w.ResultChan() {
		if m, err := meta.Accessor(ev.Object); err == nil {
			o.last = m.GetResourceVersion()
			o.told.Add(1)
		}
	}
}
