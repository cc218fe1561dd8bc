package engine

import (
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/filters"
)

// accept returns an error for a filter of another name than these.
func accept(f filters.Args, names ...string) error {
	accepted := make(map[string]bool, len(names))
	for _, name := range names {
		accepted[name] = true
	}
	return f.Validate(accepted)
}

// pairs returns the values of a filter of the form key or key=value.
func pairs(f filters.Args, name string) map[string]string {
	result := map[string]string{}
	for _, pair := range f.Get(name) {
		key, value, _ := strings.Cut(pair, "=")
		result[key] = value
	}
	return result
}

// enums returns the values of a filter as those of a protobuf enum, whose names are in capitals.
func enums[E ~int32](f filters.Args, name string, values map[string]int32) ([]E, error) {
	var result []E
	for _, word := range f.Get(name) {
		value, ok := values[strings.ToUpper(word)]
		switch {
		case ok:
			result = append(result, E(value))
		case word != "":
			return nil, fmt.Errorf("Invalid %s filter: '%s'", name, word) //nolint:staticcheck // Docker's own words, and its status 500
		}
	}
	return result, nil
}
