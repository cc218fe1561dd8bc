package translate

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// APIService is the Service that stands for the Kubernetes API itself, as kube-apiserver keeps it. Nothing in the Swarm
// carries it: its addresses are those of the managers, and its port is the gateway's own.
var APIService = Key{DefaultNamespace, "kubernetes"}

// APIServer is where Pods reach the gateway.
type APIServer struct {
	Port int32 // 0 for not at all: skep is not served, or on this machine's loopback only
	// Addresses are those of the managers that are ready, in order.
	Addresses []string
}

// reachable says whether anyone but this machine reaches the gateway.
func (a APIServer) reachable() bool { return a.Port > 0 && len(a.Addresses) > 0 }

// givenExposed is the Service of the API; nil for another key, and where no gateway serves it.
func givenExposed(w World, k Key) *Exposed {
	if k != APIService || w.ClusterCA() == "" {
		return nil
	}
	api, ns := w.APIServer(), w.Namespace(k.Namespace)
	if ns == nil {
		return nil
	}
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: k.Namespace, Name: k.Name, UID: swarmUID("given", "Service", k.Name), CreationTimestamp: stamp(ns.Since),
			Labels: map[string]string{"component": "apiserver", "provider": "kubernetes"},
		},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Ports: []corev1.ServicePort{{
			Name: "https", Protocol: corev1.ProtocolTCP, Port: 443, TargetPort: intstr.FromInt32(443),
		}}},
	}
	address := ""
	if api.reachable() {
		address = api.Addresses[0]
		s.Spec.Ports[0].Port, s.Spec.Ports[0].TargetPort = api.Port, intstr.FromInt32(api.Port)
	}
	coredefaults.SetObjectDefaults_Service(s)
	showAddress(s, address)
	return newExposed(nil, s)
}

// aboutAPI is one object made of the Service of the API and of where the API is; none for another Service.
func aboutAPI(w World, k Key, name string, make func(e *Exposed, api APIServer) Object) []Derived {
	e := givenExposed(w, k)
	if e == nil {
		return nil
	}
	api := w.APIServer()
	return []Derived{{
		Key: Key{k.Namespace, name}, Parts: []any{api.Port, strings.Join(api.Addresses, ","), e.Object.CreationTimestamp.Unix()},
		Build: func() (Object, error) { return make(e, api), nil },
	}}
}

func givenService(w World, k Key) []Derived {
	return aboutAPI(w, k, k.Name, func(e *Exposed, _ APIServer) Object { return e.Object })
}

func givenEndpoints(w World, k Key) []Derived {
	return aboutAPI(w, k, k.Name, func(e *Exposed, api APIServer) Object {
		out := &corev1.Endpoints{ObjectMeta: derivedMeta(e, k.Name, "endpoints")}
		if !api.reachable() {
			return out
		}
		subset := corev1.EndpointSubset{Ports: []corev1.EndpointPort{{Name: "https", Port: api.Port, Protocol: corev1.ProtocolTCP}}}
		for _, address := range api.Addresses {
			subset.Addresses = append(subset.Addresses, corev1.EndpointAddress{IP: address})
		}
		out.Subsets = []corev1.EndpointSubset{subset}
		return out
	})
}

func givenSlices(w World, k Key) []Derived {
	return aboutAPI(w, k, k.Name, func(e *Exposed, api APIServer) Object {
		out := &discoveryv1.EndpointSlice{ObjectMeta: sliceMeta(e, k.Name, "endpointslice-controller.k8s.io"), AddressType: discoveryv1.AddressTypeIPv4}
		out.GenerateName, out.OwnerReferences = "", nil
		if !api.reachable() {
			return out
		}
		out.Ports = []discoveryv1.EndpointPort{{Name: ptr("https"), Port: ptr(api.Port), Protocol: ptr(corev1.ProtocolTCP)}}
		for _, address := range api.Addresses {
			out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(true)},
			})
		}
		return out
	})
}

// isGivenService says whether a Service is the API's, and nobody wrote one of that name.
func isGivenService(w World, k Key) bool { return k == APIService && exposedAs(w, k) == nil }

// keptByGateway refuses a change of what is about the API itself.
func keptByGateway(kind string, k Key) error {
	return Refusal{field.Forbidden(field.NewPath("metadata", "name"), fmt.Sprintf(
		"the %s %q tells where the Kubernetes API is: skep keeps it, and it cannot be changed or deleted", kind, k.Name))}
}
