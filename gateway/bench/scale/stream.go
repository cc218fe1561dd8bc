package scale

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// heard is what a watch event tells, read off its text. A hundred watches of ten thousand Pods bring gigabytes: to
// decode them would take the processors from the servers that are measured.
type heard struct {
	at      time.Time // when its last byte was there
	line    []byte    // the whole event, valid while it is being told of
	kind    string    // ADDED, MODIFIED, DELETED, BOOKMARK or ERROR
	name    string    // with its namespace
	version string
	phase   string // of a Pod
}

var (
	kindMark    = []byte(`{"type":"`)
	nameMark    = []byte(`"metadata":{"name":"`) // Kubernetes writes a struct's fields in their order, the name first
	spaceMark   = []byte(`"namespace":"`)
	versionMark = []byte(`"resourceVersion":"`)
	phaseMark   = []byte(`"phase":"`)
)

// readEvent reads a line of a watch. What the texts of the fixture hold cannot be mistaken for a field: a quote within
// a JSON string is escaped.
func readEvent(line []byte) (heard, error) {
	event := heard{line: line}
	if !bytes.HasPrefix(line, kindMark) {
		return event, fmt.Errorf("no watch event: %.200s", line)
	}
	event.kind = upToQuote(line[len(kindMark):])
	if event.kind == "ERROR" {
		return event, fmt.Errorf("the watch was ended: %.500s", line)
	}
	if event.kind == "BOOKMARK" {
		event.version = after(line, versionMark)
		return event, nil
	}
	at := bytes.Index(line, nameMark)
	if at < 0 {
		return event, fmt.Errorf("an object without a name: %.200s", line)
	}
	metadata := line[at:]
	event.name = after(metadata, spaceMark) + "/" + after(metadata, nameMark)
	event.version = after(metadata, versionMark)
	event.phase = after(metadata, phaseMark)
	return event, nil
}

// after is the JSON string that follows a mark; empty where the mark is not.
func after(text, mark []byte) string {
	at := bytes.Index(text, mark)
	if at < 0 {
		return ""
	}
	return upToQuote(text[at+len(mark):])
}

func upToQuote(text []byte) string {
	end := bytes.IndexByte(text, '"')
	if end < 0 {
		return ""
	}
	return string(text[:end])
}

// errEnded says that a server ended a watch in good order: an API server does so with who is slower than its events.
var errEnded = errors.New("the server ended the watch")

// readEvents tells of every event of a watch until its body ends, and returns why it did.
func readEvents(body io.Reader, tell func(heard)) error {
	lines := bufio.NewReaderSize(body, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		at := time.Now()
		if errors.Is(err, io.EOF) {
			return errEnded
		}
		if err != nil {
			return err
		}
		event, err := readEvent(line)
		if err != nil {
			return err
		}
		event.at = at
		tell(event)
	}
}
