package translate

import (
	"fmt"
	"strings"
)

const supportHead = `# What becomes of what you send

<!-- Made from the tables in translate/fates*.go by: go test ./translate -run TestSupportDoc -update -->

Every field has a fate, and none is dropped silently:

- **native**: Swarm does it.
- **gateway**: skep does it, or keeps it with the object.
- **warned**: accepted and approximated; the client gets a warning, which kubectl prints.
- **refused**: an error that names the field, the reason and what to do instead.

A row holds for all that is below its field, unless a row of its own says otherwise. ` + "`[]`" + ` stands for the elements
of a list, ` + "`{}`" + ` for the values of a map. Of several rows for one field the first that fits decides.
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
		fmt.Fprintf(b, "| %s | %s | %s |\n", what, row.fate, row.reason)
	}
}
