package scale

import (
	"strings"
	"testing"
)

func TestReadEvents(t *testing.T) {
	const pod = `{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-1","generateName":"web-",` +
		`"namespace":"scale-0","uid":"u","resourceVersion":"17","annotations":{"note":"\"resourceVersion\":\"3\""},` +
		`"ownerReferences":[{"name":"web"}]},"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Running"}}}` + "\n"
	const mark = `{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"20"}}}` + "\n"
	const failure = `{"type":"ERROR","object":{"kind":"Status","code":410}}` + "\n"
	var got []string
	err := readEvents(strings.NewReader(pod+mark+failure+pod), func(e heard) {
		got = append(got, strings.Join([]string{e.kind, e.name, e.version, e.phase}, " "))
	})
	if err == nil || !strings.Contains(err.Error(), "410") {
		t.Errorf("a failure was told as %v", err)
	}
	if want := "MODIFIED scale-0/web-1 17 Running|BOOKMARK  20 "; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
	}
	for _, bad := range []string{"", "nonsense\n", `{"type":"ADDED","object":{}}` + "\n"} {
		if err := readEvents(strings.NewReader(bad), func(heard) { t.Errorf("%q was told of", bad) }); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}
