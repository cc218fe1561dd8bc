package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// volumeDir is where the sandbox sees a volume that is not a hostPath.
func (p *Pod) volumeDir(name string) string { return p.path(manifest.VolumeDir, name) }

// Setup fills the Pod's volumes and gives them to its fsGroup, and checks hostPaths against their type. What has been done
// is not done again, so that it may be tried until it succeeds. Each of the errors that it joins is the message of a
// kubelet's FailedMount event.
func (p *Pod) Setup() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed []error
	for i := range p.pod.Spec.Volumes {
		v := &p.pod.Spec.Volumes[i]
		if p.filled[v.Name] {
			continue
		}
		if err := p.fill(v); err != nil {
			failed = append(failed, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err))
			continue
		}
		p.filled[v.Name] = true
	}
	return errors.Join(failed...)
}

// Update takes all labels, annotations and sources that the Pod now has, and makes its volumes follow; what a subPath of
// a running container shows stays as it is. A volume that cannot follow keeps what it had, and its error is joined to the
// one returned, worded as a FailedMount event. Tokens that are not given stay. Volumes that Setup has not filled yet wait
// for it.
func (p *Pod) Update(labels, annotations map[string]string, s Sources) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pod.Labels, p.pod.Annotations = labels, annotations
	p.sources = clone(s, p.sources.Tokens)
	var failed []error
	for i := range p.pod.Spec.Volumes {
		v := &p.pod.Spec.Volumes[i]
		if !projected(v) || !p.filled[v.Name] {
			continue
		}
		if err := p.project(v); err != nil {
			failed = append(failed, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err))
		}
	}
	return errors.Join(failed...)
}

// projected tells whether a volume's files come from Kubernetes. It is read-only to containers.
func projected(v *corev1.Volume) bool {
	return v.ConfigMap != nil || v.Secret != nil || v.DownwardAPI != nil || v.Projected != nil
}

// readOnly tells whether no container may write the volume.
func readOnly(v *corev1.Volume) bool {
	return projected(v) || v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ReadOnly || v.NFS != nil && v.NFS.ReadOnly
}

func (p *Pod) fill(v *corev1.Volume) error {
	dir := p.volumeDir(v.Name)
	switch {
	case v.HostPath != nil:
		return p.checkHostPath(v.HostPath)
	case v.Image != nil:
		return errors.New("image volumes are not supported")
	case v.EmptyDir != nil:
		if err := os.Chmod(dir, modeOf(v.EmptyDir.Mode)); err != nil {
			return err
		}
		return p.own(dir, false, nil)
	case projected(v):
		return p.project(v)
	case v.NFS != nil || readOnly(v) || onNFS(dir):
		// A kubelet leaves the owners on an NFS server alone.
		return nil
	}
	var policy *corev1.PodFSGroupChangePolicy
	if sc := p.pod.Spec.SecurityContext; sc != nil {
		policy = sc.FSGroupChangePolicy
	}
	return p.own(dir, false, policy)
}

// modeOf is the mode of an emptyDir, which may have the sticky bit.
func modeOf(mode *int32) os.FileMode {
	bits := deref(mode, 0o777)
	m := os.FileMode(bits).Perm()
	if bits&0o1000 != 0 {
		m |= os.ModeSticky
	}
	return m
}

// project writes a volume whose files come from Kubernetes.
func (p *Pod) project(v *corev1.Volume) error {
	files, err := p.payload(v)
	if err != nil {
		return err
	}
	dir := p.volumeDir(v.Name)
	if !p.filled[v.Name] {
		if err := os.Chmod(dir, 0o777); err != nil {
			return err
		}
	}
	for _, nested := range nestedIn(p.pod, v.Name) {
		if err := os.MkdirAll(filepath.Join(dir, nested), 0o755); err != nil {
			return fmt.Errorf("unable to create nested volume mountpoints: %w", err)
		}
	}
	keep := map[string]bool{}
	for _, version := range p.pins {
		keep[version] = true
	}
	return write(dir, files, func() error { return p.own(dir, true, nil) }, keep)
}

// nestedIn is where other volumes are mounted inside of a volume, relative to it. It is mounted read-only, so that the
// runtime could not make these mount points.
func nestedIn(pod *corev1.Pod, name string) []string {
	var nested []string
	for _, c := range containers(pod) {
		var all []string
		for _, m := range c.VolumeMounts {
			all = append(all, filepath.Clean(m.MountPath)+"/")
		}
		for _, m := range c.VolumeMounts {
			if m.Name == name {
				nested = append(nested, below(filepath.Clean(m.MountPath)+"/", all)...)
			}
		}
	}
	return nested
}

// below is which of the directories, all with a slash at the end, lie in dir, but not in another one of them that does.
func below(dir string, all []string) []string {
	var found []string
	for _, inner := range all {
		between := func(other string) bool {
			return len(other) > len(dir) && len(other) < len(inner) && strings.HasPrefix(other, dir) && strings.HasPrefix(inner, other)
		}
		if len(inner) > len(dir) && strings.HasPrefix(inner, dir) && !slices.ContainsFunc(all, between) {
			found = append(found, strings.Trim(inner[len(dir):], "/"))
		}
	}
	return found
}
