package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process holds and has used.
type Usage struct {
	RSS, Anonymous int64         // bytes; what is not anonymous is the program's own file, shared and reclaimable
	CPU            time.Duration // user and system time since its start
}

// Usage reads /proc of the program.
func (p *Process) Usage() (Usage, error) {
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	rollup, err := os.ReadFile(dir + "smaps_rollup")
	if err != nil {
		return Usage{}, err
	}
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return Usage{}, err
	}
	usage := Usage{}
	if usage.RSS, err = rollupBytes(string(rollup), "Rss:"); err != nil {
		return Usage{}, err
	}
	if usage.Anonymous, err = rollupBytes(string(rollup), "Anonymous:"); err != nil {
		return Usage{}, err
	}
	usage.CPU, err = statCPU(string(stat))
	return usage, err
}

// rollupBytes is the value of a line of /proc/PID/smaps_rollup ("Rss:   5096 kB").
func rollupBytes(rollup, name string) (int64, error) {
	for line := range strings.Lines(rollup) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("smaps_rollup has no line %q", name)
}

// statCPU is utime + stime of /proc/PID/stat: the 14th and 15th field, in ticks of 10 ms (USER_HZ is 100 on every
// Linux that Go runs on). The 2nd, the program's name in brackets, may hold spaces.
func statCPU(stat string) (time.Duration, error) {
	_, after, found := strings.Cut(stat[max(0, strings.LastIndexByte(stat, ')')):], ") ")
	fields := strings.Fields(after) // from the 3rd on
	if !found || len(fields) < 13 {
		return 0, fmt.Errorf("stat: cannot read %q", stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("stat: utime: %w", err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("stat: stime: %w", err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}
