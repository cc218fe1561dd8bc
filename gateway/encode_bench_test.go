package gateway

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/printers"
	printersinternal "k8s.io/kubernetes/pkg/printers/internalversion"
	printerstorage "k8s.io/kubernetes/pkg/printers/storage"
)

// upstreamCodecs are those of kube-apiserver.
func upstreamCodecs() runtime.NegotiatedSerializer {
	return genericapiserver.NewDefaultAPIGroupInfo("", legacyscheme.Scheme, legacyscheme.ParameterCodec, legacyscheme.Codecs).NegotiatedSerializer
}

func serializerFor(tb testing.TB, codecs runtime.NegotiatedSerializer, mediaType string) runtime.Serializer {
	tb.Helper()
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		tb.Fatalf("no serializer for %s", mediaType)
	}
	return info.Serializer
}

func printer() rest.TableConvertor {
	return printerstorage.TableConvertor{TableGenerator: printers.NewTableGenerator().With(printersinternal.AddHandlers)}
}

// tableOf is what kube-apiserver's handlers make of a list: rows with their objects' metadata.
func tableOf(tb testing.TB, p rest.TableConvertor, list runtime.Object) *metav1.Table {
	tb.Helper()
	table, err := p.ConvertToTable(tb.Context(), list, &metav1.TableOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	for i := range table.Rows {
		m, err := meta.Accessor(table.Rows[i].Object.Object)
		if err != nil {
			tb.Fatal(err)
		}
		partial := meta.AsPartialObjectMetadata(m)
		partial.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
		table.Rows[i].Object.Object = partial
	}
	return table
}

// BenchmarkListEncoding encodes a list of 10,000 Pods: as kube-apiserver does, for the first
// time, for the second, after which all are kept, and from then on.
func BenchmarkListEncoding(b *testing.B) {
	pods := somePods(b, 10_000)
	p := printer()
	for _, form := range []string{"json", "protobuf", "table"} {
		for _, way := range []string{"upstream", "cold", "second", "warm"} {
			b.Run(form+"/"+way, func(b *testing.B) {
				kept := newEncodings(encodingsBound)
				one := func() int { return encodeOnce(b, form, way, kept, p, pods) }
				size := one()
				one() // what is listed once is not kept
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if way == "cold" {
						kept = newEncodings(encodingsBound)
					}
					if way == "second" {
						b.StopTimer()
						kept = newEncodings(encodingsBound)
						one()
						b.StartTimer()
					}
					one()
				}
				if way == "warm" {
					b.ReportMetric(float64(kept.bytes)/(1<<20), "MiB-kept")
				}
			})
		}
	}
}

func encodeOnce(b *testing.B, form, way string, kept *encodings, p rest.TableConvertor, pods []runtime.Object) int {
	b.Helper()
	var counted counter
	var o runtime.Object = podListOf(pods)
	codecs := upstreamCodecs()
	mediaType := map[string]string{"json": runtime.ContentTypeJSON, "protobuf": runtime.ContentTypeProtobuf, "table": runtime.ContentTypeJSON}[form]
	gv := corev1.SchemeGroupVersion
	var serializer runtime.Serializer
	if form == "table" {
		o, codecs, gv = tableOf(b, p, o), metainternalscheme.Codecs, metav1.SchemeGroupVersion
		serializer = serializerFor(b, codecs, mediaType)
		if way != "upstream" {
			serializer = tableSerializer{serializer, kept}
		}
	} else {
		serializer = serializerFor(b, codecs, mediaType)
		if way != "upstream" {
			codecs = listCodecs{codecs, kept, sealedKinds()}
		}
	}
	encoder := codecs.EncoderForVersion(serializer, gv).(runtime.EncoderWithAllocator)
	alloc := runtime.AllocatorPool.Get().(*runtime.Allocator)
	defer runtime.AllocatorPool.Put(alloc)
	if err := encoder.EncodeWithAllocator(o, &counted, alloc); err != nil {
		b.Fatal(err)
	}
	return int(counted)
}

type counter int

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
