package translate

import (
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// putContainer says what runs. It needs the resolved environment for Kubernetes' $(VAR).
func (p *putter) putContainer() {
	p.spec.Image = p.c.Image
	p.spec.Command = p.expandAll(p.cAt.Child("command"), p.c.Command)
	p.spec.Args = p.expandAll(p.cAt.Child("args"), p.c.Args)
	p.spec.Dir = p.c.WorkingDir
	p.spec.OpenStdin, p.spec.TTY = p.c.Stdin, p.c.TTY
	ro := securityOf(p.c).ReadOnlyRootFilesystem
	p.spec.ReadOnly = ro != nil && *ro
}

// expandAll expands $(VAR) as the kubelet does. Swarm expands its templates in env but not here, so a
// variable that only a node knows cannot be used.
func (p *putter) expandAll(at *field.Path, words []string) []string {
	var out []string
	for i, w := range words {
		w = expansion.Expand(w, expansion.MappingFuncFor(p.env))
		if isMarked(w) {
			p.refuse(at.Index(i), "refers to a variable that is known only where the task runs, and Swarm fills it in only in env: let a shell expand $VAR instead of $(VAR)")
		}
		out = append(out, w)
	}
	return out
}

// dollars guards a literal from Kubernetes' $(VAR) expansion.
func dollars(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '$' && i+1 < len(s) && (s[i+1] == '$' || s[i+1] == '(') {
			b.WriteByte('$')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func allDollars(words []string) []string {
	var out []string
	for _, w := range words {
		out = append(out, dollars(w))
	}
	return out
}

// imageAt has the tag that Docker adds to a name without one.
func imageAt(s *swarm.TaskSpec) any {
	image := containerSpec(s).Image
	if image != "" && !strings.ContainsAny(path.Base(image), ":@") {
		image += ":latest"
	}
	return image
}

func getImage(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	podContainer(o).Image = containerSpec(s).Image
}
func commandAt(s *swarm.TaskSpec) any { return containerSpec(s).Command }
func argsAt(s *swarm.TaskSpec) any    { return containerSpec(s).Args }
func dirAt(s *swarm.TaskSpec) any     { return containerSpec(s).Dir }
func getDir(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	podContainer(o).WorkingDir = containerSpec(s).Dir
}
func readOnlyAt(s *swarm.TaskSpec) any { return containerSpec(s).ReadOnly }

func getCommand(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	podContainer(o).Command = allDollars(containerSpec(s).Command)
}

func getArgs(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	podContainer(o).Args = allDollars(containerSpec(s).Args)
}

func terminalAt(s *swarm.TaskSpec) any {
	return []bool{containerSpec(s).OpenStdin, containerSpec(s).TTY}
}

func getTerminal(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	c := podContainer(o)
	c.Stdin, c.TTY = containerSpec(s).OpenStdin, containerSpec(s).TTY
	c.StdinOnce = c.StdinOnce && c.Stdin
}

func getReadOnly(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	setSecurity(podContainer(o), func(sc *corev1.SecurityContext) {
		sc.ReadOnlyRootFilesystem = nil
		if containerSpec(s).ReadOnly {
			sc.ReadOnlyRootFilesystem = new(true)
		}
	})
}

// putHostname gives the container its Pod's name for a hostname, as the kubelet does.
func (p *putter) putHostname() {
	switch {
	case p.pod.HostNetwork: // the node's
	case p.pod.HostnameOverride != nil && *p.pod.HostnameOverride != "":
		p.spec.Hostname = *p.pod.HostnameOverride
	case p.pod.Hostname != "":
		p.spec.Hostname = p.pod.Hostname
	default:
		p.spec.Hostname = render(p.id.hostname())
	}
}

// isOwnName says whether a task's hostname is its Pod's name, as skep writes it. Docker's tools number hostnames, too.
func isOwnName(c *swarm.ContainerSpec) bool {
	pod := c.Labels[LabelPod]
	return pod != "" && c.Hostname == pod || isPodName(c.Hostname) && (pod != "" || !numberedPattern.MatchString(c.Hostname))
}

func hostnameAt(s *swarm.TaskSpec) any { return containerSpec(s).Hostname }

func getHostname(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	name := containerSpec(s).Hostname
	o.Spec.Hostname, o.Spec.HostnameOverride = "", nil
	if name == "" || isOwnName(containerSpec(s)) || len(validation.IsDNS1123Label(name)) > 0 {
		return
	}
	o.Spec.Hostname = name
}

// swarmOnly are labels that Docker or skep keep for themselves.
func swarmOnly(key string) bool {
	return strings.HasPrefix(key, "com.docker.") || strings.HasPrefix(key, "skep.") || strings.HasPrefix(key, "io.kubernetes.")
}

func (p *putter) putLabels() {
	labels := map[string]string{
		LabelContainer:    p.c.Name,
		LabelPodNamespace: p.id.Namespace,
		LabelPod:          p.id.Name,
	}
	for k, v := range p.tpl.Labels {
		if !swarmOnly(k) {
			labels[k] = v
		}
	}
	for k, v := range p.id.revisionLabels() {
		labels[k] = v
	}
	if p.id.First != nil && *p.id.First != 0 {
		labels[LabelFirst] = strconv.Itoa(int(*p.id.First))
	}
	p.spec.Labels = labels
}

// containerLabels are those that a Pod template can carry. The template's hash is its owner's business.
func containerLabels(spec *swarm.ContainerSpec) map[string]string {
	out := map[string]string{}
	for k, v := range spec.Labels {
		if !swarmOnly(k) && !isHashLabel(k) && validLabel(k, v) {
			out[k] = v
		}
	}
	return out
}

func validLabel(key, value string) bool {
	return len(validation.IsQualifiedName(key)) == 0 && len(validation.IsValidLabelValue(value)) == 0
}

func labelsAt(s *swarm.TaskSpec) any { return containerLabels(containerSpec(s)) }

// getLabels shows Docker's own labels too, so that Pods can be selected by stack. Put never writes them.
func getLabels(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	labels := containerLabels(containerSpec(s))
	for k, v := range containerSpec(s).Labels {
		if strings.HasPrefix(k, "com.docker.") && validLabel(k, v) {
			labels[k] = v
		}
	}
	for k, v := range o.Labels {
		if isHashLabel(k) || swarmOnly(k) {
			labels[k] = v
		}
	}
	if o.Labels = labels; len(labels) == 0 {
		o.Labels = nil
	}
}

var restartConditions = map[corev1.RestartPolicy]swarm.RestartPolicyCondition{
	corev1.RestartPolicyAlways:    swarm.RestartPolicyConditionAny,
	corev1.RestartPolicyOnFailure: swarm.RestartPolicyConditionOnFailure,
	corev1.RestartPolicyNever:     swarm.RestartPolicyConditionNone,
}

func (p *putter) putRestart() {
	if condition := restartConditions[p.pod.RestartPolicy]; condition != "" {
		p.plan.Task.RestartPolicy = &swarm.RestartPolicy{Condition: condition}
	}
}

// restartAt knows that Swarm fills in "any".
func restartAt(s *swarm.TaskSpec) any {
	if s.RestartPolicy == nil || s.RestartPolicy.Condition == "" {
		return swarm.RestartPolicyConditionAny
	}
	return s.RestartPolicy.Condition
}

func getRestart(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	setCondition(o, "") // the policy says it, unless AlwaysRestart takes it away
	switch restartAt(s) {
	case swarm.RestartPolicyConditionOnFailure:
		o.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	case swarm.RestartPolicyConditionNone:
		o.Spec.RestartPolicy = corev1.RestartPolicyNever
	default:
		o.Spec.RestartPolicy = corev1.RestartPolicyAlways
	}
}

func (p *putter) putGrace() {
	if grace := p.pod.TerminationGracePeriodSeconds; grace != nil {
		p.spec.StopGracePeriod = new(time.Duration(*grace) * time.Second)
	}
	if l := p.c.Lifecycle; l != nil && l.StopSignal != nil {
		p.spec.StopSignal = string(*l.StopSignal)
	}
}

func graceAt(s *swarm.TaskSpec) any {
	return []any{containerSpec(s).StopGracePeriod, containerSpec(s).StopSignal}
}

func getGrace(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	spec, c := containerSpec(s), podContainer(o)
	// Docker's own default is 10 seconds.
	grace := 10 * time.Second
	if spec.StopGracePeriod != nil {
		grace = *spec.StopGracePeriod
	}
	o.Spec.TerminationGracePeriodSeconds = new(max(0, ceilSeconds(grace)))
	signal := stopSignal(spec.StopSignal)
	if signal == "" {
		if c.Lifecycle != nil {
			c.Lifecycle.StopSignal = nil
			if *c.Lifecycle == (corev1.Lifecycle{}) {
				c.Lifecycle = nil
			}
		}
		return
	}
	if c.Lifecycle == nil {
		c.Lifecycle = &corev1.Lifecycle{}
	}
	c.Lifecycle.StopSignal = new(corev1.Signal(signal))
	if o.Spec.OS == nil { // Kubernetes allows a stop signal only where the system is named
		o.Spec.OS = &corev1.PodOS{Name: corev1.Linux}
	}
}

// stopSignal is Docker's signal by the name that Kubernetes knows, "" where it knows none.
func stopSignal(docker string) string {
	name := strings.ToUpper(docker)
	if name != "" && !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if signalPattern.MatchString(name) {
		return name
	}
	return ""
}

func ceilSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// setAnnotation writes or, with an empty value, removes. The map is copied: templates are often shared.
func setAnnotation(o *corev1.PodTemplateSpec, key, value string) {
	annotations := maps.Clone(o.Annotations)
	if value == "" {
		delete(annotations, key)
	} else {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[key] = value
	}
	if o.Annotations = annotations; len(annotations) == 0 {
		o.Annotations = nil
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// jsonMap reads a JSON object out of an annotation; nil where there is none to read.
func jsonMap(doc string) map[string]string {
	var m map[string]string
	if json.Unmarshal([]byte(doc), &m) != nil {
		return nil
	}
	return m
}

// signalPattern is every name that Kubernetes' validation takes on Linux.
var signalPattern = regexp.MustCompile(`^SIG(ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|STKFLT|STOP|SYS|` +
	`TERM|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?)$`)
