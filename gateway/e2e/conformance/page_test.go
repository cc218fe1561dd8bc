package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const list = `
- codename: '[sig-node] Pods should be updated [NodeConformance] [Conformance]'
  file: test/e2e/common/node/pods.go
- codename: '[sig-node] Pods should get a host IP [NodeConformance] [Conformance]'
  file: test/e2e/common/node/pods.go
- codename: '[sig-apps] Job should run [Conformance]'
  file: test/e2e/apps/job.go
`

// report is what Ginkgo writes, as far as it is read.
func report(states ...string) string {
	return `[{"SpecReports": [` + strings.Join(states, ",") + `]}]`
}

func spec(name, state, message string) string {
	return `{"LeafNodeText": "` + name + `", "LeafNodeType": "It", "State": "` + state + `", "Failure": {"Message": "` + message + `"}}`
}

// TestPage: a run's results stand on the page, and a later run of a part replaces only that part.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("list", list)
	write("first", report(
		spec("[sig-node] Pods should be updated [NodeConformance] [Conformance]", "failed", `Timed out after 300.1s.\npod pods-4711/x is|Pending`),
		spec("[sig-apps] Job should run [Conformance]", "passed", ""),
		spec("[sig-node] Pods should get a host IP [NodeConformance] [Conformance]", "skipped", ""),
		spec("[sig-node] Something else", "passed", "")))
	write("second", report(spec("[sig-apps] Job should run [Conformance]", "failed", `Expected\n <int>: 1\nto equal\n <int>: 2`)))
	for _, name := range []string{"first", "second"} {
		if err := run(path("list"), path("results"), path("page"), "v1", []string{path(name)}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path("page"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"**0 of 3 pass**, 2 do not, 1 have not been run",
		`| Pods should be updated | fails | Timed out after 300.1s. pod pods-…/x is\|Pending |`,
		"| Pods should get a host IP | not run |  |",
		"| Job should run | fails | Expected &lt;int>: 1 to equal &lt;int>: 2 |",
		"| [sig-node](#sig-node) | 0 | 1 | 1 | 2 |",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
