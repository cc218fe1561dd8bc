package compose

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/tree"
)

// base is a file whose services others extend.
type base struct {
	file     file
	services map[string]any // of a section
	at       Places         // of that file
	reset    []tree.Path
}

// maxExtends is how deep services may extend each other.
const maxExtends = 50

// extend completes the services of a file by those that they extend.
func (l *load) extend(cfg map[string]any, doc document, f file, s fileSet) error {
	for _, section := range []string{"services", "jobs"} {
		entries, ok := cfg[section].(map[string]any)
		if !ok {
			continue
		}
		own := base{file: f, services: entries, at: doc.at, reset: doc.reset}
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			merged, lower, err := l.extended(section, name, own, s, nil)
			if err != nil {
				return err
			}
			entries[name] = merged
			l.layers = append(l.layers, lower...)
		}
	}
	return nil
}

// extended is a service with what it extends under it, and the layers that came in so. way are the services that extend it.
func (l *load) extended(section, name string, from base, s fileSet, way []string) (any, []layer, error) {
	service, ok := from.services[name].(map[string]any)
	key := section + "." + name + ".extends"
	extends, does := service["extends"]
	if !ok || !does {
		return from.services[name], nil, nil
	}
	place := from.at.Of(key)
	ref, their, target, err := l.target(section, extends, place, from, s, key)
	if err != nil {
		return nil, nil, err
	}
	me := fmt.Sprintf("%s in %s", name, from.file.path)
	if slices.Contains(way, me) {
		return nil, nil, l.fail(place, key, "the extends is circular: "+strings.Join(append(way, me), " extends "), "take one of them out")
	}
	if len(way) >= maxExtends {
		return nil, nil, l.fail(place, key, fmt.Sprintf("services extend each other more than %d deep", maxExtends), "let it extend a nearer one")
	}
	if _, ok := target.services[ref]; !ok {
		return nil, nil, l.fail(place, key, fmt.Sprintf("it extends %s, which is not in %s", ref, target.file.name), "name one that is")
	}
	under, layers, err := l.extended(their, ref, target, s, append(way, me))
	if err != nil {
		return nil, nil, err
	}
	layers = append(layers, layer{model: map[string]any{their: map[string]any{ref: clone(target.services[ref])}}, at: target.at})
	layers = renamed(layers, their+"."+ref, section, name)
	below, ok := clone(under).(map[string]any)
	if !ok {
		return service, layers, nil
	}
	forget(map[string]any{section: map[string]any{name: below}}, from.reset, nil)
	merged, err := override.ExtendService(below, service)
	if err != nil {
		return nil, nil, l.because(err, from.at, place)
	}
	delete(merged, "extends")
	from.services[name] = merged
	return merged, layers, nil
}

// target is what a service extends: its name, the section that it is in, and the file.
func (l *load) target(section string, extends any, place Place, from base, s fileSet, key string) (ref, their string, b base, err error) {
	name := ""
	switch v := extends.(type) {
	case string:
		ref = v
	case map[string]any:
		ref, _ = v["service"].(string)
		name, _ = v["file"].(string)
	}
	if ref == "" {
		return "", "", base{}, l.fail(place, key, "extends takes the name of a service, or a mapping with service: and file:", "write it so")
	}
	if name == "" {
		return ref, section, from, nil
	}
	b, err = l.base(name, key, place, s)
	return ref, "services", b, err
}

// base reads a file that services extend. Its paths become those of the set that it is read for.
func (l *load) base(name, key string, place Place, s fileSet) (base, error) {
	f, err := l.open(joined(s.dir, name), key+".file", place)
	if err != nil {
		return base{}, err
	}
	if b, have := s.bases[f.path]; have {
		b.services = clone(b.services).(map[string]any)
		return b, nil
	}
	documents, err := l.documents(f)
	if err != nil {
		return base{}, err
	}
	b := base{file: f, at: Places{}}
	dict := map[string]any{}
	for _, doc := range documents {
		cfg, err := l.interpolated(doc, s.env)
		if err != nil {
			return base{}, err
		}
		if err := l.known(cfg, doc.at); err != nil {
			return base{}, err
		}
		forget(dict, doc.reset, nil)
		if dict, err = override.Merge(dict, cfg); err == nil {
			dict, err = override.EnforceUnicity(dict)
		}
		if err == nil {
			dict, err = canonical(dict)
		}
		if err != nil {
			return base{}, l.because(err, doc.at, Place{File: f.name})
		}
		dict = loader.OmitEmpty(dict)
		maps.Copy(b.at, doc.at)
		b.reset = append(b.reset, doc.reset...)
	}
	rebase(dict, cmp.Or(relativeTo(s.dir, path.Dir(f.path)), "."))
	services, ok := dict["services"].(map[string]any)
	if !ok {
		return base{}, l.fail(place, key, fmt.Sprintf("%s has no services", f.name), "name a Compose file that has the service")
	}
	b.services = services
	s.bases[f.path] = b
	b.services = clone(services).(map[string]any) // extended writes into it
	return b, nil
}

// renamed are layers with what they say of one service as of another.
func renamed(layers []layer, old, section, name string) []layer {
	list, ref, _ := strings.Cut(old, ".")
	all := make([]layer, 0, len(layers))
	for _, from := range layers {
		to := layer{model: map[string]any{}, at: Places{}}
		entries, _ := from.model[list].(map[string]any)
		to.model[section] = map[string]any{name: entries[ref]}
		for at, place := range from.at {
			if rest, below := strings.CutPrefix(at, old); below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				to.at[section+"."+name+rest] = place
			}
		}
		all = append(all, to)
	}
	return all
}
