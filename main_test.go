package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport says which of our own packages each of them may import, by folder; below its own folder a package is free.
// Imports run one way: gateway -> swarm, translate, compose; swarm -> translate; compose -> translate.
var mayImport = map[string][]string{
	"main":      {"gateway", "swarm", "translate", "compose"},
	"gateway":   {"swarm", "translate", "compose"},
	"swarm":     {"translate"},
	"compose":   {"translate"},
	"translate": nil,
}

// pureForbids is what may not be in a package that does no I/O.
var pureForbids = []string{"github.com/docker/docker/client", "k8s.io/client-go", "k8s.io/apiserver", "net/http", "os/exec"}

// TestImports holds every package to the one-way rule of the design.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range bytes.Lines(out) {
		words := strings.Fields(string(line))
		from := room(words[0])
		allowed, known := mayImport[from]
		if !known {
			t.Errorf("%s: the design has no such place", words[0])
			continue
		}
		seen++
		for _, imported := range words[1:] {
			if to := room(imported); to != "" && to != from && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s: %s may not know %s", words[0], imported, from, to)
			}
			for _, bad := range pureForbids {
				if from == "translate" && (imported == bad || strings.HasPrefix(imported, bad+"/")) {
					t.Errorf("%s imports %s: translate is pure", words[0], imported)
				}
			}
		}
	}
	if seen < 4 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

// room is the folder of the design that one of our packages is in; "" for anyone else's.
func room(path string) string {
	switch rest, ours := strings.CutPrefix(path, "skep/"); {
	case path == "skep":
		return "main"
	case ours:
		first, _, _ := strings.Cut(rest, "/")
		return first
	default:
		return ""
	}
}
