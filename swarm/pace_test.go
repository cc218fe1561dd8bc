package swarm

import (
	"context"
	"fmt"
	"testing"
	"time"

	"skep/translate"
)

func paced(t *testing.T) (*bench, chan []change) {
	t.Helper()
	b := newBench(t)
	changes := make(chan []change, batchLimit)
	done := make(chan struct{})
	go func() { b.m.takeIn(t.Context(), changes); close(done) }()
	t.Cleanup(func() { <-done })
	time.Sleep(10 * time.Millisecond)
	return b, changes
}

func awaitRevision(t *testing.T, m *Mirror, rev uint64) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, func() string {
		if now := m.Revision(); now < rev {
			return fmt.Sprintf("the revision is %d, not %d", now, rev)
		}
		return ""
	})
	return time.Since(began)
}

// What changes over and over is shown as it comes first and then ten times a second, and nothing is lost.
func TestTakeInRests(t *testing.T) {
	b, changes := paced(t)
	changes <- []change{b.pod("a", 100, "a", "first")}
	if took := awaitRevision(t, b.m, 100); took > restMost/2 {
		t.Errorf("a single change took %v", took)
	}
	for i := range uint64(50) {
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			changes <- []change{b.pod(name, 200+i*10, name, fmt.Sprint(i))}
		}
		time.Sleep(4 * time.Millisecond)
	}
	awaitRevision(t, b.m, 690)
	if told := len(b.since(100)); told < 16 || told > 120 {
		t.Errorf("of 400 changes %d were told", told)
	}
	if e := b.view.find(translate.Key{Namespace: "ns", Name: "h"}); e == nil || e.rev/perIndex != 690 {
		t.Errorf("the last change of h is not there: %v", e)
	}
}

// Who waits for a write of their own does not wait for the rest.
func TestTakeInHurries(t *testing.T) {
	b, changes := paced(t)
	var many []change
	for i := range uint64(200) {
		many = append(many, b.pod(fmt.Sprint("p", i), 100+i, fmt.Sprint("p", i), ""))
	}
	changes <- many
	awaitRevision(t, b.m, 299)
	began := time.Now()
	go func() {
		time.Sleep(5 * time.Millisecond)
		changes <- []change{b.pod("mine", 400, "mine", "")}
	}()
	wait, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := b.m.awaitSoon(wait, func() bool { return b.m.rev >= 400 }); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > restMost/2 {
		t.Errorf("a write was read back after %v", took)
	}
}

// The changes before the end are taken in.
func TestTakeInEnds(t *testing.T) {
	b := newBench(t)
	changes := make(chan []change, 10)
	for i := range uint64(5) {
		changes <- []change{b.pod("a", 100+i, "a", fmt.Sprint(i))}
	}
	close(changes)
	b.m.takeIn(t.Context(), changes)
	if got := b.m.Revision(); got != 104 {
		t.Errorf("the revision is %d, not 104", got)
	}
}
