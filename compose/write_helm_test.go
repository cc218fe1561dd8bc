package compose

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/template"

	"sigs.k8s.io/yaml"
)

// render renders a chart with the functions that its templates use, as Helm does with all of its own.
func render(t *testing.T, files map[string][]byte, release string, change func(values map[string]any)) string {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal(files["values.yaml"], &values); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(values)
	}
	root := template.New("chart").Option("missingkey=error")
	root.Funcs(template.FuncMap{
		"quote":  func(v any) string { return fmt.Sprintf("%q", fmt.Sprint(v)) },
		"b64enc": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"default": func(otherwise, v any) any {
			if v == nil || v == "" {
				return otherwise
			}
			return v
		},
		"toYaml": func(v any) (string, error) {
			out, err := yaml.Marshal(v)
			return strings.TrimSuffix(string(out), "\n"), err
		},
		"nindent": func(n int, s string) string {
			indent := "\n" + strings.Repeat(" ", n)
			return indent + strings.ReplaceAll(s, "\n", indent)
		},
		"include": func(name string, data any) (string, error) {
			var out strings.Builder
			err := root.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
	})
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(name string) bool { return !strings.HasPrefix(name, "templates/") })
	for _, name := range names {
		if _, err := root.New(name).Parse(string(files[name])); err != nil {
			t.Fatalf("%v in\n%s", err, files[name])
		}
	}
	var all []string
	for _, name := range names {
		if strings.HasSuffix(name, ".tpl") {
			continue
		}
		var out strings.Builder
		if err := root.ExecuteTemplate(&out, name, map[string]any{"Values": values, "Release": map[string]any{"Namespace": release}}); err != nil {
			t.Fatalf("%v in\n%s", err, files[name])
		}
		all = append(all, out.String())
	}
	return strings.Join(all, "\n---\n")
}

// With its own values a chart is what the manifests are, whatever the user's texts look like.
func TestWriteHelmRendersTheManifests(t *testing.T) {
	r := sampleResult()
	want := documentsOf(t, string(Stream(write(t, r, FormatKubernetes))))
	same(t, documentsOf(t, render(t, write(t, r, FormatHelm), "elsewhere", nil)), want)
	r.Name = ""
	for _, o := range r.Objects {
		o.SetNamespace("")
	}
	want = documentsOf(t, string(Stream(write(t, r, FormatKubernetes))))
	same(t, documentsOf(t, render(t, write(t, r, FormatHelm), "elsewhere", nil)), want)
}

// Every value changes what it says.
func TestWriteHelmValues(t *testing.T) {
	files := write(t, sampleResult(), FormatHelm)
	set := func(path string, value any) func(map[string]any) {
		return func(values map[string]any) {
			keys := strings.Split(path, "/")
			for _, key := range keys[:len(keys)-1] {
				values = values[key].(map[string]any)
			}
			if _, is := values[keys[len(keys)-1]]; !is {
				t.Errorf("there is no value %s", path)
			}
			values[keys[len(keys)-1]] = value
		}
	}
	pod := []string{"spec", "template", "spec"}
	for _, c := range []struct {
		path   string
		value  any
		object string
		want   any
		find   func(tree any) any
	}{
		{"services/my-web/image/tag", "1.26", "Deployment my-web", "nginx:1.26", func(v any) any { return each(at(v, pod...), "containers")[0]["image"] }},
		{"services/my-web/image/tag", 1.5, "Deployment my-web", "nginx:1.5", func(v any) any { return each(at(v, pod...), "containers")[0]["image"] }},
		{"services/plain/image/tag", "3", "Deployment plain", "busybox:3", func(v any) any { return each(at(v, pod...), "containers")[0]["image"] }},
		{"services/pinned/image/digest", "", "Deployment pinned", "registry:5000/a/b", func(v any) any { return each(at(v, pod...), "containers")[0]["image"] }},
		{"services/plain/containers/wait/image/repository", "mirror/nginx", "Deployment plain", "mirror/nginx:1.25", func(v any) any { return each(at(v, pod...), "initContainers")[0]["image"] }},
		{"services/my-web/replicas", 7, "Deployment my-web", 7.0, func(v any) any { return at(v, "spec", "replicas") }},
		{"services/db/resources", map[string]any{"limits": map[string]any{"cpu": "2"}}, "StatefulSet db", "2", func(v any) any {
			return at(each(at(v, pod...), "containers")[0], "resources", "limits", "cpu")
		}},
		{"services/my-web/resources", map[string]any{}, "Deployment my-web", nil, func(v any) any { return each(at(v, pod...), "containers")[0]["resources"] }},
		{"services/backup/schedule", "@daily", "CronJob backup", "@daily", func(v any) any { return at(v, "spec", "schedule") }},
		{"claims/data/size", "20Gi", "PersistentVolumeClaim data", "20Gi", func(v any) any { return at(v, "spec", "resources", "requests", "storage") }},
		{"claims/data/storageClass", "", "PersistentVolumeClaim data", nil, func(v any) any { return at(v, "spec", "storageClassName") }},
		{"claims/db-slot/storageClass", "slow", "StatefulSet db", "slow", func(v any) any { return at(each(v, "spec", "volumeClaimTemplates")[0], "spec", "storageClassName") }},
		{"ingress/hosts/shop-example-com", "shop.corp", "Ingress api", "shop.corp", func(v any) any { return each(v, "spec", "rules")[0]["host"] }},
		{"ingress/hosts/shop-example-com", "shop.corp", "Ingress web", "shop.corp", func(v any) any { return each(v, "spec", "tls")[0]["hosts"].([]any)[0] }},
		{"ingress/hosts/example-com", "*.corp", "Ingress web", "*.corp", func(v any) any { return each(v, "spec", "rules")[1]["host"] }},
		{"ingress/className", "nginx", "Ingress web", "nginx", func(v any) any { return at(v, "spec", "ingressClassName") }},
		{"secrets/password/password", "hunter2", "Secret password", "aHVudGVyMg==", func(v any) any { return at(v, "data", "password") }},
		{"namespace", "", "Service my-web", "elsewhere", func(v any) any { return at(v, "metadata", "namespace") }},
		{"namespace", "other", "Namespace other", "other", func(v any) any { return at(v, "metadata", "name") }},
		{"createNamespace", false, "Namespace shop", nil, func(v any) any { return v }},
	} {
		tree := documentsOf(t, render(t, files, "elsewhere", set(c.path, c.value)))[c.object]
		if c.want == nil && tree == nil {
			continue
		}
		if tree == nil {
			t.Errorf("%s: there is no %s", c.path, c.object)
			continue
		}
		if got := c.find(tree); got != c.want {
			t.Errorf("%s = %v: %s has %v", c.path, c.value, c.object, got)
		}
	}
}
