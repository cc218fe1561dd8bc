package compose

import (
	"encoding/json"
	"fmt"
)

// Formats of a report.
const (
	ReportJSON     = "json"
	ReportMarkdown = "markdown"
	ReportHTML     = "html"
)

// Report is the migration report: what converts, what needs a hand, what somebody has to decide, and what says nothing in
// a cluster. It tells names, images and ports, and no data of configs, secrets or environments. The same result gives the
// same bytes.
func Report(r *Result, format string) ([]byte, error) {
	v := viewOf(r)
	switch format {
	case ReportJSON:
		doc, err := json.MarshalIndent(v, "", "  ")
		return append(doc, '\n'), err
	case ReportMarkdown:
		return v.markdown(), nil
	case ReportHTML:
		return v.html()
	}
	return nil, fmt.Errorf("no report is written as %q: take %s, %s or %s", format, ReportJSON, ReportMarkdown, ReportHTML)
}

// reportView is what a report says.
type reportView struct {
	Stack    string          `json:"stack,omitempty"`
	Totals   reportTotals    `json:"totals"`
	Services []reportService `json:"services"`
	Objects  []reportKind    `json:"objects"`
	// Decide and Fill are what has to be done before the objects are any use; Refused and Approximated are told beside it.
	Decide       []Finding `json:"decide"`
	Fill         []Fill    `json:"fill"`
	Refused      []Finding `json:"refused"`
	Approximated []Finding `json:"approximated"`
	Meaningless  []Finding `json:"meaningless"`
}

type reportTotals struct {
	Services     int `json:"services"`
	Objects      int `json:"objects"`
	Decide       int `json:"decide"`
	Fill         int `json:"fill"`
	Refused      int `json:"refused"`
	Approximated int `json:"approximated"`
	Meaningless  int `json:"meaningless"`
	// Smooth are the services about which there is nothing to know.
	Smooth int `json:"servicesWithoutFindings"`
}

// reportService is something that runs.
type reportService struct {
	Name     string   `json:"name"`
	From     string   `json:"from,omitempty"` // the key of the file
	Kind     string   `json:"kind"`
	Replicas string   `json:"replicas"` // a number, "one per node", or when it runs
	Images   []string `json:"images"`
	Inside   []string `json:"inside,omitempty"`  // as others in the cluster reach it
	Outside  []string `json:"outside,omitempty"` // as the world does
	Claims   []string `json:"claims,omitempty"`
	Findings int      `json:"findings"`
}

type reportKind struct {
	Kind  string   `json:"kind"`
	Names []string `json:"names"`
}

// viewOf gathers what a report says of a result.
func viewOf(r *Result) *reportView {
	v := &reportView{
		Stack: r.Name, Services: []reportService{}, Objects: []reportKind{},
		Decide: []Finding{}, Fill: append([]Fill{}, r.Fill...), Refused: []Finding{}, Approximated: []Finding{}, Meaningless: []Finding{},
	}
	for _, f := range r.Findings {
		switch {
		case f.Decide:
			v.Decide = append(v.Decide, f)
		case f.Fate == Refused:
			v.Refused = append(v.Refused, f)
		case f.Fate == Meaningless:
			v.Meaningless = append(v.Meaningless, f)
		default:
			v.Approximated = append(v.Approximated, f)
		}
	}
	v.Services = servicesOf(r)
	v.Objects = kindsOf(r)
	v.Totals = reportTotals{
		Services: len(v.Services), Objects: len(r.Objects), Decide: len(v.Decide), Fill: len(v.Fill),
		Refused: len(v.Refused), Approximated: len(v.Approximated), Meaningless: len(v.Meaningless),
	}
	for _, s := range v.Services {
		if s.Findings == 0 {
			v.Totals.Smooth++
		}
	}
	return v
}

// reportSection is a list of findings with its heading.
type reportSection struct {
	Title, Text string
	Findings    []Finding
}

// sections are the findings in the order in which a reader needs them.
func (v *reportView) sections() []reportSection {
	all := []reportSection{
		{"To decide", "Somebody has to choose or to set something up before this is any use.", v.Decide},
		{"Needs a hand", "Kubernetes has nothing for these; the rest is converted without them.", v.Refused},
		{"Comes close", "Converted to the nearest that Kubernetes has. Read what differs.", v.Approximated},
		{"Says nothing in a cluster", "Of Docker's own business. Each is told of once, and can be taken out.", v.Meaningless},
	}
	var some []reportSection
	for _, s := range all {
		if len(s.Findings) > 0 {
			some = append(some, s)
		}
	}
	return some
}

// verdict is the report in a sentence.
func (v *reportView) verdict() string {
	t := v.Totals
	switch {
	case t.Decide+t.Fill > 0:
		return fmt.Sprintf("%s. Before they are of use there is %s to decide and %s to fill in.", v.converted(),
			counted(t.Decide, "thing", "things"), counted(t.Fill, "value", "values"))
	case t.Refused > 0:
		return fmt.Sprintf("%s, and can be applied; %s no counterpart.", v.converted(), counted(t.Refused, "key has", "keys have"))
	}
	return v.converted() + ", and can be applied as they are."
}

func (v *reportView) converted() string {
	return counted(v.Totals.Services, "service is", "services are") + " converted to " + counted(v.Totals.Objects, "object", "objects")
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// where is a finding's place.
func (f Finding) where() string {
	switch {
	case f.File == "":
		return ""
	case f.Line == 0:
		return f.File
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}
