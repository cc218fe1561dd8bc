package swarm

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
)

// A watch cache keeps the events of the last 75 seconds, by the times that the store says they happened, and
// makes room for up to 100,000 of them: a Swarm that starts ten thousand tasks would fill hundreds of
// megabytes. So the times that it is told are drawn apart: cachedEvents of them always last 75 seconds. With
// fewer events they are the true times. Who comes back later than that many events lists again.

// cachedEvents is a size that a watch cache's history grows to: 100 doubled four times.
const cachedEvents = 1600

// recordStep is how far apart the times of two events are at least.
const recordStep = cacher.DefaultEventFreshDuration/cachedEvents + 1

// recordTime is when the next event of a view is said to happen.
func (v *View) recordTime() time.Time {
	now := time.Now()
	if next := v.recorded.Add(recordStep); now.Before(next) {
		now = next
	}
	v.recorded = now
	return now
}

// timed is an object with the time of its event, for a watch cache that asked for it.
type timed struct {
	runtime.Object
	at time.Time
}

var _ storage.WatchEventWithRecordTime = &timed{}

// GetObjectMeta implements metav1.ObjectMetaAccessor: a reflector reads names and versions.
func (t *timed) GetObjectMeta() metav1.Object {
	m, err := meta.Accessor(t.Object)
	if err != nil {
		return nil
	}
	return m
}

// DeepCopyObject implements runtime.Object.
func (t *timed) DeepCopyObject() runtime.Object { return &timed{t.Object.DeepCopyObject(), t.at} }

// RecordTime implements storage.WatchEventWithRecordTime.
func (t *timed) RecordTime() time.Time { return t.at }

// Unwrap implements storage.WatchEventWithRecordTime.
func (t *timed) Unwrap() runtime.Object { return t.Object }
