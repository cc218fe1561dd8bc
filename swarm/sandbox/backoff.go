package sandbox

import "time"

// A kubelet's back-off, of containers that crash and of images that cannot be pulled.
const (
	firstDelay = 10 * time.Second
	lastDelay  = 300 * time.Second
)

// backoff grows with each try, and starts anew when something went well for long. Its zero value holds nothing up.
type backoff struct {
	delay   time.Duration
	updated time.Time // when delay was set: a try began then
}

// left is how long to wait yet at now after what failed at the time given, 0 for not at all.
func (b *backoff) left(now, failed time.Time) time.Duration {
	if b.delay == 0 || b.stale(failed) {
		return 0
	}
	return max(0, failed.Add(b.delay).Sub(now))
}

// next is to be called when a try begins after what failed at the time given.
func (b *backoff) next(now, failed time.Time) {
	if b.delay == 0 || b.stale(failed) {
		b.delay = firstDelay
	} else {
		b.delay = min(2*b.delay, lastDelay)
	}
	b.updated = now
}

// stale says that what failed then had gone well for so long that it is no longer the same trouble.
func (b *backoff) stale(failed time.Time) bool { return failed.Sub(b.updated) > 2*lastDelay }
