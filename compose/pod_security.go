package compose

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// security is the container's security context, made where there is none.
func (w *workload) security() *corev1.SecurityContext {
	con := w.container()
	if con.SecurityContext == nil {
		con.SecurityContext = &corev1.SecurityContext{}
	}
	return con.SecurityContext
}

// podSecurity is the Pod's.
func (w *workload) podSecurity() *corev1.PodSecurityContext {
	if w.template.Spec.SecurityContext == nil {
		w.template.Spec.SecurityContext = &corev1.PodSecurityContext{}
	}
	return w.template.Spec.SecurityContext
}

func (c *converter) security(w *workload) {
	f := w.service.File
	if f.Privileged {
		w.security().Privileged = new(true)
	}
	for i, g := range f.GroupAdd {
		id, err := strconv.ParseInt(g, 10, 64)
		if err != nil || len(validation.IsValidGroupID(id)) > 0 {
			c.find(Refused, fmt.Sprintf("%s.group_add[%d]", w.at, i), "Kubernetes knows groups by their number: put the number that the image gives %q", g)
			continue
		}
		if groups := w.podSecurity(); !slices.Contains(groups.SupplementalGroups, id) {
			groups.SupplementalGroups = append(groups.SupplementalGroups, id)
		}
	}
	for i, option := range f.SecurityOpt {
		c.securityOption(w, fmt.Sprintf("%s.security_opt[%d]", w.at, i), option)
	}
}

// escalation lets a container gain privileges that has them all already: Kubernetes refuses to hear both.
func (c *converter) escalation(w *workload) {
	s := w.container().SecurityContext
	if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
		return
	}
	if s.Privileged != nil && *s.Privileged || s.Capabilities != nil && slices.ContainsFunc(s.Capabilities.Add, func(name corev1.Capability) bool {
		return name == "SYS_ADMIN" || name == "CAP_SYS_ADMIN" || name == "ALL"
	}) {
		s.AllowPrivilegeEscalation = nil
		c.find(Approximated, w.at+".security_opt", "no-new-privileges is left out: a privileged container, or one with SYS_ADMIN, has them all, and Kubernetes refuses to hear both")
	}
}

// securityOption is one of Docker's security options, its parts separated by "=" or ":".
func (c *converter) securityOption(w *workload, at, option string) {
	name, value, _ := strings.Cut(strings.Replace(option, ":", "=", 1), "=")
	switch {
	case name == "no-new-privileges":
		if value != "false" {
			w.security().AllowPrivilegeEscalation = new(false)
		}
	case name == "seccomp" && value == "unconfined":
		w.security().SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
	case name == "seccomp":
		profile := path.Base(value)
		w.security().SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: &profile}
		c.decide(Approximated, at, "put the profile on every node, below the kubelet's seccomp directory, as %q", profile)
	case name == "apparmor" && value == "unconfined":
		w.security().AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	case name == "apparmor":
		w.security().AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: &value}
		c.decide(Approximated, at, "load the profile %q on every node", value)
	case name == "label":
		c.seLinux(w, at, value)
	case name == "systempaths" && value == "unconfined":
		w.security().ProcMount = new(corev1.UnmaskedProcMount)
		w.template.Spec.HostUsers = new(false) // Kubernetes asks for it
	default:
		c.find(Refused, at, "Kubernetes has no word for the security option %q", name)
	}
}

func (c *converter) seLinux(w *workload, at, value string) {
	key, value, _ := strings.Cut(value, ":")
	s := w.security()
	if s.SELinuxOptions == nil {
		s.SELinuxOptions = &corev1.SELinuxOptions{}
	}
	switch key {
	case "user":
		s.SELinuxOptions.User = value
	case "role":
		s.SELinuxOptions.Role = value
	case "type":
		s.SELinuxOptions.Type = value
	case "level":
		s.SELinuxOptions.Level = value
	default: // "disable"
		s.SELinuxOptions.Type = "spc_t"
		c.find(Approximated, at, "Kubernetes gives a container another type, spc_t, where Docker switches labels off")
	}
}
