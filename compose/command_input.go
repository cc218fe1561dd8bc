package compose

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

// input reads the files that were named, or those that docker compose would take.
func (k *command) input(in *Input) error {
	in.Env = variables(k.env)
	if len(in.Profiles) == 0 && in.Env["COMPOSE_PROFILES"] != "" {
		in.Profiles = strings.Split(in.Env["COMPOSE_PROFILES"], ",")
	}
	names := k.files
	if len(names) == 0 {
		var err error
		if names, err = usualFiles(in.Env); err != nil {
			return err
		}
	}
	stdin := 0
	for _, name := range names {
		if name == "-" {
			if stdin++; stdin > 1 {
				return errors.New("standard input can be read once: name it once with -f -")
			}
		}
		source, err := k.source(name)
		if err != nil {
			return err
		}
		in.Files = append(in.Files, source)
	}
	for _, name := range k.envFiles {
		source, err := k.source(name)
		if err != nil {
			return err
		}
		in.EnvFiles = append(in.EnvFiles, source)
	}
	in.Dir = k.dir
	if in.Dir == "" {
		in.Dir = "."
		if names[0] != "-" {
			in.Dir = filepath.Dir(names[0])
		}
	}
	return nil
}

// source reads a file, as far as one can be long.
func (k *command) source(name string) (Source, error) {
	from := k.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return Source{}, fmt.Errorf("cannot read what -f or --env-file names: %w", err)
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	data, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err != nil {
		return Source{}, fmt.Errorf("cannot read %s: %w", name, err)
	}
	return Source{Name: name, Data: data}, nil
}

// usualFiles are those that docker compose takes where none is named: of COMPOSE_FILE, or of this directory or the nearest
// above that has one, with its override.
func usualFiles(env map[string]string) ([]string, error) {
	if list := env["COMPOSE_FILE"]; list != "" {
		separator := env["COMPOSE_PATH_SEPARATOR"]
		if separator == "" {
			separator = string(os.PathListSeparator)
		}
		return strings.Split(list, separator), nil
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for dir, shown := here, ""; ; dir, shown = filepath.Dir(dir), filepath.Join("..", shown) {
		if file := firstOf(dir, shown, cli.DefaultFileNames); file != "" {
			if override := firstOf(dir, shown, cli.DefaultOverrideFileNames); override != "" {
				return []string{file, override}, nil
			}
			return []string{file}, nil
		}
		if dir == filepath.Dir(dir) {
			return nil, fmt.Errorf("there is no %s here or above: name a file with -f, or - for standard input", cli.DefaultFileNames[0])
		}
	}
}

// firstOf is the first of some files that a directory has, as it is to be shown; "" for none.
func firstOf(dir, shown string, names []string) string {
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return filepath.Join(shown, name)
		}
	}
	return ""
}
