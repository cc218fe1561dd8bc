package nginx

import (
	"fmt"
	"regexp"
	"strings"
)

// runDir is where nginx keeps its pid and temporary files: there in every image, and writable with a read-only root.
const runDir = "/tmp"

// shutdownTimeout is how long connections may last after SIGQUIT: a little less than what is usual before SIGKILL.
const shutdownTimeout = "55s"

// What a worker may have of connections, for 4,096 clients: in a stream one to the client and one to the backend, in
// HTTP with a hop four, and one for each socket that is listened at.
const (
	streamConnections = 8192
	httpConnections   = 16384 + 2*maxHops
)

// writer writes directives, indented. Its first error is that of the whole configuration.
type writer struct {
	strings.Builder
	depth int
	err   error
}

func (w *writer) linef(format string, args ...any) {
	w.WriteString(strings.Repeat("    ", w.depth))
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

// block writes what body writes between braces.
func (w *writer) block(head string, body func()) {
	w.linef("%s {", head)
	w.depth++
	body()
	w.depth--
	w.linef("}")
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// quote writes text as one word for directives that look for no variables in it.
func (w *writer) quote(text string) string {
	if err := checkText(text); err != nil {
		w.fail(err)
		return `""`
	}
	return `"` + escaper.Replace(text) + `"`
}

// fill is quote for directives that fill in variables. nginx has no way to write "$" itself there, so each has to
// begin one of the variables that are allowed.
func (w *writer) fill(text string, variables *regexp.Regexp) string {
	if err := checkVariables(text, variables); err != nil {
		w.fail(err)
		return `""`
	}
	return w.quote(text)
}

// preamble is what stands before the stream and http blocks.
func (w *writer) preamble(connections int) {
	w.linef("# Written by skep: changes are lost.")
	w.linef("include /etc/nginx/modules-enabled/*.conf;") // Debian loads stream there; elsewhere it is built in
	w.linef("worker_processes auto;")
	w.linef("worker_rlimit_nofile 32768;")
	w.linef("worker_shutdown_timeout %s;", shutdownTimeout)
	w.linef("pid %s/nginx.pid;", runDir)
	w.linef("error_log stderr warn;") // the descriptor itself: /dev/stderr cannot be opened where it is a socket
	w.block("events", func() { w.linef("worker_connections %d;", connections) })
}

// resolver writes where names are looked up, and that answers are soon stale: tasks come and go.
func (w *writer) resolver(address string) {
	if err := checkResolver(address); err != nil {
		w.fail(err)
		return
	}
	w.linef("resolver %s valid=1s ipv6=off;", address)
	w.linef("resolver_timeout 5s;")
}
