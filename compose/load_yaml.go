package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/tree"
	"go.yaml.in/yaml/v4"
)

// What a project may hold. The figures are far above what people write, and keep the memory that a file can take small.
const (
	// maxFile is the size of a file that is read.
	maxFile = 4 << 20
	// maxTokens is what a file may have of lines, commas and brackets: the parser keeps some hundred bytes of each.
	maxTokens = 200_000
	// maxNodes is how many values a project may have with its aliases followed; compose-go's own limit for a file.
	maxNodes = 100_000
	// maxDepth is how deep they may nest.
	maxDepth = 100
)

// document is a YAML document as values, and where each stands.
type document struct {
	model map[string]any
	at    Places
	// reset are the paths whose values in earlier files do not count: those of !reset and !override.
	reset []tree.Path
}

// sized refuses a file that is too large to be what it is given as.
func sized(name string, size int) error {
	if size > maxFile {
		return fmt.Errorf("%s: the file is %d MiB large, at most %d can be; is it a Compose file?", name, size>>20, maxFile>>20)
	}
	return nil
}

// documents reads a file.
func (l *load) documents(f file) ([]document, error) {
	start := Place{File: f.name}
	tokens := 0
	for _, c := range f.data {
		switch c {
		case '\n', ',', '[', ']', '{', '}':
			tokens++
		}
	}
	if tokens > maxTokens {
		return nil, l.fail(start, "", fmt.Sprintf("the file has more than %d lines and items", maxTokens), "split it, and move data into files of their own")
	}
	var all []document
	for decoder := yaml.NewDecoder(bytes.NewReader(f.data)); ; {
		var node yaml.Node
		switch err := decoder.Decode(&node); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, l.syntax(f.name, err)
		}
		if len(node.Content) == 0 || empty(node.Content[0]) {
			continue
		}
		r := reader{load: l, file: f.name, at: Places{}, open: map[*yaml.Node]bool{}}
		value, err := r.value(node.Content[0], "", nil)
		if err != nil {
			return nil, err
		}
		model, ok := value.(map[string]any)
		if !ok {
			return nil, l.fail(Place{File: f.name, Line: node.Content[0].Line}, "", "the file is not a mapping, so it is no Compose file", "a Compose file has services:")
		}
		all = append(all, document{model: model, at: r.at, reset: r.reset})
	}
}

func empty(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

var lineOf = regexp.MustCompile(`\bline (\d+)`)

// syntax is what is wrong with a file that is not YAML.
func (l *load) syntax(name string, err error) error {
	message := scrub(err.Error())
	at := Place{File: name}
	if found := lineOf.FindStringSubmatch(message); found != nil {
		at.Line, _ = strconv.Atoi(found[1])
	}
	return l.fail(at, "", "not YAML: "+strings.TrimSpace(strings.TrimPrefix(message, "yaml:")), "mend it; blanks and quotes are the usual cause")
}

// reader turns a document's nodes into values.
type reader struct {
	load  *load
	file  string
	at    Places
	reset []tree.Path
	open  map[*yaml.Node]bool // the aliases that are being followed
}

func (r *reader) value(node *yaml.Node, at string, way []string) (any, error) {
	l := r.load
	here := Place{File: r.file, Line: node.Line}
	if l.nodes++; l.nodes > maxNodes {
		return nil, l.fail(here, outer(at), fmt.Sprintf("the project has more than %d values, its aliases followed", maxNodes), "use fewer aliases, or fewer files")
	}
	if len(way) > maxDepth {
		return nil, l.fail(here, outer(at), fmt.Sprintf("values nest more than %d deep", maxDepth), "no key of Compose does")
	}
	if at != "" && node.Kind != yaml.AliasNode {
		if _, have := r.at[at]; !have {
			r.at[at] = here
		}
	}
	switch node.Kind {
	case yaml.AliasNode:
		if r.open[node.Alias] {
			return nil, l.fail(here, at, "the alias *"+node.Value+" is inside of what it stands for", "take it out")
		}
		r.open[node.Alias] = true
		defer delete(r.open, node.Alias)
		return r.value(node.Alias, at, way)
	case yaml.MappingNode:
		return r.mapping(node, at, way)
	case yaml.SequenceNode:
		return r.sequence(node, at, way)
	default:
		var value any
		if err := node.Decode(&value); err != nil {
			return nil, l.fail(here, at, "not a value that YAML knows", "quote it")
		}
		return value, nil
	}
}

// outer is a path without what lies in lists, of which there may be many.
func outer(at string) string {
	at, _, _ = strings.Cut(at, "[")
	return at
}

func (r *reader) sequence(node *yaml.Node, at string, way []string) (any, error) {
	list := []any{}
	for i, item := range node.Content {
		if item.Tag == "!reset" {
			continue
		}
		child := fmt.Sprintf("%s[%d]", at, i)
		r.at[child] = Place{File: r.file, Line: item.Line}
		value, err := r.value(item, child, append(way, strconv.Itoa(i)))
		if err != nil {
			return nil, err
		}
		// An item NAME=value may stand for a key of a mapping, which is what Compose makes of many lists.
		if text, ok := value.(string); ok {
			if name := text[:len(text)-len(strings.TrimLeftFunc(text, isName))]; name != "" {
				r.at[at+"."+name] = r.at[child]
			}
		}
		list = append(list, value)
	}
	return list, nil
}

// isName says that a character may be part of a name that stands before = or : in an item of a list.
func isName(c rune) bool { return c != '=' && c != ':' }

// mapping reads a mapping: its own keys, then those that it merges (<<) and has not itself.
func (r *reader) mapping(node *yaml.Node, at string, way []string) (any, error) {
	values, lines := map[string]any{}, map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, item := node.Content[i], node.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		here := Place{File: r.file, Line: node.Content[i].Line}
		if key.Kind != yaml.ScalarNode || (key.Tag != "!!str" && key.Tag != "!!merge") {
			return nil, r.load.fail(here, at, fmt.Sprintf("the key %s is not a text", scrub(key.Value)), "quote it")
		}
		name := key.Value
		child := name
		if at != "" {
			child = at + "." + name
		}
		if line, twice := lines[name]; twice {
			return nil, r.load.fail(here, child, fmt.Sprintf("the key is there twice, first in line %d", line), "keep one of them")
		}
		lines[name] = here.Line
		if key.Tag == "!!merge" {
			merged = append(merged, item)
			continue
		}
		r.at[child] = here
		next := append(way[:len(way):len(way)], name)
		switch item.Tag {
		case "!reset":
			r.reset = append(r.reset, tree.NewPath(next...))
			continue
		case "!override":
			r.reset = append(r.reset, tree.NewPath(next...))
			item = untagged(item)
		}
		value, err := r.value(item, child, next)
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	for _, item := range merged {
		if err := r.merge(values, item, at, way); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// untagged is a node without the tag that only says how it is merged.
func untagged(node *yaml.Node) *yaml.Node {
	plain := *node
	plain.Tag = ""
	switch plain.Kind {
	case yaml.MappingNode:
		plain.Tag = "!!map"
	case yaml.SequenceNode:
		plain.Tag = "!!seq"
	default:
		plain.Tag = plain.ShortTag()
		if plain.Tag == "" || plain.Tag == "!override" {
			plain.Tag = "!!str"
		}
	}
	return &plain
}

// merge lays a mapping, or several, under values.
func (r *reader) merge(values map[string]any, item *yaml.Node, at string, way []string) error {
	target := item
	if item.Kind == yaml.AliasNode {
		target = item.Alias
	}
	if target.Kind == yaml.SequenceNode {
		for _, one := range target.Content {
			if err := r.merge(values, one, at, way); err != nil {
				return err
			}
		}
		return nil
	}
	// Its places are those of keys that it brings; what the mapping has itself is nearer.
	own := r.at
	r.at = Places{}
	value, err := r.value(item, at, way)
	theirs := r.at
	r.at = own
	if err != nil {
		return err
	}
	from, ok := value.(map[string]any)
	if !ok {
		return r.load.fail(Place{File: r.file, Line: item.Line}, at, "<< takes a mapping, or a list of mappings", "merge one")
	}
	brought := map[string]bool{}
	for name, v := range from {
		if _, have := values[name]; !have {
			values[name], brought[name] = v, true
		}
	}
	prefix := at
	if at != "" {
		prefix += "."
	}
	for p, place := range theirs {
		if rest, below := strings.CutPrefix(p, prefix); below && startsWithOne(rest, brought) {
			r.at[p] = place
		}
	}
	return nil
}

// startsWithOne says that a path starts with one of some keys, which may have dots in them.
func startsWithOne(p string, keys map[string]bool) bool {
	for i := 0; i <= len(p); i++ {
		if (i == len(p) || p[i] == '.' || p[i] == '[') && keys[p[:i]] {
			return true
		}
	}
	return false
}
