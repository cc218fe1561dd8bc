package compose

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// gate is the one way to files: those below the project's directory, and those that were allowed. Symbolic links are
// followed within the directory that they lie in, and no further.
type gate struct {
	dir   string  // absolute; "" where nothing may be read
	rooms []*room // the project's first
}

// room is a directory that may be read, or one file of it.
type room struct {
	root *os.Root
	path string // of the directory, absolute
	only string // the one file; "" for all
}

// errOutside is the error of a path that may not be read, and errLink that of one that a symbolic link leads out of.
var (
	errOutside = errors.New("it lies outside of what may be read")
	errLink    = errors.New("a link leads out of the directory; put a copy in the link's place")
)

func openGate(dir string, allow []string) (*gate, error) {
	g := &gate{}
	if dir == "" {
		return g, nil
	}
	at, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("the project's directory %s: %w", dir, err)
	}
	g.dir = at
	for i, one := range append([]string{at}, allow...) {
		r, err := openRoom(one)
		if err != nil {
			g.close()
			if i == 0 {
				return nil, fmt.Errorf("the project's directory %s: %w", dir, err)
			}
			return nil, fmt.Errorf("--allow %s: %w", one, err)
		}
		g.rooms = append(g.rooms, r)
	}
	return g, nil
}

func openRoom(name string) (*room, error) {
	at, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	r := &room{path: at}
	switch info, err := os.Stat(at); {
	case err != nil:
		return nil, err
	case !info.IsDir():
		r.path, r.only = filepath.Dir(at), filepath.Base(at)
	}
	r.root, err = os.OpenRoot(r.path)
	return r, err
}

func (g *gate) close() {
	for _, r := range g.rooms {
		_ = r.root.Close() // nothing was written
	}
}

// within is a path as one below the project's directory; false for one that is elsewhere.
func (g *gate) within(name string) (string, bool) {
	if g.dir == "" {
		return "", false
	}
	if !filepath.IsAbs(name) {
		// A file that was given is named from where the user is, not from the project.
		at, err := filepath.Abs(name)
		if err != nil {
			return "", false
		}
		name = at
	}
	below, err := filepath.Rel(g.dir, name)
	return filepath.ToSlash(below), err == nil && filepath.IsLocal(below)
}

// find is the room that a path of the project leads to, and where in it.
func (g *gate) find(name string) (*room, string, error) {
	if strings.ContainsRune(name, 0) || name == "" {
		return nil, "", errOutside
	}
	at := filepath.FromSlash(name)
	if !filepath.IsAbs(at) {
		at = filepath.Join(g.dir, at)
	}
	for _, r := range g.rooms {
		below, err := filepath.Rel(r.path, at)
		if err == nil && filepath.IsLocal(below) && (r.only == "" || r.only == below) {
			return r, below, nil
		}
	}
	return nil, "", errOutside
}

// read reads a file by its path in the project. The error is fs.ErrNotExist where there is none, and errOutside or
// errLink where it may not be read.
func (g *gate) read(name string) ([]byte, error) {
	if g.dir == "" {
		return nil, errOutside
	}
	r, below, err := g.find(name)
	if err != nil {
		return nil, err
	}
	return r.read(below, maxFile)
}

func (r *room) read(below string, limit int64) ([]byte, error) {
	// A pipe or a device must not hold the conversion up, so what it is comes before it is opened.
	switch info, err := r.root.Stat(below); {
	case err != nil:
		return nil, plain(err)
	case info.IsDir():
		return nil, errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a file")
	}
	f, err := r.root.Open(below)
	if err != nil {
		return nil, plain(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, plain(err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("it is larger than %d MiB", limit>>20)
	}
	return data, nil
}

// plain takes the path out of an error, since that is the machine's.
func plain(err error) error {
	var of *fs.PathError
	if !errors.As(err, &of) {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return of.Err
	}
	if strings.Contains(of.Err.Error(), "escapes") {
		return errLink
	}
	return of.Err
}

// What OpenProject reads at most: a ConfigMap holds a MiB.
const (
	maxProjectFile  = 1 << 20
	maxProjectTotal = 8 << 20
	maxProjectFiles = 500
)

// project is a project's directory as ProjectFiles.
type project struct {
	dir   string
	allow []string
}

// OpenProject gives the files below a project's directory, and below what else is allowed, to those who convert bind mounts.
// It refuses paths that lead out of them, by symbolic links too. What is absolute is read only if it was allowed:
// otherwise what a bind mount becomes would depend on the machine.
func OpenProject(dir string, allow []string) ProjectFiles { return project{dir: dir, allow: allow} }

// Read returns the files at or below a path.
func (p project) Read(name string) (files map[string][]byte, found bool, err error) {
	if p.dir == "" || strings.HasPrefix(name, "~") {
		return nil, false, nil
	}
	g, err := openGate(p.dir, p.allow)
	if err != nil {
		return nil, false, err
	}
	defer g.close()
	if absolute(name) {
		g.rooms = g.rooms[1:]
	}
	r, below, err := g.find(name)
	if err != nil {
		return nil, false, nil // what may not be read is as if it were not there
	}
	info, err := r.root.Stat(below)
	if err != nil {
		return nil, false, nil
	}
	if info.Mode().IsRegular() {
		data, err := r.read(below, maxProjectFile)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", name, err)
		}
		return map[string][]byte{"": data}, true, nil
	}
	if !info.IsDir() || r.only != "" {
		return nil, false, nil
	}
	files, err = r.all(below)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	return files, true, nil
}

// all reads what lies below a directory.
func (r *room) all(below string) (map[string][]byte, error) {
	files, total := map[string][]byte{}, 0
	todo := []string{""}
	for len(todo) > 0 {
		dir := todo[0]
		todo = todo[1:]
		entries, err := r.list(filepath.Join(below, dir))
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := path.Join(dir, entry)
			info, err := r.root.Stat(filepath.Join(below, name))
			switch {
			case err != nil: // a symbolic link that leads out, or nowhere
				continue
			case info.IsDir():
				if len(todo) > maxProjectFiles || strings.Count(name, "/") > maxDepth {
					return nil, fmt.Errorf("it has more than %d directories", maxProjectFiles)
				}
				todo = append(todo, name)
				continue
			case !info.Mode().IsRegular():
				continue
			}
			data, err := r.read(filepath.Join(below, name), maxProjectFile)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			files[name] = data
			if total += len(data); total > maxProjectTotal || len(files) > maxProjectFiles {
				return nil, fmt.Errorf("it has more than %d files or %d MiB", maxProjectFiles, maxProjectTotal>>20)
			}
		}
	}
	return files, nil
}

// list names what a directory holds, in the order of the names.
func (r *room) list(below string) ([]string, error) {
	dir, err := r.root.Open(below)
	if err != nil {
		return nil, plain(err)
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(maxProjectFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, plain(err)
	}
	if len(names) > maxProjectFiles {
		return nil, fmt.Errorf("it has more than %d files", maxProjectFiles)
	}
	slices.Sort(names)
	return names, nil
}
