package translate

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"skep/translate/manifest"
)

// AnnotationSwarmSpec holds what Swarm can say and Kubernetes cannot, as JSON in the shape of Docker's API: on a Pod
// (template) parts of a task, see taskOnly; on what has a template parts of the service, see serviceOnly. Where Docker's
// tools set such a part, Get writes it here; Put makes it so. What Kubernetes' own fields say stands over it.
const AnnotationSwarmSpec = manifest.AnnotationSwarmSpec

// taskOnly are the parts of a task that a Pod template has no fields for.
type taskOnly struct {
	RestartPolicy *restartOnly   `json:",omitempty"`
	LogDriver     *swarm.Driver  `json:",omitempty"`
	Resources     *resourcesOnly `json:",omitempty"`
	Placement     *placementOnly `json:",omitempty"`
	ContainerSpec *containerOnly `json:",omitempty"`
}

type restartOnly struct {
	// Condition counts where the template's restartPolicy is Always: some kinds know no other.
	Condition   swarm.RestartPolicyCondition `json:",omitempty"`
	Delay       *time.Duration               `json:",omitempty"`
	MaxAttempts *uint64                      `json:",omitempty"`
	Window      *time.Duration               `json:",omitempty"`
}

type resourcesOnly struct {
	Limits       *pidsOnly    `json:",omitempty"`
	Reservations *genericOnly `json:",omitempty"`
}

type pidsOnly struct {
	Pids int64 `json:",omitempty"`
}

type genericOnly struct {
	GenericResources []swarm.GenericResource `json:",omitempty"`
}

type placementOnly struct {
	MaxReplicas uint64 `json:",omitempty"`
}

type containerOnly struct {
	Labels      map[string]string   `json:",omitempty"` // those that Kubernetes does not allow
	Hostname    string              `json:",omitempty"` // one that is no DNS label: a template of Swarm's, say
	User        string              `json:",omitempty"` // with names; Kubernetes knows numbers
	Groups      []string            `json:",omitempty"` // names, too
	StopSignal  string              `json:",omitempty"` // one that Kubernetes does not know
	Init        *bool               `json:",omitempty"`
	Ulimits     []*container.Ulimit `json:",omitempty"`
	OomScoreAdj int64               `json:",omitempty"`
	Healthcheck *healthOnly         `json:",omitempty"`
}

type healthOnly struct {
	Test          []string      `json:",omitempty"` // ["NONE"]: not even the image's own check
	StartInterval time.Duration `json:",omitempty"`
	// The rest is for the image's own check.
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// serviceOnly are the parts of a service beside its task that Kubernetes has no fields for.
type serviceOnly struct {
	UpdateConfig   *updateOnly         `json:",omitempty"`
	RollbackConfig *swarm.UpdateConfig `json:",omitempty"`
}

type updateOnly struct {
	FailureAction   string        `json:",omitempty"`
	Monitor         time.Duration `json:",omitempty"`
	MaxFailureRatio float32       `json:",omitempty"`
}

// SwarmKit's defaults (api/defaults/service.go), which say no more than nothing does.
const (
	defaultRestartDelay = 5 * time.Second
	defaultMonitor      = 5 * time.Second
)

// taskOnlyOf reads the parts of a live task.
func taskOnlyOf(s *swarm.TaskSpec) taskOnly {
	only := standOnlyOf(s)
	only.LogDriver = s.LogDriver
	if r := s.Resources; r != nil {
		only.Resources = filled(resourcesOnly{
			Limits:       filled(pidsOnly{orZero(r.Limits).Pids}),
			Reservations: filled(genericOnly{orZero(r.Reservations).GenericResources}),
		})
	}
	c := containerSpec(s)
	parts := orZero(only.ContainerSpec)
	parts.Init, parts.OomScoreAdj = c.Init, c.OomScoreAdj
	if len(c.Ulimits) > 0 {
		parts.Ulimits = c.Ulimits
	}
	if numericUser.FindString(c.User) == "" {
		parts.User = c.User
	}
	for _, group := range c.Groups {
		if number(group) == nil {
			parts.Groups = append(parts.Groups, group)
		}
	}
	if stopSignal(c.StopSignal) == "" {
		parts.StopSignal = c.StopSignal
	}
	if h := c.Healthcheck; h != nil {
		health := healthOnly{StartInterval: h.StartInterval}
		if healthCommand(h) == nil {
			health.Interval, health.Timeout, health.StartPeriod, health.Retries = h.Interval, h.Timeout, h.StartPeriod, h.Retries
		}
		if isNoCheck(h) {
			health.Test = h.Test
		}
		parts.Healthcheck = filled(health)
	}
	only.ContainerSpec = filled(parts)
	return only
}

// standOnlyOf are the parts that are about the task and not its container: a sandbox has them, too.
func standOnlyOf(s *swarm.TaskSpec) taskOnly {
	var only taskOnly
	if r := s.RestartPolicy; r != nil {
		only.RestartPolicy = filled(restartOnly{
			Delay: unless(r.Delay, defaultRestartDelay), MaxAttempts: unless(r.MaxAttempts, 0), Window: unless(r.Window, 0),
		})
	}
	if s.Placement != nil && s.Placement.MaxReplicas > 1 {
		only.Placement = &placementOnly{s.Placement.MaxReplicas}
	}
	c := containerSpec(s)
	parts := containerOnly{Labels: map[string]string{}}
	for k, v := range c.Labels {
		if !swarmOnly(k) && k != LabelHash && !validLabel(k, v) {
			parts.Labels[k] = v
		}
	}
	if len(parts.Labels) == 0 {
		parts.Labels = nil
	}
	if !isOwnName(c) && c.Hostname != "" && len(validation.IsDNS1123Label(c.Hostname)) > 0 {
		parts.Hostname = c.Hostname
	}
	only.ContainerSpec = filled(parts)
	return only
}

func isNoCheck(h *container.HealthConfig) bool { return len(h.Test) == 1 && h.Test[0] == "NONE" }

// filled is nil for a struct that says nothing.
func filled[T any](v T) *T {
	if reflect.ValueOf(v).IsZero() {
		return nil
	}
	return &v
}

// unless is nil for a default.
func unless[T comparable](v *T, byDefault T) *T {
	if v == nil || *v == byDefault {
		return nil
	}
	return v
}

func orZero[T any](v *T) T {
	if v == nil {
		var zero T
		return zero
	}
	return *v
}

// written is the annotation's text; "" where there is nothing to say.
func written(only any) string {
	if reflect.ValueOf(only).IsZero() {
		return ""
	}
	doc, err := json.Marshal(only)
	if err != nil {
		return "" // it has no values that cannot be encoded
	}
	return string(doc)
}

// readOnly reads an annotation; what cannot be read was refused when it was written.
func readOnly[T any](annotations map[string]string) T {
	var only T
	if json.Unmarshal([]byte(annotations[AnnotationSwarmSpec]), &only) != nil {
		var zero T
		return zero
	}
	return only
}

// taskOnlyAt looks as well at what Kubernetes has a field for: when that changes, what the annotation says and the field
// stood over is no more true.
func taskOnlyAt(s *swarm.TaskSpec) any {
	c := containerSpec(s)
	return []any{written(taskOnlyOf(s)), standOver(s), c.User, c.StopSignal, c.Healthcheck != nil}
}

func standOnlyAt(s *swarm.TaskSpec) any { return []any{written(standOnlyOf(s)), standOver(s)} }

func standOver(s *swarm.TaskSpec) any {
	return []any{restartAt(s), containerSpec(s).Hostname, orZero(s.Placement).MaxReplicas}
}

// getTaskOnly leaves the restart condition to getRestart.
func getTaskOnly(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	only, was := taskOnlyOf(s), readOnly[taskOnly](o.Annotations)
	only.RestartPolicy = withCondition(only.RestartPolicy, orZero(was.RestartPolicy).Condition)
	sayOnly(o, was, only)
}

// sayOnly leaves the text that a client sent where it means the same.
func sayOnly(o *corev1.PodTemplateSpec, was, is taskOnly) {
	if doc := written(is); doc != written(was) {
		setAnnotation(o, AnnotationSwarmSpec, doc)
	}
}

// getStandOnly is getTaskOnly for a sandbox. The rest is for the Pod's containers and stands as it is.
func getStandOnly(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	only, was := standOnlyOf(s), readOnly[taskOnly](o.Annotations)
	is := was
	is.RestartPolicy = withCondition(only.RestartPolicy, orZero(was.RestartPolicy).Condition)
	is.Placement = only.Placement
	c, stands := orZero(was.ContainerSpec), orZero(only.ContainerSpec)
	c.Labels, c.Hostname = stands.Labels, stands.Hostname
	is.ContainerSpec = filled(c)
	sayOnly(o, was, is)
}

func withCondition(r *restartOnly, c swarm.RestartPolicyCondition) *restartOnly {
	out := orZero(r)
	out.Condition = c
	return filled(out)
}

// AlwaysRestart gives a Pod template the one restart policy that Deployments and their like know. What Swarm does
// instead stands in the annotation, so that it stays so.
func AlwaysRestart(o *corev1.PodTemplateSpec) {
	condition, named := restartConditions[o.Spec.RestartPolicy]
	o.Spec.RestartPolicy = corev1.RestartPolicyAlways
	if named && condition != swarm.RestartPolicyConditionAny {
		setCondition(o, condition)
	}
}

func setCondition(o *corev1.PodTemplateSpec, c swarm.RestartPolicyCondition) {
	was := readOnly[taskOnly](o.Annotations)
	is := was
	is.RestartPolicy = withCondition(was.RestartPolicy, c)
	sayOnly(o, was, is)
}

// putTaskOnly makes a plain task have the parts that the annotation names, unless fields of the Pod say otherwise.
func (p *putter) putTaskOnly() {
	only := p.putStandOnly()
	task, c := &p.plan.Task, p.spec
	task.LogDriver = only.LogDriver
	if r := only.Resources; r != nil {
		task.Resources = new(orZero(task.Resources))
		if r.Limits != nil {
			task.Resources.Limits = new(orZero(task.Resources.Limits))
			task.Resources.Limits.Pids = r.Limits.Pids
		}
		if r.Reservations != nil {
			task.Resources.Reservations = new(orZero(task.Resources.Reservations))
			task.Resources.Reservations.GenericResources = r.Reservations.GenericResources
		}
	}
	parts := orZero(only.ContainerSpec)
	c.Init, c.Ulimits, c.OomScoreAdj = parts.Init, parts.Ulimits, parts.OomScoreAdj
	c.Groups = append(c.Groups, parts.Groups...)
	if c.User == "" {
		c.User = parts.User
	}
	if c.StopSignal == "" {
		c.StopSignal = parts.StopSignal
	}
	if h := parts.Healthcheck; h != nil {
		if c.Healthcheck == nil {
			c.Healthcheck = &container.HealthConfig{
				Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries,
			}
		}
		c.Healthcheck.StartInterval = h.StartInterval
	}
}

// putStandOnly does so for what stands around the container.
func (p *putter) putStandOnly() taskOnly {
	only := readOnly[taskOnly](p.tpl.Annotations)
	task := &p.plan.Task
	if r := only.RestartPolicy; r != nil {
		policy := orZero(task.RestartPolicy)
		policy.Delay, policy.MaxAttempts, policy.Window = r.Delay, r.MaxAttempts, r.Window
		if r.Condition != "" && p.pod.RestartPolicy == corev1.RestartPolicyAlways {
			policy.Condition = r.Condition
		}
		task.RestartPolicy = &policy
	}
	if most := orZero(only.Placement).MaxReplicas; most > 0 && orZero(task.Placement).MaxReplicas == 0 {
		task.Placement = new(orZero(task.Placement))
		task.Placement.MaxReplicas = most
	}
	parts := orZero(only.ContainerSpec)
	for k, v := range parts.Labels {
		if !swarmOnly(k) && k != LabelHash {
			p.spec.Labels[k] = v
		}
	}
	if parts.Hostname != "" && !p.pod.HostNetwork && p.pod.Hostname == "" && orZero(p.pod.HostnameOverride) == "" {
		p.spec.Hostname = parts.Hostname
	}
	return only
}
