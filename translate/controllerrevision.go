package translate

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const kindRevision = "ControllerRevision"

// ControllerRevisions are the templates that a DaemonSet or StatefulSet had: the present one is the service itself, past
// ones are documents. kubectl rollout history and undo read them.
type ControllerRevisions struct{}

var _ Lens = ControllerRevisions{}

// Kind implements Lens.
func (ControllerRevisions) Kind() string { return kindRevision }

// Groups implements Lens.
func (ControllerRevisions) Groups() []GroupKind { return []GroupKind{GroupService} }

// edition is a template that a workload has or had.
type edition struct {
	hash     string
	template *corev1.PodTemplateSpec
	// made is its ControllerRevision, and doc the document that holds that; nil for one that Swarm alone knows of.
	made *appsv1.ControllerRevision
	doc  *swarm.Config
}

// hasEditions says whether a workload's templates show as ControllerRevisions.
func (w *Workload) hasEditions() bool {
	return w.Identity.Kind == "DaemonSet" || w.Identity.Kind == kindStatefulSet
}

// editions are the documents of a workload's templates by hash, also that of the present one, where there is one. What
// cannot be read is lost; the service is not.
func editions(w World, wl *Workload) map[string]*edition {
	found := map[string]*edition{}
	for _, doc := range w.Owned(wl.Service.ID) {
		if doc.Spec.Labels[LabelKind] != kindRevision {
			continue
		}
		if e := wl.readEdition(doc); e != nil {
			found[e.hash] = e
		}
	}
	if e := wl.previousEdition(); e != nil && found[e.hash] == nil {
		found[e.hash] = e
	}
	return found
}

// readEdition decodes a document once, so that the template stays one in memory.
func (w *Workload) readEdition(doc *swarm.Config) *edition {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.editions[doc]; ok {
		return e
	}
	made := &appsv1.ControllerRevision{}
	var content struct {
		Spec struct{ Template corev1.PodTemplateSpec }
	}
	var e *edition
	if json.Unmarshal([]byte(doc.Spec.Labels[LabelObject]), made) == nil && json.Unmarshal(made.Data.Raw, &content) == nil {
		e = &edition{strings.TrimPrefix(made.Name, revisionName(w.Identity.Name, "")), &content.Spec.Template, made, doc}
	}
	if w.editions == nil || len(w.editions) >= kept {
		w.editions = map[*swarm.Config]*edition{}
	}
	w.editions[doc] = e
	return e
}

// previousEdition is that of the spec which Swarm itself keeps for its rollback; nil where it is the present one.
func (w *Workload) previousEdition() *edition {
	p := w.Service.PreviousSpec
	if p == nil || !w.hasEditions() {
		return nil
	}
	w.onceEdition.Do(func() {
		before := *w.Service
		before.Spec, before.PreviousSpec = *p, nil
		if then := ParseWorkload(&before, w.Identity.Name); then.Hash != w.Hash {
			w.edition = &edition{hash: then.Hash, template: &then.Template}
		}
	})
	return w.edition
}

// history are a workload's editions in their order, the present one last.
func history(w World, wl *Workload) []*edition {
	all := editions(w, wl)
	present := all[wl.Hash]
	if present == nil {
		present = &edition{}
	}
	present = &edition{wl.Hash, &wl.Template, present.made, present.doc}
	delete(all, wl.Hash)
	past := slices.SortedFunc(maps.Values(all), func(a, b *edition) int { return cmp.Compare(a.number(), b.number()) })
	return append(past, present)
}

// number is the revision that a document says: without one it came last.
func (e *edition) number() int64 {
	if e.made == nil {
		return 1<<63 - 1
	}
	return e.made.Revision
}

// Get implements Lens.
func (ControllerRevisions) Get(w World, g Group) []Derived {
	wl := w.Workload(g.ID)
	if wl == nil || !wl.hasEditions() || wl.Gone && !heldByTasks(wl) {
		return nil
	}
	var all []Derived
	last := int64(0)
	past := history(w, wl)
	for i, e := range past {
		// A template that came back is a revision of its own.
		if last++; i < len(past)-1 && e.made != nil {
			last = max(last, e.made.Revision)
		}
		revision := last
		d := Derived{
			Key: Key{wl.Identity.Namespace, revisionName(wl.Identity.Name, e.hash)}, Parts: []any{wl, e.doc, e.hash, revision},
			Index: wl.Service.Version.Index,
			Build: func() (Object, error) { return revisionOfEdition(wl, e, revision) },
		}
		if e.doc != nil {
			d.Index = max(d.Index, e.doc.Version.Index)
		}
		all = append(all, d)
	}
	return all
}

// revisionOfEdition is an edition as a ControllerRevision. What a client wrote on one is in its document.
func revisionOfEdition(wl *Workload, e *edition, revision int64) (*appsv1.ControllerRevision, error) {
	data, err := revisionData(e.template)
	if err != nil {
		return nil, err
	}
	o := wl.Object
	kind := gvkOf(o)
	r := &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: wl.Identity.Namespace, Name: revisionName(wl.Identity.Name, e.hash), UID: swarmUID(string(o.GetUID()), e.hash),
			CreationTimestamp: stamp(revised(wl)), Labels: withEntry(e.template.Labels, appsv1.ControllerRevisionHashLabelKey, e.hash),
			OwnerReferences: []metav1.OwnerReference{owner(kind.GroupVersion().String(), kind.Kind, o.GetName(), o.GetUID())},
		},
		Data: runtime.RawExtension{Raw: data}, Revision: revision,
	}
	if e.made != nil {
		r.CreationTimestamp, r.ManagedFields, r.Finalizers = e.made.CreationTimestamp, e.made.ManagedFields, e.made.Finalizers
		r.Labels, r.Annotations = e.made.Labels, e.made.Annotations
	}
	if cause := o.GetAnnotations()[changeCause]; e.hash == wl.Hash && cause != "" {
		r.Annotations = withEntry(r.Annotations, changeCause, cause)
	}
	return r, nil
}

// changeCause is kubectl's annotation, which goes from an object to the revisions that it has.
const changeCause = "kubernetes.io/change-cause"

// revisionData is the patch that brings a template back.
func revisionData(template *corev1.PodTemplateSpec) ([]byte, error) {
	plain, err := runtime.DefaultUnstructuredConverter.ToUnstructured(template)
	if err != nil {
		return nil, err
	}
	plain["$patch"] = "replace"
	return json.Marshal(map[string]any{"spec": map[string]any{"template": plain}})
}

// turnEdition keeps the template that goes out as a document, and forgets the oldest beyond those that are to be kept.
func turnEdition(w World, wl *Workload, next string, keep *int32) (before Step, after []Step, err error) {
	past := history(w, wl)
	present := past[len(past)-1]
	revision := int64(1)
	for _, e := range past[:len(past)-1] {
		if revision++; e.made != nil {
			revision = max(revision, e.made.Revision+1)
		}
	}
	made, err := revisionOfEdition(wl, present, revision)
	if err != nil {
		return Step{}, nil, err
	}
	if before, err = putDocument(w, made, wl.Service.ID, present.doc); err != nil {
		return Step{}, nil, err
	}
	const byDefault = 10
	most := byDefault
	if keep != nil {
		most = int(*keep)
	}
	old := slices.DeleteFunc(past[:len(past)-1], func(e *edition) bool { return e.doc == nil || e.hash == next })
	for i := range max(0, len(old)-max(0, most-1)) { // the one that goes out takes a place
		after = append(after, Step{Group: GroupConfig, ID: old[i].doc.ID})
	}
	return before, after, nil
}

// Put implements Lens. What a client may change of one is its metadata.
func (ControllerRevisions) Put(w World, g Group, old, object Object) (Plan, error) {
	wl := w.Workload(g.ID)
	if old == nil || wl == nil {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("kind"), "skep makes these, of the templates of DaemonSets and StatefulSets")}
	}
	was, is := old.(*appsv1.ControllerRevision), object.DeepCopyObject().(*appsv1.ControllerRevision)
	if was.Revision != is.Revision || !equality.Semantic.DeepEqual(was.Data, is.Data) {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("data"), "this is a template that "+wl.Identity.Kind+" "+wl.Identity.Name+" had: change that")}
	}
	step, err := putDocument(w, is, wl.Service.ID, documentOf(w, wl, was.Name))
	return Plan{Commit: step}, err
}

func documentOf(w World, wl *Workload, name string) *swarm.Config {
	for hash, e := range editions(w, wl) {
		if revisionName(wl.Identity.Name, hash) == name {
			return e.doc
		}
	}
	return nil
}

// Remove implements Lens. The present one is made again at once.
func (ControllerRevisions) Remove(w World, g Group, old Object) (Plan, error) {
	wl := w.Workload(g.ID)
	if wl == nil {
		return Plan{}, nil
	}
	if doc := documentOf(w, wl, old.GetName()); doc != nil {
		return Plan{Commit: Step{Group: GroupConfig, ID: doc.ID}}, nil
	}
	return Plan{}, nil
}
