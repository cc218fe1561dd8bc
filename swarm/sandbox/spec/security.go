package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// seccompDir is where a kubelet has the node's seccomp profiles.
const seccompDir = "/var/lib/kubelet/seccomp"

// effective is a container's security context, with the Pod's fields where it has none; never nil. Profiles are looked up
// on their own, as a container's can come from an annotation.
func effective(pod *corev1.Pod, c *corev1.Container) *corev1.SecurityContext {
	sc := corev1.SecurityContext{}
	if c.SecurityContext != nil {
		sc = *c.SecurityContext
	}
	if whole := pod.Spec.SecurityContext; whole != nil {
		sc.RunAsUser = or(sc.RunAsUser, whole.RunAsUser)
		sc.RunAsGroup = or(sc.RunAsGroup, whole.RunAsGroup)
		sc.RunAsNonRoot = or(sc.RunAsNonRoot, whole.RunAsNonRoot)
		sc.SELinuxOptions = or(sc.SELinuxOptions, whole.SELinuxOptions)
	}
	return &sc
}

func or[T any](p, otherwise *T) *T {
	if p == nil {
		return otherwise
	}
	return p
}

// user is the container's as uid, uid:gid, or "": the image's, which the engine looks up in the container.
func user(sc *corev1.SecurityContext, ofImage string) string {
	name := ""
	if sc.RunAsUser != nil {
		name = strconv.FormatInt(*sc.RunAsUser, 10)
	}
	if sc.RunAsGroup == nil {
		return name
	}
	if name == "" {
		if name, _, _ = strings.Cut(ofImage, ":"); name == "" {
			name = "0"
		}
	}
	return name + ":" + strconv.FormatInt(*sc.RunAsGroup, 10)
}

// verifyNonRoot checks runAsNonRoot against the user that the container will run as, which must be known by number.
func verifyNonRoot(pod *corev1.Pod, c *corev1.Container, ofImage string) error {
	sc := effective(pod, c)
	if !deref(sc.RunAsNonRoot, false) {
		return nil
	}
	where := fmt.Sprintf("(pod: %q, container: %s)", fmt.Sprintf("%s_%s(%s)", pod.Name, pod.Namespace, pod.UID), c.Name)
	if sc.RunAsUser != nil {
		if *sc.RunAsUser == 0 {
			return fmt.Errorf("container's runAsUser breaks non-root policy %s", where)
		}
		return nil
	}
	name, _, _ := strings.Cut(ofImage, ":")
	id, err := strconv.ParseInt(name, 10, 64)
	switch {
	case name == "" || err == nil && id == 0:
		return fmt.Errorf("container has runAsNonRoot and image will run as root %s", where)
	case err != nil:
		return fmt.Errorf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root %s", name, where)
	}
	if bad := validation.IsValidUserID(id); len(bad) > 0 {
		return fmt.Errorf("container has runAsNonRoot and image has an invalid user id (%d). (Must be 1-(%d)): %s %s",
			id, math.MaxInt32, strings.Join(bad, "; "), where)
	}
	return nil
}

// secure sets what a container may do.
func (p *Pod) secure(host *container.HostConfig, c *corev1.Container) error {
	sc := effective(p.pod, c)
	host.Privileged = deref(sc.Privileged, false)
	host.ReadonlyRootfs = deref(sc.ReadOnlyRootFilesystem, false)
	host.CapAdd, host.CapDrop = capabilities(sc.Capabilities)
	if deref(sc.ProcMount, corev1.DefaultProcMount) == corev1.UnmaskedProcMount {
		host.MaskedPaths, host.ReadonlyPaths = []string{}, []string{}
	}
	var err error
	if host.GroupAdd, err = groups(p.pod.Spec.SecurityContext); err != nil {
		return err
	}
	if !deref(sc.AllowPrivilegeEscalation, true) {
		host.SecurityOpt = append(host.SecurityOpt, "no-new-privileges")
	}
	host.SecurityOpt = append(host.SecurityOpt, selinux(sc.SELinuxOptions)...)
	if host.Privileged {
		// Runtimes of Kubernetes confine no privileged container, whatever its profiles say.
		return nil
	}
	seccomp, err := p.seccomp(c)
	if err != nil {
		return err
	}
	appArmor, err := p.appArmor(c)
	if err != nil {
		return err
	}
	host.SecurityOpt = append(append(host.SecurityOpt, seccomp...), appArmor...)
	return nil
}

// groups are those that a container's user is in besides its own: supplementalGroups and the fsGroup.
func groups(sc *corev1.PodSecurityContext) ([]string, error) {
	if sc == nil {
		return nil, nil
	}
	if deref(sc.SupplementalGroupsPolicy, corev1.SupplementalGroupsPolicyMerge) != corev1.SupplementalGroupsPolicyMerge {
		return nil, fmt.Errorf("supplementalGroupsPolicy %s is not supported: the Docker Engine adds the groups of the image's /etc/group",
			*sc.SupplementalGroupsPolicy)
	}
	var list []string
	if sc.FSGroup != nil {
		list = append(list, strconv.FormatInt(*sc.FSGroup, 10))
	}
	for _, group := range sc.SupplementalGroups {
		list = append(list, strconv.FormatInt(group, 10))
	}
	return list, nil
}

// capabilities are what is added to and dropped from the defaults, which are the same with Docker. A runtime of Kubernetes
// adds first and drops then, so that what is in both is dropped; Docker does it the other way round.
func capabilities(c *corev1.Capabilities) (add, drop []string) {
	if c == nil {
		return nil, nil
	}
	drop = capabilityNames(c.Drop)
	add = slices.DeleteFunc(capabilityNames(c.Add), func(name string) bool { return slices.Contains(drop, name) })
	return add, drop
}

func capabilityNames(list []corev1.Capability) []string {
	var names []string
	for _, c := range list {
		names = append(names, strings.TrimPrefix(strings.ToUpper(string(c)), "CAP_"))
	}
	return names
}

func selinux(o *corev1.SELinuxOptions) []string {
	if o == nil {
		return nil
	}
	var list []string
	for _, label := range [][2]string{{"user", o.User}, {"role", o.Role}, {"type", o.Type}, {"level", o.Level}} {
		if label[1] != "" {
			list = append(list, "label="+label[0]+":"+label[1])
		}
	}
	return list
}

// seccomp is the option for a container's profile. Docker's default profile is the runtime's default, and the one where
// none is asked for.
func (p *Pod) seccomp(c *corev1.Container) ([]string, error) {
	var profile *corev1.SeccompProfile
	if sc := p.pod.Spec.SecurityContext; sc != nil {
		profile = sc.SeccompProfile
	}
	if sc := c.SecurityContext; sc != nil && sc.SeccompProfile != nil {
		profile = sc.SeccompProfile
	}
	switch {
	case profile == nil || profile.Type == corev1.SeccompProfileTypeRuntimeDefault:
		return nil, nil
	case profile.Type == corev1.SeccompProfileTypeUnconfined:
		return []string{"seccomp=unconfined"}, nil
	case profile.Type != corev1.SeccompProfileTypeLocalhost:
		return nil, fmt.Errorf("unknown seccomp profile type: %q", profile.Type)
	case deref(profile.LocalhostProfile, "") == "":
		return nil, errors.New("localhostProfile must be set if seccompProfile type is Localhost")
	}
	text, err := p.seccompFile(*profile.LocalhostProfile)
	if err != nil {
		return nil, err
	}
	return []string{"seccomp=" + text}, nil
}

// seccompFile is the text of a profile of the node, which the engine takes instead of its name.
func (p *Pod) seccompFile(name string) (string, error) {
	path := filepath.Join(seccompDir, name)
	seen, err := p.onNode(path)
	if err != nil {
		return "", fmt.Errorf("cannot load seccomp profile %q: %w", path, err)
	}
	data, err := os.ReadFile(seen)
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			err = e.Err
		}
		return "", fmt.Errorf("cannot load seccomp profile %q: %w", path, err)
	}
	var text bytes.Buffer
	if err := json.Compact(&text, data); err != nil {
		return "", fmt.Errorf("cannot load seccomp profile %q: %w", path, err)
	}
	return text.String(), nil
}

// appArmor is the option for a container's profile, if it asks for another than Docker's.
func (p *Pod) appArmor(c *corev1.Container) ([]string, error) {
	profile := p.appArmorProfile(c)
	if profile == nil {
		return nil, nil
	}
	switch profile.Type {
	case corev1.AppArmorProfileTypeRuntimeDefault:
		return nil, nil
	case corev1.AppArmorProfileTypeUnconfined:
		return []string{"apparmor=unconfined"}, nil
	case corev1.AppArmorProfileTypeLocalhost:
		if deref(profile.LocalhostProfile, "") == "" {
			return nil, errors.New("missing localhost apparmor profile name")
		}
		return []string{"apparmor=" + *profile.LocalhostProfile}, nil
	}
	return nil, fmt.Errorf("unknown apparmor profile type: %q", profile.Type)
}

// appArmorProfile looks at the container's field, then at the annotation of old, then at the Pod's field.
func (p *Pod) appArmorProfile(c *corev1.Container) *corev1.AppArmorProfile {
	if sc := c.SecurityContext; sc != nil && sc.AppArmorProfile != nil {
		return sc.AppArmorProfile
	}
	value := p.pod.Annotations[corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+c.Name]
	switch name, local := strings.CutPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix); {
	case value == corev1.DeprecatedAppArmorBetaProfileRuntimeDefault:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}
	case value == corev1.DeprecatedAppArmorBetaProfileNameUnconfined:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	case local:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: &name}
	}
	if sc := p.pod.Spec.SecurityContext; sc != nil {
		return sc.AppArmorProfile
	}
	return nil
}
