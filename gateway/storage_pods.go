package gateway

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	coreinformers "k8s.io/client-go/informers/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	api "k8s.io/kubernetes/pkg/apis/core"

	"skep/swarm"
)

var errNotReady = errors.New("not yet ready to handle request")

// claimants lists and watches the Pods that have volumes of claims, straight from the mirror. Kubernetes' controllers
// for volumes look at all Pods; most have none, and this way cost nothing.
type claimants struct{ store *swarm.Store }

var _ cache.ListerWatcherWithContext = claimants{}

func newClaimants(b *builder) claimants {
	gr := api.Resource("pods")
	return claimants{swarm.NewStore(b.engine, b.views[gr], gr, "/claimants", func() runtime.Object { return &api.Pod{} })}
}

// IsWatchListSemanticsUnSupported has the reflector list first.
func (claimants) IsWatchListSemanticsUnSupported() bool { return true }

// List implements cache.ListerWatcher.
func (c claimants) List(options metav1.ListOptions) (runtime.Object, error) {
	return c.ListWithContext(context.Background(), options)
}

// Watch implements cache.ListerWatcher.
func (c claimants) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return c.WatchWithContext(context.Background(), options)
}

// ListWithContext implements cache.ListerWatcherWithContext.
func (c claimants) ListWithContext(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
	all := &api.PodList{}
	if err := c.store.GetList(ctx, "/claimants", storage.ListOptions{Predicate: storage.Everything, Recursive: true}, all); err != nil {
		return nil, err
	}
	some := &corev1.PodList{ListMeta: all.ListMeta}
	for i := range all.Items {
		if !claims(&all.Items[i]) {
			continue
		}
		pod, err := externalPod(&all.Items[i])
		if err != nil {
			return nil, err
		}
		some.Items = append(some.Items, *pod)
	}
	return some, nil
}

// WatchWithContext implements cache.ListerWatcherWithContext.
func (c claimants) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	w, err := c.store.Watch(ctx, "/claimants", storage.ListOptions{
		ResourceVersion: options.ResourceVersion, Predicate: storage.Everything, Recursive: true, ProgressNotify: options.AllowWatchBookmarks,
	})
	if err != nil {
		return nil, err
	}
	return watch.Filter(w, func(in watch.Event) (watch.Event, bool) {
		pod, ok := in.Object.(*api.Pod)
		switch {
		case !ok:
			return in, in.Type == watch.Error
		case in.Type == watch.Bookmark:
			in.Object = &corev1.Pod{ObjectMeta: pod.ObjectMeta}
			return in, true
		case !claims(pod):
			return in, false
		}
		in.Object, err = externalPod(pod)
		return in, err == nil
	}), nil
}

// claims says whether a Pod has volumes of claims. It has them for all its life.
func claims(pod *api.Pod) bool {
	for i := range pod.Spec.Volumes {
		if v := &pod.Spec.Volumes[i]; v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			return true
		}
	}
	return false
}

func externalPod(pod *api.Pod) (*corev1.Pod, error) {
	out, err := legacyscheme.Scheme.ConvertToVersion(pod, corev1.SchemeGroupVersion)
	if err != nil {
		return nil, fmt.Errorf("the Pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return out.(*corev1.Pod), nil
}

// claimantInformer is a Pod informer that knows claimants only.
type claimantInformer struct{ cache.SharedIndexInformer }

var _ coreinformers.PodInformer = claimantInformer{}

func newClaimantInformer(b *builder) claimantInformer {
	return claimantInformer{cache.NewSharedIndexInformer(newClaimants(b), &corev1.Pod{}, 0,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
}

// Informer implements coreinformers.PodInformer.
func (i claimantInformer) Informer() cache.SharedIndexInformer { return i.SharedIndexInformer }

// Lister implements coreinformers.PodInformer.
func (i claimantInformer) Lister() corelisters.PodLister {
	return corelisters.NewPodLister(i.GetIndexer())
}
