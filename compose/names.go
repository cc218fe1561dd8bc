package compose

import (
	"cmp"
	"regexp"
	"strings"

	"skep/translate"
)

// names keeps the names of a result's objects apart: by kind and name, the key of the model that has it.
type names map[[2]string]string

// maxLabel is the length of a DNS label, which the names of Services and of workloads that have Pods keep to.
const maxLabel = 63

// take gives a key of the model its object's name: the key as a DNS-1123 label, or where another key has that already a
// name of its own, which is the same on every run.
func (n names) take(kind, key, from string) string {
	name := label(key)
	if have, taken := n[[2]string{kind, name}]; taken && have != from {
		name = translate.OtherName(name, translate.Key{Namespace: kind, Name: from})
	}
	n[[2]string{kind, name}] = from
	return name
}

// label is a text as a DNS-1123 label: small letters, digits and hyphens. It is the text itself where that is one.
func label(text string) string {
	name := strings.Trim(notInLabel.ReplaceAllString(strings.ToLower(text), "-"), "-")
	if name == "" || len(name) > maxLabel {
		name = translate.OtherName(cmp.Or(name, "x"), translate.Key{Name: text})
	}
	return name
}

// maxCronJob is the length of a CronJob's name: those of its Jobs are longer.
const maxCronJob = 52

// cronName is a workload's name as a CronJob may have it.
func cronName(name string) string {
	if len(name) <= maxCronJob {
		return name
	}
	hash := translate.OtherName("", translate.Key{Name: name})
	return strings.Trim(name[:maxCronJob-len(hash)], "-") + hash
}

var notInLabel = regexp.MustCompile(`[^a-z0-9]+`)

// serviceOf is the service that a path of the model is about; "" for none.
func serviceOf(path string) string {
	for _, list := range []string{"services.", "jobs."} {
		if rest, ok := strings.CutPrefix(path, list); ok {
			name, _, _ := strings.Cut(rest, ".")
			name, _, _ = strings.Cut(name, "[")
			return name
		}
	}
	return ""
}
