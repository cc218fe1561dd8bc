package translate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	appsdefaults "k8s.io/kubernetes/pkg/apis/apps/v1"
)

// ReplicaSets pairs ReplicaSets with a service at one revision of its task template: the present one is
// the service itself, past ones are documents. A stand-alone ReplicaSet is a service of its own.
type ReplicaSets struct{}

var _ Lens = ReplicaSets{}

// Kind implements Lens.
func (ReplicaSets) Kind() string { return "ReplicaSet" }

// Groups implements Lens.
func (ReplicaSets) Groups() []GroupKind { return []GroupKind{GroupService} }

// Get implements Lens.
func (ReplicaSets) Get(w World, g Group) []Derived {
	wl := w.Workload(g.ID)
	if wl == nil || wl.Gone && !heldByTasks(wl) {
		return nil
	}
	switch object := wl.Object.(type) {
	case *appsv1.ReplicaSet:
		return []Derived{standAlone(w, wl, object)}
	case *appsv1.Deployment:
		return revisions(w, wl, object)
	}
	return nil
}

func standAlone(w World, wl *Workload, rs *appsv1.ReplicaSet) Derived {
	tasks := w.Tasks(wl.Service.ID)
	all, _ := tallies(w, wl, tasks, time.Duration(rs.Spec.MinReadySeconds)*time.Second, w.Now())
	return Derived{
		Key:   KeyOf(rs),
		Parts: []any{wl, all.counts()},
		Index: highest(w, wl.Service, tasks),
		Wake:  all.wake,
		Build: func() (Object, error) {
			rs := *rs
			rs.Status = replicaSetStatus(&rs, &all)
			return &rs, nil
		},
	}
}

// revision is a ReplicaSet of a Deployment and the document that holds it.
type revision struct {
	rs  *appsv1.ReplicaSet
	doc *swarm.Config
}

// pastRevisions reads the documents that a service owns, by ReplicaSet name.
func pastRevisions(w World, wl *Workload) map[string]revision {
	found := map[string]revision{}
	for _, doc := range w.Owned(wl.Service.ID) {
		if doc.Spec.Labels[LabelKind] != "ReplicaSet" {
			continue
		}
		if rs := wl.read(doc); rs != nil {
			found[rs.Name] = revision{rs, doc}
		}
	}
	if rs := wl.previous(); rs != nil {
		if _, ok := found[rs.Name]; !ok && rs.Name != wl.Identity.Name+"-"+wl.Hash {
			found[rs.Name] = revision{rs: rs}
		}
	}
	return found
}

// read decodes a document once. A label that someone wrote into by hand gives nil: the revision is lost,
// the service is not.
func (w *Workload) read(doc *swarm.Config) *appsv1.ReplicaSet {
	w.mu.Lock()
	defer w.mu.Unlock()
	if rs, ok := w.documents[doc]; ok {
		return rs
	}
	rs := &appsv1.ReplicaSet{}
	if json.Unmarshal([]byte(doc.Spec.Labels[LabelObject]), rs) != nil {
		rs = nil
	} else {
		appsdefaults.SetObjectDefaults_ReplicaSet(rs)
	}
	if w.documents == nil || len(w.documents) >= kept {
		w.documents = map[*swarm.Config]*appsv1.ReplicaSet{}
	}
	w.documents[doc] = rs
	return rs
}

// previous is the ReplicaSet of Swarm's own previous spec, made once; nil when there is none.
func (w *Workload) previous() *appsv1.ReplicaSet {
	if w.Service.PreviousSpec == nil {
		return nil
	}
	w.once.Do(func() { w.before = previousRevision(w, w.Service.PreviousSpec) })
	return w.before
}

// previousRevision is the ReplicaSet of the spec that Swarm itself keeps for its rollback.
func previousRevision(wl *Workload, p *swarm.ServiceSpec) *appsv1.ReplicaSet {
	before := *wl.Service
	before.Spec = *p
	before.PreviousSpec = nil
	then := ParseWorkload(&before, wl.Identity.Name)
	d, ok := then.Object.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	rev := max(1, revisionOf(wl.Object)-1)
	if n := revisionOf(d); p.Labels[LabelObject] != "" && n > 0 && n < revisionOf(wl.Object) {
		rev = n
	}
	return replicaSetFor(wl, &then.Template, then.Hash, rev)
}

// derivedRevision is the revision of a service that skep never wrote: Swarm keeps one earlier spec.
func derivedRevision(s *swarm.Service) string {
	if p := s.PreviousSpec; p != nil && taskHash(&p.TaskTemplate) != taskHash(&s.Spec.TaskTemplate) {
		return "2"
	}
	return "1"
}

func revisionOf(object metav1.Object) int64 {
	n, err := strconv.ParseInt(object.GetAnnotations()[revisionAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func lastRevision(w World, wl *Workload) int64 {
	last := revisionOf(wl.Object)
	for _, r := range pastRevisions(w, wl) {
		last = max(last, revisionOf(r.rs))
	}
	return last
}

// replicaSetFor is a Deployment's ReplicaSet for one template.
func replicaSetFor(wl *Workload, template *corev1.PodTemplateSpec, hash string, rev int64) *appsv1.ReplicaSet {
	d := wl.Object.(*appsv1.Deployment)
	t := template.DeepCopy()
	t.Labels = withEntry(t.Labels, LabelHash, hash)
	selector := d.Spec.Selector.DeepCopy()
	selector.MatchLabels = withEntry(selector.MatchLabels, LabelHash, hash)
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:         d.Namespace,
			Name:              d.Name + "-" + hash,
			UID:               swarmUID(string(d.UID), hash),
			Generation:        1,
			CreationTimestamp: stamp(revised(wl)),
			Labels:            t.Labels,
			Annotations:       maps.Clone(d.Annotations),
			OwnerReferences:   []metav1.OwnerReference{owner("apps/v1", "Deployment", d.Name, d.UID)},
		},
		Spec: appsv1.ReplicaSetSpec{Selector: selector, Template: *t, MinReadySeconds: d.Spec.MinReadySeconds},
	}
	delete(rs.Annotations, corev1.LastAppliedConfigAnnotation)
	rs.Annotations = withEntry(rs.Annotations, revisionAnnotation, strconv.FormatInt(rev, 10))
	rs.Annotations[desiredAnnotation] = strconv.Itoa(int(replicasOr1(d.Spec.Replicas)))
	surge, _ := bounds(d)
	rs.Annotations[maxAnnotation] = strconv.Itoa(int(replicasOr1(d.Spec.Replicas)) + surge)
	appsdefaults.SetObjectDefaults_ReplicaSet(rs)
	rs.Spec.Template.Spec = shared(&rs.Spec.Template.Spec, &template.Spec)
	return rs
}

// presentRevision is a Deployment's ReplicaSet of what runs. What a client wrote on its metadata, now or
// when it was present before, is in a document and stands over what is derived.
func presentRevision(wl *Workload, past map[string]revision, rev int64) *appsv1.ReplicaSet {
	rs := replicaSetFor(wl, &wl.Template, wl.Hash, rev)
	if was := past[rs.Name]; was.doc != nil {
		rs.CreationTimestamp = was.rs.CreationTimestamp
		rs.Labels, rs.Finalizers, rs.ManagedFields = was.rs.Labels, was.rs.Finalizers, was.rs.ManagedFields
		derived := rs.Annotations
		rs.Annotations = maps.Clone(was.rs.Annotations)
		for _, key := range []string{revisionAnnotation, desiredAnnotation, maxAnnotation} {
			rs.Annotations = withEntry(rs.Annotations, key, derived[key])
		}
	}
	return rs
}

// presentRevision is the same while its document is, made once.
func (w *Workload) presentRevision(past map[string]revision) *appsv1.ReplicaSet {
	doc := past[w.Identity.Name+"-"+w.Hash].doc
	w.mu.Lock()
	known := w.present
	w.mu.Unlock()
	if known.rs == nil || known.doc != doc {
		known = revision{presentRevision(w, past, revisionOf(w.Object)), doc}
		w.mu.Lock()
		w.present = known
		w.mu.Unlock()
	}
	return known.rs
}

// revisions are a Deployment's ReplicaSets.
func revisions(w World, wl *Workload, d *appsv1.Deployment) []Derived {
	tasks := w.Tasks(wl.Service.ID)
	_, byHash := tallies(w, wl, tasks, time.Duration(d.Spec.MinReadySeconds)*time.Second, w.Now())
	past := pastRevisions(w, wl)
	current := wl.presentRevision(past)
	all := make([]Derived, 0, len(past)+1)
	for name, r := range past {
		if name != current.Name {
			all = append(all, derivedRevisionSet(w, wl, r, tasks, byHash[r.rs.Labels[LabelHash]], nil))
		}
	}
	want := d.Spec.Replicas
	return append(all, derivedRevisionSet(w, wl, revision{current, past[current.Name].doc}, tasks, byHash[wl.Hash], want))
}

// derivedRevisionSet is one revision with its Pods counted. want is nil for a past one, which asks for as
// many Pods as it still has.
func derivedRevisionSet(w World, wl *Workload, r revision, tasks []*swarm.Task, count *tally, want *int32) Derived {
	if count == nil {
		count = &tally{}
	}
	n := count.replicas
	if want != nil {
		n = *want
	}
	out := Derived{
		Key: KeyOf(r.rs), Parts: []any{wl, r.rs, r.doc, n, count.counts()},
		Index: highest(w, wl.Service, tasks), Wake: count.wake,
	}
	if r.doc != nil {
		out.Index = max(out.Index, r.doc.Version.Index)
	}
	out.Build = func() (Object, error) {
		rs := *r.rs
		rs.Spec.Replicas = &n
		rs.Status = replicaSetStatus(&rs, count)
		return &rs, nil
	}
	return out
}

func replicaSetStatus(rs *appsv1.ReplicaSet, count *tally) appsv1.ReplicaSetStatus {
	stopping := count.stopping
	return appsv1.ReplicaSetStatus{
		ObservedGeneration:   rs.Generation,
		Replicas:             count.replicas,
		FullyLabeledReplicas: count.replicas,
		ReadyReplicas:        count.ready,
		AvailableReplicas:    count.available,
		TerminatingReplicas:  &stopping,
	}
}

// Put implements Lens.
func (ReplicaSets) Put(w World, g Group, old, object Object) (Plan, error) {
	rs := object.DeepCopyObject().(*appsv1.ReplicaSet)
	wl := w.Workload(g.ID)
	if old == nil || wl == nil {
		return createWorkload(w, rs, &rs.Spec.Template)
	}
	if _, ok := wl.Object.(*appsv1.ReplicaSet); ok {
		if plan, done, err := collect(w, wl, rs); done {
			return plan, err
		}
		// As on a cluster, a changed template is for Pods to come. Swarm would replace the ones that run,
		// so it stays in the object until the ReplicaSet is made anew.
		return updateWorkload(w, wl, rs, &wl.Template, wl.Hash)
	}
	was := old.(*appsv1.ReplicaSet)
	if !equality.Semantic.DeepEqual(was.Spec, rs.Spec) {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("spec"), fmt.Sprintf(
			"this ReplicaSet belongs to Deployment %q, which decides its spec; change the Deployment", wl.Identity.Name))}
	}
	step, err := putDocument(w, rs, wl.Service.ID, pastRevisions(w, wl)[rs.Name].doc)
	return Plan{Commit: step}, err
}

// Remove implements Lens. A Deployment makes its present ReplicaSet again at once, so removing that one
// means new Pods.
func (ReplicaSets) Remove(w World, g Group, old Object) (Plan, error) {
	wl := w.Workload(g.ID)
	if wl == nil {
		return Plan{}, nil
	}
	if _, ok := wl.Object.(*appsv1.ReplicaSet); ok {
		return removeService(w, g)
	}
	var plan Plan
	if doc := pastRevisions(w, wl)[old.GetName()].doc; doc != nil {
		plan.Commit = Step{Group: GroupConfig, ID: doc.ID}
	}
	for _, in := range wl.instances(w.Tasks(g.ID)) {
		if !in.stopping && wl.Identity.Name+"-"+wl.HashOf(in.task) == old.GetName() {
			plan.Before = append(plan.Before, Step{Task: in.task.ID})
		}
	}
	return plan, nil
}

// putRevision keeps the present ReplicaSet of a Deployment as a document before another takes its place.
func putRevision(w World, wl *Workload, rev int64) (Step, error) {
	past := pastRevisions(w, wl)
	rs := presentRevision(wl, past, rev)
	return putDocument(w, rs, wl.Service.ID, past[rs.Name].doc)
}

// surplusRevisions removes the oldest documents beyond revisionHistoryLimit when next is to run.
func surplusRevisions(w World, wl *Workload, d *appsv1.Deployment, next string) []Step {
	keep := int32(10)
	if d.Spec.RevisionHistoryLimit != nil {
		keep = *d.Spec.RevisionHistoryLimit
	}
	var past []revision
	for _, r := range pastRevisions(w, wl) {
		if hash := r.rs.Labels[LabelHash]; r.doc != nil && hash != next && hash != wl.Hash {
			past = append(past, r)
		}
	}
	slices.SortFunc(past, func(a, b revision) int { return cmp.Compare(revisionOf(b.rs), revisionOf(a.rs)) })
	var steps []Step
	// The revision that goes out with this write takes one place.
	for i := max(0, int(keep)-1); i < len(past); i++ {
		steps = append(steps, Step{Group: GroupConfig, ID: past[i].doc.ID})
	}
	return steps
}
