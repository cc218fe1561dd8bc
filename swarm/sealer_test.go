package swarm

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func sealerOf(t *testing.T, fill byte) Sealer {
	t.Helper()
	s, err := NewSealer(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const precious = "correct horse battery staple"

func TestSealer(t *testing.T) {
	s := sealerOf(t, 1)
	sealed, err := s.Seal([]byte(precious), "here")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte(precious[:8])) {
		t.Error("what is sealed can be read")
	}
	again, err := s.Seal([]byte(precious), "here")
	if err != nil || again == sealed {
		t.Errorf("sealed twice, it looks the same (%v)", err)
	}
	plain, err := s.Open(sealed, "here")
	if err != nil || string(plain) != precious {
		t.Errorf("opened, it is %q (%v)", plain, err)
	}
}

// Whatever is wrong, the error says what to do and nothing of what was sealed.
func TestSealerRefuses(t *testing.T) {
	s := sealerOf(t, 1)
	sealed, err := s.Seal([]byte(precious), "here")
	if err != nil {
		t.Fatal(err)
	}
	flipped := "A" + sealed[1:]
	if sealed[0] == 'A' {
		flipped = "B" + sealed[1:]
	}
	for name, open := range map[string]func() ([]byte, error){
		"another key":     func() ([]byte, error) { return sealerOf(t, 2).Open(sealed, "here") },
		"another place":   func() ([]byte, error) { return s.Open(sealed, "elsewhere") },
		"changed":         func() ([]byte, error) { return s.Open(flipped, "here") },
		"cut":             func() ([]byte, error) { return s.Open(sealed[:8], "here") },
		"empty":           func() ([]byte, error) { return s.Open("", "here") },
		"not sealed":      func() ([]byte, error) { return s.Open(precious, "here") },
		"not even base64": func() ([]byte, error) { return s.Open("*"+precious, "here") },
	} {
		plain, err := open()
		if err == nil || plain != nil {
			t.Errorf("%s: it was opened: %q", name, plain)
			continue
		}
		contains(t, err.Error(), "--data-dir")
		for _, word := range append(strings.Fields(precious), sealed[:8]) {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error shows %q", name, word)
			}
		}
	}
}

func TestSealerKeyLength(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := NewSealer(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

// A digest is the same for the same content and key, and another for another.
func TestDigest(t *testing.T) {
	s := sealerOf(t, 1)
	one := s.Digest([]byte(precious))
	if one != s.Digest([]byte(precious)) {
		t.Error("it differs from itself")
	}
	if one == s.Digest([]byte(precious+".")) || one == sealerOf(t, 2).Digest([]byte(precious)) {
		t.Error("two contents or keys have one digest")
	}
	if len(one) != 32 {
		t.Errorf("it has %d digits, not 32", len(one))
	}
}
