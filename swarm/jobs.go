package swarm

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/errdefs"
	"k8s.io/klog/v2"

	"skep/translate"
)

// jobsInterval is how often Jobs are looked at: their deadlines pass without anything happening.
const jobsInterval = time.Second

// KeepJobs stops what runs of Jobs that failed, until the context ends. Any number of gateways may: the service's version
// is checked.
func (m *Mirror) KeepJobs(ctx context.Context, e *Engine) {
	for {
		for _, plan := range m.failedJobs() {
			if _, err := e.run(ctx, m, plan); err != nil && !errors.Is(err, errStale) && !errdefs.IsNotFound(err) && ctx.Err() == nil {
				klog.ErrorS(err, "A Job that failed is not stopped yet", "service", plan.Commit.ID)
			}
		}
		select {
		case <-time.After(jobsInterval):
		case <-ctx.Done():
			return
		}
	}
}

func (m *Mirror) failedJobs() []translate.Plan {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var plans []translate.Plan
	for id, s := range m.services {
		if s.Spec.Mode.ReplicatedJob == nil {
			continue
		}
		plan, err := translate.StopJob(m.world(), id)
		if err != nil {
			klog.ErrorS(err, "A Job that failed cannot be stopped", "service", s.Spec.Name)
			continue
		}
		if !plan.Commit.Empty() {
			plans = append(plans, plan)
		}
	}
	return plans
}
