package compose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// keyFate is a row: what becomes of a key of a Compose file, and of all below it unless keys below it have rows of their
// own. In path * stands for a name that the file's author chose, [] for the items of a list. With when, the row holds only
// for values that it describes; of the rows for one path the first that holds decides. What is said of services holds for
// jobs, and for what starts before a service, too.
type keyFate struct {
	path string
	when *condition
	fate Fate
	// to are the fields of Kubernetes that say it, separated by commas. Pod is the template of whatever kind runs.
	to string
	// reason is what differs, or what to do instead: the message of its Finding.
	reason string
	// usual is Docker's default, of which nobody has to be told.
	usual string
	// told says that what becomes of it depends on more than its value: the converter itself tells of it.
	told bool
	// decide says that someone has to do something before the result is any use.
	decide bool
	// kept says that the annotation skep/swarm-spec keeps it, so that skep gives it back to a Swarm.
	kept bool
	// once says that one Finding for the whole stack is enough.
	once bool
	// swarm is what docker stack deploy makes of it, where that is not what comes of it by way of Kubernetes and skep.
	swarm string
}

// keyGroup is a section of docs/compose.md.
type keyGroup struct {
	title, note string
	rows        []keyFate
}

// keyFates are all rows, in the order of docs/compose.md.
func keyFates() []keyGroup {
	return slices.Concat(fileFates, runFates, deployFates, reachFates, storeFates, systemFates)
}

// What docker stack deploy does with keys that only Docker Compose knows, or that only a Swarm has.
const (
	swarmIgnores = "docker stack deploy ignores it"
	swarmRefuses = "docker stack deploy refuses it"
	swarmAlone   = "a Swarm does it, and Kubernetes has no field to carry it through"
)

// condition tells the values that a row is about.
type condition struct {
	text string
	is   func(subject) bool
}

// subject is a key that is looked at.
type subject struct {
	key   string // the last part of its path; the item's number in a list
	value any
}

// text is the value as a file would have it; "" of what is no plain value.
func (s subject) text() string {
	switch s.value.(type) {
	case nil, []any, map[string]any:
		return ""
	}
	return fmt.Sprint(s.value)
}

// isAny says that a value is one of these.
func isAny(values ...string) *condition {
	return &condition{strings.Join(values, ", "), func(s subject) bool { return slices.Contains(values, s.text()) }}
}

// like says that a value looks so.
func like(text, pattern string) *condition {
	re := regexp.MustCompile(pattern)
	return &condition{text, func(s subject) bool { return re.MatchString(s.text()) }}
}

// keyLike says that a key looks so.
func keyLike(text, pattern string) *condition {
	re := regexp.MustCompile(pattern)
	return &condition{text, func(s subject) bool { return re.MatchString(s.key) }}
}

// emptied is a list that is there and has nothing in it, which takes away what would be there without it.
var emptied = &condition{"empty", func(s subject) bool {
	list, ok := s.value.([]any)
	return s.value == "" || ok && len(list) == 0
}}

// without is a name that has no value.
var without = &condition{"no value", func(s subject) bool { return s.value == nil }}

// fates is the table as a tree.
var fates = sync.OnceValue(fateTree)

// fateNode is what the table says of the keys at one path.
type fateNode struct {
	rows  []keyFate
	below map[string]*fateNode
}

func fateTree() *fateNode {
	root := &fateNode{}
	for _, group := range keyFates() {
		for _, row := range group.rows {
			node := root.at(row.path)
			node.rows = append(node.rows, row)
		}
	}
	root.share("services.*", "jobs.*")
	root.share("services.*", "services.*.pre_start[]")
	return root
}

// at is the node of a path, made where there is none.
func (n *fateNode) at(path string) *fateNode {
	for _, part := range strings.Split(strings.ReplaceAll(path, "[]", ".[]"), ".") {
		next := n.below[part]
		if next == nil {
			next = &fateNode{}
			if n.below == nil {
				n.below = map[string]*fateNode{}
			}
			n.below[part] = next
		}
		n = next
	}
	return n
}

// share lets what is at one path hold at another, where that has nothing of its own.
func (n *fateNode) share(from, to string) {
	source, target := n.at(from), n.at(to)
	for part, node := range source.below {
		if target.below[part] == nil && node != target && part != "pre_start" {
			if target.below == nil {
				target.below = map[string]*fateNode{}
			}
			target.below[part] = node
		}
	}
}

// extension is how keys begin that are nobody's but their author's.
const extension = "x-"

// next is where a key leads; nil where the table does not know it. Below a node without children all is known.
func (n *fateNode) next(key string) (*fateNode, bool) {
	if len(n.below) == 0 {
		return nil, true
	}
	if node := n.below[key]; node != nil {
		return node, true
	}
	if node := n.below["*"]; node != nil && key != "[]" {
		return node, true
	}
	if strings.HasPrefix(key, extension) {
		return n.below[extension+"*"], true
	}
	return nil, false
}

// row is the first row of a node that holds for a value; nil for none.
func (n *fateNode) row(s subject) *keyFate {
	for i := range n.rows {
		if row := &n.rows[i]; row.when == nil || row.when.is(s) {
			return row
		}
	}
	return nil
}

// isNames says that the keys below are the file's own, so that a list of them as text may stand in their place.
func (n *fateNode) isNames() bool { return n.below["*"] != nil }
