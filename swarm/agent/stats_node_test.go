package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

func TestWorkingSet(t *testing.T) {
	for name, c := range map[string]struct {
		stats map[string]uint64
		want  uint64
	}{
		"cgroup v1":            {map[string]uint64{"inactive_file": 1, "total_inactive_file": 30}, 70},
		"cgroup v2":            {map[string]uint64{"inactive_file": 40}, 60},
		"more files than used": {map[string]uint64{"inactive_file": 400}, 0},
		"nothing known":        {nil, 100},
	} {
		if got := workingSet(container.MemoryStats{Usage: 100, Stats: c.stats}); got != c.want {
			t.Errorf("%s: %d, not %d", name, got, c.want)
		}
	}
}

func TestSampleNode(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		// user nice system idle iowait irq softirq steal guest guest_nice, in hundredths of a second
		"stat":    "cpu  100 20 30 5000 600 7 8 9 99 99\ncpu0 1 2 3 4 5 6 7 8 9 10\n",
		"meminfo": "MemTotal:       1000 kB\nMemFree:         300 kB\nInactive(file):  200 kB\nHugePages_Total:       0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sampleNode(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := 1740 * time.Millisecond; time.Duration(s.cpu) != want {
		t.Errorf("CPU %v, not %v", time.Duration(s.cpu), want)
	}
	if s.memory != 500<<10 || memoryOf(dir) != 1000<<10 {
		t.Errorf("memory %d of %d", s.memory, memoryOf(dir))
	}
	if _, err := sampleNode(t.TempDir()); err == nil {
		t.Error("a system without /proc has statistics")
	}
}

func TestUsage(t *testing.T) {
	now := time.Now()
	u := usage(sample{now, 1e9, 1}, sample{now.Add(2 * time.Second), 2e9, 7})
	if u.CPU != 5e8 || u.Memory != 7 || u.Window != 2*time.Second || !u.Timestamp.Equal(now.Add(2*time.Second)) {
		t.Errorf("one second of CPU in two: %+v", u)
	}
	if u := usage(sample{now, 5, 1}, sample{now, 5, 1}); u.CPU != 0 {
		t.Errorf("no time: %+v", u)
	}
}
