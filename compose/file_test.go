package compose

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// written writes a stack's files into a directory and returns the path of the stack file.
func written(t *testing.T, s *Stack) string {
	t.Helper()
	files, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, FileName)
}

// A stack that is exported and deployed again is the same stack.
func TestExportedStackDeploysEqual(t *testing.T) {
	tried := 0
	for _, file := range filesToTry(t) {
		const name = "shop"
		sent, err := dockerDeploy(file, name)
		if err != nil {
			continue // it is no stack file
		}
		tried++
		t.Run(file, func(t *testing.T) {
			e := &engine{}
			e.deploy(sent)
			s, err := Export(t.Context(), e, name)
			if err != nil {
				t.Fatal(err)
			}
			path := written(t, s)
			again, err := dockerDeploy(path, name)
			if err != nil {
				doc, _ := os.ReadFile(path)
				t.Fatalf("docker stack deploy refuses it: %v\n%s", err, doc)
			}
			if got, want := slices.Sorted(maps.Keys(again.services)), slices.Sorted(maps.Keys(sent.services)); !slices.Equal(got, want) {
				t.Fatalf("services %v, want %v", got, want)
			}
			for key, spec := range sent.services {
				for _, d := range differences(key, plainSpec(t, spec), plainSpec(t, again.services[key])) {
					t.Error(d)
				}
				for _, d := range differences(key, plainSpec(t, spec), plainSpec(t, s.Service(key).Spec)) {
					t.Error("Export:", d)
				}
			}
			for name, options := range sent.networks {
				if options.Driver == "" {
					options.Driver = "overlay" // as docker stack deploy fills in itself
				}
				now := again.networks[name]
				if now.Driver == "" {
					now.Driver = "overlay"
				}
				if len(differences(name, pruned(treeOfJSON(t, options)), pruned(treeOfJSON(t, now)))) > 0 {
					t.Errorf("network %s: %+v, was %+v", name, now, options)
				}
			}
			for _, c := range sent.configs {
				for _, now := range again.configs {
					if now.Name == c.Name && len(differences(c.Name, pruned(treeOfJSON(t, c)), pruned(treeOfJSON(t, now)))) > 0 {
						t.Errorf("config %s: %+v, was %+v", c.Name, now, c)
					}
				}
			}
		})
	}
	if tried < 10 {
		t.Errorf("only %d files are stack files", tried)
	}
	t.Logf("%d stack files", tried)
}

// What was loaded and written loads as the same.
func TestLoadedStackIsWrittenBack(t *testing.T) {
	tried := 0
	for _, file := range filesToTry(t) {
		loaded, err := loadFile(t, file)
		if err != nil {
			continue // told by the tests of Load
		}
		tried++
		t.Run(file, func(t *testing.T) {
			path := written(t, loaded)
			again, err := loadFile(t, path)
			if err != nil {
				doc, _ := os.ReadFile(path)
				t.Fatalf("%v\n%s", err, doc)
			}
			if len(again.Services) != len(loaded.Services) {
				t.Fatalf("%d services, want %d", len(again.Services), len(loaded.Services))
			}
			for i := range loaded.Services {
				was, is := &loaded.Services[i], &again.Services[i]
				for _, d := range differences(was.Key, plainSpec(t, was.Spec), plainSpec(t, is.Spec)) {
					t.Error(d)
				}
			}
			for i, c := range loaded.Configs {
				if string(again.Configs[i].Data) != string(c.Data) {
					t.Errorf("config %s is %q, was %q", c.Key, again.Configs[i].Data, c.Data)
				}
			}
		})
	}
	if tried < 10 {
		t.Errorf("only %d files were tried", tried)
	}
}
