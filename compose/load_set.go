package compose

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/tree"
)

// file is a Compose file.
type file struct {
	name string // as findings call it
	path string // in the project
	data []byte
}

// fileSet are files that are laid over each other, with one directory and one set of variables.
type fileSet struct {
	files []file
	dir   string // where their relative paths start, in the project
	env   map[string]string
	bases map[string]base // files that services extend, by their path
}

// layer is what a file says, before it is merged: where the keys of the merged model came from.
type layer struct {
	model map[string]any
	at    Places
}

// maxFiles is how many files includes and extends may bring in.
const maxFiles = 200

// set loads files into one model: each is interpolated, completed by what it includes and extends, and merged. chain are
// the paths of the files that include it.
//
// This is compose-go's own order (loader/loader.go), made of its own steps; only what opens files is ours.
func (l *load) set(s fileSet, chain []string) (map[string]any, error) {
	dict := map[string]any{}
	s.bases = map[string]base{}
	for _, f := range s.files {
		documents, err := l.documents(f)
		if err != nil {
			return nil, err
		}
		for _, doc := range documents {
			if err := l.ctx.Err(); err != nil {
				return nil, err
			}
			if dict, err = l.lay(dict, doc, f, s, append(chain[:len(chain):len(chain)], f.path)); err != nil {
				return nil, err
			}
		}
	}
	return dict, nil
}

// lay merges a document over what earlier ones made.
func (l *load) lay(dict map[string]any, doc document, f file, s fileSet, chain []string) (map[string]any, error) {
	l.named(doc, len(chain) == 1)
	cfg, err := l.interpolated(doc, s.env)
	if err != nil {
		return nil, err
	}
	if err := l.known(cfg, doc.at); err != nil {
		return nil, err
	}
	own := layer{model: clone(cfg).(map[string]any), at: doc.at}
	if err := l.include(cfg, doc, s, chain); err != nil {
		return nil, err
	}
	forget(dict, doc.reset, nil)
	if err := l.extend(cfg, doc, f, s); err != nil {
		return nil, err
	}
	l.layers = append(l.layers, own)
	merged, err := override.Merge(dict, cfg)
	if err == nil {
		merged, err = override.EnforceUnicity(merged)
	}
	if err == nil {
		err = schema.Validate(merged)
	}
	if err == nil {
		delete(merged, "version")
		merged, err = canonical(merged)
	}
	if err == nil {
		// What is canonical may turn out to be there twice, as ports of a range.
		merged, err = override.EnforceUnicity(loader.OmitEmpty(merged))
	}
	if err != nil {
		return nil, l.whose(err, own, f)
	}
	return merged, nil
}

// named gives the variable COMPOSE_PROJECT_NAME the name that the files that were given have for the project.
func (l *load) named(doc document, given bool) {
	name, ok := doc.model["name"].(string)
	if _, have := l.env[projectName]; given && ok && !have && !strings.Contains(name, "$") {
		l.env[projectName] = name
	}
}

// whose is the error of merging a layer: that of its own keys that are wrong, or else compose-go's.
func (l *load) whose(err error, own layer, f file) error {
	found := l.narrowed(own, func(model map[string]any) error {
		_, err := override.EnforceUnicity(model)
		if err == nil {
			err = schema.Validate(model)
		}
		if err == nil {
			_, err = canonical(model)
		}
		return err
	})
	if len(found) > 0 {
		return allWrong(found)
	}
	return l.because(err, own.at, Place{File: f.name})
}

// forget takes the values at some paths out of a model.
func forget(value any, paths []tree.Path, way []string) {
	values, ok := value.(map[string]any)
	if !ok || len(paths) == 0 {
		return
	}
	for key, v := range values {
		next := append(way[:len(way):len(way)], key)
		if slices.Contains(paths, tree.NewPath(next...)) {
			delete(values, key)
			continue
		}
		forget(v, paths, next)
	}
}

// included is an entry of include.
type included struct {
	paths    []string
	dir      string
	envFiles []string
	at       string
}

// include loads what a file includes, and lays the file over it.
func (l *load) include(cfg map[string]any, doc document, s fileSet, chain []string) error {
	list, err := l.includes(cfg["include"], doc.at)
	if err != nil {
		return err
	}
	delete(cfg, "include")
	for _, entry := range list {
		place := doc.at.Of(entry.at)
		set, err := l.includedSet(entry, s, place, chain)
		if err != nil {
			return err
		}
		model, err := l.set(set, chain)
		if err != nil {
			return err
		}
		l.inherit(model, set.env)
		rebase(model, cmp.Or(relativeTo(s.dir, set.dir), "."))
		if err := l.imports(cfg, model, doc); err != nil {
			return l.because(err, doc.at, place)
		}
	}
	return nil
}

// includedSet is what an entry of include stands for.
func (l *load) includedSet(entry included, s fileSet, place Place, chain []string) (fileSet, error) {
	set := fileSet{}
	for i, p := range entry.paths {
		f, err := l.open(joined(s.dir, p), entry.at, place)
		if err != nil {
			return set, err
		}
		if i == 0 && slices.Contains(chain, f.path) {
			return set, l.fail(place, entry.at, "the include is circular: "+strings.Join(append(chain, f.path), " includes "), "take one of them out")
		}
		if i == 0 {
			set.dir = path.Dir(f.path)
		}
		set.files = append(set.files, f)
	}
	if entry.dir != "" {
		set.dir = path.Clean(l.local(joined(s.dir, entry.dir)))
	}
	env, err := l.includedEnv(entry, s, set, place)
	set.env = env
	return set, err
}

// includedEnv are the variables of an included file: those of the file that includes it, and its own env_file or .env.
func (l *load) includedEnv(entry included, s, set fileSet, place Place) (map[string]string, error) {
	env := map[string]string{}
	if len(entry.envFiles) == 0 {
		name := joined(set.dir, ".env")
		data, err := l.gate.read(name)
		switch {
		case err == nil:
			if err := l.dotenv(env, Source{Name: name, Data: data}, s.env); err != nil {
				return nil, err
			}
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errOutside):
			return nil, l.fail(place, entry.at, fmt.Sprintf("the variables in %s cannot be read: %v", name, err), "mend or remove the file")
		}
	}
	for _, p := range entry.envFiles {
		if p == "/dev/null" {
			continue
		}
		f, err := l.open(joined(s.dir, p), entry.at+".env_file", place)
		if err != nil {
			return nil, err
		}
		if err := l.dotenv(env, Source{Name: f.name, Data: f.data}, s.env); err != nil {
			return nil, err
		}
	}
	maps.Copy(env, s.env)
	return env, nil
}

// includes reads the key include.
func (l *load) includes(value any, at Places) ([]included, error) {
	if value == nil {
		return nil, nil
	}
	wrong := func(key string) error {
		return l.fail(at.Of(key), key, "an include is a file's path, or a mapping with path:", "write it so")
	}
	list, ok := value.([]any)
	if !ok {
		return nil, wrong("include")
	}
	var all []included
	for i, item := range list {
		entry := included{at: fmt.Sprintf("include[%d]", i)}
		switch v := item.(type) {
		case string:
			entry.paths = []string{v}
		case map[string]any:
			entry.paths, entry.envFiles = texts(v["path"]), texts(v["env_file"])
			entry.dir, _ = v["project_directory"].(string)
		}
		if len(entry.paths) == 0 {
			return nil, wrong(entry.at)
		}
		all = append(all, entry)
	}
	return all, nil
}

// texts are those of a text or a list of them.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, item := range v {
			if text, ok := item.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}

// inherit gives what an included file leaves to variables the values that those have in that file. Those of configs and
// secrets stay out of the model, as they may be passwords.
func (l *load) inherit(model map[string]any, env map[string]string) {
	for _, section := range []string{"services", "jobs"} {
		for _, c := range mappings(model[section]) {
			switch list := c["environment"].(type) {
			case []any:
				for i, item := range list {
					if name, ok := item.(string); ok && env[name] != "" {
						list[i] = name + "=" + env[name]
					}
				}
			case map[string]any:
				for name, value := range list {
					if have, ok := env[name]; ok && value == nil {
						list[name] = have
					}
				}
			}
		}
	}
	for _, section := range []string{"configs", "secrets"} {
		for key, object := range mappings(model[section]) {
			if name, ok := object["environment"].(string); ok {
				if value, have := env[name]; have {
					l.own[section+"."+key] = value
				}
			}
		}
	}
}

// imports lays what a file says of services and the rest over what it included.
func (l *load) imports(cfg, from map[string]any, doc document) error {
	for _, section := range []string{"services", "jobs", "volumes", "networks", "secrets", "configs", "models"} {
		theirs, ok := from[section].(map[string]any)
		if !ok {
			continue
		}
		ours, ok := cfg[section].(map[string]any)
		if !ok {
			ours = map[string]any{}
		}
		for _, name := range slices.Sorted(maps.Keys(theirs)) {
			value := theirs[name]
			if mine, both := ours[name]; both {
				forget(map[string]any{section: map[string]any{name: value}}, doc.reset, nil)
				merged, err := override.MergeYaml(value, mine, tree.NewPath(section, name))
				if err != nil {
					return err
				}
				value = merged
			}
			ours[name] = value
		}
		cfg[section] = ours
	}
	return nil
}
