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

// Supply plans how a service that waits gets what has come meanwhile; an empty plan when nothing has.
func Supply(w World, serviceID string) (Plan, error) {
	wl := w.Workload(serviceID)
	if wl == nil || wl.Gone {
		return Plan{}, nil
	}
	live := &wl.Service.Spec
	after, err := encodeTask(holding{w, live.TaskTemplate.ContainerSpec}, wl.Object, &wl.Template, wl.Hash)
	if err != nil {
		return Plan{}, err
	}
	// What changes is that something has come; what Docker's tools made of the rest stays.
	before, place := after.Task, swarm.Placement{}
	if before.Placement != nil {
		place = *before.Placement
	}
	place.Constraints = slices.DeleteFunc(slices.Clone(place.Constraints), isMissingConstraint)
	for _, c := range constraintsOf(&live.TaskTemplate) {
		if isMissingConstraint(c) {
			place.Constraints = append(place.Constraints, c)
		}
	}
	before.Placement = &place
	if slices.Equal(missingOf(&before), missingOf(&after.Task)) {
		return Plan{}, nil
	}
	spec := *live
	if spec.TaskTemplate, err = mergeTask(&live.TaskTemplate, &before, &after.Task, true); err != nil {
		return Plan{}, err
	}
	signTask(&spec.TaskTemplate)
	if err := label(&spec, wl.Object, &wl.Template); err != nil {
		return Plan{}, err
	}
	return Plan{Materials: after.Materials, Commit: Step{Group: GroupService, ID: serviceID, Version: wl.Service.Version, Service: &spec}}, nil
}

// missingOf are the constraints that say what a task waits for, in order.
func missingOf(spec *swarm.TaskSpec) []string {
	missing := slices.DeleteFunc(slices.Clone(constraintsOf(spec)), func(c string) bool { return !isMissingConstraint(c) })
	slices.Sort(missing)
	return missing
}
