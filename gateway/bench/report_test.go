package bench

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	var report Report
	one, two := Milliseconds(time.Millisecond), Milliseconds(2*time.Millisecond)
	for _, row := range []Row{
		{Key: "get", Figure: "an earlier get", Value: two},
		{Key: "list", Figure: "list", Value: two, Against: "peer", Reference: one, AtMostTimes: 0.8},
		{Key: "get", Figure: "get", Value: one, Against: "peer", Reference: two, AtMostTimes: 1, Samples: "7"},
		{Key: "rss", Figure: "RSS", Value: Mebibytes(100 << 20), Against: "peer", Reference: Mebibytes(400 << 20), AtMost: 150},
		{Key: "cpu", Figure: "CPU", Value: Quantity{2, "%"}, AtMost: 1},
		{Key: "none", Figure: "faults", Value: Quantity{0, "faults"}, None: true},
		{Key: "some", Figure: "more faults", Value: Quantity{1, "faults"}, None: true},
		{Key: "absent", Figure: "absent", Against: "peer", Reference: two, AtMostTimes: 1},
		{Key: "plain", Figure: "plain", Value: Milliseconds(34567 * time.Microsecond)},
	} {
		report.Add(row)
	}
	want := `here

| Figure | skep | compared with | ratio | promised | kept | samples |
|---|---:|---|---:|---|---|---|
| get | 1.00 ms | peer: 2.00 ms | 0.50 | ratio ≤ 1 | yes | 7 |
| list | 2.00 ms | peer: 1.00 ms | 2.00 | ratio ≤ 0.8 | **no** |  |
| RSS | 100 MiB | peer: 400 MiB | 0.25 | ≤ 150 MiB | yes |  |
| CPU | 2.00 % |  |  | ≤ 1 % | **no** |  |
| faults | 0 faults |  |  | none | yes |  |
| more faults | 1.00 faults |  |  | none | **no** |  |
| absent | — | peer: 2.00 ms |  | ratio ≤ 1 |  |  |
| plain | 34.6 ms |  |  |  |  |  |
`
	if got := report.Markdown("here"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := report.Missed(); !slices.Equal(got, []string{"list", "CPU", "more faults"}) {
		t.Errorf("missed: %s", strings.Join(got, ", "))
	}
}
