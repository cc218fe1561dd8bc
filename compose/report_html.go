package compose

import (
	_ "embed"
	"html/template"
	"strings"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Parse(reportPage))

// html is the report as one page that needs nothing else, and runs nothing.
func (v *reportView) html() ([]byte, error) {
	type finding struct{ Where, Path, Message string }
	type part struct {
		Title, Text string
		Findings    []finding
	}
	var parts []part
	for _, s := range v.sections() {
		p := part{Title: s.Title, Text: s.Text}
		for _, f := range s.Findings {
			p.Findings = append(p.Findings, finding{f.where(), f.Path, f.Message})
		}
		parts = append(parts, p)
	}
	type fill struct{ What, Key, Reason string }
	var fills []fill
	for _, f := range v.Fill {
		fills = append(fills, fill{f.what(), f.Key, f.Reason})
	}
	var b strings.Builder
	err := reportTemplate.Execute(&b, map[string]any{
		"Stack": v.Stack, "Verdict": v.verdict(), "Totals": v.totals(), "Services": v.Services, "Fill": fills, "Parts": parts, "Objects": v.Objects,
	})
	return []byte(b.String()), err
}
