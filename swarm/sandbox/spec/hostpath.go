package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// onNode is where the sandbox sees a path of the node, links resolved as the node does.
func (p *Pod) onNode(path string) (string, error) {
	root := p.path(manifest.HostDir)
	if _, err := os.Stat(root); err != nil {
		return "", fmt.Errorf("the node's root directory is not mounted at %s in the sandbox, so %s cannot be looked at", manifest.HostDir, path)
	}
	return securejoin.SecureJoin(root, path)
}

// checkHostPath sees to it that the path is there, and what its type says.
func (p *Pod) checkHostPath(h *corev1.HostPathVolumeSource) error {
	if slices.Contains(strings.Split(h.Path, "/"), "..") {
		return fmt.Errorf("invalid HostPath `%s`: must not contain '..'", h.Path)
	}
	seen, err := p.onNode(h.Path)
	if err != nil {
		return err
	}
	want := deref(h.Type, corev1.HostPathUnset)
	_, err = os.Lstat(seen)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && (want == corev1.HostPathDirectoryOrCreate || want == corev1.HostPathUnset):
		// Where no type is given it is the runtime that makes the directory; Docker refuses a bind of one that is missing.
		return os.MkdirAll(seen, 0o755)
	case missing && want == corev1.HostPathFileOrCreate:
		f, err := os.OpenFile(seen, os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	case want == corev1.HostPathUnset:
		return nil
	}
	return typeIs(want, h.Path, seen)
}

// kinds are the types that a path can have, and what a kubelet calls them.
var kinds = map[corev1.HostPathType]string{
	corev1.HostPathDirectory: "directory",
	corev1.HostPathFile:      "file",
	corev1.HostPathSocket:    "socket file",
	corev1.HostPathCharDev:   "character device",
	corev1.HostPathBlockDev:  "block device",
}

// typeIs checks the type of path, which the sandbox sees at seen. A kubelet would name the path as its own file system has
// it, and so do we.
func typeIs(want corev1.HostPathType, path, seen string) error {
	want = corev1.HostPathType(strings.TrimSuffix(string(want), "OrCreate"))
	kind, known := kinds[want]
	if !known {
		return fmt.Errorf("%s is an invalid volume type", want)
	}
	found, err := typeOf(path, seen)
	if err != nil {
		return fmt.Errorf("hostPath type check failed, %s is not a %s, unable to determine its type: %w", path, kind, err)
	}
	if found != want {
		return fmt.Errorf("hostPath type check failed: %s is not a %s, it's a %s", path, kind, found)
	}
	return nil
}

func typeOf(path, seen string) (corev1.HostPathType, error) {
	info, err := os.Lstat(seen)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("path %q does not exist", path)
	}
	if err != nil {
		return "", err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return corev1.HostPathDirectory, nil
	case mode.IsRegular():
		return corev1.HostPathFile, nil
	case mode&os.ModeSocket != 0:
		return corev1.HostPathSocket, nil
	case mode&os.ModeCharDevice != 0:
		return corev1.HostPathCharDev, nil
	case mode&os.ModeDevice != 0:
		return corev1.HostPathBlockDev, nil
	}
	return "", errors.New("only recognise file, directory, socket, block device and character device")
}
