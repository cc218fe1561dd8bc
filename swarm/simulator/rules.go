package simulator

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/swarmkit/v2/api"
	"sigs.k8s.io/yaml"
)

// Rules say how simulated nodes and containers behave. The first rule that matches and says something about a matter
// decides it; labels of the service, or of its containers, go before all rules (see Label).
type Rules struct {
	Nodes []NodeRule `json:"nodes,omitempty"`
	Tasks []TaskRule `json:"tasks,omitempty"`
}

// NodeRule is about the nodes whose hostname matches: a pattern of path.Match, all when empty.
type NodeRule struct {
	Match  string            `json:"match,omitempty"`
	CPUs   float64           `json:"cpus,omitempty"`   // cores
	Memory string            `json:"memory,omitempty"` // such as 8GiB
	Labels map[string]string `json:"labels,omitempty"`
	// Down is when the node fails, counted from the start of the simulation; Back when it returns.
	Down Span `json:"down,omitempty"`
	Back Span `json:"back,omitempty"`
}

// TaskRule is about the tasks whose service and image match: patterns of path.Match, all when empty. A "/" in an image
// is matched only by a "/".
type TaskRule struct {
	Service   string `json:"service,omitempty"`
	Image     string `json:"image,omitempty"`
	Behaviour `json:",inline"`
}

// Behaviour is what a container does. What is not said does not happen, and takes no time.
type Behaviour struct {
	Pull      string   `json:"pull,omitempty"`      // the registry's error
	Start     Span     `json:"start,omitempty"`     // from the pull to running
	Exit      Span     `json:"exit,omitempty"`      // from running to its own end
	Code      *int     `json:"code,omitempty"`      // with which it ends
	Unhealthy Span     `json:"unhealthy,omitempty"` // from running to a failed health check
	Stop      Span     `json:"stop,omitempty"`      // from the signal to the end, at most the grace period
	Log       []string `json:"log,omitempty"`       // what it writes at its start
}

// Span is a time, or a range "1s-5s" from which each task draws its own.
type Span struct{ Least, Most time.Duration }

// UnmarshalJSON reads "2s" or "1s-5s".
func (s *Span) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("a time is a text such as 2s or 1s-5s: %w", err)
	}
	return s.parse(text)
}

// MarshalJSON writes what UnmarshalJSON reads.
func (s Span) MarshalJSON() ([]byte, error) {
	if s.Least == s.Most {
		return json.Marshal(s.Least.String())
	}
	return json.Marshal(s.Least.String() + "-" + s.Most.String())
}

func (s *Span) parse(text string) error {
	least, most, isRange := strings.Cut(text, "-")
	if !isRange {
		most = least
	}
	var err error
	if s.Least, err = time.ParseDuration(least); err != nil {
		return err
	}
	if s.Most, err = time.ParseDuration(most); err != nil {
		return err
	}
	if s.Least < 0 || s.Most < s.Least {
		return fmt.Errorf("%q is no time or range of times", text)
	}
	return nil
}

// said says whether a span was given at all; "0s" is said as one nanosecond would be.
func (s Span) said() bool { return s.Most > 0 }

// draw picks a time of the range.
func (s Span) draw(r *rand.Rand) time.Duration {
	if s.Most <= s.Least {
		return s.Least
	}
	return s.Least + time.Duration(r.Int64N(int64(s.Most-s.Least)))
}

// ParseRules reads rules from YAML or JSON. An unknown field is an error.
func ParseRules(data []byte) (Rules, error) {
	var rules Rules
	if err := yaml.UnmarshalStrict(data, &rules); err != nil {
		return rules, err
	}
	for i, n := range rules.Nodes {
		if _, err := path.Match(n.Match, ""); err != nil {
			return rules, fmt.Errorf("nodes[%d].match: %w", i, err)
		}
		if _, err := n.memory(); err != nil {
			return rules, fmt.Errorf("nodes[%d].memory: %w", i, err)
		}
	}
	for i, t := range rules.Tasks {
		if _, err := path.Match(t.Service, ""); err != nil {
			return rules, fmt.Errorf("tasks[%d].service: %w", i, err)
		}
		if _, err := path.Match(t.Image, ""); err != nil {
			return rules, fmt.Errorf("tasks[%d].image: %w", i, err)
		}
	}
	return rules, nil
}

func (n NodeRule) memory() (int64, error) {
	if n.Memory == "" {
		return 0, nil
	}
	return units.RAMInBytes(n.Memory)
}

// of is the rule of a node, put together from all that match.
func (r Rules) node(hostname string) NodeRule {
	var sum NodeRule
	for _, n := range r.Nodes {
		if !matches(n.Match, hostname) {
			continue
		}
		sum.CPUs = first(sum.CPUs, n.CPUs)
		sum.Memory = first(sum.Memory, n.Memory)
		sum.Down, sum.Back = first(sum.Down, n.Down), first(sum.Back, n.Back)
		if sum.Labels == nil {
			sum.Labels = n.Labels
		}
	}
	return sum
}

// image is the error that a registry gives for an image; empty for none.
func (r Rules) image(image string) string {
	for _, t := range r.Tasks {
		if t.Service == "" && t.Pull != "" && matches(t.Image, image) {
			return t.Pull
		}
	}
	return ""
}

// task is the behaviour of a task's container.
func (r Rules) task(t *api.Task) (Behaviour, error) {
	b, err := labelled(t)
	if err != nil {
		return b, err
	}
	for _, rule := range r.Tasks {
		if !matches(rule.Service, t.ServiceAnnotations.Name) || !matches(rule.Image, imageOf(t)) {
			continue
		}
		b.Pull = first(b.Pull, rule.Pull)
		b.Start, b.Exit = first(b.Start, rule.Start), first(b.Exit, rule.Exit)
		b.Unhealthy, b.Stop = first(b.Unhealthy, rule.Unhealthy), first(b.Stop, rule.Stop)
		b.Code = first(b.Code, rule.Code)
		if b.Log == nil {
			b.Log = rule.Log
		}
	}
	return b, nil
}

// Label is the prefix of the labels that say how a service's containers behave: simulate.pull, simulate.start,
// simulate.exit, simulate.code, simulate.unhealthy, simulate.stop and simulate.log, with the values of Behaviour.
const Label = "simulate."

// labelled is the behaviour that a task's labels give: the service's, then the container's.
func labelled(t *api.Task) (Behaviour, error) {
	var b Behaviour
	sources := []map[string]string{t.ServiceAnnotations.Labels}
	if c := t.Spec.GetContainer(); c != nil {
		sources = append(sources, c.Labels)
	}
	spans := map[string]*Span{"start": &b.Start, "exit": &b.Exit, "unhealthy": &b.Unhealthy, "stop": &b.Stop}
	for _, labels := range sources {
		for key, span := range spans {
			if text, ok := labels[Label+key]; ok && !span.said() {
				if err := span.parse(text); err != nil {
					return b, fmt.Errorf("label %s%s: %w", Label, key, err)
				}
			}
		}
		b.Pull = first(b.Pull, labels[Label+"pull"])
		if text, ok := labels[Label+"code"]; ok && b.Code == nil {
			code, err := strconv.Atoi(text)
			if err != nil {
				return b, fmt.Errorf("label %scode: %w", Label, err)
			}
			b.Code = &code
		}
		if text := labels[Label+"log"]; text != "" && b.Log == nil {
			b.Log = strings.Split(text, "\n")
		}
	}
	return b, nil
}

func first[T comparable](values ...T) T {
	var none T
	for _, v := range values {
		if v != none {
			return v
		}
	}
	return none
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return pattern == "" || err == nil && ok
}

// chance is the random source of one thing: the same for the same seed and names, whatever else happens.
func chance(seed int64, names ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, names...)
	return rand.New(rand.NewPCG(uint64(seed), h.Sum64()))
}

func imageOf(t *api.Task) string {
	if c := t.Spec.GetContainer(); c != nil {
		return c.Image
	}
	return ""
}
