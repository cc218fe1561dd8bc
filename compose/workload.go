package compose

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate"
)

// kind is what runs a service's Pods.
type kind string

const (
	deployment  kind = "Deployment"
	statefulSet kind = "StatefulSet"
	daemonSet   kind = "DaemonSet"
	job         kind = "Job"
	cronJob     kind = "CronJob"
)

// workload takes a service as far as its Pods go: the lens says what the Swarm's spec means, and what only Compose can
// say is laid over it. nil for a service that has no containers.
func (c *converter) workload(s *Service) *workload {
	list := "services."
	if s.Job {
		list = "jobs."
	}
	w := &workload{service: s, at: list + s.Key}
	if s.File.Provider != nil {
		return nil // the table says that it is refused
	}
	name := s.Key
	if own := s.File.Labels["kompose.service.name_override"]; own != "" {
		name = own
	}
	w.name = c.names.take("workload", name, w.at)
	c.lay(w)
	c.before(w)
	c.kompose(w)
	return w
}

// pod is a workload that is only there for its container.
func (c *converter) pod(s *Service, at string) *workload {
	w := &workload{service: s, at: at, name: label(s.Key)}
	c.lay(w)
	return w
}

// lay makes a workload's Pod template.
func (c *converter) lay(w *workload) {
	s := w.service
	w.selector = map[string]string{LabelName: w.name}

	spec := s.Spec
	if c.runsOnce(w) {
		spec = asJob(spec, restartCondition(s), restartAttempts(s))
	}
	seen := translate.ParseWorkload(&swarm.Service{Spec: spec}, w.name)
	w.object, w.template = seen.Object, *seen.Template.DeepCopy()
	plainMeta(w)
	con := w.container()
	con.Name = w.name
	w.template.Labels = withoutDocker(w.template.Labels)
	w.template.Labels[LabelName] = w.name
	if c.stack.Name != "" {
		w.template.Labels[LabelPartOf] = label(c.stack.Name)
	}
	con.VolumeMounts, w.template.Spec.Volumes = nil, nil // volumes.go says them by the names of the file
	w.template.Annotations = maps.Clone(w.template.Annotations)
	delete(w.template.Annotations, translate.AnnotationVolumes)

	apart(w)
	c.image(w)
	c.volumes(w)
	c.files(w)
	c.beyond(w)
}

// apart names the Pods that are to be spread, or kept apart: those of this service.
func apart(w *workload) {
	spec := &w.template.Spec
	own := &metav1.LabelSelector{MatchLabels: w.selector}
	for i := range spec.TopologySpreadConstraints {
		spec.TopologySpreadConstraints[i].LabelSelector = own
	}
	if p := w.service.Spec.TaskTemplate.Placement; p == nil || p.MaxReplicas != 1 {
		return
	}
	if spec.Affinity == nil {
		spec.Affinity = &corev1.Affinity{}
	}
	spec.Affinity.PodAntiAffinity = onePerNode(w)
}

// onePerNode keeps the Pods of a service from each other's nodes.
func onePerNode(w *workload) *corev1.PodAntiAffinity {
	return &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
		{LabelSelector: &metav1.LabelSelector{MatchLabels: w.selector}, TopologyKey: corev1.LabelHostname},
	}}
}

// plainMeta leaves of the metadata of what the lens made what came from the file.
func plainMeta(w *workload) {
	annotations := maps.Clone(w.object.GetAnnotations())
	delete(annotations, translate.AnnotationSwarmName)
	delete(annotations, revisionAnnotation)
	labels := map[string]string{}
	for k, v := range w.object.GetLabels() {
		if _, own := w.service.Spec.Labels[k]; own && k != stackNameLabel && k != stackImageLabel { // batch gives a Job those of its Pods
			labels[k] = v
		}
	}
	labels[LabelName] = w.name
	w.object.SetUID("")
	w.object.SetGeneration(0)
	w.object.SetCreationTimestamp(metav1.Time{})
	w.object.SetName(w.name)
	w.object.SetNamespace("")
	w.object.SetAnnotations(annotations)
	w.object.SetLabels(labels)
	tidyLabels(w.object)
}

// revisionAnnotation is the Deployment controller's.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// withoutDocker are the labels that are not Docker's own.
func withoutDocker(labels map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range labels {
		if !strings.HasPrefix(k, "com.docker.") {
			out[k] = v
		}
	}
	return out
}

// kindOf decides what runs a service. Docker Desktop chose the same way: a service with a named volume is a StatefulSet,
// a global one a DaemonSet.
func (c *converter) kindOf(w *workload) kind {
	s := w.service
	asked := kind(komposeKind(s.File.Labels))
	switch {
	case asked != "":
		return asked
	case s.Triggers != nil && len(s.Triggers.Schedule) > 0:
		return cronJob
	case c.runsOnce(w):
		return job
	case s.Spec.Mode.Global != nil:
		return daemonSet
	case len(w.claims) > 0, hasClaims(&w.template):
		return statefulSet
	}
	return deployment
}

// runsOnce says whether a service comes to an end: it is a job, or it is not to be started again, or only when it failed
// and nothing says that it serves. A global service is on every node for as long as it is there.
func (c *converter) runsOnce(w *workload) bool {
	s := w.service
	switch {
	case s.Job, s.Spec.Mode.ReplicatedJob != nil, s.Spec.Mode.GlobalJob != nil:
		return true
	case s.Spec.Mode.Global != nil:
		return false
	}
	condition := restartCondition(s)
	return condition == swarm.RestartPolicyConditionNone || condition == swarm.RestartPolicyConditionOnFailure && !serves(s)
}

// serves says whether something tells that a service is there to be called: ports, a health check, several replicas.
func serves(s *Service) bool {
	n, f := replicasOf(&s.Spec), s.File
	health := s.Spec.TaskTemplate.ContainerSpec.Healthcheck
	return len(f.Ports)+len(f.Expose) > 0 || n != nil && *n > 1 || health != nil && len(health.Test) > 0 && health.Test[0] != "NONE"
}

// restartCondition is when a service's containers are started again. Docker's stacks take "restart: no" for no word at
// all, and start them always; Compose means what it says.
func restartCondition(s *Service) swarm.RestartPolicyCondition {
	if p := s.Spec.TaskTemplate.RestartPolicy; p != nil && p.Condition != "" {
		return p.Condition
	}
	if s.Job || s.File.Restart == types.RestartPolicyNo && (s.File.Deploy == nil || s.File.Deploy.RestartPolicy == nil) {
		return swarm.RestartPolicyConditionNone
	}
	return swarm.RestartPolicyConditionAny
}

// restartAttempts is how often a service's container is started again; nil for no bound.
func restartAttempts(s *Service) *uint64 {
	if p := s.Spec.TaskTemplate.RestartPolicy; p != nil && p.MaxAttempts != nil && *p.MaxAttempts > 0 {
		return p.MaxAttempts
	}
	return nil
}

// asJob is the specification of a service that comes to an end as Swarm has jobs.
func asJob(spec swarm.ServiceSpec, condition swarm.RestartPolicyCondition, attempts *uint64) swarm.ServiceSpec {
	if n := replicasOf(&spec); n != nil || spec.Mode.Replicated != nil {
		if n == nil {
			n = new(uint64(1))
		}
		spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: n, TotalCompletions: n}}
	}
	policy := swarm.RestartPolicy{}
	if spec.TaskTemplate.RestartPolicy != nil {
		policy = *spec.TaskTemplate.RestartPolicy
	}
	policy.Condition, policy.MaxAttempts = condition, attempts
	if condition == swarm.RestartPolicyConditionAny { // Swarm has no job that starts again after success
		policy.Condition = swarm.RestartPolicyConditionOnFailure
	}
	spec.TaskTemplate.RestartPolicy = &policy
	spec.UpdateConfig, spec.RollbackConfig = nil, nil // a job is not rolled
	return spec
}

func hasClaims(t *corev1.PodTemplateSpec) bool {
	return slices.ContainsFunc(t.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil })
}

// run makes the object that runs the Pods.
func (c *converter) run(w *workload) {
	k := c.kindOf(w)
	if k != job && k != cronJob {
		c.longLived(w, k)
	}
	whole := w.template.DeepCopy()
	for _, claim := range w.claims { // a StatefulSet gives its Pods volumes by these names
		whole.Spec.Volumes = append(whole.Spec.Volumes, claimVolume(claim.Name, claim.Name))
	}
	if translate.HeldPlain(whole, translate.DefaultNetworking) {
		w.annotate(translate.AnnotationSandbox, "never") // what docker stack deploy makes is a plain task
	}
	spare(&w.template)
	selector := &metav1.LabelSelector{MatchLabels: w.selector}
	own := metaOf(w.object)
	switch k {
	case statefulSet:
		w.object = c.statefulSet(w, own, selector)
	case daemonSet:
		ds := &appsv1.DaemonSet{ObjectMeta: own, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: w.template}}
		if was, ok := w.object.(*appsv1.DaemonSet); ok {
			ds.Spec.UpdateStrategy, ds.Spec.MinReadySeconds = was.Spec.UpdateStrategy, was.Spec.MinReadySeconds
		}
		w.object = ds
	case job, cronJob:
		c.runOnce(w, k, own)
	default:
		d := &appsv1.Deployment{ObjectMeta: own, Spec: appsv1.DeploymentSpec{Selector: selector, Template: w.template}}
		if was, ok := w.object.(*appsv1.Deployment); ok {
			d.Spec.Replicas, d.Spec.Strategy, d.Spec.MinReadySeconds = was.Spec.Replicas, was.Spec.Strategy, was.Spec.MinReadySeconds
		}
		w.object = d
	}
}

// longLived has Pods that serve run for ever: Kubernetes knows no other restart policy for them.
func (c *converter) longLived(w *workload, k kind) {
	if got := restartCondition(w.service); got != swarm.RestartPolicyConditionAny {
		at := w.at + ".deploy.restart_policy.condition"
		if w.service.File.Deploy == nil || w.service.File.Deploy.RestartPolicy == nil {
			at = w.at + ".restart"
		}
		c.find(Approximated, at, "it serves, so it is a %s, whose containers are started again whenever they end, also after success; %q would be a Job", k, got)
	}
	w.template.Spec.RestartPolicy = corev1.RestartPolicyAlways
}

// statefulSet is the StatefulSet of a service with named volumes.
func (c *converter) statefulSet(w *workload, own metav1.ObjectMeta, selector *metav1.LabelSelector) translate.Object {
	set := &appsv1.StatefulSet{ObjectMeta: own, Spec: appsv1.StatefulSetSpec{Selector: selector, ServiceName: w.name, Template: w.template, VolumeClaimTemplates: w.claims}}
	was, ok := w.object.(*appsv1.Deployment)
	if !ok {
		return set
	}
	set.Spec.Replicas, set.Spec.MinReadySeconds = was.Spec.Replicas, was.Spec.MinReadySeconds
	if was.Spec.Replicas != nil && *was.Spec.Replicas > 1 {
		// Swarm starts and stops all replicas at once.
		set.Spec.PodManagementPolicy = appsv1.ParallelPodManagement
	}
	if update := w.service.Spec.UpdateConfig; update != nil && update.Order == swarm.UpdateOrderStartFirst {
		c.find(Approximated, w.at+".deploy.update_config.order",
			"a StatefulSet stops a Pod before it starts the new one, since both would have the volume: there is a moment without it")
	}
	return set
}

// metaOf is the metadata of an object that is named already.
func metaOf(o translate.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: o.GetName(), Labels: o.GetLabels(), Annotations: o.GetAnnotations()}
}
