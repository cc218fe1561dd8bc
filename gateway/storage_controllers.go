package gateway

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/volume/common"
	ephemeralvolumes "k8s.io/kubernetes/pkg/controller/volume/ephemeral"
	"k8s.io/kubernetes/pkg/controller/volume/persistentvolume"
	"k8s.io/kubernetes/pkg/controller/volume/pvcprotection"
	"k8s.io/kubernetes/pkg/controller/volume/pvprotection"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"skep/swarm"
	"skep/translate"
)

var everything = labels.Everything()

const (
	// volumeResync is how often pending claims are looked at again, as kube-controller-manager has it.
	volumeResync = 15 * time.Second
	// provisionResync has what failed and was given up tried again.
	provisionResync = 15 * time.Minute
	// What the engine refuses is tried again after this long at least and at most.
	provisionRetryLeast = time.Second
	provisionRetryMost  = 2 * time.Minute
)

// startStorage starts Kubernetes' own controllers for claims, and skep's provisioner. Any number of gateways may: each
// step is checked against the Swarm's version or harmless when done twice. others are the volumes of other nodes.
func startStorage(ctx context.Context, client kubernetes.Interface, factory informers.SharedInformerFactory, b *builder, others swarm.Volumes) error {
	ctx = klog.NewContext(ctx, klog.Background().WithName("storage"))
	docker := swarm.VolumesOf(b.engine, others)
	go b.mirror.KeepVolumes(ctx, docker)
	pods := newClaimantInformer(b)
	if err := common.AddPodPVCIndexerIfNotPresent(pods.GetIndexer()); err != nil {
		return fmt.Errorf("claims of Pods: %w", err)
	}
	run, err := volumeControllers(ctx, client, factory, pods)
	if err != nil {
		return err
	}
	core, classes := factory.Core().V1(), factory.Storage().V1().StorageClasses()
	bind := &binder{
		client: client, claims: core.PersistentVolumeClaims().Lister(), volumes: core.PersistentVolumes().Lister(),
		classes: classes.Lister(), nodes: core.Nodes().Lister(), pods: pods.GetIndexer(),
		queue: newBindQueue(), tell: newReports(ctx, client).tell,
	}
	if err := bind.heed(core.PersistentVolumeClaims().Informer(), pods.SharedIndexInformer); err != nil {
		return fmt.Errorf("claims of Pods: %w", err)
	}
	replicas := &replicaClaims{
		client: client, sets: factory.Apps().V1().StatefulSets().Lister(), claims: core.PersistentVolumeClaims().Lister(), queue: newBindQueue(),
	}
	if err := replicas.heed(factory.Apps().V1().StatefulSets().Informer()); err != nil {
		return fmt.Errorf("claims of StatefulSets: %w", err)
	}
	made := controller.NewProvisionController(ctx, client, translate.StorageProvisioner,
		provisioner{b.mirror, core.Nodes().Lister(), core.PersistentVolumes().Lister(), docker},
		controller.LeaderElection(false), controller.AddFinalizer(true), controller.Threadiness(1), controller.MetricsPort(0),
		controller.FailedProvisionThreshold(0), controller.FailedDeleteThreshold(0), controller.ResyncPeriod(provisionResync),
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](provisionRetryLeast, provisionRetryMost)),
		controller.ClaimsInformer(core.PersistentVolumeClaims().Informer()), controller.VolumesInformer(core.PersistentVolumes().Informer()),
		controller.ClassesInformer(classes.Informer()))
	factory.Start(ctx.Done())
	go pods.RunWithContext(ctx)
	go func() {
		factory.WaitForCacheSync(ctx.Done())
		for _, start := range append(run, bind.run, replicas.run, made.Run) {
			go start(ctx)
		}
		<-ctx.Done()
		bind.queue.ShutDown()
		replicas.queue.ShutDown()
	}()
	go makeStorageClasses(ctx, client)
	return nil
}

// volumeControllers are kube-controller-manager's: binding, protection, and the claims of ephemeral volumes.
func volumeControllers(ctx context.Context, client kubernetes.Interface, factory informers.SharedInformerFactory, pods claimantInformer) ([]func(context.Context), error) {
	core, logger := factory.Core().V1(), klog.FromContext(ctx)
	binding, err := persistentvolume.NewController(ctx, persistentvolume.ControllerParameters{
		KubeClient: client, SyncPeriod: volumeResync, EnableDynamicProvisioning: true,
		VolumeInformer: core.PersistentVolumes(), ClaimInformer: core.PersistentVolumeClaims(),
		ClassInformer: factory.Storage().V1().StorageClasses(), PodInformer: pods, NodeInformer: core.Nodes(),
	})
	if err != nil {
		return nil, fmt.Errorf("persistent volume controller: %w", err)
	}
	claims, err := pvcprotection.NewPVCProtectionController(logger, core.PersistentVolumeClaims(), pods, client)
	if err != nil {
		return nil, fmt.Errorf("claim protection controller: %w", err)
	}
	ephemerals, err := ephemeralvolumes.NewController(ctx, client, pods, core.PersistentVolumeClaims())
	if err != nil {
		return nil, fmt.Errorf("ephemeral volume controller: %w", err)
	}
	volumes, err := pvprotection.NewPVProtectionController(logger, core.PersistentVolumes(), client)
	if err != nil {
		return nil, fmt.Errorf("volume protection controller: %w", err)
	}
	one := func(run func(context.Context, int)) func(context.Context) {
		return func(ctx context.Context) { run(ctx, 1) }
	}
	return []func(context.Context){binding.Run, one(claims.Run), one(volumes.Run), one(ephemerals.Run)}, nil
}
