package scale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"skep/gateway/bench"
)

// doomed is the name of the Deployment of each namespace whose service is removed while skep is away.
const doomed = "doomed"

// restart stops skep under its informers, changes the Swarm, starts skep again, and sees what the informers are told.
func (w *world) restart(b *testing.B, count int) {
	b.Helper()
	ctx := b.Context()
	for i := range namespaces {
		_, err := w.gateway.Do(ctx, createDeployment(namespaceName(i), doomed, 2))
		must(b, err)
	}
	must(b, w.swarm.awaitRunning(ctx, w.pods()+2*namespaces))
	must(b, w.awaitAvailable(ctx))
	watching, err := inform(ctx, w.gateway.Client, count)
	must(b, err)
	defer watching.stop()
	began := time.Now()
	_, last, err := watching.converge(ctx, w.gateway.Client)
	must(b, err)
	w.restarted(b, "start", "until all hold what there is, after they were started", last.Sub(began), watching)

	options := w.options("skep")
	options.Port = w.gateway.Port
	w.gateway.Stop()
	must(b, w.whileAway(ctx))
	began = time.Now()
	w.gateway, err = bench.StartGateway(ctx, options)
	must(b, err)
	ready := w.gateway.Startup
	_, last, err = watching.converge(ctx, w.gateway.Client)
	must(b, err)
	w.restarted(b, "ready", "until skep is ready", ready, watching)
	w.restarted(b, "converged", "until all hold what there is, after skep was started again", last.Sub(began), watching)

	began = time.Now()
	must(b, w.shift(ctx, -5)) // they must hear of what comes after, too
	now, last, err := watching.converge(ctx, w.gateway.Client)
	must(b, err)
	w.restarted(b, "after", "until all hold what there is, after 20 services were scaled", last.Sub(began), watching)
	faults := watching.faults(now)
	kinds := slices.Compact(slices.Clone(faults)) // sorted; many informers are told the same
	for _, fault := range kinds[:min(8, len(kinds))] {
		b.Log(fault)
	}
	w.report.Note(b, bench.Row{
		Key: "restart-wrong", Figure: fmt.Sprintf("restart of skep under %d informers, wrong events", count),
		Value: bench.Quantity{Number: float64(len(faults)), Unit: "events"}, None: true,
		Samples: fmt.Sprintf("%s; %d different ones", told(watching), len(kinds)),
	})
}

func told(watching *informers) string {
	events, lists := watching.counts()
	return fmt.Sprintf("%d informers, %d events, %d lists so far", len(watching.all), events, lists)
}

func (w *world) restarted(b *testing.B, key, what string, took time.Duration, watching *informers) {
	b.Helper()
	w.report.Note(b, bench.Row{
		Key: "restart-" + key, Figure: fmt.Sprintf("restart of skep under %d informers, %s", len(watching.all), what),
		Value: bench.Milliseconds(took), Samples: told(watching),
	})
}

// whileAway is what happens to the Swarm while skep is away: in every namespace something for Pods and Deployments.
func (w *world) whileAway(ctx context.Context) error {
	all, err := w.swarm.Services(ctx)
	if err != nil {
		return err
	}
	for i := range namespaces {
		service, found := all[namespaceName(i)+"_"+doomed]
		if !found {
			return errors.New("the service that is to be removed is not there")
		}
		if err := w.swarm.remove(ctx, service); err != nil {
			return err
		}
	}
	return w.shift(ctx, 5)
}

// shift takes tasks from ten services and gives as many to ten others, one of either in every namespace.
func (w *world) shift(ctx context.Context, by int) error {
	for i, by := range []int{by, -by} {
		services, err := w.swarm.pick(ctx, i*namespaces, namespaces)
		if err != nil {
			return err
		}
		if err := w.swarm.scaleBy(ctx, services, by); err != nil {
			return err
		}
	}
	return w.swarm.awaitRunning(ctx, w.pods())
}
