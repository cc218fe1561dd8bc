package translate

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// AnnotationTemplates names, separated by commas, the variables of a Pod template whose values are
// Swarm's own templates and go to Swarm as they stand.
const AnnotationTemplates = "skep/swarm-templates"

// completionIndex is the variable by which a container of an Indexed Job knows its number.
const completionIndex = "JOB_COMPLETION_INDEX"

// seenEnv prefixes what Seen holds of single variables.
const seenEnv = "env/"

// putEnv resolves the environment as the kubelet does: envFrom first, env over it, $(VAR) from what
// stands before. Docker wants the values themselves, so references become literals.
func (p *putter) putEnv() {
	p.env = map[string]string{}
	var order []string
	set := func(name, value string) {
		if _, have := p.env[name]; !have {
			order = append(order, name)
		}
		p.env[name] = value
	}
	for i, from := range p.c.EnvFrom {
		data := p.envFrom(p.cAt.Child("envFrom").Index(i), from)
		for _, key := range sortedKeys(data) {
			set(from.Prefix+key, data[key])
		}
	}
	verbatim := strings.Split(p.tpl.Annotations[AnnotationTemplates], ",")
	for i, e := range p.c.Env {
		at := p.cAt.Child("env").Index(i)
		if e.Value == "" && e.ValueFrom != nil {
			if value, ok := p.valueFrom(at.Child("valueFrom"), e.ValueFrom); ok {
				set(e.Name, value)
			}
			continue
		}
		value := expansion.Expand(e.Value, expansion.MappingFuncFor(p.env))
		if slices.Contains(verbatim, e.Name) {
			value = marked(strings.ReplaceAll(value, mark, ""))
		} else if isMarked(e.Value) {
			p.refuse(at.Child("value"), "holds a NUL byte, which no environment can")
		}
		set(e.Name, value)
	}
	if _, have := p.env[completionIndex]; p.id.Indexed && !have {
		set(completionIndex, marked(jobIndex))
	}
	for _, name := range order {
		p.spec.Env = append(p.spec.Env, name+"="+render(p.env[name]))
	}
}

func (p *putter) envFrom(at *field.Path, from corev1.EnvFromSource) map[string]string {
	switch {
	case from.ConfigMapRef != nil:
		ref := from.ConfigMapRef
		if cm := p.src.ConfigMap(p.id.Namespace, ref.Name); cm != nil {
			return p.withoutNUL(at.Child("configMapRef"), cm.Data)
		}
		if !isTrue(ref.Optional) {
			p.missing("ConfigMap", ref.Name, "")
		}
	case from.SecretRef != nil:
		ref := from.SecretRef
		if s := p.src.Secret(p.id.Namespace, ref.Name); s != nil {
			data := make(map[string]string, len(s.Data))
			for k, v := range s.Data {
				data[k] = string(v)
			}
			return p.withoutNUL(at.Child("secretRef"), data)
		}
		if !isTrue(ref.Optional) {
			p.missing("Secret", ref.Name, "")
		}
	}
	return nil
}

// withoutNUL refuses what no process could be started with, and what would look like a mark.
func (p *putter) withoutNUL(at *field.Path, data map[string]string) map[string]string {
	for key, value := range data {
		if isMarked(value) {
			p.refuse(at, "key %q holds a NUL byte, which no environment can", key)
			return nil
		}
	}
	return data
}

func (p *putter) valueFrom(at *field.Path, from *corev1.EnvVarSource) (value string, ok bool) {
	switch {
	case from.FieldRef != nil:
		return p.fieldRef(at.Child("fieldRef", "fieldPath"), from.FieldRef.FieldPath), true
	case from.ResourceFieldRef != nil:
		return p.resourceFieldRef(at.Child("resourceFieldRef"), from.ResourceFieldRef), true
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		if cm := p.src.ConfigMap(p.id.Namespace, ref.Name); cm != nil {
			value, ok = cm.Data[ref.Key]
		}
		if !ok && !isTrue(ref.Optional) {
			p.missing("ConfigMap", ref.Name, ref.Key)
		}
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		if s := p.src.Secret(p.id.Namespace, ref.Name); s != nil {
			var data []byte
			data, ok = s.Data[ref.Key]
			value = string(data)
		}
		if !ok && !isTrue(ref.Optional) {
			p.missing("Secret", ref.Name, ref.Key)
		}
	}
	if isMarked(value) {
		p.refuse(at, "refers to a value with a NUL byte, which no environment can hold")
		return "", false
	}
	return value, ok
}

// fieldRef answers from the template, or with Swarm's template where only the node knows.
func (p *putter) fieldRef(at *field.Path, path string) string {
	switch path {
	case "metadata.name":
		return p.id.podName()
	case "spec.nodeName":
		return marked(nodeName)
	case "spec.serviceAccountName":
		if p.pod.ServiceAccountName == "" {
			return DefaultServiceAccount
		}
		return p.pod.ServiceAccountName
	case "metadata.uid", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs":
		p.refuse(at, "%s is known only where a sandboxed Pod runs: use metadata.name or spec.nodeName, or ask the network from inside (hostname -i)", path)
		return ""
	}
	labels := map[string]string{}
	for k, v := range p.tpl.Labels {
		labels[k] = v
	}
	for k, v := range p.id.revisionLabels() {
		labels[k] = v
	}
	if p.id.First != nil {
		labels[appsv1.StatefulSetPodNameLabel], labels[appsv1.PodIndexLabel] = p.id.podName(), marked(ordinal(*p.id.First))
	}
	annotations := p.tpl.Annotations
	if p.id.Indexed {
		labels[batchv1.JobCompletionIndexAnnotation] = marked(jobIndex)
		annotations = withEntry(annotations, batchv1.JobCompletionIndexAnnotation, marked(jobIndex))
	}
	meta := &metav1.ObjectMeta{Namespace: p.id.Namespace, Labels: labels, Annotations: annotations}
	value, err := fieldpath.ExtractFieldPathAsString(meta, path)
	if err != nil {
		p.errs = append(p.errs, field.NotSupported(at, path, []string{"metadata.name", "metadata.namespace", "metadata.labels['<key>']", "metadata.annotations['<key>']", "spec.nodeName", "spec.serviceAccountName"}))
	}
	return value
}

func (p *putter) resourceFieldRef(at *field.Path, ref *corev1.ResourceFieldSelector) string {
	kind, name, _ := strings.Cut(ref.Resource, ".")
	list := p.c.Resources.Limits
	if kind == "requests" {
		list = p.c.Resources.Requests
	}
	if _, set := list[corev1.ResourceName(name)]; !set && kind == "limits" {
		p.refuse(at, "%s is not set, and what the node has to give is known only there: set it in resources", ref.Resource)
		return ""
	}
	value, err := resource.ExtractContainerResourceValue(ref, p.c)
	if err != nil {
		p.errs = append(p.errs, field.Invalid(at, ref.Resource, err.Error()))
	}
	return value
}

// envByName keeps a name's last entry, as a container does. Entries that Kubernetes cannot say (a bare
// name, which means "unset") are left out.
func envByName(env []string) map[string]string {
	out := make(map[string]string, len(env))
	for _, entry := range env {
		if name, _, ok := strings.Cut(entry, "="); ok && len(validation.IsRelaxedEnvVarName(name)) == 0 {
			out[name] = entry
		}
	}
	return out
}

// envAt has no order: a process asks for variables by name.
func envAt(s *swarm.TaskSpec) any { return envByName(containerSpec(s).Env) }

// getEnv keeps an entry of the template whose variable nobody touched: its reference stays a reference.
func getEnv(s *swarm.TaskSpec, o *corev1.PodTemplateSpec, seen Seen) {
	c := podContainer(o)
	entries := envByName(containerSpec(s).Env)
	touched := touchedEnv(entries, seen)
	if removedFromSources(touched, entries, c.Env) {
		c.EnvFrom, seen = nil, nil
	}
	w := envWriter{entries: entries, touched: touched, sent: map[string]corev1.EnvVar{}, done: map[string]bool{}, verbatim: map[string]bool{}}
	for _, name := range strings.Split(o.Annotations[AnnotationTemplates], ",") {
		w.verbatim[name] = true
	}
	for _, e := range c.Env {
		w.sent[e.Name] = e
	}
	for _, entry := range containerSpec(s).Env {
		w.add(envKey(entry), seen)
	}
	for _, e := range c.Env { // optional, and never there
		if _, ours := seen[seenEnv+e.Name]; !ours && seen != nil && !w.done[e.Name] {
			w.done[e.Name] = true
			w.out = append(w.out, e)
		}
	}
	c.Env = w.out
	setVerbatim(o, w.verbatim)
	if refersTo(touched, c.Command...) {
		getCommand(s, o)
	}
	if refersTo(touched, c.Args...) {
		getArgs(s, o)
	}
}

// envWriter writes a template's variables in Swarm's order.
type envWriter struct {
	entries  map[string]string        // as Swarm has them
	sent     map[string]corev1.EnvVar // as the template has them
	touched  map[string]bool
	verbatim map[string]bool
	done     map[string]bool
	out      []corev1.EnvVar
}

func (w *envWriter) add(name string, seen Seen) {
	entry, ok := w.entries[name]
	if !ok || w.done[name] {
		return
	}
	w.done[name] = true
	e, sent := w.sent[name]
	_, ours := seen[seenEnv+name]
	switch untouched := ours && !w.touched[name]; {
	case untouched && !sent: // out of envFrom
	case untouched && w.stands(e.Value):
		w.out = append(w.out, e)
	default:
		w.out = append(w.out, literalEnv(entry, w.verbatim))
	}
}

// stands tells that a value's $(VAR) still mean what they meant: each stands before, and is untouched.
func (w *envWriter) stands(value string) bool {
	ok := true
	expansion.Expand(value, func(name string) string {
		_, sent := w.sent[name]
		ok = ok && !w.touched[name] && (!sent || w.done[name])
		return ""
	})
	return ok
}

// refersTo tells that some $(VAR) is one of those.
func refersTo(touched map[string]bool, words ...string) bool {
	found := false
	for _, word := range words {
		expansion.Expand(word, func(name string) string {
			found = found || touched[name]
			return ""
		})
	}
	return found
}

// touchedEnv names the variables that are new, gone or not what they were.
func touchedEnv(entries map[string]string, seen Seen) map[string]bool {
	out := map[string]bool{}
	for name, entry := range entries {
		if was, ok := seen[seenEnv+name]; !ok || was != digest(entry) {
			out[name] = true
		}
	}
	for key := range seen {
		if name, ok := strings.CutPrefix(key, seenEnv); ok && entries[name] == "" {
			out[name] = true
		}
	}
	return out
}

// removedFromSources tells that someone took away a variable that envFrom would bring back.
func removedFromSources(touched map[string]bool, entries map[string]string, env []corev1.EnvVar) bool {
	for name := range touched {
		sent := slices.ContainsFunc(env, func(e corev1.EnvVar) bool { return e.Name == name })
		if entries[name] == "" && !sent {
			return true
		}
	}
	return false
}

// literalEnv says a Swarm entry as Kubernetes would, and notes in verbatim whether it is a template
// that Kubernetes has no word for.
func literalEnv(entry string, verbatim map[string]bool) corev1.EnvVar {
	name, value, _ := strings.Cut(entry, "=")
	delete(verbatim, name)
	switch {
	case value == nodeName:
		return fieldEnv(name, "spec.nodeName")
	case isPodName(value):
		return fieldEnv(name, "metadata.name")
	}
	literal, ok := plain(value)
	if !ok {
		verbatim[name] = true
		literal = value
	}
	return corev1.EnvVar{Name: name, Value: dollars(literal)}
}

func fieldEnv(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path},
	}}
}

// setVerbatim writes the annotation anew, without names that are gone.
func setVerbatim(o *corev1.PodTemplateSpec, verbatim map[string]bool) {
	var names []string
	for _, e := range podContainer(o).Env {
		if verbatim[e.Name] && !strings.Contains(e.Name, ",") {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	setAnnotation(o, AnnotationTemplates, strings.Join(slices.Compact(names), ","))
}
