package translate

import (
	"flag"
	"os"
	"testing"
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
