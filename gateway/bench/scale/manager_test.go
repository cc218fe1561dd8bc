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
	repeats      = 10
)

// manager sees what skep asks of the Swarm's manager while nothing happens, with the control socket and without it, and
// what that costs the manager. Its processor time of one quiet minute differs from that of the next by more.
func (w *world) manager(b *testing.B) {
	b.Helper()
	p, err := startProxy(filepath.Join(w.dir, "count.sock"), w.swarm.Socket)
	must(b, err)
	defer func() { _ = p.close() }() // nothing asks any more
	options := w.options("skep")
	options.Port = w.gateway.Port
	w.gateway.Stop()
	for b.Loop() {
		w.watched(b, p, "control", w.swarm.ControlSocket)
		all, polls, what := p.counts()
		w.requests(b, "control", "with the control socket", all)
		w.report.Note(b, bench.Row{
			Key: "quiet-control-polls", Figure: w.quietly("with the control socket") + "requests that list tasks or other objects",
			Value: bench.Quantity{Number: float64(polls), Unit: "requests"}, None: true, Samples: what,
		})
		w.watched(b, p, "polling", "none")
		all, _, what = p.counts()
		w.requests(b, "polling", "without the control socket", all)
		w.report.Note(b, bench.Row{
			Key: "quiet-polling-manager", Figure: w.quietly("without the control socket") + "the manager's processor time for them, of one core",
			Value: bench.Quantity{Number: 100 * float64(w.repeated(b, p)) / float64(quietMeasure), Unit: "%"}, AtMost: 2,
			Samples: fmt.Sprintf("%s, asked %d times again", what, repeats),
		})
	}
	w.gateway, err = bench.StartGateway(b.Context(), options)
	must(b, err)
}

// watched lets a quiet minute pass under a skep of its own, which asks through the proxy.
func (w *world) watched(b *testing.B, p *proxy, name, control string) {
	b.Helper()
	options := w.options(name)
	options.Socket, options.ControlSocket = p.Socket, control
	gateway, err := bench.StartGateway(b.Context(), options)
	must(b, err)
	defer gateway.Stop()
	must(b, pause(b.Context(), quietSettle))
	p.reset()
	must(b, pause(b.Context(), quietMeasure))
	must(b, gateway.Process.Err())
}

// repeated is the manager's processor time for what was asked of it since the proxy was reset.
func (w *world) repeated(b *testing.B, p *proxy) time.Duration {
	b.Helper()
	before := usage(b, w.swarm.Process)
	for range repeats {
		must(b, p.repeat(b.Context()))
	}
	return (usage(b, w.swarm.Process).CPU - before.CPU) / repeats
}

func (w *world) quietly(how string) string {
	return fmt.Sprintf("nothing happens to %d tasks, %s, ", w.pods(), how)
}

func (w *world) requests(b *testing.B, key, how string, requests int) {
	b.Helper()
	w.report.Note(b, bench.Row{
		Key: "quiet-" + key + "-requests", Figure: w.quietly(how) + "requests to the Engine",
		Value: bench.Quantity{Number: float64(requests), Unit: "requests"}, Samples: quietMeasure.String(),
	})
}
