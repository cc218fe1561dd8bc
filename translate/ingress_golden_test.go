package translate

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"skep/translate/nginx"
)

// ingressWorld is what the Ingresses of a test refer to.
type ingressWorld struct {
	ingresses []*networkingv1.Ingress
	services  map[Key]*corev1.Service
	secrets   map[Key]*corev1.Secret
	// ports are where a Service is to be reached in truth, by namespace/name; others are at their target port.
	ports map[string]int32
}

func (w *ingressWorld) Service(namespace, name string) *corev1.Service {
	return w.services[Key{namespace, name}]
}

func (w *ingressWorld) Secret(namespace, name string) *corev1.Secret {
	return w.secrets[Key{namespace, name}]
}

func (w *ingressWorld) Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}

func (w *ingressWorld) Backend(namespace, name string, port networkingv1.ServiceBackendPort) (nginx.Backend, error) {
	for _, p := range w.Service(namespace, name).Spec.Ports {
		if p.Port == port.Number || p.Name != "" && p.Name == port.Name {
			number := p.Port
			if p.TargetPort.IntVal != 0 {
				number = p.TargetPort.IntVal
			}
			if known := w.ports[namespace+"/"+name]; known != 0 {
				number = known
			}
			return nginx.Backend{Targets: []nginx.Target{{Host: "tasks." + namespace + "_" + name, Port: number, Weight: 1}}}, nil
		}
	}
	return nginx.Backend{}, fmt.Errorf("it has no port %s%d", port.Name, port.Number)
}

// readIngressWorld reads documents. An Ingress is a minute younger than the one before, unless it says how old it is.
// The annotation "generate" of a Secret names the hosts of the certificate that it gets.
func readIngressWorld(t *testing.T, input string) *ingressWorld {
	t.Helper()
	w := &ingressWorld{services: map[Key]*corev1.Service{}, secrets: map[Key]*corev1.Secret{}}
	parse := func(doc string, into metav1.Object) {
		if err := yaml.UnmarshalStrict([]byte(doc), into); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if into.GetNamespace() == "" {
			into.SetNamespace(DefaultNamespace)
		}
	}
	for n, doc := range strings.Split(input, "\n---\n") {
		var typ metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &typ); err != nil {
			t.Fatal(err)
		}
		switch typ.Kind {
		case "Ingress":
			i := &networkingv1.Ingress{}
			parse(doc, i)
			if i.CreationTimestamp.IsZero() {
				i.CreationTimestamp = metav1.NewTime(time.Date(2026, 1, 2, 3, n, 0, 0, time.UTC))
			}
			w.ingresses = append(w.ingresses, i)
		case "Service":
			s := &corev1.Service{}
			parse(doc, s)
			w.services[KeyOf(s)] = s
		case "Secret":
			s := &corev1.Secret{}
			parse(doc, s)
			for k, v := range s.StringData {
				s.Data = withData(s.Data, k, v)
			}
			if hosts := s.Annotations["generate"]; hosts != "" {
				s.Data = ingressPair(t, strings.Split(hosts, ","))
			}
			w.secrets[KeyOf(s)] = s
		default:
			t.Fatalf("kind %q", typ.Kind)
		}
	}
	return w
}

// ingressPair is the same certificate and key for the same hosts each time.
func ingressPair(t *testing.T, hosts []string) map[string][]byte {
	t.Helper()
	seed := sha256.Sum256([]byte(strings.Join(hosts, ",")))
	key := ed25519.NewKeyFromSeed(seed[:])
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: hosts,
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
}

var ingressTestOptions = IngressOptions{HTTPPort: 80, HTTPSPort: 443, Resolver: "127.0.0.11"}

// TestIngressGolden reads testdata/ingress-config: Ingresses and what they refer to, then the part of the nginx
// configuration that is theirs, the files, the problems and warnings, and the labels for Traefik.
func TestIngressGolden(t *testing.T) {
	eachCase(t, "ingress-config", func(t *testing.T, input string) string {
		t.Helper()
		return tellIngresses(t, readIngressWorld(t, input))
	})
}

func tellIngresses(t *testing.T, w *ingressWorld) string {
	t.Helper()
	var out strings.Builder
	config, files, problems := RenderIngresses(w.ingresses, w, ingressTestOptions)
	slices.Reverse(w.ingresses)
	again, _, _ := RenderIngresses(w.ingresses, w, ingressTestOptions)
	slices.Reverse(w.ingresses)
	if again != config {
		t.Errorf("the order of the Ingresses matters:\n%s", again)
	}
	installIngresses(t, config, files)
	fmt.Fprintf(&out, "%snginx\n%s", goldenLine, ingressPart(t, config))
	for _, f := range files {
		block, _ := pem.Decode(f.Data)
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%sfile %s\ncertificate of %s\n", goldenLine, f.Path, strings.Join(certificate.DNSNames, ", "))
	}
	tellIngressProblems(&out, "problems", problems)
	for _, i := range w.ingresses {
		if warnings := IngressWarnings(i); len(warnings) > 0 {
			fmt.Fprintf(&out, "%swarnings for %s/%s\n%s\n", goldenLine, i.Namespace, i.Name, strings.Join(warnings, "\n"))
		}
	}
	labels, others := TraefikLabels(w.ingresses, w, TraefikOptions{Network: "ingress"})
	for _, key := range slices.SortedFunc(maps.Keys(labels), func(a, b Key) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) }) {
		fmt.Fprintf(&out, "%straefik %s/%s\n%s", goldenLine, key.Namespace, key.Name, asYAML(t, labels[key]))
	}
	others = slices.DeleteFunc(others, func(p IngressProblem) bool { return slices.Contains(problems, p) })
	tellIngressProblems(&out, "problems with traefik alone", others)
	return out.String()
}

func tellIngressProblems(out *strings.Builder, title string, problems []IngressProblem) {
	if len(problems) > 0 {
		fmt.Fprintf(out, "%s%s\n", goldenLine, title)
	}
	for _, p := range problems {
		fmt.Fprintf(out, "%s/%s %s: %s\n", p.Namespace, p.Name, p.Reason, p.Message)
	}
}

// ingressPart leaves out what all configurations have.
func ingressPart(t *testing.T, config string) string {
	t.Helper()
	_, hops, _ := strings.Cut(config, "    proxy_timeout 12d;\n")
	hops, _, _ = strings.Cut(hops, "}\nhttp {\n")
	_, part, ok := strings.Cut(config, "    grpc_buffer_size 16k;\n")
	pools, servers, ok2 := strings.Cut(part, "    server {\n        listen 10254;")
	_, servers, ok3 := strings.Cut(servers, "\n    }\n")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("not as expected:\n%s", config)
	}
	return hops + pools + strings.TrimSuffix(servers, "}\n")
}

// installIngresses writes a configuration with its files into a directory of its own, and has nginx read it.
func installIngresses(t *testing.T, config string, files []IngressFile) (path string) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} { // nginx's workers are somebody else
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(dir, "nginx.conf")
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Path)), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config = strings.NewReplacer(ingressTLSDir, dir+"/", " /tmp/nginx", " "+dir+"/nginx", "unix:/tmp", "unix:"+dir, "worker_processes auto", "worker_processes 2").Replace(config)
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Log("nginx is not installed, so nobody says whether it takes the configuration: apt-get install nginx-light")
		return path
	}
	if out, err := exec.Command("nginx", "-t", "-c", path).CombinedOutput(); err != nil || strings.Contains(string(out), "[warn]") {
		t.Fatalf("nginx refuses it: %v\n%s\n%s", err, out, config)
	}
	return path
}
