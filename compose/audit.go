package compose

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// audit asks the fates about every key of a stack's model, and tells what has no exact counterpart.
func audit(s *Stack) []Finding {
	a := &auditor{places: s.Places, once: map[*keyFate]Finding{}}
	for _, key := range sortedKeys(s.Model) {
		a.step(fates(), key, subject{key, s.Model[key]}, key, key)
	}
	for _, f := range a.once {
		a.findings = append(a.findings, f)
	}
	return sortFindings(a.findings)
}

// auditor walks a model by the fates.
type auditor struct {
	places   Places
	findings []Finding
	// once are what is told once for the whole stack, where it stands first.
	once map[*keyFate]Finding
	// met are the rows that decided on something; nil where nobody asks.
	met map[*keyFate]bool
}

// step looks at a key: at is its path in the model, place that by which its place is known.
func (a *auditor) step(n *fateNode, part string, s subject, at, place string) {
	next, known := n.next(part)
	switch {
	case !known:
		a.tell(Finding{Fate: Refused, Message: "skep knows no such key, and made nothing of it: correct its name, or take it out"}, at, place)
	case next != nil && !a.decide(next, s, at, place):
		a.walk(next, s.value, at)
	}
}

// walk looks at what is below a key.
func (a *auditor) walk(n *fateNode, value any, at string) {
	if len(n.below) == 0 {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			a.step(n, key, subject{key, v[key]}, at+"."+key, at+"."+key)
		}
	case []any:
		for i, item := range v {
			place := at + "[" + strconv.Itoa(i) + "]"
			if text, ok := item.(string); ok && n.isNames() { // a mapping written as a list of name=value
				s := nameAndValue(text)
				a.step(n, s.key, s, at+"."+s.key, place)
				continue
			}
			a.step(n, "[]", subject{strconv.Itoa(i), item}, place, place)
		}
	}
}

func nameAndValue(text string) subject {
	for _, between := range []string{"=", ":"} { // hosts and their addresses have either
		if name, value, has := strings.Cut(text, between); has {
			return subject{name, value}
		}
	}
	return subject{text, nil}
}

// decide applies the first row that holds; true where there is nothing more to say.
func (a *auditor) decide(n *fateNode, s subject, at, place string) bool {
	row := n.row(s)
	if row == nil {
		return false
	}
	if a.met != nil {
		a.met[row] = true
	}
	if row.told || row.fate == Mapped || row.when == nil && saysNothing(s, row.usual) {
		return false
	}
	f := Finding{Fate: row.fate, Message: row.reason, Decide: row.decide}
	if row.once || row.fate == Meaningless {
		a.tellOnce(row, f, at, place)
	} else {
		a.tell(f, at, place)
	}
	return row.fate != Approximated
}

// saysNothing is true of a value that is as good as none.
func saysNothing(s subject, usual string) bool {
	switch v := s.value.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	text := s.text()
	return text == "" || text == "false" || usual != "" && text == usual
}

func (a *auditor) tell(f Finding, at, place string) {
	a.findings = append(a.findings, a.placed(f, at, place))
}

func (a *auditor) tellOnce(row *keyFate, f Finding, at, place string) {
	f = a.placed(f, at, place)
	if have, told := a.once[row]; !told || cmp.Or(cmp.Compare(f.File, have.File), cmp.Compare(f.Line, have.Line), cmp.Compare(f.Path, have.Path)) < 0 {
		a.once[row] = f
	}
}

func (a *auditor) placed(f Finding, at, place string) Finding {
	where := a.places.Of(place)
	f.File, f.Line, f.Path, f.Service = where.File, where.Line, at, serviceOf(at)
	return f
}

// title is what a row is about.
func (row *keyFate) title() string {
	if row.when == nil {
		return row.path
	}
	return fmt.Sprintf("%s: %s", row.path, row.when.text)
}

// fields are the fields of Kubernetes that say it.
func (row *keyFate) fields() []string {
	if row.to == "" {
		return nil
	}
	return strings.Split(row.to, ", ")
}
