package translate

import (
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/mount"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// AnnotationVolumes is a JSON object from the claim names of a Pod template to the true names of Docker's
// volumes, where Kubernetes does not allow those.
const AnnotationVolumes = "skep/swarm-volumes"

// putVolumes turns each volumeMount into Swarm mounts, configs and secrets. A volume that is not mounted
// means nothing to a container.
func (p *putter) putVolumes() {
	volumes := map[string]int{}
	for i, v := range p.pod.Volumes {
		volumes[v.Name] = i
	}
	used := map[string]bool{}
	for i := range p.c.VolumeMounts {
		vm := &p.c.VolumeMounts[i]
		at := p.cAt.Child("volumeMounts").Index(i)
		vi, ok := volumes[vm.Name]
		if !ok {
			p.errs = append(p.errs, field.NotFound(at.Child("name"), vm.Name))
			continue
		}
		v := &p.pod.Volumes[vi]
		if v.EmptyDir != nil && used[vm.Name] {
			p.refuse(at, "mounts the emptyDir %q a second time, and Swarm makes a fresh one for each mount: mount it once, or use a hostPath", vm.Name)
		}
		used[vm.Name] = true
		p.putVolume(p.at.Child("volumes").Index(vi), at, v, vm)
	}
	p.uniqueTargets()
}

func (p *putter) putVolume(vAt, at *field.Path, v *corev1.Volume, vm *corev1.VolumeMount) {
	switch src := &v.VolumeSource; {
	case src.ConfigMap != nil, src.Secret != nil, src.Projected != nil:
		if vm.SubPathExpr != "" {
			p.refuse(at.Child("subPathExpr"), "the files of a ConfigMap or Secret are chosen before the task runs: use subPath")
			return
		}
		p.putFiles(vAt, vm, p.filesOf(vAt, src))
	case src.EmptyDir != nil:
		p.putMount(at, vm, emptyDirMount(src.EmptyDir))
	case src.HostPath != nil:
		p.putMount(at, vm, mount.Mount{Type: mount.TypeBind, Source: src.HostPath.Path})
	case src.PersistentVolumeClaim != nil:
		p.putClaim(at, vm, src.PersistentVolumeClaim)
	case src.NFS != nil:
		p.putNFS(at, vm, src.NFS)
	case src.Ephemeral != nil:
		p.putEphemeral(vAt, at, vm, v)
	default:
		p.refuse(vAt, "Swarm has no such volume: use hostPath, emptyDir, or a Docker volume by the name of a claim")
	}
}

// emptyDirMount is an anonymous volume, removed with its task. NoCopy, since an emptyDir starts empty,
// whatever the image has there.
func emptyDirMount(e *corev1.EmptyDirVolumeSource) mount.Mount {
	if e.Medium != corev1.StorageMediumMemory {
		return mount.Mount{Type: mount.TypeVolume, VolumeOptions: &mount.VolumeOptions{NoCopy: true}}
	}
	m := mount.Mount{Type: mount.TypeTmpfs}
	if e.SizeLimit != nil && !e.SizeLimit.IsZero() {
		m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: e.SizeLimit.Value()}
	}
	return m
}

var propagations = map[corev1.MountPropagationMode]mount.Propagation{
	corev1.MountPropagationHostToContainer: mount.PropagationRSlave,
	corev1.MountPropagationBidirectional:   mount.PropagationRShared,
}

func (p *putter) putMount(at *field.Path, vm *corev1.VolumeMount, m mount.Mount) {
	sub, name := vm.SubPath, "subPath"
	if vm.SubPathExpr != "" {
		sub, name = expansion.Expand(vm.SubPathExpr, expansion.MappingFuncFor(p.env)), "subPathExpr"
	}
	switch {
	case path.IsAbs(sub) || slices.Contains(strings.Split(sub, "/"), ".."):
		p.refuse(at.Child(name), "leads out of the volume: %q", strings.ReplaceAll(sub, mark, ""))
	case m.Type == mount.TypeBind:
		m.Source = render(path.Join(m.Source, sub))
	case sub != "":
		p.refuse(at.Child(name), "older engines drop a volume's subpath without a word, and would mount the whole: use a hostPath, or a volume of its own")
	}
	m.Target = render(path.Clean(vm.MountPath))
	m.ReadOnly = m.ReadOnly || vm.ReadOnly
	if vm.MountPropagation != nil {
		if mode, ok := propagations[*vm.MountPropagation]; ok {
			m.BindOptions = &mount.BindOptions{Propagation: mode}
		}
	}
	p.spec.Mounts = append(p.spec.Mounts, m)
}

// uniqueTargets refuses two things in one place; Swarm checks mounts, configs and secrets apart, and the
// container would not start.
func (p *putter) uniqueTargets() {
	at := p.cAt.Child("volumeMounts")
	have := map[string]bool{}
	for _, f := range placedFiles(p.spec) {
		if have[f.target] {
			p.errs = append(p.errs, field.Duplicate(at, f.target))
		}
		have[f.target] = true
	}
}

// file is one file out of a ConfigMap or Secret, its path below the volume.
type file struct {
	path   string
	data   []byte
	secret bool
	mode   int32
	user   *int64
	native string // the Swarm object that it already is
}

// putFiles mounts a volume's files, or what subPath chooses of them.
func (p *putter) putFiles(vAt *field.Path, vm *corev1.VolumeMount, files []file) {
	for _, f := range files {
		target := path.Join(vm.MountPath, f.path)
		if vm.SubPath != "" {
			rest, below := strings.CutPrefix(f.path, path.Clean(vm.SubPath))
			if !below || rest != "" && rest[0] != '/' {
				continue
			}
			target = path.Join(vm.MountPath, rest)
		}
		p.putFile(vAt, target, f)
	}
}
