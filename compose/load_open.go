package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// open reads a file that a key names.
func (l *load) open(name, key string, place Place) (file, error) {
	if remote(name) {
		return file{}, l.fail(place, key, fmt.Sprintf("%s is not a file here, and nothing is fetched", scrub(name)), "fetch it, and name the copy")
	}
	if l.opened++; l.opened > maxFiles {
		return file{}, l.fail(place, key, fmt.Sprintf("more than %d files are included or extended", maxFiles), "use fewer")
	}
	name = l.local(name)
	data, err := l.gate.read(name)
	if err != nil {
		return file{}, l.unread(name, key, place, err)
	}
	return file{name: name, path: path.Clean(name), data: data}, nil
}

// unread is the error of a file that a key names and that was not read.
func (l *load) unread(name, key string, place Place, err error) error {
	switch {
	case errors.Is(err, errOutside) && l.gate.dir == "":
		return l.fail(place, key, fmt.Sprintf("it names the file %s, and no files can be read here", name), "put what it holds into the file itself, or convert on the command line")
	case errors.Is(err, errOutside):
		return l.fail(place, key, fmt.Sprintf("%s lies outside of the project's directory", name), "allow it with --allow "+name)
	case errors.Is(err, fs.ErrNotExist):
		return l.fail(place, key, fmt.Sprintf("the file %s does not exist", name), "create it, or take the key out")
	}
	return l.fail(place, key, fmt.Sprintf("the file %s cannot be read: %v", name, err), "mend it, or take the key out")
}

// local is an absolute path below the project's directory as a relative one.
func (l *load) local(name string) string {
	if path.IsAbs(name) {
		if below, ok := l.gate.within(name); ok {
			return below
		}
	}
	return name
}

// remote says that a path is one of those that Compose would fetch.
func remote(name string) bool {
	for _, prefix := range []string{"http://", "https://", "git://", "ssh://", "git@", "oci://", "github.com/"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// relativeTo is a directory of the project as seen from another.
func relativeTo(from, to string) string {
	if from == "." || from == "" || path.IsAbs(to) {
		return to
	}
	if to == from {
		return "."
	}
	if rest, below := strings.CutPrefix(to, from+"/"); below {
		return rest
	}
	up := strings.Repeat("../", strings.Count(from, "/")+1)
	return path.Clean(up + to)
}

// clone copies a value with all that is in it.
func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		all := make(map[string]any, len(v))
		for key, item := range v {
			all[key] = clone(item)
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i, item := range v {
			all[i] = clone(item)
		}
		return all
	}
	return value
}
