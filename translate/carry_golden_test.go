package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// mostSteps is how many steps at most bring traffic on its way after anything that happens in a case.
const mostSteps = 20

// TestCarryGolden reads testdata/carry: what happens, each time followed by the steps that Carry, CarryIngresses and
// CarryPolicies take until there is none left; then the ways that Services go, and what cannot be.
func TestCarryGolden(t *testing.T) {
	eachCase(t, "carry", carryOut)
}

// carryOut tells the steps that follow the last document in full, and of those before what they were about.
func carryOut(t *testing.T, input string) string {
	t.Helper()
	s := &stage{fakeWorld: newWorld(), t: t, show: "plans"}
	docs := strings.Split(input, "\n---\n")
	for i, doc := range docs {
		s.last = i == len(docs)-1
		s.index++
		s.happen(doc)
		s.carryOn(i + 1)
	}
	s.tellRoutes()
	return s.out.String()
}

// carryOn takes steps until there are none.
func (s *stage) carryOn(document int) {
	s.t.Helper()
	for range mostSteps {
		plan := s.nextStep()
		if plan.Commit.Empty() {
			return
		}
		if s.last {
			fmt.Fprintf(&s.out, "%sstep\n", goldenLine)
			s.tellPlan(plan)
		} else {
			fmt.Fprintf(&s.out, "%safter document %d: %s\n", goldenLine, document, s.briefly(plan.Commit))
		}
		s.run(s.t, plan)
	}
	s.t.Fatalf("there is no end to it:\n%s", s.out.String())
}

// briefly names what a step is about.
func (s *stage) briefly(step Step) string {
	switch {
	case step.Service != nil && step.ID == "":
		return "create service " + step.Service.Name
	case step.Service != nil:
		return "change service " + step.Service.Name
	}
	return "remove service " + s.services[step.ID].Spec.Name
}

// carry plans for a Service, and sees to it that nothing is changed by that.
func (w *fakeWorld) carry(t *testing.T, k Key) Plan {
	t.Helper()
	before := w.snapshot(t)
	plan, err := Carry(w, k)
	if err != nil {
		t.Fatalf("%v: %v", k, err)
	}
	if w.snapshot(t) != before {
		t.Errorf("Carry changed the Swarm")
	}
	return plan
}

// nextStep is the first that anything asks for.
func (s *stage) nextStep() Plan {
	s.t.Helper()
	for _, k := range s.carried() {
		if plan := s.carry(s.t, k); !plan.Commit.Empty() {
			return plan
		}
	}
	plan, _, err := CarryIngresses(s)
	if err != nil {
		s.t.Fatal(err)
	}
	if plan.Commit.Empty() {
		plan = CarryPolicies(s)
	}
	return plan
}

// carried are the keys of all Services that there are, or were.
func (w *fakeWorld) carried() []Key {
	ids := map[string]bool{}
	for _, id := range w.addressIDs() {
		ids[id] = true
	}
	for _, service := range w.services {
		if of := service.Spec.Labels[LabelProxy]; of != "" {
			ids[of] = true
			continue
		}
		for _, k := range Worn(w.networking, &service.Spec) {
			ids[AddressID(k)] = true
		}
	}
	var keys []Key
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		keys = append(keys, AddressKey(id))
	}
	return keys
}

// tellRoutes tells which way each Service goes, and what cannot be.
func (s *stage) tellRoutes() {
	s.t.Helper()
	var problems []Problem
	for _, f := range s.list(s.t, Services{}) {
		live := liveOf(s, exposedAs(s, f.Key))
		fmt.Fprintf(&s.out, "%s%s: %s%s\n", goldenLine, AddressID(f.Key), live.route, strings.TrimRight(" "+live.ip+" "+strings.Join(live.outside, " "), " "))
		problems = append(problems, ServiceProblems(s, f.Key)...)
	}
	_, more, err := CarryIngresses(s)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range append(problems, more...) {
		fmt.Fprintf(&s.out, "%sproblem of %s %s\n%s: %s\n", goldenLine, p.Kind, AddressID(p.Key), p.Reason, p.Message)
	}
}
