package helper

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// grace is how long processes have to heed a hang-up.
const grace = 5 * time.Second

// Kill ends a command that Docker started in a container by exec, with all that belongs to its session, as a terminal
// that is hung up does: by SIGHUP, and by SIGKILL a while later. A process that left the session, a daemon, stays. pid is
// the command's in the Engine's namespace, which must be this process's too. A pid that is no longer of that container is
// left alone.
func Kill(pid int, container string) error {
	if !inContainer(pid, container) {
		return nil
	}
	session, err := sessionOf(pid)
	if err != nil {
		return nil //nolint:nilerr // it has just ended
	}
	if session != pid {
		return fmt.Errorf("process %d of container %s leads no session, but is in that of %d", pid, container, session)
	}
	if err := signal(session, container, syscall.SIGHUP); err != nil {
		return err
	}
	_ = signal(session, container, syscall.SIGCONT) // one that is stopped does not see the first
	for end := time.Now().Add(grace); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if members, err := members(session, container); err != nil || len(members) == 0 {
			return err
		}
	}
	return signal(session, container, syscall.SIGKILL)
}

func signal(session int, container string, s syscall.Signal) error {
	pids, err := members(session, container)
	for _, pid := range pids {
		if e := syscall.Kill(pid, s); e != nil && !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, fmt.Errorf("signal %d to process %d: %w", s, pid, e))
		}
	}
	return err
}

// members are the processes of a session that are in the container and not dead already.
func members(session int, container string) ([]int, error) {
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range found {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if s, err := sessionOf(pid); err == nil && s == session && inContainer(pid, container) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// sessionOf is the session of a process that lives: field 6 of proc(5)'s stat, after the name, which may hold anything.
func sessionOf(pid int) (int, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 4 || fields[0] == "Z" || fields[0] == "X" {
		return 0, os.ErrNotExist
	}
	return strconv.Atoi(fields[3])
}

// inContainer says whether the process is in the container's control group, whose path has the container's ID.
func inContainer(pid int, container string) bool {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && len(container) >= 12 && bytes.Contains(groups, []byte(container))
}
