package translate

import (
	"fmt"
	"maps"
	"math/rand"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// meta is metadata as the API server may hand it to a lens.
func (d dice) meta() metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Namespace: d.of("default", "shop"), Name: d.of("web", "web.v1", "a-rather-long-name-that-swarm-does-not-take-for-a-service-at-all"),
		UID: "5c8e1f6e-0000-4000-8000-000000000001", CreationTimestamp: metav1.NewTime(testNow), Generation: 1,
		Labels: d.labels(), Annotations: d.annotations(),
	}
	if d.yes() {
		m.GenerateName, m.Finalizers = "web-", d.some("example.com/hold", "example.com/more")
	}
	if d.yes() {
		m.OwnerReferences = []metav1.OwnerReference{owner("example.com/v1", "App", "app", "1-2-3")}
	}
	for _, manager := range d.some("kubectl", "helm") {
		at := metav1.NewTime(testNow)
		m.ManagedFields = append(m.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "apps/v1", Time: &at,
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:replicas":{},"k:{\"name\":\"a\"}":{}}}`),
		})
	}
	return m
}

func (d dice) labels() map[string]string {
	labels := map[string]string{}
	for _, key := range d.some("app", "team", "example.com/part", "com.docker.mine", "skep.mine", LabelHash) {
		labels[key] = d.of("", "a", "B_2")
	}
	return labels
}

func (d dice) annotations() map[string]string {
	notes := map[string]string{}
	for _, key := range d.some("note", "example.com/part", corev1.LastAppliedConfigAnnotation) {
		notes[key] = d.of(oddValues...) + `"{<`
	}
	return notes
}

// object is a random one of a kind that validates, with what it refers to.
func (d dice) object(kind string) (Object, sources) {
	tpl, src := randomPod(d.Rand)
	if f := form(d.Intn(3)); f != eitherForm { // as it comes
		d.inForm(tpl, f)
	}
	return d.objectOf(kind, tpl), src
}

// objectOf is a random object of a kind that runs a template.
func (d dice) objectOf(kind string, tpl *corev1.PodTemplateSpec) Object {
	var object Object
	switch kind {
	case "Deployment":
		o := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Selector: d.selector(), Paused: d.Intn(4) == 0, MinReadySeconds: int32(d.Intn(3))}}
		o.ObjectMeta, o.Spec.Template = d.meta(), *d.forever(tpl)
		o.Spec.Replicas, o.Spec.Strategy = new(int32(d.Intn(13))), d.strategy()
		object = o
	case "ReplicaSet":
		o := &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Selector: d.selector(), MinReadySeconds: int32(d.Intn(3)), Replicas: new(int32(d.Intn(13)))}}
		o.ObjectMeta, o.Spec.Template = d.meta(), *d.forever(tpl)
		object = o
	case "DaemonSet":
		o := &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Selector: d.selector(), MinReadySeconds: int32(d.Intn(3)), UpdateStrategy: d.daemonStrategy()}}
		o.ObjectMeta, o.Spec.Template = d.meta(), *d.forever(tpl)
		object = o
	case kindStatefulSet:
		o := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Selector: d.selector(), MinReadySeconds: int32(d.Intn(3)), Replicas: new(int32(d.Intn(13))), UpdateStrategy: d.statefulStrategy()}}
		o.ObjectMeta, o.Spec.Template, o.Spec.ServiceName = d.meta(), *d.forever(tpl), d.of("", "web")
		if first := d.Intn(4); first > 0 {
			o.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: int32(first) - 1}
		}
		if d.Intn(3) == 0 { // with no class yet, there is to be one Pod at first
			o.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "own"}}}
		}
		object = o
	case "Pod":
		o := &corev1.Pod{ObjectMeta: d.meta(), Spec: tpl.Spec}
		o.Labels["app"] = "web" // what its affinity selects
		maps.Copy(o.Annotations, tpl.Annotations)
		object = o
	}
	defaultObject(object)
	return object
}

// forever: what these kinds make is always restarted.
func (d dice) forever(tpl *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	tpl.Spec.RestartPolicy = corev1.RestartPolicyAlways
	return tpl
}

func (d dice) selector() *metav1.LabelSelector {
	s := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	if d.yes() {
		s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpExists}}
	}
	return s
}

func (d dice) strategy() appsv1.DeploymentStrategy {
	if d.Intn(4) == 0 {
		return appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	share := func() *intstr.IntOrString {
		v := intstr.Parse(d.of("0", "1", "7", "1%", "25%", "100%"))
		return &v
	}
	return appsv1.DeploymentStrategy{
		Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: share(), MaxUnavailable: share()},
	}
}

func (d dice) daemonStrategy() appsv1.DaemonSetUpdateStrategy {
	if d.Intn(4) == 0 {
		return appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}
	}
	some, none := intstr.Parse(d.of("1", "7", "1%", "25%", "100%")), intstr.FromInt32(0)
	r := &appsv1.RollingUpdateDaemonSet{MaxSurge: &none, MaxUnavailable: &some}
	if d.yes() {
		r = &appsv1.RollingUpdateDaemonSet{MaxSurge: &some, MaxUnavailable: &none}
	}
	return appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType, RollingUpdate: r}
}

func (d dice) statefulStrategy() appsv1.StatefulSetUpdateStrategy {
	if d.Intn(4) == 0 {
		return appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}
	}
	r := &appsv1.RollingUpdateStatefulSetStrategy{}
	if d.yes() {
		some := intstr.Parse(d.of("1", "7", "1%", "25%", "100%"))
		r.MaxUnavailable = &some
	}
	return appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType, RollingUpdate: r}
}

// edit changes an object as a client may, and says what it did.
func (d dice) edit(object Object) string {
	meta := objectMeta(object)
	switch what := d.of("labels", "annotations", "finalizers", "scale", "template", "pause", "strategy"); what {
	case "labels":
		meta.Labels = d.labels()
		return what
	case "annotations":
		rev, have := meta.Annotations[revisionAnnotation]
		meta.Annotations = d.annotations()
		if have {
			meta.Annotations[revisionAnnotation] = rev
		}
		return what
	case "finalizers":
		meta.Finalizers = d.some("example.com/hold", "example.com/more")
		return what
	default:
		return d.editSpec(object, what)
	}
}

func (d dice) editSpec(object Object, what string) string {
	image := fmt.Sprintf("other:%d", d.Intn(3))
	switch o := object.(type) {
	case *appsv1.Deployment:
		switch what {
		case "scale":
			o.Spec.Replicas = new(int32(d.Intn(13)))
		case "template":
			o.Spec.Template.Spec.Containers[0].Image = image
		case "pause":
			o.Spec.Paused = !o.Spec.Paused
		case "strategy":
			o.Spec.Strategy = d.strategy()
		}
	case *appsv1.ReplicaSet:
		switch what {
		case "template":
			o.Spec.Template.Spec.Containers[0].Image = image
		default:
			o.Spec.Replicas, what = new(int32(d.Intn(13))), "scale"
		}
	case *appsv1.DaemonSet:
		switch what {
		case "template":
			o.Spec.Template.Spec.Containers[0].Image = image
		default:
			o.Spec.UpdateStrategy, what = d.daemonStrategy(), "strategy"
		}
	case *appsv1.StatefulSet:
		switch what {
		case "template":
			o.Spec.Template.Spec.Containers[0].Image = image
		case "scale":
			o.Spec.Replicas = new(int32(d.Intn(13)))
		case "pause":
			o.Spec.Ordinals, what = &appsv1.StatefulSetOrdinals{Start: int32(d.Intn(3))}, "ordinals"
		default:
			o.Spec.UpdateStrategy, what = d.statefulStrategy(), "strategy"
		}
	case *corev1.Pod:
		o.Spec.Containers[0].Image, what = image, "template"
	}
	defaultObject(object)
	return what
}

// service is what docker's tools may have made.
func (d dice) service() *swarm.Service {
	s := &swarm.Service{ID: "legacyservice1"}
	s.Version.Index, s.CreatedAt, s.UpdatedAt = 5, testNow.Add(-time.Hour), testNow
	s.Spec.TaskTemplate = randomTask(d.Rand)
	s.Spec.Name = d.of("web", "shop_web", "Shop_Web.1", "_", "x")
	if labels := d.some("a", "traefik.http.routers.x.rule", "Not A Label", "com.docker.stack.image"); len(labels) > 0 {
		s.Spec.Labels = map[string]string{}
		for _, key := range labels {
			s.Spec.Labels[key] = d.of("", "v", "Host(`x`)")
		}
	}
	if d.yes() {
		s.Spec.Labels = withEntry(s.Spec.Labels, LabelStack, d.of("shop", "Shop_2", "default"))
	}
	s.Spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: new(uint64(d.Intn(9)))}
	if d.yes() {
		s.Spec.UpdateConfig = d.pace()
	}
	if d.yes() {
		s.Spec.RollbackConfig = d.pace()
	}
	if d.yes() {
		s.Spec.EndpointSpec = &swarm.EndpointSpec{Mode: swarm.ResolutionMode(d.of("vip", "dnsrr")), Ports: []swarm.PortConfig{
			{Name: "http", Protocol: "tcp", TargetPort: 80, PublishedPort: 8080, PublishMode: "ingress"}, {Protocol: "sctp", TargetPort: 5, PublishMode: "host"},
		}}
	}
	if d.yes() {
		s.Spec.Networks = []swarm.NetworkAttachmentConfig{{Target: "old-style", Aliases: []string{"web"}}} //nolint:staticcheck // deprecated, and there
	}
	return s
}

func (d dice) pace() *swarm.UpdateConfig {
	return &swarm.UpdateConfig{
		Parallelism: uint64(d.Intn(4)), Delay: time.Duration(d.Intn(4)) * 700 * time.Millisecond, FailureAction: d.of("", "pause", "rollback"),
		Monitor: time.Duration(d.Intn(3)) * time.Second, MaxFailureRatio: float32(d.Intn(3)) / 8, Order: d.of("", "start-first", "stop-first"),
	}
}

func diceOf(seed int64) dice { return dice{rand.New(rand.NewSource(seed))} }
