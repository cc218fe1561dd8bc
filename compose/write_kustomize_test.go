package compose

import (
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// build is what kubectl kustomize does.
func build(t *testing.T, files map[string][]byte) string {
	t.Helper()
	disk := filesys.MakeFsInMemory()
	for name, data := range files {
		if err := disk.WriteFile("/base/"+name, data); err != nil {
			t.Fatal(err)
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/base")
	if err != nil {
		t.Fatal(err)
	}
	out, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// A base builds to what the manifests are, and its images can be changed in one place.
func TestWriteKustomizeBuildsTheManifests(t *testing.T) {
	r := sampleResult()
	want := documentsOf(t, string(Stream(write(t, r, FormatKubernetes))))
	files := write(t, r, FormatKustomize)
	same(t, documentsOf(t, build(t, files)), want)

	base := string(files["kustomization.yaml"])
	for _, line := range []string{"namespace: shop\n", "- name: nginx\n  newTag: \"1.25\"\n", "- digest: sha256:0123\n  name: registry:5000/a/b\n"} {
		if !strings.Contains(base, line) {
			t.Errorf("%q is missing in\n%s", line, base)
		}
	}
	if strings.Contains(base, "postgres") {
		t.Errorf("postgres is used in two versions, which would become one:\n%s", base)
	}
	files["kustomization.yaml"] = []byte(strings.Replace(base, `newTag: "1.25"`, `newTag: "1.26"`, 1))
	if built := build(t, files); !strings.Contains(built, "nginx:1.26") || strings.Contains(built, "nginx:1.25") {
		t.Errorf("the image was not changed:\n%s", built)
	}
}
