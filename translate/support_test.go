package translate

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

var update = flag.Bool("update", false, "write what the tests expect: golden files and docs/support.md")

func TestSupportDoc(t *testing.T) {
	const doc = "../docs/support.md"
	want := SupportMarkdown()
	if *update {
		if err := os.WriteFile(doc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is stale: go test ./translate -run TestSupportDoc -update", doc)
	}
}

// TestTotals: every field of a Pod's spec is counted, once.
func TestTotals(t *testing.T) {
	pod, container := podTotals()
	all := 0
	for _, counts := range []map[Fate]int{pod, container} {
		if counts[""] != 0 {
			t.Errorf("%d fields have no fate", counts[""])
		}
		for _, n := range counts {
			all += n
		}
	}
	want := 0
	for _, path := range leavesOf(reflect.TypeFor[corev1.PodSpec]()) {
		if !strings.HasPrefix(path, "initContainers[]") && !strings.HasPrefix(path, "ephemeralContainers[]") {
			want++
		}
	}
	if all != want || container[ViaSandbox] == 0 || pod[Native] == 0 || pod[Refused] == 0 {
		t.Errorf("%d of %d fields are counted: %v, %v", all, want, pod, container)
	}
}

// TestSupportSaysPlain: the table says what a plain task does instead, and which rows are of plain tasks only.
func TestSupportSaysPlain(t *testing.T) {
	doc := SupportMarkdown()
	for _, part := range podFates {
		for _, row := range part {
			line := "`" + join("spec", row.path) + "`"
			for _, l := range strings.Split(doc, "\n") {
				if strings.HasPrefix(l, "| "+line) && strings.Contains(l, row.reason) {
					line = l
				}
			}
			if row.plain != "" && !strings.Contains(line, row.plain) || row.onlyPlain != strings.Contains(line, "(plain tasks only)") {
				t.Errorf("%s: %q", row.path, line)
			}
		}
	}
}
