package main

import (
	"encoding/json"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	errorTexts = 5
	otherError = "others" // counts what comes after so many texts
)

// report is what became of a load. Latencies are of the requests that succeeded, in milliseconds.
type report struct {
	Sent      int            `json:"sent"`
	OK        int            `json:"ok"`
	Failed    int            `json:"failed"`
	Errors    map[string]int `json:"errors"` // by text: the first few, then "others"
	Hosts     map[string]int `json:"hosts"`  // who answered, whatever it was; "" where nobody said a name
	P50       float64        `json:"p50_ms"`
	P90       float64        `json:"p90_ms"`
	P99       float64        `json:"p99_ms"`
	Max       float64        `json:"max_ms"`
	Late      float64        `json:"late_ms"` // the most that a request began behind its time: more workers were needed
	Seconds   float64        `json:"seconds"`
	PerSecond float64        `json:"per_second"`

	mu    sync.Mutex
	begin time.Time
	took  []float64
}

func newReport() *report {
	return &report{Errors: map[string]int{}, Hosts: map[string]int{}, begin: time.Now()}
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}

func (r *report) late(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Late = max(r.Late, milliseconds(by))
}

// add counts one request; who is the host that answered, if any did.
func (r *report) add(who string, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Sent++
	if err == nil || who != "" {
		r.Hosts[who]++
	}
	if err == nil {
		r.OK++
		r.took = append(r.took, milliseconds(took))
		return
	}
	r.Failed++
	text := err.Error()
	if _, known := r.Errors[text]; !known && len(r.Errors) >= errorTexts {
		text = otherError
	}
	r.Errors[text]++
}

// end works out what follows from the counts.
func (r *report) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	elapsed := time.Since(r.begin)
	r.Seconds = milliseconds(elapsed) / 1000
	r.PerSecond = math.Round(float64(r.Sent)/elapsed.Seconds()*10) / 10
	slices.Sort(r.took)
	r.P50, r.P90, r.P99, r.Max = r.percentile(50), r.percentile(90), r.percentile(99), r.percentile(100)
}

// percentile is the nearest rank's value; 0 where nothing succeeded.
func (r *report) percentile(p int) float64 {
	if len(r.took) == 0 {
		return 0
	}
	return r.took[max((len(r.took)*p+99)/100, 1)-1]
}

func (r *report) json() string {
	line, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(line)
}
