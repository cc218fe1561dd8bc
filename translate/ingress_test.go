package translate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate/nginx"
)

func ingressNamed(name, host, path string, typ networkingv1.PathType, annotations map[string]string) *networkingv1.Ingress {
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}}
	rule := networkingv1.IngressRule{Host: host}
	rule.HTTP = &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: path, PathType: &typ, Backend: backend}}}
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Annotations: annotations},
		Spec:       networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{rule}},
	}
}

func ingressWebWorld(ingresses ...*networkingv1.Ingress) *ingressWorld {
	web := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	return &ingressWorld{ingresses: ingresses, services: map[Key]*corev1.Service{{Namespace: "default", Name: "web"}: web}}
}

// manyIngresses have a host each.
func manyIngresses() []*networkingv1.Ingress {
	var all []*networkingv1.Ingress
	for i := range 200 {
		all = append(all, ingressNamed(fmt.Sprint("i", i), fmt.Sprintf("h%d.example", i), "/a", networkingv1.PathTypePrefix, nil))
	}
	return all
}

func BenchmarkIngressMany(b *testing.B) {
	all := manyIngresses()
	w := ingressWebWorld(all...)
	for b.Loop() {
		RenderIngresses(all, w, ingressTestOptions)
	}
}

func TestIngressMany(t *testing.T) {
	all := manyIngresses()
	w := ingressWebWorld(all...)
	config, _, problems := RenderIngresses(all, w, ingressTestOptions)
	if len(problems) > 0 {
		t.Error(problems)
	}
	t.Logf("%d bytes", len(config))
	installIngresses(t, config, nil)
}

func TestIngressOptions(t *testing.T) {
	config, _, problems := RenderIngresses(nil, ingressWebWorld(), IngressOptions{HTTPPort: 80, Resolver: "dns; }"})
	if config != "" || len(problems) != 1 || !strings.Contains(problems[0].Message, "resolver") {
		t.Errorf("got %q %v", config, problems)
	}
	config, _, problems = RenderIngresses(nil, ingressWebWorld(), ingressTestOptions)
	if len(problems) != 0 {
		t.Error(problems)
	}
	installIngresses(t, config, nil)
}

// TestIngressPEM refuses what OpenSSL would: the proxy would not start.
func TestIngressPEM(t *testing.T) {
	weak := rsa.PrivateKey{}
	t.Setenv("GODEBUG", "rsa1024min=0")
	if key, err := rsa.GenerateKey(rand.Reader, 1024); err == nil {
		weak = *key
	} else {
		t.Fatal(err)
	}
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(typ string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
	}
	pair := func(public, private any) *corev1.Secret {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
		if err != nil {
			t.Fatal(err)
		}
		key, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return &corev1.Secret{Data: map[string][]byte{corev1.TLSCertKey: encode("CERTIFICATE", der), corev1.TLSPrivateKeyKey: encode("PRIVATE KEY", key)}}
	}
	chain := pair(good.Public(), good)
	chain.Data[corev1.TLSCertKey] = append(chain.Data[corev1.TLSCertKey], encode("CERTIFICATE", []byte("no certificate"))...)
	noise := pair(good.Public(), good)
	noise.Data[corev1.TLSCertKey] = append([]byte("# a comment\n"), noise.Data[corev1.TLSCertKey]...)
	for name, c := range map[string]struct {
		secret *corev1.Secret
		want   string
	}{
		"none":    {nil, "is not there"},
		"empty":   {&corev1.Secret{}, "no valid pair"},
		"weak":    {pair(weak.Public(), &weak), "1024 bits"},
		"chain":   {chain, "cannot be served"},
		"comment": {noise, ""},
		"good":    {pair(good.Public(), good), ""},
	} {
		data, err := ingressPEM(c.secret)
		if c.want == "" && (err != nil || !strings.HasPrefix(string(data), "-----BEGIN CERTIFICATE")) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestTraefikVersions(t *testing.T) {
	annotations := map[string]string{ingressPrefix + "whitelist-source-range": "10.0.0.0/8"}
	w := ingressWebWorld(
		ingressNamed("wild.card", "*.a.example", "/x", networkingv1.PathTypeExact, annotations),
		ingressNamed("regex", "a.example", "/x.*", networkingv1.PathTypeImplementationSpecific, map[string]string{ingressPrefix + "use-regex": "true"}),
		ingressNamed("braces", "a.example", "/{x}", networkingv1.PathTypeExact, nil),
		ingressNamed("closed", "a.example", "/closed", networkingv1.PathTypeExact, map[string]string{ingressPrefix + "whitelist-source-range": "x"}),
	)
	web := Key{Namespace: "default", Name: "web"}
	two, problems := TraefikLabels(w.ingresses, w, TraefikOptions{Network: "n", V2: true, HTTPSPort: 8443})
	three, _ := TraefikLabels(w.ingresses, w, TraefikOptions{Network: "n"})
	values := func(labels map[string]string) (out []string) {
		for name, value := range labels {
			out = append(out, name[strings.LastIndexByte(name, '.')+1:]+"="+value)
			if strings.Contains(name, "wild.card") {
				t.Errorf("%s: a dot would end the name", name)
			}
		}
		return out
	}
	for version, c := range map[string]struct {
		labels map[string]string
		want   []string
		not    string
	}{
		"2": {two[web], []string{"rule=HostRegexp(`{label:[^.]+}.a.example`) && Path(`/x`)"}, "rule=Host(`a.example`) && Path(`/{x}`)"},
		"3": {three[web], []string{"rule=HostRegexp(`^[^.]+\\.a\\.example$`) && Path(`/x`)", "rule=Host(`a.example`) && Path(`/{x}`)", "sourcerange=255.255.255.255/32"}, ""},
	} {
		got := values(c.labels)
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("Traefik %s: no %s in %q", version, want, got)
			}
		}
		if slices.Contains(got, c.not) {
			t.Errorf("Traefik %s has %s", version, c.not)
		}
	}
	if len(problems) != 3 { // the closed one, the regular expression, the braces
		t.Errorf("problems: %q", problems)
	}
}

// TestIngressAffinity passes on what a backend says.
func TestIngressAffinity(t *testing.T) {
	i := ingressNamed("a", "a.example", "/", networkingv1.PathTypePrefix, nil)
	src := ingressSticky{ingressWebWorld(i)}
	config, _, _ := RenderIngresses([]*networkingv1.Ingress{i}, src, ingressTestOptions)
	if !strings.Contains(config, "hash $remote_addr consistent;") {
		t.Error(config)
	}
}

type ingressSticky struct{ *ingressWorld }

func (ingressSticky) Backend(string, string, networkingv1.ServiceBackendPort) (nginx.Backend, error) {
	return nginx.Backend{Targets: []nginx.Target{{Host: "10.0.0.1", Port: 80, Weight: 1}, {Host: "10.0.0.2", Port: 80, Weight: 1}}, Affinity: true}, nil
}

// FuzzIngress says anything in any place: there is always a configuration, and nginx takes it.
func FuzzIngress(f *testing.F) {
	f.Add("a.example", "/", "Prefix", "rewrite-target", "/$1", "use-regex", "true")
	f.Add("*.example", "/a(.*)", "ImplementationSpecific", "rewrite-target", "/$1", "proxy-body-size", "999999999g")
	f.Add("a b", `/"; }`, "Exact", "app-root", `/"; }`, "permanent-redirect", `https://x"; } $`)
	f.Add("", "", "", "whitelist-source-range", "::1/0,10.1.1.1/8", "proxy-read-timeout", "1000000")
	f.Add("A", "/\x00", "Exact", "backend-protocol", "grpcs", "ssl-redirect", "false")
	seen := map[string]bool{} // most of what is tried comes to the same
	f.Fuzz(func(t *testing.T, host, path, typ, one, first, other, second string) {
		i := ingressNamed("fuzz", host, path, networkingv1.PathType(typ), map[string]string{ingressPrefix + one: first, ingressPrefix + other: second})
		good := ingressNamed("good", "good.example", "/", networkingv1.PathTypePrefix, nil)
		w := ingressWebWorld(i, good)
		config, _, _ := RenderIngresses(w.ingresses, w, ingressTestOptions)
		if !strings.Contains(config, `server_name "good.example";`) {
			t.Errorf("the good one is not served:\n%s", config)
		}
		if !seen[config] {
			installIngresses(t, config, nil)
		}
		seen[config] = true
		IngressWarnings(i)
		TraefikLabels(w.ingresses, w, TraefikOptions{})
	})
}
