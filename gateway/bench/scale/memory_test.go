package scale

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"skep/gateway/bench"
)

// settle is how long memory is left alone before it is read: skep gives back every 15 s what it no longer needs.
const settle = 40 * time.Second

// memory reads what skep holds, and what the peer's two programs hold together, with watchers of all Pods at both.
func (w *world) memory(b *testing.B, key, when string, watchers int) {
	b.Helper()
	clients := []*bench.Client{w.gateway.Client}
	if w.peer != nil {
		clients = append(clients, w.peer.Client)
	}
	for _, client := range clients {
		a, err := gather(b.Context(), client, watchers, allPods)
		must(b, err)
		defer a.close()
	}
	for b.Loop() {
		must(b, pause(b.Context(), settle))
	}
	skep, figure := usage(b, w.gateway.Process), fmt.Sprintf("%d Pods and %d watchers of them, %s, ", w.pods(), watchers, when)
	rss := bench.Row{Key: key + "-rss", Figure: figure + "RSS", Value: bench.Mebibytes(skep.RSS), AtMost: 300, Samples: "1"}
	anonymous := bench.Row{Key: key + "-anonymous", Figure: figure + "anonymous memory", Value: bench.Mebibytes(skep.Anonymous), Samples: "1"}
	if w.peer != nil {
		apiserver, etcd := usage(b, w.peer.APIServer), usage(b, w.peer.Etcd)
		rss.Against, rss.Reference = kubeBoth, bench.Mebibytes(apiserver.RSS+etcd.RSS)
		anonymous.Against, anonymous.Reference = kubeBoth, bench.Mebibytes(apiserver.Anonymous+etcd.Anonymous)
	}
	w.report.Note(b, rss)
	w.report.Note(b, anonymous)
}

// fresh reads what a skep holds that was started on the Swarm as it is: one that made all of it has gaps in its memory
// where things were on the way.
func (w *world) fresh(b *testing.B, watchers int) {
	b.Helper()
	gateway, err := bench.StartGateway(b.Context(), w.options("fresh"))
	must(b, err)
	defer gateway.Stop()
	a, err := gather(b.Context(), gateway.Client, watchers, allPods)
	must(b, err)
	defer a.close()
	must(b, pause(b.Context(), settle))
	skep, figure := usage(b, gateway.Process), fmt.Sprintf("%d Pods and %d watchers of them, skep started anew, ", w.pods(), watchers)
	w.report.Note(b, bench.Row{Key: "fresh-rss", Figure: figure + "RSS", Value: bench.Mebibytes(skep.RSS), AtMost: 300, Samples: "1"})
	w.report.Note(b, bench.Row{Key: "fresh-anonymous", Figure: figure + "anonymous memory", Value: bench.Mebibytes(skep.Anonymous), Samples: "1"})
}

// ready starts another skep on the same Swarm again and again; the one that is there stays, and is idle.
func (w *world) ready(b *testing.B, starts int) {
	b.Helper()
	options := w.options("ready")
	var taken, first bench.Samples
	for b.Loop() {
		for range starts {
			gateway, err := bench.StartGateway(b.Context(), options)
			must(b, err)
			taken = append(taken, gateway.Startup)
			answer, err := gateway.Do(b.Context(), bench.Request{Method: http.MethodGet, Path: allPods})
			gateway.Stop()
			must(b, err)
			if found := bytes.Count(answer.Body, podMark); found != w.pods() {
				b.Fatalf("it called itself ready with %d of %d Pods", found, w.pods())
			}
			first = append(first, answer.Took)
		}
	}
	figure, n := fmt.Sprintf("ready after start (%d tasks), ", w.pods()), fmt.Sprintf("%d starts", len(taken))
	w.report.Note(b, bench.Row{
		Key: "ready-slowest", Figure: figure + "slowest", Value: bench.Milliseconds(taken.Quantile(1)), AtMost: 5000, Samples: n,
	})
	w.report.Note(b, bench.Row{Key: "ready-p50", Figure: figure + "p50", Value: bench.Milliseconds(taken.Quantile(.5)), Samples: n})
	w.report.Note(b, bench.Row{
		Key: "ready-list", Figure: fmt.Sprintf("the first list of %d Pods after the start, JSON, p50", w.pods()),
		Value: bench.Milliseconds(first.Quantile(.5)), Samples: n,
	})
}
