package scale

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"skep/gateway/bench"
)

// newcomers follows, for each watcher, the Pods that came since it began, until so many of them run.
type newcomers struct {
	*arrivals
	want   int
	state  []map[string]bool // by watcher: a Pod that came, and whether it has run
	events []int
}

func awaitNewcomers(a *audience, want int) *newcomers {
	n := &newcomers{arrivals: newArrivals(a.size), want: want, state: make([]map[string]bool, a.size), events: make([]int, a.size)}
	running := make([]int, a.size)
	for i := range n.state {
		n.state[i] = map[string]bool{}
	}
	a.hear(func(watcher int, event heard) { // each watcher touches only what is its own
		n.events[watcher]++
		pods := n.state[watcher]
		ran, came := pods[event.name]
		switch {
		case event.kind == "DELETED" || !came && event.kind != "ADDED" || ran:
			return
		case event.phase != "Running":
			pods[event.name] = false
			return
		}
		pods[event.name] = true
		if running[watcher]++; running[watcher] == want {
			n.note(watcher, event.at)
		}
	})
	return n
}

// scaling is what came of scaling many services up at once.
type scaling struct {
	lag     bench.Samples // from when the last task ran to when the last watcher had all
	cpu     bench.Samples // of skep, from before the scaling to then
	events  int           // that one watcher heard
	missing int           // watchers that did not hear of all
}

// scaleUp scales 100 services by ten tasks each while watchers listen, and down again. It ends at the first round in which
// watchers miss something: there is nothing to time, then.
func (w *world) scaleUp(b *testing.B, watchers, rounds int) {
	b.Helper()
	a, err := gather(b.Context(), w.gateway.Client, watchers, allPods)
	must(b, err)
	defer a.close()
	services := min(100, w.services)
	var s scaling
	for b.Loop() {
		for i := 0; i < rounds && s.missing == 0; i++ {
			must(b, w.up(b, a, services, &s))
			must(b, w.down(b.Context(), a, services))
		}
	}
	figure := fmt.Sprintf("%d services get 10 more tasks each, %d watchers of Pods, ", services, watchers)
	key, n := fmt.Sprintf("scale-%d-", watchers), fmt.Sprintf("%d times %d tasks, %d events each", len(s.lag), services*10, s.events/max(1, len(s.lag)))
	lag := bench.Row{Key: key + "lag", Figure: figure + "from when all run until all watchers have all, slowest", AtMost: 1000, Samples: n}
	cpu := bench.Row{Key: key + "cpu", Figure: figure + "skep's processor time, p50", AtMost: 2, Samples: n}
	if len(s.lag) > 0 {
		lag.Value = bench.Milliseconds(s.lag.Quantile(1))
		cpu.Value = bench.Quantity{Number: s.cpu.Quantile(.5).Seconds(), Unit: "s"}
	}
	w.report.Note(b, lag)
	w.report.Note(b, cpu)
	w.report.Note(b, bench.Row{
		Key: key + "missing", Figure: figure + "watchers that did not hear of all within a minute",
		Value: bench.Quantity{Number: float64(s.missing), Unit: "watchers"}, None: true, Samples: n,
	})
	w.report.Note(b, bench.Row{
		Key: key + "resumed", Figure: figure + "watches that skep ended as too slow, and that went on from their last event",
		Value: bench.Quantity{Number: float64(a.resumed.Load()), Unit: "watches"}, Samples: n,
	})
}

// up scales the services up and sees when watchers have heard of it.
func (w *world) up(b *testing.B, a *audience, count int, s *scaling) error {
	b.Helper()
	ctx := b.Context()
	services, err := w.swarm.pick(ctx, 0, count)
	if err != nil {
		return err
	}
	came := awaitNewcomers(a, 10*count)
	before := usage(b, w.gateway.Process)
	if err := w.swarm.scaleBy(ctx, services, 10); err != nil {
		return err
	}
	if s.missing = came.wait(ctx, time.Minute); s.missing > 0 {
		return errors.Join(w.swarm.awaitRunning(ctx, w.pods()+10*count), a.err())
	}
	s.cpu = append(s.cpu, usage(b, w.gateway.Process).CPU-before.CPU)
	running, err := w.lastRunning(ctx, services)
	if err != nil {
		return err
	}
	s.lag = append(s.lag, came.since(running).Quantile(1))
	s.events += came.events[0]
	return a.err()
}

// down undoes up, and waits until nothing is left of it.
func (w *world) down(ctx context.Context, a *audience, count int) error {
	a.hear(nil)
	if err := w.scaleFirst(ctx, count, -10); err != nil {
		return err
	}
	if err := w.swarm.awaitRunning(ctx, w.pods()); err != nil {
		return err
	}
	return pause(ctx, 3*time.Second) // the tasks that went are still being cleared away
}

// lastRunning is when the last task of the services began to run: its node wrote so just before the Swarm heard of it.
func (w *world) lastRunning(ctx context.Context, services []Service) (time.Time, error) {
	of := map[string]bool{}
	for _, service := range services {
		of[service.ID] = true
	}
	tasks, err := w.swarm.Wanted(ctx)
	var last time.Time
	for _, task := range tasks {
		if of[task.ServiceID] && task.Status.Timestamp.After(last) {
			last = task.Status.Timestamp
		}
	}
	return last, err
}
