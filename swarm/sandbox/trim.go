package sandbox

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// Trim gives back memory that the sandbox needed to start and to work: it runs for as long as its Pod, mostly idle, and
// there is one for each Pod. It never returns.
func Trim() {
	for _, pause := range []time.Duration{3 * time.Second, 10 * time.Second, time.Minute} {
		time.Sleep(pause)
		trim()
	}
	for {
		time.Sleep(10 * time.Minute)
		trim()
	}
}

// trim frees what is garbage, and unmaps the program's own pages: the code and constants of its start are not used again.
// They stay in the page cache, where what is used is found without a read.
func trim() {
	debug.FreeOSMemory()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close() //nolint:errcheck // it was only read
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		line := lines.Text()
		var from, to uintptr
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
			continue
		}
		// Never a page that can be written: what is in it is nowhere else.
		if strings.HasSuffix(line, program) && !strings.Contains(mode, "w") {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED) // it is but an advice
		}
	}
}
