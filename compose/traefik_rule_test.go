package compose

import (
	"fmt"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestParseRule(t *testing.T) {
	for _, test := range []struct{ rule, want string }{
		{"Host(`a.example`)", "host(`a.example`)"},
		{"Host(`a`, \"b\") && PathPrefix('/x')", "host(`a`, `b`) && pathprefix(`/x`)"},
		{"Host(`a`) || Host(`b`) && Path(`/x`)", "host(`a`) or host(`b`) && path(`/x`)"},
		{"(Host(`a`) || Host(`b`)) && (Path(`/x`)||Path(`/y`))", "host(`a`) && path(`/x`) or host(`a`) && path(`/y`) or host(`b`) && path(`/x`) or host(`b`) && path(`/y`)"},
		{"!Host(`a`)", "!host(`a`)"},
		{"!(Host(`a`) && Path(`/x`))", "!host(`a`) or !path(`/x`)"},
		{"!(Host(`a`) || !Path(`/x`))", "!host(`a`) && path(`/x`)"},
		{"!!Host(`a`)", "host(`a`)"},
		{"Method()", "method()"},
		{"", `there is no matcher where one should be, before ""`},
		{"Host(`a`", "the values of host do not end"},
		{"Host(`a`) Path(`/`)", "there is \"Path(`/`)\" where the rule should end"},
		{"Host", "host has no values"},
		{"Host(a)", `there is no text in quotes where one should be, before "a)"`},
		{"(Host(`a`)", "a bracket is not closed"},
		{"Host('a)", "a quote is not closed"},
		{strings.Repeat("(", 60) + "Host(`a`)" + strings.Repeat(")", 60), "it is nested too deeply"},
		{strings.Repeat("(Host(`a`)||Host(`b`))&&", 9) + "Host(`c`)", "it has more than 200 combinations"},
	} {
		ways, err := parseRule(test.rule)
		got := tellWays(ways)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.rule, got, test.want)
		}
	}
}

func TestParseOldRule(t *testing.T) {
	for _, test := range []struct{ rule, want, strip string }{
		{"Host:a.example", "host(`a.example`)", ""},
		{"Host: a.example, b.example ;PathPrefixStrip:/x", "host(`a.example`, `b.example`) && pathprefix(`/x`)", "/x"},
		{"Host:a:8080", "host(`a:8080`)", ""},
		{";", "it is empty", ""},
		{"a.example", `"a.example" is no matcher with a colon behind it`, ""},
	} {
		ways, strip, err := parseOldRule(test.rule)
		got := tellWays(ways)
		if err != nil {
			got = err.Error()
		}
		if got != test.want || strings.Join(strip, ",") != test.strip {
			t.Errorf("%s: got %s, strip %v", test.rule, got, strip)
		}
	}
}

func tellWays(ways [][]matcher) string {
	var all []string
	for _, way := range ways {
		var parts []string
		for _, m := range way {
			parts = append(parts, m.String())
		}
		all = append(all, strings.Join(parts, " && "))
	}
	return strings.Join(all, " or ")
}

func TestAccept(t *testing.T) {
	for _, test := range []struct{ rule, paths, problem string }{
		{"Host(`A.example`)", "a.example/ prefix", ""},
		{"Host(`a`,`b`) && (Path(`/x`) || PathPrefix(`/y`))", "a/x exact, b/x exact, a/y prefix, b/y prefix", ""},
		{"PathPrefix(`/x`)", "/x prefix", ""},
		{"Host(`a`) && Host(`b`)", "", "no request has two hosts"},
		{"PathPrefix(`/x`) && Path(`/x/y`)", "/x/y exact", ""},
		{"PathPrefix(`/x/y`) && PathPrefix(`/x`)", "/x/y prefix", ""},
		{"Path(`/x`) && Path(`/y`)", "", "no request has two such paths"},
		{"HostRegexp(`{sub:[a-z]+}.example.com`)", "*.example.com/ prefix", ""},
		{"HostRegexp(`^[^.]+\\.example\\.com$`)", "*.example.com/ prefix", ""},
		{"HostRegexp(`.+`)", "", "an Ingress has whole host names"},
		{"HostRegexp(`a.example.com`)", "a.example.com/ prefix", ""},
		{"Host(`a`) && !PathPrefix(`/admin`)", "", "which requests it takes"},
		{"Host(`a`) || Headers(`X`, `y`)", "a/ prefix", "HTTPRoute"},
		{"Host(`10.0.0.1`)", "", "no addresses"},
		{"Host(`a_b`)", "", "no DNS name"},
		{"Host(`a:80`)", "", "no DNS name"},
		{"Path(`x`)", "", "does not begin with a slash"},
		{"Path(`/a//b`)", "", "no path with //"},
		{"Path(`/api/{id:[0-9]+}`)", "", "no patterns"},
		{"Host()", "", "has no value"},
		{"Host(`a`) && ClientIP(`10.0.0.0/8`)", "a/ prefix", ""},
		{"Host(`a`) && ClientIP(`x`)", "", "no CIDR block"},
		{"Host(`a`) || Host(`b`) && ClientIP(`10.0.0.0/8`)", "a/ prefix", "whitelist-source-range"},
	} {
		ways, err := parseRule(test.rule)
		if err != nil {
			t.Fatal(err)
		}
		a := accept(ways)
		var paths []string
		for _, p := range a.paths {
			paths = append(paths, p.host+p.path+" "+strings.ToLower(string(p.pathType())))
		}
		problems := strings.Join(a.problems, "; ")
		if strings.Join(paths, ", ") != test.paths || (test.problem == "") != (problems == "") || !strings.Contains(problems, test.problem) {
			t.Errorf("%s: got %v, %s", test.rule, paths, problems)
		}
	}
}

// FuzzRule: no rule brings the parser down, and whatever it takes is an Ingress that an API server takes.
func FuzzRule(f *testing.F) {
	for _, rule := range []string{
		"Host(`a.example`) && PathPrefix(`/x`)", "!(Host(`a`) || Path(`/`))", "HostRegexp(`{s:[a-z]+}.a.b`)", "Host:a;PathPrefixStrip:/x",
		"Host(`*.a.b`)", "Path(`/%2f`) || Path(`/..`)", "Host(\"\\x00\")",
	} {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		ways, err := parseRule(rule)
		if err != nil {
			if ways, _, err = parseOldRule(rule); err != nil {
				return
			}
		}
		a := accept(ways)
		if len(a.paths) == 0 {
			if len(a.problems) == 0 {
				t.Errorf("nothing is left of %q, and nobody is told", rule)
			}
			return
		}
		c := &converter{names: names{}}
		w := &workload{name: "web", at: "services.web", service: webService(), selector: map[string]string{LabelName: "web"}}
		w.template.Spec.Containers = append(w.template.Spec.Containers, sampleTemplate("web", "web").Spec.Containers...)
		tr := &traefik{converter: c, taken: map[hostPath]string{}}
		c.stack = &Stack{}
		d := &draft{router: &router{name: "web", at: "services.web.labels", by: w}, paths: a.paths, backend: w, port: 80, annotations: map[string]string{}}
		tr.write(d)
		for _, o := range c.result.Objects {
			i, ok := o.(*networkingv1.Ingress)
			if !ok {
				continue
			}
			i.TypeMeta = metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}
			if err := validateOne(i); err != nil {
				t.Error(fmt.Errorf("%q: %w", rule, err))
			}
		}
	})
}

func webService() *Service { return &Service{Key: "web", File: &types.ServiceConfig{Name: "web"}} }
