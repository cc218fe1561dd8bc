package translate

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

// Waits says whether a task waits for something that it refers to: it has a constraint that no node meets.
func Waits(spec *swarm.TaskSpec) bool {
	return spec.Placement != nil && slices.ContainsFunc(spec.Placement.Constraints, isMissingConstraint)
}

func isMissingConstraint(c string) bool { return strings.HasPrefix(c, constraintMissing) }

// Unsettled says whether Supply may have something to do for a service: it waits, or has volumes of claims.
func Unsettled(spec *swarm.TaskSpec) bool {
	return Waits(spec) || spec.ContainerSpec != nil && slices.ContainsFunc(spec.ContainerSpec.Mounts, isClaimMount)
}

// Supply plans how a service that waits gets what has come meanwhile, and how one gets to where its volumes are; an
// empty plan when there is nothing to do.
func Supply(w World, serviceID string) (Plan, error) {
	wl := supplied(w, serviceID)
	if wl == nil {
		return Plan{}, nil
	}
	live := &wl.Service.Spec
	after, err := encodeTask(holding{w, live.TaskTemplate.ContainerSpec}, wl.running(), &wl.Template, wl.Hash, formOf(&live.TaskTemplate))
	if err != nil {
		return Plan{}, err
	}
	waits := Waits(&live.TaskTemplate)
	if !waits && len(after.Missing) > 0 {
		if waits = !slices.ContainsFunc(w.Tasks(serviceID), wanted); !waits {
			return Plan{}, nil // it goes on with what it was started with, where it was
		}
	}
	// What changes is that something has come, or is known to be on a node; what Docker's tools made of the rest stays.
	// What waits for nothing goes on with the ConfigMaps and Secrets that it was started with.
	own := func(c string) bool { return isPin(c) || waits && isMissingConstraint(c) }
	before, place := after.Task, swarm.Placement{}
	if before.Placement != nil {
		place = *before.Placement
	}
	place.Constraints = slices.DeleteFunc(slices.Clone(place.Constraints), own)
	for _, c := range constraintsOf(&live.TaskTemplate) {
		if own(c) {
			place.Constraints = append(place.Constraints, c)
		}
	}
	before.Placement = &place
	spec := *live
	holdReplicas(w, &spec, wl.Object)
	if slices.Equal(ownOf(&before), ownOf(&after.Task)) && spec.Labels[LabelHeld] == live.Labels[LabelHeld] {
		return Plan{}, nil
	}
	if spec.TaskTemplate, err = mergeTask(&live.TaskTemplate, &before, &after.Task, waits); err != nil {
		return Plan{}, err
	}
	signTask(&spec.TaskTemplate)
	if err := label(&spec, wl.Object, &wl.Template); err != nil {
		return Plan{}, err
	}
	return Plan{Materials: after.Materials, Commit: Step{Group: GroupService, ID: serviceID, Version: wl.Service.Version, Service: &spec, RegistryAuth: after.RegistryAuth}}, nil
}

// supplied is a service that may be changed; nil for none. A job that nodes have tasks of would run again.
func supplied(w World, serviceID string) *Workload {
	wl := w.Workload(serviceID)
	if wl == nil || wl.Gone || isJobService(&wl.Service.Spec) && slices.ContainsFunc(w.Tasks(serviceID), isAssigned) {
		return nil
	}
	return wl
}

// isAssigned says whether a node knows or knew of a task.
func isAssigned(t *swarm.Task) bool {
	return stateOrder[t.Status.State] >= stateOrder[swarm.TaskStateAssigned]
}

// ownOf are the constraints that say what a task waits for and where its volumes are, in order.
func ownOf(spec *swarm.TaskSpec) []string {
	own := slices.DeleteFunc(slices.Clone(constraintsOf(spec)), func(c string) bool { return !isMissingConstraint(c) && !isPin(c) })
	slices.Sort(own)
	return own
}
