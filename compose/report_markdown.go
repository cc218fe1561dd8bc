package compose

import (
	"fmt"
	"strings"
)

// markdown is the report as GitHub's Markdown.
func (v *reportView) markdown() []byte {
	var b strings.Builder
	b.WriteString(reportTitle(v) + "\n\n" + v.verdict() + "\n")
	b.WriteString("\n| | |\n|---|---|\n")
	for _, line := range v.totals() {
		fmt.Fprintf(&b, "| %s | %d |\n", line.Name, line.Count)
	}
	if len(v.Services) > 0 {
		b.WriteString("\n## What converts\n\n| Service | Becomes | Replicas | Image | Inside | Outside | Claims | Findings |\n|---|---|---|---|---|---|---|---|\n")
	}
	for _, s := range v.Services {
		reportRow(&b, s.Name, s.Kind, s.Replicas, strings.Join(s.Images, "\n"), strings.Join(s.Inside, "\n"), strings.Join(s.Outside, "\n"), strings.Join(s.Claims, "\n"), fmt.Sprint(s.Findings))
	}
	if len(v.Fill) > 0 {
		b.WriteString("\n## To fill in\n\n| What | Key | Why |\n|---|---|---|\n")
	}
	for _, f := range v.Fill {
		reportRow(&b, f.what(), f.Key, f.Reason)
	}
	for _, s := range v.sections() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| Where | Key | What |\n|---|---|---|\n", s.Title, s.Text)
		for _, f := range s.Findings {
			reportRow(&b, f.where(), f.Path, f.Message)
		}
	}
	if len(v.Objects) > 0 {
		b.WriteString("\n## All objects\n\n| Kind | Names |\n|---|---|\n")
	}
	for _, k := range v.Objects {
		reportRow(&b, k.Kind, strings.Join(k.Names, ", "))
	}
	return []byte(b.String())
}

func reportTitle(v *reportView) string {
	if v.Stack == "" {
		return "# Migration report"
	}
	return "# Migration report: " + reportCell(v.Stack)
}

// reportTotal is a line of a report's figures.
type reportTotal struct {
	Name  string
	Count int
}

func (v *reportView) totals() []reportTotal {
	t := v.Totals
	return []reportTotal{
		{"services", t.Services},
		{"of them without findings", t.Smooth},
		{"objects of Kubernetes", t.Objects},
		{"to decide", t.Decide},
		{"to fill in", t.Fill},
		{"need a hand", t.Refused},
		{"come close", t.Approximated},
		{"say nothing in a cluster", t.Meaningless},
	}
}

// what names the object that a value is missing from.
func (f Fill) what() string {
	if f.Namespace != "" {
		return f.Kind + " " + f.Namespace + "/" + f.Name
	}
	return f.Kind + " " + f.Name
}

func reportRow(b *strings.Builder, cells ...string) {
	for _, text := range cells {
		b.WriteString("| " + strings.ReplaceAll(reportCell(text), "\n", "<br>") + " ")
	}
	b.WriteString("|\n")
}

// reportCell is a text as a table of Markdown shows it: what would end a cell or begin markup is written out.
func reportCell(text string) string { return reportMarkup.Replace(text) }

var reportMarkup = strings.NewReplacer("\\", `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "\r", " ")
