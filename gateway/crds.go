package gateway

import (
	"context"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
)

// noDefinitions is the list of CustomResourceDefinitions: there are none. kubectl asks for it before it says
// that a kind is unknown, and without an answer says something else.
type noDefinitions struct{ rest.TableConvertor }

var (
	_ rest.Lister  = noDefinitions{}
	_ rest.Scoper  = noDefinitions{}
	_ rest.Storage = noDefinitions{}
)

// New implements rest.Storage.
func (noDefinitions) New() runtime.Object { return &apiextensions.CustomResourceDefinition{} }

// Destroy implements rest.Storage.
func (noDefinitions) Destroy() {}

// NewList implements rest.Lister.
func (noDefinitions) NewList() runtime.Object { return &apiextensions.CustomResourceDefinitionList{} }

// NamespaceScoped implements rest.Scoper.
func (noDefinitions) NamespaceScoped() bool { return false }

// GetSingularName implements rest.SingularNameProvider.
func (noDefinitions) GetSingularName() string { return "customresourcedefinition" }

// ShortNames implements rest.ShortNamesProvider.
func (noDefinitions) ShortNames() []string { return []string{"crd", "crds"} }

// List implements rest.Lister.
func (noDefinitions) List(context.Context, *metainternalversion.ListOptions) (runtime.Object, error) {
	return &apiextensions.CustomResourceDefinitionList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, nil
}
