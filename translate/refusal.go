package translate

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Refusal is an error that names the field of the object that cannot be, and why: a 422.
type Refusal struct{ Field *field.Error }

// Error implements error.
func (r Refusal) Error() string { return r.Field.Error() }

// NewRefusals are those of now that were not there before: what a service made by Docker has, and a
// client only hands back, is no reason to refuse the rest.
func NewRefusals(now, before field.ErrorList) field.ErrorList {
	known := map[string]bool{}
	for _, e := range before {
		known[e.Error()] = true
	}
	var fresh field.ErrorList
	for _, e := range now {
		if !known[e.Error()] {
			fresh = append(fresh, e)
		}
	}
	return fresh
}

// NewWarnings are those of now that were not there before.
func NewWarnings(now, before []string) []string {
	var fresh []string
	for _, w := range now {
		if !slices.Contains(before, w) {
			fresh = append(fresh, w)
		}
	}
	return fresh
}
