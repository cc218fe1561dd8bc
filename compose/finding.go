package compose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fate is what becomes of a key of a Compose file in Kubernetes.
type Fate string

// The fates.
const (
	// Mapped: a field of Kubernetes means the same.
	Mapped Fate = "mapped"
	// Approximated: the nearest that Kubernetes has; a Finding says what is other.
	Approximated Fate = "approximated"
	// Refused: Kubernetes has nothing for it; a Finding says what to do instead. The rest is converted.
	Refused Fate = "refused"
	// Meaningless: it says nothing about a cluster (how an image is built, what Compose itself does); told once.
	Meaningless Fate = "meaningless"
)

// Place is where something stands.
type Place struct {
	File string // as it was given, "-" for standard input; "" where it stands in none
	Line int    // from 1; 0 for unknown
}

// Places are the places of keys, by their path in the model: services.web.deploy.labels, items of lists as
// services.web.ports[0].
type Places map[string]Place

// Of is the place of a path, or of the nearest key above it that has one.
func (p Places) Of(path string) Place {
	for {
		if at, ok := p[path]; ok {
			return at
		}
		cut := max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['))
		if cut < 0 {
			return Place{}
		}
		path = path[:cut]
	}
}

// Finding is what a person has to know of one key.
type Finding struct {
	Fate    Fate   `json:"fate"` // never Mapped
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Path    string `json:"key"`               // in the model
	Service string `json:"service,omitempty"` // the service that it is about
	Message string `json:"message"`           // what becomes of it, and what to do
	// Decide says that someone has to choose or to fill something in before the result can be used.
	Decide bool `json:"decide,omitempty"`
}

// String is the finding as a compiler would print it.
func (f Finding) String() string {
	at := f.File
	if at != "" && f.Line > 0 {
		at = fmt.Sprintf("%s:%d", at, f.Line)
	}
	if at != "" {
		at += ": "
	}
	return at + f.Path + ": " + f.Message
}

// sortFindings orders findings by where they stand, and drops those that say the same again.
func sortFindings(all []Finding) []Finding {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(all)
}
