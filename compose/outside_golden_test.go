package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"skep/translate"
)

// outsideCases are how services are called and reached: a Compose file, a line of dashes, then what becomes of it beside
// the workloads, the labels of its Pods where they are more than usual, and what is told. The first line may say with
// which options.
var outsideCases = []string{"services", "traefik", "networks", "kompose"}

func TestOutside(t *testing.T) {
	for _, dir := range outsideCases {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("testdata/%s has no case: %v", dir, err)
		}
		for _, file := range files {
			t.Run(dir+"/"+strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) { outsideCase(t, file, dir == "kompose") })
		}
	}
}

func outsideCase(t *testing.T, file string, workloads bool) {
	t.Helper()
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	input, _, _ := strings.Cut(string(doc), keyLine)
	got := input + keyLine + outside(t, input, workloads)
	if *updateGolden {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != string(doc) {
		t.Errorf("%s: got\n%s", file, got)
	}
}

// outside tells what becomes of a file.
func outside(t *testing.T, input string, workloads bool) string {
	t.Helper()
	in := Input{Files: []Source{{Name: "compose.yaml", Data: []byte(input)}}}
	var o Options
	first, _, _ := strings.Cut(input, "\n")
	for word := range strings.FieldsSeq(strings.TrimPrefix(first, "#")) {
		option, value, _ := strings.Cut(word, "=")
		switch option {
		case "--publish":
			o.Publish = Publish(value)
		case "--host":
			o.Host = value
		case "--ingress-class":
			o.IngressClass = value
		case "--network-policies":
			o.NetworkPolicies = true
		case "--stack":
			in.Name = value
		}
	}
	s, err := Load(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Convert(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return tell(t, s, r, workloads)
}

func tell(t *testing.T, s *Stack, r *Result, workloads bool) string {
	t.Helper()
	var out strings.Builder
	shown := *r
	shown.Objects = slices.DeleteFunc(slices.Clone(r.Objects), func(o translate.Object) bool {
		return templateIn(o) != nil && !workloads
	})
	for _, o := range r.Objects {
		if labels := podLabels(o); len(labels) > 0 && !workloads {
			fmt.Fprintf(&out, "# the Pods of %s have the labels %s\n", o.GetName(), strings.Join(labels, ", "))
		}
	}
	out.WriteString(outcome(t, s, &shown))
	return out.String()
}

// podLabels are those labels of a workload's Pods that say how it is reached.
func podLabels(o translate.Object) []string {
	var all []string
	if t := templateIn(o); t != nil {
		for _, key := range sortedKeys(t.Labels) {
			if strings.Contains(key, ".skep/") {
				all = append(all, key)
			}
		}
	}
	return all
}

// TestCalls: what is called in an environment or on a command line is found whole, with the port.
func TestCalls(t *testing.T) {
	all := calls{}
	web, api := &workload{name: "web"}, &workload{name: "api"}
	all.look(web, "services.web.environment.URL", "postgres://user:pw@db:5432/shop?host=DB2, cache.internal, my_db:70000")
	all.look(api, "services.api.command", "--seeds=tasks.db,db")
	for name, want := range map[string]string{
		"db":             "services.web.environment.URL 5432, services.api.command 0",
		"db2":            "services.web.environment.URL 0",
		"cache":          "",
		"cache.internal": "services.web.environment.URL 0",
		"my_db":          "services.web.environment.URL 70000",
		"tasks.db":       "services.api.command 0",
	} {
		var got []string
		for _, one := range all.by(name, nil) {
			got = append(got, fmt.Sprintf("%s %d", one.at, one.port))
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: got %q, want %q", name, text, want)
		}
	}
	db := &workload{service: &Service{Key: "db"}}
	if got := all.dialled(db); !slices.Equal(got, []port{{number: 5432, protocol: corev1.ProtocolTCP}}) {
		t.Errorf("db is dialled at %v", got)
	}
	if got := all.by("db", web); len(got) != 1 || got[0].from != api {
		t.Errorf("web calls itself: %v", got)
	}
}
