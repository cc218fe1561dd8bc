package compose

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"skep/translate"
)

// sampleResult has an object of each kind that a conversion writes in its own way, and text that looks like a template.
func sampleResult() *Result {
	objects := []translate.Object{
		sampleIngress("web", "shop.example.com", "*.example.com"), sampleIngress("api", "shop.example.com"),
		sampleDeployment("my-web", "nginx:1.25"), sampleDeployment("plain", "busybox"), sampleDeployment("pinned", "registry:5000/a/b@sha256:0123"),
		sampleStatefulSet(), sampleCronJob(),
		&corev1.Service{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: metav1.ObjectMeta{Name: "my-web"},
			Spec: corev1.ServiceSpec{Selector: map[string]string{LabelName: "my-web"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}},
		},
		&corev1.PersistentVolumeClaim{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"}, ObjectMeta: metav1.ObjectMeta{Name: "data"},
			Spec: claimSpec("10Gi", new("fast")),
		},
		&corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: "site"},
			Data: map[string]string{"index.html": "<p>{{ .Name }}</p>\n{{- range .X }}{{{raw}}} skepvalue0z {{/* no */}}{{ end }}\n\tx\n", "on": "yes"},
		},
		&corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Name: "password"},
			Data: map[string][]byte{"password": []byte("FILL IN: \"it\"\n"), "known": {0, 0xff}},
		},
		&corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
	}
	for _, o := range objects {
		if gvkOf(o).Kind != "Namespace" {
			o.SetNamespace("shop")
		}
	}
	return &Result{Name: "shop", Objects: ordered(objects), Fill: []Fill{{Kind: "Secret", Namespace: "shop", Name: "password", Key: "password"}}}
}

func claimSpec(size string, class *string) corev1.PersistentVolumeClaimSpec {
	return corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: class,
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
	}
}

func sampleTemplate(name, image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{LabelName: name}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: name, Image: image, Env: []corev1.EnvVar{{Name: "FORMAT", Value: "{{.Node.Hostname}} skepvalue"}},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}},
		}}},
	}
}

func sampleDeployment(name, image string) translate.Object {
	d := &appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{Replicas: new(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{LabelName: name}}, Template: sampleTemplate(name, image)},
	}
	spec := &d.Spec.Template.Spec
	spec.InitContainers = []corev1.Container{{Name: "wait", Image: "nginx:1.25", Command: []string{"true"}}}
	spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "true\n\n\n"}}}}
	spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	return d
}

func sampleStatefulSet() translate.Object {
	s := &appsv1.StatefulSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"}, ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			ServiceName: "my-web", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{LabelName: "db"}}, Template: sampleTemplate("db", "postgres:16"),
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "slot"}, Spec: claimSpec("1Gi", nil)}},
		},
	}
	s.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	return s
}

func sampleCronJob() translate.Object {
	c := &batchv1.CronJob{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"}, ObjectMeta: metav1.ObjectMeta{Name: "backup"},
		Spec: batchv1.CronJobSpec{Schedule: "0 3 * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: sampleTemplate("backup", "postgres:15")}}},
	}
	c.Spec.JobTemplate.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	return c
}

func sampleIngress(name string, hosts ...string) translate.Object {
	i := &networkingv1.Ingress{TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}, ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, host := range hosts {
		i.Spec.Rules = append(i.Spec.Rules, networkingv1.IngressRule{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: new(networkingv1.PathTypePrefix), Backend: networkingv1.IngressBackend{
				Service: &networkingv1.IngressServiceBackend{Name: "my-web", Port: networkingv1.ServiceBackendPort{Number: 80}},
			}}},
		}}})
	}
	i.Spec.TLS = []networkingv1.IngressTLS{{Hosts: hosts}}
	return i
}

func write(t *testing.T, r *Result, format Format) map[string][]byte {
	t.Helper()
	files, err := Write(r, &Stack{}, format)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// documentsOf are the objects of a stream, by kind and name.
func documentsOf(t *testing.T, stream string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for doc := range strings.SplitSeq("\n"+stream, "\n---\n") {
		var tree map[string]any
		if err := yaml.Unmarshal([]byte(doc), &tree); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if tree != nil {
			all[tree["kind"].(string)+" "+at(tree, "metadata", "name").(string)] = tree
		}
	}
	return all
}

// same compares what two ways of writing come to, object by object.
func same(t *testing.T, got, want map[string]any) {
	t.Helper()
	if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
		t.Fatalf("objects\n%s\nwant\n%s", g, w)
	}
	for name := range want {
		if !reflect.DeepEqual(got[name], want[name]) {
			g, _ := yaml.Marshal(got[name])
			w, _ := yaml.Marshal(want[name])
			t.Errorf("%s\n%s\nwant\n%s", name, g, w)
		}
	}
}

// What is written says nothing that an API server would make up, and the names of the files sort as it applies.
func TestWriteManifests(t *testing.T) {
	r := sampleResult()
	files := write(t, r, FormatKubernetes)
	want := []string{
		"00-namespace-shop.yaml", "20-secret-password.yaml", "25-configmap-site.yaml", "30-persistentvolumeclaim-data.yaml", "40-service-my-web.yaml",
		"50-deployment-my-web.yaml", "50-deployment-pinned.yaml", "50-deployment-plain.yaml", "50-statefulset-db.yaml", "55-cronjob-backup.yaml",
		"70-ingress-api.yaml", "70-ingress-web.yaml",
	}
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
		t.Errorf("files\n%s\nwant\n%s", got, want)
	}
	stream := string(Stream(files))
	for _, bad := range []string{"status:", "creationTimestamp", "null", "strategy: {}", "resources: {}"} {
		if strings.Contains(stream, bad) {
			t.Errorf("%q stands in\n%s", bad, stream)
		}
	}
	if got := len(documentsOf(t, stream)); got != len(r.Objects) {
		t.Errorf("%d documents of %d objects", got, len(r.Objects))
	}
	if again := string(Stream(write(t, sampleResult(), FormatKubernetes))); again != stream {
		t.Error("a second run writes other bytes")
	}
	slices.Reverse(r.Objects)
	r.Objects = ordered(r.Objects)
	if again := string(Stream(write(t, r, FormatKubernetes))); again != stream {
		t.Error("objects in another order make other bytes")
	}
}

// Two objects of one name in two namespaces have a file each.
func TestWriteTwoNamespaces(t *testing.T) {
	r := &Result{}
	for _, namespace := range []string{"a", "b"} {
		r.Objects = append(r.Objects, &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: namespace}})
	}
	if files := write(t, r, FormatKubernetes); len(files) != 2 {
		t.Errorf("%d files", len(files))
	}
	if k := string(write(t, r, FormatKustomize)["kustomization.yaml"]); strings.Contains(k, "namespace:") {
		t.Errorf("kustomize would put both into one:\n%s", k)
	}
}

func TestWriteUnknownFormat(t *testing.T) {
	if _, err := Write(&Result{}, &Stack{}, "jsonnet"); err == nil || !strings.Contains(err.Error(), "kustomize") {
		t.Errorf("%v", err)
	}
}

func TestParseImage(t *testing.T) {
	for image, want := range map[string]imageName{
		"nginx": {"nginx", "", ""}, "nginx:1.25": {"nginx", "1.25", ""}, "registry:5000/nginx": {"registry:5000/nginx", "", ""},
		"registry:5000/nginx:1@sha256:ab": {"registry:5000/nginx", "1", "sha256:ab"},
	} {
		if got := parseImage(image); got != want {
			t.Errorf("%s: %v", image, got)
		}
	}
}

func TestWriteDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out", "shop")
	content := func() map[string]string {
		all := map[string]string{}
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
			if !d.IsDir() {
				data, _ := os.ReadFile(path)
				name, _ := filepath.Rel(dir, path)
				all[name] = string(data)
			}
			return nil
		})
		return all
	}
	must := func(files map[string][]byte) {
		t.Helper()
		if err := WriteDir(dir, files); err != nil {
			t.Fatal(err)
		}
	}
	must(map[string][]byte{"a.yaml": []byte("1"), "templates/b.yaml": []byte("2")})
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(map[string][]byte{"a.yaml": []byte("3"), "c.yaml": []byte("4\nkind: Secret\n")})
	want := map[string]string{"a.yaml": "3", "c.yaml": "4\nkind: Secret\n", "mine.txt": "mine", ".skep-convert": markerHead + "\na.yaml\nc.yaml\n"}
	if got := content(); !maps.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "templates")); err == nil {
		t.Error("an empty directory of ours stays")
	}
	if info, err := os.Stat(filepath.Join(dir, "c.yaml")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a Secret can be read by others: %v %v", info.Mode(), err)
	}
	for name, why := range map[string]string{"mine.txt": "someone else's file", "../x": "a file outside", "/x": "an absolute path", marker: "the list"} {
		if err := WriteDir(dir, map[string][]byte{"a.yaml": []byte("5"), name: nil}); err == nil {
			t.Errorf("%s was written", why)
		}
	}
	if got := content(); !maps.Equal(got, want) {
		t.Errorf("a refused conversion changed %q", got)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteDir(foreign, map[string][]byte{"a.yaml": nil}); err == nil {
		t.Error("a directory of someone else's was written to")
	}
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the directory lie %v %v", left, err)
	}
}
