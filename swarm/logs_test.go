package swarm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// frames is what Docker sends of a container without terminal.
func frames(pieces ...string) []byte {
	var out []byte
	for i, p := range pieces {
		head := [8]byte{byte(1 + i%2)}
		binary.BigEndian.PutUint32(head[4:], uint32(len(p)))
		out = append(append(out, head[:]...), p...)
	}
	return out
}

func logOf(stream io.Reader, raw bool, limit int64) *logReader {
	return &logReader{body: io.NopCloser(stream), cancel: func() {}, raw: raw, left: limit}
}

func TestLogReader(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream []byte
		raw    bool
		limit  int64
		want   string
	}{
		{"frames", frames("one\n", "two\n"), false, -1, "one\ntwo\n"},
		{"empty frames", frames("", "one", "", "", "two", ""), false, -1, "onetwo"},
		{"nothing", nil, false, -1, ""},
		{"a terminal has no frames", []byte("\x01\x00\x00\x00raw"), true, -1, "\x01\x00\x00\x00raw"},
		{"a limit within a frame", frames("one\n", "two\n"), false, 6, "one\ntw"},
		{"a limit at a frame's end", frames("one\n", "two\n"), false, 4, "one\n"},
		{"a limit beyond the end", frames("one\n"), false, 100, "one\n"},
		{"a limit of a terminal", []byte("one\ntwo\n"), true, 5, "one\nt"},
		{"a limit of nothing", frames("one\n"), false, 0, ""},
		{"cut within a head", frames("one\n", "two\n")[:15], false, -1, "one\n"},
		{"cut within a piece", frames("one\n", "two\n")[:22], false, -1, "one\ntw"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for how, stream := range map[string]io.Reader{
				"at once": bytes.NewReader(c.stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(c.stream)),
				"with its end": iotest.DataErrReader(bytes.NewReader(c.stream)),
			} {
				got, err := io.ReadAll(logOf(stream, c.raw, c.limit))
				if err != nil || string(got) != c.want {
					t.Errorf("%s: %q, not %q (%v)", how, got, c.want, err)
				}
			}
		})
	}
}

// A log that we ended ourselves just ends; one that broke says so.
func TestLogReaderErrors(t *testing.T) {
	broken := errors.New("connection reset")
	for _, raw := range []bool{true, false} {
		for in, want := range map[error]error{context.Canceled: nil, io.ErrUnexpectedEOF: nil, broken: broken} {
			stream := io.MultiReader(bytes.NewReader(frames("one")), iotest.ErrReader(in))
			_, err := io.ReadAll(logOf(stream, raw, -1))
			if !errors.Is(err, want) {
				t.Errorf("raw %v: %v ends with %v, not %v", raw, in, err, want)
			}
		}
	}
}

func TestLogReaderClose(t *testing.T) {
	closed, canceled := false, false
	r := &logReader{body: closer{strings.NewReader(""), &closed}, cancel: func() { canceled = true }}
	if err := r.Close(); err != nil || !closed || !canceled {
		t.Errorf("closed %v, canceled %v, %v", closed, canceled, err)
	}
}

type closer struct {
	io.Reader
	closed *bool
}

func (c closer) Close() error {
	*c.closed = true
	return nil
}

// Whatever the stream, reading it ends without a failure of its own, gives no more than was asked for, and
// what came in whole frames comes out whole.
func FuzzLogReader(f *testing.F) {
	f.Add(frames("one\n", "two\n"), false, int64(-1), uint8(3))
	f.Add(frames("", "one"), false, int64(2), uint8(1))
	f.Add([]byte("no frames at all"), true, int64(5), uint8(200))
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'x'}, false, int64(-1), uint8(16))
	f.Fuzz(func(t *testing.T, stream []byte, raw bool, limit int64, size uint8) {
		limit = max(limit, -1)
		r := logOf(bytes.NewReader(stream), raw, limit)
		var got []byte
		buf := make([]byte, int(size)+1)
		for range 2*len(stream) + 16 {
			n, err := r.Read(buf)
			got = append(got, buf[:n]...)
			if errors.Is(err, io.EOF) {
				want := stream
				if !raw {
					want = unframed(stream)
				}
				if limit >= 0 && int64(len(want)) > limit {
					want = want[:limit]
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("%q was read, not %q", got, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Fatalf("%d bytes did not end", len(stream))
	})
}

// unframed is the framing done the plain way.
func unframed(stream []byte) []byte {
	var out []byte
	for len(stream) >= 8 {
		n := uint64(binary.BigEndian.Uint32(stream[4:8]))
		stream = stream[8:]
		n = min(n, uint64(len(stream)))
		out = append(out, stream[:n]...)
		stream = stream[n:]
	}
	return out
}
