package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"
)

// probe is a file with one key less.
type probe struct {
	key  string // its path
	text []byte
}

// probes are those of a file, and the file as the same writer writes it. Keys that are merged in from elsewhere are
// probed where they stand.
func probes(data []byte) (whole []byte, all []probe, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, nil, err
	}
	if whole, err = yaml.Marshal(&doc); err != nil {
		return nil, nil, err
	}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		if n.Kind != yaml.MappingNode {
			for _, inner := range n.Content {
				walk(inner, path)
			}
			return
		}
		pairs := n.Content
		for i := 0; i+1 < len(pairs); i += 2 {
			at := strings.TrimPrefix(path+"."+pairs[i].Value, ".")
			n.Content = append(append([]*yaml.Node(nil), pairs[:i]...), pairs[i+2:]...)
			if text, failed := yaml.Marshal(&doc); failed == nil {
				all = append(all, probe{key: at, text: text})
			}
			n.Content = pairs
			walk(pairs[i+1], at)
		}
	}
	walk(&doc, "")
	return whole, all, nil
}

// converter converts a file below a directory.
type converter func(ctx context.Context, root, file string) outcome

// speaksOf says whether a message names a key, or one that it is below: what is said once is said of all keys of that name.
func (o outcome) speaksOf(key string) bool {
	names := strings.Split(key, ".")
	if len(names) > 2 {
		names = names[2:] // what is below a service, a network and so on
	} else {
		names = []string{key}
	}
	for _, name := range names {
		word := regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(name) + `($|[^\w-])`)
		if slices.ContainsFunc(o.messages, word.MatchString) {
			return true
		}
	}
	return false
}

// silent are the keys of a file that make no difference to what a program gives, and that it does not speak of. Each of the roots is a copy of
// all files, for one conversion at a time.
func silent(ctx context.Context, roots []string, file string, all []probe, whole outcome, convert converter) ([]string, error) {
	original, err := os.ReadFile(filepath.Join(roots[0], file))
	if err != nil {
		return nil, err
	}
	dropped, failed := make([]bool, len(all)), make([]error, len(roots))
	next := make(chan int)
	var working sync.WaitGroup
	for w, root := range roots {
		working.Go(func() {
			at := filepath.Join(root, file)
			for i := range next {
				failed[w] = errors.Join(failed[w], os.WriteFile(at, all[i].text, 0o600))
				dropped[i] = whole.same(convert(ctx, root, file)) && !whole.speaksOf(all[i].key)
			}
			failed[w] = errors.Join(failed[w], os.WriteFile(at, original, 0o600))
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	working.Wait()
	var keys []string
	for i, is := range dropped {
		if is {
			keys = append(keys, all[i].key)
		}
	}
	return keys, errors.Join(failed...)
}
