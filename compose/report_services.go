package compose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"

	"skep/translate"
)

// servicesOf are what runs, by name.
func servicesOf(r *Result) []reportService {
	all := []reportService{}
	for _, object := range r.Objects {
		template, how := podsOf(object)
		if template == nil {
			continue
		}
		s := reportService{
			Name: object.GetName(), From: object.GetAnnotations()[AnnotationFrom],
			Kind: object.GetObjectKind().GroupVersionKind().Kind, Replicas: how,
		}
		for _, c := range template.Spec.Containers {
			s.Images = append(s.Images, c.Image)
		}
		for _, c := range template.Spec.InitContainers {
			s.Images = append(s.Images, c.Image+" (before)")
		}
		s.Inside, s.Outside = reached(r, object.GetNamespace(), template)
		s.Claims = claimsOf(r, object, template)
		for _, f := range r.Findings {
			if f.Service != "" && serviceOf(s.From) == f.Service && f.Fate != Meaningless {
				s.Findings++
			}
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b reportService) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// podsOf is an object's Pod template, and how many Pods it makes; nil where it makes none.
func podsOf(object translate.Object) (*corev1.PodTemplateSpec, string) {
	number := func(n *int32) string {
		if n == nil {
			return "1"
		}
		return fmt.Sprint(*n)
	}
	switch o := object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template, number(o.Spec.Replicas)
	case *appsv1.StatefulSet:
		return &o.Spec.Template, number(o.Spec.Replicas)
	case *appsv1.DaemonSet:
		return &o.Spec.Template, "one per node"
	case *batchv1.Job:
		how := number(o.Spec.Completions) + " to completion"
		if o.Spec.Suspend != nil && *o.Spec.Suspend {
			how += ", suspended"
		}
		return &o.Spec.Template, how
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template, "at " + o.Spec.Schedule
	}
	return nil, ""
}

// reached says by which Services and Ingresses Pods are reached.
func reached(r *Result, namespace string, template *corev1.PodTemplateSpec) (inside, outside []string) {
	var names []string
	for _, object := range r.Objects {
		s, ok := object.(*corev1.Service)
		if !ok || s.Namespace != namespace || len(s.Spec.Selector) == 0 || !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(template.Labels)) {
			continue
		}
		names = append(names, s.Name)
		var ports []string
		for _, p := range s.Spec.Ports {
			port := fmt.Sprint(p.Port)
			if p.NodePort != 0 {
				port = fmt.Sprintf("%d on each node", p.NodePort)
			}
			if p.Protocol != "" && p.Protocol != corev1.ProtocolTCP {
				port += "/" + strings.ToLower(string(p.Protocol))
			}
			ports = append(ports, port)
		}
		switch text := strings.Join(ports, ", "); s.Spec.Type {
		case corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort:
			outside = append(outside, fmt.Sprintf("%s %s: %s", s.Spec.Type, s.Name, text))
		default:
			inside = append(inside, strings.TrimSuffix(s.Name+": "+text, ": "))
		}
	}
	return inside, append(outside, ingressesTo(r, namespace, names)...)
}

// ingressesTo are the addresses of Ingresses that lead to one of the Services.
func ingressesTo(r *Result, namespace string, services []string) []string {
	var all []string
	for _, object := range r.Objects {
		in, ok := object.(*networkingv1.Ingress)
		if !ok || in.Namespace != namespace {
			continue
		}
		var secure []string
		for _, t := range in.Spec.TLS {
			secure = append(secure, t.Hosts...)
		}
		for _, rule := range in.Spec.Rules {
			if rule.HTTP == nil {
				continue
			}
			for _, p := range rule.HTTP.Paths {
				if p.Backend.Service == nil || !slices.Contains(services, p.Backend.Service.Name) {
					continue
				}
				scheme := "http://"
				if slices.Contains(secure, rule.Host) {
					scheme = "https://"
				}
				address := scheme + either(rule.Host, "*") + p.Path
				if !slices.Contains(all, address) {
					all = append(all, address)
				}
			}
		}
	}
	return all
}

// claimsOf are the claims that Pods mount, with what they ask for.
func claimsOf(r *Result, object translate.Object, template *corev1.PodTemplateSpec) []string {
	var all []string
	for _, v := range template.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		name := v.PersistentVolumeClaim.ClaimName
		text := name + " (has to be there)"
		for _, other := range r.Objects {
			if claim, ok := other.(*corev1.PersistentVolumeClaim); ok && claim.Name == name && claim.Namespace == object.GetNamespace() {
				text = name + sizeOf(claim)
			}
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if set, ok := object.(*appsv1.StatefulSet); ok {
		for i := range set.Spec.VolumeClaimTemplates {
			claim := &set.Spec.VolumeClaimTemplates[i]
			all = append(all, claim.Name+sizeOf(claim)+" each")
		}
	}
	return all
}

func sizeOf(claim *corev1.PersistentVolumeClaim) string {
	size, ok := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	if !ok {
		return ""
	}
	return " " + size.String()
}

// kindsOf are the objects by kind, in the order of the result.
func kindsOf(r *Result) []reportKind {
	all := []reportKind{}
	for _, object := range r.Objects {
		kind := object.GetObjectKind().GroupVersionKind().Kind
		i := slices.IndexFunc(all, func(k reportKind) bool { return k.Kind == kind })
		if i < 0 {
			i, all = len(all), append(all, reportKind{Kind: kind})
		}
		all[i].Names = append(all[i].Names, object.GetName())
	}
	return all
}
