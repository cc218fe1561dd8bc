package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	sigPattern  = regexp.MustCompile(`\[sig-[a-z-]+\]`)
	tagsPattern = regexp.MustCompile(` *\[(sig-[a-z-]+|Conformance|NodeConformance|LinuxOnly)\] *`)
	// What is another one in every run.
	madeUpPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b(0x)?[0-9a-f]{10,}\b|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*`)
	namespaces    = regexp.MustCompile(`\b([a-z][a-z0-9-]*)-\d{1,5}\b`)
)

// whyLength is how much of a failure's first line is told.
const whyLength = 240

// firstLine is the beginning of a failure's message, without what differs from run to run. A line that only
// introduces the next goes together with it, and so does what a comparison says.
func firstLine(message string) string {
	why, compares := "", false
	for line := range strings.Lines(message) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		why = strings.TrimSpace(why + " " + line)
		compares = compares || line == "Expected"
		if !compares && !strings.HasSuffix(line, ":") && !strings.HasPrefix(line, "Timed out after") {
			break
		}
	}
	why = namespaces.ReplaceAllString(madeUpPattern.ReplaceAllString(why, "…"), "$1-…")
	if runes := []rune(why); len(runes) > whyLength {
		why = string(runes[:whyLength]) + " …"
	}
	return why
}

// sigOf is the special interest group whose test it is.
func sigOf(t test) string {
	return strings.Trim(cmp.Or(sigPattern.FindString(t.Name), "[none]"), "[]")
}

// title is a test's name without the tags that all have.
func title(t test) string {
	return strings.TrimSpace(tagsPattern.ReplaceAllString(t.Name, " "))
}

// tally counts results.
type tally struct{ passed, failed, unrun int }

func count(tests []test, results map[string]result) tally {
	var n tally
	for _, t := range tests {
		switch r, ran := results[t.Name]; {
		case !ran:
			n.unrun++
		case r.Passed:
			n.passed++
		default:
			n.failed++
		}
	}
	return n
}

// render writes the page: totals by SIG, then every test.
func render(version string, tests []test, results map[string]result) string {
	bySIG := map[string][]test{}
	for _, t := range tests {
		bySIG[sigOf(t)] = append(bySIG[sigOf(t)], t)
	}
	var sigs []string
	for sig, of := range bySIG {
		sigs = append(sigs, sig)
		slices.SortFunc(of, func(a, b test) int { return cmp.Compare(title(a), title(b)) })
	}
	slices.Sort(sigs)

	var b strings.Builder
	all := count(tests, results)
	fmt.Fprintf(&b, "<!-- Made by `make conformance-report`; `make conformance` runs tests and makes it anew. Do not edit. -->\n\n# Conformance\n\n")
	fmt.Fprintf(&b, "Kubernetes' own conformance tests of %s, run against skep on a real Engine (`make conformance FOCUS=...`): "+
		"**%d of %d pass**, %d do not, %d have not been run.\n\n", version, all.passed, len(tests), all.failed, all.unrun)
	b.WriteString("Each line is what the last run of that test found; of those that do not pass, the first line of why.\n\n")
	b.WriteString("| SIG | pass | do not | not run | of |\n|---|--:|--:|--:|--:|\n")
	for _, sig := range sigs {
		n := count(bySIG[sig], results)
		fmt.Fprintf(&b, "| [%s](#%s) | %d | %d | %d | %d |\n", sig, sig, n.passed, n.failed, n.unrun, len(bySIG[sig]))
	}
	fmt.Fprintf(&b, "| **all** | **%d** | **%d** | **%d** | **%d** |\n", all.passed, all.failed, all.unrun, len(tests))
	for _, sig := range sigs {
		fmt.Fprintf(&b, "\n## %s\n\n| test | | why |\n|---|---|---|\n", sig)
		for _, t := range bySIG[sig] {
			fmt.Fprintln(&b, row(t, results))
		}
	}
	return b.String()
}

// row is a test's line in the table.
func row(t test, results map[string]result) string {
	r, ran := results[t.Name]
	word := "fails"
	switch {
	case !ran:
		word = "not run"
	case r.Passed:
		word = "passes"
	}
	return fmt.Sprintf("| %s | %s | %s |", cell(title(t)), word, cell(r.Why))
}

// cell keeps a text within one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "`", "'").Replace(text)
}
