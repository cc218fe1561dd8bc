package translate

import (
	"testing"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsdefaults "k8s.io/kubernetes/pkg/apis/apps/v1"
)

func TestDigestOfNothing(t *testing.T) {
	for _, v := range []any{nil, "", 0, []string{}, map[string]string{}, (*swarm.TaskSpec)(nil), swarm.TaskSpec{}, []string(nil)} {
		if got := digest(v); got != nothingDigest {
			t.Errorf("digest(%#v) = %s, want that of nothing", v, got)
		}
	}
	if digest(&swarm.TaskSpec{}) != nothingDigest || digest([]string{""}) == nothingDigest {
		t.Error("an empty spec means nothing, a list of one empty string does")
	}
}

// benchService is a service as skep makes it from a small Deployment.
func benchService(b *testing.B) *swarm.Service {
	b.Helper()
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", Labels: map[string]string{"app": "web"}},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "web", Image: "nginx:alpine", Env: []corev1.EnvVar{{Name: "A", Value: "b"}},
				}}},
			},
		},
	}
	appsdefaults.SetObjectDefaults_Deployment(d)
	run, err := PutPod(&d.Spec.Template, PodIdentity{Namespace: "default", Name: "web-1", Generated: true, Hash: "1"}, nothing{})
	if err != nil {
		b.Fatal(err)
	}
	one := uint64(1)
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "default_web"}, TaskTemplate: run.Task}
	spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &one}
	signTask(&spec.TaskTemplate)
	if err := label(&spec, d, nil); err != nil {
		b.Fatal(err)
	}
	return &swarm.Service{ID: "abcdefghijklmnopqrstuvwxy", Spec: spec}
}

// Parsing a service is what every change of one costs.
func BenchmarkParseWorkload(b *testing.B) {
	s := benchService(b)
	for b.Loop() {
		ParseWorkload(s, "web")
	}
}
