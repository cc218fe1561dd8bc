package compose

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"skep/translate"
)

// annotationExtension begins the annotations that keep x-* keys: skep/x-owner.
const annotationExtension = "skep/"

// describe keeps what a service says about itself: the container's labels, its annotations and its x-* keys.
func (c *converter) describe(w *workload) {
	f := w.service.File
	valid, _ := splitLabels(f.Labels) // those that are not legal are in the annotation of Swarm's own parts
	for k := range w.template.Labels {
		if _, own := f.Labels[k]; own && valid[k] == "" && f.Labels[k] != "" {
			delete(w.template.Labels, k)
		}
	}
	for k, v := range valid {
		if _, ours := w.template.Labels[k]; !ours {
			w.template.Labels[k] = v
		}
	}
	for _, k := range sortedKeys(f.Annotations) {
		if len(validation.IsQualifiedName(strings.ToLower(k))) > 0 {
			c.find(Refused, w.at+".annotations."+k, "Kubernetes takes no such name for an annotation: a prefix of a DNS name and a slash, then at most 63 letters, digits, '-', '_' and '.'")
			continue
		}
		w.annotate(k, f.Annotations[k])
	}
	for name, doc := range extensions(f.Extensions) {
		w.annotate(name, doc)
	}
}

// extensions are x-* keys as annotations.
func extensions(of types.Extensions) map[string]string {
	all := map[string]string{}
	for k, v := range of {
		doc, err := json.Marshal(v)
		if name := annotationExtension + k; err == nil && len(validation.IsQualifiedName(strings.ToLower(name))) == 0 {
			all[name] = string(doc)
		}
	}
	return all
}

// annotate writes an annotation on the Pods.
func (w *workload) annotate(key, value string) {
	if w.template.Annotations == nil {
		w.template.Annotations = map[string]string{}
	}
	w.template.Annotations[key] = value
}

func sortedKeys[M ~map[string]V, V any](m M) []string { return slices.Sorted(maps.Keys(m)) }

// mount adds a volume and the place where the container has it. A volume that is there already is mounted once more.
func (w *workload) mount(v corev1.Volume, at corev1.VolumeMount) {
	volumes := &w.template.Spec.Volumes
	base := v.Name
	for n := 2; ; n++ {
		i := slices.IndexFunc(*volumes, func(have corev1.Volume) bool { return have.Name == v.Name })
		if i < 0 {
			*volumes = append(*volumes, v)
			break
		}
		if sameSource(&(*volumes)[i].VolumeSource, &v.VolumeSource) {
			break
		}
		v.Name = label(fmt.Sprintf("%s-%d", base, n)) // another volume by that name
	}
	at.Name = v.Name
	con := w.container()
	i := slices.IndexFunc(con.VolumeMounts, func(have corev1.VolumeMount) bool { return have.MountPath == at.MountPath })
	if i >= 0 {
		con.VolumeMounts[i] = at // the later one has the place, as in Docker
		return
	}
	con.VolumeMounts = append(con.VolumeMounts, at)
}

func sameSource(a, b *corev1.VolumeSource) bool {
	one, errA := json.Marshal(a)
	other, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(one) == string(other)
}

// trueVolume notes by which name Docker has the volume of a claim that nobody makes: skep mounts that one.
func (w *workload) trueVolume(claim, docker string) {
	names := map[string]string{}
	_ = json.Unmarshal([]byte(w.template.Annotations[translate.AnnotationVolumes]), &names) // there is none yet, or one of ours
	names[claim] = docker
	if doc, err := json.Marshal(names); err == nil {
		w.annotate(translate.AnnotationVolumes, string(doc))
	}
}
