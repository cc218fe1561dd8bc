package bench

import (
	"encoding/json"
	"testing"
	"time"
)

// A turn sends one request and says how long it took.
type turn func(i int) (time.Duration, error)

// takeTurns gives every turn its samples, one request each in a round, in an order that rotates from round to round.
// The first rounds warm up and are not counted.
func takeTurns(b *testing.B, warm, minimum int, turns ...turn) []Samples {
	b.Helper()
	samples := make([]Samples, len(turns))
	round := func(i int) {
		for k := range turns {
			k = (k + i) % len(turns)
			took, err := turns[k](i)
			if err != nil {
				b.Fatal(err)
			}
			samples[k] = append(samples[k], took)
		}
	}
	for i := range warm {
		round(i)
	}
	clear(samples)
	each(b, minimum, func(i int) { round(warm + i) })
	return samples
}

// each calls take until the benchmark's time is over, and at least minimum times.
func each(b *testing.B, minimum int, take func(i int)) {
	b.Helper()
	i := 0
	for b.Loop() {
		take(i)
		i++
	}
	for ; i < minimum; i++ {
		take(i)
	}
	b.ReportMetric(0, "ns/op") // of a whole round: says nothing
}

// against sends the same requests to the peer and, where there is one, to skep.
func (w *world) against(b *testing.B, warm, minimum int, request func(i int) Request) (peer, skep Samples) {
	b.Helper()
	at := func(client *Client) turn {
		return func(i int) (time.Duration, error) {
			answer, err := client.Do(b.Context(), request(i))
			return answer.Took, err
		}
	}
	if w.gateway == nil {
		return takeTurns(b, warm, minimum, at(w.peer.Client))[0], nil
	}
	samples := takeTurns(b, warm, minimum, at(w.peer.Client), at(w.gateway.Client))
	return samples[0], samples[1]
}

// listSize checks that a list is complete and came by HTTP/2, and says how large it is, uncompressed.
func (w *world) listSize(b *testing.B, client *Client, request Request) string {
	b.Helper()
	answer, err := client.Do(b.Context(), request)
	if err != nil {
		b.Fatal(err)
	}
	if answer.Protocol != "HTTP/2.0" {
		b.Fatalf("%s was spoken, not HTTP/2", answer.Protocol)
	}
	if answer.Body[0] == '{' {
		var list struct{ Items, Rows []struct{} }
		if err := json.Unmarshal(answer.Body, &list); err != nil {
			b.Fatal(err)
		}
		if n := len(list.Items) + len(list.Rows); n != listSize {
			b.Fatalf("a list of %d, not %d", n, listSize)
		}
	}
	return mebibytes(int64(len(answer.Body))).String()
}

// pass lets time pass, and fails when one of the processes has ended meanwhile.
func (w *world) pass(b *testing.B, long time.Duration) {
	b.Helper()
	<-time.After(long)
	for name, process := range w.processes() {
		select {
		case <-process.exited:
			b.Fatalf("%s ended: %s", name, process.tail())
		default:
		}
	}
}

func (w *world) usages(b *testing.B) map[string]Usage {
	b.Helper()
	all := map[string]Usage{}
	for name, process := range w.processes() {
		usage, err := process.Usage()
		if err != nil {
			b.Fatalf("%s: %v", name, err)
		}
		all[name] = usage
	}
	return all
}

// memory reports what skep holds and what the peer's two processes hold together.
func (w *world) memory(b *testing.B, key, figure, samples string, all map[string]Usage, rss, anonymous float64) {
	b.Helper()
	w.add(b, Row{
		Key: key + "-rss", Figure: figure + "RSS", Value: w.ofGateway(mebibytes(all["skep"].RSS)),
		Against: kubeBoth, Reference: mebibytes(all[kubeAPI].RSS + all["etcd"].RSS), AtMost: rss, Samples: samples,
	})
	w.add(b, Row{
		Key: key + "-anonymous", Figure: figure + "anonymous memory", Value: w.ofGateway(mebibytes(all["skep"].Anonymous)),
		Against: kubeBoth, Reference: mebibytes(all[kubeAPI].Anonymous + all["etcd"].Anonymous), AtMost: anonymous, Samples: samples,
	})
}
