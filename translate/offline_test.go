package translate

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func offlineDeployment() *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", Labels: map[string]string{"tier": "front"}}}
	d.Spec.Template.Labels = map[string]string{"app": "web"}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "nginx", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: d.Spec.Template.Labels}
	defaultWorkload(d)
	return d
}

func offlineService(name string, kind corev1.ServiceType, port int32) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", Annotations: map[string]string{AnnotationNodePorts: NodePortsNone}},
		Spec: corev1.ServiceSpec{
			Type: kind, Selector: map[string]string{"app": "web"},
			Ports: []corev1.ServicePort{{Port: port, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP}},
		},
	}
}

// A workload by itself is a plain service: nothing in it needs skep, or shows that skep wrote it.
func TestOfflineIsPlain(t *testing.T) {
	services := []*corev1.Service{
		offlineService("web-published", corev1.ServiceTypeLoadBalancer, 80), offlineService("web", corev1.ServiceTypeClusterIP, 8080),
		{ObjectMeta: metav1.ObjectMeta{Name: "other"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "other"}}},
	}
	out, err := ServiceSpecOf(offlineDeployment(), nothing{DefaultNetworking}, services)
	if err != nil {
		t.Fatal(err)
	}
	c := out.Spec.TaskTemplate.ContainerSpec
	if c.Hostname != "" || c.DNSConfig != nil || len(out.Spec.TaskTemplate.Networks) > 0 {
		t.Errorf("hostname %q, DNS %v, networks %v", c.Hostname, c.DNSConfig, out.Spec.TaskTemplate.Networks)
	}
	if len(c.Labels) != 1 || c.Labels["app"] != "web" || len(out.Spec.Labels) != 1 || out.Spec.Labels["tier"] != "front" {
		t.Errorf("labels %v and %v", c.Labels, out.Spec.Labels)
	}
	want := []swarm.PortConfig{{Protocol: "tcp", TargetPort: 8080, PublishedPort: 80, PublishMode: "ingress"}}
	if !slices.Equal(out.Spec.EndpointSpec.Ports, want) || out.Spec.EndpointSpec.Mode != "" {
		t.Errorf("endpoint %+v", out.Spec.EndpointSpec)
	}
	if !slices.Equal(out.Aliases, []string{"web", "web-published"}) {
		t.Errorf("aliases %v", out.Aliases)
	}
}

// A hostname that somebody chose stays, even one like those that skep gives.
func TestOfflineHostname(t *testing.T) {
	d := offlineDeployment()
	d.Spec.Template.Annotations = map[string]string{AnnotationSwarmSpec: `{"ContainerSpec":{"Hostname":"web-{{.Task.Slot}}"}}`}
	out, err := ServiceSpecOf(d, nothing{DefaultNetworking}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Spec.TaskTemplate.ContainerSpec.Hostname; got != "web-{{.Task.Slot}}" {
		t.Errorf("hostname %q", got)
	}
}

// Headless Services have names answer with the tasks' addresses, and local ones publish on the nodes themselves.
func TestOfflineEndpoints(t *testing.T) {
	headless, local := offlineService("web", corev1.ServiceTypeClusterIP, 8080), offlineService("out", corev1.ServiceTypeNodePort, 80)
	headless.Spec.ClusterIP = corev1.ClusterIPNone
	local.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	out, err := ServiceSpecOf(offlineDeployment(), nothing{DefaultNetworking}, []*corev1.Service{headless, local})
	if err != nil {
		t.Fatal(err)
	}
	want := []swarm.PortConfig{{Protocol: "tcp", TargetPort: 8080, PublishMode: "host"}} // the number is Docker's to choose
	if out.Spec.EndpointSpec.Mode != swarm.ResolutionModeDNSRR || !slices.Equal(out.Spec.EndpointSpec.Ports, want) {
		t.Errorf("%+v", out.Spec.EndpointSpec)
	}
}

// What takes a sandbox is refused by field, and what was not given is told.
func TestOfflineRefuses(t *testing.T) {
	d := offlineDeployment()
	d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "side", Image: "side"})
	if _, err := ServiceSpecOf(d, nothing{DefaultNetworking}, nil); err == nil || !strings.Contains(err.Error(), "spec.containers: Forbidden: is done by skep's sandbox") {
		t.Errorf("two containers: %v", err)
	}
	if _, err := ServiceSpecOf(&corev1.ConfigMap{TypeMeta: metav1.TypeMeta{Kind: "ConfigMap"}}, nothing{DefaultNetworking}, nil); err == nil {
		t.Error("a ConfigMap runs")
	}
	d = offlineDeployment()
	d.Spec.Template.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "absent"}}}}
	out, err := ServiceSpecOf(d, nothing{DefaultNetworking}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := out.Spec.TaskTemplate.Placement; len(out.Missing) != 1 || p != nil && len(p.Constraints) > 0 {
		t.Errorf("missing %v, placement %+v", out.Missing, p)
	}
}
