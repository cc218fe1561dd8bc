package engine

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"skep/swarm/simulator"
)

// tape is a Swarm whose containers all write the same lines, when the test says so.
type tape struct {
	*simulator.Simulator
	mu    sync.Mutex
	lines []simulator.Line
	more  chan struct{}
	ended bool
}

func (s *tape) Output(string) ([]simulator.Line, <-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines), s.more, s.ended
}

// write adds lines, of which those with "!" before them go to standard error, each a second after the one before.
func (s *tape) write(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		at := time.Unix(int64(1000+len(s.lines)), 0)
		s.lines = append(s.lines, simulator.Line{At: at, Text: strings.TrimPrefix(text, "!"), Stderr: strings.HasPrefix(text, "!")})
	}
	if s.more != nil {
		close(s.more)
	}
	s.more = make(chan struct{})
}

func (s *tape) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	close(s.more)
}

func logOptions(tail string, follow bool) container.LogsOptions {
	return container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: tail, Follow: follow}
}

func recorded(t *testing.T, texts ...string) (*rig, *tape) {
	t.Helper()
	s := &tape{}
	s.write(texts...)
	return simulate(t, simulator.Options{Nodes: 1}, func(sim *simulator.Simulator) Backend {
		s.Simulator = sim
		return s
	}), s
}

func TestLogs(t *testing.T) {
	r, s := recorded(t, "one", "!two", "three")
	s.end()
	id := r.create(spec("web", 1))
	task := r.running(id, 1)[0]
	details := fmt.Sprintf("com.docker.swarm.node.id=%s,com.docker.swarm.service.id=%s,com.docker.swarm.task.id=%s ", task.NodeID, id, task.ID)
	for _, c := range []struct {
		name, out, err string
		options        container.LogsOptions
	}{
		{"all", "one\nthree\n", "two\n", logOptions("", false)},
		{"tail", "three\n", "two\n", logOptions("2", false)},
		{"none", "", "", logOptions("0", false)},
		{"one stream", "", "two\n", container.LogsOptions{ShowStderr: true}},
		{"since", "three\n", "two\n", container.LogsOptions{ShowStdout: true, ShowStderr: true, Since: "1001"}},
		{"timestamps", "", "1970-01-01T00:16:41.000000000Z two\n", container.LogsOptions{ShowStderr: true, Timestamps: true}},
		{"details", "", details + "two\n", container.LogsOptions{ShowStderr: true, Details: true}},
	} {
		for _, of := range []func() (io.ReadCloser, error){
			func() (io.ReadCloser, error) { return r.ServiceLogs(t.Context(), id, c.options) },
			func() (io.ReadCloser, error) { return r.TaskLogs(t.Context(), task.ID, c.options) },
		} {
			stream, err := of()
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			if _, err := stdcopy.StdCopy(&stdout, &stderr, stream); err != nil {
				t.Error(err)
			}
			if stdout.String() != c.out || stderr.String() != c.err {
				t.Errorf("%s: %q and %q, not %q and %q", c.name, stdout.String(), stderr.String(), c.out, c.err)
			}
		}
	}
}

// A follower sees what is there, what comes, and the lines of tasks that were not there when it began. The end of a
// container is not the end of its stream.
func TestFollowedLogs(t *testing.T) {
	r, s := recorded(t, "one", "two")
	id := r.create(spec("web", 1))
	r.running(id, 1)
	stream, err := r.ServiceLogs(t.Context(), id, logOptions("1", true))
	if err != nil {
		t.Fatal(err)
	}
	out, in := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(in, in, stream)
		_ = in.CloseWithError(err)
	}()
	lines := make(chan string)
	go func() {
		defer close(lines)
		var text string
		for buffer := make([]byte, 1<<10); ; {
			n, err := out.Read(buffer)
			if err != nil {
				return
			}
			text += string(buffer[:n])
			for line, rest, found := strings.Cut(text, "\n"); found; line, rest, found = strings.Cut(text, "\n") {
				text = rest
				lines <- line
			}
		}
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case got, open := <-lines:
			if !open || got != want {
				t.Fatalf("the line is %q, not %q; the stream is open: %t", got, want, open)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no line %q", want)
		}
	}
	expect("two")
	s.write("three", "four")
	expect("three")
	expect("four")
	s.end()
	service := r.service(id)
	two := uint64(2)
	service.Spec.Mode.Replicated.Replicas = &two
	if _, err := r.ServiceUpdate(t.Context(), id, service.Version, service.Spec, updateOptions); err != nil {
		t.Fatal(err)
	}
	expect("four") // the last line of another task
	select {
	case line, open := <-lines:
		t.Errorf("after the last line: %q, open: %t", line, open)
	case <-time.After(100 * time.Millisecond):
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
}

// A line that is lost, as old ones are, does not cost a new one.
func TestNewerLines(t *testing.T) {
	at := func(seconds ...int64) []simulator.Line {
		var lines []simulator.Line
		for _, s := range seconds {
			lines = append(lines, simulator.Line{At: time.Unix(s, 0)})
		}
		return lines
	}
	for _, c := range []struct {
		lines       []simulator.Line
		after, last int64
		want        int
	}{
		{at(1, 2, 3), 1, 3, 2},
		{at(3, 4), 1, 4, 2},
		{at(1, 2), 2, 2, 0},
		{nil, 2, 2, 0},
	} {
		got, last := newer(c.lines, time.Unix(c.after, 0))
		if len(got) != c.want || last.Unix() != c.last {
			t.Errorf("after %d: %d lines up to %d, not %d up to %d", c.after, len(got), last.Unix(), c.want, c.last)
		}
	}
}

// Lines that are out of reach are missed, and that is said.
func TestIncompleteLogs(t *testing.T) {
	r, _ := recorded(t, "one")
	s := spec("web", 1)
	s.TaskTemplate.Placement = nowhere
	id := r.create(s)
	var task string
	eventually(t, func() bool {
		var all []struct{ ID string }
		r.answer("/tasks", &all)
		if len(all) == 1 {
			task = all[0].ID
		}
		return task != ""
	})
	for path, want := range map[string]string{"/services/" + id: "", "/tasks/" + task: "task " + task + " has not been scheduled"} {
		if _, _, body := r.ask(get, path+"/logs?stdout=1&stderr=1", ""); !strings.Contains(body, want) || want == "" && body != "" {
			t.Errorf("%s: %q", path, body)
		}
	}
}
