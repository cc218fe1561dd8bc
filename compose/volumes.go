package compose

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// defaultVolumeSize is what a claim asks for where nobody says more: Docker's volumes have no size.
const defaultVolumeSize = "1Gi"

func byteSize(text string) (int64, error) { return units.RAMInBytes(text) }

// volumes mounts what Compose has a service mount. Configs and secrets are files.go's.
func (c *converter) volumes(w *workload) {
	f := w.service.File
	c.volumesFrom(w)
	for i := range f.Volumes {
		c.volume(w, fmt.Sprintf("%s.volumes[%d]", w.at, i), &f.Volumes[i])
	}
	for i, t := range f.Tmpfs {
		target, options, _ := strings.Cut(t, ":")
		size := int64(0)
		for _, option := range strings.Split(options, ",") {
			if text, ok := strings.CutPrefix(option, "size="); ok {
				size, _ = byteSize(text) // what cannot be read bounds nothing
			}
		}
		if !path.IsAbs(target) || strings.Contains(target, ":") {
			c.find(Refused, fmt.Sprintf("%s.tmpfs[%d]", w.at, i), "Kubernetes mounts at absolute paths only")
			continue
		}
		w.mount(memory(target, size), corev1.VolumeMount{MountPath: mountPath(target)})
	}
	if f.ShmSize > 0 {
		w.mount(memory("/dev/shm", int64(f.ShmSize)), corev1.VolumeMount{MountPath: "/dev/shm"})
	}
}

// volume mounts one of a service's volumes.
func (c *converter) volume(w *workload, at string, v *types.ServiceVolumeConfig) {
	if v.Target == "" || strings.Contains(v.Target, ":") {
		c.find(Refused, at, "Kubernetes takes no mount path %q: an absolute path without a colon", v.Target)
		return
	}
	m := corev1.VolumeMount{MountPath: mountPath(v.Target), ReadOnly: v.ReadOnly}
	switch v.Type {
	case types.VolumeTypeBind:
		c.bind(w, at, v, m)
	case types.VolumeTypeTmpfs:
		size := int64(0)
		if v.Tmpfs != nil {
			size = int64(v.Tmpfs.Size)
		}
		w.mount(memory(v.Target, size), m)
	case types.VolumeTypeImage:
		if v.Image != nil {
			m.SubPath = v.Image.SubPath
		}
		m.ReadOnly = true
		w.mount(corev1.Volume{
			Name:         label("image-" + v.Source),
			VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: v.Source}},
		}, m)
	case types.VolumeTypeNamedPipe:
		c.find(Refused, at, "a named pipe of Windows: mount it as a hostPath on Windows nodes")
	default:
		c.named(w, at, v, m)
	}
}

// volumesFrom mounts what another service has: the same claims and paths, in its own Pods.
func (c *converter) volumesFrom(w *workload) {
	for i, from := range w.service.File.VolumesFrom {
		at := fmt.Sprintf("%s.volumes_from[%d]", w.at, i)
		key, mode, _ := strings.Cut(from, ":")
		other := c.stack.Service(key)
		if key == "container" || other == nil {
			c.decide(Refused, at, "a Pod has no access to the mounts of a container that is made elsewhere: write the volumes themselves")
			continue
		}
		for _, v := range other.File.Volumes {
			v.ReadOnly = v.ReadOnly || mode == "ro"
			if v.Type == types.VolumeTypeVolume && v.Source == "" {
				c.find(Approximated, at, "%s of %s has no name, and each Pod has its own: give the volume a name", v.Target, key)
			}
			c.volume(w, at, &v)
		}
	}
}

// mountPath is a target as Kubernetes has it.
func mountPath(target string) string {
	if !path.IsAbs(target) && !windowsPath.MatchString(target) {
		target = "/" + target
	}
	return path.Clean(target)
}

var windowsPath = regexp.MustCompile(`^[A-Za-z]:[\\/]`)

// memory is a file system in memory for a mount path; size is in bytes, 0 for no bound.
func memory(target string, size int64) corev1.Volume {
	dir := &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
	if size > 0 {
		dir.SizeLimit = resource.NewQuantity(size, resource.BinarySI)
	}
	return corev1.Volume{Name: label("tmp-" + strings.Trim(target, "/")), VolumeSource: corev1.VolumeSource{EmptyDir: dir}}
}

var propagations = map[string]corev1.MountPropagationMode{
	"rslave": corev1.MountPropagationHostToContainer, "slave": corev1.MountPropagationHostToContainer,
	"rshared": corev1.MountPropagationBidirectional, "shared": corev1.MountPropagationBidirectional,
}

// bind mounts a path: of the project as a ConfigMap where its files are small, else of the node.
func (c *converter) bind(w *workload, at string, v *types.ServiceVolumeConfig, m corev1.VolumeMount) {
	if v.Bind != nil {
		if mode, ok := propagations[v.Bind.Propagation]; ok {
			m.MountPropagation = &mode
			if mode == corev1.MountPropagationBidirectional {
				w.security().Privileged = new(true) // Kubernetes asks for it
			}
		}
		if v.Bind.SELinux != "" {
			c.find(Approximated, at, "Kubernetes labels no directory of a node: give it the label of containers there, or set seLinuxOptions")
		}
	}
	source, told := v.Source, false
	if !path.IsAbs(source) && !windowsPath.MatchString(source) {
		if c.projectBind(w, at, source, m) {
			return
		}
		source, told = c.nodePath(at, source), true
	}
	if slices.Contains(strings.Split(source, "/"), "..") {
		source = path.Clean(source)
	}
	host := &corev1.HostPathVolumeSource{Path: source}
	if source == "/var/run/docker.sock" || source == "/run/docker.sock" {
		c.decide(Approximated, at, "the node's Docker socket: nodes of Kubernetes seldom run Docker, so what asks it (to find containers, mostly) has to ask the API server instead")
	} else if !told && !c.everywhere(source) {
		c.find(Approximated, at, "a path of the node that the Pod runs on: it has to be on every such node, or the Pod has to stay on one (a nodeSelector); a claim follows its Pod")
	}
	w.mount(corev1.Volume{Name: label("host-" + strings.Trim(source, "/")), VolumeSource: corev1.VolumeSource{HostPath: host}}, m)
}

// everywhere says whether a path is one that each Linux machine has.
func (c *converter) everywhere(source string) bool {
	for _, root := range []string{"/proc", "/sys", "/dev", "/run", "/var/run", "/etc", "/var/lib/docker", "/var/log"} {
		if source == root || strings.HasPrefix(source, root+"/") {
			return true
		}
	}
	return source == "/"
}

// nodePath stands for a path of the project that no ConfigMap can hold.
func (c *converter) nodePath(at, source string) string {
	base := "/srv/" + label(either(c.stack.Name, "stack"))
	placed := path.Join(base, path.Clean("/"+strings.TrimPrefix(strings.TrimPrefix(source, "~"), "./")))
	c.decide(Approximated, at, "a directory of the project, which no node has: it is %s of the node now; put the files there on each node, into an image, or on a claim", placed)
	return placed
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// named mounts a named volume, or one without a name, which lives as long as its container.
func (c *converter) named(w *workload, at string, v *types.ServiceVolumeConfig, m corev1.VolumeMount) {
	if v.Volume != nil {
		m.SubPath = strings.Trim(v.Volume.Subpath, "/")
	}
	if v.Source == "" {
		w.mount(corev1.Volume{Name: label("data-" + strings.Trim(m.MountPath, "/")), VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}, m)
		return
	}
	i := slices.IndexFunc(c.stack.Volumes, func(have Volume) bool { return have.Key == v.Source })
	if i < 0 { // a cluster volume, or one that Docker would make by that very name
		c.decide(Approximated, at, "the claim %q has to be there", label(v.Source))
		c.external("PersistentVolumeClaim", label(v.Source))
		w.mount(claimVolume(label(v.Source), label(v.Source)), m)
		return
	}
	vol := &c.stack.Volumes[i]
	source := c.sourceOf(w, vol)
	if source.PersistentVolumeClaim != nil && strings.Contains(vol.Name, "{{") {
		c.templated(w, at, vol, m)
		return
	}
	w.mount(corev1.Volume{Name: label(v.Source), VolumeSource: source}, m)
}

func claimVolume(name, claim string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}}
}

// templated is a volume whose name Swarm makes for each task: each Pod has a claim of its own.
func (c *converter) templated(w *workload, at string, v *Volume, m corev1.VolumeMount) {
	if !strings.Contains(v.Name, ".Task.Slot") || w.service.Spec.Mode.Replicated == nil {
		c.find(Refused, at, "Swarm makes the name %q for each task, and only the Pods of a StatefulSet have claims of their own, by their number ({{.Task.Slot}})", v.Name)
		return
	}
	if len(v.Options) > 0 || v.Driver != "" && v.Driver != "local" {
		c.decide(Refused, "volumes."+v.Key+".driver_opts", "each Pod's claim is made by its class, which knows nothing of this driver and its options: make a StorageClass that does, and name it with --storage-class")
	}
	m.Name = label(v.Key)
	con := w.container()
	con.VolumeMounts = append(con.VolumeMounts, m)
	if slices.ContainsFunc(w.claims, func(have corev1.PersistentVolumeClaim) bool { return have.Name == m.Name }) {
		return
	}
	w.claims = append(w.claims, corev1.PersistentVolumeClaim{ObjectMeta: newMeta(m.Name), Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: c.size(v, at)}},
	}})
	if c.options.StorageClass != "" {
		w.claims[len(w.claims)-1].Spec.StorageClassName = &c.options.StorageClass
	}
}

// sourceOf is what a named volume is in a Pod.
func (c *converter) sourceOf(w *workload, v *Volume) corev1.VolumeSource {
	if v.Driver == "" || v.Driver == "local" {
		kind, device := v.Options["type"], v.Options["device"]
		switch {
		case kind == "tmpfs":
			return memory("", sizeOption(v.Options["o"])).VolumeSource
		case slices.Contains(strings.Split(v.Options["o"], ","), "bind") && path.IsAbs(device):
			return corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path.Clean(device)}}
		}
	}
	claim := c.claimName(v)
	if v.External {
		// So skep finds the volume that Docker has, for which there is no claim.
		w.trueVolume(claim, v.Name)
	}
	return claimVolume("", claim).VolumeSource
}

func sizeOption(options string) int64 {
	for _, option := range strings.Split(options, ",") {
		if text, ok := strings.CutPrefix(option, "size="); ok {
			if n, err := byteSize(text); err == nil {
				return n
			}
		}
	}
	return 0
}
