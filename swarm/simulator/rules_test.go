package simulator

import (
	"strings"
	"testing"
	"time"

	"github.com/moby/swarmkit/v2/api"
)

func TestRulesAreReadStrictly(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an unknown field", "tasks: [{imgae: x}]", "imgae"},
		{"no time", "tasks: [{start: soon}]", "soon"},
		{"a range backwards", "tasks: [{exit: 5s-1s}]", "no time or range"},
		{"a bad pattern", "tasks: [{image: '[x'}]", "tasks[0].image"},
		{"no size", "nodes: [{memory: much}]", "nodes[0].memory"},
	} {
		if _, err := ParseRules([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, not %q", c.name, err, c.want)
		}
	}
}

// taskOf is a task of an image with labels of its service and its container.
func taskOf(service, image string, serviceLabels, containerLabels map[string]string) *api.Task {
	return &api.Task{
		ServiceAnnotations: api.Annotations{Name: service, Labels: serviceLabels},
		Spec:               api.TaskSpec{Runtime: &api.TaskSpec_Container{Container: &api.ContainerSpec{Image: image, Labels: containerLabels}}},
	}
}

func TestTheFirstThatSaysSomethingDecides(t *testing.T) {
	rules, err := ParseRules([]byte(`
tasks:
- {service: "shop_*", start: 1s, code: 0}
- {image: "broken/*", pull: "No such image", start: 2s, exit: 3s}
- {stop: 4s}
`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := rules.task(taskOf("shop_web", "broken/web", map[string]string{"simulate.exit": "7s"}, map[string]string{"simulate.exit": "8s", "simulate.log": "hello"}))
	if err != nil {
		t.Fatal(err)
	}
	if b.Exit.Least != 7*time.Second || b.Start.Least != time.Second || b.Pull != "No such image" || b.Stop.Least != 4*time.Second ||
		b.Code == nil || *b.Code != 0 || len(b.Log) != 1 {
		t.Errorf("the behaviour is %+v", b)
	}
	if b, _ := rules.task(taskOf("other", "fine", nil, nil)); b.Start.said() || b.Pull != "" {
		t.Errorf("rules of others were taken: %+v", b)
	}
	if _, err := rules.task(taskOf("x", "y", map[string]string{"simulate.code": "one"}, nil)); err == nil || !strings.Contains(err.Error(), "simulate.code") {
		t.Errorf("a label that is no number: %v", err)
	}
}

func TestChanceFollowsTheSeed(t *testing.T) {
	s := Span{Least: time.Second, Most: time.Hour}
	draw := func(seed int64, names ...any) time.Duration { return s.draw(chance(seed, names...)) }
	if once, again := draw(1, "web", 2), draw(1, "web", 2); once != again {
		t.Error("one seed, one name, two times")
	}
	if draw(1, "web", 2) == draw(2, "web", 2) || draw(1, "web", 2) == draw(1, "web", 3) {
		t.Error("another seed or name makes no difference")
	}
	if once, again := nodeID(1, 1), nodeID(1, 1); once != again || nodeID(1, 1) == nodeID(1, 2) || len(nodeID(1, 1)) != idLength {
		t.Error("node IDs do not follow the seed")
	}
}
