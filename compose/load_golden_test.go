package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLoadGolden reads what people get wrong: each case is a file, a dashed line, and what is said of it. The project's
// directory is testdata/load/files.
func TestLoadGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/load/*.yaml")
	if err != nil || len(cases) < 60 {
		t.Fatalf("only %d cases: %v", len(cases), err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			doc, want, ok := strings.Cut(string(data), "---------\n")
			if !ok {
				t.Fatal("no dashed line")
			}
			got := toldOf(t, Input{Files: []Source{{Name: "compose.yaml", Data: []byte(doc)}}, Dir: "testdata/load/files"})
			if *updateGolden {
				if err := os.WriteFile(path, []byte(doc+"---------\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// toldOf is all that is said of an input.
func toldOf(t *testing.T, in Input) string {
	t.Helper()
	stack, err := Load(t.Context(), in)
	if err != nil {
		return fmt.Sprintf("error: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nerror: "))
	}
	var b strings.Builder
	for _, finding := range stack.Findings {
		decide := ""
		if finding.Decide {
			decide = " (to decide)"
		}
		fmt.Fprintf(&b, "%s%s: %s\n", finding.Fate, decide, finding)
	}
	return b.String()
}
