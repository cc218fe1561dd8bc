package translate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

// Carry plans the next step towards the route that a Service's traffic is to go. An empty plan: it goes that way. Any
// number of gateways may take the step: it is checked against the version of what it changes, or makes something of a
// name that Swarm takes once. No step restarts a task, but for those that have the name of a Service and are no longer
// what it stands for: see leavingWarnings.
func Carry(w World, k Key) (Plan, error) {
	e := w.Exposed(k)
	switch {
	case k == IngressProxy:
		return Plan{}, nil // see CarryIngresses
	case e == nil:
		return abandon(w, k)
	}
	for _, wl := range selected(w, e) {
		if plan := dressUnstarted(w, e, wl); !plan.Commit.Empty() {
			return plan, nil
		}
	}
	route := routeOf(w, e)
	if route == RouteProxy {
		if plan, err := putProxy(w, e); err != nil || !plan.Commit.Empty() {
			return plan, err
		}
	}
	if plan := letGo(w, e, route); !plan.Commit.Empty() {
		return plan, nil
	}
	if route != RouteProxy && (route != RouteNative || dressed(w, e)) {
		return withoutProxy(w, k), nil
	}
	return Plan{}, nil
}

// letGo takes a Service's name from a workload that is not what it stands for; what Docker's tools made keeps its names.
// A proxy that is to have the name has to run first.
func letGo(w World, e *Exposed, route Route) Plan {
	if route == RouteProxy && !runs(w, w.Proxy(e.Key())) {
		return Plan{}
	}
	for _, id := range w.Wearing(e.Key()) {
		if wl := w.Workload(id); wl != nil && !wl.Gone && mistaken(w, e, wl) {
			if plan := undress(w, wl); !plan.Commit.Empty() {
				return plan
			}
		}
	}
	return Plan{}
}

// runs says whether a service has a task that runs.
func runs(w World, s *swarm.Service) bool {
	return s != nil && slices.ContainsFunc(w.Tasks(s.ID), func(t *swarm.Task) bool {
		return wanted(t) && t.Status.State == swarm.TaskStateRunning
	})
}

// abandon takes away what carried a Service that is no more. Its name stays with a workload that has it, where nothing
// asks for it; its ports do not.
func abandon(w World, k Key) (Plan, error) {
	if plan := withoutProxy(w, k); !plan.Commit.Empty() {
		return plan, nil
	}
	for _, id := range w.Wearing(k) {
		if wl := w.Workload(id); wl != nil && !wl.Gone && publishes(&wl.Service.Spec, k) {
			return undress(w, wl), nil
		}
	}
	return Plan{}, nil
}

func publishes(spec *swarm.ServiceSpec, k Key) bool {
	return slices.Contains(strings.Split(spec.Labels[LabelPublishes], ","), AddressID(k))
}

// dressUnstarted makes a workload of which nothing runs yet the Service itself.
func dressUnstarted(w World, e *Exposed, wl *Workload) Plan {
	if slices.Contains(w.Wearing(e.Key()), wl.Service.ID) || !unstarted(w, wl) ||
		!slices.Contains(worn(w, wl.Identity.Namespace, &wl.Template, wl.Service.ID), e) {
		return Plan{}
	}
	return undress(w, wl)
}

// undress has a workload's service be just those Services that select it.
func undress(w World, wl *Workload) Plan {
	spec := wl.Service.Spec
	if isJobService(&spec) { // any change would run it again
		return Plan{}
	}
	reconnect(w, wl, &spec, &wl.Template)
	if digest(spec) == digest(wl.Service.Spec) {
		return Plan{}
	}
	return Plan{
		Networks: networksOf(w, &spec.TaskTemplate), // a policy may move it as well
		Commit:   Step{Group: GroupService, ID: wl.Service.ID, Version: wl.Service.Version, Service: &spec},
	}
}

// unstarted says that a workload has no containers, and that none are about to be made: it is scaled to nothing, or no
// node can take its tasks.
func unstarted(w World, wl *Workload) bool {
	live := slices.DeleteFunc(slices.Clone(w.Tasks(wl.Service.ID)), func(t *swarm.Task) bool { return !wanted(t) || hasEnded(t) })
	if n := replicasOf(&wl.Service.Spec); len(live) == 0 {
		return n != nil && *n == 0
	}
	return !slices.ContainsFunc(live, func(t *swarm.Task) bool { return t.Status.State != swarm.TaskStatePending || t.Status.Err == "" })
}

// dressed says that all of a Service's tasks answer to its name, and that there is one that runs.
func dressed(w World, e *Exposed) bool {
	running := false
	for _, wl := range selected(w, e) {
		for _, t := range w.Tasks(wl.Service.ID) {
			if !wanted(t) || hasEnded(t) {
				continue
			}
			if !slices.Contains(Worn(w.Networking(), &swarm.ServiceSpec{TaskTemplate: t.Spec}), e.Key()) {
				return false
			}
			running = running || t.Status.State == swarm.TaskStateRunning
		}
	}
	return running
}

// putProxy makes a Service's proxy, or has it follow the Service.
func putProxy(w World, e *Exposed) (Plan, error) {
	spec, materials, err := proxySpec(w, e)
	if err != nil {
		return Plan{}, err
	}
	return followBoth(w, e.Key(), spec, materials, nil)
}

// followSpec makes a proxy's service, or gives it a spec where that is another than its last one.
func followSpec(w World, present *swarm.Service, spec swarm.ServiceSpec, materials []Material) Plan {
	step := Step{Group: GroupService, Service: &spec}
	if present != nil {
		version, err := strconv.Atoi(present.Spec.Labels[LabelProxyVersion])
		if present.Spec.Labels[LabelProxySpec] == spec.Labels[LabelProxySpec] || err == nil && version > proxyVersion {
			return Plan{}
		}
		if (present.Spec.Mode.Global == nil) != (spec.Mode.Global == nil) { // Swarm changes no mode
			return Plan{Commit: Step{Group: GroupService, ID: present.ID}}
		}
		step.ID, step.Version = present.ID, present.Version
		spec.Name = present.Spec.Name
		spec.TaskTemplate.ForceUpdate = present.Spec.TaskTemplate.ForceUpdate
	}
	return Plan{Materials: materials, Networks: networksOf(w, &spec.TaskTemplate), Commit: step}
}
