package compose

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// updating says whether golden files are to be written anew.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// filesAndFindings are a stack's files, and what there is to tell, as one text.
func filesAndFindings(t *testing.T, s *Stack) string {
	t.Helper()
	files, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range append([]string{FileName}, slices.DeleteFunc(sortedKeys(files), func(name string) bool { return name == FileName })...) {
		b.WriteString("# " + name + "\n" + strings.TrimSuffix(string(files[name]), "\n") + "\n")
	}
	for _, f := range s.Findings {
		decide := ""
		if f.Decide {
			decide = " (decide)"
		}
		b.WriteString("! " + string(f.Fate) + decide + " " + f.String() + "\n")
	}
	return b.String()
}

const dashes = "\n---------\n"

// golden compares what fn makes of the first part of each file in a directory with the second.
func golden(t *testing.T, dir string, fn func(t *testing.T, input []byte) string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			doc, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := bytes.Cut(doc, []byte(dashes))
			got := fn(t, input)
			if updating() {
				if err := os.WriteFile(path, []byte(strings.TrimSuffix(string(input), "\n")+dashes+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("is now:\n%s", got)
			}
		})
	}
}

func TestRead(t *testing.T) {
	golden(t, "read", func(t *testing.T, input []byte) string {
		t.Helper()
		s, err := Read([]Source{{Name: "m.yaml", Data: input}})
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		if len(s.Services) > 0 {
			if _, err := dockerDeploy(written(t, s), "shop"); err != nil {
				t.Errorf("docker stack deploy refuses it: %v", err)
			}
		}
		return filesAndFindings(t, s)
	})
}

func FuzzRead(f *testing.F) {
	paths, err := filepath.Glob("testdata/read/*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds", err)
	}
	more, err := filepath.Glob("../testdata/manifests/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(paths, more...) {
		doc, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := bytes.Cut(doc, []byte(dashes))
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := Read([]Source{{Name: "m.yaml", Data: doc}})
		if err != nil {
			return
		}
		if _, err := s.Files(); err != nil {
			t.Error(err)
		}
	})
}
