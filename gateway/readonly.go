package gateway

import (
	"context"

	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
)

// readOnly serves of a registry what reads. Discovery shows the verbs that it has, and kubectl refuses
// the others in a cluster's words.
type readOnly struct {
	store      *genericregistry.Store
	shortNames []string
}

var (
	_ rest.Getter             = readOnly{}
	_ rest.Lister             = readOnly{}
	_ rest.Watcher            = readOnly{}
	_ rest.ShortNamesProvider = readOnly{}
	_ rest.CategoriesProvider = readOnly{}
)

// New implements rest.Storage.
func (r readOnly) New() runtime.Object { return r.store.New() }

// NewList implements rest.Lister.
func (r readOnly) NewList() runtime.Object { return r.store.NewList() }

// Destroy implements rest.Storage.
func (r readOnly) Destroy() { r.store.Destroy() }

// NamespaceScoped implements rest.Scoper.
func (r readOnly) NamespaceScoped() bool { return r.store.NamespaceScoped() }

// GetSingularName implements rest.SingularNameProvider.
func (r readOnly) GetSingularName() string { return r.store.GetSingularName() }

// ShortNames implements rest.ShortNamesProvider.
func (r readOnly) ShortNames() []string { return r.shortNames }

// Categories implements rest.CategoriesProvider.
func (readOnly) Categories() []string { return []string{"all"} }

// Get implements rest.Getter.
func (r readOnly) Get(ctx context.Context, name string, o *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, o)
}

// List implements rest.Lister.
func (r readOnly) List(ctx context.Context, o *metainternalversion.ListOptions) (runtime.Object, error) {
	return r.store.List(ctx, o)
}

// Watch implements rest.Watcher.
func (r readOnly) Watch(ctx context.Context, o *metainternalversion.ListOptions) (watch.Interface, error) {
	return r.store.Watch(ctx, o)
}

// ConvertToTable implements rest.TableConvertor.
func (r readOnly) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, object, options)
}
