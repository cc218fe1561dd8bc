package swarm

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"skep/translate"
)

// routeRetry is how long at least and at most is waited after a step that Swarm refused.
const (
	routeRetryLeast = time.Second
	routeRetryMost  = 30 * time.Second
)

// KeepRoutes has traffic go the way that Kubernetes Services say, until the context ends. Any number of gateways may:
// see translate.Carry. report is told what a Service asks for and does not get.
func (m *Mirror) KeepRoutes(ctx context.Context, e *Engine, report func(translate.Key, []translate.Problem)) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[translate.Key](routeRetryLeast, routeRetryMost))
	go func() {
		defer queue.ShutDown()
		for {
			select {
			case <-m.exposures.ring:
				for _, k := range m.takeAstir() {
					queue.Add(k)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	var workers sync.WaitGroup
	for range routeWorkers {
		workers.Go(func() {
			for m.carryNext(ctx, e, queue, report) {
			}
		})
	}
	workers.Wait()
}

// routeWorkers is how many Services are looked after at a time.
const routeWorkers = 4

// carryNext looks after the next Service; false when there will be none.
func (m *Mirror) carryNext(
	ctx context.Context, e *Engine, queue workqueue.TypedRateLimitingInterface[translate.Key], report func(translate.Key, []translate.Problem),
) bool {
	k, stopped := queue.Get()
	if stopped {
		return false
	}
	defer queue.Done(k)
	problems, err := m.carry(ctx, e, k)
	switch {
	case err == nil:
		queue.Forget(k)
	case ctx.Err() == nil:
		klog.ErrorS(err, "A Service's traffic cannot go its way yet", "namespace", k.Namespace, "service", k.Name)
		queue.AddRateLimited(k)
	}
	report(k, problems)
	return true
}

// carry takes one step; what it changes brings the Service back when there is another to take. When another gateway
// was faster there is nothing wrong.
func (m *Mirror) carry(ctx context.Context, e *Engine, k translate.Key) ([]translate.Problem, error) {
	m.mu.RLock()
	w := m.world()
	plan, err := translate.Carry(w, k)
	problems, exposed := translate.ServiceProblems(w, k), w.Exposed(k)
	m.mu.RUnlock()
	if err == nil {
		err = m.runRoute(ctx, e, plan)
	}
	if err != nil && exposed != nil {
		problems = append(problems, translate.Problem{
			Kind: "Service", Key: k, UID: exposed.Object.UID, Reason: "NotCarried", Message: plainMessage(err),
		})
	}
	return problems, err
}

func (m *Mirror) runRoute(ctx context.Context, e *Engine, plan translate.Plan) error {
	if plan.Commit.Empty() {
		return nil
	}
	_, err := e.run(ctx, m, plan)
	if errors.Is(err, errStale) || errdefs.IsNotFound(err) {
		return nil
	}
	if isNameConflict(err) && plan.Commit.Service != nil {
		if lookErr := e.lookNamed(ctx, m, plan.Commit.Service.Name); lookErr == nil {
			return nil
		}
	}
	return err
}

// KeepIngresses has the proxy of Ingresses, and Traefik's labels, say what the Ingresses say, until the context ends.
// report is told all that they ask for and do not get.
func (m *Mirror) KeepIngresses(ctx context.Context, e *Engine, report func([]translate.Problem)) {
	heed(ctx, m.exposures.rules.ring, "Ingresses are not served as they say yet", func() error {
		var problems []translate.Problem
		err := m.takeSteps(ctx, e, func(w translate.World) (plan translate.Plan, err error) {
			plan, problems, err = translate.CarryIngresses(w)
			return plan, err
		})
		if err != nil {
			m.mu.RLock()
			problems = append(problems, translate.Unserved(m.world(), plainMessage(err))...)
			m.mu.RUnlock()
		}
		report(problems)
		return err
	})
}

// KeepPolicies moves workloads to the overlays that NetworkPolicies put them on, until the context ends.
func (m *Mirror) KeepPolicies(ctx context.Context, e *Engine) {
	heed(ctx, m.exposures.rules.moves, "NetworkPolicies are not kept yet", func() error {
		return m.takeSteps(ctx, e, func(w translate.World) (translate.Plan, error) { return translate.CarryPolicies(w), nil })
	})
}

// What rings together is one change: fifty Ingresses applied at once. It is waited for this long.
const (
	gatherQuiet = 500 * time.Millisecond
	gatherMost  = 3 * time.Second
	heedAgain   = 3 * time.Second
)

// heed does something each time that it rings, until the context ends, and later again when it failed.
func heed(ctx context.Context, ring <-chan struct{}, failed string, do func() error) {
	var again <-chan time.Time
	for {
		select {
		case <-ring:
			gather(ctx, ring)
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		if err := do(); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, failed)
			again = time.After(heedAgain)
		}
	}
}

// gather waits until it has not rung for a while.
func gather(ctx context.Context, ring <-chan struct{}) {
	latest := time.After(gatherMost)
	for {
		select {
		case <-ring:
		case <-time.After(gatherQuiet):
			return
		case <-latest:
			return
		case <-ctx.Done():
			return
		}
	}
}

// stepsAtOnce is how many steps are taken before something else seems to undo them.
const stepsAtOnce = 1000

var errEndless = errors.New("there is no end to it: do all gateways have the same options?")

// takeSteps takes steps as long as there are any; each is seen in the mirror when it is done.
func (m *Mirror) takeSteps(ctx context.Context, e *Engine, next func(translate.World) (translate.Plan, error)) error {
	for range stepsAtOnce {
		m.mu.RLock()
		plan, err := next(m.world())
		m.mu.RUnlock()
		if err != nil || plan.Commit.Empty() {
			return err
		}
		if err := m.runRoute(ctx, e, plan); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errEndless
}
