package translate

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/swarm"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"skep/translate/manifest"
)

// PodUpdate is what the sandbox of a Pod that runs is to know of it now.
type PodUpdate struct {
	Pod Key
	UID types.UID
	manifest.Update
	// News says that the sandbox was started with something else.
	News bool
	// Tokens are asked for by projected volumes, of the Pod's ServiceAccount.
	Tokens         []corev1.ServiceAccountTokenProjection
	ServiceAccount string
}

// UpdateOf is what the sandbox that a task is has to know now; nil where the task has no Pod, and where a Secret cannot be
// opened: it is not gone, and another gateway may know better.
func UpdateOf(w World, t *swarm.Task) *PodUpdate {
	wl := w.Workload(t.ServiceID)
	if wl == nil || wl.Gone || !isSandbox(&t.Spec) {
		return nil
	}
	tpl := templateOfTask(w, wl, t)
	u := &PodUpdate{Pod: Key{wl.Identity.Namespace, podName(wl, t)}, UID: swarmUID(t.ID), ServiceAccount: tpl.Spec.ServiceAccountName}
	u.Labels, u.Annotations, u.EphemeralContainers = tpl.Labels, tpl.Annotations, nil
	u.Labels = wl.withRevision(u.Labels, wl.HashOf(t))
	if wl.numbered() {
		u.Labels = withOrdinal(u.Labels, u.Pod.Name, ordinalOf(t))
	}
	if job, ok := wl.Object.(*batchv1.Job); ok && isIndexed(job) {
		u.Labels = withEntry(u.Labels, manifest.LabelIndex, strconv.Itoa(t.Slot))
		u.Annotations = withEntry(u.Annotations, manifest.LabelIndex, strconv.Itoa(t.Slot))
	}
	if bare, ok := wl.Object.(*corev1.Pod); ok {
		u.Pod.Name, u.UID = wl.Identity.Name, bare.UID
		u.Labels, u.Annotations, u.EphemeralContainers = bare.Labels, bare.Annotations, bare.Spec.EphemeralContainers
	} else if note := readNote(podNotes(w, t.ServiceID)[u.Pod.Name]); note != nil && note.UID == u.UID {
		u.Labels, u.Annotations, u.EphemeralContainers = note.Labels, note.Annotations, note.Spec.EphemeralContainers
	}
	p := &putter{tpl: tpl, pod: &tpl.Spec, id: PodIdentity{Namespace: u.Pod.Namespace}, src: w, spec: &swarm.ContainerSpec{}}
	p.putSources()
	u.News = len(u.EphemeralContainers) > 0 || !startedWith(t.Spec.ContainerSpec, p.spec)
	for ref := range p.sourceRefs() {
		if ref.kind == "Secret" && w.Unreadable(u.Pod.Namespace, ref.name) {
			return nil
		}
	}
	u.ConfigMaps, u.Secrets = p.sources()
	for i := range tpl.Spec.Volumes {
		u.look(&tpl.Spec.Volumes[i].VolumeSource)
	}
	u.News = u.News || len(u.Tokens) > 0
	return u
}

// look notes what of a volume follows the Pod itself, and the tokens that it asks for.
func (u *PodUpdate) look(v *corev1.VolumeSource) {
	u.News = u.News || v.DownwardAPI != nil
	if v.Projected == nil {
		return
	}
	for _, s := range v.Projected.Sources {
		u.News = u.News || s.DownwardAPI != nil
		if s.ServiceAccountToken != nil {
			u.Tokens = append(u.Tokens, *s.ServiceAccountToken)
		}
	}
}

// startedWith says whether a sandbox has the sources that it would be started with now.
func startedWith(has, would *swarm.ContainerSpec) bool {
	place := func(name, target string) string { return name + " " + target }
	have, want := map[string]bool{}, map[string]bool{}
	for i, spec := range []*swarm.ContainerSpec{has, would} {
		set := []map[string]bool{have, want}[i]
		for _, ref := range spec.Configs {
			if ref.File != nil && ref.File.Name != manifest.PodFile {
				set[place(ref.ConfigName, ref.File.Name)] = true
			}
		}
		for _, ref := range spec.Secrets {
			if ref.File != nil {
				set[place(ref.SecretName, ref.File.Name)] = true
			}
		}
	}
	return maps.Equal(have, want)
}

// sources are the ConfigMaps and Secrets that the Pod refers to and that are there, with data only.
func (p *putter) sources() (map[string]*corev1.ConfigMap, map[string]*corev1.Secret) {
	configMaps, secrets := map[string]*corev1.ConfigMap{}, map[string]*corev1.Secret{}
	for ref := range p.sourceRefs() {
		if ref.kind == "ConfigMap" {
			if cm := p.src.ConfigMap(p.id.Namespace, ref.name); cm != nil {
				configMaps[ref.name] = &corev1.ConfigMap{Data: cm.Data, BinaryData: cm.BinaryData}
			}
		} else if s := p.src.Secret(p.id.Namespace, ref.name); s != nil {
			secrets[ref.name] = &corev1.Secret{Data: s.Data, Type: s.Type}
		}
	}
	return configMaps, secrets
}

// readNote is what clients wrote on a workload's Pod; nil where there is nothing that can be read.
func readNote(doc *swarm.Config) *corev1.Pod {
	if doc == nil {
		return nil
	}
	written := &corev1.Pod{}
	if json.Unmarshal([]byte(doc.Spec.Labels[LabelObject]), written) != nil {
		return nil
	}
	return written
}

// EphemeralContainers are those of the Pod that a plain task is: the agent of its node starts them.
func EphemeralContainers(w World, t *swarm.Task) (pod Key, uid string, containers []corev1.EphemeralContainer) {
	wl := w.Workload(t.ServiceID)
	if wl == nil || wl.Gone || isSandbox(&t.Spec) {
		return Key{}, "", nil
	}
	if bare, ok := wl.Object.(*corev1.Pod); ok {
		return Key{wl.Identity.Namespace, wl.Identity.Name}, string(bare.UID), bare.Spec.EphemeralContainers
	}
	name := podName(wl, t)
	if note := readNote(podNotes(w, t.ServiceID)[name]); note != nil {
		containers = note.Spec.EphemeralContainers
	}
	return Key{wl.Identity.Namespace, name}, string(swarmUID(t.ID)), slices.Clone(containers)
}
