package sandbox

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate/manifest"
)

// eventDelay is how long an event waits for others, or for a change of the status to go with.
const eventDelay = 500 * time.Millisecond

// flush writes a report if the status has changed, or if events have waited long enough to be told.
func (s *Sandbox) flush() {
	status := s.podStatus()
	told, err := json.Marshal(status)
	if err != nil {
		s.Log.Printf("cannot write the pod's status: %v", err)
		return
	}
	s.status = status
	s.wasReady = s.wasReady || holds(status, corev1.ContainersReady)
	if bytes.Equal(told, s.told) && !s.over {
		if len(s.events) == 0 {
			return
		}
		if wait := time.Until(s.events[0].Time.Add(eventDelay)); wait > 0 {
			if !s.waking {
				s.waking = true
				s.after(wait, func() { s.waking = false })
			}
			return
		}
	}
	s.reported++
	line, err := json.Marshal(manifest.Report{Number: s.reported, Status: status, Events: s.events})
	if err != nil {
		s.Log.Printf("cannot write the report: %v", err)
		return
	}
	s.told, s.events = told, nil
	if _, err := s.Reports.Write(append(line, '\n')); err != nil {
		s.Log.Printf("cannot report: %v", err)
	}
}

func holds(st corev1.PodStatus, kind corev1.PodConditionType) bool {
	for _, c := range st.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// tell is event for all but the loop.
func (s *Sandbox) tell(u *unit, kind, reason, message string) {
	s.post(func() { s.event(u, kind, reason, message) })
}

// event notes an event of the unit, or of the Pod where that is nil, for the next report.
func (s *Sandbox) event(u *unit, kind, reason, message string) {
	e := manifest.Event{Time: metav1.NowMicro(), Type: kind, Reason: reason, Message: message}
	if u != nil {
		e.FieldPath = u.path()
		if u.id != "" {
			// An ID in a message would keep equal events from being counted as one.
			e.Message = strings.ReplaceAll(message, u.id, u.spec.Name)
		}
	}
	key := reason + e.FieldPath
	if s.spam[key] == nil {
		s.spam[key] = &bucket{}
	}
	if s.spam[key].take(time.Now()) {
		s.events = append(s.events, e)
	}
}

// A recorder of events lets through so many at once, and then one in a while: client-go's limits, here for each reason and
// container. Without them a probe that always fails would fill the task's log.
const (
	eventBurst = 25
	eventEvery = 5 * time.Minute
)

// bucket is a token bucket. Its zero value is full.
type bucket struct {
	spent float64
	at    time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.spent = max(0, b.spent-float64(now.Sub(b.at))/float64(eventEvery))
	b.at = now
	if b.spent+1 > eventBurst {
		return false
	}
	b.spent++
	return true
}
