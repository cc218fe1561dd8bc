package swarm

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelDoes tells whether this machine's kernel has IPVS, on which virtual IPs and the routing mesh rest. known is
// false where nothing tells.
func kernelDoes() (has, known bool) {
	if _, err := os.Stat("/proc/net/ip_vs"); err == nil {
		return true, true
	}
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false, false
	}
	for _, path := range []string{"/proc/config.gz", "/boot/config-" + unix.ByteSliceToString(name.Release[:])} {
		if has, known := kernelConfigured(path); known {
			return has, true
		}
	}
	return false, false
}

// kernelConfigured looks for IPVS in a kernel's configuration.
func kernelConfigured(path string) (has, known bool) {
	f, err := os.Open(path)
	if err != nil {
		return false, false
	}
	defer func() { _ = f.Close() }()
	var text io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if text, err = gzip.NewReader(f); err != nil {
			return false, false
		}
	}
	for lines := bufio.NewScanner(text); lines.Scan(); {
		if line := lines.Text(); line == "CONFIG_IP_VS=y" || line == "CONFIG_IP_VS=m" {
			return true, true
		}
	}
	return false, true
}

// LacksIPVS says that the Engine is on this machine, whose kernel has no IPVS.
func (e *Engine) LacksIPVS() bool {
	if !e.local {
		return false
	}
	has, known := kernelDoes()
	return known && !has
}
