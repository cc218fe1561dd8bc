package compose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"skep/translate"
)

// chart is a Helm chart on its way. In the objects' documents stand marks where a template goes; what else looks like one
// is the user's own text, and is quoted before the marks become templates.
type chart struct {
	name    string
	result  *Result
	values  map[string]any
	hosts   names
	mark    string            // what marks begin with: a word that is in none of the documents
	marks   map[string]string // by the mark: its template
	classes bool              // whether all Ingresses have one class
}

// chartVersion is the version of a chart that nobody has changed yet.
const chartVersion = "0.1.0"

// chartOf is a result as a chart. With the values that come with it, it renders to what the manifests say.
func chartOf(r *Result) (map[string][]byte, error) {
	c := &chart{name: "stack", result: r, values: map[string]any{}, hosts: names{}, marks: map[string]string{}}
	if r.Name != "" {
		c.name = label(r.Name)
	}
	plain, err := manifests(r.Objects)
	if err != nil {
		return nil, err
	}
	all := string(Stream(plain))
	for c.mark = "skepvalue"; strings.Contains(all, c.mark); {
		c.mark += "x"
	}
	c.classes = oneClass(r.Objects)
	files, taken := map[string][]byte{}, map[string]bool{}
	for _, o := range r.Objects {
		out, err := c.template(o)
		if err != nil {
			return nil, err
		}
		name := fileName(o, taken)
		taken[name] = true
		files["templates/"+name] = out
	}
	files["templates/_helpers.tpl"] = fmt.Appendf(nil, helpers, c.name)
	if files["values.yaml"], err = yaml.Marshal(c.values); err != nil {
		return nil, err
	}
	files["Chart.yaml"], err = yaml.Marshal(map[string]any{
		"apiVersion": "v2", "name": c.name, "type": "application", "version": chartVersion,
		"description": "Made of the stack " + c.name + " by skep convert",
	})
	return files, err
}

// helpers is what the templates share: how an image's parts make its name.
const helpers = `{{- define "%s.image" -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
`

// template is an object's document as a template.
func (c *chart) template(o translate.Object) ([]byte, error) {
	tree, err := treeOf(o)
	if err != nil {
		return nil, err
	}
	c.namespace(o, tree)
	if t := templateIn(o); t != nil {
		c.workload(o, tree)
	}
	switch o := o.(type) {
	case *corev1.PersistentVolumeClaim:
		c.claim(o.Name, tree)
	case *corev1.Secret:
		c.secret(o, tree)
	case *networkingv1.Ingress:
		c.ingress(tree)
	}
	out, err := yaml.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", gvkOf(o).Kind, o.GetName(), err)
	}
	text := c.rendered(strings.ReplaceAll(string(out), "{{", `{{ "{{" }}`))
	if _, is := o.(*corev1.Namespace); is && o.GetName() == oneNamespace(c.result) {
		text = "{{- if .Values.createNamespace }}\n" + text + "{{- end }}\n"
	}
	return []byte(text), nil
}

// optionalForm is how a field that may be left out stands in a template: %[1]s its indentation, %[2]s its key and %[3]s
// the value, %[4]s what the value becomes.
const optionalForm = "%[1]s{{- with %[3]s }}\n%[1]s%[2]s:%[4]s\n%[1]s{{- end }}\n"

// exactForm is the same where the text before must not be trimmed: the lines at its end may belong to it.
const exactForm = "{{ with %[3]s }}%[1]s%[2]s:%[4]s\n{{ end }}"

// keptLines is the head of a YAML text that keeps the empty lines at its end.
var keptLines = regexp.MustCompile(`(?m)[|>]\d?\+$`)

// rendered puts the templates where their marks are.
func (c *chart) rendered(text string) string {
	form := optionalForm
	if keptLines.MatchString(text) {
		form = exactForm
	}
	optional := regexp.MustCompile(`(?m)^( *)(\w+): (` + c.mark + `\d+(block|scalar))\n`)
	text = optional.ReplaceAllStringFunc(text, func(line string) string {
		part := optional.FindStringSubmatch(line)
		becomes := " {{ . | quote }}"
		if part[4] == "block" {
			becomes = fmt.Sprintf("{{ toYaml . | nindent %d }}", len(part[1])+2)
		}
		return fmt.Sprintf(form, part[1], part[2], c.marks[part[3]], becomes)
	})
	return regexp.MustCompile(c.mark+`\d+z`).ReplaceAllStringFunc(text, func(mark string) string { return c.marks[mark] })
}

// is makes a mark for a template, that stands for a scalar.
func (c *chart) is(template string, args ...any) string {
	return c.marked("z", fmt.Sprintf(template, args...))
}

func (c *chart) marked(end, template string) string {
	mark := fmt.Sprintf("%s%d%s", c.mark, len(c.marks), end)
	c.marks[mark] = template
	return mark
}

// value sets a value of the chart, unless it is set already, and returns how a template names it.
func (c *chart) value(value any, path ...string) string {
	at := c.values
	for _, key := range path[:len(path)-1] {
		inner, ok := at[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			at[key] = inner
		}
		at = inner
	}
	if _, set := at[path[len(path)-1]]; !set {
		at[path[len(path)-1]] = value
	}
	name := ".Values"
	for _, key := range path {
		if identifier.MatchString(key) {
			name += "." + key
		} else {
			name = fmt.Sprintf("(index %s %q)", name, key)
		}
	}
	return name
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// namespace makes the namespace a value. A chart's release has one already, so that whoever installs it can say that it
// is not to be made.
func (c *chart) namespace(o translate.Object, tree map[string]any) {
	one := oneNamespace(c.result)
	if one == "" {
		return
	}
	name := func() string {
		return c.is("{{ %s | default .Release.Namespace | quote }}", c.value(one, "namespace"))
	}
	meta := tree["metadata"].(map[string]any) // every object has its name there
	if _, is := o.(*corev1.Namespace); is && o.GetName() == one {
		c.value(true, "createNamespace")
		meta["name"] = name()
	}
	if o.GetNamespace() == one {
		meta["namespace"] = name()
	}
	if ref, ok := at(tree, "spec", "claimRef").(map[string]any); ok && ref["namespace"] == one {
		ref["namespace"] = name()
	}
}

// oneClass says whether all Ingresses have the same class.
func oneClass(objects []translate.Object) bool {
	classes := map[string]bool{}
	for _, o := range objects {
		if i, ok := o.(*networkingv1.Ingress); ok && i.Spec.IngressClassName != nil {
			classes[*i.Spec.IngressClassName] = true
		} else if ok {
			classes[""] = true
		}
	}
	return len(classes) == 1
}

// at is what a path of keys leads to in a tree; nil for nothing.
func at(tree any, path ...string) any {
	for _, key := range path {
		mapping, ok := tree.(map[string]any)
		if !ok {
			return nil
		}
		tree = mapping[key]
	}
	return tree
}

// each are the mappings of a list at a path in a tree.
func each(tree any, path ...string) []map[string]any {
	list, _ := at(tree, path...).([]any)
	var all []map[string]any
	for _, item := range list {
		if mapping, ok := item.(map[string]any); ok {
			all = append(all, mapping)
		}
	}
	return all
}

// templatePath is where an object's Pods are in its tree.
func templatePath(o translate.Object) []string {
	switch gvkOf(o).Kind {
	case "CronJob":
		return []string{"spec", "jobTemplate", "spec", "template", "spec"}
	case "Pod":
		return []string{"spec"}
	}
	return []string{"spec", "template", "spec"}
}

// containers are those of an object's tree, its own first.
func containers(o translate.Object, tree map[string]any) []map[string]any {
	path := templatePath(o)
	return slices.Concat(each(at(tree, path...), "containers"), each(at(tree, path...), "initContainers"))
}
