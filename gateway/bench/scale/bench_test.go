package scale

import (
	"fmt"
	"os"
	"testing"
)

// These are in the order in which they run: from what only reads to what shakes the Swarm.

// large is the world for what is measured on the large Swarm, which is everything but the soak.
func large(b *testing.B, world func(*testing.B) *world) *world {
	b.Helper()
	if soaking() {
		b.Skip("SCALE_SOAK is for the soak alone")
	}
	return world(b)
}

// either is the world with the peer, or with SCALE_ALONE without it: making the copies takes minutes.
func either(b *testing.B) *world {
	b.Helper()
	if os.Getenv("SCALE_ALONE") != "" {
		return running(b)
	}
	return compared(b)
}

func soaking() bool { return os.Getenv("SCALE_SOAK") != "" }

// BenchmarkScaleMemory reads what skep and the peer hold before much was asked of them.
func BenchmarkScaleMemory(b *testing.B) {
	large(b, either).memory(b, "memory", "not asked much yet", 100)
}

// BenchmarkScaleFresh reads what a skep holds that did not make the Swarm what it is.
func BenchmarkScaleFresh(b *testing.B) { large(b, running).fresh(b, 100) }

// BenchmarkScaleReady starts skep five times on the large Swarm.
func BenchmarkScaleReady(b *testing.B) { large(b, running).ready(b, 5) }

// BenchmarkScaleGet gets Pods, ten clients at a time.
func BenchmarkScaleGet(b *testing.B) { large(b, compared).gets(b, 10, 30, 10) }

// BenchmarkScaleSelect lists ten Pods by their label.
func BenchmarkScaleSelect(b *testing.B) { large(b, compared).selected(b, 200) }

// BenchmarkScaleList lists all Pods.
func BenchmarkScaleList(b *testing.B) {
	large(b, compared).counted(b)
	for _, c := range []struct {
		listing
		samples int
	}{
		{listing{key: "json", name: "JSON", atMost: 0.7}, 15},
		{listing{key: "table", name: "Table", accept: table, atMost: 0.7}, 15},
		{listing{key: "protobuf", name: "protobuf", accept: protobuf, atMost: 0.7}, 15},
		{listing{key: "pages", name: "JSON in pages of 500", limit: 500}, 10},
		{listing{key: "json-plain", name: "JSON, not compressed", plain: true}, 10},
		{listing{key: "table-plain", name: "Table, not compressed", accept: table, plain: true}, 10},
		{listing{key: "protobuf-plain", name: "protobuf, not compressed", accept: protobuf, plain: true}, 10},
		{listing{key: "pages-plain", name: "JSON in pages of 500, not compressed", limit: 500, plain: true}, 10},
	} {
		b.Run(c.key, func(b *testing.B) { c.measure(b, c.samples) })
	}
}

// BenchmarkScaleWatch has a hundred watchers hear of a hundred writes.
func BenchmarkScaleWatch(b *testing.B) { large(b, compared).deliver(b, 100, 100) }

// BenchmarkScaleAfter reads what skep and the peer hold after all that was asked of both.
func BenchmarkScaleAfter(b *testing.B) {
	large(b, either).memory(b, "after", "after the lists, gets and writes of this run", 100)
}

// BenchmarkScaleUp scales 100 services at once.
func BenchmarkScaleUp(b *testing.B) {
	for _, watchers := range []int{10, 30, 100} {
		b.Run(fmt.Sprintf("watchers-%d", watchers), func(b *testing.B) { large(b, running).scaleUp(b, watchers, 3) })
	}
}

// BenchmarkScaleRestart restarts skep under 500 informers.
func BenchmarkScaleRestart(b *testing.B) { large(b, running).restart(b, 500) }

// BenchmarkScaleManager sees what skep asks of the Engine while nothing happens.
func BenchmarkScaleManager(b *testing.B) { large(b, running).manager(b) }

// BenchmarkScaleCurve sees what a task change costs on Swarms of 1,000 to 30,000 tasks.
func BenchmarkScaleCurve(b *testing.B) {
	n := size()
	large(b, prepared).curve(b, []int{n / 10, 3 * n / 10, n, 3 * n})
}

// BenchmarkScaleSoak lets a million changes pass.
func BenchmarkScaleSoak(b *testing.B) {
	if !soaking() {
		b.Skip("SCALE_SOAK=1 runs it")
	}
	million := size() * 1000
	prepared(b).soak(b, []int{million / 10, million / 2, million})
}
