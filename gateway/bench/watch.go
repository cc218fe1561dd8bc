package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	version, err := c.Version(ctx, path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	body, err := c.Open(ctx, path+"?watch=1&resourceVersion="+version)
	if err != nil {
		cancel()
		return nil, err
	}
	w := &Watch{events: make(chan Event, 4096), cancel: cancel}
	go w.read(ctx, body)
	return w, nil
}

// Version is the present resourceVersion of a collection. path has no query.
func (c *Client) Version(ctx context.Context, path string) (string, error) {
	answer, err := c.Do(ctx, Request{Method: http.MethodGet, Path: path + "?limit=1"})
	if err != nil {
		return "", err
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(answer.Body, &list); err != nil {
		return "", fmt.Errorf("GET %s: %w", path, err)
	}
	return list.Metadata.ResourceVersion, nil
}

// read takes the time when a line is complete, before it is decoded.
func (w *Watch) read(ctx context.Context, body io.ReadCloser) {
	defer close(w.events)
	defer func() { _ = body.Close() }() // nothing is left to lose
	lines := bufio.NewReaderSize(body, 1<<16)
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
