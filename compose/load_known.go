package compose

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// known brings what docker stack takes and compose-go does not into the form that both take. What Docker's schema for
// version 3 lets pass and then ignores is taken out, and told.
func (l *load) known(cfg map[string]any, at Places) error {
	for key, value := range cfg {
		if value == nil {
			// `volumes:` with nothing below it is an empty mapping to all.
			delete(cfg, key)
		}
	}
	if err := l.version(cfg, at); err != nil {
		return err
	}
	if _, is := cfg["services"]; !is {
		if service := looksLikeVersion1(cfg); service != "" {
			return l.fail(at.Of(service), service, "a service stands at the top, as in version 1 of Compose's files", "put all services below services:")
		}
	}
	for _, section := range []string{"services", "jobs"} {
		for name, container := range mappings(cfg[section]) {
			if err := l.fewPorts(container, section+"."+name, at); err != nil {
				return err
			}
			l.knownContainer(container, section+"."+name, at)
		}
	}
	for _, section := range []string{"networks", "volumes", "configs", "secrets"} {
		for _, value := range mappings(cfg[section]) {
			knownExternal(value)
		}
	}
	return nil
}

// maxPorts is how many ports an item may stand for; each becomes one of its own.
const maxPorts = 2000

var portSpan = regexp.MustCompile(`(\d{1,5})-(\d{1,5})`)

// fewPorts refuses ranges of ports that are too wide.
func (l *load) fewPorts(c map[string]any, path string, at Places) error {
	list, _ := c["ports"].([]any)
	for i, item := range list {
		text := fmt.Sprint(item)
		if values, ok := item.(map[string]any); ok {
			text = fmt.Sprint(values["published"], " ", values["target"])
		}
		for _, span := range portSpan.FindAllStringSubmatch(text, -1) {
			first, _ := strconv.Atoi(span[1]) // the pattern has digits only
			last, _ := strconv.Atoi(span[2])
			if key := fmt.Sprintf("%s.ports[%d]", path, i); last-first >= maxPorts {
				return l.fail(at.Of(key), key, fmt.Sprintf("it stands for more than %d ports", maxPorts), "publish fewer, or put the service on the host's network")
			}
		}
	}
	return nil
}

// version makes what people write as the version the text that the schema wants.
func (l *load) version(cfg map[string]any, at Places) error {
	switch version := cfg["version"].(type) {
	case nil, string:
	case int, float64, uint64:
		cfg["version"] = fmt.Sprint(version)
	default:
		return l.fail(at.Of("version"), "version", "it is no version", `take it out, or write version: "3.8"`)
	}
	if text, ok := cfg["version"].(string); ok && strings.HasPrefix(strings.TrimSpace(text), "1") {
		return l.fail(at.Of("version"), "version", "version 1 of Compose's files is not known", "put all services below services:")
	}
	return nil
}

// looksLikeVersion1 is a key at the top that is a service; "" where there is none.
func looksLikeVersion1(cfg map[string]any) string {
	for _, name := range slices.Sorted(maps.Keys(cfg)) {
		if service, ok := cfg[name].(map[string]any); ok && !strings.HasPrefix(name, "x-") {
			if _, image := service["image"]; image {
				return name
			}
			if _, build := service["build"]; build {
				return name
			}
		}
	}
	return ""
}

// knownContainer is known for a service or a job.
func (l *load) knownContainer(c map[string]any, path string, at Places) {
	for key, value := range c {
		if value == nil && !keepsNull[key] {
			delete(c, key)
		}
	}
	rename(c, "cgroupns_mode", "cgroup", path, at)
	rename(c, "x-develop", "develop", path, at)
	if hosts, ok := c["extra_hosts"].(map[string]any); ok {
		for name, address := range hosts {
			switch address.(type) {
			case nil:
				delete(hosts, name)
				l.find(at, Meaningless, path+".extra_hosts."+name, false, "it has no address")
			case string, []any:
			default:
				hosts[name] = fmt.Sprint(address)
			}
		}
	}
	for _, list := range []string{"secrets", "configs"} {
		l.knownItems(c[list], path+"."+list, at, "source", "target", "uid", "gid", "mode")
	}
	for _, list := range []string{"secrets", "configs", "volumes"} {
		l.twice(c[list], path+"."+list, at)
	}
	volumes, _ := c["volumes"].([]any)
	for i, volume := range volumes {
		mount, _ := volume.(map[string]any)
		for kind, keys := range mountKeys {
			if options, ok := mount[kind].(map[string]any); ok {
				l.onlyKnown(options, fmt.Sprintf("%s.volumes[%d].%s", path, i, kind), at, keys...)
			}
		}
	}
}

// twice tells of what a file mounts where something else of the same list is: the last of them counts, if that.
func (l *load) twice(value any, path string, at Places) {
	list, _ := value.([]any)
	last := map[string]int{}
	for i, item := range list {
		target := targetOf(item)
		if values, ok := item.(map[string]any); ok && target == "" {
			target, _ = values["source"].(string)
		}
		if target == "" {
			target, _ = item.(string)
		}
		if before, ok := last[target]; ok {
			l.find(at, Refused, fmt.Sprintf("%s[%d]", path, before), true, "something else is mounted at %s further below, and that is taken; docker stack deploy refuses both", target)
		}
		last[target] = i
	}
}

// keepsNull are the keys of a service that mean something without a value.
var keepsNull = map[string]bool{"command": true, "entrypoint": true}

// mountKeys are what the options of mounts hold.
var mountKeys = map[string][]string{
	"bind":   {"propagation", "create_host_path", "recursive", "selinux"},
	"volume": {"nocopy", "subpath", "labels"},
	"tmpfs":  {"size", "mode"},
}

// rename gives a key the name that compose-go has for it.
func rename(values map[string]any, from, to, path string, at Places) {
	value, have := values[from]
	if _, both := values[to]; !have || both {
		return
	}
	delete(values, from)
	values[to] = value
	old := path + "." + from
	for p, place := range at {
		if rest, below := strings.CutPrefix(p, old); below {
			at[path+"."+to+rest] = place
		}
	}
}

// knownItems is onlyKnown for the mappings of a list.
func (l *load) knownItems(value any, path string, at Places, keys ...string) {
	list, _ := value.([]any)
	for i, item := range list {
		if values, ok := item.(map[string]any); ok {
			l.onlyKnown(values, fmt.Sprintf("%s[%d]", path, i), at, keys...)
		}
	}
}

// onlyKnown takes keys out that Docker takes and ignores.
func (l *load) onlyKnown(values map[string]any, path string, at Places, keys ...string) {
	for key := range values {
		if !slices.Contains(keys, key) && !strings.HasPrefix(key, "x-") {
			delete(values, key)
			l.find(at, Meaningless, path+"."+key, false, "nothing of Docker's knows this key; is it misspelt?")
		}
	}
}

// knownExternal makes the old form of external, {name: NAME}, the present one.
func knownExternal(value map[string]any) {
	external, ok := value["external"].(map[string]any)
	if !ok {
		return
	}
	if name, named := external["name"]; named {
		if have, both := value["name"]; both && have != name {
			return // compose-go's error
		}
		value["name"] = name
	}
	value["external"] = true
}
