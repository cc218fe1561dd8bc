package gateway

import (
	"bytes"
	"fmt"
	"math/rand"
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metainternalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	kubetesting "k8s.io/kubernetes/pkg/api/testing"
	api "k8s.io/kubernetes/pkg/apis/core"
	"sigs.k8s.io/randfill"
)

var encodedAs = []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf, runtime.ContentTypeYAML, "pretty"}

// encoded is what codecs write; way is a media type, or "pretty".
func encoded(tb testing.TB, codecs runtime.NegotiatedSerializer, way string, gv schema.GroupVersion, o runtime.Object) []byte {
	tb.Helper()
	serializer := runtime.Serializer(nil)
	if way == "pretty" {
		info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), runtime.ContentTypeJSON)
		serializer = info.PrettySerializer
	} else {
		serializer = serializerFor(tb, codecs, way)
	}
	var out bytes.Buffer
	if err := codecs.EncoderForVersion(serializer, gv).Encode(o, &out); err != nil {
		return []byte("error: " + err.Error())
	}
	return out.Bytes()
}

// same compares what both write three times over: what is new, what was asked for before, and what is kept.
func same(tb testing.TB, kept *encodings, gv schema.GroupVersion, o runtime.Object) {
	tb.Helper()
	usual := upstreamCodecs()
	ours := listCodecs{usual, kept, sealedKinds()}
	for _, way := range encodedAs {
		want, times := encoded(tb, usual, way, gv, o), 3
		if way == "pretty" || way == runtime.ContentTypeYAML {
			times = 1 // by Kubernetes' own, which is slow
		}
		for i := range times {
			if got := encoded(tb, ours, way, gv, o); !bytes.Equal(got, want) {
				tb.Fatalf("%T in %s as %s, time %d:\n%.2000q\nwant\n%.2000q", o, gv, way, i+1, got, want)
			}
		}
	}
}

func fuzzerFor(seed int64) *randfill.Filler {
	return fuzzer.FuzzerFor(kubetesting.FuzzerFuncs, rand.NewSource(seed), legacyscheme.Codecs)
}

// listIn is the internal list for a kind's items.
func listIn(tb testing.TB, group, kind string) (list runtime.Object, items reflect.Value) {
	tb.Helper()
	list, err := legacyscheme.Scheme.New(schema.GroupVersionKind{Group: group, Version: runtime.APIVersionInternal, Kind: kind + "List"})
	if err != nil {
		tb.Fatal(err)
	}
	return list, reflect.ValueOf(list).Elem().FieldByName("Items")
}

// Of every kind that skep serves, lists are to the byte what Kubernetes' codecs write: of none, of one, and of many
// objects, with all kinds of content, with and without an identity.
func TestEncodedKindsAreTheSame(t *testing.T) {
	for _, r := range Resources {
		if r.Lens == nil {
			continue
		}
		t.Run(r.GVR.Group+"/"+r.Lens.Kind(), func(t *testing.T) {
			kept, fill := newEncodings(encodingsBound), fuzzerFor(1)
			group := r.GVR.Group
			if r.Lens.Kind() == "Event" {
				group = "" // both groups keep this one
			}
			list, items := listIn(t, group, r.Lens.Kind())
			same(t, kept, r.GVR.GroupVersion(), list)
			items.Set(reflect.MakeSlice(items.Type(), 0, 0))
			same(t, kept, r.GVR.GroupVersion(), list)
			if kept.bytes != 0 {
				t.Error("empty lists left something")
			}
			for _, n := range []int{1, 2, encodingBatch + 50} {
				items.Set(reflect.MakeSlice(items.Type(), n, n))
				for i := range n {
					fill.Fill(items.Index(i).Addr().Interface())
				}
				same(t, kept, r.GVR.GroupVersion(), list)
				name(items)
				items.Index(0).Addr().Interface().(metav1.Object).SetUID("") // one is not kept
				same(t, kept, r.GVR.GroupVersion(), list)
			}
			sealed := sealedKinds()[schema.GroupKind{Group: group, Kind: r.Lens.Kind()}]
			if sealed != (len(kept.items) == 0) {
				t.Errorf("%d encodings were kept; sealed: %v", len(kept.items), sealed)
			}
		})
	}
}

func name(items reflect.Value) {
	for i := range items.Len() {
		o := items.Index(i).Addr().Interface().(metav1.Object)
		o.SetUID(types.UID(fmt.Sprintf("uid-%d", i)))
		o.SetResourceVersion(fmt.Sprint(i + 1))
	}
}

// A list's own metadata is never kept.
func TestEncodedListMetadata(t *testing.T) {
	kept, left := newEncodings(encodingsBound), int64(7)
	list := podListOf(somePods(t, encodingBatch+1))
	for _, m := range []metav1.ListMeta{{}, {ResourceVersion: "5"}, {ResourceVersion: "6", Continue: `a<b"`, RemainingItemCount: &left}} {
		list.ListMeta = m
		same(t, kept, corev1.SchemeGroupVersion, list)
	}
}

// Lists change from one to the next: some objects are new versions, some are gone, some were only tried.
func TestEncodedChangesAreSeen(t *testing.T) {
	for seed := range int64(4) {
		kept, fill, random := newEncodings(encodingsBound), fuzzerFor(seed), rand.New(rand.NewSource(seed))
		pods, deployments := fuzzedItems(t, fill, "", "Pod", 40), fuzzedItems(t, fill, "apps", "Deployment", 40)
		for round := range 6 {
			for _, all := range []struct {
				list  runtime.Object
				items reflect.Value
				gv    schema.GroupVersion
			}{{pods.list, pods.items, corev1.SchemeGroupVersion}, {deployments.list, deployments.items, appsv1.SchemeGroupVersion}} {
				for i := range all.items.Len() {
					o := all.items.Index(i).Addr().Interface().(metav1.Object)
					switch uid, version := o.GetUID(), o.GetResourceVersion(); random.Intn(6) {
					case 0: // replaced
						fill.Fill(o)
						o.SetUID(uid)
						o.SetResourceVersion(fmt.Sprint(1000*round + i))
					case 1: // tried with dryRun: its UID and resourceVersion stay
						fill.Fill(o)
						o.SetUID(uid)
						o.SetResourceVersion(version)
					}
				}
				same(t, kept, all.gv, all.list)
			}
		}
	}
}

type fuzzed struct {
	list  runtime.Object
	items reflect.Value
}

// fuzzedItems have UIDs that objects of other kinds have too.
func fuzzedItems(tb testing.TB, fill *randfill.Filler, group, kind string, n int) fuzzed {
	tb.Helper()
	list, items := listIn(tb, group, kind)
	items.Set(reflect.MakeSlice(items.Type(), n, n))
	for i := range n {
		fill.Fill(items.Index(i).Addr().Interface())
	}
	name(items)
	return fuzzed{list, items}
}

// What is no list, or none that is known, is left to Kubernetes' codecs.
func TestEncodedOthersAreTheSame(t *testing.T) {
	kept := newEncodings(encodingsBound)
	pods := somePods(t, 2)
	external := &corev1.PodList{Items: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{UID: "a", ResourceVersion: "1"}}}}
	for _, o := range []runtime.Object{
		&metav1.Status{Message: "no"}, pods[0], external, &runtime.Unknown{Raw: []byte(`{"a":1}`), ContentType: runtime.ContentTypeJSON},
		&metav1.APIGroupList{Groups: []metav1.APIGroup{{Name: "apps"}}}, &api.List{Items: pods},
	} {
		same(t, kept, corev1.SchemeGroupVersion, o)
	}
	if len(kept.items) != 0 {
		t.Errorf("%d encodings were kept", len(kept.items))
	}
}

// Tables are to the byte what Kubernetes' serializers write, whatever is in cells and metadata, and their rows change.
func TestEncodedTablesAreTheSame(t *testing.T) {
	kept, fill := newEncodings(encodingsBound), fuzzerFor(1)
	usual := metainternalscheme.Codecs
	t.Cleanup(func() { metainternalscheme.Codecs = usual })
	keepTables(kept)
	ours := metainternalscheme.Codecs
	pods := podListOf(somePods(t, 2*encodingBatch+1))
	plain := tableOf(t, printer(), pods)
	plain.Rows[3].Object.Object = nil
	plain.Rows[4].Object = runtime.RawExtension{Raw: []byte(`{"raw": "<1>"}`)}
	plain.Rows[5].Object.Object = pods.Items[5].DeepCopy()
	plain.Rows[6].Conditions = []metav1.TableRowCondition{{Type: "Completed", Message: "<&>"}}
	plain.Rows[7].Cells = nil
	plain.Rows[8].Cells = []any{"é<>&\"\\\n\x7f\u2028", int64(-1), 1, 1.5, true, nil, []string{"a"}, map[string]any{"b": "<"}, "a&b", ""}
	random := &metav1.Table{}
	fill.Fill(random)
	odd := tableOf(t, printer(), fuzzedItems(t, fill, "", "Pod", 40).list)
	for round := range 3 {
		for i, table := range []*metav1.Table{{}, {Rows: []metav1.TableRow{}}, plain, random, odd} {
			for _, gv := range []schema.GroupVersion{metav1.SchemeGroupVersion, {Group: "meta.k8s.io", Version: "v1beta1"}} {
				for _, way := range encodedAs {
					want, got := encoded(t, usual, way, gv, table), encoded(t, ours, way, gv, table)
					if !bytes.Equal(got, want) {
						t.Fatalf("table %d as %s %s, round %d:\n%.2000s\nwant\n%.2000s", i, way, gv, round, got, want)
					}
				}
			}
		}
	}
	tried := plain.Rows[9].Object.Object.(*metav1.PartialObjectMetadata)
	tried.Labels = map[string]string{"tried": "yes"}
	if got := encoded(t, ours, runtime.ContentTypeJSON, metav1.SchemeGroupVersion, plain); !bytes.Contains(got, []byte(`"tried":"yes"`)) {
		t.Error("new labels under an old resourceVersion do not show")
	}
}

// Nothing of a Secret is kept, not even from a Table, whose metadata holds what kubectl applied.
func TestEncodedSecretsAreNotKept(t *testing.T) {
	kept := newEncodings(encodingsBound)
	var secrets []runtime.Object
	for i := range 3 {
		secrets = append(secrets, internal(t, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprint("s", i), Namespace: "default", UID: types.UID(fmt.Sprint("u", i)), ResourceVersion: "1",
				Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: "in full"},
			},
			Data: map[string][]byte{"key": []byte("value")},
		}))
	}
	c := compare(t, kept, secrets...)
	for _, accept := range []string{acceptJSON, acceptProtobuf, acceptTable} {
		for range 3 {
			want := fetch(t, c.plain, c.peer, "/api/v1/secrets", accept)
			if got := fetch(t, c.plain, c.skep, "/api/v1/secrets", accept); !bytes.Equal(got, want) {
				t.Errorf("as %s: %s, want %s", accept, got, want)
			}
		}
	}
	if len(kept.items) != 0 {
		t.Errorf("%d encodings were kept", len(kept.items))
	}
}
