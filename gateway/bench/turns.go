package bench

import (
	"testing"
	"time"
)

// A Turn sends one request and says how long it took.
type Turn func(i int) (time.Duration, error)

// TakeTurns gives every turn its samples, one request each in a round, in an order that rotates from round to round.
// The first rounds warm up and are not counted.
func TakeTurns(b *testing.B, warm, minimum int, turns ...Turn) []Samples {
	b.Helper()
	samples := make([]Samples, len(turns))
	round := func(i int) {
		for k := range turns {
			k = (k + i) % len(turns)
			took, err := turns[k](i)
			if err != nil {
				b.Fatal(err)
			}
			samples[k] = append(samples[k], took)
		}
	}
	for i := range warm {
		round(i)
	}
	clear(samples)
	Each(b, minimum, func(i int) { round(warm + i) })
	return samples
}

// Each calls take until the benchmark's time is over, and at least minimum times.
func Each(b *testing.B, minimum int, take func(i int)) {
	b.Helper()
	i := 0
	for b.Loop() {
		take(i)
		i++
	}
	for ; i < minimum; i++ {
		take(i)
	}
	b.ReportMetric(0, "ns/op") // of a whole round: says nothing
}
