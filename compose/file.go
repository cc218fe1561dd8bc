package compose

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// FileName is what the stack file is called among Files.
const FileName = "compose.yaml"

// YAML is the stack as a file: of a stack that was read from files what they mean together, of any other what docker
// stack deploy makes that stack of. It names the data of configs and secrets by path: see Files.
func (s *Stack) YAML() ([]byte, error) {
	model := s.Model
	if model == nil {
		model, _ = s.model()
	}
	var out strings.Builder
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(nodeOf(s.linked(model), "")); err != nil {
		return nil, fmt.Errorf("write the stack file: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write the stack file: %w", err)
	}
	return []byte(out.String()), nil
}

// Files are the stack file and what it names, by path. Secrets whose data nobody can read come as files that say so.
func (s *Stack) Files() (map[string][]byte, error) {
	doc, err := s.YAML()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{FileName: doc}
	for _, part := range s.parts() {
		for _, f := range part.files {
			switch {
			case f.External || f.Driver != "":
			case !f.Unknown:
				files[dataPath(part.name, f.Key)] = f.Data
			case s.placeholder(part.name, f.Key):
				files[dataPath(part.name, f.Key)] = fmt.Appendf(nil, placeholderText, f.Key, s.Name)
			}
		}
	}
	return files, nil
}

// placeholderText stands where the data of a secret belongs.
const placeholderText = "FILL IN: the secret %q of the stack %q. A Swarm gives no secret's data back; put it here in place of all of this.\n"

// part is a list of what a stack has files of.
type part struct {
	name  string
	files []File
}

func (s *Stack) parts() []part { return []part{{"configs", s.Configs}, {"secrets", s.Secrets}} }

// dataPath is where a config's or secret's data is, from the stack file.
func dataPath(part, key string) string {
	if strings.Trim(key, ".") == "" {
		key = "x" + key // no name of a file
	}
	return part + "/" + key
}

// placeholder says whether the stack file names a file for a secret that is not known: that of a running stack does, one
// that was read from files says itself where the data comes from.
func (s *Stack) placeholder(part, key string) bool {
	if s.Model == nil {
		return true
	}
	section, _ := s.Model[part].(map[string]any)
	entry, _ := section[key].(map[string]any)
	return entry["file"] == "./"+dataPath(part, key)
}

// linked is a model that needs no more than Files: configs and secrets whose data is known name those, and variables that
// came from elsewhere have their values.
func (s *Stack) linked(model said) said {
	out := maps.Clone(model)
	s.linkVariables(out)
	for _, part := range s.parts() {
		section, ok := out[part.name].(map[string]any)
		if !ok {
			continue
		}
		section = maps.Clone(section)
		for _, f := range part.files {
			entry, ok := section[f.Key].(map[string]any)
			if !ok || f.External || f.Unknown || f.Driver != "" {
				continue
			}
			entry = maps.Clone(entry)
			delete(entry, "content")
			delete(entry, "environment")
			entry["file"] = "./" + dataPath(part.name, f.Key)
			section[f.Key] = entry
		}
		out[part.name] = section
	}
	return out
}

// linkVariables writes the variables of services out, in place of the files and of the surroundings that they came from.
func (s *Stack) linkVariables(out said) {
	for _, section := range []string{"services", "jobs"} {
		list, ok := out[section].(map[string]any)
		if !ok {
			continue
		}
		list = maps.Clone(list)
		out[section] = list
		for key := range list {
			entry, ok := list[key].(map[string]any)
			service := s.Service(key)
			if !ok || service == nil || service.Spec.TaskTemplate.ContainerSpec == nil || entry["environment"] == nil && entry["env_file"] == nil {
				continue
			}
			entry = maps.Clone(entry)
			delete(entry, "env_file")
			entry["environment"] = newFiler(s).environment(key, service.Spec.TaskTemplate.ContainerSpec.Env)
			list[key] = entry
		}
	}
}

// fileOf is a service as a Compose file says it.
func (f *filer) fileOf(service *Service) *types.ServiceConfig {
	model := f.service(service)
	ports, _ := model["ports"].([]any)
	for i := range ports {
		port := maps.Clone(ports[i].(said))
		if published, ok := port["published"]; ok {
			port["published"] = fmt.Sprint(published)
		}
		ports[i] = port
	}
	out := &types.ServiceConfig{Name: service.Key}
	if err := loader.Transform(model, out); err != nil {
		f.find(service.Key, "", Refused, "cannot be said in a Compose file (%v): write this service by hand", err)
		out = &types.ServiceConfig{Name: service.Key}
		out.Image = service.Spec.TaskTemplate.ContainerSpec.Image
	}
	out.Name = service.Key
	return out
}

// complete fills in what a stack that did not come of files has of them: its model, and what each service would be in it.
func (s *Stack) complete() {
	model, findings := s.model()
	s.Model = model
	s.Findings = append(s.Findings, findings...)
	f := newFiler(s)
	for i := range s.Services {
		s.Services[i].File = f.fileOf(&s.Services[i])
	}
	s.Findings = sortFindings(s.Findings)
}

// Orders in which people write keys; what is not among them follows by name.
var (
	fileOrder    = []string{"name", "version", "include", "services", "jobs", "networks", "volumes", "configs", "secrets"}
	serviceOrder = []string{"image", "build", "entrypoint", "command"}
	lastInOrder  = []string{"deploy", "labels"}
	itemOrder    = []string{"type", "source", "target", "published", "protocol"}
)

// nodeOf is a value of a model as YAML, with what Compose would interpolate escaped. at is the path that it has in the
// model, a star for each key that someone chose.
func nodeOf(value any, at string) *yaml.Node {
	switch v := value.(type) {
	case map[string]any:
		node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range orderOf(v, at) {
			name := &yaml.Node{}
			name.SetString(key)
			node.Content = append(node.Content, name, nodeOf(v[key], below(at, key)))
		}
		return node
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			node.Content = append(node.Content, nodeOf(item, at+"[]"))
		}
		return node
	case []string:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			node.Content = append(node.Content, nodeOf(item, at+"[]"))
		}
		return node
	case string:
		return scalar(strings.ReplaceAll(v, "$", "$$"))
	case uint32:
		if strings.HasSuffix(at, "[].mode") {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: fmt.Sprintf("0%o", v)}
		}
	}
	return scalar(value)
}

// scalar is a plain value, quoted where it would be read as another.
func scalar(value any) *yaml.Node {
	var doc yaml.Node
	if err := doc.Encode(value); err != nil {
		doc.SetString(fmt.Sprint(value))
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0]
	}
	return &doc
}

func below(at, key string) string {
	switch {
	case at == "":
		return key
	case strings.Contains(at, ".") || strings.HasPrefix(at, "x-"):
		return at + "." + key
	}
	return at + ".*"
}

// orderOf are the keys of a part of a model in the order in which people write them.
func orderOf(m map[string]any, at string) []string {
	keys := slices.Sorted(maps.Keys(m))
	var first, last []string
	switch at {
	case "":
		first = fileOrder
	case "services.*", "jobs.*":
		first, last = serviceOrder, lastInOrder
	default:
		if strings.HasSuffix(at, "[]") {
			first = itemOrder
		}
	}
	rank := func(key string) int {
		if i := slices.Index(first, key); i >= 0 {
			return i - len(first)
		}
		return slices.Index(last, key) + 1
	}
	slices.SortStableFunc(keys, func(a, b string) int { return rank(a) - rank(b) })
	return keys
}
