package scale

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"skep/gateway/bench"
)

// listing is a way to list all Pods.
type listing struct {
	key, name string
	accept    string
	plain     bool // not compressed
	limit     int  // of a page; 0: all at once
	atMost    float64
}

const (
	table    = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" // what kubectl get asks for
	protobuf = "application/vnd.kubernetes.protobuf"
)

// podMark is what every Pod in a list has once.
var podMark = []byte(`"metadata":{"name":`)

// list lists all Pods once: how long that took, and the size of it, uncompressed.
func (l listing) list(ctx context.Context, client *bench.Client) (took time.Duration, size int, err error) {
	path := allPods
	if l.limit > 0 {
		path = fmt.Sprintf("%s?limit=%d", allPods, l.limit)
	}
	for more := ""; ; {
		answer, err := client.Do(ctx, bench.Request{
			Method: http.MethodGet, Path: path + more, Accept: l.accept, Uncompressed: l.plain,
		})
		if err != nil {
			return 0, 0, err
		}
		took, size = took+answer.Took, size+len(answer.Body)
		token := continueToken(answer.Body)
		if l.limit == 0 || token == "" {
			return took, size, nil
		}
		more = "&continue=" + token
	}
}

// continueToken is in the list's metadata, before its items. It is of letters that need no escaping.
func continueToken(list []byte) string {
	head, _, _ := bytes.Cut(list[:min(len(list), 4<<10)], []byte(`"items":`))
	return after(head, []byte(`"continue":"`))
}

// measure lists all Pods of the peer and of skep in turns.
func (l listing) measure(b *testing.B, samples int) {
	b.Helper()
	w := compared(b)
	sizes := [2]int{}
	at := func(i int, client *bench.Client) bench.Turn {
		return func(int) (took time.Duration, err error) {
			took, sizes[i], err = l.list(b.Context(), client)
			return took, err
		}
	}
	taken := bench.TakeTurns(b, 2, samples, at(0, w.peer.Client), at(1, w.gateway.Client))
	w.report.Note(b, bench.Row{
		Key: "list-" + l.key, Figure: fmt.Sprintf("list of %d Pods, %s, p50", w.pods(), l.name),
		Value: bench.Milliseconds(taken[1].Quantile(.5)), Against: kubeAPI, Reference: bench.Milliseconds(taken[0].Quantile(.5)),
		AtMostTimes: l.atMost,
		Samples:     fmt.Sprintf("%d each; %v against %v", len(taken[0]), bench.Mebibytes(int64(sizes[1])), bench.Mebibytes(int64(sizes[0]))),
	})
}

func (w *world) pods() int { return w.services * replicas }

// counted checks that both have all Pods, by HTTP/2 and in pages, before anything is measured.
func (w *world) counted(b *testing.B) {
	b.Helper()
	for name, client := range map[string]*bench.Client{"skep": w.gateway.Client, kubeAPI: w.peer.Client} {
		found, more := 0, ""
		for {
			answer, err := client.Do(b.Context(), bench.Request{Method: http.MethodGet, Path: allPods + "?limit=5000" + more})
			must(b, err)
			var list struct{ Items []struct{} }
			must(b, json.Unmarshal(answer.Body, &list))
			if found += len(list.Items); answer.Protocol != "HTTP/2.0" {
				b.Fatalf("%s speaks %s, not HTTP/2", name, answer.Protocol)
			}
			token := continueToken(answer.Body)
			if token == "" {
				break
			}
			more = "&continue=" + token
		}
		if found != w.pods() {
			b.Fatalf("%s has %d Pods, not %d", name, found, w.pods())
		}
	}
}

// selected lists the ten Pods of one Deployment among all, another one's each time.
func (w *world) selected(b *testing.B, samples int) {
	b.Helper()
	at := func(client *bench.Client) bench.Turn {
		return func(i int) (time.Duration, error) {
			path := allPods + "?labelSelector=app.kubernetes.io%2Finstance%3D" + deploymentName(i*37%w.services)
			answer, err := client.Do(b.Context(), bench.Request{Method: http.MethodGet, Path: path})
			if err == nil && bytes.Count(answer.Body, podMark) != replicas {
				err = fmt.Errorf("%s: not %d Pods: %.500s", path, replicas, answer.Body)
			}
			return answer.Took, err
		}
	}
	taken := bench.TakeTurns(b, 5, samples, at(w.peer.Client), at(w.gateway.Client))
	for _, q := range quantiles {
		row := bench.Row{
			Key: "selected-" + q.name, Figure: fmt.Sprintf("list by label of %d out of %d Pods, %s", replicas, w.pods(), q.name),
			Value: bench.Milliseconds(taken[1].Quantile(q.q)), Against: kubeAPI, Reference: bench.Milliseconds(taken[0].Quantile(q.q)),
			Samples: fmt.Sprintf("%d each", samples),
		}
		if q.name == "p50" {
			row.AtMost = 5
		}
		w.report.Note(b, row)
	}
}
