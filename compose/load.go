package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/transform"
	"github.com/compose-spec/compose-go/v2/types"
)

// Source is a file as it was given.
type Source struct {
	// Name is what the user calls it, "-" for standard input.
	Name string
	Data []byte
}

// Input is what a stack is loaded from. Nothing else is read: no variable, no home directory, no file outside of Dir.
type Input struct {
	// Files are the Compose files; each is laid over those before it.
	Files []Source
	// Dir is the project's directory, which the files' relative paths start at. "" lets nothing but Files be read.
	Dir string
	// Name is the stack's. Where it is given, variables are what docker stack deploy makes of them, otherwise what docker
	// compose does; they differ in quotes of an env_file, which Swarm keeps. "" is the files' own `name`, if they have one.
	Name string
	// Profiles are those that are on, "*" all.
	Profiles []string
	// EnvFiles give variables, the later ones win. Without them <Dir>/.env does.
	EnvFiles []Source
	// Env are variables that win over those of EnvFiles.
	Env map[string]string
	// Allow are more directories and files that may be read.
	Allow []string
}

// Load reads Compose and stack files of any version that docker compose or docker stack deploy take. What it cannot read
// is an error, "file:line: key: what is wrong; what to do"; what those who know Docker would not expect is in Findings.
func Load(ctx context.Context, in Input) (stack *Stack, err error) {
	l := newLoad(ctx, in)
	// compose-go checks what it reads against its schema, and trusts the rest; some of that trust is misplaced.
	defer func() {
		if recovered := recover(); recovered != nil {
			why := "compose-go gave up"
			if fault, ok := recovered.(runtime.Error); ok { // of types; what else there is may hold values of the file
				why = scrub(fault.Error())
			}
			stack, err = nil, l.fail(l.file(), "", "cannot be read ("+why+")", "check it with docker compose config")
		}
	}()
	if l.gate, err = openGate(in.Dir, in.Allow); err != nil {
		return nil, err
	}
	defer l.gate.close()
	if err := l.variables(); err != nil {
		return nil, err
	}
	set, err := l.files()
	if err != nil {
		return nil, err
	}
	dict, err := l.set(set, nil)
	if err != nil {
		return nil, err
	}
	return l.stack(dict)
}

// load is a load on its way.
type load struct {
	ctx      context.Context
	in       Input
	gate     *gate
	defaults *loader.Options   // for the types that compose-go gives what variables stand for
	cast     map[string]bool   // the keys that have such a type
	env      map[string]string // the variables of the project
	swarm    bool              // variables are as docker stack deploy has them
	name     string
	nodes    int // how many values were read so far, aliases followed
	opened   int // how many files were
	layers   []layer
	findings []Finding
	// own are the values of configs and secrets by their path that come from variables of an included file.
	own map[string]string
	// missing are the configs and secrets that services name and the files do not have, by section.
	missing map[string]map[string]bool
	// empty are the paths of configs that are empty on purpose.
	empty map[string]bool
}

func newLoad(ctx context.Context, in Input) *load {
	l := &load{
		ctx: ctx, in: in, defaults: loader.ToOptions(&types.ConfigDetails{}, nil), own: map[string]string{}, empty: map[string]bool{},
		missing: map[string]map[string]bool{"configs": {}, "secrets": {}}, cast: map[string]bool{},
	}
	for path := range l.defaults.Interpolate.TypeCastMapping {
		l.cast[path.Last()] = true
	}
	return l
}

// file is the place that stands for all of the input.
func (l *load) file() Place {
	if len(l.in.Files) == 0 {
		return Place{}
	}
	return Place{File: l.in.Files[0].Name}
}

// files are the files that were given, as a set to load.
func (l *load) files() (fileSet, error) {
	if len(l.in.Files) == 0 {
		return fileSet{}, errors.New("no Compose file was given; name one with -f, or - for standard input")
	}
	set := fileSet{dir: ".", env: l.env}
	for _, source := range l.in.Files {
		if err := sized(source.Name, len(source.Data)); err != nil {
			return fileSet{}, err
		}
		set.files = append(set.files, file{name: source.Name, path: l.pathOf(source.Name), data: source.Data})
	}
	return set, nil
}

// pathOf is where a file that was given lies in the project, by which an include that comes back to it is known.
func (l *load) pathOf(name string) string {
	if within, ok := l.gate.within(name); ok {
		return within
	}
	return name
}

// stack makes the stack of the merged model.
func (l *load) stack(dict map[string]any) (*Stack, error) {
	if err := l.content(dict); err != nil {
		return nil, err
	}
	l.name = l.in.Name
	if name, ok := dict["name"].(string); ok && l.name == "" {
		l.name = name
	}
	places := l.places(dict)
	if err := l.shape(dict, places); err != nil {
		return nil, err
	}
	model := modelOf(dict)
	project, err := l.project(dict, places)
	if err != nil {
		return nil, err
	}
	l.leaveOut(model, project, places)
	s := &Stack{Name: l.name, Extensions: project.Extensions, Model: model, Places: places}
	if err := l.resolve(project, places); err != nil {
		return nil, err
	}
	l.consistent(project, places)
	s.Networks = l.networks(project, s)
	s.Volumes = l.volumes(project, s)
	s.Configs = l.objects("configs", configs(project.Configs), s)
	s.Secrets = l.objects("secrets", secrets(project.Secrets), s)
	s.Services = l.services(project, s)
	s.Findings = sortFindings(l.findings)
	return s, nil
}

// content refuses files that say nothing.
func (l *load) content(dict map[string]any) error {
	if l.nodes == 0 {
		return l.fail(l.file(), "", "the file is empty", "a Compose file has services:")
	}
	for _, section := range []string{"services", "jobs", "networks", "volumes", "configs", "secrets"} {
		if values, ok := dict[section].(map[string]any); ok && len(values) > 0 {
			return nil
		}
	}
	return l.fail(l.file(), "services", "there are no services", "a Compose file has services:")
}

// project binds the model to compose-go's types. What compose-go would read or ask the machine for is left to resolve.
func (l *load) project(dict map[string]any, places Places) (*types.Project, error) {
	targets := volumeTargets(dict)
	dict, err := withDefaults(dict)
	if err != nil {
		return nil, l.because(err, places)
	}
	dict["name"] = l.name
	l.nameAll(dict)
	if dict, err = loader.Normalize(dict, l.env); err != nil {
		return nil, l.because(err, places)
	}
	options := loader.ToOptions(&types.ConfigDetails{Environment: l.env}, []func(*loader.Options){func(o *loader.Options) {
		o.Profiles, o.ResolvePaths = l.in.Profiles, false
		o.SkipConsistencyCheck, o.SkipResolveEnvironment, o.SkipResolveLabels = true, true, true
		o.SetProjectName(l.name, true)
	}})
	project, err := loader.ModelToProject(dict, options, types.ConfigDetails{Environment: l.env})
	if err != nil {
		return nil, l.because(err, places)
	}
	for name, service := range project.Services {
		for i := range service.Volumes {
			if i < len(targets[name]) {
				service.Volumes[i].Target = targets[name][i]
			}
		}
	}
	return project, nil
}

// nameAll names what has no name of its own as the Swarm does.
func (l *load) nameAll(dict map[string]any) {
	for _, section := range []string{"networks", "volumes", "configs", "secrets"} {
		values, _ := dict[section].(map[string]any)
		for key, value := range values {
			config, ok := value.(map[string]any)
			if !ok {
				config = map[string]any{}
				values[key] = config
			}
			switch {
			case config["name"] != nil:
			case config["external"] == true:
				config["name"] = key
			default:
				config["name"] = (&Stack{Name: l.name}).scoped(key)
			}
			if content, ok := config["content"].(string); ok && content == "" {
				l.empty[section+"."+key] = true
			}
		}
	}
}

// withDefaults sets compose-go's default values, but those of ports and secrets: what those are in a Swarm is Swarm's.
func withDefaults(dict map[string]any) (map[string]any, error) {
	type kept struct {
		container map[string]any
		key       string
		value     any
	}
	var all []kept
	for _, section := range []string{"services", "jobs"} {
		for _, container := range mappings(dict[section]) {
			for _, key := range []string{"ports", "secrets"} {
				if value, ok := container[key]; ok {
					all = append(all, kept{container, key, value})
					delete(container, key)
				}
			}
		}
	}
	back := aside(dict)
	dict, err := transform.SetDefaultValues(dict)
	back()
	for _, k := range all {
		k.container[k.key] = k.value
	}
	return dict, err
}

// volumeTargets are the targets of each service's volumes as the file has them; compose-go tidies them, and Swarm does not.
func volumeTargets(dict map[string]any) map[string][]string {
	targets := map[string][]string{}
	for name, service := range mappings(dict["services"]) {
		volumes, _ := service["volumes"].([]any)
		for _, volume := range volumes {
			mount, _ := volume.(map[string]any)
			target, _ := mount["target"].(string)
			targets[name] = append(targets[name], target)
		}
	}
	return targets
}

// leaveOut takes what profiles switch off out of the model, and tells.
func (l *load) leaveOut(model map[string]any, project *types.Project, places Places) {
	off := map[string][]string{}
	for name, service := range project.DisabledServices {
		off["services."+name] = service.Profiles
	}
	for name, job := range project.DisabledJobs {
		off["jobs."+name] = job.Profiles
	}
	for _, at := range slices.Sorted(maps.Keys(off)) {
		section, name, _ := strings.Cut(at, ".")
		if containers, ok := model[section].(map[string]any); ok {
			delete(containers, name)
		}
		l.find(places, Meaningless, at+".profiles", false, "it is left out: none of its profiles (%s) is on; --profile %s takes it in",
			strings.Join(off[at], ", "), off[at][0])
	}
}

// find notes a finding about a key of the model.
func (l *load) find(places Places, fate Fate, key string, decide bool, format string, args ...any) {
	at := places.Of(key)
	l.findings = append(l.findings, Finding{
		Fate: fate, File: at.File, Line: at.Line, Path: key, Service: serviceOf(key), Message: fmt.Sprintf(format, args...), Decide: decide,
	})
}

// mappings are those of a mapping's values that are mappings themselves.
func mappings(value any) map[string]map[string]any {
	all := map[string]map[string]any{}
	values, _ := value.(map[string]any)
	for key, v := range values {
		if m, ok := v.(map[string]any); ok {
			all[key] = m
		}
	}
	return all
}

// joined is a path below a directory of the project, as the project would write it. Absolute paths stay, as does "~".
func joined(dir, p string) string {
	if p == "" || dir == "." || absolute(p) || strings.HasPrefix(p, "~") {
		return p
	}
	p = path.Join(dir, p)
	if !path.IsAbs(p) && p != ".." && !strings.HasPrefix(p, "../") && p != "." {
		return "./" + p
	}
	return p
}

// absolute says that a path starts at a root, that of a Unix or of a Windows machine.
func absolute(p string) bool {
	return path.IsAbs(p) || strings.HasPrefix(p, `\\`) || len(p) > 2 && p[1] == ':' && (p[2] == '\\' || p[2] == '/')
}
