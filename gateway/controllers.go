package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	restclient "k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/namespace/deletion"

	"skep/swarm"
	"skep/translate"
)

// namespaceController empties namespaces that are to be deleted. What Docker made in the stack goes by
// Docker's means; the rest is done by kube-controller-manager's own code.
type namespaceController struct {
	engine  *swarm.Engine
	mirror  *swarm.Mirror
	deleter deletion.NamespacedResourcesDeleterInterface
	queue   workqueue.TypedRateLimitingInterface[string]
}

// startControllers starts what acts by itself. Any number of gateways may: each step is checked against
// the Swarm's version or harmless when done twice.
func startControllers(ctx context.Context, client kubernetes.Interface, config *restclient.Config, factory informers.SharedInformerFactory, b *builder) error {
	md, err := metadata.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("namespace controller: %w", err)
	}
	c := &namespaceController{
		engine: b.engine, mirror: b.mirror,
		deleter: deletion.NewNamespacedResourcesDeleter(ctx, client.CoreV1().Namespaces(), md, client.CoreV1(),
			client.Discovery().ServerPreferredNamespacedResources, corev1.FinalizerKubernetes),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](200*time.Millisecond, 10*time.Second)),
	}
	_, err = factory.Core().V1().Namespaces().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.enqueue,
		UpdateFunc: func(_, now any) { c.enqueue(now) },
	})
	if err != nil {
		return fmt.Errorf("namespace controller: %w", err)
	}
	go func() { <-ctx.Done(); c.queue.ShutDown() }()
	go c.run(ctx)
	go b.mirror.KeepHouse(ctx, b.engine)
	go b.mirror.KeepReports(ctx, b.engine)
	go b.mirror.KeepUpdates(ctx, hands{b.agents, client})
	go b.agents.run(ctx)
	told := newReports(ctx, client)
	go b.mirror.KeepRoutes(ctx, b.engine, told.tell)
	go b.mirror.KeepIngresses(ctx, b.engine, func(problems []translate.Problem) { told.tell(translate.IngressProxy, problems) })
	go b.mirror.KeepPolicies(ctx, b.engine)
	go b.mirror.KeepJobs(ctx, b.engine)
	go makeClasses(ctx, client)
	if err := startBatch(ctx, client, factory); err != nil {
		return err
	}
	return startStorage(ctx, client, factory, b, nodeVolumes{b.agents})
}

// fewTries are no reason to be loud.
const fewTries = 4

func (c *namespaceController) enqueue(object any) {
	if a, err := meta.Accessor(object); err == nil && a.GetDeletionTimestamp() != nil {
		c.queue.Add(a.GetName())
	}
}

func (c *namespaceController) run(ctx context.Context) {
	for {
		name, stopped := c.queue.Get()
		if stopped {
			return
		}
		err := c.empty(ctx, name)
		var remaining *deletion.ResourcesRemainingError
		switch {
		case err == nil:
			c.queue.Forget(name)
		case errors.As(err, &remaining), errors.Is(err, swarm.ErrRemaining):
			c.queue.AddAfter(name, time.Second)
		case c.queue.NumRequeues(name) < fewTries: // what follows from something else goes with it
			klog.V(2).InfoS("A namespace is not empty yet", "namespace", name, "err", err)
			c.queue.AddRateLimited(name)
		default:
			klog.ErrorS(err, "A namespace cannot be emptied yet", "namespace", name)
			c.queue.AddRateLimited(name)
		}
		c.queue.Done(name)
	}
}

// empty does one round for a namespace.
func (c *namespaceController) empty(ctx context.Context, name string) error {
	if err := c.engine.EmptyStack(ctx, c.mirror, name); err != nil {
		return err
	}
	return c.deleter.Delete(ctx, name)
}
