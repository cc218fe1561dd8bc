package agent

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the kernel's unit of time in /proc/stat: USER_HZ, 100 a second.
const tick = 10 * time.Millisecond

// sampleNode is the machine's: a container sees these two files of /proc as the machine has them.
func sampleNode(proc string) (sample, error) {
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return sample{}, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[0] != "cpu" {
		return sample{}, errors.New("/proc/stat is not as expected")
	}
	var busy uint64
	// user nice system idle iowait irq softirq steal; what follows is in user and nice already.
	for i, field := range fields[1:min(len(fields), 9)] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return sample{}, err
		}
		if i != 3 && i != 4 {
			busy += n
		}
	}
	m := memory(proc)
	used := m["MemTotal"] - min(m["MemFree"], m["MemTotal"])
	return sample{time.Now(), busy * uint64(tick), used - min(m["Inactive(file)"], used)}, nil
}

// memoryOf is how much the machine has, in bytes; 0 if that is not known.
func memoryOf(proc string) uint64 { return memory(proc)["MemTotal"] }

// memory is /proc/meminfo in bytes.
func memory(proc string) map[string]uint64 {
	out := map[string]uint64{}
	f, err := os.Open(filepath.Join(proc, "meminfo"))
	if err != nil {
		return out
	}
	defer f.Close() //nolint:errcheck // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		if n, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); err == nil {
			out[name] = n << 10
		}
	}
	return out
}
