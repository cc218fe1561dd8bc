package scale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"skep/gateway/bench"
)

// audience is many watches of one collection, each over a connection of its own. A watch that the server ends, as it may
// when a watcher is slow, is opened again from where it was, as client-go does.
type audience struct {
	size    int
	path    string // without a query
	clients pool
	cancel  context.CancelFunc
	reading sync.WaitGroup
	listen  atomic.Pointer[func(watcher int, event heard)]
	resumed atomic.Int64 // watches that the server ended, and that went on

	mu     sync.Mutex
	failed error // the first
}

// gather opens so many watches, all from the collection's present resourceVersion on. path has no query.
func gather(ctx context.Context, of *bench.Client, size int, path string) (*audience, error) {
	clients, err := newPool(of, size)
	if err != nil {
		return nil, err
	}
	version, err := of.Version(ctx, path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &audience{size: size, path: path, clients: clients, cancel: cancel}
	for i := range clients {
		body, err := a.open(ctx, i, version)
		if err != nil {
			a.close()
			return nil, err
		}
		a.reading.Go(func() { a.attend(ctx, i, body, version) })
	}
	return a, nil
}

func (a *audience) open(ctx context.Context, watcher int, version string) (io.ReadCloser, error) {
	return a.clients[watcher].Open(ctx, a.path+"?watch=1&allowWatchBookmarks=true&resourceVersion="+version)
}

// attend reads one watcher's watches, one after the other, until the audience is closed or one cannot be opened again.
func (a *audience) attend(ctx context.Context, watcher int, body io.ReadCloser, version string) {
	for {
		err := readEvents(body, func(event heard) {
			version = event.version
			if listen := a.listen.Load(); listen != nil && event.kind != "BOOKMARK" {
				(*listen)(watcher, event)
			}
		})
		_ = body.Close() // nothing is left to lose
		if errors.Is(err, errEnded) && ctx.Err() == nil {
			a.resumed.Add(1)
			body, err = a.open(ctx, watcher, version)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			a.mu.Lock()
			a.failed = cmp.Or(a.failed, fmt.Errorf("watch %d: %w", watcher, err))
			a.mu.Unlock()
			return
		}
	}
}

// hear has a function called for every event, by each watcher's own goroutine; nil for none.
func (a *audience) hear(listen func(watcher int, event heard)) {
	if listen == nil {
		a.listen.Store(nil)
		return
	}
	a.listen.Store(&listen)
}

// err tells why a watch could not go on.
func (a *audience) err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

func (a *audience) close() {
	a.cancel()
	a.reading.Wait()
	a.clients.close()
}

// arrivals is when each watcher had what it was to hear.
type arrivals struct {
	mu   sync.Mutex
	at   []time.Time // zero: not yet
	left int
	done chan struct{} // closed when all had it
}

func newArrivals(watchers int) *arrivals {
	return &arrivals{at: make([]time.Time, watchers), left: watchers, done: make(chan struct{})}
}

// note is a watcher's arrival; only its first counts.
func (a *arrivals) note(watcher int, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.at[watcher].IsZero() {
		return
	}
	a.at[watcher] = at
	if a.left--; a.left == 0 {
		close(a.done)
	}
}

// wait returns how many watchers are still missing when all have arrived, or the time is over.
func (a *arrivals) wait(ctx context.Context, long time.Duration) int {
	select {
	case <-a.done:
	case <-time.After(long):
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.left
}

// since are the times from a moment to the arrivals. What came before that moment took no time.
func (a *arrivals) since(from time.Time) bench.Samples {
	a.mu.Lock()
	defer a.mu.Unlock()
	var samples bench.Samples
	for _, at := range a.at {
		if !at.IsZero() {
			samples = append(samples, max(0, at.Sub(from)))
		}
	}
	return samples
}
