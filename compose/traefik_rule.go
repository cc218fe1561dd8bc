package compose

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A rule of a Traefik router says which requests it takes: matchers such as Host(`a`) and PathPrefix(`/b`), joined by
// &&, || and !.

// matcher is one condition of a rule.
type matcher struct {
	name   string // in small letters: host, pathprefix
	values []string
	not    bool
}

// String is the matcher as a rule has it.
func (m matcher) String() string {
	quoted := make([]string, 0, len(m.values))
	for _, v := range m.values {
		quoted = append(quoted, "`"+v+"`")
	}
	text := m.name + "(" + strings.Join(quoted, ", ") + ")"
	if m.not {
		return "!" + text
	}
	return text
}

// Bounds on rules that nobody would write.
const (
	maxRuleDepth = 50
	maxRuleWays  = 200
)

var errManyWays = fmt.Errorf("it has more than %d combinations", maxRuleWays)

// parseRule reads a rule of Traefik 2 or 3 into ways, each a list of matchers that have to hold all.
func parseRule(text string) ([][]matcher, error) {
	p := &ruleParser{rest: text}
	tree, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.rest != "" {
		return nil, fmt.Errorf("there is %q where the rule should end", excerpt(p.rest))
	}
	return tree.ways(false)
}

// excerpt is the beginning of a text, for a message.
func excerpt(text string) string {
	const enough = 40
	if len(text) <= enough {
		return text
	}
	return strings.ToValidUTF8(text[:enough], "") + "..."
}

// ruleTree is a rule: a matcher, or parts that are joined.
type ruleTree struct {
	matcher *matcher
	not     bool
	and     bool
	parts   []*ruleTree
}

// ways are the combinations of matchers that meet a rule, or that do not.
func (t *ruleTree) ways(not bool) ([][]matcher, error) {
	not = not != t.not
	if t.matcher != nil {
		m := *t.matcher
		m.not = not
		return [][]matcher{{m}}, nil
	}
	every := t.and != not // of De Morgan
	var all [][]matcher
	if every {
		all = [][]matcher{nil}
	}
	for _, part := range t.parts {
		ways, err := part.ways(not)
		if err != nil {
			return nil, err
		}
		if !every {
			all = append(all, ways...)
		} else {
			all = times(all, ways)
		}
		if len(all) > maxRuleWays {
			return nil, errManyWays
		}
	}
	return all, nil
}

// times joins each of some ways with each of others, as far as anyone looks at them.
func times(some, others [][]matcher) [][]matcher {
	var all [][]matcher
	for _, a := range some {
		for _, b := range others {
			if len(all) > maxRuleWays {
				return all
			}
			all = append(all, slices.Concat(a, b))
		}
	}
	return all
}

type ruleParser struct{ rest string }

func (p *ruleParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take takes a word off the rest if it is there.
func (p *ruleParser) take(word string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, word)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *ruleParser) or(depth int) (*ruleTree, error)  { return p.joined(depth, "||", false, p.and) }
func (p *ruleParser) and(depth int) (*ruleTree, error) { return p.joined(depth, "&&", true, p.one) }

func (p *ruleParser) joined(depth int, by string, and bool, part func(int) (*ruleTree, error)) (*ruleTree, error) {
	t := &ruleTree{and: and}
	for {
		one, err := part(depth)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, one)
		if !p.take(by) {
			break
		}
	}
	if len(t.parts) == 1 {
		return t.parts[0], nil
	}
	return t, nil
}

func (p *ruleParser) one(depth int) (*ruleTree, error) {
	switch {
	case depth > maxRuleDepth:
		return nil, errors.New("it is nested too deeply")
	case p.take("!"):
		t, err := p.one(depth + 1)
		if err != nil {
			return nil, err
		}
		return &ruleTree{and: true, not: true, parts: []*ruleTree{t}}, nil
	case p.take("("):
		t, err := p.or(depth + 1)
		if err == nil && !p.take(")") {
			err = errors.New("a bracket is not closed")
		}
		return t, err
	}
	m, err := p.call()
	if err != nil {
		return nil, err
	}
	return &ruleTree{matcher: m}, nil
}

// call reads Name(`value`, ...).
func (p *ruleParser) call() (*matcher, error) {
	p.space()
	end := strings.IndexFunc(p.rest, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		return nil, fmt.Errorf("there is no matcher where one should be, before %q", excerpt(p.rest))
	}
	m := &matcher{name: strings.ToLower(p.rest[:end])}
	p.rest = p.rest[end:]
	if !p.take("(") {
		return nil, fmt.Errorf("%s has no values", m.name)
	}
	for !p.take(")") {
		if len(m.values) > 0 && !p.take(",") {
			return nil, fmt.Errorf("the values of %s do not end", m.name)
		}
		value, err := p.quoted()
		if err != nil {
			return nil, err
		}
		m.values = append(m.values, value)
	}
	return m, nil
}

// quoted reads a text in quotes.
func (p *ruleParser) quoted() (string, error) {
	p.space()
	if rest, ok := strings.CutPrefix(p.rest, "'"); ok {
		value, rest, ok := strings.Cut(rest, "'")
		if !ok {
			return "", errors.New("a quote is not closed")
		}
		p.rest = rest
		return value, nil
	}
	word, err := strconv.QuotedPrefix(p.rest)
	if err != nil {
		return "", fmt.Errorf("there is no text in quotes where one should be, before %q", excerpt(p.rest))
	}
	p.rest = p.rest[len(word):]
	value, err := strconv.Unquote(word)
	if err != nil {
		return "", fmt.Errorf("%s is no text in quotes", excerpt(word))
	}
	return value, nil
}

// parseOldRule reads a rule of Traefik 1: Host:a.example,b.example;PathPrefix:/x, of which all parts have to hold. Parts
// that change the path are given back as what they strip off it.
func parseOldRule(text string) (ways [][]matcher, strip []string, err error) {
	var all []matcher
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, list, ok := strings.Cut(part, ":")
		if !ok {
			return nil, nil, fmt.Errorf("%q is no matcher with a colon behind it", excerpt(part))
		}
		m := matcher{name: strings.ToLower(strings.TrimSpace(name))}
		for value := range strings.SplitSeq(list, ",") {
			m.values = append(m.values, strings.TrimSpace(value))
		}
		switch m.name {
		case "pathprefixstrip", "pathstrip":
			strip = append(strip, m.values...)
			m.name = strings.TrimSuffix(m.name, "strip")
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, nil, errors.New("it is empty")
	}
	return [][]matcher{all}, strip, nil
}
