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
	after, run, err := encodeWorkload(w, wl.Object, &wl.Template, wl.Hash)
	if err != nil {
		return Plan{}, err
	}
	live := &wl.Service.Spec
	spec := *live
	spec.TaskTemplate = after.TaskTemplate
	// The networks and the labels of the task are as they were; the sources are what is new.
	spec.TaskTemplate.Networks = live.TaskTemplate.Networks
	spec.TaskTemplate.ForceUpdate = live.TaskTemplate.ForceUpdate
	signTask(&spec.TaskTemplate)
	if slices.Equal(spec.TaskTemplate.Placement.Constraints, live.TaskTemplate.Placement.Constraints) {
		return Plan{}, nil
	}
	if err := label(&spec, wl.Object, nil); err != nil {
		return Plan{}, err
	}
	return Plan{Materials: run.Materials, Commit: Step{Group: GroupService, ID: serviceID, Version: wl.Service.Version, Service: &spec}}, nil
}
