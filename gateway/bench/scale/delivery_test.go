package scale

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"skep/gateway/bench"
)

// delivery is what watchers of one server heard of writes.
type delivery struct {
	client         *bench.Client
	watchers       *audience
	sent, answered bench.Samples // from when the write was sent and answered to each watcher's event
	missing        int           // events that did not come
}

// write changes an annotation of the of-th Deployment and waits until every watcher has heard of it.
func (d *delivery) write(b *testing.B, number, of int) {
	b.Helper()
	namespace, name := namespaceName(of), deploymentName(of)
	note := fmt.Sprintf("write %d", number)
	mark := fmt.Appendf(nil, `"example.org/note":%q`, note)
	heardBy := newArrivals(d.watchers.size)
	d.watchers.hear(func(watcher int, event heard) {
		if event.name == namespace+"/"+name && bytes.Contains(event.line, mark) {
			heardBy.note(watcher, event.at)
		}
	})
	sent := time.Now()
	answer, err := d.client.Do(b.Context(), bench.Request{
		Method: http.MethodPatch, Path: deploymentsOf(namespace) + "/" + name, ContentType: "application/merge-patch+json",
		Body: fmt.Appendf(nil, `{"metadata":{"annotations":{"example.org/note":%q}}}`, note),
	})
	must(b, err)
	d.missing += heardBy.wait(b.Context(), 10*time.Second)
	must(b, d.watchers.err())
	d.sent = append(d.sent, heardBy.since(sent)...)
	d.answered = append(d.answered, heardBy.since(sent.Add(answer.Took))...)
}

// deliver writes to the peer and to skep in turns while watchers of both listen.
func (w *world) deliver(b *testing.B, watchers, writes int) {
	b.Helper()
	both := [2]*delivery{{client: w.peer.Client}, {client: w.gateway.Client}}
	for _, d := range both {
		var err error
		d.watchers, err = gather(b.Context(), d.client, watchers, allDeployments)
		must(b, err)
		defer d.watchers.close()
	}
	number := 0
	round := func() {
		for k := range both {
			both[(k+number)%2].write(b, number, number%w.services)
		}
		number++
	}
	for range 5 {
		round()
	}
	for _, d := range both {
		d.sent, d.answered = nil, nil
	}
	for b.Loop() {
		for range writes {
			round()
		}
	}
	w.delivered(b, fmt.Sprintf("%d watchers, %d writes, ", watchers, writes), both[0], both[1])
}

func (w *world) delivered(b *testing.B, figure string, peer, skep *delivery) {
	b.Helper()
	events := fmt.Sprintf("%d events each", len(skep.sent))
	for _, q := range quantiles {
		row := bench.Row{
			Key: "watch-" + q.name, Figure: figure + "from the write's sending to a watcher's event, " + q.name, Against: kubeAPI,
			Value: bench.Milliseconds(skep.sent.Quantile(q.q)), Reference: bench.Milliseconds(peer.sent.Quantile(q.q)), Samples: events,
		}
		if q.name == "p99" {
			row.AtMostTimes = 1
		}
		w.report.Note(b, row)
		row.Key, row.Figure, row.AtMostTimes = "watch-answered-"+q.name, figure+"from the write's answer on, "+q.name, 0
		row.Value, row.Reference = bench.Milliseconds(skep.answered.Quantile(q.q)), bench.Milliseconds(peer.answered.Quantile(q.q))
		w.report.Note(b, row)
	}
	w.report.Note(b, bench.Row{
		Key: "watch-missing", Figure: figure + "events that did not come", Value: bench.Quantity{Number: float64(skep.missing), Unit: "events"},
		Against: kubeAPI, Reference: bench.Quantity{Number: float64(peer.missing), Unit: "events"}, None: true, Samples: events,
	})
}
