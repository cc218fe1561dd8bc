package compose

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/transform"
	"github.com/compose-spec/compose-go/v2/tree"
)

// rebase makes the relative paths of a file that lies in another directory relative to the project's. "~" stays, as it is
// somebody's home directory and not the converting machine's.
func rebase(dict map[string]any, dir string) {
	if dir == "." || dir == "" {
		return
	}
	for _, section := range []string{"services", "jobs"} {
		for _, c := range mappings(dict[section]) {
			rebaseContainer(c, dir)
			hooks, _ := c["pre_start"].([]any)
			for _, hook := range hooks {
				if values, ok := hook.(map[string]any); ok {
					rebaseContainer(values, dir)
				}
			}
		}
	}
	for _, section := range []string{"configs", "secrets"} {
		for _, value := range mappings(dict[section]) {
			rebaseKey(value, "file", dir)
		}
	}
	for _, volume := range mappings(dict["volumes"]) {
		if options, ok := volume["driver_opts"].(map[string]any); ok && options["o"] == "bind" {
			rebaseKey(options, "device", dir)
		}
	}
}

func rebaseContainer(c map[string]any, dir string) {
	if build, ok := c["build"].(map[string]any); ok {
		if context, ok := build["context"].(string); ok && !remote(context) && !strings.Contains(context, "://") {
			rebaseKey(build, "context", dir)
		}
	}
	if extends, ok := c["extends"].(map[string]any); ok {
		rebaseKey(extends, "file", dir)
	}
	rebaseItems(c["env_file"], "path", dir)
	rebaseItems(c["label_file"], "", dir)
	if develop, ok := c["develop"].(map[string]any); ok {
		rebaseItems(develop["watch"], "path", dir)
	}
	volumes, _ := c["volumes"].([]any)
	for _, volume := range volumes {
		if mount, ok := volume.(map[string]any); ok && mount["type"] == "bind" {
			rebaseKey(mount, "source", dir)
		}
	}
}

func rebaseItems(value any, key, dir string) {
	list, _ := value.([]any)
	for i, item := range list {
		switch v := item.(type) {
		case string:
			list[i] = joined(dir, v)
		case map[string]any:
			rebaseKey(v, key, dir)
		}
	}
}

func rebaseKey(values map[string]any, key, dir string) {
	if p, ok := values[key].(string); ok && !remote(p) {
		values[key] = joined(dir, p)
	}
}

// canonical is compose-go's canonical form of a model, with the targets of mounts as the file has them: compose-go tidies
// them, and Swarm does not.
func canonical(dict map[string]any) (map[string]any, error) {
	written := map[string]string{} // by service and tidy target
	for _, section := range []string{"services", "jobs"} {
		for name, c := range mappings(dict[section]) {
			volumes, _ := c["volumes"].([]any)
			for _, volume := range volumes {
				if target := targetOf(volume); target != path.Clean(target) {
					written[section+"."+name+" "+path.Clean(target)] = target
				}
			}
		}
	}
	back := aside(dict)
	dict, err := transform.Canonical(dict, false)
	back()
	if err != nil || len(written) == 0 {
		return dict, err
	}
	for _, section := range []string{"services", "jobs"} {
		for name, c := range mappings(dict[section]) {
			volumes, _ := c["volumes"].([]any)
			for _, volume := range volumes {
				if target, ok := written[section+"."+name+" "+targetOf(volume)]; ok {
					volume.(map[string]any)["target"] = target
				}
			}
		}
	}
	return dict, nil
}

// plainKeys are those of services that have one form only, and no default values.
var plainKeys = []string{
	"annotations", "cap_add", "cap_drop", "command", "entrypoint", "environment", "extra_hosts", "healthcheck", "labels", "logging", "sysctls",
}

// aside takes what compose-go's steps change nothing of out of a model, until back puts it there again: they try some
// hundred patterns on each value, and most values are in these.
func aside(dict map[string]any) (back func()) {
	type kept struct {
		from  map[string]any
		key   string
		value any
	}
	var all []kept
	take := func(from map[string]any, key string) {
		if value, ok := from[key]; ok {
			all = append(all, kept{from, key, value})
			delete(from, key)
		}
	}
	for key := range dict {
		if strings.HasPrefix(key, "x-") {
			take(dict, key)
		}
	}
	for _, section := range []string{"services", "jobs"} {
		for _, c := range mappings(dict[section]) {
			for _, key := range plainKeys {
				take(c, key)
			}
			if deploy, ok := c["deploy"].(map[string]any); ok {
				take(deploy, "labels")
			}
		}
	}
	return func() {
		for _, k := range all {
			k.from[k.key] = k.value
		}
	}
}

// targetOf is the target of a mount, in its long form or its short one.
func targetOf(volume any) string {
	switch v := volume.(type) {
	case map[string]any:
		target, _ := v["target"].(string)
		return target
	case string:
		if mount, err := format.ParseVolume(v); err == nil {
			return mount.Target
		}
	}
	return ""
}

// asMapping are the lists NAME=value of the merged model that are shown as the mappings that they stand for.
var asMapping = []tree.Path{
	"services.*.environment", "services.*.labels", "services.*.annotations", "services.*.sysctls", "services.*.deploy.labels",
	"services.*.build.args", "services.*.build.labels", "services.*.storage_opt",
	"services.*.pre_start.*.environment", "services.*.pre_start.*.labels",
	"services.*.post_start.*.environment", "services.*.pre_stop.*.environment",
	"jobs.*.environment", "jobs.*.labels", "jobs.*.annotations", "jobs.*.sysctls", "jobs.*.build.args", "jobs.*.build.labels",
	"networks.*.labels", "volumes.*.labels", "configs.*.labels", "secrets.*.labels",
}

// modelOf is the merged model as the fates are asked about it: a copy, with mappings for lists that stand for them.
func modelOf(dict map[string]any) map[string]any {
	return modelValue(dict, tree.NewPath()).(map[string]any)
}

func modelValue(value any, at tree.Path) any {
	switch v := value.(type) {
	case map[string]any:
		all := make(map[string]any, len(v))
		for key, item := range v {
			all[key] = modelValue(item, at.Next(key))
		}
		return all
	case []any:
		if slices.ContainsFunc(asMapping, at.Matches) {
			return mapped(v)
		}
		all := make([]any, len(v))
		for i, item := range v {
			all[i] = modelValue(item, at.Next(strconv.Itoa(i)))
		}
		return all
	}
	return value
}

// mapped is a list of NAME=value as a mapping; a NAME alone has no value.
func mapped(list []any) map[string]any {
	all := make(map[string]any, len(list))
	for _, item := range list {
		name, value, set := strings.Cut(fmt.Sprint(item), "=")
		if all[name] = nil; set {
			all[name] = value
		}
	}
	return all
}

// places finds where each key of the merged model stands: in the last file that has it. What extends and include bring
// stands in the file that it comes from.
func (l *load) places(dict map[string]any) Places {
	all := Places{}
	for _, from := range l.layers {
		for at, place := range from.at {
			if !itemPath.MatchString(at) {
				all[at] = place
			}
		}
	}
	l.placeItems(all, dict, "", nil)
	return all
}

// itemPath is the path of an item of a list, or of what is in one.
var itemPath = regexp.MustCompile(`\[\d+\]`)

// placeItems finds the places of the items of lists. Lists are joined when files are merged, and items change their form,
// so an item is found by what it becomes on its own.
func (l *load) placeItems(all Places, value any, at string, way []string) {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			l.placeItems(all, item, strings.TrimPrefix(at+"."+key, "."), append(way[:len(way):len(way)], key))
		}
	case []any:
		found := map[string]origin{}
		inOrder := []origin{}
		for _, from := range l.layers {
			inOrder = append(inOrder, from.items(at, way, found)...)
		}
		for i, item := range v {
			child := fmt.Sprintf("%s[%d]", at, i)
			from, ok := found[identity(item, way)]
			if !ok && len(inOrder) == len(v) {
				from, ok = inOrder[i], true
			}
			if ok {
				all[child] = from.place
				placeWithin(all, item, child, from.at, from.places)
			}
		}
	}
}

// placeWithin finds the places of the keys of an item.
func placeWithin(all Places, item any, to, from string, places Places) {
	values, ok := item.(map[string]any)
	if !ok {
		return
	}
	for key, value := range values {
		if place, ok := places[from+"."+key]; ok {
			all[to+"."+key] = place
			placeWithin(all, value, to+"."+key, from+"."+key, places)
		}
	}
}

// origin is an item of a list in a file.
type origin struct {
	at     string
	place  Place
	places Places // of its file
}

// items are the items that a layer has of a list, and notes in found where each is that it becomes.
func (from layer) items(at string, way []string, found map[string]origin) []origin {
	var value any = from.model
	for _, key := range way {
		values, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = values[key]
	}
	list, ok := value.([]any)
	if !ok {
		return nil
	}
	all := []origin{}
	for i, item := range list {
		child := fmt.Sprintf("%s[%d]", at, i)
		o := origin{at: child, place: from.at.Of(child), places: from.at}
		for _, one := range canonicalItems(item, way) {
			found[identity(one, way)] = o
			all = append(all, o)
		}
	}
	return all
}

// changing are the lists whose texts are short forms.
var changing = map[string]bool{
	"ports": true, "volumes": true, "secrets": true, "configs": true, "devices": true, "env_file": true, "schedule": true, "include": true,
}

// canonicalItems are what an item of a list at some path becomes on its own.
func canonicalItems(item any, way []string) []any {
	if _, text := item.(map[string]any); !text && !changing[way[len(way)-1]] {
		return []any{item}
	}
	var value any = []any{clone(item)}
	for _, key := range slices.Backward(way) {
		value = map[string]any{key: value}
	}
	model, err := transform.Canonical(value.(map[string]any), true)
	if err != nil {
		return []any{item}
	}
	value = model
	for _, key := range way {
		values, ok := value.(map[string]any)
		if !ok {
			return []any{item}
		}
		value = values[key]
	}
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{item}
}

// identity is what an item of a list is known by: for mounts and the like what they are mounted at, as paths may have
// become those of another directory; for all else all of it.
func identity(item any, way []string) string {
	values, ok := item.(map[string]any)
	if !ok {
		return fmt.Sprint(item)
	}
	keys := slices.Sorted(maps.Keys(values))
	if list := way[len(way)-1]; list == "volumes" && values["target"] != nil {
		keys = []string{"target"}
	}
	var b strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&b, "%s=%v\n", key, values[key])
	}
	return b.String()
}
