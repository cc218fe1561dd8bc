package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers/batch/v1"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/batch/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// jobCollector is Kubernetes' garbage collector for the Jobs of CronJobs: they go with theirs, before it where the deletion
// is in the foreground, or stay without one.
type jobCollector struct {
	client kubernetes.Interface
	jobs   listers.JobLister
	crons  listers.CronJobLister
	queue  workqueue.TypedRateLimitingInterface[cronKey]
}

// cronKey is a CronJob that is or was.
type cronKey struct {
	types.NamespacedName
	uid types.UID
}

// errJobsLeft has a CronJob looked at again.
var errJobsLeft = errors.New("it still has Jobs")

func newJobCollector(client kubernetes.Interface, batch v1.Interface) *jobCollector {
	return &jobCollector{
		client: client, jobs: batch.Jobs().Lister(), crons: batch.CronJobs().Lister(),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[cronKey](200*time.Millisecond, 30*time.Second)),
	}
}

// heed has the collector look after what changes.
func (c *jobCollector) heed(batch v1.Interface) error {
	_, err := batch.Jobs().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.ofJob,
		DeleteFunc: c.ofJob,
	})
	if err != nil {
		return err
	}
	_, err = batch.CronJobs().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, now any) { c.ofCron(now) },
		DeleteFunc: c.ofCron,
	})
	return err
}

func (c *jobCollector) ofJob(object any) {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if job, ok := object.(*batchv1.Job); ok {
		if ref := cronOf(job); ref != nil {
			c.queue.Add(cronKey{types.NamespacedName{Namespace: job.Namespace, Name: ref.Name}, ref.UID})
		}
	}
}

func (c *jobCollector) ofCron(object any) {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if cron, ok := object.(*batchv1.CronJob); ok {
		c.queue.Add(cronKey{types.NamespacedName{Namespace: cron.Namespace, Name: cron.Name}, cron.UID})
	}
}

// cronOf is the reference to a Job's CronJob; nil for none.
func cronOf(job *batchv1.Job) *metav1.OwnerReference {
	if ref := metav1.GetControllerOf(job); ref != nil && ref.Kind == "CronJob" {
		return ref
	}
	return nil
}

func (c *jobCollector) run(ctx context.Context) {
	go func() { <-ctx.Done(); c.queue.ShutDown() }()
	for {
		k, stopped := c.queue.Get()
		if stopped {
			return
		}
		if err := c.collect(ctx, k); err == nil {
			c.queue.Forget(k)
		} else {
			klog.V(2).InfoS("The Jobs of a CronJob are not collected yet", "cronjob", k.NamespacedName, "err", err)
			c.queue.AddRateLimited(k)
		}
		c.queue.Done(k)
	}
}

// collect does one round for a CronJob.
func (c *jobCollector) collect(ctx context.Context, k cronKey) error {
	cron, err := c.crons.CronJobs(k.Namespace).Get(k.Name)
	if apierrors.IsNotFound(err) || err == nil && cron.UID != k.uid { // the cache may be behind
		cron, err = c.client.BatchV1().CronJobs(k.Namespace).Get(ctx, k.Name, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err), err == nil && cron.UID != k.uid:
		return c.each(k, func(job *batchv1.Job) error { return c.remove(ctx, job, metav1.DeletePropagationBackground) })
	case err != nil:
		return err
	case cron.DeletionTimestamp == nil:
		return nil
	case slices.Contains(cron.Finalizers, metav1.FinalizerOrphanDependents):
		if err := c.each(k, func(job *batchv1.Job) error { return c.leave(ctx, job, k.uid) }); err != nil {
			return err
		}
		return c.release(ctx, cron, metav1.FinalizerOrphanDependents)
	case slices.Contains(cron.Finalizers, metav1.FinalizerDeleteDependents):
		left := false
		err := c.each(k, func(job *batchv1.Job) error {
			left = true
			return c.remove(ctx, job, metav1.DeletePropagationForeground)
		})
		if err != nil {
			return err
		}
		if left {
			return errJobsLeft
		}
		return c.release(ctx, cron, metav1.FinalizerDeleteDependents)
	}
	return nil
}

// each does something for all Jobs of a CronJob.
func (c *jobCollector) each(k cronKey, do func(*batchv1.Job) error) error {
	all, err := c.jobs.Jobs(k.Namespace).List(everything)
	if err != nil {
		return err
	}
	var errs []error
	for _, job := range all {
		if ref := cronOf(job); ref != nil && ref.UID == k.uid {
			if err := do(job); !apierrors.IsNotFound(err) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func (c *jobCollector) remove(ctx context.Context, job *batchv1.Job, how metav1.DeletionPropagation) error {
	if job.DeletionTimestamp != nil {
		return nil
	}
	return c.client.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{
		PropagationPolicy: &how, Preconditions: metav1.NewUIDPreconditions(string(job.UID)),
	})
}

// leave takes the reference to the CronJob out of a Job.
func (c *jobCollector) leave(ctx context.Context, job *batchv1.Job, of types.UID) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := c.client.BatchV1().Jobs(job.Namespace).Get(ctx, job.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		live.OwnerReferences = slices.DeleteFunc(live.OwnerReferences, func(ref metav1.OwnerReference) bool { return ref.UID == of })
		_, err = c.client.BatchV1().Jobs(job.Namespace).Update(ctx, live, metav1.UpdateOptions{})
		return err
	})
}

// release takes a finalizer out of a CronJob, whose time has come then.
func (c *jobCollector) release(ctx context.Context, cron *batchv1.CronJob, finalizer string) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := c.client.BatchV1().CronJobs(cron.Namespace).Get(ctx, cron.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && live.UID != cron.UID {
			return nil
		}
		if err != nil {
			return err
		}
		live.Finalizers = slices.DeleteFunc(live.Finalizers, func(f string) bool { return f == finalizer })
		_, err = c.client.BatchV1().CronJobs(cron.Namespace).Update(ctx, live, metav1.UpdateOptions{})
		return err
	})
}
