package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// marker is the file by which a directory is known to be an earlier conversion's: it lists the files that are ours.
const marker = ".skep-convert"

// markerHead is its first line.
const markerHead = "# Written by skep convert, which replaces these files when it writes here again."

// WriteDir writes files below a directory, all or nothing. Those of an earlier conversion that are not among them go;
// files of anyone else stay, and a directory that holds some but no conversion is refused.
func WriteDir(dir string, files map[string][]byte) error {
	if err := checkNames(files); err != nil {
		return err
	}
	earlier, err := writtenBefore(dir)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil && !slices.Contains(earlier, name) {
			return fmt.Errorf("%s is not from an earlier conversion: move it away, or write to another directory", filepath.Join(dir, name))
		}
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	stage, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".skep-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(stage) }()
	if err := stageFiles(stage, files); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.Chmod(stage, 0o755); err != nil {
			return err
		}
		return os.Rename(stage, dir)
	}
	return replace(dir, stage, files, earlier)
}

// checkNames refuses files that would not be below the directory.
func checkNames(files map[string][]byte) error {
	for name := range files {
		if !filepath.IsLocal(name) || name == marker {
			return fmt.Errorf("%q is no name of a file to write", name)
		}
	}
	return nil
}

// writtenBefore are the files of a directory that an earlier conversion wrote; none where there is no directory yet.
func writtenBefore(dir string) ([]string, error) {
	list, err := os.ReadFile(filepath.Join(dir, marker))
	if err == nil {
		var names []string
		for line := range strings.Lines(string(list)) {
			if name := strings.TrimSuffix(line, "\n"); filepath.IsLocal(name) && !strings.HasPrefix(name, "#") {
				names = append(names, name)
			}
		}
		return names, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s has files that are not from an earlier conversion: write to an empty or a new directory", dir)
	}
	return nil, nil
}

// stageFiles writes files and their list, where nobody looks yet.
func stageFiles(stage string, files map[string][]byte) error {
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		path := filepath.Join(stage, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, files[name], modeOf(name, files[name])); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(stage, marker), []byte(markerHead+"\n"+strings.Join(names, "\n")+"\n"), 0o644)
}

// modeOf keeps a file that holds a Secret to its owner.
func modeOf(name string, data []byte) fs.FileMode {
	if strings.HasPrefix(name, "secrets/") || strings.Contains(string(data), "\nkind: Secret\n") {
		return 0o600
	}
	return 0o644
}

// replace moves what was staged to where an earlier conversion wrote. The list goes first, and names both, so that a
// replacement that a failing disk interrupts can be done again.
func replace(dir, stage string, files map[string][]byte, earlier []string) error {
	both := slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(files)), earlier...))))
	if err := os.WriteFile(filepath.Join(dir, marker), []byte(markerHead+"\n"+strings.Join(both, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(stage, filepath.FromSlash(name)), path); err != nil {
			return err
		}
	}
	for _, name := range earlier {
		if _, still := files[name]; still {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for up := filepath.Dir(path); up != filepath.Clean(dir) && os.Remove(up) == nil; {
			up = filepath.Dir(up)
		}
	}
	return os.Rename(filepath.Join(stage, marker), filepath.Join(dir, marker))
}
