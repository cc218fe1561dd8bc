package translate

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// aService is a random one that validates, with ports on the nodes that are this name's alone.
func (d dice) aService(name string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: DefaultNamespace, Name: name, UID: "5c8e1f6e-0000-4000-8000-000000000002"}}
	s.CreationTimestamp = metav1.NewTime(testNow)
	s.Labels, s.Annotations = d.labels(), d.annotations()
	if d.Intn(4) == 0 {
		s.Annotations[AnnotationRoute] = d.of(string(RouteNative), string(RouteProxy))
	}
	d.serviceSpec(s)
	defaultObject(s)
	return s
}

func (d dice) serviceSpec(s *corev1.Service) {
	s.Spec = corev1.ServiceSpec{Type: corev1.ServiceType(d.of("ClusterIP", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"))}
	if d.Intn(5) > 0 {
		s.Spec.Selector = map[string]string{"app": d.of("a", "b", "c")}
		if d.yes() {
			s.Spec.Selector["track"] = d.of("stable", "canary")
		}
	}
	outside := s.Spec.Type == corev1.ServiceTypeNodePort || s.Spec.Type == corev1.ServiceTypeLoadBalancer
	for i, port := range d.some("80", "53", "9000") {
		number := intstr.Parse(port).IntVal
		p := corev1.ServicePort{Name: "p" + port, Port: number, Protocol: corev1.Protocol(d.of("TCP", "UDP", ""))}
		switch d.Intn(4) {
		case 0:
			p.TargetPort = intstr.FromInt32(8080)
		case 1:
			p.TargetPort = intstr.FromString("http")
		case 2:
			p.TargetPort = intstr.FromInt32(number)
		}
		if outside {
			p.NodePort = 30000 + 10*int32(s.Name[len(s.Name)-1]) + int32(i)
		}
		s.Spec.Ports = append(s.Spec.Ports, p)
	}
	if len(s.Spec.Ports) == 0 {
		s.Spec.Ports = []corev1.ServicePort{{Port: 80}}
	}
	switch {
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		s.Spec.ExternalName = d.of("example.com", "db.example.com")
		return
	case s.Spec.Type == corev1.ServiceTypeClusterIP && d.Intn(3) == 0:
		s.Spec.ClusterIP, s.Spec.ClusterIPs = corev1.ClusterIPNone, []string{corev1.ClusterIPNone}
		s.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	}
	if outside && d.Intn(3) == 0 {
		s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}
	if d.Intn(4) == 0 {
		s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	}
	s.Spec.PublishNotReadyAddresses = d.Intn(4) == 0
}

// workload makes a Deployment, which may have begun.
func (d dice) workload(t *testing.T, w *fakeWorld, name string) {
	t.Helper()
	app := d.of("a", "b", "c")
	o := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: DefaultNamespace, Name: name, UID: "5c8e1f6e-0000-4000-8000-000000000003"}}
	o.Spec.Replicas = new(int32(d.Intn(3)))
	o.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	o.Spec.Template.Labels = map[string]string{"app": app, "track": d.of("stable", "canary")}
	o.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "nginx", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: int32(80 + 8000*d.Intn(2))}}}}
	defaultObject(o)
	write(t, w, 0, Deployments{}, Group{Kind: GroupService}, nil, o)
}

// networkObject is a random one that is kept as a document.
func (d dice) networkObject(t *testing.T, kind string) Object {
	t.Helper()
	object := newObject(t, kind)
	*objectMeta(object) = d.meta()
	object.SetNamespace(DefaultNamespace)
	object.SetName("web")
	if !namespaced(kind) {
		object.SetNamespace("")
	}
	address := func() string { return fmt.Sprintf("192.0.2.%d", d.Intn(200)) }
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: d.of("web", "api"), Port: networkingv1.ServiceBackendPort{Number: 80}}}
	switch o := object.(type) {
	case *corev1.Endpoints:
		for range d.Intn(3) {
			o.Subsets = append(o.Subsets, corev1.EndpointSubset{
				Addresses: []corev1.EndpointAddress{{IP: address(), Hostname: d.of("", "a")}}, NotReadyAddresses: []corev1.EndpointAddress{{IP: address()}},
				Ports: []corev1.EndpointPort{{Name: d.of("", "http"), Port: 80}},
			})
		}
	case *discoveryv1.EndpointSlice:
		o.AddressType = discoveryv1.AddressType(d.of("IPv4", "FQDN"))
		o.Labels = withEntry(o.Labels, discoveryv1.LabelServiceName, "web")
		for range d.Intn(3) {
			o.Endpoints = append(o.Endpoints, discoveryv1.Endpoint{Addresses: []string{address()}, Conditions: discoveryv1.EndpointConditions{Ready: new(d.yes())}})
			o.Ports = []discoveryv1.EndpointPort{{Name: new(d.of("", "http")), Port: new(int32(80))}}
		}
	case *networkingv1.Ingress:
		if d.yes() {
			o.Spec.DefaultBackend = &backend
		}
		kind := networkingv1.PathType(d.of("Exact", "Prefix"))
		o.Spec.Rules = []networkingv1.IngressRule{{Host: d.of("", "a.example", "*.example"), IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: d.of("/", "/a"), PathType: &kind, Backend: backend}}},
		}}}
		o.Spec.TLS = []networkingv1.IngressTLS{{Hosts: d.some("a.example", "*.example"), SecretName: d.of("", "s")}}
		o.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: address()}}
	case *networkingv1.NetworkPolicy:
		o.Spec = d.networkPolicy("web").Spec
	case *networkingv1.IngressClass:
		o.Spec.Controller = d.of("skep/nginx", "example.com/other")
	}
	defaultObject(object)
	return object
}
