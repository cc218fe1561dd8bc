package translate

import (
	"fmt"
	"regexp"
	"strings"
)

// Swarm expands Go templates in env, hostname and mounts. Inside skep a value is plain text in which a
// template stands between two mark bytes; render turns it into what Swarm reads, plain turns it back.
const mark = "\x00"

// escapedBraces and escapedBrace are how a template says "{{" and "{" and means just that.
const (
	escapedBraces = `{{"{{"}}`
	escapedBrace  = `{{"{"}}`
)

func marked(template string) string { return mark + template + mark }
func isMarked(v string) bool        { return strings.Contains(v, mark) }

// nodeName is the template for the node that runs the task.
const nodeName = `{{.Node.Hostname}}`

// render gives v as Swarm reads it.
func render(v string) string {
	parts := strings.Split(v, mark)
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.ReplaceAll(parts[i], "{{", escapedBraces)
		// A brace right before a template would be read as part of its opening.
		if i+1 < len(parts) && strings.HasSuffix(parts[i], "{") {
			parts[i] = strings.TrimSuffix(parts[i], "{") + escapedBrace
		}
	}
	return strings.Join(parts, "")
}

// plain gives Swarm's text as a literal; ok is false where it holds a template of its own.
func plain(s string) (literal string, ok bool) {
	literal = strings.ReplaceAll(s, escapedBraces, "{{")
	return literal, render(literal) == s
}

// podName is the Pod's name: known, or known once the task has an id.
func (id PodIdentity) podName() string {
	switch {
	case !id.Generated:
		return id.Name
	case id.First != nil:
		return id.Name + "-" + marked(ordinal(*id.First))
	case id.Indexed:
		return id.Name + "-" + marked(jobIndex) + "-" + marked(`{{printf "%.5s" .Task.ID}}`)
	}
	return marked(fmt.Sprintf(`{{printf "%s-%%.5s" .Task.ID}}`, id.Name))
}

// hostname is the Pod's name cut to what Linux allows, where the kubelet cuts, too.
func (id PodIdentity) hostname() string {
	const limit = 63
	room := limit - len(id.Name)
	switch {
	case id.First != nil:
		return strings.TrimRight(id.Name[:min(limit-maxOrdinal-1, len(id.Name))], "-.") + "-" + marked(ordinal(*id.First))
	case id.Indexed:
		return strings.TrimRight(id.Name[:min(limit-maxOrdinal-1, len(id.Name))], "-.") + "-" + marked(jobIndex)
	case !id.Generated || room <= 1:
		return strings.TrimRight(id.Name[:min(limit, len(id.Name))], "-.")
	case room <= 5:
		return marked(fmt.Sprintf(`{{printf "%s-%%.%ds" .Task.ID}}`, id.Name, room-1))
	}
	return id.podName()
}

// maxOrdinal is how many digits of an ordinal a hostname has room for at least.
const maxOrdinal = 4

// ordinal is the template for the number of a StatefulSet's Pod. Swarm counts replicas from 1, and its templates know no
// arithmetic: text as wide as the slot's number says has that length.
func ordinal(first int32) string {
	switch first {
	case 0:
		return `{{len (slice (printf (printf "%%%ss" .Task.Slot) "") 1)}}`
	case 1:
		return `{{.Task.Slot}}`
	}
	return fmt.Sprintf(`{{len (printf (printf "%%%%%%ss%%%%%%ds" .Task.Slot %d) "" "")}}`, first-1)
}

// jobIndex is the template for the number of an Indexed Job's Pod. Swarm counts a job's slots from 0, and where there is 0
// its templates have the node's ID.
const jobIndex = `{{if eq .Task.Slot .Node.ID}}0{{else}}{{.Task.Slot}}{{end}}`

// indexedPattern is for the hostnames of an Indexed Job's Pods.
var indexedPattern = regexp.MustCompile(`^[a-z0-9.-]+-` + regexp.QuoteMeta(jobIndex) + `$`)

// numberedPattern is for the names of a StatefulSet's Pods, as render gives them.
var numberedPattern = regexp.MustCompile(`^[a-z0-9.-]+-\{\{(\.Task\.Slot|len \((slice|printf) \(printf \(?[^{}]*\.Task\.Slot[^{}]*)\}\}$`)

var podNamePattern = regexp.MustCompile(`^\{\{printf "[a-z0-9.-]+-%\.[1-5]s" \.Task\.ID\}\}$`)

// isPodName recognizes a Generated Pod's name, or a StatefulSet's Pod's.
func isPodName(s string) bool {
	return podNamePattern.MatchString(s) || numberedPattern.MatchString(s) || indexedPattern.MatchString(s)
}
