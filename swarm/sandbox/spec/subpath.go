package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// view is a volume as a container's mount needs it.
type view struct {
	node string // where the volume is on the node
	// real is where the sandbox sees a path in the volume, all links resolved; fs.ErrNotExist if it does not.
	real func(sub string) (string, error)
}

// existing is a path that there must be something at.
func existing(path string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	_, err = os.Lstat(path)
	return path, err
}

// sub is a subPath relative to the volume, all links resolved and none of them leading out of it; a directory is made where
// there is nothing. As with a kubelet, errors keep to themselves what is on the node.
//
// The engine opens the path again when the container starts, by its name. A container that writes the same volume and
// exchanges a directory for a link in that moment is not noticed; a kubelet closes this gap by a mount of its own, for
// which the sandbox has no right.
func (v view) sub(sub, volume, container string) (string, error) {
	if filepath.IsAbs(sub) {
		return "", fmt.Errorf("error SubPath `%s` must not be an absolute path", sub)
	}
	if slices.Contains(strings.Split(sub, "/"), "..") {
		return "", fmt.Errorf("unable to provision SubPath `%s`: must not contain '..'", sub)
	}
	unsafe := fmt.Errorf("failed to prepare subPath for volumeMount %q of container %q", volume, container)
	base, err := v.real("")
	if err != nil {
		return "", unsafe
	}
	path, err := v.real(sub)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDirs(base, filepath.Clean(sub)); err != nil {
			return "", fmt.Errorf("failed to create subPath directory for volumeMount %q of container %q", volume, container)
		}
		path, err = v.real(sub)
	}
	if err != nil {
		return "", unsafe
	}
	inner, err := filepath.Rel(base, path)
	if err != nil || !filepath.IsLocal(inner) {
		return "", unsafe
	}
	return inner, nil
}

// makeDirs makes the directories of sub that base lacks, with base's own mode, and follows no link out of base.
func makeDirs(base, sub string) error {
	root, err := os.OpenRoot(base)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	path := ""
	for _, name := range strings.Split(sub, "/") {
		path = filepath.Join(path, name)
		err := root.Mkdir(path, info.Mode().Perm())
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := root.Chmod(path, info.Mode()); err != nil {
			return err
		}
	}
	return nil
}

// pin names a mount of a container.
type pin struct {
	container string
	index     int
}

// pin remembers which version of a projected volume a subPath shows, so that an Update between this and the container's
// start does not take it away.
func (p *Pod) pin(key pin, v *corev1.Volume, inner string) {
	if version, _, _ := strings.Cut(inner, "/"); projected(v) && strings.HasPrefix(version, "..") {
		p.pins[key] = version
	}
}
