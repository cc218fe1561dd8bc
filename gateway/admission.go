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
	"k8s.io/kubernetes/plugin/pkg/admission/serviceaccount"
	"k8s.io/kubernetes/plugin/pkg/admission/storage/persistentvolume/resize"
	"k8s.io/kubernetes/plugin/pkg/admission/storage/storageclass/setdefault"
	"k8s.io/kubernetes/plugin/pkg/admission/storage/storageobjectinuseprotection"

	"skep/translate"
)

// admissionChain is kube-apiserver's NamespaceLifecycle and ServiceAccount, its plug-ins for classes and claims, then what Swarm can and cannot do.
func admissionChain(client kubernetes.Interface, factory informers.SharedInformerFactory, net translate.Networking) (admission.Interface, error) {
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
	accounts := serviceaccount.NewServiceAccount()
	accounts.MountServiceAccountToken = false // a Pod that wants a token asks for one in a projected volume
	accounts.SetExternalKubeClientSet(client)
	accounts.SetExternalKubeInformerFactory(factory)
	if err := accounts.ValidateInitialization(); err != nil {
		return nil, err
	}
	return admission.NewChainHandler(namespaces, accounts, newNamedVolumes(factory), classes, fates{admission.NewHandler(admission.Create, admission.Update), net}), nil
}

// defaultClasses are kube-apiserver's DefaultIngressClass and its plug-ins for claims.
func defaultClasses(factory informers.SharedInformerFactory) (admission.Interface, error) {
	plugins := admission.NewPlugins()
	defaultingressclass.Register(plugins)
	setdefault.Register(plugins)
	storageobjectinuseprotection.Register(plugins)
	resize.Register(plugins)
	config, err := admission.ReadAdmissionConfiguration(nil, "", nil)
	if err != nil {
		return nil, err
	}
	return plugins.NewFromPlugins([]string{
		defaultingressclass.PluginName, setdefault.PluginName, storageobjectinuseprotection.PluginName, resize.PluginName,
	}, config, initializer.New(nil, nil, factory, nil, nil, nil, nil, nil), nil)
}

// fates tells a client what becomes of the fields that it sent: a refused one is a 422 that names it, an
// approximated one a Warning. It stands after Kubernetes' own validation, and in dry-run too.
type fates struct {
	*admission.Handler
	net translate.Networking
}

var _ admission.ValidationInterface = fates{}

// Validate implements admission.ValidationInterface.
func (f fates) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
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
	refused, warnings := translate.Check(r.Lens.Kind(), object, f.net)
	if a.GetOperation() == admission.Update && a.GetOldObject() != nil {
		old, err := converter{r.GVR.GroupVersion()}.ToExternal(a.GetOldObject())
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		was, told := translate.Check(r.Lens.Kind(), old, f.net)
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
