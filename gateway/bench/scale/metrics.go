package scale

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"skep/gateway/bench"
)

// holding is what a gateway holds, in bytes.
type holding struct{ heap, rss int64 }

// lowWater is the least that a gateway holds within some time: what is in use, without the garbage of the moment.
func lowWater(ctx context.Context, gateway *bench.Gateway, long time.Duration) (holding, error) {
	least := holding{math.MaxInt64, math.MaxInt64}
	for until := time.Now().Add(long); time.Now().Before(until); {
		heap, err := metric(ctx, gateway.Client, "go_memstats_heap_alloc_bytes")
		if err != nil {
			return least, err
		}
		usage, err := gateway.Process.Usage()
		if err != nil {
			return least, err
		}
		least = holding{min(least.heap, int64(heap)), min(least.rss, usage.RSS)}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return least, err
		}
	}
	return least, nil
}

// metric is the value of a metric without labels.
func metric(ctx context.Context, client *bench.Client, name string) (float64, error) {
	answer, err := client.Do(ctx, bench.Request{Method: http.MethodGet, Path: "/metrics", Accept: "text/plain"})
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(answer.Body)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}
