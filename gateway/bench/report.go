package bench

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
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
	None        bool    // it is promised that Value is 0
	Samples     string  // how many of what
}

// Quantity is a number with its unit. One that was not measured has no unit.
type Quantity struct {
	Number float64
	Unit   string
}

// Milliseconds is a duration as a quantity.
func Milliseconds(d time.Duration) Quantity {
	return Quantity{float64(d) / float64(time.Millisecond), "ms"}
}

// Mebibytes is a size in bytes as a quantity.
func Mebibytes(bytes int64) Quantity { return Quantity{float64(bytes) / (1 << 20), "MiB"} }

// Known tells that it was measured.
func (q Quantity) Known() bool { return q.Unit != "" }

func (q Quantity) String() string {
	switch {
	case !q.Known():
		return "—"
	case q.Number == 0:
		return "0 " + q.Unit
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
	return r.Value.Known() && (r.None && r.Value.Number > 0 ||
		r.AtMost > 0 && r.Value.Number > r.AtMost || r.AtMostTimes > 0 && r.Ratio() > r.AtMostTimes)
}

func (r Row) cells() []string {
	reference, ratio, promised, kept := "", "", "", ""
	if r.Against != "" {
		reference = r.Against + ": " + r.Reference.String()
	}
	if r.Value.Known() && r.Reference.Number > 0 {
		ratio = fmt.Sprintf("%.2f", r.Ratio())
	}
	switch {
	case r.None:
		promised = "none"
	case r.AtMost > 0:
		promised = fmt.Sprintf("≤ %v", r.AtMost)
		if r.Value.Known() {
			promised += " " + r.Value.Unit
		}
	case r.AtMostTimes > 0:
		promised = fmt.Sprintf("ratio ≤ %v", r.AtMostTimes)
	}
	switch {
	case promised == "" || !r.Value.Known():
	case r.Missed():
		kept = "**no**"
	default:
		kept = "yes"
	}
	return []string{r.Figure, r.Value.String(), reference, ratio, promised, kept, r.Samples}
}

// Report is the table of a run: one row a figure, in the order in which they were first added.
type Report struct{ rows []Row }

// Note puts a row into the table and its numbers into the benchmark's own line.
func (r *Report) Note(b *testing.B, row Row) {
	b.Helper()
	r.Add(row)
	metric := func(q Quantity, whose string) {
		b.ReportMetric(q.Number, row.Key+"-"+whose+strings.NewReplacer("%", "percent", " ", "-").Replace(q.Unit))
	}
	if row.Value.Known() {
		metric(row.Value, "")
	}
	if row.Reference.Known() {
		metric(row.Reference, "reference-")
	}
	if row.Value.Known() && row.Reference.Number > 0 {
		b.ReportMetric(row.Ratio(), row.Key+"-ratio")
	}
	b.ReportMetric(0, "ns/op") // of a round or of a minute: says nothing
}

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

// Publish writes the table to the file that BENCH_OUT names, or to standard output. With BENCH_STRICT a figure that is
// worse than promised is an error.
func (r *Report) Publish(where string) error {
	if len(r.rows) == 0 {
		return nil
	}
	text := r.Markdown(where)
	if file := os.Getenv("BENCH_OUT"); file != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	} else {
		fmt.Printf("\n%s\n", text)
	}
	if missed := r.Missed(); os.Getenv("BENCH_STRICT") != "" && len(missed) > 0 {
		return errors.New("worse than promised: " + strings.Join(missed, "; "))
	}
	return nil
}
