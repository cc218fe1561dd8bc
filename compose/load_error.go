package compose

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// fail is the error of an input: where it stands, what is wrong, and what to do.
func (l *load) fail(at Place, key, wrong, do string) error {
	return &InputError{Place: at, Key: key, Wrong: wrong, Do: do}
}

// InputError says what is wrong with the files that were given.
type InputError struct {
	Place
	Key   string // in the model; "" for a whole file
	Wrong string
	Do    string
}

// Error is the error as a compiler would print it.
func (e *InputError) Error() string {
	text := e.File
	if e.File != "" && e.Line > 0 {
		text = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if text != "" {
		text += ": "
	}
	if e.Key != "" {
		text += e.Key + ": "
	}
	return text + e.Wrong + "; " + e.Do
}

// because is an error of compose-go with the place of the key that it is about, which it names somewhere in its text.
// Where it names none that is known, the error is at the place that is given, or else at the first file.
func (l *load) because(err error, places Places, otherwise ...Place) error {
	if of, told := errors.AsType[*InputError](err); told {
		return of
	}
	message := strings.TrimSpace(scrub(err.Error()))
	key, at := l.about(message, places)
	if key == "" && len(otherwise) > 0 {
		at = otherwise[0]
	} else if key == "" {
		at = l.file()
	}
	if path := pathLike.FindString(message); path != "" && key != "" && strings.HasPrefix(message, path) {
		message = strings.TrimLeft(message[len(path):], ": ")
	} else if rest, told := strings.CutPrefix(message, key+" "); told && key != "" {
		message = rest
	}
	// What is not known stands where its neighbours are, so it is looked up once more by its own name.
	if found := unknown.FindStringSubmatch(message); found != nil {
		path := strings.TrimPrefix(key+"."+found[1], ".")
		if place, ok := places[path]; ok {
			return unknownKey(place, path)
		}
	}
	if strings.HasSuffix(message, "false schema") {
		return unknownKey(at, key)
	}
	message = shorten(message)
	return l.fail(at, key, message, "see the Compose specification for what it takes")
}

func unknownKey(at Place, key string) error {
	return &InputError{Place: at, Key: key, Wrong: "Compose knows no such key", Do: "mend its name, or start it with x- if it is an extension"}
}

// shorten takes out of a message what only those who know compose-go understand.
func shorten(message string) string {
	message = strings.ReplaceAll(message, "must be a array", "must be a list")
	message = strings.TrimPrefix(message, "decoding failed due to the following error(s): ")
	return decoded.ReplaceAllString(message, "")
}

// about is the key that a message of compose-go is about, and its place; "" for none that is known.
func (l *load) about(message string, places Places) (key string, at Place) {
	for _, word := range pathLike.FindAllString(keyed.ReplaceAllString(message, "$1.$2"), -1) {
		path := bracketed(strings.TrimRight(word, ".:,"))
		if place := places.Of(path); place.Line > 0 && len(path) > len(key) {
			key, at = path, place
		}
	}
	if found := named.FindStringSubmatch(message); key == "" && found != nil {
		path := found[1] + "s." + found[2]
		if place := places.Of(path); place.Line > 0 {
			key, at = path, place
		}
	}
	return key, at
}

// narrowed are the errors of a step on a model, each at the smallest part that fails alone: an item of a key of an entry of
// a section. compose-go's own error is of one of them, and not always of the same.
func (l *load) narrowed(from layer, step func(map[string]any) error) []*InputError {
	var all []*InputError
	try := func(value any, at string, way ...string) bool {
		if len(all) >= maxErrors {
			return false // enough to begin with
		}
		for _, key := range slices.Backward(way) {
			value = map[string]any{key: value}
		}
		err := step(clone(value).(map[string]any))
		if err == nil || len(way) > 2 && strings.Contains(err.Error(), "missing propert") { // which it has with its neighbours
			return false
		}
		if at == "" {
			return true
		}
		of, ok := errors.AsType[*InputError](l.because(err, from.at))
		if place := from.at.Of(at); ok {
			if len(of.Key) < len(at) {
				of.Key, of.Place = at, place
			}
			of.Wrong = strings.TrimPrefix(of.Wrong, at+" ")
			all = append(all, of)
		}
		return true
	}
	for _, section := range slices.Sorted(maps.Keys(from.model)) {
		entries, ok := from.model[section].(map[string]any)
		if !ok {
			try(from.model[section], section, section)
			continue
		}
		if !try(entries, "", section) {
			continue
		}
		if try(map[string]any{}, "", section) { // there is no such section
			try(entries, section, section)
			continue
		}
		found := len(all)
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			narrowEntry(try, entries[name], section, name)
		}
		if len(all) == found {
			try(entries, section, section)
		}
	}
	return all
}

// narrowEntry tries an entry of a section, and its keys and their items alone. try tells of an error if it is given a path.
func narrowEntry(try func(any, string, ...string) bool, entry any, section, name string) {
	at := section + "." + name
	keys, ok := entry.(map[string]any)
	if !ok {
		try(entry, at, section, name)
		return
	}
	if !try(entry, "", section, name) {
		return
	}
	found := false
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !try(keys[key], "", section, name, key) {
			continue
		}
		found = true
		list, _ := keys[key].([]any)
		items := false
		if try([]any{}, "", section, name, key) {
			list = nil // it should be none
		}
		for i, item := range list {
			items = try([]any{item}, fmt.Sprintf("%s.%s[%d]", at, key, i), section, name, key) || items
		}
		if !items {
			try(keys[key], at+"."+key, section, name, key)
		}
	}
	if !found {
		try(entry, at, section, name)
	}
}

var (
	// pathLike finds paths as compose-go writes them: services.web.ports.0.
	pathLike = regexp.MustCompile(`\b(?:services|jobs|networks|volumes|configs|secrets|include|models|name|version)(?:\.[^\s:'"]+)+`)
	// keyed finds the start of paths as the decoder of compose-go writes them: services[web].image.
	keyed = regexp.MustCompile(`\b(services|jobs|networks|volumes|configs|secrets)\[([^\]]+)\]`)
	// decoded finds where such a path ends.
	decoded = regexp.MustCompile(`^'[^']+' `)
	// named finds what compose-go's errors name otherwise.
	named = regexp.MustCompile(`\b(service|job|network|volume|config|secret) "([^"]+)"`)
	// unknown finds a key that the schema has not.
	unknown = regexp.MustCompile(`additional propert(?:y|ies) '([^']+)'`)
	number  = regexp.MustCompile(`\.(\d+)(\.|$)`)
	item    = regexp.MustCompile(`\.?\[\]`)
)

// bracketed is a path of compose-go as one of ours: ports.0 is ports[0], and an item that is not said is its list.
func bracketed(path string) string {
	if cut := item.FindStringIndex(path); cut != nil {
		path = path[:cut[0]]
	}
	for number.MatchString(path) {
		path = number.ReplaceAllString(path, "[$1]$2")
	}
	return path
}

// maxShown is how much of a text from outside an error shows.
const maxShown = 300

// scrub makes a text from outside fit for a line of an error.
func scrub(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "..."
	}
	return text
}
