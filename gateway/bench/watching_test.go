package bench

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// watching is a way in which skep hears of changes, and what is promised of it: p50 and p99 in milliseconds.
type watching struct {
	key, how     string
	rounds       int
	change, task [2]float64
}

// watchScaling scales a service with the Docker API and sees when watches of its Deployment and of its Pods hear of it:
// of the service from before the update was sent, and from when it was answered; of the new task from its CreatedAt,
// which Swarm writes before it commits the task. The tasks stay pending.
func (w *world) watchScaling(b *testing.B, gateway *Gateway, c watching) {
	b.Helper()
	ctx := b.Context()
	s := w.openScaled(b, gateway)
	defer s.deployment.Close()
	defer s.pods.Close()

	var sent, answered, tasks Samples
	scale := func(replicas int, podEvent string) Event {
		change, pod, err := s.scale(ctx, replicas, podEvent)
		if err != nil {
			b.Fatal(err)
		}
		sent, answered = append(sent, change.sinceSent), append(answered, change.sinceAnswered)
		return pod
	}
	round := func() {
		pod := scale(2, "ADDED")
		task, err := w.engine.TaskOf(ctx, s.service, pod.Object.Metadata.Name)
		if err != nil {
			b.Fatal(err)
		}
		tasks = append(tasks, pod.At.Sub(task.CreatedAt))
		scale(1, "DELETED")
	}
	for range 5 {
		round()
	}
	sent, answered, tasks = nil, nil, nil
	Each(b, c.rounds, func(int) { round() })

	for i, q := range quantiles {
		row := Row{
			Key:    "scale-" + c.key + "-" + q.name,
			Figure: fmt.Sprintf("watch hears of `docker service scale`, %s, %s", c.how, q.name), AtMost: c.change[i],
			Value: Milliseconds(sent.Quantile(q.q)), Samples: fmt.Sprintf("%d changes", len(sent)),
		}
		if len(w.peerWatch) > 0 {
			row.Against, row.Reference = kubeAPI+", a PATCH", Milliseconds(w.peerWatch.Quantile(q.q))
		}
		w.add(b, row)
		w.add(b, Row{
			Key: "scale-answered-" + c.key + "-" + q.name, Figure: "from the engine's answer on, " + c.how + ", " + q.name,
			Value: Milliseconds(answered.Quantile(q.q)), Samples: row.Samples,
		})
	}
	for i, q := range quantiles {
		w.add(b, Row{
			Key: "task-" + c.key + "-" + q.name, Figure: fmt.Sprintf("watch hears of a new task, %s, %s", c.how, q.name),
			Value: Milliseconds(tasks.Quantile(q.q)), AtMost: c.task[i], Samples: fmt.Sprintf("%d tasks", len(tasks)),
		})
	}
}

// scaled is a Deployment of skep's with the watches that see it change.
type scaled struct {
	engine           *Engine
	name, service    string
	deployment, pods *Watch
}

// change is how long after `docker service scale` its event was read.
type change struct{ sinceSent, sinceAnswered time.Duration }

func (w *world) openScaled(b *testing.B, gateway *Gateway) *scaled {
	b.Helper()
	ctx := b.Context()
	s := &scaled{engine: w.engine, name: w.newName("watched")}
	if _, err := w.gateway.Do(ctx, createDeployment(watched, s.name, 1)); err != nil {
		b.Fatal(err)
	}
	service, err := w.engine.Service(ctx, watched, s.name)
	if err != nil {
		b.Fatal(err)
	}
	s.service = service.ID
	// The gateway that is measured may be another than the one that created it.
	waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := gateway.Process.Await(waiting, gateway.has(deployments(watched)+"/"+s.name)); err != nil {
		b.Fatal(err)
	}
	if s.deployment, err = gateway.Watch(ctx, deployments(watched)); err != nil {
		b.Fatal(err)
	}
	if s.pods, err = gateway.Watch(ctx, "/api/v1/namespaces/"+watched+"/pods"); err != nil {
		b.Fatal(err)
	}
	return s
}

// scale sets the replicas and waits for the Deployment's event and for one of a Pod, which it returns.
func (s *scaled) scale(ctx context.Context, replicas int, podEvent string) (change, Event, error) {
	sent, answered, err := s.engine.Scale(ctx, s.service, replicas)
	if err != nil {
		return change{}, Event{}, err
	}
	event, err := s.deployment.Await(ctx, fmt.Sprintf("%s scaled to %d", s.name, replicas), hasReplicas(s.name, replicas))
	if err != nil {
		return change{}, Event{}, err
	}
	pod, err := s.pods.Await(ctx, "a Pod "+podEvent, func(e Event) bool { return e.Type == podEvent })
	return change{event.At.Sub(sent), event.At.Sub(answered)}, pod, err
}

func hasReplicas(name string, replicas int) func(Event) bool {
	return func(e Event) bool {
		return e.Object.Metadata.Name == name && e.Object.Spec.Replicas != nil && *e.Object.Spec.Replicas == replicas
	}
}

// watchPeer is the like of it for kube-apiserver, from sending a PATCH of the replicas to its event.
func (w *world) watchPeer(b *testing.B) {
	b.Helper()
	ctx := b.Context()
	name := w.newName("watched")
	if _, err := w.peer.Do(ctx, createDeployment(watched, name, 1)); err != nil {
		b.Fatal(err)
	}
	watch, err := w.peer.Watch(ctx, deployments(watched))
	if err != nil {
		b.Fatal(err)
	}
	defer watch.Close()
	w.peerWatch = TakeTurns(b, 20, 2*scalings, func(i int) (time.Duration, error) {
		replicas := 1 + (i+1)%2
		from := time.Now()
		if _, err := w.peer.Do(ctx, Request{
			Method: http.MethodPatch, Path: deployments(watched) + "/" + name,
			ContentType: "application/merge-patch+json", Body: fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas),
		}); err != nil {
			return 0, err
		}
		event, err := watch.Await(ctx, "a patch", hasReplicas(name, replicas))
		return event.At.Sub(from), err
	})[0]
	for _, q := range quantiles {
		b.ReportMetric(Milliseconds(w.peerWatch.Quantile(q.q)).Number, "scale-peer-"+q.name+"-ms")
	}
}
