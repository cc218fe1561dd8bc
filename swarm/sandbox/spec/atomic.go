package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Names in a volume that is written atomically. Those that begin with two dots are the writer's.
const (
	current = "..data"     // symbolic link to the version that is seen
	next    = "..data_tmp" // the link to come, for a moment
)

// write makes a volume hold exactly these files. They are written as a whole new version, a directory with the time in its
// name, and come into sight at once by the renaming of one link, so that a reader through ..data sees one version or the
// other. What users open are links through it: key -> ..data/key.
//
// Nothing happens where the files are there already. own sets owners and modes of the new version before it is seen. Older
// versions are removed but those that keep names.
func write(dir string, files payload, own func() error, keep map[string]bool) error {
	files, err := cleaned(files)
	if err != nil {
		return err
	}
	if same(filepath.Join(dir, current), files) {
		return link(dir, files)
	}
	version, err := newVersion(dir, files)
	if err != nil {
		return err
	}
	if err := publish(dir, version, own); err != nil {
		return errors.Join(err, os.RemoveAll(filepath.Join(dir, version)))
	}
	if err := link(dir, files); err != nil {
		return err
	}
	return sweep(dir, version, keep)
}

// cleaned checks the paths, which are relative and leave the writer its own names.
func cleaned(files payload) (payload, error) {
	clean := payload{}
	for path, f := range files {
		switch first, _, _ := strings.Cut(path, "/"); {
		case path == "":
			return nil, errors.New("invalid path: must not be empty")
		case filepath.IsAbs(path):
			return nil, fmt.Errorf("invalid path: must be relative path: %s", path)
		case len(path) > 4096:
			return nil, errors.New("invalid path: must be less than or equal to 4096 characters")
		case strings.Contains("/"+path+"/", "/../"):
			return nil, fmt.Errorf("invalid path: must not contain '..': %s", path)
		case strings.HasPrefix(first, ".."):
			return nil, fmt.Errorf("invalid path: must not start with '..': %s", path)
		}
		clean[filepath.Clean(path)] = f
	}
	return clean, nil
}

// same tells whether a version holds exactly these files.
func same(version string, files payload) bool {
	root, err := filepath.EvalSymlinks(version)
	if err != nil {
		return false
	}
	found := map[string][]byte{}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		found[rel], err = os.ReadFile(path)
		return err
	})
	return err == nil && maps.EqualFunc(found, files, func(data []byte, f file) bool { return bytes.Equal(data, f.data) })
}

// newVersion writes the files into a directory of their own, and returns its name.
func newVersion(dir string, files payload) (string, error) {
	version, err := os.MkdirTemp(dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return "", fmt.Errorf("unable to create new version: %w", err)
	}
	err = os.Chmod(version, 0o755)
	for path, f := range files {
		if err == nil {
			err = f.write(filepath.Join(version, path))
		}
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("unable to write new version: %w", err), os.RemoveAll(version))
	}
	return filepath.Base(version), nil
}

// write creates the file; its mode does not depend on the umask.
func (f file) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(path, f.data, 0o600); err != nil {
		return err
	}
	if err := os.Chmod(path, os.FileMode(f.mode)); err != nil || f.user == nil {
		return err
	}
	return os.Lchown(path, int(*f.user), -1)
}

// publish brings a version into sight.
func publish(dir, version string, own func() error) error {
	if err := own(); err != nil {
		return err
	}
	link := filepath.Join(dir, next)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(version, link); err != nil {
		return err
	}
	return os.Rename(link, filepath.Join(dir, current))
}

// link makes the links that users open, one for each name at the top, and removes those whose file has gone. What else is
// in the directory, mount points of other volumes say, stays.
func link(dir string, files payload) error {
	want := map[string]file{}
	for path, f := range files {
		name, _, _ := strings.Cut(path, "/")
		want[name] = f
	}
	for name, f := range want {
		err := os.Symlink(filepath.Join(current, name), filepath.Join(dir, name))
		if err == nil && f.user != nil {
			err = os.Lchown(filepath.Join(dir, name), int(*f.user), -1)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, wanted := want[entry.Name()]; wanted || entry.Type() != fs.ModeSymlink || entry.Name() == current {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the versions that are neither seen nor kept.
func sweep(dir, version string, keep map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || !strings.HasPrefix(name, "..") || name == version || keep[name] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
