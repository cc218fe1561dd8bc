package scale

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"skep/gateway/bench"
)

const (
	steady   = 100 // services that go on
	crashing = 40  // services whose containers end again and again
	crashers = 5   // tasks of each
	soakRead = 40 * time.Second
)

// crashLoop creates a service whose containers run for a moment and are started again at once.
func crashLoop(i int) bench.Request {
	labels := object{"com.docker.stack.namespace": namespaceName(i)}
	return bench.Request{Method: http.MethodPost, Path: "/services/create", Body: encode(object{
		"Name": fmt.Sprintf("%s_crash-%d", namespaceName(i), i), "Labels": labels,
		"Mode": object{"Replicated": object{"Replicas": crashers}},
		"TaskTemplate": object{
			"ContainerSpec": object{"Image": "busybox", "Labels": object{"simulate.exit": "300ms-600ms", "simulate.code": "1"}},
			"RestartPolicy": object{"Condition": "any", "Delay": int64(100 * time.Millisecond)},
		},
	})}
}

// soak lets containers crash on a Swarm of its own until a watcher has been told of so many changes of Pods, which
// are fewer than those of their tasks, and sees what skep holds on the way.
func (w *world) soak(b *testing.B, marks []int) {
	b.Helper()
	ctx := b.Context()
	r, err := startRig(ctx, filepath.Join(w.dir, "soak"))
	must(b, err)
	defer func() { must(b, r.stop()) }()
	must(b, r.grow(ctx, steady))
	for i := range crashing {
		_, err := r.swarm.Do(ctx, crashLoop(i))
		must(b, err)
	}
	a, err := gather(ctx, r.gateway.Client, 1, allPods)
	must(b, err)
	defer a.close()
	var events atomic.Int64
	a.hear(func(int, heard) { events.Add(1) })
	var first holding
	for b.Loop() {
		for i, mark := range marks {
			must(b, r.until(ctx, a, &events, int64(mark)))
			now, err := lowWater(ctx, r.gateway, soakRead)
			must(b, err)
			if i == 0 {
				first = now
			}
			w.soaked(b, int(events.Load()), mark, now, first, i == len(marks)-1)
		}
	}
}

// until waits for so many events. Nothing must stop them from coming.
func (r *rig) until(ctx context.Context, a *audience, events *atomic.Int64, mark int64) error {
	for events.Load() < mark {
		was := events.Load()
		if err := pause(ctx, 10*time.Second); err != nil {
			return err
		}
		if err := a.err(); err != nil {
			return err
		}
		if events.Load() == was {
			return fmt.Errorf("no change in ten seconds after %d", was)
		}
	}
	return nil
}

func (w *world) soaked(b *testing.B, events, mark int, now, first holding, last bool) {
	b.Helper()
	for _, c := range []struct {
		key, name  string
		now, first int64
	}{{"heap", "heap in use", now.heap, first.heap}, {"rss", "RSS", now.rss, first.rss}} {
		row := bench.Row{
			Key: fmt.Sprintf("soak-%s-%d", c.key, mark), Figure: fmt.Sprintf("after %d changes of crashing tasks, %s", mark, c.name),
			Value: bench.Mebibytes(c.now), Against: "the first reading", Reference: bench.Mebibytes(c.first),
			Samples: fmt.Sprintf("least of %v; %d events by its end", soakRead, events),
		}
		if last {
			row.AtMostTimes = 1.1
		}
		w.report.Note(b, row)
	}
}
