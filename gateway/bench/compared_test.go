package bench

import (
	"encoding/json"
	"testing"
	"time"
)

// against sends the same requests to the peer and, where there is one, to skep.
func (w *world) against(b *testing.B, warm, minimum int, request func(i int) Request) (peer, skep Samples) {
	b.Helper()
	at := func(client *Client) Turn {
		return func(i int) (time.Duration, error) {
			answer, err := client.Do(b.Context(), request(i))
			return answer.Took, err
		}
	}
	if w.gateway == nil {
		return TakeTurns(b, warm, minimum, at(w.peer.Client))[0], nil
	}
	samples := TakeTurns(b, warm, minimum, at(w.peer.Client), at(w.gateway.Client))
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
	return Mebibytes(int64(len(answer.Body))).String()
}

// pass lets time pass, and fails when one of the processes has ended meanwhile.
func (w *world) pass(b *testing.B, long time.Duration) {
	b.Helper()
	<-time.After(long)
	for name, process := range w.processes() {
		if err := process.Err(); err != nil {
			b.Fatalf("%s: %v", name, err)
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
		Key: key + "-rss", Figure: figure + "RSS", Value: w.ofGateway(Mebibytes(all["skep"].RSS)),
		Against: kubeBoth, Reference: Mebibytes(all[kubeAPI].RSS + all["etcd"].RSS), AtMost: rss, Samples: samples,
	})
	w.add(b, Row{
		Key: key + "-anonymous", Figure: figure + "anonymous memory", Value: w.ofGateway(Mebibytes(all["skep"].Anonymous)),
		Against: kubeBoth, Reference: Mebibytes(all[kubeAPI].Anonymous + all["etcd"].Anonymous), AtMost: anonymous, Samples: samples,
	})
}
