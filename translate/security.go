package translate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
)

// securityOf and podSecurityOf spare their callers the nil.
func securityOf(c *corev1.Container) *corev1.SecurityContext {
	if c.SecurityContext == nil {
		return &corev1.SecurityContext{}
	}
	return c.SecurityContext
}

func podSecurityOf(pod *corev1.PodSpec) *corev1.PodSecurityContext {
	if pod.SecurityContext == nil {
		return &corev1.PodSecurityContext{}
	}
	return pod.SecurityContext
}

// first is the container's word, else the Pod's.
func first[T any](container, pod *T) *T {
	if container != nil {
		return container
	}
	return pod
}

// setSecurity changes a container's security context, and drops one that says nothing.
func setSecurity(c *corev1.Container, change func(*corev1.SecurityContext)) {
	sc := securityOf(c).DeepCopy()
	change(sc)
	if c.SecurityContext = sc; *sc == (corev1.SecurityContext{}) {
		c.SecurityContext = nil
	}
}

// setPodSecurity changes the Pod's, which Kubernetes never leaves out.
func setPodSecurity(o *corev1.PodTemplateSpec, change func(*corev1.PodSecurityContext)) {
	sc := podSecurityOf(&o.Spec).DeepCopy()
	change(sc)
	o.Spec.SecurityContext = sc
}

func (p *putter) putUser() {
	sc, psc := securityOf(p.c), podSecurityOf(p.pod)
	at := p.cAt.Child("securityContext")
	user, group := first(sc.RunAsUser, psc.RunAsUser), first(sc.RunAsGroup, psc.RunAsGroup)
	switch {
	case user != nil:
		p.spec.User = strconv.FormatInt(*user, 10)
		if group != nil {
			p.spec.User += ":" + strconv.FormatInt(*group, 10)
		}
	case group != nil:
		p.refuse(at.Child("runAsGroup"), "Docker takes a group only with a user: set runAsUser, too")
	}
	if isTrue(first(sc.RunAsNonRoot, psc.RunAsNonRoot)) && user != nil && *user == 0 {
		p.refuse(at.Child("runAsUser"), "is root, and runAsNonRoot forbids that")
	}
	groups := slices.Clone(psc.SupplementalGroups)
	if psc.FSGroup != nil && !slices.Contains(groups, *psc.FSGroup) {
		groups = append(groups, *psc.FSGroup)
	}
	for _, g := range groups {
		p.spec.Groups = append(p.spec.Groups, strconv.FormatInt(g, 10))
	}
}

func userAt(s *swarm.TaskSpec) any {
	return []any{containerSpec(s).User, containerSpec(s).Groups}
}

var numericUser = regexp.MustCompile(`^(\d{1,9})(?::(\d{1,9}))?$`)

// getUser leaves users and groups that have only a name to Swarm: Kubernetes knows numbers.
func getUser(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	spec := containerSpec(s)
	var user, group *int64
	if m := numericUser.FindStringSubmatch(spec.User); m != nil {
		user, group = number(m[1]), number(m[2])
	}
	nonRoot := user == nil || *user != 0
	setSecurity(podContainer(o), func(sc *corev1.SecurityContext) {
		sc.RunAsUser, sc.RunAsGroup = user, group
		if !nonRoot {
			sc.RunAsNonRoot = nil
		}
	})
	setPodSecurity(o, func(sc *corev1.PodSecurityContext) {
		sc.RunAsUser, sc.RunAsGroup, sc.SupplementalGroups = nil, nil, nil
		if !nonRoot {
			sc.RunAsNonRoot = nil
		}
		fsGroup := sc.FSGroup
		sc.FSGroup = nil
		for _, name := range spec.Groups {
			switch g := number(name); {
			case g == nil:
			case fsGroup != nil && *g == *fsGroup:
				sc.FSGroup = fsGroup
			default:
				sc.SupplementalGroups = append(sc.SupplementalGroups, *g)
			}
		}
		if sc.FSGroup == nil {
			sc.FSGroupChangePolicy = nil
		}
	})
}

func number(digits string) *int64 {
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 {
		return nil
	}
	return &n
}

func (p *putter) putPrivileges() {
	sc, psc := securityOf(p.c), podSecurityOf(p.pod)
	if caps := sc.Capabilities; caps != nil {
		p.spec.CapabilityAdd, p.spec.CapabilityDrop = dockerCaps(caps.Add), dockerCaps(caps.Drop)
	}
	p.putSysctls()
	var priv swarm.Privileges
	priv.NoNewPrivileges = sc.AllowPrivilegeEscalation != nil && !*sc.AllowPrivilegeEscalation
	if se := first(sc.SELinuxOptions, psc.SELinuxOptions); se != nil && *se != (corev1.SELinuxOptions{}) {
		priv.SELinuxContext = &swarm.SELinuxContext{User: se.User, Role: se.Role, Type: se.Type, Level: se.Level}
	}
	if sec := first(sc.SeccompProfile, psc.SeccompProfile); sec != nil && sec.Type == corev1.SeccompProfileTypeUnconfined {
		priv.Seccomp = &swarm.SeccompOpts{Mode: swarm.SeccompModeUnconfined}
	}
	if app := first(sc.AppArmorProfile, psc.AppArmorProfile); app != nil && app.Type == corev1.AppArmorProfileTypeUnconfined {
		priv.AppArmor = &swarm.AppArmorOpts{Mode: swarm.AppArmorModeDisabled}
	}
	if prune(priv) != nil {
		p.spec.Privileges = &priv
	}
}

func (p *putter) putSysctls() {
	for _, s := range podSecurityOf(p.pod).Sysctls {
		if p.spec.Sysctls == nil {
			p.spec.Sysctls = map[string]string{}
		}
		p.spec.Sysctls[s.Name] = s.Value
	}
}

func dockerCaps(caps []corev1.Capability) []string {
	var out []string
	for _, c := range caps {
		name := "CAP_" + strings.TrimPrefix(strings.ToUpper(string(c)), "CAP_")
		if name == "CAP_ALL" {
			name = "ALL"
		}
		out = append(out, name)
	}
	return out
}

func kubernetesCaps(caps []string) []corev1.Capability {
	var out []corev1.Capability
	for _, c := range caps {
		out = append(out, corev1.Capability(strings.TrimPrefix(strings.ToUpper(c), "CAP_")))
	}
	return out
}

func capabilitiesAt(s *swarm.TaskSpec) any {
	return [][]string{containerSpec(s).CapabilityAdd, containerSpec(s).CapabilityDrop}
}

func getCapabilities(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	spec := containerSpec(s)
	setSecurity(podContainer(o), func(sc *corev1.SecurityContext) {
		sc.Capabilities = nil
		if len(spec.CapabilityAdd)+len(spec.CapabilityDrop) > 0 {
			sc.Capabilities = &corev1.Capabilities{Add: kubernetesCaps(spec.CapabilityAdd), Drop: kubernetesCaps(spec.CapabilityDrop)}
		}
	})
}

// privilegesAt leaves out what Kubernetes cannot say (credential specs, disabled labels, profiles by value)
// and what engines before 25 drop: that it is not there means nothing, or each read would look like a change.
func privilegesAt(s *swarm.TaskSpec) any { return seLinuxOf(privilegesOf(s)) }

func privilegesOf(s *swarm.TaskSpec) *swarm.Privileges {
	if priv := containerSpec(s).Privileges; priv != nil {
		return priv
	}
	return &swarm.Privileges{}
}

func seLinuxOf(priv *swarm.Privileges) corev1.SELinuxOptions {
	se := priv.SELinuxContext
	if se == nil || se.Disable {
		return corev1.SELinuxOptions{}
	}
	return corev1.SELinuxOptions{User: se.User, Role: se.Role, Type: se.Type, Level: se.Level}
}

// getPrivileges takes over what is there; only an SELinux context can be taken away.
func getPrivileges(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	priv := privilegesOf(s)
	setSecurity(podContainer(o), func(sc *corev1.SecurityContext) {
		sc.SELinuxOptions = nil
		if se := seLinuxOf(priv); se != (corev1.SELinuxOptions{}) {
			sc.SELinuxOptions = &se
		}
		if priv.NoNewPrivileges {
			sc.AllowPrivilegeEscalation = new(false)
		}
		if priv.Seccomp != nil && priv.Seccomp.Mode == swarm.SeccompModeUnconfined {
			sc.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
		}
		if priv.AppArmor != nil && priv.AppArmor.Mode == swarm.AppArmorModeDisabled {
			sc.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
		}
	})
	setPodSecurity(o, func(sc *corev1.PodSecurityContext) { sc.SELinuxOptions = nil })
}

func sysctlsAt(s *swarm.TaskSpec) any { return containerSpec(s).Sysctls }

// sysctlName and maxSysctl are what Kubernetes takes for a name (pkg/apis/core/validation, IsValidSysctlName).
var sysctlName = regexp.MustCompile(`^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

const maxSysctl = 253

func getSysctls(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) {
	have := containerSpec(s).Sysctls
	setPodSecurity(o, func(sc *corev1.PodSecurityContext) {
		sc.Sysctls = nil
		for _, name := range sortedKeys(have) {
			if len(name) > maxSysctl || !sysctlName.MatchString(name) {
				continue // no kernel has it
			}
			sc.Sysctls = append(sc.Sysctls, corev1.Sysctl{Name: name, Value: have[name]})
		}
	})
}
