package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/swarm"
)

// keptPlain is a plain task that became a sandbox, as it was, in LabelPlain: much of what Docker's tools say of a
// container Kubernetes cannot say, and it means nothing to a sandbox. Written is what skep would have written.
type keptPlain struct {
	Task, Written swarm.TaskSpec
}

// keepPlain is what a sandbox has to remember of the plain task that it takes over from.
func keepPlain(live, written *swarm.TaskSpec) (string, error) {
	kept := keptPlain{*live, *written}
	was, now := *live.ContainerSpec, *written.ContainerSpec
	// Variables may hold what is secret, and Kubernetes can say nearly all of them.
	was.Env = slices.DeleteFunc(slices.Clone(was.Env), func(entry string) bool {
		return slices.ContainsFunc(now.Env, func(e string) bool { return envKey(e) == envKey(entry) })
	})
	now.Env = nil
	kept.Task.ContainerSpec, kept.Written.ContainerSpec = &was, &now
	doc, err := json.Marshal(kept)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", LabelPlain, err)
	}
	return string(doc), nil
}

// plainBefore is the plain task that a sandbox took over from; nil for a Pod that was a sandbox from the start.
func plainBefore(live *swarm.TaskSpec) *keptPlain {
	doc, ok := containerSpec(live).Labels[LabelPlain]
	kept := &keptPlain{}
	if !ok || json.Unmarshal([]byte(doc), kept) != nil || kept.Task.ContainerSpec == nil || kept.Written.ContainerSpec == nil {
		return nil
	}
	return kept
}

// becomeSandbox lays a sandbox over a merged task. What Docker's tools put on the container is not the sandbox's, but for
// what stands around it: labels, and how it is reached and placed.
func becomeSandbox(task, live, before, after *swarm.TaskSpec) error {
	kept, err := keepPlain(live, before)
	if err != nil {
		return err
	}
	c := *after.ContainerSpec
	c.Labels, c.Hosts, c.Sysctls = maps.Clone(task.ContainerSpec.Labels), task.ContainerSpec.Hosts, task.ContainerSpec.Sysctls
	c.Labels[LabelPlain] = kept
	task.ContainerSpec, task.LogDriver, task.Resources = &c, after.LogDriver, after.Resources
	return nil
}

// becomePlain lays over a merged task the container that the sandbox took over from, with what changed since.
func becomePlain(task *swarm.TaskSpec, kept *keptPlain, after *swarm.TaskSpec) error {
	back, err := mergeTask(&kept.Task, &kept.Written, after, true)
	if err != nil {
		return err
	}
	task.ContainerSpec, task.LogDriver, task.Resources = back.ContainerSpec, back.LogDriver, back.Resources
	return nil
}
