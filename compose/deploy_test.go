package compose

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/cli/cli/compose/convert"
	dockerloader "github.com/docker/cli/cli/compose/loader"
	dockertypes "github.com/docker/cli/cli/compose/types"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// sharedStacks are real stacks, which are not part of this repository.
const sharedStacks = "/work/shared/compose/stacks"

// stackFiles are all Compose files of a directory and those below it.
func stackFiles(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "files" { // what stacks include and mount
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); !entry.IsDir() && (ext == ".yml" || ext == ".yaml") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// corpus are our own stack files, and the shared ones where they are.
func corpus(t *testing.T) []string {
	t.Helper()
	files := stackFiles(t, "../testdata/compose")
	if len(files) < 12 {
		t.Errorf("only %d files in testdata/compose", len(files))
	}
	if _, err := os.Stat(sharedStacks); err != nil {
		t.Logf("without the real stacks of %s: %v", sharedStacks, err)
		return files
	}
	shared := stackFiles(t, sharedStacks)
	if len(shared) < 67 {
		t.Errorf("only %d files in %s", len(shared), sharedStacks)
	}
	return append(files, shared...)
}

// input is the input for a file of the corpus.
func input(t *testing.T, file, stack string) Input {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return Input{
		Files: []Source{{Name: file, Data: data}}, Dir: filepath.Dir(file), Name: stack, Profiles: []string{"*"}, Env: corpusEnv,
		EnvFiles: []Source{{Name: "none"}}, // docker stack deploy reads no .env
	}
}

// corpusEnv are the variables that files of the corpus ask for.
var corpusEnv = map[string]string{"DOMAIN": "example.com", "REPLICAS": "3"}

// dockerLoad loads a file as docker stack deploy does.
func dockerLoad(in Input) (*dockertypes.Config, error) {
	dict, err := dockerloader.ParseYAML(in.Files[0].Data)
	if err != nil {
		return nil, err
	}
	return dockerloader.Load(dockertypes.ConfigDetails{
		WorkingDir: in.Dir, ConfigFiles: []dockertypes.ConfigFile{{Filename: in.Files[0].Name, Config: dict}}, Environment: in.Env,
	})
}

// dockerSwarm has every config and secret that docker's own conversion asks for.
type dockerSwarm struct{ client.APIClient }

func (dockerSwarm) ClientVersion() string { return "1.51" }

func (dockerSwarm) SecretList(_ context.Context, o swarm.SecretListOptions) ([]swarm.Secret, error) {
	var all []swarm.Secret
	for _, name := range o.Filters.Get("name") {
		all = append(all, swarm.Secret{ID: name, Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}}})
	}
	return all, nil
}

func (dockerSwarm) ConfigList(_ context.Context, o swarm.ConfigListOptions) ([]swarm.Config, error) {
	var all []swarm.Config
	for _, name := range o.Filters.Get("name") {
		all = append(all, swarm.Config{ID: name, Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name}}})
	}
	return all, nil
}

// dockerSpecs are the services that docker stack deploy would create, without IDs, and with the paths that it made
// absolute as the file has them.
func dockerSpecs(t *testing.T, in Input, config *dockertypes.Config) (map[string]swarm.ServiceSpec, error) {
	t.Helper()
	specs, err := convert.Services(t.Context(), convert.NewNamespace(in.Name), config, dockerSwarm{})
	if err != nil {
		return nil, err
	}
	for _, spec := range specs {
		c := spec.TaskTemplate.ContainerSpec
		for _, ref := range c.Secrets {
			ref.SecretID = ""
		}
		for _, ref := range c.Configs {
			ref.ConfigID = ""
		}
		for i, m := range c.Mounts {
			if below, err := filepath.Rel(in.Dir, m.Source); err == nil && m.Type == "bind" && !filepath.IsAbs(below) && isRelative(in, m.Source) {
				c.Mounts[i].Source = tidied(below)
			}
		}
	}
	return specs, nil
}

// isRelative says that a path that Docker made absolute was not so in the file.
func isRelative(in Input, source string) bool {
	return !strings.Contains(string(in.Files[0].Data), source+":") && !strings.Contains(string(in.Files[0].Data), "source: "+source)
}

// TestSpecsAreDockers holds the specifications to those of docker stack deploy, for every file that it takes.
func TestSpecsAreDockers(t *testing.T) {
	compared := 0
	for _, file := range corpus(t) {
		in := input(t, file, "shop")
		config, err := dockerLoad(in)
		if err != nil {
			continue // TestLoadsWhatOthersDo looks after those
		}
		want, err := dockerSpecs(t, in, config)
		if err != nil {
			t.Logf("%s: docker stack deploy refuses it: %v", file, err)
			continue
		}
		stack, err := Load(t.Context(), in)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		compared++
		for _, service := range stack.Services {
			expected, ok := want[service.Key]
			if !ok {
				t.Errorf("%s: docker stack deploy has no %s", file, service.Key)
				continue
			}
			delete(want, service.Key)
			if got, want := asJSON(t, service.Spec), asJSON(t, expected); got != want {
				t.Errorf("%s: %s differs\n%s", file, service.Key, lineDiff(got, want))
			}
		}
		for name := range want {
			t.Errorf("%s: %s is missing", file, name)
		}
	}
	if compared < 20 {
		t.Errorf("only %d files were compared", compared)
	}
}

func asJSON(t *testing.T, spec swarm.ServiceSpec) string {
	t.Helper()
	// Docker sorts ports by what they are published as alone, so those that are not are in no order.
	slices.SortFunc(spec.EndpointSpec.Ports, func(a, b swarm.PortConfig) int { return strings.Compare(text(a), text(b)) })
	// And configs and secrets by their names alone, so that those that are mounted twice are in none either.
	c := spec.TaskTemplate.ContainerSpec
	slices.SortFunc(c.Configs, func(a, b *swarm.ConfigReference) int { return strings.Compare(text(a), text(b)) })
	slices.SortFunc(c.Secrets, func(a, b *swarm.SecretReference) int { return strings.Compare(text(a), text(b)) })
	data, err := json.MarshalIndent(spec, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// lineDiff are the lines that only one of two texts has.
func lineDiff(got, want string) string {
	var b strings.Builder
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range g {
		if !slices.Contains(w, line) {
			b.WriteString("+ " + line + "\n")
		}
	}
	for _, line := range w {
		if !slices.Contains(g, line) {
			b.WriteString("- " + line + "\n")
		}
	}
	return b.String()
}
