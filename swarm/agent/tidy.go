package agent

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// tidyAfter is how long there must be nothing to do before memory is given back.
	tidyAfter = 2 * time.Second
	// tidyAbove is how much heap, in bytes, may stay with the process.
	tidyAbove = 12 << 20
)

// tidy gives memory back to the system when the last request is done: Go would keep what a big transfer took for minutes,
// and an agent mostly waits.
func tidy(next http.Handler) http.Handler {
	var mu sync.Mutex
	var active int
	idle := time.AfterFunc(time.Hour, func() {
		var m runtime.MemStats
		if runtime.ReadMemStats(&m); m.HeapSys-m.HeapReleased > tidyAbove {
			debug.FreeOSMemory()
		}
	})
	idle.Stop()
	count := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		if active += by; active > 0 {
			idle.Stop()
		} else {
			idle.Reset(tidyAfter)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count(1)
		defer count(-1)
		next.ServeHTTP(w, r)
	})
}
