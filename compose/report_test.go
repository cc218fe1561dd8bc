package compose

import (
	"os"
	"strings"
	"testing"
)

const reportCase = "testdata/report/"

// reported is the shop of testdata/report, with a secret whose value is known here.
func reported(t *testing.T) *Result {
	t.Helper()
	data, err := os.ReadFile(reportCase + "compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(t.Context(), Input{
		Files: []Source{{Name: "compose.yaml", Data: data}}, Dir: reportCase, Name: "shop", Env: map[string]string{"PASSWORD": "swordfish"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Convert(s, Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReport(t *testing.T) {
	for format, ending := range map[string]string{ReportJSON: "json", ReportMarkdown: "md", ReportHTML: "html"} {
		file := reportCase + "shop." + ending
		got, err := Report(reported(t), format)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Report(reported(t), format); err != nil || string(again) != string(got) {
			t.Errorf("%s: the same stack has two reports (%v)", format, err)
		}
		if strings.Contains(string(got), "swordfish") || strings.Contains(string(got), "c3dvcmRmaXNo") {
			t.Errorf("%s: the report tells a secret", format)
		}
		if *updateGolden {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != string(got) {
			t.Errorf("%s: got (%v)\n%s", file, err, got)
		}
	}
}

// TestReportEscapes: what a file says is text, whatever it looks like.
func TestReportEscapes(t *testing.T) {
	r := &Result{
		Name: "<b>shop</b>",
		Findings: []Finding{{
			Fate: Refused, File: "a|b.yaml", Line: 1, Path: "services.web.labels.<script>", Service: "web", Message: "<script>alert('x')</script> | two\ncells",
		}},
		Fill: []Fill{{Kind: "Secret", Name: "\"><img src=x>", Key: "k", Reason: "not known"}},
	}
	for _, format := range []string{ReportMarkdown, ReportHTML} {
		got, err := Report(r, format)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{"<script>", "<b>shop", "<img"} {
			if strings.Contains(string(got), raw) {
				t.Errorf("%s: %s stands in it as it is:\n%s", format, raw, got)
			}
		}
		if format == ReportMarkdown && !strings.Contains(string(got), `| a\|b.yaml:1 | services.web.labels.&lt;script&gt; | &lt;script&gt;alert('x')&lt;/script&gt; \| two<br>cells |`) {
			t.Errorf("the finding is no row of three cells:\n%s", got)
		}
	}
}

// TestReportIsWhole: the page asks for nothing else, and runs nothing.
func TestReportIsWhole(t *testing.T) {
	page, err := Report(&Result{}, ReportHTML)
	if err != nil {
		t.Fatal(err)
	}
	for _, outside := range []string{"<script", "src=", "href=", "url(", "@import"} {
		if strings.Contains(string(page), outside) {
			t.Errorf("it has %s", outside)
		}
	}
}

func TestReportOfNothing(t *testing.T) {
	if doc, err := Report(&Result{}, ReportJSON); err != nil || strings.Contains(string(doc), "null") {
		t.Errorf("%v: a list that is empty is null: %s", err, doc)
	}
	if _, err := Report(&Result{}, "pdf"); err == nil || !strings.Contains(err.Error(), "pdf") {
		t.Errorf("got %v", err)
	}
}
