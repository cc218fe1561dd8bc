package compose

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"skep/translate"
)

const komposePrefix = "kompose."

// splitLabels parts what Kubernetes takes as labels from the rest. What Traefik and kompose read is of the rest: it says
// how a service is routed to and converted, which here is done.
func splitLabels(labels map[string]string) (valid, rest map[string]string) {
	valid, rest = map[string]string{}, map[string]string{}
	for k, v := range labels {
		lower := strings.ToLower(k)
		if strings.HasPrefix(lower, traefikPrefix) || strings.HasPrefix(lower, komposePrefix) ||
			len(validation.IsQualifiedName(k)) > 0 || len(validation.IsValidLabelValue(v)) > 0 {
			rest[k] = v
			continue
		}
		valid[k] = v
	}
	return valid, rest
}

// tidyLabels moves what splitLabels has as the rest from an object's labels to the annotation by which skep gives it back
// to the Swarm.
func tidyLabels(o translate.Object) {
	valid, rest := splitLabels(o.GetLabels())
	if len(rest) == 0 {
		return
	}
	kept := map[string]string{}
	_ = json.Unmarshal([]byte(o.GetAnnotations()[translate.AnnotationSwarmLabels]), &kept) // the lens wrote it, or nobody
	maps.Copy(kept, rest)
	doc, err := json.Marshal(kept)
	if err != nil {
		return // strings can be written
	}
	o.SetLabels(valid)
	annotate(o, translate.AnnotationSwarmLabels, string(doc))
}

// komposeKind is the kind that labels ask for, as kompose has it; "" for none.
func komposeKind(labels map[string]string) string {
	return map[string]string{
		"deployment": string(deployment), "daemonset": string(daemonSet), "statefulset": string(statefulSet),
	}[strings.ToLower(labels["kompose.controller.type"])]
}

// komposeLabels are what kompose's labels do to a service; what is done elsewhere has no function here.
var komposeLabels = map[string]func(c *converter, w *workload, at, value string){
	"kompose.service.type":                                komposeServiceType,
	"kompose.service.nodeport.port":                       nil,
	"kompose.service.external-traffic-policy":             nil,
	"kompose.service.expose":                              nil,
	"kompose.service.expose.tls-secret":                   nil,
	"kompose.service.expose.ingress-class-name":           nil,
	"kompose.service.name_override":                       nil,
	"kompose.service.group":                               komposeGroup,
	"kompose.controller.type":                             komposeController,
	"kompose.controller.port.expose":                      komposeHostPort,
	"kompose.cronjob.schedule":                            komposeCron,
	"kompose.cronjob.concurrency_policy":                  nil,
	"kompose.cronjob.backoff_limit":                       nil,
	"kompose.hpa.cpu":                                     nil,
	"kompose.hpa.memory":                                  nil,
	"kompose.hpa.replicas.min":                            nil,
	"kompose.hpa.replicas.max":                            nil,
	"kompose.image-pull-policy":                           komposePullPolicy,
	"kompose.image-pull-secret":                           komposePullSecret,
	"kompose.init.containers.image":                       komposeInit,
	"kompose.init.containers.name":                        nil,
	"kompose.init.containers.command":                     nil,
	"kompose.security-context.fsgroup":                    komposeFSGroup,
	"kompose.serviceaccount-name":                         komposeServiceAccount,
	"kompose.ephemeral-storage.limit":                     komposeStorageLimit,
	"kompose.ephemeral-storage.request":                   komposeStorageRequest,
	"kompose.volume.subpath":                              komposeSubPath,
	"kompose.volume.size":                                 komposeVolume,
	"kompose.volume.type":                                 komposeVolume,
	"kompose.volume.storage-class-name":                   komposeVolume,
	"kompose.volume.selector":                             komposeVolume,
	"kompose.service.healthcheck.liveness.http_get_path":  nil,
	"kompose.service.healthcheck.liveness.http_get_port":  nil,
	"kompose.service.healthcheck.liveness.tcp_port":       nil,
	"kompose.service.healthcheck.readiness.disable":       nil,
	"kompose.service.healthcheck.readiness.test":          nil,
	"kompose.service.healthcheck.readiness.http_get_path": nil,
	"kompose.service.healthcheck.readiness.http_get_port": nil,
	"kompose.service.healthcheck.readiness.tcp_port":      nil,
	"kompose.service.healthcheck.readiness.interval":      nil,
	"kompose.service.healthcheck.readiness.timeout":       nil,
	"kompose.service.healthcheck.readiness.retries":       nil,
	"kompose.service.healthcheck.readiness.start_period":  nil,
}

// kompose does what kompose's labels ask for, as far as it is about Pods.
func (c *converter) kompose(w *workload) {
	labels := w.service.File.Labels
	for _, key := range sortedKeys(labels) {
		if !strings.HasPrefix(key, komposePrefix) {
			continue
		}
		does, known := komposeLabels[key]
		switch at := w.at + ".labels." + key; {
		case !known:
			c.find(Refused, at, "it is no label that is known here, and has no effect")
		case does != nil:
			does(c, w, at, strings.TrimSpace(labels[key]))
		}
	}
	if d := w.service.File.Deploy; d != nil {
		for _, key := range sortedKeys(d.Labels) {
			if strings.HasPrefix(key, komposePrefix) {
				c.find(Refused, w.at+".deploy.labels."+key, "it has no effect here: kompose reads labels, and not deploy.labels")
			}
		}
	}
	c.komposeProbes(w)
	c.komposeScaler(w)
}

func komposeServiceType(c *converter, _ *workload, at, value string) {
	if !slices.Contains([]string{"nodeport", "loadbalancer", "clusterip", "headless", "none"}, strings.ToLower(value)) {
		c.find(Refused, at, "%q is no type of a Service: nodeport, loadbalancer, clusterip, headless or none", value)
	}
}

func komposeGroup(c *converter, _ *workload, at, value string) {
	c.decide(Refused, at, "services of the group %s stay Pods of their own: put their containers into one Pod by hand, where they call each other localhost", value)
}

func komposeController(c *converter, w *workload, at, value string) {
	if komposeKind(w.service.File.Labels) == "" {
		c.find(Refused, at, "%q is no kind that runs services: deployment, daemonset or statefulset", value)
	}
}

func komposeHostPort(c *converter, _ *workload, at, value string) {
	if on, err := strconv.ParseBool(value); err != nil || on {
		c.find(Approximated, at, "published ports with mode: host are those of the nodes that run a Pod (externalTrafficPolicy: Local); where it has to be the node's own port, write hostPort on the container")
	}
}

// komposeCron has a service run by the clock: Compose's own triggers say the same.
func komposeCron(c *converter, w *workload, _, value string) {
	labels, own := w.service.File.Labels, *w.service
	own.Triggers = &types.TriggerConfig{Schedule: []types.ScheduleConfig{{Cron: value}}}
	if policy := labels["kompose.cronjob.concurrency_policy"]; policy != "" && !strings.EqualFold(policy, "Forbid") {
		c.find(Approximated, w.at+".labels.kompose.cronjob.concurrency_policy", "no two runs go on at once (concurrencyPolicy: Forbid): write %s into the CronJob by hand", policy)
	}
	if text := labels["kompose.cronjob.backoff_limit"]; text != "" {
		limit, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			c.find(Refused, w.at+".labels.kompose.cronjob.backoff_limit", "%q is no number", text)
		} else {
			own.Spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionOnFailure, MaxAttempts: &limit}
			if limit == 0 {
				own.Spec.TaskTemplate.RestartPolicy.Condition = swarm.RestartPolicyConditionNone
			}
		}
	}
	w.service = &own
}

func komposePullPolicy(c *converter, w *workload, at, value string) {
	policies := []corev1.PullPolicy{corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever}
	i := slices.IndexFunc(policies, func(p corev1.PullPolicy) bool { return strings.EqualFold(string(p), value) })
	if i < 0 {
		c.find(Refused, at, "%q is no policy: Always, IfNotPresent or Never", value)
		return
	}
	w.container().ImagePullPolicy = policies[i]
}

func komposePullSecret(c *converter, w *workload, at, value string) {
	if !c.isName(at, value) {
		return
	}
	w.template.Spec.ImagePullSecrets = append(w.template.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: value})
	c.external("Secret", value)
}

// isName says whether a text can be an object's name, and tells where it cannot.
func (c *converter) isName(at, value string) bool {
	if problems := validation.IsDNS1123Subdomain(value); len(problems) > 0 {
		c.find(Refused, at, "%q is no name of an object: %s", value, problems[0])
		return false
	}
	return true
}

// komposeInit adds a container that runs before.
func komposeInit(c *converter, w *workload, at, value string) {
	labels := w.service.File.Labels
	if value == "" {
		c.find(Refused, at, "there is no image to run")
		return
	}
	con := corev1.Container{Name: label(either(labels["kompose.init.containers.name"], "init-service")), Image: value}
	if command := strings.TrimSpace(labels["kompose.init.containers.command"]); command != "" && json.Unmarshal([]byte(command), &con.Command) != nil {
		con.Command = strings.Fields(command)
	}
	w.template.Spec.InitContainers = append(w.template.Spec.InitContainers, con)
}

func komposeFSGroup(c *converter, w *workload, at, value string) {
	id, err := strconv.ParseInt(value, 10, 32)
	if err != nil || id < 0 {
		c.find(Refused, at, "%q is no number of a group", value)
		return
	}
	w.podSecurity().FSGroup = &id
}

func komposeServiceAccount(c *converter, w *workload, at, value string) {
	if c.isName(at, value) {
		w.template.Spec.ServiceAccountName = value
		c.external("ServiceAccount", value)
	}
}

func komposeStorageLimit(c *converter, w *workload, at, value string) {
	c.ephemeral(at, value, &w.container().Resources.Limits)
}

func komposeStorageRequest(c *converter, w *workload, at, value string) {
	c.ephemeral(at, value, &w.container().Resources.Requests)
}

func (c *converter) ephemeral(at, value string, list *corev1.ResourceList) {
	quantity, err := resource.ParseQuantity(value)
	if err != nil || quantity.Sign() <= 0 {
		c.find(Refused, at, "%q is no size: a number with a unit, such as 1Gi", value)
		return
	}
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[corev1.ResourceEphemeralStorage] = quantity
}

// komposeSubPath mounts a directory of the claims in place of all.
func komposeSubPath(c *converter, w *workload, at, value string) {
	if value == "" || strings.HasPrefix(value, "/") || slices.Contains(strings.Split(value, "/"), "..") {
		c.find(Refused, at, "%q is no path below a volume", value)
		return
	}
	for i := range w.container().VolumeMounts {
		m := &w.container().VolumeMounts[i]
		if slices.ContainsFunc(w.template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name && v.PersistentVolumeClaim != nil }) {
			m.SubPath = value
		}
	}
}

func komposeVolume(c *converter, _ *workload, at, _ string) {
	c.find(Refused, at, "volumes are shared, so it has no effect on a service: write kompose.volume.size on the volume (volumes.NAME.labels), or use --volume-size and --storage-class")
}

// komposeProbes are the probes that labels ask for, over those of the health check.
func (c *converter) komposeProbes(w *workload) {
	const of = "kompose.service.healthcheck."
	labels, con := w.service.File.Labels, w.container()
	if p := c.komposeProbe(w, of+"liveness."); p != nil {
		con.LivenessProbe = p
	}
	if p := c.komposeProbe(w, of+"readiness."); p != nil {
		con.ReadinessProbe = p
	}
	if off, _ := strconv.ParseBool(labels[of+"readiness.disable"]); off {
		con.ReadinessProbe = nil
	}
}

// komposeProbe is the probe of labels with a prefix; nil for none.
func (c *converter) komposeProbe(w *workload, prefix string) *corev1.Probe {
	labels, p := w.service.File.Labels, &corev1.Probe{}
	http, tcp, test := portNumber(labels[prefix+"http_get_port"]), portNumber(labels[prefix+"tcp_port"]), labels[prefix+"test"]
	switch {
	case http != 0:
		p.HTTPGet = &corev1.HTTPGetAction{Path: either(labels[prefix+"http_get_path"], "/"), Port: intstr.FromInt32(http)}
	case tcp != 0:
		p.TCPSocket = &corev1.TCPSocketAction{Port: intstr.FromInt32(tcp)}
	case test != "":
		p.Exec = &corev1.ExecAction{}
		if json.Unmarshal([]byte(test), &p.Exec.Command) != nil {
			p.Exec.Command = []string{"/bin/sh", "-c", test}
		} else if len(p.Exec.Command) > 0 && strings.HasPrefix(p.Exec.Command[0], "CMD") {
			if p.Exec.Command = p.Exec.Command[1:]; strings.HasPrefix(test, `["CMD-SHELL"`) {
				p.Exec.Command = append([]string{"/bin/sh", "-c"}, p.Exec.Command...)
			}
		}
		if len(p.Exec.Command) == 0 {
			return nil
		}
	default:
		return nil
	}
	for option, to := range map[string]*int32{
		"interval": &p.PeriodSeconds, "timeout": &p.TimeoutSeconds, "start_period": &p.InitialDelaySeconds,
	} {
		if text := labels[prefix+option]; text != "" {
			d, err := time.ParseDuration(text)
			if err != nil || d < 0 || d > 24*time.Hour {
				c.find(Refused, w.at+".labels."+prefix+option, "%q is no duration", text)
				continue
			}
			*to = int32((d + time.Second - 1) / time.Second)
		}
	}
	p.FailureThreshold = portNumber(labels[prefix+"retries"])
	return p
}
