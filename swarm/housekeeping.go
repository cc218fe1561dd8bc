package swarm

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
	"k8s.io/klog/v2"

	"skep/translate"
)

const (
	// houseInterval is how often at most the house is looked after, and only when something changed.
	houseInterval = time.Second
	// leaveAlone is how young a material or document is left alone: what needs it may be on its way.
	leaveAlone = time.Minute
)

// KeepHouse starts tasks that waited for a ConfigMap, Secret or claim, and removes what nothing refers to any
// more, until the context ends.
func (m *Mirror) KeepHouse(ctx context.Context, e *Engine) {
	seen := uint64(0)
	swept := time.Now()
	for {
		if err := m.await(ctx, func() bool { return m.rev != seen }); err != nil {
			return
		}
		seen = m.Revision()
		m.startWaiting(ctx, e)
		if time.Since(swept) > leaveAlone/2 {
			m.sweep(ctx, e)
			swept = time.Now()
		}
		select {
		case <-time.After(houseInterval):
		case <-ctx.Done():
			return
		}
	}
}

// startWaiting gives services what they wait for, where it has come, and keeps them with their volumes.
func (m *Mirror) startWaiting(ctx context.Context, e *Engine) {
	m.mu.RLock()
	var plans []translate.Plan
	for id, s := range m.services {
		if !translate.Unsettled(&s.Spec.TaskTemplate) {
			continue
		}
		plan, err := translate.Supply(m.world(), id)
		if err != nil {
			klog.ErrorS(err, "A service that waits cannot be supplied", "service", s.Spec.Name)
			continue
		}
		if !plan.Commit.Empty() {
			plans = append(plans, plan)
		}
	}
	m.mu.RUnlock()
	for _, plan := range plans {
		if _, err := e.run(ctx, m, plan); err != nil && !errors.Is(err, errStale) {
			klog.ErrorS(err, "A service that waits cannot be supplied", "service", plan.Commit.ID)
		}
	}
}

// sweep removes materials that no service, earlier spec or task mounts, and documents whose service is gone.
// Swarm itself refuses to remove what is in use.
func (m *Mirror) sweep(ctx context.Context, e *Engine) {
	for _, step := range m.litter(time.Now()) {
		if err := e.remove(ctx, step); err != nil && !errdefs.IsNotFound(err) {
			klog.V(2).InfoS("Not swept", "kind", step.Group, "id", step.ID, "err", err)
		}
	}
}

func (m *Mirror) litter(now time.Time) []translate.Step {
	m.mu.RLock()
	defer m.mu.RUnlock()
	used := m.mounted()
	old := func(made time.Time) bool { return now.Sub(made) > leaveAlone }
	var steps []translate.Step
	for id, c := range m.configs {
		owner := c.Spec.Labels[translate.LabelOwner]
		orphan := owner != "" && m.services[owner] == nil
		if old(c.CreatedAt) && (orphan || c.Spec.Labels[translate.LabelMaterial] != "" && !used[id]) {
			steps = append(steps, translate.Step{Group: translate.GroupConfig, ID: id})
		}
	}
	for id, s := range m.secrets {
		if old(s.CreatedAt) && s.Spec.Labels[translate.LabelMaterial] != "" && !used[id] {
			steps = append(steps, translate.Step{Group: translate.GroupSecret, ID: id})
		}
	}
	return append(steps, m.emptyOverlays(old)...)
}

// emptyOverlays are those that NetworkPolicies made and no service is on any more.
func (m *Mirror) emptyOverlays(old func(time.Time) bool) []translate.Step {
	used := map[string]bool{}
	for _, s := range m.services {
		for _, n := range s.Spec.TaskTemplate.Networks {
			used[n.Target] = true
		}
		if s.PreviousSpec != nil {
			for _, n := range s.PreviousSpec.TaskTemplate.Networks {
				used[n.Target] = true
			}
		}
	}
	var steps []translate.Step
	for id, n := range m.networks {
		if n.Labels[translate.LabelMaterial] != "" && translate.PolicyNetwork(n.Name) && old(n.Created) && !used[id] && !used[n.Name] {
			steps = append(steps, translate.Step{Group: kindNetwork, ID: id})
		}
	}
	return steps
}

// mounted are the IDs of the configs and secrets that any service, earlier spec or task mounts.
func (m *Mirror) mounted() map[string]bool {
	used := map[string]bool{}
	mark := func(c *swarm.ContainerSpec) {
		if c == nil {
			return
		}
		for _, ref := range c.Configs {
			used[ref.ConfigID] = true
		}
		for _, ref := range c.Secrets {
			used[ref.SecretID] = true
		}
	}
	for _, s := range m.services {
		mark(s.Spec.TaskTemplate.ContainerSpec)
		if s.PreviousSpec != nil {
			mark(s.PreviousSpec.TaskTemplate.ContainerSpec)
		}
	}
	for _, tasks := range m.tasks {
		for _, t := range tasks {
			mark(t.Spec.ContainerSpec)
		}
	}
	return used
}

// ErrRemaining says that a stack still has tasks that stop.
var ErrRemaining = errors.New("tasks of the stack are still stopping")

// EmptyStack removes what Docker made in a namespace's stack, and all workloads on which no finalizer
// waits: services first, and when their tasks are gone, configs, secrets and networks.
func (e *Engine) EmptyStack(ctx context.Context, m *Mirror, namespace string) error {
	services, rest, stopping := m.stackSteps(namespace)
	jobs, ended := m.jobTasks(namespace)
	if e.control != nil { // without it what has ended can stay: it is nothing to anyone
		jobs = append(jobs, ended...)
	}
	services = append(services, jobs...)
	for _, s := range services {
		if _, err := e.step(ctx, m, s); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	if len(services) > 0 || stopping {
		return ErrRemaining
	}
	for _, s := range rest {
		if _, err := e.step(ctx, m, s); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// stackSteps are the removals of a stack: its services; what else Docker made and the documents that went
// with services; whether tasks still stop.
func (m *Mirror) stackSteps(namespace string) (services, rest []translate.Step, stopping bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	w := m.world()
	for id, s := range m.services {
		if translate.StackNamespace(s.Spec.Labels) != namespace {
			continue
		}
		if wl := w.Workload(id); len(wl.Object.GetFinalizers()) == 0 {
			services = append(services, translate.Step{Group: translate.GroupService, ID: id})
		}
	}
	for _, s := range m.gone {
		stopping = stopping || translate.StackNamespace(s.Spec.Labels) == namespace && !isJob(&s.Spec)
	}
	st := m.stacks[namespace]
	if st == nil {
		return services, nil, stopping
	}
	for id := range st.ids {
		if c := m.configs[id]; c != nil && (c.Spec.Labels[translate.LabelKind] == "" || c.Spec.Labels[translate.LabelOwner] != "") {
			rest = append(rest, translate.Step{Group: translate.GroupConfig, ID: id})
		}
		if m.secrets[id] != nil {
			rest = append(rest, translate.Step{Group: translate.GroupSecret, ID: id})
		}
		if _, ok := m.networks[id]; ok {
			rest = append(rest, translate.Step{Group: kindNetwork, ID: id})
		}
	}
	return services, rest, stopping
}

// jobTasks are the removals of the tasks that jobs have left in a namespace, those that run and those that have ended:
// Engines before 23 leave all tasks of a removed job as they were.
func (m *Mirror) jobTasks(namespace string) (running, ended []translate.Step) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	w := m.world()
	for id, s := range m.gone {
		if translate.StackNamespace(s.Spec.Labels) != namespace || !isJob(&s.Spec) {
			continue
		}
		for _, t := range w.Tasks(id) {
			if step := (translate.Step{Task: t.ID}); translate.Ended(t) {
				ended = append(ended, step)
			} else {
				running = append(running, step)
			}
		}
	}
	return running, ended
}

func isJob(spec *swarm.ServiceSpec) bool {
	return spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil
}
