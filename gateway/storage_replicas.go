package gateway

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"skep/translate"
)

// replicaClaims makes the claims that StatefulSets' volumeClaimTemplates ask for, as Kubernetes' controller of StatefulSets
// does. It removes none.
type replicaClaims struct {
	client kubernetes.Interface
	sets   appslisters.StatefulSetLister
	claims corelisters.PersistentVolumeClaimLister
	queue  workqueue.TypedRateLimitingInterface[string] // <namespace>/<StatefulSet>
}

// replicaResync is how often StatefulSets are looked at again: someone may have deleted a claim.
const replicaResync = time.Minute

// heed has StatefulSets looked at when they change.
func (r *replicaClaims) heed(sets cache.SharedIndexInformer) error {
	_, err := sets.AddEventHandlerWithResyncPeriod(allOf(func(object any) {
		if set, ok := object.(*appsv1.StatefulSet); ok && len(set.Spec.VolumeClaimTemplates) > 0 {
			r.queue.Add(set.Namespace + "/" + set.Name)
		}
	}), replicaResync)
	return err
}

func (r *replicaClaims) run(ctx context.Context) {
	for {
		key, stopped := r.queue.Get()
		if stopped {
			return
		}
		switch err := r.sync(ctx, key); {
		case err == nil:
			r.queue.Forget(key)
		case ctx.Err() != nil:
		default:
			klog.ErrorS(err, "The claims of a StatefulSet cannot be made yet", "statefulSet", key)
			r.queue.AddRateLimited(key)
		}
		r.queue.Done(key)
	}
}

// sync makes the claims that are missing.
func (r *replicaClaims) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return nil //nolint:nilerr // it is one of ours
	}
	set, err := r.sets.StatefulSets(namespace).Get(name)
	if apierrors.IsNotFound(err) || err == nil && set.DeletionTimestamp != nil {
		return nil
	}
	if err != nil {
		return err
	}
	for _, claim := range translate.ReplicaClaims(set) {
		if _, err := r.claims.PersistentVolumeClaims(namespace).Get(claim.Name); err == nil {
			continue
		}
		_, err := r.client.CoreV1().PersistentVolumeClaims(namespace).Create(ctx, claim, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}
