package compose

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// komposeScaler is the autoscaler that labels ask for.
func (c *converter) komposeScaler(w *workload) {
	labels := w.service.File.Labels
	at := w.at + ".labels.kompose.hpa"
	if !slices.ContainsFunc(slices.Collect(maps.Keys(labels)), func(k string) bool { return strings.HasPrefix(k, "kompose.hpa.") }) {
		return
	}
	k := c.kindOf(w)
	if k != deployment && k != statefulSet {
		c.find(Refused, at, "a %s has no number of replicas that could be scaled", k)
		return
	}
	lowest, highest := int32(1), int32(3) // kompose's defaults
	if n := portNumber(labels["kompose.hpa.replicas.min"]); n > 0 {
		lowest = n
	}
	if n := portNumber(labels["kompose.hpa.replicas.max"]); n > 0 {
		highest = n
	}
	scaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: newMeta(w.name), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: string(k), Name: w.name},
		MinReplicas:    &lowest, MaxReplicas: max(lowest, highest),
	}}
	scaler.Labels = map[string]string{LabelName: w.name}
	for _, of := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if percent := portNumber(labels["kompose.hpa."+string(of)]); percent > 0 {
			scaler.Spec.Metrics = append(scaler.Spec.Metrics, autoscalingv2.MetricSpec{
				Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
					Name: of, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
				},
			})
		}
	}
	c.find(Approximated, at, "the autoscaler needs metrics of the Pods (metrics-server), and requests of what it goes by; skep itself scales nothing")
	c.add(scaler, at)
}

// komposeExpose is the Ingress that labels ask for: of any host (true), or of hosts with paths behind them.
func (c *converter) komposeExpose(w *workload) {
	const key = "kompose.service.expose"
	labels, at := w.service.File.Labels, w.at+".labels."+key
	value, asked := labels[key]
	if !asked || strings.EqualFold(value, "false") || value == "" {
		return
	}
	if len(w.container().Ports) == 0 {
		c.find(Refused, at, "it has no port that an Ingress could lead to: write ports or expose")
		return
	}
	var paths []ingressPath
	if on, err := strconv.ParseBool(value); err == nil && on {
		paths = []ingressPath{{"", "/", networkingv1.PathTypePrefix}}
	} else {
		for _, text := range words(value) {
			host, path, _ := strings.Cut(text, "/")
			p := hostPath{host: strings.ToLower(host), path: "/" + path}
			if problem := p.problem(); problem != "" {
				c.find(Refused, at, "left out of the Ingress: %s", problem)
				continue
			}
			paths = append(paths, ingressPath{p.host, p.path, p.pathType()})
		}
	}
	if len(paths) == 0 {
		return
	}
	name := c.names.take("Ingress", w.name, at)
	i := c.ingress(name, w, w.container().Ports[0].ContainerPort, paths)
	if class := labels[key+".ingress-class-name"]; class != "" && c.isName(at+".ingress-class-name", class) {
		i.Spec.IngressClassName = &class
	}
	if secret := labels[key+".tls-secret"]; secret != "" && c.isName(at+".tls-secret", secret) {
		tls := networkingv1.IngressTLS{SecretName: secret}
		for _, rule := range i.Spec.Rules {
			if rule.Host != "" {
				tls.Hosts = append(tls.Hosts, rule.Host)
			}
		}
		i.Spec.TLS = []networkingv1.IngressTLS{tls}
		c.external("Secret", secret)
	}
	c.add(i, at)
}
