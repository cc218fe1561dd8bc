package compose

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
)

// ruleHosts are the hosts that a rule names.
var ruleHosts = regexp.MustCompile("(?:Host\\(|, ?|Host:)[`\"]?([a-z0-9.-]+\\.[a-z]+)")

// TestRoutersAreTold: each host of each rule, in our own files and in real ones, is one of an Ingress's, or someone is told
// of the router; and so are the labels of Traefik that are of no router.
func TestRoutersAreTold(t *testing.T) {
	files := corpus(t)
	own, err := filepath.Glob("testdata/traefik/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	routers, hosts := 0, 0
	for _, file := range append(files, own...) {
		in := input(t, file, "shop")
		if doc, _, cut := strings.Cut(string(in.Files[0].Data), keyLine); cut {
			in.Files[0].Data = []byte(doc)
		}
		s, err := Load(context.Background(), in)
		if err != nil {
			continue // TestLoad's affair
		}
		r, err := Convert(s, Options{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for i := range s.Services {
			labels := routingLabels(&s.Services[i], "services."+s.Services[i].Key)
			for _, l := range labels {
				if !strings.HasSuffix(l.key, ".rule") || !routed(labels) {
					continue
				}
				routers++
				found := ruleHosts.FindAllStringSubmatch(l.value, -1)
				hosts += len(found)
				for _, m := range found {
					if !servesHost(r, m[1]) && !toldBelow(r, strings.TrimSuffix(l.at, "rule")) {
						t.Errorf("%s: %s: nothing becomes of the host %s", file, l.at, m[1])
					}
				}
				if len(found) == 0 && !toldBelow(r, strings.TrimSuffix(l.at, "rule")) && !from(r, l.at) {
					t.Errorf("%s: %s: nothing becomes of %s", file, l.at, l.value)
				}
			}
		}
	}
	if hosts < 20 {
		t.Errorf("there are but %d rules with %d hosts", routers, hosts)
	}
	t.Logf("%d rules, %d hosts", routers, hosts)
}

func servesHost(r *Result, host string) bool {
	for _, o := range r.Objects {
		if i, ok := o.(*networkingv1.Ingress); ok && slices.ContainsFunc(i.Spec.Rules, func(rule networkingv1.IngressRule) bool { return rule.Host == host }) {
			return true
		}
	}
	return false
}

func from(r *Result, path string) bool {
	for _, o := range r.Objects {
		if _, ok := o.(*networkingv1.Ingress); ok && o.GetAnnotations()[AnnotationFrom] == path {
			return true
		}
	}
	return false
}

func toldBelow(r *Result, prefix string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.HasPrefix(f.Path, prefix) })
}

// TestLabelsStayLegal: what Traefik and kompose read is never a label of an object, and nothing is lost of what is.
func TestLabelsStayLegal(t *testing.T) {
	labels := map[string]string{
		"team": "shop", "traefik.enable": "true", "Traefik.Enable": "true", "kompose.service.type": "nodeport",
		"note": "two words", "a b": "c", "example.com/tier": "web",
	}
	valid, rest := splitLabels(labels)
	if got := strings.Join(sortedKeys(valid), " "); got != "example.com/tier team" {
		t.Errorf("labels: %s", got)
	}
	if len(valid)+len(rest) != len(labels) {
		t.Errorf("of %d labels %d are left", len(labels), len(valid)+len(rest))
	}
	data, err := os.ReadFile("testdata/traefik/v2-whoami.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, _, _ := strings.Cut(string(data), keyLine)
	s, err := Load(context.Background(), Input{Files: []Source{{Name: "compose.yaml", Data: []byte(doc)}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Convert(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Objects {
		all := sortedKeys(o.GetLabels())
		if tpl := templateIn(o); tpl != nil {
			all = append(all, sortedKeys(tpl.Labels)...)
		}
		for _, key := range all {
			if strings.HasPrefix(key, traefikPrefix) {
				t.Errorf("%s %s has the label %s", gvkOf(o).Kind, o.GetName(), key)
			}
		}
	}
}
