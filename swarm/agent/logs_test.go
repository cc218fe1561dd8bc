package agent_test

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// do is what the agent answers.
func (s *stage) do(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (s *stage) ended(t *testing.T, id string) {
	t.Helper()
	over, failed := s.docker.ContainerWait(t.Context(), id, container.WaitConditionNotRunning)
	select {
	case <-over:
	case err := <-failed:
		t.Fatal(err)
	}
}

func TestLogs(t *testing.T) {
	s := newStage(t)
	id := s.run(t, nil, "sh", "-c", "echo one; sleep 1; echo two >&2; sleep 1; echo three")
	s.ended(t, id)
	path := "/containerLogs/default/pod/" + id
	for query, want := range map[string]string{
		"":                      "one\ntwo\nthree\n",
		"?stream=Stdout":        "one\nthree\n",
		"?stream=Stderr":        "two\n",
		"?tailLines=2":          "two\nthree\n",
		"?tailLines=0":          "",
		"?limitBytes=5":         "one\nt",
		"?limitBytes=0":         "",
		"?sinceSeconds=1000000": "one\ntwo\nthree\n",
		"?follow=true":          "one\ntwo\nthree\n", // the container has ended, and so does this
		"?sinceTime=" + time.Now().Add(time.Hour).UTC().Format(time.RFC3339): "",
	} {
		if code, got := s.do(t, "GET", path+query, ""); got != want || code != http.StatusOK {
			t.Errorf("%s: %d %q, not %q", query, code, got, want)
		}
	}
	_, stamped := s.do(t, "GET", path+"?timestamps=true", "")
	lines := strings.Split(strings.TrimSpace(stamped), "\n")
	if len(lines) != 3 || !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z two$`).MatchString(lines[1]) {
		t.Fatalf("with timestamps: %q", stamped)
	}
	second, _, _ := strings.Cut(lines[1], " ")
	if _, got := s.do(t, "GET", path+"?sinceTime="+second, ""); got != "two\nthree\n" {
		t.Errorf("since the second line's own time: %q", got)
	}
	for _, query := range []string{"?tailLines=x", "?limitBytes=-1", "?stream=Both", "?sinceTime=today"} {
		if code, got := s.do(t, "GET", path+query, ""); code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, code, got)
		}
	}
	if code, got := s.do(t, "GET", "/containerLogs/default/pod/"+strings.Repeat("0", 64), ""); code != http.StatusNotFound || !strings.Contains(got, "container not found") {
		t.Errorf("a container that is not there: %d %s", code, got)
	}
}

// A line arrives when it is written, and the end when the container ends.
func TestLogsFollow(t *testing.T) {
	for name, terminal := range map[string]bool{"plain": false, "terminal": true} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			id := s.run(t, func(c *container.Config, _ *container.HostConfig) { c.OpenStdin, c.Tty = true, terminal },
				"sh", "-c", "echo one; read x; echo $x")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, "GET", s.url+"/containerLogs/default/pod/"+id+"?follow=true", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // it was only read
			line := make([]byte, 4)
			if _, err := io.ReadFull(response.Body, line); err != nil || !strings.HasPrefix(string(line), "one") {
				t.Fatalf("%q (%v)", line, err)
			}
			in, err := s.docker.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if _, err := in.Conn.Write([]byte("two\n")); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(response.Body)
			if err != nil || !strings.Contains(string(rest), "two") {
				t.Errorf("%q (%v)", rest, err)
			}
		})
	}
}
