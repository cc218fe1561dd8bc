package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Event is a watch event, with when it arrived and the little of its object that the benchmarks look at.
type Event struct {
	At     time.Time `json:"-"`
	Type   string    `json:"type"`
	Object struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			Replicas *int `json:"replicas"`
		} `json:"spec"`
	} `json:"object"`
}

// Watch is an open watch. Its events wait in a buffer until Await takes them.
type Watch struct {
	events chan Event
	cancel context.CancelFunc
}

// Watch opens a watch on a collection, from its present resourceVersion on. path has no query.
func (c *Client) Watch(ctx context.Context, path string) (*Watch, error) {
	answer, err := c.Do(ctx, Request{Method: http.MethodGet, Path: path + "?limit=1"})
	if err != nil {
		return nil, err
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(answer.Body, &list); err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	path += "?watch=1&resourceVersion=" + list.Metadata.ResourceVersion
	request, err := c.request(ctx, Request{Method: http.MethodGet, Path: path})
	if err != nil {
		cancel()
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		cancel()
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // the status says enough
		cancel()
		return nil, &StatusError{"GET " + path, response.StatusCode, ""}
	}
	w := &Watch{events: make(chan Event, 4096), cancel: cancel}
	go w.read(ctx, response)
	return w, nil
}

// read takes the time when a line is complete, before it is decoded.
func (w *Watch) read(ctx context.Context, response *http.Response) {
	defer close(w.events)
	defer func() { _ = response.Body.Close() }() // nothing is left to lose
	lines := bufio.NewReaderSize(response.Body, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		event := Event{At: time.Now()}
		if err != nil || json.Unmarshal(line, &event) != nil {
			return
		}
		select {
		case w.events <- event:
		case <-ctx.Done():
			return
		}
	}
}

// Await takes events until one matches, the watch ends, or 10 s have passed.
func (w *Watch) Await(ctx context.Context, what string, match func(Event) bool) (Event, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		select {
		case event, open := <-w.events:
			if !open {
				return Event{}, errors.New("the watch ended while waiting for " + what)
			}
			if match(event) {
				return event, nil
			}
		case <-ctx.Done():
			return Event{}, fmt.Errorf("no event for %s: %w", what, ctx.Err())
		}
	}
}

// Close ends the watch.
func (w *Watch) Close() { w.cancel() }
