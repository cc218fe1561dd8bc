package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"go.etcd.io/etcd/client/v3/kubernetes"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	storagefeature "k8s.io/apiserver/pkg/storage/feature"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"skep/translate"
)

// What upstream's suite is run on: its example Pods, kept as documents in the labels of Swarm configs, like
// the kinds of translate.Documents, and through a value.Transformer like the sealed ones.

var (
	podScheme = runtime.NewScheme()
	podCodecs = serializer.NewCodecFactory(podScheme)
	podsAre   = schema.GroupResource{Resource: "pods"}
)

func TestPodScheme(t *testing.T) {
	in := &example.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"b": "c"}}}
	external, err := podConverter{}.ToExternal(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := podConverter{}.ToInternal(external)
	if err != nil {
		t.Fatal(err)
	}
	if out.(*example.Pod).Labels["b"] != "c" || external.GetName() != "a" {
		t.Errorf("%v became %v", in, out)
	}
}

func init() {
	metav1.AddToGroupVersion(podScheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(podScheme))
	utilruntime.Must(examplev1.AddToScheme(podScheme))
}

// podConverter is the Scheme of example Pods.
type podConverter struct{}

func (podConverter) ToInternal(o translate.Object) (runtime.Object, error) {
	return podScheme.ConvertToVersion(o, runtime.InternalGroupVersioner)
}

func (podConverter) ToExternal(o runtime.Object) (translate.Object, error) {
	out, err := podScheme.ConvertToVersion(o, examplev1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	return out.(*examplev1.Pod), nil
}

const (
	labelSuite     = "skep.test.suite"
	labelNamespace = "skep.test.namespace"
	labelPodName   = "skep.test.name"
	labelRewritten = "skep.test.rewritten"
)

// podLens keeps the Pods of one suite apart from all others in the Swarm.
type podLens struct {
	suite string
	*podTransformer
}

// podTransformer is what documents pass through. Its epoch is a part of every object, so that a new one has
// everything read again.
type podTransformer struct {
	value.Transformer
	epoch *int
}

var _ translate.Lens = podLens{}

func (l podLens) Kind() string                  { return "Pod" }
func (l podLens) Groups() []translate.GroupKind { return []translate.GroupKind{translate.GroupConfig} }

func (l podLens) Get(w translate.World, g translate.Group) []translate.Derived {
	c := w.SwarmConfig(g.ID)
	if c == nil || c.Spec.Labels[labelSuite] != l.suite {
		return nil
	}
	key := translate.Key{Namespace: c.Spec.Labels[labelNamespace], Name: c.Spec.Labels[labelPodName]}
	return []translate.Derived{{
		Key: key, Parts: []any{c, l.epoch}, Index: c.Version.Index,
		Build: func() (translate.Object, error) {
			plain, _, err := l.TransformFromStorage(context.Background(), []byte(c.Spec.Labels[translate.LabelObject]), about(key))
			if err != nil {
				return nil, err
			}
			pod := &examplev1.Pod{}
			return pod, json.Unmarshal(plain, pod)
		},
	}}
}

func about(k translate.Key) value.Context {
	return value.DefaultContext("/pods/" + k.Namespace + "/" + k.Name)
}

func (l podLens) Put(w translate.World, g translate.Group, old, object translate.Object) (translate.Plan, error) {
	object = object.DeepCopyObject().(translate.Object)
	object.SetResourceVersion("")
	plain, err := json.Marshal(object)
	if err != nil {
		return translate.Plan{}, err
	}
	key := translate.KeyOf(object)
	step := translate.Step{Group: translate.GroupConfig, Config: &swarm.ConfigSpec{Annotations: swarm.Annotations{
		Name:   translate.Identity{Kind: l.suite, Namespace: key.Namespace, Name: "pod" + key.Name}.DocumentName(),
		Labels: map[string]string{labelSuite: l.suite, labelNamespace: key.Namespace, labelPodName: key.Name},
	}, Data: []byte("in the labels")}}
	if old != nil {
		present := w.SwarmConfig(g.ID)
		step.ID, step.Version = present.ID, present.Version
		step.Config.Name = present.Spec.Name
		for k, v := range present.Spec.Labels {
			step.Config.Labels[k] = v
		}
		key = translate.Key{Namespace: present.Spec.Labels[labelNamespace], Name: present.Spec.Labels[labelPodName]}
		_, stale, err := l.TransformFromStorage(context.Background(), []byte(present.Spec.Labels[translate.LabelObject]), about(key))
		if err != nil {
			return translate.Plan{}, err
		}
		if stale { // written once more, though nothing changed
			step.Config.Labels[labelRewritten] = time.Now().String()
		}
	}
	sealed, err := l.TransformToStorage(context.Background(), plain, about(key))
	step.Config.Labels[translate.LabelObject] = string(sealed)
	return translate.Plan{Commit: step}, err
}

func (l podLens) Remove(_ translate.World, g translate.Group, _ translate.Object) (translate.Plan, error) {
	return translate.Plan{Commit: translate.Step{Group: g.Kind, ID: g.ID}}, nil
}

// pods is a store of example Pods that looks empty: nobody else's are seen.
type pods struct {
	*Store
	lens podLens
}

var suites atomic.Int64

const podPrefix = "test!"

// newPods follows an engine. What the test leaves there is removed.
func newPods(t *testing.T, feed string) *pods {
	t.Helper()
	e := needEngine(t, feed)
	lens := podLens{
		suite:          fmt.Sprintf("suite%d-%d", time.Now().UnixNano(), suites.Add(1)),
		podTransformer: &podTransformer{storagetesting.NewPrefixTransformer([]byte(podPrefix), false), new(int)},
	}
	m := NewMirror(testSealer(t))
	view := m.AddView(lens, podConverter{})
	p := &pods{NewStore(e, view, podsAre, "/pods", newPod), lens}
	follow(t, m, e)
	t.Cleanup(p.clear)
	return p
}

func examplePod(namespace, name, note string) *examplev1.Pod {
	return &examplev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"note": note}}}
}

func newPod() runtime.Object     { return &example.Pod{} }
func newPodList() runtime.Object { return &example.PodList{} }

// clear removes all that the suite left in the Swarm.
func (p *pods) clear() {
	list, err := p.engine.ConfigList(context.Background(), swarm.ConfigListOptions{})
	if err != nil {
		panic(err)
	}
	work := make(chan string)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for id := range work {
				if err := p.engine.ConfigRemove(context.Background(), id); err != nil {
					panic(err)
				}
			}
		})
	}
	for _, c := range list {
		if c.Spec.Labels[labelSuite] == p.lens.suite {
			work <- c.ID
		}
	}
	close(work)
	wg.Wait()
}

// UpdatePrefixTransformer implements storagetesting.InterfaceWithPrefixTransformer. Objects are opened when
// they come, not when they are read, so all of them come again.
func (p *pods) UpdatePrefixTransformer(modify storagetesting.PrefixTransformerModifier) func() {
	before := p.lens.Transformer
	own := *before.(*storagetesting.PrefixTransformer)
	p.setTransformer(modify(&own))
	return func() { p.setTransformer(before) }
}

// UpdateTransformer implements storagetesting.InterfaceWithTransformerOverride.
func (p *pods) UpdateTransformer(modify storagetesting.TransformerModifier) func() {
	before := p.lens.Transformer
	p.setTransformer(modify(before))
	return func() { p.setTransformer(before) }
}

func (p *pods) setTransformer(t value.Transformer) {
	m := p.view.m
	m.mu.Lock()
	defer m.mu.Unlock()
	p.lens.Transformer, p.lens.epoch = t, new(int)
	all := dirty{}
	for id := range m.configs {
		all.add(translate.GroupConfig, id)
	}
	m.refresh(m.rev, all)
}

// sinceEver has the store know all revisions. As no Pod of the suite was there before, that is true.
func (p *pods) sinceEver() {
	p.view.m.mu.Lock()
	defer p.view.m.mu.Unlock()
	p.view.floor = 0
}

// setFailing has nothing be readable.
func (p *pods) setFailing(fail bool) {
	if !fail {
		p.setTransformer(storagetesting.NewPrefixTransformer([]byte(podPrefix), false))
		return
	}
	p.setTransformer(unreadable{})
}

type unreadable struct{ value.Transformer }

func (unreadable) TransformFromStorage(context.Context, []byte, value.Context) ([]byte, bool, error) {
	return nil, false, errors.New("synthetic error")
}

// increaseRV is a change of some other resource. The suite counts on such a change adding one; of the resourceVersions
// between two indices the next is as good as any.
func (p *pods) increaseRV(context.Context, *testing.T) int64 {
	p.view.m.mu.Lock()
	defer p.view.m.mu.Unlock()
	p.view.rev++
	return int64(p.view.rev)
}

// RequestWatchProgress tells of what the suite counts on, see increaseRV, where the store tells of all that is to come
// of an index.
func (p *pods) RequestWatchProgress(context.Context) error {
	p.view.m.mu.RLock()
	defer p.view.m.mu.RUnlock()
	for w := range p.view.watchers {
		w.enqueue(queued{bookmark: p.view.rev})
	}
	return nil
}

// GetList refuses what the suite holds for the future: a resourceVersion of the present index, which any other gateway
// may have given.
func (p *pods) GetList(ctx context.Context, key string, opts storage.ListOptions, list runtime.Object) error {
	asked, err := p.versioner.ParseResourceVersion(opts.ResourceVersion)
	if now := p.view.Revision(); err == nil && asked == now+1 {
		return storage.NewTooLargeResourceVersionError(asked, now, 0)
	}
	return p.Store.GetList(ctx, key, opts, list)
}

// compact forgets what happened up to a revision. As in etcd, that takes a revision itself.
func (p *pods) compact(ctx context.Context, t *testing.T, resourceVersion string) {
	t.Helper()
	rev, err := p.versioner.ParseResourceVersion(resourceVersion)
	if err != nil {
		t.Fatal(err)
	}
	p.view.m.mu.Lock()
	p.view.floor = rev
	p.view.m.mu.Unlock()
	p.increaseRV(ctx, t)
}

// storedVersionless checks that what the Swarm holds of an object has no version of its own.
func (p *pods) storedVersionless(ctx context.Context, t *testing.T, key string) {
	t.Helper()
	k, err := p.parse(key)
	if err != nil {
		t.Fatal(err)
	}
	e := p.view.find(k)
	if e == nil {
		t.Fatalf("%s is not there", key)
	}
	c, _, err := p.engine.ConfigInspectWithRaw(ctx, e.group.ID)
	if err != nil {
		t.Fatal(err)
	}
	pod := &examplev1.Pod{}
	if err := json.Unmarshal([]byte(c.Spec.Labels[translate.LabelObject])[len(podPrefix):], pod); err != nil {
		t.Fatal(err)
	}
	if pod.ResourceVersion != "" || pod.SelfLink != "" { //nolint:staticcheck // clients may still send it
		t.Errorf("the Swarm holds resourceVersion %q, selfLink %q", pod.ResourceVersion, pod.SelfLink) //nolint:staticcheck // see above
	}
}

// cached is upstream's watch cache over a store, as gateway/storage.go has it.
type cached struct {
	*cacher.CacheDelegator
	pods  *pods
	lists *storagetesting.KubernetesRecorder
}

// newCached returns a cache that has been filled.
func newCached(t *testing.T, p *pods, keyOf func(string, runtime.Object) (string, error)) *cached {
	t.Helper()
	before := storagefeature.DefaultFeatureSupportChecker
	storagefeature.DefaultFeatureSupportChecker = progressIsSupported{}
	t.Cleanup(func() { storagefeature.DefaultFeatureSupportChecker = before })
	out := &cached{pods: p, lists: storagetesting.NewKubernetesRecorder(noEtcd{})}
	store := &recorded{p, out.lists}
	c, err := cacher.NewCacherFromConfig(cacher.Config{
		Storage: store, Versioner: p.Versioner(), GroupResource: podsAre, EventsHistoryWindow: cacher.DefaultEventFreshDuration,
		ResourcePrefix: "/pods/", KeyFunc: func(o runtime.Object) (string, error) { return keyOf("/pods/", o) },
		GetAttrsFunc: podAttrs, NewFunc: newPod, NewListFunc: newPodList,
		IndexerFuncs: map[string]storage.IndexerFunc{"spec.nodeName": func(o runtime.Object) string { return o.(*example.Pod).Spec.NodeName }},
		Indexers: &cache.Indexers{
			"f:spec.nodeName":      func(o any) ([]string, error) { return []string{o.(*example.Pod).Spec.NodeName}, nil },
			"f:metadata.namespace": func(o any) ([]string, error) { return []string{o.(*example.Pod).Namespace}, nil },
		},
		Codec: podCodecs.LegacyCodec(examplev1.SchemeGroupVersion),
		Clock: impatient{},
	})
	if err != nil {
		t.Fatal(err)
	}
	out.CacheDelegator = cacher.NewCacheDelegator(c, store)
	t.Cleanup(func() {
		out.Stop()
		c.Stop()
	})
	wait, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Wait(wait); err != nil {
		t.Fatal(err)
	}
	return out
}

// compact forgets, and waits until the cache has as well.
func (c *cached) compact(ctx context.Context, t *testing.T, resourceVersion string) {
	t.Helper()
	c.pods.compact(ctx, t, resourceVersion)
	eventually(t, func() string {
		if have := c.CompactRevision(); have != c.pods.CompactRevision() {
			return fmt.Sprintf("the cache is compacted to %d, not %d", have, c.pods.CompactRevision())
		}
		return ""
	})
}

// impatient is a clock by which the cache asks at once, not after 15 seconds, what the store has forgotten.
type impatient struct{ clock.RealClock }

const impatience = 20 * time.Millisecond

func (impatient) NewTimer(d time.Duration) clock.Timer {
	if d < 15*time.Second {
		return clock.RealClock{}.NewTimer(d)
	}
	return hasty{clock.RealClock{}.NewTimer(impatience)}
}

type hasty struct{ clock.Timer }

func (h hasty) Reset(time.Duration) bool { return h.Timer.Reset(impatience) }

func podAttrs(o runtime.Object) (labels.Set, fields.Set, error) {
	pod := o.(*example.Pod)
	return pod.Labels, fields.Set{
		"metadata.name": pod.Name, "metadata.namespace": pod.Namespace,
		"spec.nodeName": pod.Spec.NodeName, "status.phase": string(pod.Status.Phase),
	}, nil
}

// progressIsSupported is what gateway/storage.go tells the cache.
type progressIsSupported struct {
	storagefeature.FeatureSupportChecker
}

func (progressIsSupported) Supports(f storage.Feature) bool { return f == storage.RequestWatchProgress }
func (progressIsSupported) MarkUnsupported(storage.Feature) {}

// recorded writes down which lists reach the store, in the form in which they would reach etcd.
type recorded struct {
	*pods
	lists *storagetesting.KubernetesRecorder
}

func (r *recorded) GetList(ctx context.Context, key string, opts storage.ListOptions, out runtime.Object) error {
	prefix, err := r.prepare(key, opts.Recursive)
	if err != nil {
		return err
	}
	rev, from, err := storage.ValidateListOptions(prefix, r.versioner, opts)
	if err != nil {
		return err
	}
	asked := kubernetes.ListOptions{Revision: rev, Limit: opts.Predicate.Limit}
	if from != "" {
		asked.Continue = "/registry" + from
	}
	if _, err := r.lists.List(ctx, "/registry"+prefix, asked); err != nil {
		return err
	}
	return r.pods.GetList(ctx, key, opts, out)
}

type noEtcd struct{ kubernetes.Interface }

func (noEtcd) List(context.Context, string, kubernetes.ListOptions) (kubernetes.ListResponse, error) {
	return kubernetes.ListResponse{}, nil
}

// seen is a cache whose creations wait until it has them: the watches of the suite begin with what was made.
type seen struct{ *cached }

func (s seen) Create(ctx context.Context, key string, obj, out runtime.Object, ttl uint64) error {
	if err := s.cached.Create(ctx, key, obj, out, ttl); err != nil {
		return err
	}
	return s.Get(ctx, key, storage.GetOptions{ResourceVersion: out.(*example.Pod).ResourceVersion}, &example.Pod{})
}

// named gives Pods the names that their keys have. Some of the suite's have others or none, and in the Swarm
// an object is what its name says. A registry sees to that.
type named struct {
	storage.Interface
	pods *pods
}

func (n named) name(key string, o runtime.Object) runtime.Object {
	pod := o.DeepCopyObject().(*example.Pod)
	if k, err := n.pods.parse(key); err == nil {
		pod.Namespace, pod.Name = k.Namespace, k.Name
	}
	return pod
}

func (n named) UpdatePrefixTransformer(modify storagetesting.PrefixTransformerModifier) func() {
	return n.pods.UpdatePrefixTransformer(modify)
}

func (n named) Create(ctx context.Context, key string, obj, out runtime.Object, ttl uint64) error {
	return n.Interface.Create(ctx, key, n.name(key, obj), out, ttl)
}

func (n named) GuaranteedUpdate(
	ctx context.Context, key string, out runtime.Object, ignoreNotFound bool, preconditions *storage.Preconditions,
	tryUpdate storage.UpdateFunc, cached runtime.Object,
) error {
	return n.Interface.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions,
		func(current runtime.Object, meta storage.ResponseMeta) (runtime.Object, *uint64, error) {
			updated, ttl, err := tryUpdate(current, meta)
			if err != nil {
				return nil, nil, err
			}
			return n.name(key, updated), ttl, nil
		}, cached)
}
