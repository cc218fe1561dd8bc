package translate

import (
	"strings"
	"testing"
	"text/template"

	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// expand does what SwarmKit does to env, hostnames and mounts (template/context.go).
func expand(t *testing.T, s string) string {
	t.Helper()
	tmpl, err := template.New("expansion").Option("missingkey=error").Parse(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	var out strings.Builder
	var ctx struct {
		Node struct{ Hostname string }
		Task struct{ ID, Slot string }
	}
	ctx.Node.Hostname, ctx.Task.ID, ctx.Task.Slot = "node-1", "mt8yvxyz", "12"
	if err := tmpl.Execute(&out, ctx); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return out.String()
}

func FuzzRender(f *testing.F) {
	for _, s := range oddValues {
		f.Add(s, s)
	}
	f.Add("{", "}")
	f.Fuzz(func(t *testing.T, before, after string) {
		if isMarked(before) || isMarked(after) {
			return
		}
		if got := expand(t, render(before)); got != before {
			t.Errorf("%q arrives as %q", before, got)
		}
		if literal, ok := plain(render(before)); !ok || literal != before {
			t.Errorf("%q is read back as %q, %v", before, literal, ok)
		}
		mixed := before + marked(nodeName) + after
		if got, want := expand(t, render(mixed)), before+"node-1"+after; got != want {
			t.Errorf("%q arrives as %q, not %q", mixed, got, want)
		}
	})
}

func FuzzDollars(f *testing.F) {
	for _, s := range oddValues {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// Upstream's expansion turns bytes that are no UTF-8 into U+FFFD, as JSON does before it.
		s = strings.ToValidUTF8(s, "")
		vars := func(string) string { return "expanded" }
		if got := expansion.Expand(dollars(s), vars); got != s {
			t.Errorf("%q arrives as %q", s, got)
		}
	})
}

func TestPlainTellsTemplates(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "a": true, "}}": true, "{": true, `{{"{{"}}`: true, `a{{"{{"}}b`: true,
		"{{": false, "{{.Task.Slot}}": false, `{{{"{{"}}`: false, `{{"{"}}`: false,
	} {
		if _, ok := plain(s); ok != want {
			t.Errorf("%q: %v", s, ok)
		}
	}
}

func TestHostname(t *testing.T) {
	long := strings.Repeat("a", 80)
	for _, c := range []struct {
		id   PodIdentity
		want string
	}{
		{PodIdentity{Name: "web"}, "web"},
		{PodIdentity{Name: "web-5d4b9c", Generated: true}, "web-5d4b9c-mt8yv"},
		{PodIdentity{Name: long}, long[:63]},
		{PodIdentity{Name: long, Generated: true}, long[:63]},
		{PodIdentity{Name: long[:62], Generated: true}, long[:62]},
		{PodIdentity{Name: long[:60], Generated: true}, long[:60] + "-mt"},
		{PodIdentity{Name: long[:57], Generated: true}, long[:57] + "-mt8yv"},
		{PodIdentity{Name: long[:60] + "-.-aaaaaaa"}, long[:60]},
		{PodIdentity{Name: "db", Generated: true, First: new(int32(0))}, "db-11"},
		{PodIdentity{Name: "db", Generated: true, First: new(int32(1))}, "db-12"},
		{PodIdentity{Name: "db", Generated: true, First: new(int32(2))}, "db-13"},
		{PodIdentity{Name: "db", Generated: true, First: new(int32(1009))}, "db-1020"},
		{PodIdentity{Name: long, Generated: true, First: new(int32(0))}, long[:58] + "-11"},
	} {
		if got := expand(t, render(c.id.hostname())); got != c.want {
			t.Errorf("%s: %q, want %q", c.id.Name, got, c.want)
		}
	}
	for first := range int32(4) {
		if id := (PodIdentity{Name: "db.v1", Generated: true, First: &first}); !isPodName(render(id.podName())) || !isPodName(render(id.hostname())) {
			t.Errorf("the name from %d on is not recognized", first)
		}
	}
	if !isPodName(render(somePod.podName())) || isPodName("{{.Task.ID}}") || isPodName("db-{{.Task.Slot}}-x") {
		t.Error("a Pod's name is not recognized")
	}
}
