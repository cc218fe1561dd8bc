package compose

import (
	"context"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// seeds are files to start from: the cases of the keys, and our own stacks.
func seeds(tb testing.TB) []string {
	tb.Helper()
	var all []string
	for _, pattern := range []string{"testdata/keys/*.yaml", "../testdata/compose/*.y*ml", "../testdata/stacks/*.yml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			tb.Fatalf("%s: nothing there (%v)", pattern, err)
		}
		for _, name := range names {
			doc, err := os.ReadFile(name)
			if err != nil {
				tb.Fatal(err)
			}
			input, _, _ := strings.Cut(string(doc), keyLine)
			all = append(all, input)
		}
	}
	return all
}

// convertible loads and converts whatever it is given. Convert validates what it made, and fails where it is not valid:
// of a file that can be loaded something valid comes, or the file was refused.
func convertible(tb testing.TB, doc string) {
	tb.Helper()
	for _, name := range []string{"", "shop"} {
		s, err := Load(context.Background(), Input{Files: []Source{{Name: "compose.yaml", Data: []byte(doc)}}, Name: name})
		if err != nil {
			continue
		}
		r, err := Convert(s, Options{Namespace: name, NetworkPolicies: name != ""})
		if err != nil {
			tb.Errorf("%v\nof\n%s", err, doc)
			continue
		}
		for _, format := range []Format{FormatKubernetes, FormatHelm} {
			if _, err := Write(r, s, format); err != nil {
				tb.Errorf("%s: %v\nof\n%s", format, err, doc)
			}
		}
	}
}

// nasty are values that somebody writes some day.
var nasty = []string{
	"", "-1", "0", "1", "99999999999", "1.5", "true", "null", "a", "A_b", "a.b", "a/b", "/", "//x/../y", "./x", "~/x", "..", "a:b", "/a:/b:ro", "x:y:z",
	"{{.Task.Slot}}", "{{ bad", "$$HOME", "é", strings.Repeat("x", 70), strings.Repeat("y", 300), "8080:80", "80-90", "1000:1000", "host", "none",
	"service:web", "10.0.0.300", "::1", "1h", "10ms", "64m", "a=b", "node.role==manager", "node.labels.a b == c", "on-failure:3", "no", "[]", "{}", "- a",
	"\"two\\nlines\"", "CON", "-", "a b", "\ttab",
}

// TestNothingInvalid changes one or two values of what is right to what hardly is.
func TestNothingInvalid(t *testing.T) {
	const rounds = 6
	d := rand.New(rand.NewSource(1))
	for _, seed := range seeds(t) {
		for range rounds {
			var root yaml.Node
			if err := yaml.Unmarshal([]byte(seed), &root); err != nil {
				t.Fatal(err)
			}
			var scalars []*yaml.Node
			var visit func(n *yaml.Node)
			visit = func(n *yaml.Node) {
				if n.Kind == yaml.ScalarNode {
					scalars = append(scalars, n)
				}
				for _, below := range n.Content {
					visit(below)
				}
			}
			visit(&root)
			for range 1 + d.Intn(2) {
				n := scalars[d.Intn(len(scalars))]
				n.Value, n.Tag, n.Style = nasty[d.Intn(len(nasty))], "", 0
				if d.Intn(3) == 0 {
					n.Style = yaml.DoubleQuotedStyle
				}
			}
			doc, err := yaml.Marshal(&root)
			if err != nil {
				continue
			}
			convertible(t, string(doc))
		}
	}
}

// FuzzConvert has anything converted: no panic, nothing invalid.
func FuzzConvert(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, doc string) { convertible(t, doc) })
}
