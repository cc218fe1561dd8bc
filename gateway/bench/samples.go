package bench

import (
	"slices"
	"time"
)

// Samples are measured durations of one kind, in the order in which they were taken.
type Samples []time.Duration

// Quantile is the smallest sample that is not below a share q (0 to 1) of all of them (the nearest-rank method: it
// is always a duration that was really seen). No samples: zero.
func (s Samples) Quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(q * float64(len(sorted)))
	if float64(rank) < q*float64(len(sorted)) {
		rank++
	}
	return sorted[min(max(rank, 1), len(sorted))-1]
}
