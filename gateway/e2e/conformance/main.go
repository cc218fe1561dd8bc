// Command conformance keeps what runs of Kubernetes' conformance suite against skep found, and writes it down as a page.
// .ci/conformance builds the suite, runs it, and calls this with the report that Ginkgo wrote:
//
//	conformance -list conformance.yaml -results results.json -page docs/conformance.md [report.json...]
//
// -list is what `e2e.test --list-conformance-tests` prints: all tests that there are. The reports' results replace
// earlier ones of the same tests in the results file, so a run of a part leaves the others as they were.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/onsi/ginkgo/v2/types"
	"sigs.k8s.io/yaml"
)

func main() {
	list := flag.String("list", "", "file with all conformance tests, as e2e.test lists them")
	kept := flag.String("results", "", "file that keeps the results")
	page := flag.String("page", "", "page to write")
	version := flag.String("version", "", "Kubernetes' version, whose suite it is")
	flag.Parse()
	if err := run(*list, *kept, *page, *version, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(list, kept, page, version string, reports []string) error {
	tests, err := readTests(list)
	if err != nil {
		return err
	}
	results, err := readResults(kept)
	if err != nil {
		return err
	}
	for _, name := range reports {
		if err := readReport(name, tests, results); err != nil {
			return err
		}
	}
	if err := writeResults(kept, tests, results); err != nil {
		return err
	}
	if err := os.WriteFile(page, []byte(render(version, tests, results)), 0o644); err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	return nil
}

// test is one of the suite's conformance tests.
type test struct {
	Name string `json:"codename"` // the whole of it, with its tags
	File string `json:"file"`     // in Kubernetes' sources
}

func readTests(name string) ([]test, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("the list of tests: %w", err)
	}
	var tests []test
	if err := yaml.Unmarshal(data, &tests); err != nil {
		return nil, fmt.Errorf("the list of tests, %s: %w", name, err)
	}
	if len(tests) == 0 {
		return nil, fmt.Errorf("the list of tests, %s, is empty", name)
	}
	return tests, nil
}

// result is what became of a test when it was last run.
type result struct {
	Passed bool   `json:"passed"`
	Why    string `json:"why,omitempty"` // the first line of the failure
}

// readResults reads what is kept, by the tests' names; nothing where there is no file yet.
func readResults(name string) (map[string]result, error) {
	results := map[string]result{}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return results, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &results)
	}
	if err != nil {
		return nil, fmt.Errorf("earlier results, %s: %w", name, err)
	}
	return results, nil
}

// writeResults keeps those of tests that there are.
func writeResults(name string, tests []test, results map[string]result) error {
	known := make(map[string]result, len(results))
	for _, t := range tests {
		if r, ok := results[t.Name]; ok {
			known[t.Name] = r
		}
	}
	data, err := json.MarshalIndent(known, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("the results: %w", err)
	}
	return nil
}

// readReport takes the results of one run. A test that was not chosen, or that the run's end cut off, keeps what it had.
func readReport(name string, tests []test, results map[string]result) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("the suite's report: %w", err)
	}
	var suites []types.Report
	if err := json.Unmarshal(data, &suites); err != nil {
		return fmt.Errorf("the suite's report, %s: %w", name, err)
	}
	known := map[string]bool{}
	for _, t := range tests {
		known[t.Name] = true
	}
	for _, suite := range suites {
		for i := range suite.SpecReports {
			spec := &suite.SpecReports[i]
			if r, ran := resultOf(spec); ran && known[spec.FullText()] {
				results[spec.FullText()] = r
			}
		}
	}
	return nil
}

// resultOf is what became of a test; false when it did not run to its end. One that skips itself has not passed.
func resultOf(spec *types.SpecReport) (result, bool) {
	switch spec.State {
	case types.SpecStatePassed:
		return result{Passed: true}, true
	case types.SpecStateFailed, types.SpecStatePanicked, types.SpecStateTimedout:
		if strings.Contains(spec.Failure.Message, "suite timeout") {
			return result{}, false // cut off
		}
		return result{Why: firstLine(spec.Failure.Message)}, true
	case types.SpecStateSkipped:
		if spec.Failure.Message == "" {
			return result{}, false // not chosen
		}
		return result{Why: "skips itself: " + firstLine(spec.Failure.Message)}, true
	default:
		return result{}, false
	}
}
