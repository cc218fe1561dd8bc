package scale

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"skep/gateway/bench"
)

// quantiles are those that are reported.
var quantiles = [2]struct {
	name string
	q    float64
}{{"p50", .5}, {"p99", .99}}

// crowd is clients that get Pods at the same time.
type crowd struct {
	clients pool
	pods    []string // paths
	mu      sync.Mutex
	samples bench.Samples
}

func newCrowd(b *testing.B, of *bench.Client, clients int) *crowd {
	b.Helper()
	c := &crowd{}
	var err error
	c.clients, err = newPool(of, clients)
	must(b, err)
	for i := range namespaces {
		items, err := listed(b.Context(), of, podsOf(namespaceName(i)))
		must(b, err)
		for _, item := range items {
			c.pods = append(c.pods, podsOf(namespaceName(i))+"/"+item["metadata"].(object)["name"].(string))
		}
	}
	return c
}

// burst has every client get so many Pods, other ones in each round.
func (c *crowd) burst(ctx context.Context, round, each int) error {
	return c.clients.each(ctx, each*len(c.clients), func(ctx context.Context, client *bench.Client, i int) error {
		pod := c.pods[(round*each*len(c.clients)+i)*7919%len(c.pods)]
		answer, err := client.Do(ctx, bench.Request{Method: http.MethodGet, Path: pod})
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.samples = append(c.samples, answer.Took)
		c.mu.Unlock()
		return nil
	})
}

// gets has crowds of the peer and of skep get Pods in turns: never both at a time.
func (w *world) gets(b *testing.B, clients, rounds, each int) {
	b.Helper()
	both := [2]*crowd{newCrowd(b, w.peer.Client, clients), newCrowd(b, w.gateway.Client, clients)}
	round := func(i int) {
		for k := range both {
			must(b, both[(k+i)%2].burst(b.Context(), i, each))
		}
	}
	const warm = 3
	for i := range warm {
		round(i)
	}
	both[0].samples, both[1].samples = nil, nil
	bench.Each(b, rounds, func(i int) { round(warm + i) })
	for _, q := range quantiles {
		w.report.Note(b, bench.Row{
			Key: "get-" + q.name, Figure: fmt.Sprintf("get a Pod, %d clients at a time, %s", clients, q.name),
			Value: bench.Milliseconds(both[1].samples.Quantile(q.q)), Against: kubeAPI,
			Reference: bench.Milliseconds(both[0].samples.Quantile(q.q)), AtMostTimes: 1,
			Samples: fmt.Sprintf("%d each", len(both[0].samples)),
		})
	}
	for _, c := range both {
		c.clients.close()
	}
}
