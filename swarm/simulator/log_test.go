package simulator

import (
	"strings"
	"testing"

	"github.com/moby/swarmkit/v2/api"
)

// propose logs transactions of one change each.
func propose(tb testing.TB, l *changeLog, transactions int) {
	tb.Helper()
	for range transactions {
		if err := l.ProposeValue(tb.Context(), make([]api.StoreAction, 1), func() {}); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestLogNumbersTransactions(t *testing.T) {
	l := newChangeLog()
	from := *l.GetVersion()
	propose(t, l, 3)
	to := *l.GetVersion()
	if to.Index != from.Index+3 {
		t.Errorf("three transactions went from version %d to %d", from.Index, to.Index)
	}
	changes, err := l.ChangesBetween(api.Version{Index: from.Index + 1}, to)
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) != 2 || changes[0].Version.Index != from.Index+2 || changes[1].Version != to {
		t.Errorf("after the first of three transactions there are %v", changes)
	}
}

func TestLogRefusesWhatItCannotReplay(t *testing.T) {
	l := newChangeLog()
	begin := *l.GetVersion()
	propose(t, l, 2*transactionsKept+1)
	now := *l.GetVersion()
	if len(l.changes) > transactionsKept {
		t.Errorf("%d transactions are kept", len(l.changes))
	}
	for _, c := range []struct {
		name     string
		from, to api.Version
		want     string
	}{
		{"what was dropped", begin, now, "unavailable due to compaction"},
		{"the future", api.Version{Index: now.Index + 1}, now, "versions are out of order"},
	} {
		if _, err := l.ChangesBetween(c.from, c.to); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, not %q", c.name, err, c.want)
		}
	}
	if changes, err := l.ChangesBetween(api.Version{Index: now.Index - transactionsKept/2}, now); err != nil || len(changes) != transactionsKept/2 {
		t.Errorf("half of what is kept: %d, %v", len(changes), err)
	}
}
