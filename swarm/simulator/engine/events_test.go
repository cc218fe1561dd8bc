package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"skep/swarm/simulator"
)

// describe is an event in a line.
func describe(m events.Message) string {
	var attributes []string
	for _, key := range []string{
		"name", "replicas.old", "replicas.new", "image.old", "image.new", "availability.old", "availability.new", "updatestate.new",
	} {
		if value, ok := m.Actor.Attributes[key]; ok {
			attributes = append(attributes, key+"="+value)
		}
	}
	return fmt.Sprint(m.Scope, " ", m.Type, " ", m.Action, " ", strings.Join(attributes, " "))
}

// awaitEvent reads events until that one comes.
func awaitEvent(t *testing.T, messages <-chan events.Message, errs <-chan error, want string) {
	t.Helper()
	var seen []string
	deadline := time.After(10 * time.Second)
	for {
		select {
		case m := <-messages:
			if got := describe(m); got == want {
				return
			} else {
				seen = append(seen, got)
			}
		case err := <-errs:
			t.Fatalf("%v before %q", err, want)
		case <-deadline:
			t.Fatalf("no event %q, but %q", want, seen)
		}
	}
}

func TestEvents(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 2}, nil)
	messages, errs := r.Events(t.Context(), events.ListOptions{Filters: filters.NewArgs(filters.Arg("scope", "swarm"))})
	if _, err := r.NetworkCreate(t.Context(), "net", network.CreateOptions{Driver: "overlay"}); err != nil {
		t.Fatal(err)
	}
	awaitEvent(t, messages, errs, "swarm network create name=net")
	if _, err := r.ConfigCreate(t.Context(), swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "c"}, Data: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	awaitEvent(t, messages, errs, "swarm config create name=c")
	id := r.create(spec("web", 1))
	awaitEvent(t, messages, errs, "swarm service create name=web")
	r.running(id, 1)

	service := r.service(id)
	three := uint64(3)
	service.Spec.Mode.Replicated.Replicas = &three
	service.Spec.TaskTemplate.ContainerSpec.Image = "nginx:1"
	if _, err := r.ServiceUpdate(t.Context(), id, service.Version, service.Spec, swarm.ServiceUpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitEvent(t, messages, errs, "swarm service update name=web replicas.old=1 replicas.new=3 image.old=nginx:alpine image.new=nginx:1")
	awaitEvent(t, messages, errs, "swarm service update name=web updatestate.new=updating")

	nodes, err := r.NodeList(t.Context(), swarm.NodeListOptions{Filters: filters.NewArgs(filters.Arg("role", "worker"))})
	if err != nil {
		t.Fatal(err)
	}
	nodes[0].Spec.Availability = swarm.NodeAvailabilityDrain
	if err := r.NodeUpdate(t.Context(), nodes[0].ID, nodes[0].Version, nodes[0].Spec); err != nil {
		t.Fatal(err)
	}
	awaitEvent(t, messages, errs, "swarm node update name="+nodes[0].Description.Hostname+" availability.old=active availability.new=drain")
	if err := r.ServiceRemove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	awaitEvent(t, messages, errs, "swarm service remove name=web")
}

// What was before is told to who asks since, and what is not asked for is not.
func TestEventsSince(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	before := time.Now()
	id := r.create(spec("web", 1))
	r.create(spec("other", 1))
	if _, err := r.NetworkCreate(t.Context(), "own", network.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.running(id, 1)
	options := events.ListOptions{
		Since:   fmt.Sprintf("%d.%09d", before.Unix(), before.Nanosecond()),
		Filters: filters.NewArgs(filters.Arg("event", "create"), filters.Arg("service", "web")),
	}
	messages, errs := r.Events(t.Context(), options)
	awaitEvent(t, messages, errs, "swarm service create name=web")
	select {
	case m := <-messages:
		t.Errorf("nobody asked for %q", describe(m))
	case <-time.After(50 * time.Millisecond):
	}
	options.Filters = filters.NewArgs(filters.Arg("scope", "local"))
	messages, errs = r.Events(t.Context(), options)
	awaitEvent(t, messages, errs, "local network create name=own")
}
