package translate

import (
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

const supportHead = `# What becomes of what you send

<!-- Made from the tables in translate/fates*.go by: go test ./translate -run TestSupportDoc -update -->

Every field has a fate, and none is dropped silently:

- **native**: Swarm does it.
- **sandbox**: the Pod runs under skep's sandbox, which does it.
- **gateway**: skep does it, or keeps it with the object.
- **warned**: accepted and approximated; the client gets a warning, which kubectl prints.
- **refused**: an error that names the field, the reason and what to do instead.

A row holds for all that is below its field, unless a row of its own says otherwise. ` + "`[]`" + ` stands for the elements
of a list, ` + "`{}`" + ` for the values of a map. Of several rows for one field the first that fits decides.

A Pod has one of two forms. As a *plain* task its one container is the task's. As a *sandboxed* one the task's container is
skep's sandbox, which starts the Pod's containers beside itself on the node. A Pod is plain unless something in it takes the
sandbox; a running service whose template changes stays plain as long as that does as well as before. The annotation
` + "`" + AnnotationSandbox + "`" + ` on the Pod (template) decides otherwise: ` + "`always`" + `, or ` + "`never`" + `. With ` + "`never`" + ` a field whose fate is sandbox is
refused, or approximated with a warning where its row says what a plain task does instead. Rows marked "plain tasks only" do
not hold in a sandbox.

What Swarm can do and Kubernetes has no field for is said in the annotation ` + "`" + AnnotationSwarmSpec + "`" + `, as JSON in the shape of Docker's
API (durations in nanoseconds). On a Pod (template): ` + "`RestartPolicy` (`Delay`, `MaxAttempts`, `Window`; `Condition` where restartPolicy is\n`Always`), `LogDriver`, `Resources.Limits.Pids`, `Resources.Reservations.GenericResources`, `Placement.MaxReplicas`, and of\n`ContainerSpec` `Init`, `Ulimits`, `OomScoreAdj`, `Healthcheck` (`Test` only as `[\"NONE\"]`, `StartInterval`, and the times of the\nimage's own check), `User` and `Groups` with names, and the `Labels`, `Hostname` and `StopSignal` that Kubernetes does not allow." + `
On a Deployment and its like: ` + "`UpdateConfig` (`FailureAction`, `Monitor`, `MaxFailureRatio`) and `RollbackConfig`" + `. Any other key is
refused. Fields stand over it. A service that Docker's tools made shows what it has of these things there, so that applying it
elsewhere loses nothing.
`

// SupportMarkdown is docs/support.md: the fates of every field of every kind.
func SupportMarkdown() string {
	var b strings.Builder
	b.WriteString(supportHead)
	b.WriteString("\n## Every kind\n")
	writeFates(&b, metadataFates)
	for _, k := range allKinds() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", k.kind, k.note)
		rows := k.rows
		switch k.template {
		case noTemplate:
		case "":
			b.WriteString("Those of `containers[]` hold for the elements of `initContainers[]` and `ephemeralContainers[]` as well.\n")
			for _, part := range podFates {
				for _, row := range part {
					row.path = join("spec", row.path)
					rows = append(rows[:len(rows):len(rows)], row)
				}
			}
		default:
			fmt.Fprintf(&b, "`%s.spec` is as in a Pod.\n", k.template)
		}
		writeFates(&b, rows)
		if k.template == "" {
			writeTotals(&b)
		}
	}
	return b.String()
}

func writeFates(b *strings.Builder, rows []fate) {
	b.WriteString("\n| Field | Fate | How, or why not |\n|---|---|---|\n")
	for _, row := range rows {
		what := "`" + row.path + "`"
		if row.when != nil {
			what += ": " + row.when.text
		}
		why := row.reason
		if row.plain != "" {
			why += ". *Plain:* " + row.plain
		}
		if row.onlyPlain {
			why += " (plain tasks only)"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", what, row.fate, why)
	}
}

// fateOrder is that of the totals.
var fateOrder = []Fate{Native, ViaSandbox, ViaGateway, Warned, Refused}

// writeTotals counts the fields of a Pod's spec that hold no others, by their fates.
func writeTotals(b *strings.Builder) {
	pod, container := podTotals()
	b.WriteString(`
How many fields of a Pod's spec have which fate. Only those count that hold no others; each by the first row about it or
about what it is in, even where that is only about some of its values, and rows for plain tasks only left out. Elements of
` + "`containers[]`" + ` count once.

| Fields of | native | sandbox | gateway | warned | refused | all |
|---|---|---|---|---|---|---|
`)
	both := map[Fate]int{}
	for _, line := range []struct {
		name   string
		counts map[Fate]int
	}{{"PodSpec, without containers", pod}, {"Container", container}, {"both", both}} {
		fmt.Fprintf(b, "| %s |", line.name)
		all := 0
		for _, f := range fateOrder {
			n := line.counts[f]
			both[f] += n
			all += n
			fmt.Fprintf(b, " %d |", n)
		}
		fmt.Fprintf(b, " %d |\n", all)
	}
	b.WriteString("\nFor comparison: of the 166 fields that its own documentation lists, `podman kube play` supports 83.\n")
}

// podTotals counts leaf fields by fate: of a PodSpec but for its containers, and of a container.
func podTotals() (pod, container map[Fate]int) {
	rows := newChecker(podRows).rows
	pod, container = map[Fate]int{}, map[Fate]int{}
	for _, pattern := range leavesOf(reflect.TypeFor[corev1.PodSpec]()) {
		switch f := firstFate(rows, pattern); {
		case strings.HasPrefix(pattern, "containers[]"):
			container[f]++
		case strings.HasPrefix(alike.Replace(pattern), "containers[]"):
		default:
			pod[f]++
		}
	}
	return pod, container
}

// firstFate is the fate by the first row about a field, or about what holds it.
func firstFate(rows map[string][]fate, pattern string) Fate {
	for ; pattern != ""; pattern = parent(pattern) {
		for _, row := range rows[pattern] {
			if !row.onlyPlain {
				return row.fate
			}
		}
	}
	return ""
}

// fieldsOf lists the patterns of all fields below a type, in the words of the fates.
func fieldsOf(t reflect.Type, pattern string, visit func(string)) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case isLeaf(t):
	case t.Kind() == reflect.Slice:
		visit(pattern + "[]")
		fieldsOf(t.Elem(), pattern+"[]", visit)
	case t.Kind() == reflect.Map:
		visit(pattern + "{}")
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			name, inline, ok := jsonName(t.Field(i))
			switch {
			case !ok:
			case inline:
				fieldsOf(t.Field(i).Type, pattern, visit)
			default:
				visit(join(pattern, name))
				fieldsOf(t.Field(i).Type, join(pattern, name), visit)
			}
		}
	}
}

// leavesOf are the fields below a type that hold no others, in the order of its declaration. A list or a map of plain
// values is one field, its elements.
func leavesOf(t reflect.Type) []string {
	var all []string
	holds := sets.New[string]()
	fieldsOf(t, "", func(pattern string) {
		all = append(all, pattern)
		holds.Insert(parent(pattern))
	})
	var leaves []string
	for _, pattern := range all {
		if !holds.Has(pattern) {
			leaves = append(leaves, pattern)
		}
	}
	return leaves
}

// parent is the pattern of what holds a field; "" at the top.
func parent(pattern string) string {
	for _, end := range []string{"[]", "{}"} {
		if cut, ok := strings.CutSuffix(pattern, end); ok {
			return cut
		}
	}
	if i := strings.LastIndex(pattern, "."); i >= 0 {
		return pattern[:i]
	}
	return ""
}
