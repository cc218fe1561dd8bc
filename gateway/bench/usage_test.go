package bench

import (
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	rollup := "55e-7ff ---p 00000000 00:00 0  [rollup]\nRss:                5096 kB\nPss_Anon:            1 kB\nAnonymous:          1200 kB\n"
	for name, want := range map[string]int64{"Rss:": 5096 << 10, "Anonymous:": 1200 << 10} {
		if got, err := rollupBytes(rollup, name); err != nil || got != want {
			t.Errorf("%s got %d, %v; want %d", name, got, err, want)
		}
	}
	if _, err := rollupBytes(rollup, "Swap:"); err == nil {
		t.Error("a line that is not there was found")
	}

	stat := "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 100 1 2 3"
	if got, err := statCPU(stat); err != nil || got != 3*time.Second {
		t.Errorf("got %v, %v; want 3s", got, err)
	}
	if _, err := statCPU("nonsense"); err == nil {
		t.Error("nonsense was read")
	}
}
