package spec

import (
	"os"
	"path/filepath"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

func (p *Pod) fsGroup() *int64 {
	if p.pod.Spec.SecurityContext == nil {
		return nil
	}
	return p.pod.Spec.SecurityContext.FSGroup
}

// own gives a volume to the Pod's fsGroup, if it has one: the group of all its files, which it may read, and write unless
// readOnly, and the setgid bit on directories so that new files are the group's as well. With OnRootMismatch nothing is done
// where the root of the volume looks right.
func (p *Pod) own(dir string, readOnly bool, policy *corev1.PodFSGroupChangePolicy) error {
	group := p.fsGroup()
	if group == nil {
		return nil
	}
	o := owner{group: int(*group), mask: 0o660}
	if readOnly {
		o.mask = 0o440
	}
	if deref(policy, corev1.FSGroupChangeAlways) == corev1.FSGroupChangeOnRootMismatch && o.owns(dir) {
		return nil
	}
	// Other Pods may write the volume at this time: root keeps their links from leading us out of it.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return o.take(root, ".")
}

// owner is a group that gets files, and the mode bits that it gets on them.
type owner struct {
	group int
	mask  os.FileMode
}

func (o owner) owns(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	want := o.mask | 0o110
	return known && int(stat.Gid) == o.group && info.Mode().Perm()&want == want && info.Mode()&os.ModeSetgid != 0
}

// take changes what is in a directory before the directory itself, so that OnRootMismatch finds a change that was not
// brought to its end. As with a kubelet, a file that cannot be changed is passed over: its file system may not allow it.
func (o owner) take(root *os.Root, path string) error {
	info, err := root.Lstat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		names, err := namesIn(root, path)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := o.take(root, filepath.Join(path, name)); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
	_ = root.Lchown(path, -1, o.group)
	switch {
	case info.Mode()&os.ModeSymlink != 0:
	case info.IsDir():
		_ = root.Chmod(path, info.Mode()|o.mask|0o110|os.ModeSetgid)
	default:
		_ = root.Chmod(path, info.Mode()|o.mask)
	}
	return nil
}

func namesIn(root *os.Root, path string) ([]string, error) {
	dir, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return dir.Readdirnames(-1)
}

// onNFS tells whether a directory is an NFS server's.
func onNFS(dir string) bool {
	const magic = 0x6969
	var stat syscall.Statfs_t
	return syscall.Statfs(dir, &stat) == nil && stat.Type == magic
}
