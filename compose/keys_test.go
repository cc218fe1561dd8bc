package compose

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	clicompose "github.com/docker/cli/cli/compose/loader"
	clitypes "github.com/docker/cli/cli/compose/types"
)

// keyCases is where the table's cases are: a Compose file, a line of dashes, then what becomes of it, and what is told
// of it. The first line may say with which options: "# --stack shop --network-policies".
const keyCases = "testdata/keys"

var updateGolden = flag.Bool("update", false, "write what the tests expect: golden files and docs/compose.md")

const keyLine = "---------\n"

// resolved are keys that are gone from the model once a file is read, so that no row can be asked about them.
var resolved = []string{"version", "include", "services.*.extends"}

// caseOf is the name of a row's case.
func caseOf(row *keyFate) string {
	name := strings.NewReplacer(".*", "", "[]", "", "x-*", "x-owner").Replace(row.path)
	if strings.HasSuffix(row.path, ".*") && row.path != "x-*" {
		name += ".key"
	}
	if row.when != nil {
		name += "=" + strings.Trim(notInCase.ReplaceAllString(strings.ToLower(row.when.text), "-"), "-.")
	}
	return name
}

var notInCase = regexp.MustCompile(`[^a-z0-9._]+`)

// TestKeyCases: each row of the table has a case in which it decides, and each case what came of it.
func TestKeyCases(t *testing.T) {
	want := map[string]bool{}
	for i := range allRows() {
		row := allRows()[i]
		name := caseOf(row)
		if want[name] {
			t.Errorf("%s: two rows have this case", name)
		}
		want[name] = true
		t.Run(name, func(t *testing.T) { keyCase(t, row, filepath.Join(keyCases, name+".yaml")) })
	}
	files, err := filepath.Glob(keyCases + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); !want[name] {
			t.Errorf("%s is the case of no row", file)
		}
	}
}

// allRows are the rows that the audit asks.
func allRows() []*keyFate {
	var all []*keyFate
	var visit func(n *fateNode)
	seen := map[*fateNode]bool{}
	visit = func(n *fateNode) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		for i := range n.rows {
			all = append(all, &n.rows[i])
		}
		for _, part := range sortedKeys(n.below) {
			visit(n.below[part])
		}
	}
	visit(fates())
	slices.SortStableFunc(all, func(a, b *keyFate) int { return strings.Compare(a.path, b.path) })
	return all
}

func keyCase(t *testing.T, row *keyFate, file string) {
	t.Helper()
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	input, _, _ := strings.Cut(string(doc), keyLine)
	s, r := convertCase(t, input)
	if !slices.Contains(resolved, row.path) {
		a := &auditor{places: s.Places, once: map[*keyFate]Finding{}, met: map[*keyFate]bool{}}
		for _, key := range sortedKeys(s.Model) {
			a.step(fates(), key, subject{key, s.Model[key]}, key, key)
		}
		if !a.met[row] {
			t.Errorf("%s: the row of %s decides on nothing", file, row.title())
		}
	}
	keepsWord(t, row, r)
	var out strings.Builder
	out.WriteString(input + keyLine)
	out.WriteString(outcome(t, s, r))
	if *updateGolden {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if out.String() != string(doc) {
		t.Errorf("%s: got\n%s", file, out.String())
	}
}

// keepsWord checks that what a row says comes true in its case: a field that it names is there, or it is told of.
func keepsWord(t *testing.T, row *keyFate, r *Result) {
	t.Helper()
	if row.fate != Mapped {
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Fate == row.fate || row.told }) {
			t.Errorf("%s: nobody is told", row.title())
		}
		return
	}
	fields := row.fields()
	if len(fields) > 0 && !slices.ContainsFunc(fields, func(field string) bool { return r.hasField(t, field) }) {
		t.Errorf("%s: none of %s is in what came of it", row.title(), row.to)
	}
}

// hasField says whether an object of a result has a field.
func (r *Result) hasField(t *testing.T, field string) bool {
	t.Helper()
	kind, path, _ := strings.Cut(field, ".")
	for _, object := range r.Objects {
		var from any = object
		if template, _ := podsOf(object); template != nil && kind == "Pod" {
			from = template
		} else if object.GetObjectKind().GroupVersionKind().Kind != kind {
			continue
		}
		doc, err := json.Marshal(from)
		if err != nil {
			t.Fatal(err)
		}
		var values any
		if err := json.Unmarshal(doc, &values); err != nil {
			t.Fatal(err)
		}
		if hasValue(values, strings.Split(path, ".")) {
			return true
		}
	}
	return false
}

// hasValue follows the names of fields through values.
func hasValue(value any, path []string) bool {
	if list, ok := value.([]any); ok {
		return slices.ContainsFunc(list, func(item any) bool { return hasValue(item, path) })
	}
	if len(path) == 0 {
		return value != nil
	}
	values, _ := value.(map[string]any)
	next, has := values[strings.TrimSuffix(path[0], "[]")]
	return has && hasValue(next, path[1:])
}

// TestSwarmRefuses: docker stack deploy refuses the cases of the rows that say so, and no others.
func TestSwarmRefuses(t *testing.T) {
	for _, row := range allRows() {
		doc, err := os.ReadFile(filepath.Join(keyCases, caseOf(row)+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		input, _, _ := strings.Cut(string(doc), keyLine)
		values, err := clicompose.ParseYAML([]byte(input))
		if err != nil {
			t.Fatal(err)
		}
		_, err = clicompose.Load(clitypes.ConfigDetails{
			WorkingDir: filepath.Join(keyCases, "project"), ConfigFiles: []clitypes.ConfigFile{{Filename: "compose.yaml", Config: values}},
			Environment: map[string]string{"GREETING": "hello"},
		})
		if (err != nil) != (row.swarm == swarmRefuses) {
			t.Errorf("%s: the row says that %q, and docker stack deploy says %v", row.title(), row.swarm, err)
		}
	}
}

// TestLawOfKeys: where a Swarm holds something else by way of Kubernetes than after docker stack deploy, the row says so.
func TestLawOfKeys(t *testing.T) {
	for _, row := range allRows() {
		doc, err := os.ReadFile(filepath.Join(keyCases, caseOf(row)+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		input, _, _ := strings.Cut(string(doc), keyLine)
		s, err := Load(t.Context(), caseInput(input, "shop"))
		if err != nil {
			t.Fatal(err)
		}
		if row.swarm == "" {
			for _, d := range lawDifferences(t, s) {
				t.Errorf("%s: %s: %s", row.title(), d.service, d.text)
			}
		}
	}
}

// caseInput is what a case is loaded from.
func caseInput(input, stack string) Input {
	return Input{
		Files: []Source{{Name: "compose.yaml", Data: []byte(input)}}, Dir: filepath.Join(keyCases, "project"),
		Name: stack, Env: map[string]string{"GREETING": "hello"},
	}
}

// convertCase loads and converts a case's input.
func convertCase(t *testing.T, input string) (*Stack, *Result) {
	t.Helper()
	in := caseInput(input, "")
	options := Options{Project: OpenProject(in.Dir, nil)}
	first, _, _ := strings.Cut(input, "\n")
	words := strings.Fields(strings.TrimPrefix(first, "#"))
	for i, word := range words {
		switch {
		case !strings.HasPrefix(first, "#"):
		case word == "--stack":
			in.Name, options.Namespace = words[i+1], words[i+1]
		case word == "--profile":
			in.Profiles = words[i+1 : i+2]
		case word == "--network-policies":
			options.NetworkPolicies = true
		}
	}
	s, err := Load(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Convert(s, options)
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

// outcome is what a person sees of a conversion: the manifests, and below them what is told.
func outcome(t *testing.T, s *Stack, r *Result) string {
	t.Helper()
	files, err := Write(r, s, FormatKubernetes)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.Write(Stream(files))
	for _, f := range r.Findings {
		mark := ""
		if f.Decide {
			mark = " (decide)"
		}
		fmt.Fprintf(&out, "# %s%s: %s\n", f.Fate, mark, f)
	}
	for _, f := range r.Fill {
		fmt.Fprintf(&out, "# fill in: %s %s: %s\n", f.what(), f.Key, f.Reason)
	}
	return out.String()
}
