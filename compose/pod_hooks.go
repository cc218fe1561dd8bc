package compose

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
)

// hooks are what Compose runs in a container when it has started, and before it is stopped.
func (c *converter) hooks(w *workload) {
	f := w.service.File
	hook := func(key string, hooks []types.ServiceHook) *corev1.LifecycleHandler {
		var command []string
		for i, h := range hooks {
			at := fmt.Sprintf("%s.%s[%d]", w.at, key, i)
			if h.User != "" || h.Privileged {
				c.find(Approximated, at, "Kubernetes runs it as the container's user")
			}
			if words := hookCommand(h); i == 0 {
				command = words
			} else {
				command = []string{"/bin/sh", "-c", shellWords(command) + " && " + shellWords(words)}
			}
		}
		if command == nil {
			return nil
		}
		return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: command}}
	}
	start, stop := hook("post_start", f.PostStart), hook("pre_stop", f.PreStop)
	if start == nil && stop == nil {
		return
	}
	con := w.container()
	if con.Lifecycle == nil {
		con.Lifecycle = &corev1.Lifecycle{}
	}
	con.Lifecycle.PostStart, con.Lifecycle.PreStop = start, stop
}

// hookCommand is a hook's command in its directory and with its variables; a hook of Kubernetes has none of its own.
func hookCommand(h types.ServiceHook) []string {
	if h.WorkingDir == "" && len(h.Environment) == 0 {
		return h.Command
	}
	line := "exec "
	if len(h.Environment) > 0 {
		line += "env "
	}
	for _, name := range sortedKeys(h.Environment) {
		if value := h.Environment[name]; value != nil {
			line += shellWord(name+"="+*value) + " "
		}
	}
	line += shellWords(h.Command)
	if h.WorkingDir != "" {
		line = "cd " + shellWord(h.WorkingDir) + " && " + line
	}
	return []string{"/bin/sh", "-c", line}
}

func shellWords(words []string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, shellWord(w))
	}
	return strings.Join(quoted, " ")
}

var plainWord = regexp.MustCompile(`^[-a-zA-Z0-9_./:=@%+,]+$`)

// shellWord is a word as a POSIX shell reads it back.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
