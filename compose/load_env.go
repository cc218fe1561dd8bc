package compose

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
)

// projectName is the variable that has the project's name.
const projectName = "COMPOSE_PROJECT_NAME"

// variables gathers the project's variables: of the env files, or of .env, under those that were given.
func (l *load) variables() error {
	l.swarm = l.in.Name != ""
	sources := l.in.EnvFiles
	if len(sources) == 0 {
		switch data, err := l.gate.read(".env"); {
		case err == nil:
			sources = []Source{{Name: ".env", Data: data}}
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errOutside):
			return l.fail(Place{File: ".env"}, "", fmt.Sprintf("it cannot be read: %v", err), "mend or remove it, or name another with --env-file")
		}
	}
	l.env = map[string]string{}
	for _, source := range sources {
		if err := sized(source.Name, len(source.Data)); err != nil {
			return err
		}
		if err := l.dotenv(l.env, source, l.in.Env); err != nil {
			return err
		}
	}
	maps.Copy(l.env, l.in.Env)
	if _, have := l.env[projectName]; !have && l.in.Name != "" {
		l.env[projectName] = l.in.Name
	}
	return nil
}

// dotenv reads a file of variables as Compose does. above are variables that win over the file's where it uses them.
func (l *load) dotenv(into map[string]string, source Source, above map[string]string) error {
	lookup := func(name string) (string, bool) {
		if value, ok := above[name]; ok {
			return value, true
		}
		value, ok := into[name]
		return value, ok
	}
	if err := dotenv.ParseWithFormat(bytes.NewReader(source.Data), source.Name, into, lookup, ""); err != nil {
		return l.wrongEnv(source.Name, err)
	}
	return nil
}

// wrongEnv is the error of a file of variables. compose-go's own tells the line, and what may be a password in it.
func (l *load) wrongEnv(name string, err error) error {
	at := Place{File: name}
	if found := lineOf.FindStringSubmatch(err.Error()); found != nil {
		_, _ = fmt.Sscan(found[1], &at.Line) // the pattern has digits only
	}
	var missing *template.MissingRequiredError
	if errors.As(err, &missing) {
		return l.fail(at, missing.Variable, "the variable is required and has no value"+reason(missing.Reason), "set it with --env-file or in the environment")
	}
	return l.fail(at, "", "not a file of variables", "each line is NAME=value, and quotes end where they start")
}

// plainVariable finds uses of variables; those that give a default or ask for a value themselves end in an operator.
var plainVariable = regexp.MustCompile(`\$(\$|\{?([A-Za-z_][A-Za-z0-9_]*)(\}|:?[-+?])?)`)

// literalDefault finds variables whose default has no variable in braces.
var literalDefault = regexp.MustCompile(`\$\$|\$\{[A-Za-z_][A-Za-z0-9_]*:?-[^{}]*\}`)

// substituted is a text with its variables replaced. docker stack takes the default of a variable as it stands, where
// docker compose looks for variables in it; passwords that are hashed have a $ that is none.
func (l *load) substituted(text string, of template.Mapping) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	return template.SubstituteWithOptions(l.literal(text), of, template.WithoutLogging)
}

// literal is a text with each $ of a default doubled, if that is how defaults are to be read.
func (l *load) literal(text string) string {
	if !l.swarm {
		return text
	}
	return literalDefault.ReplaceAllStringFunc(text, func(use string) string {
		if use == "$$" {
			return use
		}
		return "$" + strings.ReplaceAll(use[1:], "$", "$$")
	})
}

// interpolated is a document with its variables replaced. Those that are not set are told, as they become nothing.
func (l *load) interpolated(doc document, env map[string]string) (map[string]any, error) {
	lookup := func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
	var wrong []*InputError
	eachText(doc.model, "", func(at, text string) {
		if !strings.Contains(text, "$") {
			return
		}
		for line := range strings.Lines(text) {
			if strings.Count(line, "${") > maxVariables {
				wrong = append(wrong, &InputError{Place: doc.at.Of(at), Key: at, Wrong: fmt.Sprintf("a line has more than %d variables", maxVariables), Do: "use fewer"})
				return
			}
		}
		if _, err := l.substituted(text, lookup); err != nil {
			wrong = append(wrong, wrongVariable(err, at, doc.at.Of(at)))
			return
		}
		l.unset(l.literal(text), at, doc.at, env)
	})
	if len(wrong) > 0 {
		return nil, allWrong(wrong)
	}
	in := interpolation{load: l, lookup: lookup, places: doc.at}
	model, err := in.value(doc.model, "", tree.NewPath())
	if err != nil {
		return nil, err
	}
	return model.(map[string]any), nil
}

// interpolation replaces the variables of values, and makes texts what their keys take: compose-go's own does the same,
// but tries each of its casts on each text.
type interpolation struct {
	load   *load
	lookup template.Mapping
	places Places
}

func (in interpolation) value(value any, at string, way tree.Path) (any, error) {
	switch v := value.(type) {
	case string:
		return in.text(v, at, way)
	case map[string]any:
		all := make(map[string]any, len(v))
		for key, item := range v {
			one, err := in.value(item, strings.TrimPrefix(at+"."+key, "."), way.Next(key))
			if err != nil {
				return nil, err
			}
			all[key] = one
		}
		return all, nil
	case []any:
		all := make([]any, len(v))
		for i, item := range v {
			one, err := in.value(item, at+"["+strconv.Itoa(i)+"]", way.Next(tree.PathMatchList))
			if err != nil {
				return nil, err
			}
			all[i] = one
		}
		return all, nil
	}
	return value, nil
}

func (in interpolation) text(text, at string, way tree.Path) (any, error) {
	replaced, err := in.load.substituted(text, in.lookup)
	if err != nil {
		return nil, wrongVariable(err, at, in.places.Of(at))
	}
	key := at[strings.LastIndexByte(at, '.')+1:]
	if !in.load.cast[key] && !strings.Contains(at, ".ulimits.") {
		return replaced, nil
	}
	for pattern, cast := range in.load.defaults.Interpolate.TypeCastMapping {
		if !way.Matches(pattern) {
			continue
		}
		value, err := cast(replaced)
		if err != nil {
			return nil, in.load.fail(in.places.Of(at), at, "the value is of the wrong type", "give it one that the key takes, or its variable")
		}
		return value, nil
	}
	return replaced, nil
}

// maxVariables is how many variables in braces a line may have, in each other or one after the other.
const maxVariables = 100

// maxErrors is how many errors are told at once.
const maxErrors = 10

// allWrong are errors in the order of their lines.
func allWrong(all []*InputError) error {
	slices.SortFunc(all, func(a, b *InputError) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key)) })
	all = slices.CompactFunc(all, func(a, b *InputError) bool { return *a == *b })
	var errs []error
	for _, err := range all[:min(len(all), maxErrors)] {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// unset tells of the variables in a text that have no value and no default.
func (l *load) unset(text, at string, places Places, env map[string]string) {
	for _, use := range plainVariable.FindAllStringSubmatch(text, -1) {
		name, operator := use[2], use[3]
		if _, have := env[name]; have || name == "" || strings.HasPrefix(use[1], "{") && operator != "}" {
			continue
		}
		l.find(places, Approximated, at, true, "the variable %s is not set, so nothing stands in its place; set it with --env-file or in the environment", name)
	}
}

// wrongVariable is the error of a text whose variables cannot be replaced. The text may be a password, so it is not told.
func wrongVariable(err error, at string, place Place) *InputError {
	var missing *template.MissingRequiredError
	if errors.As(err, &missing) {
		return &InputError{
			Place: place, Key: at, Wrong: fmt.Sprintf("the variable %s is required and has no value%s", missing.Variable, reason(missing.Reason)),
			Do: "set it with --env-file or in the environment",
		}
	}
	return &InputError{Place: place, Key: at, Wrong: "a $ stands where no variable does", Do: "write $$ for the character, or ${NAME} for a variable"}
}

func reason(text string) string {
	if text == "" {
		return ""
	}
	return " (" + scrub(text) + ")"
}

// eachText calls a function with each text of a value, and its path, in no order.
func eachText(value any, at string, f func(at, text string)) {
	switch v := value.(type) {
	case string:
		f(at, v)
	case map[string]any:
		for key, item := range v {
			eachText(item, strings.TrimPrefix(at+"."+key, "."), f)
		}
	case []any:
		for i, item := range v {
			eachText(item, fmt.Sprintf("%s[%d]", at, i), f)
		}
	}
}

// resolve reads what the services' env_file and label_file name, and gives variables without a value that of the project.
func (l *load) resolve(project *types.Project, places Places) error {
	for name, service := range project.Services {
		if err := l.resolveContainer(&service.ContainerSpec, "services."+name, places); err != nil {
			return err
		}
		for i := range service.PreStart {
			if err := l.resolveContainer(&service.PreStart[i].ContainerSpec, fmt.Sprintf("services.%s.pre_start[%d]", name, i), places); err != nil {
				return err
			}
		}
		project.Services[name] = service
	}
	for name, job := range project.Jobs {
		if err := l.resolveContainer(&job.ContainerSpec, "jobs."+name, places); err != nil {
			return err
		}
		project.Jobs[name] = job
	}
	return nil
}

func (l *load) resolveContainer(c *types.ContainerSpec, at string, places Places) error {
	own := c.Environment.Resolve(func(name string) (string, bool) { return l.value(name) })
	all := types.MappingWithEquals{}
	for i, envFile := range c.EnvFiles {
		key := fmt.Sprintf("%s.env_file[%d]", at, i)
		f, err := l.open(envFile.Path, key, places.Of(key))
		if err != nil {
			if _, readErr := l.gate.read(envFile.Path); errors.Is(readErr, fs.ErrNotExist) && !bool(envFile.Required) {
				if _, own := places[key]; own { // a hook has those of its service
					l.find(places, Meaningless, key, false, "%s does not exist and is not required", envFile.Path)
				}
				continue
			}
			return err
		}
		values, err := l.envFile(f, envFile.Format, all, own)
		if err != nil {
			return err
		}
		maps.Copy(all, values)
	}
	maps.Copy(all, own)
	if l.swarm {
		l.fillEmpty(all)
	}
	if len(all) > 0 || c.Environment != nil {
		c.Environment = all
	}
	return l.labelFiles(c, at, places)
}

// value is a variable of the project.
func (l *load) value(name string) (string, bool) {
	value, ok := l.env[name]
	return value, ok
}

// fillEmpty gives variables that are set to nothing the value that the one who deploys has for them: docker stack does.
func (l *load) fillEmpty(all types.MappingWithEquals) {
	for name, value := range all {
		if have, ok := l.in.Env[name]; ok && value != nil && *value == "" {
			all[name] = &have
		}
	}
}

// envFile reads an env_file: as it stands for a Swarm or with the format "raw", otherwise with quotes and variables.
func (l *load) envFile(f file, format string, earlier, own types.MappingWithEquals) (types.MappingWithEquals, error) {
	if format == "raw" || format == "" && l.swarm {
		return l.rawEnv(f)
	}
	into := earlier.ToMapping()
	lookup := func(name string) (string, bool) {
		if value, ok := l.env[name]; ok {
			return value, true
		}
		if value, ok := own[name]; ok && value != nil {
			return *value, true
		}
		return "", false
	}
	if err := dotenv.ParseWithFormat(bytes.NewReader(f.data), f.name, into, lookup, format); err != nil {
		return nil, l.wrongEnv(f.name, err)
	}
	return types.Mapping(into).ToMappingWithEquals(), nil
}

// rawEnv reads an env_file as Docker's own command line does: NAME=value, all as it stands, and a NAME alone is the
// project's variable where there is one.
func (l *load) rawEnv(f file) (types.MappingWithEquals, error) {
	all := types.MappingWithEquals{}
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(f.data), "\ufeff")) {
		number++
		line = strings.TrimLeft(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), " \t\v\f\u0085\u00a0")
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, set := strings.Cut(line, "=")
		if name == "" || strings.ContainsAny(name, " \t") {
			return nil, l.fail(Place{File: f.name, Line: number}, "", "not a variable", "a line is NAME=value, without blanks in the name")
		}
		if !set {
			if value, set = l.value(name); !set {
				continue
			}
		}
		all[name] = &value
	}
	return all, nil
}

// labelFiles lays a container's labels over those of its files.
func (l *load) labelFiles(c *types.ContainerSpec, at string, places Places) error {
	labels := map[string]string{}
	for i, name := range c.LabelFiles {
		key := fmt.Sprintf("%s.label_file[%d]", at, i)
		f, err := l.open(name, key, places.Of(key))
		if err != nil {
			return err
		}
		if err := l.dotenv(labels, Source{Name: f.name, Data: f.data}, nil); err != nil {
			return err
		}
	}
	if len(labels) == 0 {
		return nil
	}
	maps.Copy(labels, c.Labels)
	c.Labels = labels
	return nil
}
