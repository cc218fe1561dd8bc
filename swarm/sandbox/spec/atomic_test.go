package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A reader that opens what ..data leads to once and reads two files there has both of the same version, or finds that it
// has just been removed.
func TestReaderSeesOneVersion(t *testing.T) {
	dir := t.TempDir()
	own := func() error { return nil }
	files := func(i int) payload {
		text := strings.Repeat(fmt.Sprintln(i), 2000)
		return payload{"a": {data: []byte(text), mode: 0o644}, "b/c": {data: []byte(text), mode: 0o644}}
	}
	if err := write(dir, files(0), own, nil); err != nil {
		t.Fatal(err)
	}
	stop, both, seen := make(chan struct{}), 0, map[string]bool{}
	var reader sync.WaitGroup
	reader.Go(func() {
		for last := false; !last; {
			select {
			case <-stop:
				last = true
			default:
			}
			if _, err := os.Lstat(filepath.Join(dir, "..data")); err != nil {
				t.Errorf("..data was not there: %v", err)
			}
			root, err := filepath.EvalSymlinks(filepath.Join(dir, "..data"))
			if err != nil {
				continue
			}
			a, err := os.ReadFile(filepath.Join(root, "a"))
			b, err2 := os.ReadFile(filepath.Join(root, "b/c"))
			switch {
			case err == nil && err2 == nil && string(a) != string(b):
				t.Errorf("a is of %.5q, b/c is of %.5q", a, b)
			case err == nil && err2 == nil:
				both++
				seen[string(a)] = true
			}
		}
	})
	for i := 1; i <= 300; i++ {
		if err := write(dir, files(i), own, nil); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	reader.Wait()
	if both == 0 {
		t.Error("the reader never read both files")
	}
	t.Logf("%d times both files, %d versions", both, len(seen))
}

// A version that cannot get its owners is not shown, and leaves nothing behind.
func TestFailedVersionIsNotSeen(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, payload{"a": {data: []byte("1"), mode: 0o644}}, func() error { return nil }, nil); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := write(dir, payload{"a": {data: []byte("2"), mode: 0o644}}, func() error { return no }, nil); !errors.Is(err, no) {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "a")); got != "1" {
		t.Errorf("a is %q", got)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestPathsRefused(t *testing.T) {
	for path, want := range map[string]string{
		"":       "invalid path: must not be empty",
		"/a":     "invalid path: must be relative path: /a",
		"a/../b": "invalid path: must not contain '..': a/../b",
		"..data": "invalid path: must not start with '..': ..data",
	} {
		if err := write(t.TempDir(), payload{path: {}}, func() error { return nil }, nil); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", path, err, want)
		}
	}
}
