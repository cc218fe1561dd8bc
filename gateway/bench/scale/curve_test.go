package scale

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"skep/gateway/bench"
)

const (
	churned     = 20 // services that are scaled up and down by ten tasks
	churnPeriod = 4 * time.Second
	churnRounds = 6
)

// point is what changes cost on a Swarm of some size.
type point struct {
	tasks  int // on the Swarm
	cpu    time.Duration
	events int // of Pods, as a watcher was told
}

// each is the processor time of one change.
func (p point) each() bench.Quantity {
	return bench.Quantity{Number: float64(p.cpu.Microseconds()) / float64(max(1, p.events)), Unit: "µs"}
}

// curve lets a Swarm of its own grow, and causes the same changes at the same pace at each size.
func (w *world) curve(b *testing.B, sizes []int) {
	b.Helper()
	r, err := startRig(b.Context(), filepath.Join(w.dir, "curve"))
	must(b, err)
	defer func() { must(b, r.stop()) }()
	points := map[int]point{}
	for b.Loop() {
		for _, services := range sizes {
			must(b, r.grow(b.Context(), services))
			points[services], err = r.churn(b)
			must(b, err)
		}
	}
	for _, services := range sizes {
		p, first := points[services], points[sizes[0]]
		row := bench.Row{
			Key: fmt.Sprintf("change-%d", p.tasks), Figure: fmt.Sprintf("skep's processor time for a task change, %d tasks", p.tasks),
			Value: p.each(), Against: fmt.Sprintf("%d tasks", first.tasks), Reference: first.each(),
			Samples: fmt.Sprintf("%d Pod events of %d tasks that came and went", p.events, churnRounds*churned*10),
		}
		if p.tasks == 10*first.tasks {
			row.AtMostTimes = 1.3
		}
		w.report.Note(b, row)
	}
}

// churn scales services up and down while one watcher of all Pods listens, and waits out the last changes.
func (r *rig) churn(b *testing.B) (point, error) {
	b.Helper()
	ctx := b.Context()
	a, err := gather(ctx, r.gateway.Client, 1, allPods)
	if err != nil {
		return point{}, err
	}
	defer a.close()
	var events atomic.Int64
	a.hear(func(int, heard) { events.Add(1) })
	if err := pause(ctx, 5*time.Second); err != nil { // what the growth left to do
		return point{}, err
	}
	events.Store(0)
	before := usage(b, r.gateway.Process)
	pace := time.NewTicker(churnPeriod)
	defer pace.Stop()
	for range churnRounds {
		for _, by := range []int{10, -10} {
			if err := r.scaleFirst(ctx, min(churned, r.services), by); err != nil {
				return point{}, err
			}
			<-pace.C
		}
	}
	if err := r.swarm.awaitRunning(ctx, r.services*replicas); err != nil {
		return point{}, err
	}
	if err := quiet(ctx, &events); err != nil {
		return point{}, err
	}
	after := usage(b, r.gateway.Process)
	return point{r.services * replicas, after.CPU - before.CPU, int(events.Load())}, a.err()
}

func (r *rig) scaleFirst(ctx context.Context, count, by int) error {
	services, err := r.swarm.pick(ctx, 0, count)
	if err != nil {
		return err
	}
	return r.swarm.scaleBy(ctx, services, by)
}

// quiet waits until a count stands still for two seconds.
func quiet(ctx context.Context, count *atomic.Int64) error {
	for was := int64(-1); was != count.Load(); {
		was = count.Load()
		if err := pause(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	return nil
}
