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
	// memoryBusy is what is allocated within the interval when there is something to do, in bytes. Then Go collects
	// often enough, and a collection of ours, which costs more the larger the Swarm is, would only be one more.
	memoryBusy = 64 << 20
)

// giveBack returns memory to the system when it is no longer needed: after the start, which builds the
// OpenAPI documents, and after large lists. Go's own pace would keep twice of what is in use.
func giveBack(ctx context.Context) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	var m runtime.MemStats
	kept, allocated := uint64(0), uint64(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		runtime.ReadMemStats(&m)
		busy := m.TotalAlloc-allocated > memoryBusy
		allocated = m.TotalAlloc
		if busy || mapped(&m) < kept+memoryWorth {
			continue
		}
		debug.FreeOSMemory()
		runtime.ReadMemStats(&m)
		kept = mapped(&m)
	}
}

// mapped is the memory of the heap that the system counts as used, but for room between objects.
func mapped(m *runtime.MemStats) uint64 { return m.HeapAlloc + m.HeapIdle - m.HeapReleased }
