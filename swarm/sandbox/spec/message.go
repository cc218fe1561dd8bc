package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/util/tail"

	"skep/translate/manifest"
)

// messages is where termination messages are kept, below the directory RunDir: <container>/<attempt>.
const messages = "termination"

// maxMessage is how much of a termination message counts, in bytes from its end.
const maxMessage = 4096

// messageFile creates the empty file of a container's attempt, which any user may write, and returns where it is on the
// node. Those of attempts before the last are removed.
func (p *Pod) messageFile(container string, attempt int) (string, error) {
	node, found := p.facts.Host[manifest.RunDir]
	if !found {
		return "", fmt.Errorf("cannot bind terminationMessagePath: %s is not a mount of the sandbox", manifest.RunDir)
	}
	if err := os.RemoveAll(p.message(container, attempt-2)); err != nil {
		return "", fmt.Errorf("cannot remove an old termination message: %w", err)
	}
	file := p.message(container, attempt)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", fmt.Errorf("cannot create termination message: %w", err)
	}
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		return "", fmt.Errorf("cannot create termination message: %w", err)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		return "", fmt.Errorf("cannot create termination message: %w", err)
	}
	return filepath.Join(node, messages, container, strconv.Itoa(attempt)), nil
}

// message is where the sandbox sees the message of an attempt.
func (p *Pod) message(container string, attempt int) string {
	return p.path(manifest.RunDir, messages, container, strconv.Itoa(attempt))
}

// TerminationMessage is what a container's attempt left at its terminationMessagePath: the last 4096 bytes of it, "" if
// there is nothing. FallbackToLogsOnError is the caller's.
func (p *Pod) TerminationMessage(c *corev1.Container, attempt int) (string, error) {
	data, _, err := tail.ReadAtMost(p.message(c.Name, attempt), maxMessage)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("error on reading termination log %s: %w", c.TerminationMessagePath, err)
	}
	return string(data), nil
}
