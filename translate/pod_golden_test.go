package translate

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1defaults "k8s.io/kubernetes/pkg/apis/apps/v1"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"sigs.k8s.io/yaml"
)

// sources are ConfigMaps and Secrets by name, and Swarm's own configs and secrets.
type sources struct {
	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
	claims     map[string]*corev1.PersistentVolumeClaim
	volumes    map[string]*corev1.PersistentVolume
	classes    map[string]*storagev1.StorageClass
	native     map[string]string // "config/<ConfigMap>/<key>" to the config's name
}

func (s sources) ConfigMap(_, name string) *corev1.ConfigMap { return s.configMaps[name] }
func (s sources) Secret(_, name string) *corev1.Secret       { return s.secrets[name] }
func (s sources) NativeConfig(_, name, key string) string    { return s.native["config/"+name+"/"+key] }

func (s sources) NativeSecret(_, name, key string) string { return s.native["secret/"+name+"/"+key] }

func (s sources) Networking() Networking { return DefaultNetworking }

func (s sources) Digest(data []byte) string {
	mac := hmac.New(sha256.New, []byte("test"))
	mac.Write(data)
	return hex.EncodeToString(mac.Sum(nil))
}

// goldenLine parts a case: what a user writes, what Swarm gets, what the user is told.
const goldenLine = "------ "

// TestPodTemplateGolden reads testdata/podtemplate: manifests (the last is a Pod or a Deployment, the others what
// it refers to), then what comes of it.
func TestPodTemplateGolden(t *testing.T) {
	eachCase(t, "podtemplate", goldenOutcome)
}

// goldenCase reads the manifests of a case.
func goldenCase(t *testing.T, input string) (kind string, obj runtime.Object, tpl *corev1.PodTemplateSpec, id PodIdentity, src sources) {
	t.Helper()
	src = sources{
		claims: map[string]*corev1.PersistentVolumeClaim{}, volumes: map[string]*corev1.PersistentVolume{}, classes: map[string]*storagev1.StorageClass{},
		configMaps: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{}, native: map[string]string{},
	}
	read := func(doc []byte, into any) {
		t.Helper()
		if err := yaml.UnmarshalStrict(doc, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, doc := range bytes.Split([]byte(input), []byte("\n---\n")) {
		var typ metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &typ); err != nil {
			t.Fatal(err)
		}
		switch kind = typ.Kind; kind {
		case "ConfigMap":
			cm := &corev1.ConfigMap{}
			read(doc, cm)
			src.configMaps[cm.Name] = cm
		case "Secret":
			s := &corev1.Secret{}
			read(doc, s)
			for k, v := range s.StringData {
				s.Data = withData(s.Data, k, v)
			}
			src.secrets[s.Name] = s
		case kindClaim:
			claim := &corev1.PersistentVolumeClaim{}
			read(doc, claim)
			src.claims[claim.Name] = claim
		case kindVolume:
			pv := &corev1.PersistentVolume{}
			read(doc, pv)
			src.volumes[pv.Name] = pv
		case "StorageClass":
			class := &storagev1.StorageClass{}
			read(doc, class)
			src.classes[class.Name] = class
		case "Pod":
			pod := &corev1.Pod{}
			read(doc, pod)
			corev1defaults.SetObjectDefaults_Pod(pod)
			obj, tpl = pod, &corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
			id = PodIdentity{Namespace: "default", Name: pod.Name}
		case "Deployment":
			d := &appsv1.Deployment{}
			read(doc, d)
			appsv1defaults.SetObjectDefaults_Deployment(d)
			obj, tpl = d, &d.Spec.Template
			id = PodIdentity{Namespace: "default", Name: d.Name + "-5d4b9c", Generated: true, Hash: "5d4b9c"}
		default:
			t.Fatalf("kind %q", kind)
		}
	}
	return kind, obj, tpl, id, src
}

func withData(m map[string][]byte, k, v string) map[string][]byte {
	if m == nil {
		m = map[string][]byte{}
	}
	m[k] = []byte(v)
	return m
}

func goldenOutcome(t *testing.T, input string) string {
	t.Helper()
	kind, obj, tpl, id, src := goldenCase(t, input)
	var out strings.Builder
	refused, warnings := Check(kind, obj, DefaultNetworking)
	if len(refused) > 0 {
		out.WriteString(goldenLine + "refused\n")
		for _, err := range refused {
			fmt.Fprintln(&out, err)
		}
	}
	if len(warnings) > 0 {
		out.WriteString(goldenLine + "warnings\n" + strings.Join(warnings, "\n") + "\n")
	}
	if len(refused) > 0 {
		return out.String()
	}
	plan, err := PutPod(tpl, id, src)
	if err != nil {
		return out.String() + goldenLine + "error\n" + err.Error() + "\n"
	}
	checkStable(t, tpl, &plan.Task)
	out.WriteString(goldenLine + "swarm\n" + swarmYAML(t, plan.Task))
	for _, m := range plan.Materials {
		what := "config"
		if m.Secret {
			what = "secret"
		}
		fmt.Fprintf(&out, "%s%s %s\n%s\n", goldenLine, what, m.Name, readableData(t, m.Data))
	}
	for _, m := range plan.Missing {
		fmt.Fprintf(&out, "%smissing %s %s %s\n", goldenLine, m.Kind, m.Name, m.Key)
	}
	return out.String()
}

// swarmYAML leaves out what is empty, for the reader's sake.
func swarmYAML(t *testing.T, task swarm.TaskSpec) string {
	t.Helper()
	doc, err := yaml.Marshal(prune(task))
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// checkStable holds every case to law PutGet.
func checkStable(t *testing.T, tpl *corev1.PodTemplateSpec, task *swarm.TaskSpec) {
	t.Helper()
	got := tpl.DeepCopy()
	OverlayPod(got, task, SeenPod(task))
	if !reflect.DeepEqual(got, tpl) {
		t.Errorf("what was put is not what is got")
	}
}

// TestGetPodGolden reads testdata/podtemplate-get: a task that docker made, and the template that it shows as.
func TestGetPodGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/podtemplate-get/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases found", err)
	}
	for _, name := range files {
		doc, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		input, _, _ := strings.Cut(string(doc), goldenLine)
		var task swarm.TaskSpec
		if err := yaml.UnmarshalStrict([]byte(input), &task); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out, err := yaml.Marshal(GetPod(&task, "shop_web"))
		if err != nil {
			t.Fatal(err)
		}
		got := input + goldenLine + "kubernetes\n" + string(out)
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != string(doc) {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}
