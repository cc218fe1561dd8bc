package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	storagehelpers "k8s.io/component-helpers/storage/volume"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/volume/common"

	"skep/translate"
)

// binder does what of Kubernetes' scheduler is about claims, and Swarm's knows nothing of: it tells a claim which node
// its first Pod is on, and Pods what their claims lack. It also finishes what the growth of a claim begins, and removes
// the claims of Pods that are gone.
type binder struct {
	client  kubernetes.Interface
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	classes storagelisters.StorageClassLister
	nodes   corelisters.NodeLister
	pods    cache.Indexer
	queue   workqueue.TypedRateLimitingInterface[string] // <namespace>/<claim>
	tell    func(translate.Key, []translate.Problem)
}

const (
	bindRetryLeast = 200 * time.Millisecond
	bindRetryMost  = 30 * time.Second
)

func newBindQueue() workqueue.TypedRateLimitingInterface[string] {
	return workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](bindRetryLeast, bindRetryMost))
}

// heed has claims looked at when they or Pods that have them change.
func (b *binder) heed(claims, pods cache.SharedIndexInformer) error {
	if _, err := claims.AddEventHandler(allOf(func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			b.queue.Add(key)
		}
	})); err != nil {
		return err
	}
	keysOf := common.PodPVCIndexFunc()
	_, err := pods.AddEventHandler(allOf(func(object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		if keys, err := keysOf(object); err == nil {
			for _, key := range keys {
				b.queue.Add(key)
			}
		}
	}))
	return err
}

func allOf(heard func(any)) cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{AddFunc: heard, UpdateFunc: func(_, now any) { heard(now) }, DeleteFunc: heard}
}

func (b *binder) run(ctx context.Context) {
	for {
		key, stopped := b.queue.Get()
		if stopped {
			return
		}
		switch err := b.sync(ctx, key); {
		case err == nil, apierrors.IsNotFound(err):
			b.queue.Forget(key)
		case ctx.Err() != nil:
		default:
			if !apierrors.IsConflict(err) {
				klog.ErrorS(err, "A claim cannot be looked after yet", "claim", key)
			}
			b.queue.AddRateLimited(key)
		}
		b.queue.Done(key)
	}
}

// sync takes one step for a claim.
func (b *binder) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return nil //nolint:nilerr // it is one of ours
	}
	pods := b.podsOf(key)
	claim, err := b.claims.PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		named := slices.DeleteFunc(pods, func(p *corev1.Pod) bool { return !names(p, name) }) // not by an ephemeral volume, of which it will come
		b.tell(translate.Key{Namespace: namespace, Name: name}, pending(named, fmt.Sprintf("persistentvolumeclaim %q not found", name)))
		return nil
	}
	if err != nil {
		return err
	}
	if gone, err := b.orphaned(ctx, claim); gone || err != nil {
		return err
	}
	b.tell(translate.KeyOf(claim), pending(pods, b.lacks(claim)))
	if claim.Spec.VolumeName != "" {
		return b.grow(ctx, claim)
	}
	return b.selectNode(ctx, claim, pods)
}

// podsOf are the Pods that have a claim, the oldest first.
func (b *binder) podsOf(key string) []*corev1.Pod {
	objects, err := b.pods.ByIndex(common.PodPVCIndex, key)
	if err != nil {
		return nil
	}
	pods := make([]*corev1.Pod, 0, len(objects))
	for _, o := range objects {
		pods = append(pods, o.(*corev1.Pod))
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return pods
}

// selectNode tells a claim that waits for its first Pod where that is.
func (b *binder) selectNode(ctx context.Context, claim *corev1.PersistentVolumeClaim, pods []*corev1.Pod) error {
	if claim.Annotations[storagehelpers.AnnSelectedNode] != "" || claim.DeletionTimestamp != nil {
		return nil
	}
	class, err := b.classes.Get(translate.ClassOf(claim))
	if err != nil || class.Provisioner != translate.StorageProvisioner {
		return nil //nolint:nilerr // the PersistentVolume controller tells of a class that is missing
	}
	if waits, err := storagehelpers.IsDelayBindingMode(claim, b.classes); err != nil || !waits {
		return err
	}
	for _, pod := range pods {
		if pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil {
			continue
		}
		told := claim.DeepCopy()
		metav1.SetMetaDataAnnotation(&told.ObjectMeta, storagehelpers.AnnSelectedNode, pod.Spec.NodeName)
		_, err := b.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Update(ctx, told, metav1.UpdateOptions{})
		return err
	}
	return nil
}

// lacks says what keeps Pods of a claim from starting; "" for nothing that is known.
func (b *binder) lacks(claim *corev1.PersistentVolumeClaim) string {
	if claim.DeletionTimestamp != nil {
		return fmt.Sprintf("persistentvolumeclaim %q is being deleted", claim.Name)
	}
	if claim.Spec.VolumeName == "" {
		if waits, err := storagehelpers.IsDelayBindingMode(claim, b.classes); err != nil || waits {
			return ""
		}
		return fmt.Sprintf("pod has unbound immediate PersistentVolumeClaims: %q", claim.Name)
	}
	pv, err := b.volumes.Get(claim.Spec.VolumeName)
	if err != nil {
		return fmt.Sprintf("persistentvolume %q of persistentvolumeclaim %q not found", claim.Spec.VolumeName, claim.Name)
	}
	hosts := translate.PinnedTo(pv)
	if len(hosts) == 0 {
		return ""
	}
	nodes, err := b.nodes.List(everything)
	if err != nil {
		return ""
	}
	why := "has left the Swarm"
	for _, n := range nodes {
		if !slices.Contains(hosts, n.Labels[corev1.LabelHostname]) {
			continue
		}
		switch {
		case !ready(n):
			why = "is not ready"
		case n.Spec.Unschedulable:
			why = "takes no new Pods"
		default:
			return ""
		}
	}
	return fmt.Sprintf("0/%d nodes are available: the volume of persistentvolumeclaim %q is on node %q, which %s", len(nodes), claim.Name, strings.Join(hosts, ", "), why)
}

// names says whether a Pod names a claim.
func names(pod *corev1.Pod, claim string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim
	})
}

// pending are problems of the Pods that are on no node yet.
func pending(pods []*corev1.Pod, why string) []translate.Problem {
	var all []translate.Problem
	for _, pod := range pods {
		_, ofDocker := pod.Labels[translate.LabelServiceName] // what it mounts is there, or made
		if why != "" && !ofDocker && pod.Spec.NodeName == "" && pod.Status.Phase == corev1.PodPending {
			all = append(all, translate.Problem{Kind: "Pod", Key: translate.KeyOf(pod), UID: pod.UID, Reason: "FailedScheduling", Message: why})
		}
	}
	return all
}

// grow says of a claim that was made larger that it is: Docker's volumes have no size that would have to change.
func (b *binder) grow(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	asked, have := claim.Spec.Resources.Requests[corev1.ResourceStorage], claim.Status.Capacity[corev1.ResourceStorage]
	pv, err := b.volumes.Get(claim.Spec.VolumeName)
	if err != nil || claim.Status.Phase != corev1.ClaimBound || asked.Cmp(have) <= 0 || translate.VolumeHandle(pv) == "" {
		return nil //nolint:nilerr // without its volume there is nothing to grow
	}
	if size := pv.Spec.Capacity[corev1.ResourceStorage]; asked.Cmp(size) > 0 {
		larger := pv.DeepCopy()
		larger.Spec.Capacity[corev1.ResourceStorage] = asked
		if _, err := b.client.CoreV1().PersistentVolumes().Update(ctx, larger, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	told := claim.DeepCopy()
	if told.Status.Capacity == nil {
		told.Status.Capacity = corev1.ResourceList{}
	}
	told.Status.Capacity[corev1.ResourceStorage] = asked
	_, err = b.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, told, metav1.UpdateOptions{})
	return err
}

// orphaned removes the claim of a Pod that is gone.
func (b *binder) orphaned(ctx context.Context, claim *corev1.PersistentVolumeClaim) (bool, error) {
	owner := metav1.GetControllerOf(claim)
	if owner == nil || owner.Kind != "Pod" || claim.DeletionTimestamp != nil {
		return false, nil
	}
	pod, err := b.client.CoreV1().Pods(claim.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	switch {
	case err == nil && pod.UID == owner.UID:
		return false, nil
	case err != nil && !apierrors.IsNotFound(err):
		return false, err
	}
	return true, b.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Delete(ctx, claim.Name,
		metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &claim.UID}})
}
