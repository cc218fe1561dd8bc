package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine describes what a run ran on, and how busy that was before it began: a shared machine spoils figures.
func Machine(dir string) string {
	load, _, _ := strings.Cut(contents("/proc/loadavg"), " ")
	memory, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	kilobytes, _ := strconv.ParseInt(memory, 10, 64) // 0 when unknown
	return fmt.Sprintf("%s; %d cores of %s, %s of memory, Linux %s, %s on %s, %s; load %s before the run.",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), field("/proc/cpuinfo", "model name"),
		Mebibytes(kilobytes<<10), contents("/proc/sys/kernel/osrelease"), filepath.Dir(dir), filesystem(dir),
		runtime.Version(), load)
}

func contents(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// field is the value of a "key: value" line.
func field(file, key string) string {
	for line := range strings.Lines(contents(file)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// filesystem names the one that dir is on: both stores wait for its fsync.
func filesystem(dir string) string {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return err.Error()
	}
	switch stat.Type {
	case 0xEF53:
		return "ext4"
	case 0x01021994:
		return "tmpfs"
	case 0x9123683E:
		return "btrfs"
	case 0x58465342:
		return "xfs"
	case 0x794C7630:
		return "overlayfs"
	}
	return fmt.Sprintf("filesystem %#x", stat.Type)
}
