package gateway

import (
	"bytes"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

func idOf(i int) identity {
	return identity{key: encodingKey{types.UID(fmt.Sprint(i)), 1}, version: "1", seal: 1, known: true}
}

// listed asks for n objects as a list does, and says how many were at hand.
func listed(t *testing.T, e *encodings, n int) int {
	t.Helper()
	ids := make([]identity, n)
	for i := range ids {
		ids[i] = idOf(i)
	}
	missed := 0
	parts, err := e.parts(1, ids, func(missing []int) ([][]byte, error) {
		missed = len(missing)
		var made [][]byte
		for _, i := range missing {
			made = append(made, contentOf(i))
		}
		return made, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var room []byte
	for i, part := range parts {
		var out bytes.Buffer
		if room, err = part.writeTo(&out, room); err != nil || !bytes.Equal(out.Bytes(), contentOf(i)) || part.size != out.Len() {
			t.Fatalf("%d is %q, %v", i, out.Bytes(), err)
		}
	}
	return n - missed
}

func contentOf(i int) []byte {
	return fmt.Appendf(nil, `{"metadata":{"name":"web-%d","namespace":"default","labels":{"app":"web","pod-template-hash":"5d4f8c7b9"}},"spec":{"n":%d}}`, i, i*i)
}

// What is asked for twice is kept, and in less room than it takes in an answer.
func TestEncodingsAreKept(t *testing.T) {
	e := newEncodings(encodingsBound)
	for i, want := range []int{0, 0, 500, 500} {
		if got := listed(t, e, 500); got != want {
			t.Errorf("list %d: %d of 500 were at hand, want %d", i+1, got, want)
		}
	}
	for key, kept := range e.items {
		if kept.dict.Dict == nil || len(kept.data) > kept.size/2 {
			t.Errorf("%v takes %d bytes of %d", key, len(kept.data), kept.size)
		}
	}
	if e.get(identity{key: idOf(1).key, version: "2", seal: 1, known: true}, 0) != nil {
		t.Error("another version was taken for it")
	}
	if e.get(identity{key: idOf(1).key, version: "1", seal: 2, known: true}, 0) != nil {
		t.Error("another object was taken for it")
	}
}

// The bound holds, and a list that is too long for it still has the hits that it has room for.
func TestEncodingsAreBounded(t *testing.T) {
	e := newEncodings(200 * (encodingOverhead + 200))
	best := 0
	for range 6 {
		best = max(best, listed(t, e, 2000))
		if e.bytes > e.bound {
			t.Fatalf("%d bytes are kept, bound %d", e.bytes, e.bound)
		}
		e.sweep(0)
	}
	if best < 100 {
		t.Errorf("at best %d were at hand", best)
	}
}

// What nobody asks for goes, sooner when others wait; then nothing at all is left.
func TestEncodingsGo(t *testing.T) {
	e := newEncodings(encodingsBound)
	for range 3 {
		listed(t, e, 300)
	}
	e.sweep(30)
	if len(e.items) != 300 {
		t.Fatalf("%d are left after half a minute", len(e.items))
	}
	e.full = true
	e.sweep(9)
	if len(e.items) != 300 || e.full {
		t.Fatalf("%d are left after 9 seconds", len(e.items))
	}
	e.get(idOf(7), 40)
	e.sweep(70)
	if len(e.items) != 1 {
		t.Errorf("%d are left, want the one that was asked for", len(e.items))
	}
	e.sweep(200)
	if len(e.items) != 0 || e.bytes != 0 || len(e.dicts) != 0 {
		t.Errorf("%d items, %d bytes, %d dictionaries are left", len(e.items), e.bytes, len(e.dicts))
	}
}
