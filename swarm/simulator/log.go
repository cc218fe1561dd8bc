package simulator

import (
	"context"
	"errors"
	"sync"

	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// As many transactions as a manager keeps between two snapshots of its raft log, and as many changes: a
// transaction may have hundreds.
const (
	transactionsKept = 10_000
	actionsKept      = 50_000
)

// changeLog takes the place of the raft log: it numbers the transactions and remembers the last of them, from which a
// watch can resume.
type changeLog struct {
	mu      sync.Mutex
	version uint64
	changes []state.Change // the oldest first
	actions int
}

var _ state.Proposer = (*changeLog)(nil)

// newChangeLog begins where a manager's log is once it has elected itself.
func newChangeLog() *changeLog { return &changeLog{version: 5} }

// errTooLarge is what a raft node says of a transaction that does not fit into a message.
var errTooLarge = errors.New("raft: raft message is too large and can't be sent")

// ProposeValue implements state.Proposer. There is nobody to agree with.
func (l *changeLog) ProposeValue(_ context.Context, actions []api.StoreAction, commit func()) error {
	size := 0
	for i := range actions {
		size += actions[i].Size()
	}
	if size > store.MaxTransactionBytes {
		return errTooLarge
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	commit()
	l.version++
	l.changes = append(l.changes, state.Change{StoreActions: actions, Version: api.Version{Index: l.version}})
	l.actions += len(actions)
	if len(l.changes) > 2*transactionsKept || l.actions > 2*actionsKept {
		l.compact()
	}
	return nil
}

// compact drops the oldest transactions, as a snapshot would. The log is locked.
func (l *changeLog) compact() {
	drop := 0
	for len(l.changes)-drop > transactionsKept || l.actions > actionsKept {
		l.actions -= len(l.changes[drop].StoreActions)
		drop++
	}
	l.changes = append([]state.Change(nil), l.changes[drop:]...)
}

// GetVersion implements state.Proposer.
func (l *changeLog) GetVersion() *api.Version {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &api.Version{Index: l.version}
}

// ChangesBetween implements state.Proposer, with the errors of a raft node.
func (l *changeLog) ChangesBetween(from, to api.Version) ([]state.Change, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.version + 1
	if len(l.changes) > 0 {
		first = l.changes[0].Version.Index
	}
	switch {
	case from.Index > to.Index:
		return nil, errors.New("versions are out of order")
	case from.Index+1 < first:
		return nil, errors.New("requested index is unavailable due to compaction")
	}
	between := l.changes[from.Index+1-first:]
	return between[:min(to.Index-from.Index, uint64(len(between)))], nil
}
