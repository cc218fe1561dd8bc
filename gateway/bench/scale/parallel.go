package scale

import (
	"context"
	"sync"
	"sync/atomic"

	"skep/gateway/bench"
)

// A pool is clients that work side by side, each with a connection of its own.
type pool []*bench.Client

func newPool(of *bench.Client, size int) (pool, error) {
	clients := make(pool, size)
	for i := range clients {
		client, err := of.Another()
		if err != nil {
			return nil, err
		}
		clients[i] = client
	}
	return clients, nil
}

func newEnginePool(socket string, size int) pool {
	clients := make(pool, size)
	for i := range clients {
		clients[i] = bench.NewEngineClient(socket)
	}
	return clients
}

func (p pool) close() {
	for _, client := range p {
		client.Close()
	}
}

// each does jobs 0 to n-1, each by the next client that is free, until one fails.
func (p pool) each(ctx context.Context, n int, job func(ctx context.Context, client *bench.Client, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var working sync.WaitGroup
	for _, client := range p {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := job(ctx, client, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	working.Wait()
	return context.Cause(ctx)
}
