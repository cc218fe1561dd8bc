package gateway

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	memoryInterval = 15 * time.Second
	// memoryWorth is how much there has to be to give back, in bytes: a collection takes some 30 ms.
	memoryWorth = 8 << 20
)

// giveBack returns memory to the system when it is no longer needed: after the start, which builds the
// OpenAPI documents, and after large lists. Go's own pace would keep twice of what is in use.
func giveBack(ctx context.Context) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	kept := uint64(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc+m.HeapIdle-m.HeapReleased < kept+memoryWorth {
			continue
		}
		debug.FreeOSMemory()
		runtime.ReadMemStats(&m)
		kept = m.HeapAlloc + m.HeapIdle - m.HeapReleased
	}
}
