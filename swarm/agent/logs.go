package agent

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// serveLogs writes a container's log as plain text. With follow it ends when the container does.
func (a *Agent) serveLogs(w http.ResponseWriter, r *http.Request) {
	options, limit, err := logOptions(r.URL.Query())
	if err != nil {
		fail(w, err)
		return
	}
	c, err := a.container(r.Context(), r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	log, err := a.docker.ContainerLogs(r.Context(), c.ID, options)
	if err != nil {
		fail(w, failure(http.StatusInternalServerError, "log of container %s: %w", short(c.ID), err))
		return
	}
	defer log.Close() //nolint:errcheck // it was only read
	from := bufio.NewReaderSize(log, 32<<10)
	to := &logWriter{to: w, control: http.NewResponseController(w), from: from, left: limit}
	w.Header().Set("Content-Type", "text/plain")
	to.flush()
	if c.Config.Tty {
		_, err = io.Copy(to, struct{ io.Reader }{from}) // not WriteTo, which never comes to the end of its buffer
	} else {
		_, err = stdcopy.StdCopy(to, to, from)
	}
	// Too late for a status. What Docker says of its own in the stream is an error too; the log simply ends.
	if err != nil && !errors.Is(err, errLimit) && r.Context().Err() == nil {
		a.log(err, "a log ended early", "container", short(c.ID))
	}
}

// logOptions reads a kubelet's query. limit is in bytes; negative: none.
func logOptions(q url.Values) (o container.LogsOptions, limit int64, err error) {
	numbers := map[string]int64{"tailLines": -1, "limitBytes": -1, "sinceSeconds": -1}
	for name := range numbers {
		if text := q.Get(name); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				return o, 0, failure(http.StatusBadRequest, "%s must be a number that is not negative, not %q", name, text)
			}
			numbers[name] = n
		}
	}
	o = container.LogsOptions{Follow: isTrue(q.Get("follow")), Timestamps: isTrue(q.Get("timestamps")), Tail: "all"}
	if n := numbers["tailLines"]; n >= 0 {
		o.Tail = strconv.FormatInt(n, 10)
	}
	since := time.Time{}
	if n := numbers["sinceSeconds"]; n >= 0 {
		since = time.Now().Add(-time.Duration(min(n, 1<<32)) * time.Second)
	}
	if text := q.Get("sinceTime"); text != "" {
		if since, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return o, 0, failure(http.StatusBadRequest, "sinceTime must be in RFC 3339, not %q", text)
		}
	}
	if !since.IsZero() {
		o.Since = since.UTC().Format(time.RFC3339Nano)
	}
	switch stream := q.Get("stream"); stream {
	case "", "All":
		o.ShowStdout, o.ShowStderr = true, true
	case "Stdout":
		o.ShowStdout = true
	case "Stderr":
		o.ShowStderr = true
	default:
		return o, 0, failure(http.StatusBadRequest, "stream must be All, Stdout or Stderr, not %q", stream)
	}
	return o, numbers["limitBytes"], nil
}

func isTrue(text string) bool {
	yes, err := strconv.ParseBool(text)
	return err == nil && yes
}

// errLimit ends a log that was long enough.
var errLimit = errors.New("the limit has been reached")

// logWriter hands on a log, at the latest when nothing more of it is at hand.
type logWriter struct {
	to      io.Writer
	control *http.ResponseController
	from    *bufio.Reader
	left    int64 // bytes still wanted; negative: all
}

// Write implements io.Writer.
func (l *logWriter) Write(p []byte) (int, error) {
	whole := len(p)
	if l.left >= 0 {
		p = p[:min(int64(whole), l.left)]
		l.left -= int64(len(p))
	}
	n, err := l.to.Write(p)
	if err == nil && l.left == 0 {
		err = errLimit
	}
	if err == nil && l.from.Buffered() == 0 {
		l.flush()
	}
	if len(p) < whole && err == nil {
		err = io.ErrShortWrite
	}
	return n, err
}

func (l *logWriter) flush() { _ = l.control.Flush() }
