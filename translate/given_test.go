package translate

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
)

// TestRootCA: every namespace has the certificate, and whatever is written there, Pods mount the right one.
func TestRootCA(t *testing.T) {
	w := newWorld()
	w.ca = "PEM"
	k := Key{DefaultNamespace, RootCAConfigMap}
	read := func() *corev1.ConfigMap {
		t.Helper()
		f := w.get(t, ConfigMaps, k)
		if f == nil {
			t.Fatal("there is no ConfigMap of the certificate")
		}
		cm := f.object.(*corev1.ConfigMap)
		if mounted := w.ConfigMap(k.Namespace, k.Name); !maps.Equal(mounted.Data, cm.Data) || cm.Data["ca.crt"] != w.ca {
			t.Errorf("it shows %v, and Pods mount %v", cm.Data, mounted.Data)
		}
		return cm
	}
	given := read()
	if len(w.configs) > 0 {
		t.Errorf("nobody wrote it, and it is in the Swarm: %v", w.configs)
	}

	written := given.DeepCopy()
	written.Data = map[string]string{"ca.crt": "forged", "more": "text"}
	written.Labels = map[string]string{"mine": "stays"}
	plan, err := w.put(t, ConfigMaps, Group{GroupNamespace, k.Namespace}, given, named(t, written, "ConfigMap"))
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, plan)
	if now := read(); now.Labels["mine"] != "stays" || now.UID != given.UID {
		t.Errorf("written on, it is %v", now.ObjectMeta)
	}
	w.ca = "PEM of a new CA"
	read()

	if w.ca = ""; w.ConfigMap("elsewhere", k.Name) != nil {
		t.Error("a namespace that is not there has a certificate")
	}
}

// TestEndingNamespaceIsGivenNothing: else it would never be empty.
func TestEndingNamespaceIsGivenNothing(t *testing.T) {
	w := newWorld()
	ns := &corev1.Namespace{}
	ns.Name = "shop"
	for _, ending := range []bool{false, true} {
		if ending {
			now := stamp(w.now)
			ns.DeletionTimestamp = &now
		}
		old := w.get(t, Namespaces{}, Key{Name: "shop"})
		var before Object
		if old != nil {
			before = old.object
		}
		plan, err := w.put(t, Namespaces{}, Group{GroupNamespace, "shop"}, before, named(t, ns.DeepCopy(), "Namespace"))
		if err != nil {
			t.Fatal(err)
		}
		w.run(t, plan)
		if has := w.get(t, ServiceAccounts, Key{"shop", DefaultServiceAccount}) != nil; has == ending {
			t.Errorf("with the namespace ending: %v, its ServiceAccount is there: %v", ending, has)
		}
	}
}

// TestAPIService: clients find the gateway as they find kube-apiserver, and cannot take that from others.
func TestAPIService(t *testing.T) {
	w := newWorld()
	w.ca, w.api = "PEM", APIServer{Port: 6443, Addresses: []string{"10.0.0.1", "10.0.0.2"}}
	g := Group{GroupAddress, AddressID(APIService)}
	lenses := []Lens{Services{}, EndpointsOf{}, EndpointSlices{}}
	for _, lens := range lenses {
		found := lens.Get(w, g)
		if len(found) != 1 || found[0].Key != APIService {
			t.Fatalf("%s: %v", lens.Kind(), found)
		}
		object, err := found[0].Build()
		if err != nil {
			t.Fatal(err)
		}
		switch o := object.(type) {
		case *corev1.Service:
			if o.Spec.ClusterIP != "10.0.0.1" || o.Spec.Ports[0].Port != 6443 {
				t.Errorf("the Service is %v", o.Spec)
			}
		case *corev1.Endpoints:
			if s := o.Subsets; len(s) != 1 || len(s[0].Addresses) != 2 || s[0].Ports[0].Port != 6443 {
				t.Errorf("the Endpoints are %v", s)
			}
		case *discoveryv1.EndpointSlice:
			if len(o.Endpoints) != 2 || *o.Ports[0].Port != 6443 || o.Labels[discoveryv1.LabelServiceName] != "kubernetes" {
				t.Errorf("the EndpointSlice is %v", o)
			}
		}
		changed := object.DeepCopyObject().(Object)
		if plan, err := lens.Put(w, g, object, changed); err != nil || !apiequality.Semantic.DeepEqual(plan, Plan{}) {
			t.Errorf("%s: handed back as it was: %v, %v", lens.Kind(), plan, err)
		}
		changed.SetLabels(map[string]string{"mine": "too"})
		if _, err := lens.Put(w, g, object, changed); err == nil {
			t.Errorf("%s: it was changed", lens.Kind())
		}
		if _, err := lens.Remove(w, g, object); err == nil {
			t.Errorf("%s: it was deleted", lens.Kind())
		}
	}
	w.api.Port = 0 // served on loopback only
	if object, err := (Services{}).Get(w, g)[0].Build(); err != nil || slices.Contains(object.(*corev1.Service).Spec.ClusterIPs, "10.0.0.1") {
		t.Errorf("an address is told at which nobody listens: %v %v", object, err)
	}
}
