package nginx

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// nginx's regular expressions are PCRE's. One is accepted when Go compiles it, so that it has no look-around and no
// references back, and when it stays within what both write alike.

// maxRegex is the longest regular expression, and maxProgram how much of a program it may be with its repetitions
// written out: PCRE refuses more than 64 KB.
const (
	maxRegex   = 500
	maxProgram = 1000
)

// checkRegex returns how many groups a location's regular expression has.
func checkRegex(expr string) (groups int, err error) {
	if len(expr) > maxRegex {
		return 0, fmt.Errorf("regular expression is longer than %d bytes", maxRegex)
	}
	if !strings.HasPrefix(expr, "/") {
		return 0, fmt.Errorf("regular expression %q does not begin with \"/\"", expr)
	}
	if err := scanRegex(expr); err != nil {
		return 0, fmt.Errorf("regular expression %q: %w", expr, err)
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return 0, fmt.Errorf("regular expression %q: %w", expr, err)
	}
	if repeatsNothing(tree) {
		return 0, fmt.Errorf("regular expression %q repeats what has no length", expr)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, fmt.Errorf("regular expression %q: %w", expr, err)
	}
	if len(program.Inst) > maxProgram {
		return 0, fmt.Errorf("regular expression %q repeats too much", expr)
	}
	return tree.MaxCap(), nil
}

// zeroWidth match a place, not a character.
var zeroWidth = []syntax.Op{
	syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpEmptyMatch,
}

// repeatsNothing finds the likes of ^*, which PCRE refuses.
func repeatsNothing(tree *syntax.Regexp) bool {
	repeats := slices.Contains([]syntax.Op{syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat}, tree.Op)
	if repeats && slices.Contains(zeroWidth, tree.Sub[0].Op) {
		return true
	}
	for _, sub := range tree.Sub {
		if repeatsNothing(sub) {
			return true
		}
	}
	return false
}

var (
	repetition = regexp.MustCompile(`^\{[0-9]+(,[0-9]*)?\}`)
	// classItem is one item in brackets: a named class, an escape, or a character that needs none.
	classItem = regexp.MustCompile(`^(\[:\^?[a-z]+:\]|\\[dDwWsS]|\\[[:punct:]]|[ -Z^-~])`)
)

// scanRegex refuses what Go and PCRE do not read alike. What it lets pass may be wrong in other ways.
func scanRegex(expr string) error {
	for i := 0; i < len(expr); {
		rest, length := expr[i:], 1
		switch c := rest[0]; {
		case c < ' ' || c > '~':
			return errors.New("has a character that is not printable ASCII")
		case c == '\\':
			if len(rest) < 2 || !strings.ContainsRune(`dDwWsSbB!"#%&'()*+,-./:;<=>?@[\]^_{|}~$`+"`", rune(rest[1])) {
				return errors.New(`escapes other than \d \w \s \b, their opposites and punctuation are not supported`)
			}
			length = 2
		case c == '(' && strings.HasPrefix(rest, "(?"):
			if !strings.HasPrefix(rest, "(?:") {
				return errors.New("(?: is the only group of its kind that is supported")
			}
			length = 3
		case c == '{':
			if length = len(repetition.FindString(rest)); length == 0 {
				return errors.New(`a "{" that begins no repetition has to be escaped`)
			}
		case c == '[':
			var err error
			if length, err = scanClass(rest); err != nil {
				return err
			}
		}
		i += length
	}
	return nil
}

// scanClass returns the length of the brackets that rest begins with.
func scanClass(rest string) (int, error) {
	if len(rest) > 1 && strings.ContainsRune(":.=", rune(rest[1])) {
		return 0, errors.New("a class such as [:alpha:] has to stand in brackets")
	}
	i := 1
	if strings.HasPrefix(rest[i:], "^") {
		i++
	}
	first, last := i, "" // last is the item before
	for i < len(rest) && rest[i] != ']' {
		item := classItem.FindString(rest[i:])
		if item == "" {
			return 0, errors.New(`"[" and "]" have to be escaped in brackets, and all has to be printable ASCII`)
		}
		before := item == "-" && i > first && isClass(last) && !strings.HasPrefix(rest[i+1:], "]")
		if before || last == "-" && i-1 > first && isClass(item) {
			return 0, errors.New(`a "-" beside a class has to be escaped`)
		}
		i += len(item)
		last = item
	}
	if i == first || i >= len(rest) {
		return 0, errors.New("brackets that are empty or have no end")
	}
	return i + 1, nil
}

// isClass says whether an item in brackets is more than one character.
func isClass(item string) bool {
	return len(item) > 2 || len(item) == 2 && strings.ContainsRune("dDwWsS", rune(item[1]))
}
