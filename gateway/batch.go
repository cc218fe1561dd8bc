package gateway

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/cronjob"
	"k8s.io/kubernetes/pkg/controller/ttlafterfinished"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	jobstore "k8s.io/kubernetes/pkg/registry/batch/job/storage"
)

// jobREST deletes Jobs with their Pods unless it is told otherwise: they are tasks of one service. kube-apiserver leaves
// the Pods behind where a client says nothing, and warns of it.
type jobREST struct{ *jobstore.REST }

// Delete implements rest.GracefulDeleter.
func (r jobREST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, o *metav1.DeleteOptions) (runtime.Object, bool, error) {
	return r.Store.Delete(ctx, name, validate, o)
}

// DeleteCollection implements rest.CollectionDeleter.
func (r jobREST) DeleteCollection(
	ctx context.Context, validate rest.ValidateObjectFunc, o *metav1.DeleteOptions, list *internalversion.ListOptions,
) (runtime.Object, error) {
	return r.Store.DeleteCollection(ctx, validate, o, list)
}

// withPods is the strategy of such deletions.
type withPods struct{ rest.RESTDeleteStrategy }

var _ rest.GarbageCollectionDeleteStrategy = withPods{}

// DefaultGarbageCollectionPolicy implements rest.GarbageCollectionDeleteStrategy.
func (withPods) DefaultGarbageCollectionPolicy(context.Context) rest.GarbageCollectionPolicy {
	return rest.DeleteDependents
}

func jobs(b *builder) (map[string]rest.Storage, error) {
	s, status, err := jobstore.NewREST(b)
	if err != nil {
		return nil, err
	}
	s.DeleteStrategy = withPods{job.Strategy}
	return map[string]rest.Storage{"": jobREST{s}, "/status": status}, nil
}

// startBatch starts Kubernetes' own controllers of CronJobs and of Jobs that are to go when they have finished. Any number
// of gateways may: the name of a CronJob's Job says when it was due.
func startBatch(ctx context.Context, client kubernetes.Interface, factory informers.SharedInformerFactory) error {
	ctx = klog.NewContext(ctx, klog.Background().WithName("batch"))
	batch := factory.Batch().V1()
	crons, err := cronjob.NewControllerV2(ctx, batch.Jobs(), batch.CronJobs(), client)
	if err != nil {
		return fmt.Errorf("cron job controller: %w", err)
	}
	finished := ttlafterfinished.New(ctx, batch.Jobs(), client)
	collect := newJobCollector(client, batch)
	if err := collect.heed(batch); err != nil {
		return fmt.Errorf("collector of Jobs: %w", err)
	}
	factory.Start(ctx.Done())
	go func() {
		factory.WaitForCacheSync(ctx.Done())
		go crons.Run(ctx, 1)
		go finished.Run(ctx, 1)
		collect.run(ctx)
	}()
	return nil
}
