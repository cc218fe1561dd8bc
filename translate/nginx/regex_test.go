package nginx

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestRegex(t *testing.T) {
	for _, c := range []struct {
		expr   string
		groups int
		want   string // of the error
	}{
		{"/", 0, ""},
		{`/foo(/|$)(.*)`, 2, ""},
		{`/v[0-9]{1,2}/[\w.-]+/(?:x|y)?\.html$`, 0, ""},
		{`/[^/]+/[[:alpha:]]*/\d{2,}`, 0, ""},
		{`/it's "quoted" \\ ; {2}`, 0, ""},
		{"foo", 0, `begin with "/"`},
		{"/(?=foo)", 0, "only group"},
		{"/(?i)foo", 0, "only group"},
		{"/(?P<host>x)", 0, "only group"},
		{`/(a)\1`, 0, "escapes"},
		{`/\x{10FFFF}`, 0, "escapes"},
		{`/\Q`, 0, "escapes"},
		{`/\`, 0, "escapes"},
		{"/{", 0, "repetition"},
		{"/a{,2}", 0, "repetition"},
		{"/a{1001}", 0, "invalid repeat count"},
		{"/(", 0, "missing closing )"},
		{"/a**", 0, "invalid nested repetition"},
		{"/^*", 0, "no length"},
		{"/(aaaaaaaaaaaaaaaaaaaa){900}", 0, "too much"},
		{`/[[.a.]]`, 0, "escaped in brackets"},
		{`/[\w-z]`, 0, "beside a class"},
		{`/[a-\d]`, 0, "beside a class"},
		{`/[]a]`, 0, "empty"},
		{`/[:^digit:]`, 0, "in brackets"},
		{`/[a`, 0, "no end"},
		{"/ä", 0, "ASCII"},
		{"/[\x01]", 0, "ASCII"},
		{"/" + strings.Repeat("a", maxRegex), 0, "longer"},
	} {
		groups, err := checkRegex(c.expr)
		switch {
		case c.want == "" && (err != nil || groups != c.groups):
			t.Errorf("%s: %d groups, %v", c.expr, groups, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.expr, err, c.want)
		}
	}
}

// TestRegexRandom has nginx compile whatever checkRegex lets pass.
func TestRegexRandom(t *testing.T) {
	pieces := []string{
		"a", "b", "/", ".", "*", "+", "?", "{2}", "{1,3}", "{2,}", "{,2}", "{", "}", "(", "(?:", "(?", ")", ")", "|", "[", "]", "[^", "^", "$", "-", ",", ":",
		"=", `\d`, `\W`, `\b`, `\.`, `\\`, `\/`, `\-`, `\]`, `\[`, `\"`, `"`, `'`, ";", "#", " ", "[:alpha:]", "[[:alpha:]]", "[:^digit:]", "[.", "!", "<", "&", "~", "@", "%", "_", "`",
		"[a-z]", "[^/]+", `[\w.-]`, "(.*)", "(a)", "$1", "${x}",
	}
	random := rand.New(rand.NewPCG(1, 2))
	s := Server{Host: "a.example"}
	seen := map[string]bool{}
	for len(s.Locations) < 3000 {
		expr := "/"
		for range 1 + random.IntN(9) {
			expr += pieces[random.IntN(len(pieces))]
		}
		if _, err := checkRegex(expr); err == nil && !seen[expr] {
			seen[expr] = true
			s.Locations = append(s.Locations, Location{Path: expr, Match: Regex, Backend: to("web"), Rewrite: "/x"})
		}
	}
	config, err := HTTP(HTTPConfig{Resolver: "127.0.0.11", HTTPPort: 80, Servers: []Server{s}})
	if err != nil {
		t.Fatal(err)
	}
	checkBalance(t, config)
	mustAccept(t, config)
}
