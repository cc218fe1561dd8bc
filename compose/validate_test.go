package compose

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"skep/translate"
)

// What others name stands before them, and a Service before the Pods that it names.
func TestOrdered(t *testing.T) {
	place := map[string]int{}
	for i, o := range ordered(sampleResult().Objects) {
		place[gvkOf(o).Kind] = i
	}
	order := []string{"Namespace", "Secret", "ConfigMap", "PersistentVolumeClaim", "Service", "Deployment", "StatefulSet", "CronJob", "Ingress"}
	if !slices.IsSortedFunc(order, func(a, b string) int { return place[a] - place[b] }) {
		t.Errorf("%v", place)
	}
}

func TestValidateTakesWhatIsValid(t *testing.T) {
	if err := validate(sampleResult().Objects); err != nil {
		t.Error(err)
	}
	r := sampleResult()
	r.Objects = slices.DeleteFunc(r.Objects, func(o translate.Object) bool { return gvkOf(o).Kind == "Namespace" })
	for _, o := range r.Objects {
		o.SetNamespace("")
	}
	before := write(t, r, FormatKubernetes)
	if err := validate(r.Objects); err != nil {
		t.Error(err)
	}
	if string(Stream(before)) != string(Stream(write(t, r, FormatKubernetes))) {
		t.Error("validation changes the objects")
	}
}

// pick is the object of a kind and name.
func pick[T translate.Object](r *Result, name string) T {
	for _, o := range r.Objects {
		if typed, ok := o.(T); ok && o.GetName() == name {
			return typed
		}
	}
	panic("the sample has no " + name)
}

// Each of these would fail at whoever applies it, or later and more quietly.
func TestValidateRefuses(t *testing.T) {
	podOf := func(r *Result) *corev1.PodSpec {
		return &pick[*appsv1.Deployment](r, "my-web").Spec.Template.Spec
	}
	for name, c := range map[string]struct {
		change func(r *Result)
		want   string
	}{
		"a field": {func(r *Result) { podOf(r).Containers[0].Ports[0].ContainerPort = 70000 }, "containerPort"},
		"a label": {func(r *Result) {
			pick[*corev1.Service](r, "my-web").Labels = map[string]string{"traefik.http.routers.a.rule": "Host(`a`)"}
		}, "metadata.labels"},
		"a name":          {func(r *Result) { pick[*corev1.ConfigMap](r, "site").Name = "my_site" }, "RFC 1123"},
		"a selector":      {func(r *Result) { pick[*appsv1.Deployment](r, "plain").Spec.Template.Labels = nil }, "selector"},
		"twice":           {func(r *Result) { r.Objects = append(r.Objects, r.Objects[1]) }, "there are two of it"},
		"unknown kind":    {func(r *Result) { r.Objects = append(r.Objects, &corev1.Endpoints{}) }, "no validation"},
		"Service of none": {func(r *Result) { pick[*corev1.Service](r, "my-web").Spec.Selector[LabelName] = "x" }, "selects no Pod"},
		"port of none": {func(r *Result) {
			pick[*corev1.Service](r, "my-web").Spec.Ports[0].TargetPort = intstr.FromString("admin")
		}, `the port "admin"`},
		"claim": {func(r *Result) {
			pick[*appsv1.StatefulSet](r, "db").Spec.Template.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = "other"
		}, "PersistentVolumeClaim shop/other"},
		"governing Service": {func(r *Result) { pick[*appsv1.StatefulSet](r, "db").Spec.ServiceName = "db" }, "Service shop/db"},
		"account":           {func(r *Result) { podOf(r).ServiceAccountName = "web" }, "ServiceAccount shop/web"},
		"pull secret": {func(r *Result) {
			podOf(r).ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
		}, "Secret shop/registry"},
		"key of a variable": {func(r *Result) {
			podOf(r).InitContainers[0].Env = []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "password"}, Key: "pass",
			}}}}
		}, "Secret shop/password[pass]"},
		"key of a file": {func(r *Result) {
			podOf(r).Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "site"}, Items: []corev1.KeyToPath{{Key: "about.html", Path: "x"}}}},
			}}}}}
		}, "ConfigMap shop/site[about.html]"},
		"port of an Ingress": {func(r *Result) {
			pick[*networkingv1.Ingress](r, "api").Spec.Rules[0].HTTP.Paths[0].Backend.Service.Port.Number = 8080
		}, "Service shop/my-web[8080]"},
		"certificate": {func(r *Result) { pick[*networkingv1.Ingress](r, "api").Spec.TLS[0].SecretName = "tls" }, "Secret shop/tls"},
		"what is scaled": {func(r *Result) {
			r.Objects = append(r.Objects, &autoscalingv2.HorizontalPodAutoscaler{
				TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}, ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"},
				Spec: autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MaxReplicas: 2},
			})
		}, "names Deployment shop/web"},
	} {
		r := sampleResult()
		c.change(r)
		if err := validate(r.Objects); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is made elsewhere is not missing: as a whole, or but for one key.
func TestValidateExternal(t *testing.T) {
	r := sampleResult()
	spec := &pick[*appsv1.Deployment](r, "my-web").Spec.Template.Spec
	spec.Containers[0].EnvFrom = []corev1.EnvFromSource{
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "vault"}}},
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "perhaps"}, Optional: new(true)}},
	}
	spec.Containers[0].Env = append(spec.Containers[0].Env, corev1.EnvVar{Name: "A", ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "vault"}, Key: "a"},
	}})
	if err := validate(r.Objects, Reference{Kind: "Secret", Name: "other"}); err == nil {
		t.Error("a Secret that nobody makes is taken")
	}
	if err := validate(r.Objects, Reference{Kind: "Secret", Namespace: "elsewhere", Name: "vault"}); err == nil {
		t.Error("a Secret of another namespace is taken")
	}
	for _, external := range []Reference{{Kind: "Secret", Name: "vault"}, {Kind: "Secret", Namespace: "shop", Name: "vault"}} {
		if err := validate(r.Objects, external); err != nil {
			t.Errorf("%s: %v", external, err)
		}
	}
}
