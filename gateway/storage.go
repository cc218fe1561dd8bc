package gateway

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	storagefeature "k8s.io/apiserver/pkg/storage/feature"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/api/legacyscheme"

	"skep/swarm"
	"skep/translate"
)

// builder makes registries over the Swarm: it is the generic.RESTOptionsGetter of all of them.
type builder struct {
	engine      *swarm.Engine
	mirror      *swarm.Mirror
	authorizer  authorizer.UnconditionalAuthorizer
	accounts    *serviceTokens
	agents      *agents
	client      kubernetes.Interface // this server's own
	pods, nodes reader               // set by their rows
	usages      *usages
	lenses      map[schema.GroupResource]row
	views       map[schema.GroupResource]*swarm.View
	kept        *encodings
}

type row struct {
	lens    translate.Lens
	version schema.GroupVersion
}

// newBuilder has a view for each kept resource of the table. A resource served in two groups (Events) is
// kept in the first.
func newBuilder(engine *swarm.Engine, mirror *swarm.Mirror, authz authorizer.UnconditionalAuthorizer) *builder {
	storagefeature.DefaultFeatureSupportChecker = watchProgress{}
	b := &builder{
		engine: engine, mirror: mirror, authorizer: authz,
		lenses: map[schema.GroupResource]row{}, views: map[schema.GroupResource]*swarm.View{},
		kept: newEncodings(encodingsBound),
	}
	keepTables(b.kept)
	kinds := map[string]bool{}
	for _, r := range Resources {
		if r.Lens == nil || kinds[r.Lens.Kind()] {
			continue
		}
		kinds[r.Lens.Kind()] = true
		gr := r.GVR.GroupResource()
		b.lenses[gr] = row{r.Lens, r.GVR.GroupVersion()}
		b.views[gr] = mirror.AddView(r.Lens, converter{r.GVR.GroupVersion()})
	}
	return b
}

var _ generic.RESTOptionsGetter = (*builder)(nil)

// GetRESTOptions implements generic.RESTOptionsGetter.
func (b *builder) GetRESTOptions(resource schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	r, ok := b.lenses[resource]
	if !ok {
		return generic.RESTOptions{}, fmt.Errorf("there is no lens for %s", resource)
	}
	prefix := resource.Resource
	if resource.Group != "" {
		prefix = resource.Group + "/" + resource.Resource
	}
	return generic.RESTOptions{
		StorageConfig: &storagebackend.ConfigForResource{
			Config:        storagebackend.Config{Codec: legacyscheme.Codecs.LegacyCodec(r.version)},
			GroupResource: resource,
		},
		Decorator:               b.decorate,
		EnableGarbageCollection: true,
		DeleteCollectionWorkers: 4,
		ResourcePrefix:          prefix,
	}, nil
}

// decorate puts kube-apiserver's watch cache over the Swarm's store.
func (b *builder) decorate(
	config *storagebackend.ConfigForResource, prefix string, keyFunc func(runtime.Object) (string, error),
	newFunc, newListFunc func() runtime.Object, getAttrs storage.AttrFunc, triggers storage.IndexerFuncs, indexers *cache.Indexers,
) (storage.Interface, factory.DestroyFunc, error) {
	store := swarm.NewStore(b.engine, b.views[config.GroupResource], config.GroupResource, prefix, newFunc)
	c, err := cacher.NewCacherFromConfig(cacher.Config{
		Storage: store, Versioner: store.Versioner(), GroupResource: config.GroupResource,
		EventsHistoryWindow: storagebackend.DefaultEventsHistoryWindow,
		ResourcePrefix:      prefix, KeyFunc: keyFunc, NewFunc: newFunc, NewListFunc: newListFunc, GetAttrsFunc: compact(getAttrs),
		IndexerFuncs: triggers, Indexers: indexers, Codec: config.Codec,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("watch cache of %s: %w", config.GroupResource, err)
	}
	delegator := cacher.NewCacheDelegator(c, store)
	var once sync.Once
	return patient{delegator, b.views[config.GroupResource]}, func() { once.Do(func() { delegator.Stop(); c.Stop() }) }, nil
}

// compact leaves empty fields out, which a selector cannot tell from those that are not there: a watch cache keeps a
// map for each object, and Go's maps double in size beyond eight entries.
func compact(attrs storage.AttrFunc) storage.AttrFunc {
	return func(o runtime.Object) (labels.Set, fields.Set, error) {
		labels, all, err := attrs(o)
		filled := 0
		for _, value := range all {
			if value != "" {
				filled++
			}
		}
		if filled == len(all) {
			return labels, all, err
		}
		some := make(fields.Set, filled)
		for name, value := range all {
			if value != "" {
				some[name] = value
			}
		}
		return labels, some, err
	}
}

// watchProgress tells the watch cache that the store answers RequestWatchProgress, so that consistent
// lists come from the cache.
type watchProgress struct {
	storagefeature.FeatureSupportChecker
}

// Supports implements storagefeature.FeatureSupportChecker.
func (watchProgress) Supports(f storage.Feature) bool { return f == storage.RequestWatchProgress }

// MarkUnsupported implements storagefeature.FeatureSupportChecker.
func (watchProgress) MarkUnsupported(storage.Feature) {}

// converter turns a lens' objects into the registry's and back, by Kubernetes' own conversions.
type converter struct{ version schema.GroupVersion }

var _ swarm.Scheme = converter{}

// ToInternal implements swarm.Scheme.
func (c converter) ToInternal(o translate.Object) (runtime.Object, error) {
	return legacyscheme.Scheme.UnsafeConvertToVersion(o, runtime.InternalGroupVersioner) // a lens gives its own structs, over memory that nothing writes
}

// ToExternal implements swarm.Scheme.
func (c converter) ToExternal(o runtime.Object) (translate.Object, error) {
	out, err := legacyscheme.Scheme.ConvertToVersion(o, c.version)
	if err != nil {
		return nil, err
	}
	object, ok := out.(translate.Object)
	if !ok {
		return nil, fmt.Errorf("%T has no metadata", out)
	}
	return object, nil
}
