package compose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// composeLoad loads a file as docker compose does.
func composeLoad(t *testing.T, in Input, options ...func(*loader.Options)) (*types.Project, error) {
	t.Helper()
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: in.Dir, ConfigFiles: []types.ConfigFile{{Filename: in.Files[0].Name, Content: in.Files[0].Data}}, Environment: maps.Clone(in.Env),
	}, append([]func(*loader.Options){func(o *loader.Options) {
		o.SetProjectName("shop", true)
		o.Profiles = in.Profiles
	}}, options...)...)
}

// TestLoadsWhatOthersDo wants every file that docker compose or docker stack can read to be loaded.
func TestLoadsWhatOthersDo(t *testing.T) {
	loaded := 0
	for _, file := range corpus(t) {
		in := input(t, file, "shop")
		_, dockerErr := dockerLoad(in)
		_, composeErr := composeLoad(t, in)
		stack, err := Load(t.Context(), in)
		switch {
		case err == nil:
			loaded++
			if again, err := Load(t.Context(), in); err != nil || !reflect.DeepEqual(again, stack) {
				t.Errorf("%s: loaded again it is another: %v", file, err)
			}
		case dockerErr == nil || composeErr == nil || strings.HasPrefix(file, ".."):
			t.Errorf("%v\ndocker stack: %v\ndocker compose: %v", err, dockerErr, composeErr)
		}
	}
	if _, err := os.Stat(sharedStacks); err == nil && loaded < 70 {
		t.Errorf("only %d files were loaded", loaded)
	}
}

// TestFilesAreComposes holds what Compose says of services to what compose-go reads, paths aside.
func TestFilesAreComposes(t *testing.T) {
	compared := 0
	for _, file := range corpus(t) {
		in := input(t, file, "")
		project, err := composeLoad(t, in, func(o *loader.Options) {
			o.ResolvePaths, o.SkipResolveEnvironment, o.SkipResolveLabels = false, true, true
		})
		if err != nil {
			continue
		}
		stack, err := Load(t.Context(), in)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, service := range stack.Services {
			if service.Job {
				continue
			}
			compared++
			if got, want := fileText(*service.File), fileText(project.Services[service.Key]); got != want {
				t.Errorf("%s: %s differs\n%s", file, service.Key, lineDiff(got, want))
			}
		}
	}
	if compared < 50 {
		t.Errorf("only %d services were compared", compared)
	}
}

// fileText is a service as text, without what is another's by intent: files that it reads and its environment, paths, and
// what compose-go fills in where the Swarm does.
func fileText(s types.ServiceConfig) string {
	s.Environment, s.EnvFiles, s.LabelFiles, s.Build, s.Develop, s.PreStart = nil, nil, nil, nil, nil, nil
	s.DependsOn = nil
	s.Secrets, s.Ports = slices.Clone(s.Secrets), slices.Clone(s.Ports)
	for i := range s.Secrets {
		s.Secrets[i].Target = strings.TrimPrefix(s.Secrets[i].Target, "/run/secrets/")
		if s.Secrets[i].Target == s.Secrets[i].Source {
			s.Secrets[i].Target = ""
		}
	}
	for i := range s.Ports {
		s.Ports[i].Mode, s.Ports[i].Protocol = "", ""
	}
	s.Volumes = slices.Clone(s.Volumes)
	for i := range s.Volumes {
		s.Volumes[i].Target = filepath.Clean(s.Volumes[i].Target)
		s.Volumes[i].Source = filepath.Base(s.Volumes[i].Source)
	}
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// TestPlaces finds the keys of the merged model in the files that they come from.
func TestPlaces(t *testing.T) {
	data, err := os.ReadFile("../testdata/compose/compose-spec.yaml")
	if err != nil {
		t.Fatal(err)
	}
	over := "services:\n  web:\n    ports:\n      - \"8443:443\"\n    environment:\n      LANG: de\n      NEW: x\n"
	stack, err := Load(t.Context(), Input{
		Files: []Source{{Name: "compose.yaml", Data: data}, {Name: "over.yaml", Data: []byte(over)}}, Dir: "../testdata/compose",
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"services.web":                  "over.yaml:2",
		"services.web.image":            "compose.yaml:14",
		"services.web.ports[0]":         "compose.yaml:16",
		"services.web.ports[0].target":  "compose.yaml:16",
		"services.web.ports[1]":         "over.yaml:4",
		"services.web.environment.LANG": "over.yaml:6",
		"services.web.restart":          "./files/base/services.yaml:10", // of a service that its base extends
		"services.web.working_dir":      "./files/base/services.yaml:5",
		"services.web.volumes[0]":       "./files/base/services.yaml:7",
		"services.mail.ports[0]":        "./files/mail/compose.yaml:6",
		"services.web.depends_on.db":    "compose.yaml:30",
		"configs.settings.content":      "compose.yaml:61",
		"services.db.volumes[0].source": "compose.yaml:46",
		"x-team":                        "compose.yaml:72",
	} {
		at := stack.Places.Of(path)
		if got := fmt.Sprintf("%s:%d", at.File, at.Line); got != want {
			t.Errorf("%s is at %s, not %s", path, got, want)
		}
	}
}

// TestMergeTags takes !reset and !override as docker compose does, and lists that are laid over each other.
func TestMergeTags(t *testing.T) {
	base := "services:\n  a:\n    image: x\n    command: [run]\n    ports: [\"80:80\", \"81:81\"]\n    environment: [A=1, B=2]\n    dns: 1.1.1.1\n"
	over := "services:\n  a:\n    command: !reset []\n    ports: !override [\"90:90\"]\n    environment: {B: 3}\n    dns: [8.8.8.8]\n"
	stack, err := Load(t.Context(), Input{Files: []Source{{Name: "a", Data: []byte(base)}, {Name: "b", Data: []byte(over)}}})
	if err != nil {
		t.Fatal(err)
	}
	spec := stack.Services[0].Spec
	c := spec.TaskTemplate.ContainerSpec
	if len(c.Args) > 0 || len(spec.EndpointSpec.Ports) != 1 || spec.EndpointSpec.Ports[0].TargetPort != 90 ||
		!slices.Equal(c.Env, []string{"A=1", "B=3"}) || !slices.Equal(c.DNSConfig.Nameservers, []string{"1.1.1.1", "8.8.8.8"}) {
		t.Errorf("%+v %+v %+v", c, spec.EndpointSpec, c.DNSConfig)
	}
	if at := stack.Places.Of("services.a.ports[0]"); at != (Place{File: "b", Line: 4}) {
		t.Errorf("the port is at %v", at)
	}
}

// TestReadsNothingElse gives a load of a file alone no way to another, whatever key names it.
func TestReadsNothingElse(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, data := range map[string]string{
		".env": "LEAK=1", "x.env": "LEAK=1", "c.yaml": "services: {b: {image: leak}}", "data.txt": "leak",
	} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("LEAK", "1")
	for _, doc := range []string{
		"include: [c.yaml]\nservices: {a: {image: x}}",
		"services: {a: {image: x, env_file: x.env}}",
		"services: {a: {image: x, label_file: x.env}}",
		"services: {a: {extends: {file: c.yaml, service: b}}}",
		"services: {a: {image: x, env_file: " + dir + "/x.env}}",
	} {
		_, err := Load(t.Context(), Input{Files: []Source{{Name: "-", Data: []byte(doc)}}})
		if err == nil || !strings.Contains(err.Error(), "no files can be read here") {
			t.Errorf("%s: %v", doc, err)
		}
	}
	doc := "services: {a: {image: 'x:$LEAK', environment: [LEAK], configs: [c]}}\nconfigs: {c: {file: data.txt}}\nsecrets: {s: {environment: LEAK}}"
	stack, err := Load(t.Context(), Input{Files: []Source{{Name: "-", Data: []byte(doc)}}})
	if err != nil {
		t.Fatal(err)
	}
	c := stack.Services[0].Spec.TaskTemplate.ContainerSpec
	if c.Image != "x:" || !slices.Equal(c.Env, []string{"LEAK"}) || !stack.Configs[0].Unknown || !stack.Secrets[0].Unknown {
		t.Errorf("%+v %+v %+v", c, stack.Configs, stack.Secrets)
	}
}

// TestGate follows no path out of the project, but to what is allowed.
func TestGate(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"project/in", "other", "third"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string]string{
		"project/a.env": "A=a\n", "project/in/b": "b", "other/o.env": "O=o\n", "third/t.env": "T=t\n", "third/no.env": "N=n\n",
		"project/in/binary": "\x00\xff",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{"in/inside": "../a.env", "in/outside": "../../other/o.env", "in/absolute": "/etc/passwd", "in/up": "../.."} {
		if err := os.Symlink(to, filepath.Join(dir, "project", from)); err != nil {
			t.Fatal(err)
		}
	}
	project := filepath.Join(dir, "project")
	allow := []string{filepath.Join(dir, "other"), filepath.Join(dir, "third", "t.env")}
	for path, want := range map[string]string{
		"a.env": "", "./in/../a.env": "", "in/inside": "", "../other/o.env": "", filepath.Join(dir, "other", "o.env"): "", "../third/t.env": "",
		"in/outside": "a link leads out", "in/absolute": "a link leads out", "in/up/other/o.env": "a link leads out", "../third/no.env": "outside", "/etc/passwd": "outside",
		"in": "directory", "nothing": "not exist",
	} {
		doc := fmt.Sprintf("services: {a: {image: x, env_file: %q}}", path)
		_, err := Load(t.Context(), Input{Files: []Source{{Name: "c", Data: []byte(doc)}}, Dir: project, Allow: allow})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", path, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "c:1: services.a.env_file[0]: ")):
			t.Errorf("%s: %v, not %s", path, err, want)
		}
	}
	files := OpenProject(project, allow)
	for path, want := range map[string][]string{
		".": {"a.env", "in/b", "in/binary", "in/inside"}, "./in": {"b", "binary", "inside"}, "in/b": {""}, "../other": {"o.env"},
		filepath.Join(dir, "other"): {"o.env"}, "../third": nil, "/etc": nil, "in/absolute": nil, "~": nil, "nothing": nil,
		filepath.Join(project, "in"): nil, // what is absolute depends on the machine
	} {
		got, found, err := files.Read(path)
		if names := slices.Sorted(maps.Keys(got)); err != nil || found != (want != nil) || !slices.Equal(names, want) {
			t.Errorf("%s: %v %v %v, not %v", path, names, found, err, want)
		}
	}
	if got, _, _ := files.Read("in/binary"); !bytes.Equal(got[""], []byte("\x00\xff")) {
		t.Errorf("%q", got)
	}
}

// TestVariables reads variables as the one does that the stack is for: docker stack with a name, docker compose without.
func TestVariables(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{".env": "FROM_DOTENV=d\nWINS=dotenv\n", "a.env": "Q=\"quoted\"\nW=${FROM_DOTENV}\n#c\nFROM_DOTENV\nUNSET\nE=\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	doc := "services:\n  a:\n    image: x\n    env_file: a.env\n    environment:\n      WINS:\n      V: $WINS\n      HASH: ${H:-$2y$05$abc}\n"
	for name, want := range map[string][]string{
		"":     {"E=", "FROM_DOTENV=d", "HASH=$2y$05", "Q=quoted", "V=env", "W=d", "WINS=env"},
		"shop": {"E=now", "FROM_DOTENV=d", "HASH=$2y$05$abc", "Q=\"quoted\"", "V=env", "W=${FROM_DOTENV}", "WINS=env"},
	} {
		stack, err := Load(t.Context(), Input{
			Files: []Source{{Name: "c", Data: []byte(doc)}}, Dir: dir, Name: name, Env: map[string]string{"WINS": "env", "E": "now"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := stack.Services[0].Spec.TaskTemplate.ContainerSpec.Env; !slices.Equal(got, want) {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
}

// TestBombs refuses what would grow, soon and in little memory.
func TestBombs(t *testing.T) {
	aliases := "a0: &a0 " + strings.Repeat("x", 100) + "\n"
	merges := "m0: &m0 {a: x}\n"
	for i := 1; i < 40; i++ {
		aliases += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 30), i-1)
		merges += fmt.Sprintf("m%d: &m%d {<<: [*m%d, *m%d], k%d: 1}\n", i, i, i-1, i-1, i)
	}
	for name, data := range map[string]string{
		"aliases":  aliases,
		"10 MB":    aliases + strings.Repeat("# as long as it takes to be large\n", 10<<20/34),
		"merges":   merges,
		"items":    "x-a: [" + strings.Repeat("a,", 1<<20) + "a]",
		"brackets": "x-a: " + strings.Repeat("[", 90_000),
		"ports":    "services: {a: {image: x, ports: [\"1-65535:1-65535\", \"1-65535:1-65535/udp\"]}}",
		"nested":   "services: {a: {image: \"" + strings.Repeat("${A:-", 20_000) + strings.Repeat("}", 20_000) + "\"}}",
		"in a row": "services: {a: {image: \"" + strings.Repeat("${A:-x}", 50_000) + "\"}}",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := Load(t.Context(), Input{Files: []Source{{Name: "bomb.yaml", Data: []byte(data)}}})
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.HasPrefix(err.Error(), "bomb.yaml:") {
			t.Errorf("%s: %v", name, err)
		}
		if took > 2*time.Second || after.TotalAlloc-before.TotalAlloc > 100<<20 {
			t.Errorf("%s: refused after %v and %d MiB", name, took, (after.TotalAlloc-before.TotalAlloc)>>20)
		}
	}
}

// TestErrorsKeepSecrets tells no value of what may be a password.
func TestErrorsKeepSecrets(t *testing.T) {
	for _, doc := range []string{
		"services: {a: {image: x, environment: {P: \"hunter2$\"}}}",
		"services: {a: {image: x, environment: {P: \"hunter2${\"}}}",
		"services: {a: {image: x, environment: {P: [hunter2]}}}",
		"services: {a: {image: x, environment: [[hunter2]]}}",
		"secrets: {s: {environment: S, file: f}}\nservices: {a: {image: x}}",
	} {
		_, err := Load(t.Context(), Input{Files: []Source{{Name: "c", Data: []byte(doc)}}, Env: map[string]string{"S": "hunter2"}})
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", doc, err)
		}
	}
	for _, env := range []string{"P=\"hunter2", "P hunter2", "P=${X?hunter3}\nhunter2 x"} {
		_, err := Load(t.Context(), Input{
			Files: []Source{{Name: "c", Data: []byte("services: {a: {image: x}}")}}, EnvFiles: []Source{{Name: "e", Data: []byte(env)}},
		})
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", env, err)
		}
	}
}

// FuzzLoad wants no input to do harm: no panic, no endless work, and errors that name a file.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/load/*.yaml", "../testdata/compose/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			doc, _, _ := bytes.Cut(data, []byte("---------\n"))
			f.Add(doc, "shop")
			f.Add(doc, "")
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte, name string) {
		if len(doc) > 1<<16 {
			return
		}
		start := time.Now()
		stack, err := Load(t.Context(), Input{Files: []Source{{Name: "f", Data: doc}}, Name: name, Profiles: []string{"*"}})
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") || strings.Contains(err.Error(), "cannot be read (") {
				t.Error(err)
			}
			return
		}
		for _, service := range stack.Services {
			if service.File == nil || service.Spec.TaskTemplate.ContainerSpec == nil {
				t.Errorf("%s is not whole", service.Key)
			}
		}
	})
}
