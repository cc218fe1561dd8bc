package compose

import (
	"errors"
	"fmt"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	apiservice "k8s.io/kubernetes/pkg/api/service"
	// What their kinds are by default.
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	"k8s.io/kubernetes/pkg/capabilities"

	"skep/translate"
)

// Fault is something wrong with an object.
type Fault struct {
	Object Reference
	// Dangling says that the object names what there is not; otherwise an API server refuses the object itself.
	Dangling bool
	Err      error
}

// Faults are what an API server, or a person who applies the objects, would find wrong with them: each by itself, as
// kube-apiserver defaults and validates it, and all of them together. external are what they may name without having it.
func Faults(objects []translate.Object, external ...Reference) []Fault {
	capabilities.Setup(true, 0) // privileged containers, as kube-apiserver --allow-privileged
	var all []Fault
	seen := map[Reference]bool{}
	for _, o := range objects {
		at := referenceTo(o)
		if err := validateOne(o); err != nil {
			all = append(all, Fault{Object: at, Err: err})
		}
		if seen[at] {
			all = append(all, Fault{Object: at, Err: errors.New("there are two of it")})
		}
		seen[at] = true
	}
	return append(all, dangling(objects, external)...)
}

// validate says all that is wrong with objects at once.
func validate(objects []translate.Object, external ...Reference) error {
	var all []error
	for _, f := range Faults(objects, external...) {
		all = append(all, fmt.Errorf("%s: %w", f.Object, f.Err))
	}
	return errors.Join(all...)
}

// referenceTo names an object.
func referenceTo(o translate.Object) Reference {
	return Reference{Kind: gvkOf(o).Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// validateOne asks upstream, as a create request through kube-apiserver would.
func validateOne(o translate.Object) error {
	row := kindOf(gvkOf(o))
	if row == nil {
		return fmt.Errorf("there is no validation for %s", gvkOf(o))
	}
	sent := o.DeepCopyObject()
	legacyscheme.Scheme.Default(sent)
	internal, err := legacyscheme.Scheme.ConvertToVersion(sent, runtime.InternalGroupVersioner)
	if err != nil {
		return err
	}
	made := internal.(translate.Object) // whatever has a strategy has metadata
	if s, ok := made.(*core.Service); ok {
		allocate(s)
	}
	resource, _ := apimeta.UnsafeGuessKindToResource(gvkOf(o))
	ctx := request.WithRequestInfo(request.WithNamespace(request.NewContext(), ""), &request.RequestInfo{
		IsResourceRequest: true, Verb: "create", APIGroup: resource.Group, APIVersion: resource.Version, Resource: resource.Resource,
	})
	if row.strategy.NamespaceScoped() {
		if made.GetNamespace() == "" {
			made.SetNamespace("default") // where whoever applies it has said nothing
		}
		ctx = request.WithNamespace(ctx, made.GetNamespace())
	}
	rest.FillObjectMetaSystemFields(made)
	return rest.BeforeCreate(row.strategy, ctx, made)
}

// allocate gives a Service what the API server gives it before it validates: the list of its addresses, and a port for
// the load balancer's questions.
func allocate(s *core.Service) {
	if s.Spec.ClusterIP == core.ClusterIPNone {
		s.Spec.ClusterIPs = []string{core.ClusterIPNone}
	}
	if apiservice.NeedsHealthCheck(s) && s.Spec.HealthCheckNodePort == 0 {
		s.Spec.HealthCheckNodePort = lastNodePort
	}
}
