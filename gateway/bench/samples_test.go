package bench

import (
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	var hundred Samples
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, c := range []struct {
		samples Samples
		q       float64
		want    time.Duration
	}{
		{nil, 0.5, 0},
		{Samples{7}, 0.99, 7},
		{Samples{3, 1, 2}, 0.5, 2},
		{Samples{3, 1, 2}, 0, 1},
		{Samples{3, 1, 2}, 1, 3},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
	} {
		if got := c.samples.Quantile(c.q); got != c.want {
			t.Errorf("%d samples, q %v: got %d, want %d", len(c.samples), c.q, got, c.want)
		}
	}
}
