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
	if !id.Generated {
		return id.Name
	}
	return marked(fmt.Sprintf(`{{printf "%s-%%.5s" .Task.ID}}`, id.Name))
}

// hostname is the Pod's name cut to what Linux allows, where the kubelet cuts, too.
func (id PodIdentity) hostname() string {
	const limit = 63
	room := limit - len(id.Name)
	switch {
	case !id.Generated || room <= 1:
		return strings.TrimRight(id.Name[:min(limit, len(id.Name))], "-.")
	case room <= 5:
		return marked(fmt.Sprintf(`{{printf "%s-%%.%ds" .Task.ID}}`, id.Name, room-1))
	}
	return id.podName()
}

var podNamePattern = regexp.MustCompile(`^\{\{printf "[a-z0-9.-]+-%\.[1-5]s" \.Task\.ID\}\}$`)

// isPodName recognizes a Generated Pod's name.
func isPodName(s string) bool { return podNamePattern.MatchString(s) }
