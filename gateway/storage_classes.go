package gateway

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/klog/v2"
	api "k8s.io/kubernetes/pkg/apis/core"

	"skep/translate"
)

// makeStorageClasses makes skep's StorageClasses where there are none at all.
func makeStorageClasses(ctx context.Context, client kubernetes.Interface) {
	classes := client.StorageV1().StorageClasses()
	list, err := classes.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil || len(list.Items) > 0 {
		return
	}
	for _, c := range translate.BuiltinClasses() {
		if _, err := classes.Create(ctx, c, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			klog.ErrorS(err, "A StorageClass cannot be made", "name", c.Name)
		}
	}
}

// namedVolumes gives a claim that names its PersistentVolume and no class the class of that: with the default one,
// which it would get otherwise, the two could never be bound.
type namedVolumes struct {
	*admission.Handler
	volumes corelisters.PersistentVolumeLister
}

var _ admission.MutationInterface = namedVolumes{}

func newNamedVolumes(factory informers.SharedInformerFactory) namedVolumes {
	informer := factory.Core().V1().PersistentVolumes()
	n := namedVolumes{admission.NewHandler(admission.Create), informer.Lister()}
	n.SetReadyFunc(informer.Informer().HasSynced)
	return n
}

// Admit implements admission.MutationInterface.
func (n namedVolumes) Admit(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	claim, ok := a.GetObject().(*api.PersistentVolumeClaim)
	if !ok || a.GetSubresource() != "" || claim.Spec.VolumeName == "" || claim.Spec.StorageClassName != nil {
		return nil
	}
	if !n.WaitForReady() {
		return admission.NewForbidden(a, errNotReady)
	}
	if pv, err := n.volumes.Get(claim.Spec.VolumeName); err == nil {
		claim.Spec.StorageClassName = new(pv.Spec.StorageClassName)
	}
	return nil
}
