package spec

import (
	"fmt"
	"path/filepath"

	"github.com/docker/docker/api/types/mount"
	corev1 "k8s.io/api/core/v1"

	"skep/translate/manifest"
)

// mounts are the binds of a container's volumeMounts and of its terminationMessagePath.
func (p *Pod) mounts(c *corev1.Container, e *environ, attempt int) ([]mount.Mount, error) {
	for key := range p.pins {
		if key.container == c.Name {
			delete(p.pins, key)
		}
	}
	if len(c.VolumeDevices) > 0 {
		return nil, fmt.Errorf("cannot find volume %q to pass into container %q", c.VolumeDevices[0].Name, c.Name)
	}
	var mounts []mount.Mount
	taken := false
	for i := range c.VolumeMounts {
		m, err := p.mount(c, i, e)
		if err != nil {
			return nil, err
		}
		taken = taken || m.Target == absolute(c.TerminationMessagePath)
		mounts = append(mounts, m)
	}
	// Docker has one mount for each path: a volume at terminationMessagePath itself goes before.
	if c.TerminationMessagePath == "" || taken {
		return mounts, nil
	}
	source, err := p.messageFile(c.Name, attempt)
	if err != nil {
		return nil, err
	}
	return append(mounts, mount.Mount{Type: mount.TypeBind, Source: source, Target: absolute(c.TerminationMessagePath)}), nil
}

// mount is the bind of one volumeMount.
func (p *Pod) mount(c *corev1.Container, index int, e *environ) (mount.Mount, error) {
	m := &c.VolumeMounts[index]
	v := p.volume(m.Name)
	if v == nil {
		return mount.Mount{}, fmt.Errorf("cannot find volume %q to mount into container %q", m.Name, c.Name)
	}
	view, err := p.view(v, c)
	if err != nil {
		return mount.Mount{}, err
	}
	source := view.node
	sub, err := e.expandSubPath(m)
	if err != nil {
		return mount.Mount{}, err
	}
	if sub != "" {
		inner, err := view.sub(sub, m.Name, c.Name)
		if err != nil {
			return mount.Mount{}, err
		}
		source = filepath.Join(view.node, inner)
		p.pin(pin{c.Name, index}, v, inner)
	}
	options, err := bindOptions(m)
	if err != nil {
		return mount.Mount{}, err
	}
	return mount.Mount{
		Type:        mount.TypeBind,
		Source:      source,
		Target:      absolute(m.MountPath),
		ReadOnly:    m.ReadOnly || readOnly(v),
		BindOptions: options,
	}, nil
}

// absolute is a path in a container: a relative one begins at the root.
func absolute(path string) string { return filepath.Join("/", path) }

// view is how the sandbox and the node see a volume.
func (p *Pod) view(v *corev1.Volume, c *corev1.Container) (view, error) {
	if v.HostPath != nil {
		return view{node: v.HostPath.Path, real: func(sub string) (string, error) {
			return existing(p.onNode(filepath.Join(v.HostPath.Path, sub)))
		}}, nil
	}
	node, found := p.facts.Host[filepath.Join(manifest.VolumeDir, v.Name)]
	if !found || v.Image != nil {
		return view{}, fmt.Errorf("cannot find volume %q to mount into container %q", v.Name, c.Name)
	}
	return view{node: node, real: func(sub string) (string, error) {
		return filepath.EvalSymlinks(filepath.Join(p.volumeDir(v.Name), sub))
	}}, nil
}

// bindOptions are those of a volumeMount. A propagation of None is Docker's own choice, which is rprivate but for what
// lies in the engine's directory, volumes that is: there it takes rslave, and refuses to be told rprivate.
func bindOptions(m *corev1.VolumeMount) (*mount.BindOptions, error) {
	if len(m.BindMountOptions) > 0 {
		return nil, fmt.Errorf("volume %q: bindMountOptions are not supported by the Docker Engine", m.Name)
	}
	options := &mount.BindOptions{}
	switch propagation := deref(m.MountPropagation, corev1.MountPropagationNone); propagation {
	case corev1.MountPropagationNone:
	case corev1.MountPropagationHostToContainer:
		options.Propagation = mount.PropagationRSlave
	case corev1.MountPropagationBidirectional:
		options.Propagation = mount.PropagationRShared
	default:
		return nil, fmt.Errorf("invalid MountPropagation mode: %q", propagation)
	}
	recursive, err := recursiveReadOnly(m)
	if err != nil {
		return nil, err
	}
	// From API 1.44 on a read-only bind is recursively so where the kernel can, unless told otherwise; an older engine
	// does not know the option, nor how to do it.
	options.ReadOnlyNonRecursive = !recursive
	return options, nil
}

func recursiveReadOnly(m *corev1.VolumeMount) (bool, error) {
	mode := deref(m.RecursiveReadOnly, corev1.RecursiveReadOnlyDisabled)
	if mode == corev1.RecursiveReadOnlyDisabled {
		return false, nil
	}
	const failed = "failed to resolve recursive read-only mode: volume %q requested recursive read-only mode, but it is not "
	propagation := deref(m.MountPropagation, corev1.MountPropagationNone)
	switch {
	case !m.ReadOnly:
		return false, fmt.Errorf(failed+"read-only", m.Name)
	case propagation != corev1.MountPropagationNone:
		return false, fmt.Errorf(failed+"compatible with propagation %q", m.Name, propagation)
	case mode == corev1.RecursiveReadOnlyIfPossible:
		return true, nil
	case mode == corev1.RecursiveReadOnlyEnabled:
		return false, fmt.Errorf(failed+"supported by the runtime", m.Name)
	}
	return false, fmt.Errorf("failed to resolve recursive read-only mode: unknown recursive read-only mode %q", mode)
}
