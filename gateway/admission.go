package gateway

import (
	"context"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/plugin/pkg/admission/network/defaultingressclass"

	"skep/translate"
)

// admissionChain is kube-apiserver's NamespaceLifecycle and DefaultIngressClass, then what Swarm can and cannot do.
func admissionChain(client kubernetes.Interface, factory informers.SharedInformerFactory) (admission.Interface, error) {
	namespaces, err := lifecycle.NewLifecycle(sets.New("default", "kube-system", "kube-public", "kube-node-lease"))
	if err != nil {
		return nil, err
	}
	namespaces.SetExternalKubeClientSet(client)
	namespaces.SetExternalKubeInformerFactory(factory)
	if err := namespaces.ValidateInitialization(); err != nil {
		return nil, err
	}
	classes, err := defaultClasses(factory)
	if err != nil {
		return nil, err
	}
	return admission.NewChainHandler(namespaces, classes, fates{admission.NewHandler(admission.Create, admission.Update)}), nil
}

// defaultClasses is kube-apiserver's DefaultIngressClass.
func defaultClasses(factory informers.SharedInformerFactory) (admission.Interface, error) {
	plugins := admission.NewPlugins()
	defaultingressclass.Register(plugins)
	config, err := admission.ReadAdmissionConfiguration(nil, "", nil)
	if err != nil {
		return nil, err
	}
	return plugins.NewFromPlugins([]string{defaultingressclass.PluginName}, config, initializer.New(nil, nil, factory, nil, nil, nil, nil, nil), nil)
}

// fates tells a client what becomes of the fields that it sent: a refused one is a 422 that names it, an
// approximated one a Warning. It stands after Kubernetes' own validation, and in dry-run too.
type fates struct{ *admission.Handler }

var _ admission.ValidationInterface = fates{}

// Validate implements admission.ValidationInterface.
func (fates) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	r, ok := resourceOf(a)
	if ok && a.GetSubresource() == "status" && r.Backing != "document" {
		warning.AddWarning(ctx, "", "status: the Swarm decides it; what was written is not kept")
	}
	if !ok || a.GetSubresource() != "" || a.GetObject() == nil {
		return nil
	}
	object, err := converter{r.GVR.GroupVersion()}.ToExternal(a.GetObject())
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	refused, warnings := translate.Check(r.Lens.Kind(), object)
	if a.GetOperation() == admission.Update && a.GetOldObject() != nil {
		old, err := converter{r.GVR.GroupVersion()}.ToExternal(a.GetOldObject())
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		was, told := translate.Check(r.Lens.Kind(), old)
		refused, warnings = translate.NewRefusals(refused, was), translate.NewWarnings(warnings, told)
	}
	for _, text := range warnings {
		warning.AddWarning(ctx, "", strings.TrimSpace(text))
	}
	if len(refused) > 0 {
		return apierrors.NewInvalid(a.GetKind().GroupKind(), a.GetName(), refused)
	}
	return nil
}

func resourceOf(a admission.Attributes) (Resource, bool) {
	for _, r := range Resources {
		if r.Lens != nil && r.GVR.GroupResource() == a.GetResource().GroupResource() {
			return r, true
		}
	}
	return Resource{}, false
}
