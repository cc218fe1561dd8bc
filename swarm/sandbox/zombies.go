package sandbox

import (
	"os"
	"os/signal"
	"syscall"
)

// ReapZombies buries the processes whose parents have died: with shareProcessNamespace the sandbox is process 1 of all
// containers of its Pod. It never returns. The sandbox has no children of its own, so it takes nothing from anybody.
func ReapZombies() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
	}
}
