package compose

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// call is a place where a service names what may be another's host.
type call struct {
	at   string // in the model
	from *workload
	port int32 // 0 for none
}

// calls are the places where services name something, by the name in small letters. What stands there need not be a host:
// what comes of it does no harm where it is none.
type calls map[string][]call

// hostPort is what may be a host, with a port behind it or without.
var hostPort = regexp.MustCompile(`([A-Za-z0-9][A-Za-z0-9_.-]*)(?::([0-9]{1,5})\b)?`)

// callsOf looks through what services are told: their environment and their command lines.
func callsOf(all []*workload) calls {
	out := calls{}
	for _, w := range all {
		f := w.service.File
		for _, key := range sortedKeys(f.Environment) {
			if value := f.Environment[key]; value != nil {
				out.look(w, w.at+".environment."+key, *value)
			}
		}
		out.look(w, w.at+".command", strings.Join(f.Command, " "))
		out.look(w, w.at+".entrypoint", strings.Join(f.Entrypoint, " "))
	}
	return out
}

func (c calls) look(w *workload, at, text string) {
	for _, m := range hostPort.FindAllStringSubmatch(text, -1) {
		number, _ := strconv.Atoi(m[2]) // digits, or none
		name := strings.ToLower(strings.TrimRight(m[1], ".-_"))
		c[name] = append(c[name], call{at, w, int32(number)})
	}
}

// by are the places where others than a workload name it so.
func (c calls) by(name string, w *workload) []call {
	var all []call
	for _, one := range c[strings.ToLower(name)] {
		if one.from != w && !slices.ContainsFunc(all, func(have call) bool { return have.at == one.at }) {
			all = append(all, one)
		}
	}
	return all
}

// dialled are the ports at which others call a workload, by number.
func (c calls) dialled(w *workload) []port {
	var all []port
	for _, one := range c[strings.ToLower(w.service.Key)] {
		if one.from != w {
			all = addPort(all, port{number: one.port, protocol: corev1.ProtocolTCP})
		}
	}
	slices.SortFunc(all, func(a, b port) int { return cmp.Compare(a.number, b.number) })
	return all
}
