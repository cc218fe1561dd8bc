package scale

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"skep/gateway/bench"
)

const (
	quietSettle  = 20 * time.Second
	quietMeasure = 60 * time.Second
)

// manager sees what skep costs the Swarm's manager while nothing happens: with the control socket, and without it.
func (w *world) manager(b *testing.B) {
	b.Helper()
	p, err := startProxy(filepath.Join(w.dir, "count.sock"), w.swarm.Socket)
	must(b, err)
	defer func() { _ = p.close() }() // nothing asks any more
	options := w.options("skep")
	options.Port = w.gateway.Port
	w.gateway.Stop()
	for b.Loop() {
		alone := w.quiet(b, p)
		control := w.watched(b, p, "control", w.swarm.ControlSocket)
		all, polls, what := p.counts()
		w.quietRows(b, "control", "with the control socket", all, control-alone, 0)
		w.report.Note(b, bench.Row{
			Key: "quiet-control-polls", Figure: w.quietly("with the control socket") + "requests that list tasks or other objects",
			Value: bench.Quantity{Number: float64(polls), Unit: "requests"}, None: true, Samples: what,
		})
		polling := w.watched(b, p, "polling", "none")
		all, _, _ = p.counts()
		w.quietRows(b, "polling", "without the control socket", all, polling-alone, 2)
	}
	w.gateway, err = bench.StartGateway(b.Context(), options)
	must(b, err)
}

// watched is the simulator's processor time in a quiet minute under a skep of its own, which asks through the proxy.
func (w *world) watched(b *testing.B, p *proxy, name, control string) time.Duration {
	b.Helper()
	options := w.options(name)
	options.Socket, options.ControlSocket = p.Socket, control
	gateway, err := bench.StartGateway(b.Context(), options)
	must(b, err)
	defer gateway.Stop()
	used := w.quiet(b, p)
	must(b, gateway.Process.Err())
	return used
}

func (w *world) quiet(b *testing.B, p *proxy) time.Duration {
	b.Helper()
	must(b, pause(b.Context(), quietSettle))
	p.reset()
	before := usage(b, w.swarm.Process)
	must(b, pause(b.Context(), quietMeasure))
	return usage(b, w.swarm.Process).CPU - before.CPU
}

func (w *world) quietly(how string) string {
	return fmt.Sprintf("nothing happens to %d tasks, %s, ", w.pods(), how)
}

func (w *world) quietRows(b *testing.B, key, how string, requests int, cpu time.Duration, atMost float64) {
	b.Helper()
	w.report.Note(b, bench.Row{
		Key: "quiet-" + key + "-requests", Figure: w.quietly(how) + "requests to the Engine",
		Value: bench.Quantity{Number: float64(requests), Unit: "requests"}, Samples: quietMeasure.String(),
	})
	w.report.Note(b, bench.Row{
		Key: "quiet-" + key + "-manager", Figure: w.quietly(how) + "the manager's processor time beyond that without skep, of one core",
		Value: bench.Quantity{Number: max(0, 100*float64(cpu)/float64(quietMeasure)), Unit: "%"}, AtMost: atMost, Samples: quietMeasure.String(),
	})
}
