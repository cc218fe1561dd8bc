package swarm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"k8s.io/klog/v2"

	"skep/translate"
)

// labelledMark is the value of translate.LabelMaterial on a mark.
const labelledMark = "mark"

// mark moves the Swarm's raft index by a config, which is removed again at once. What is read after it has
// a higher index than anything that any gateway has shown before, removals included: a watch from back
// then is told that it is too old, not that nothing happened. And what time alone changes gets a version
// by it, the same one on every gateway.
func (e *Engine) mark(ctx context.Context) (id string, err error) {
	name := make([]byte, 8)
	_, _ = rand.Read(name)
	made, err := e.ConfigCreate(ctx, swarm.ConfigSpec{
		Annotations: swarm.Annotations{
			Name: "skep-mark-" + hex.EncodeToString(name), Labels: map[string]string{translate.LabelMaterial: labelledMark},
		},
		Data: []byte("skep made this to move the Swarm's version, and removes it\n"),
	})
	if err != nil {
		return "", fmt.Errorf("move the Swarm's version: %w", err)
	}
	return made.ID, nil
}

// unmark removes what mark made. What is left behind is swept like any material that nothing uses.
func (e *Engine) unmark(ctx context.Context, id string) {
	if err := e.ConfigRemove(ctx, id); err != nil {
		klog.V(2).InfoS("A mark is left to the next sweep", "config", id, "err", err)
	}
}

// markInterval is how seldom at most marks are made for what time changes.
const markInterval = 200 * time.Millisecond

// keepTime makes a mark whenever time has changed something.
func (m *Mirror) keepTime(ctx context.Context, e *Engine) {
	for {
		select {
		case <-m.due:
		case <-ctx.Done():
			return
		}
		id, err := e.mark(ctx)
		if err != nil {
			klog.V(2).InfoS("What time has changed is not shown yet", "err", err)
			m.ring()
		} else {
			e.settle(ctx, m, translate.GroupConfig, id, 0, false)
			e.unmark(ctx, id)
		}
		select {
		case <-time.After(markInterval):
		case <-ctx.Done():
			return
		}
	}
}

// ring asks for a mark.
func (m *Mirror) ring() {
	select {
	case m.due <- struct{}{}:
	default:
	}
}
