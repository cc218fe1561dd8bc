package bench

import (
	"fmt"
	"strings"
	"time"
)

// Row is one figure of skep's, alone or beside a Reference. What is promised of it is a number that it must not
// exceed, or a multiple of the reference; 0 promises nothing.
type Row struct {
	Key         string // names the benchmark's metrics
	Figure      string
	Value       Quantity
	Against     string // whose Reference is
	Reference   Quantity
	AtMost      float64 // in Value's unit
	AtMostTimes float64 // times Reference
	Samples     string  // how many of what
}

// Quantity is a number with its unit. One that was not measured has no unit.
type Quantity struct {
	Number float64
	Unit   string
}

func milliseconds(d time.Duration) Quantity {
	return Quantity{float64(d) / float64(time.Millisecond), "ms"}
}

func mebibytes(bytes int64) Quantity { return Quantity{float64(bytes) / (1 << 20), "MiB"} }

func (q Quantity) known() bool { return q.Unit != "" }

func (q Quantity) String() string {
	switch {
	case !q.known():
		return "—"
	case q.Number >= 100:
		return fmt.Sprintf("%.0f %s", q.Number, q.Unit)
	case q.Number >= 10:
		return fmt.Sprintf("%.1f %s", q.Number, q.Unit)
	}
	return fmt.Sprintf("%.2f %s", q.Number, q.Unit)
}

// Ratio is Value over Reference.
func (r Row) Ratio() float64 { return r.Value.Number / r.Reference.Number }

// Missed tells that the figure is worse than promised.
func (r Row) Missed() bool {
	return r.Value.known() &&
		(r.AtMost > 0 && r.Value.Number > r.AtMost || r.AtMostTimes > 0 && r.Ratio() > r.AtMostTimes)
}

func (r Row) cells() []string {
	reference, ratio, promised, kept := "", "", "", ""
	if r.Against != "" {
		reference = r.Against + ": " + r.Reference.String()
	}
	if r.Value.known() && r.Reference.Number > 0 {
		ratio = fmt.Sprintf("%.2f", r.Ratio())
	}
	switch {
	case r.AtMost > 0:
		promised = fmt.Sprintf("≤ %v", r.AtMost)
		if r.Value.known() {
			promised += " " + r.Value.Unit
		}
	case r.AtMostTimes > 0:
		promised = fmt.Sprintf("ratio ≤ %v", r.AtMostTimes)
	}
	switch {
	case promised == "" || !r.Value.known():
	case r.Missed():
		kept = "**no**"
	default:
		kept = "yes"
	}
	return []string{r.Figure, r.Value.String(), reference, ratio, promised, kept, r.Samples}
}

// Report is the table of a run: one row a figure, in the order in which they were first added.
type Report struct{ rows []Row }

// Add appends a row, or replaces the one with the same key (of an earlier -count).
func (r *Report) Add(row Row) {
	for i := range r.rows {
		if r.rows[i].Key == row.Key {
			r.rows[i] = row
			return
		}
	}
	r.rows = append(r.rows, row)
}

// Missed is the figures that are worse than promised.
func (r *Report) Missed() []string {
	var missed []string
	for _, row := range r.rows {
		if row.Missed() {
			missed = append(missed, row.Figure)
		}
	}
	return missed
}

// Markdown is the table, under a line that says where and when it was measured.
func (r *Report) Markdown(where string) string {
	var text strings.Builder
	text.WriteString(where + "\n\n")
	text.WriteString("| Figure | skep | compared with | ratio | promised | kept | samples |\n")
	text.WriteString("|---|---:|---|---:|---|---|---|\n")
	for _, row := range r.rows {
		text.WriteString("| " + strings.Join(row.cells(), " | ") + " |\n")
	}
	return text.String()
}
