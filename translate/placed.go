package translate

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// seenPlace prefixes what Seen holds of single places in the container's file tree.
const seenPlace = "place/"

// placed is whatever Swarm puts at one place: a mount, or a file out of a config or secret.
type placed struct {
	target string
	mount  *mount.Mount
	config *swarm.ConfigReference
	secret *swarm.SecretReference
}

// digest leaves out the IDs, which Docker fills in.
func (p placed) digest() string {
	switch {
	case p.mount != nil:
		return digest(p.mount)
	case p.config != nil:
		return digest([]any{"config", p.config.ConfigName, p.config.File})
	}
	return digest([]any{"secret", p.secret.SecretName, p.secret.File})
}

// placedFiles lists what is mounted where. Docker resolves the relative names of configs against the
// root, those of secrets against /run/secrets.
func placedFiles(spec *swarm.ContainerSpec) []placed {
	var out []placed
	for i := range spec.Mounts {
		target, _ := plain(spec.Mounts[i].Target)
		out = append(out, placed{target: path.Clean(target), mount: &spec.Mounts[i]})
	}
	for _, ref := range spec.Configs {
		if ref != nil && ref.File != nil { // the others are not files, but a container's credentials
			out = append(out, placed{target: path.Join("/", ref.File.Name), config: ref})
		}
	}
	for _, ref := range spec.Secrets {
		if ref == nil || ref.File == nil {
			continue
		}
		target := ref.File.Name
		if !path.IsAbs(target) {
			target = path.Join("/run/secrets", target)
		}
		out = append(out, placed{target: path.Clean(target), secret: ref})
	}
	return out
}

func volumesAt(s *swarm.TaskSpec) any {
	out := map[string][]string{}
	for _, p := range placedFiles(containerSpec(s)) {
		out[p.target] = append(out[p.target], p.digest())
	}
	return out
}

// getVolumes keeps every volumeMount whose places nobody touched, and says the rest as Swarm has it.
func getVolumes(s *swarm.TaskSpec, o *corev1.PodTemplateSpec, seen Seen) {
	c := podContainer(o)
	places := placedFiles(containerSpec(s))
	touched := touchedMounts(places, c.VolumeMounts, seen)
	var mounts []corev1.VolumeMount
	gone := map[string]bool{}
	for _, vm := range c.VolumeMounts {
		if seen == nil || touched[vm.MountPath] {
			gone[vm.Name] = true
		} else {
			mounts = append(mounts, vm)
		}
	}
	w := volumeWriter{o: o, mounts: mounts, trueNames: jsonMap(o.Annotations[AnnotationVolumes])}
	for _, v := range o.Spec.Volumes {
		if !gone[v.Name] || slices.ContainsFunc(mounts, func(vm corev1.VolumeMount) bool { return vm.Name == v.Name }) {
			w.volumes = append(w.volumes, v)
		}
	}
	for _, p := range places {
		owner := mountOver(p.target, c.VolumeMounts)
		kept := owner != nil && seen != nil && !touched[owner.MountPath]
		if !kept || seen[seenPlace+p.target] != p.digest() {
			w.add(p)
		}
	}
	c.VolumeMounts, o.Spec.Volumes = w.mounts, w.volumes
	w.writeNames()
}

// mountOver finds the volumeMount that a place belongs to: the deepest above it.
func mountOver(target string, mounts []corev1.VolumeMount) *corev1.VolumeMount {
	var best *corev1.VolumeMount
	for i := range mounts {
		at := path.Clean(mounts[i].MountPath)
		above := at == target || strings.HasPrefix(target, strings.TrimSuffix(at, "/")+"/")
		if above && (best == nil || len(at) > len(path.Clean(best.MountPath))) {
			best = &mounts[i]
		}
	}
	return best
}

// touchedMounts names, by path, the volumeMounts of which a place is gone or not what it was. What
// someone placed beside them touches nothing.
func touchedMounts(places []placed, mounts []corev1.VolumeMount, seen Seen) map[string]bool {
	now := map[string]string{}
	for _, p := range places {
		now[p.target] = p.digest()
	}
	out := map[string]bool{}
	for key, was := range seen {
		target, ok := strings.CutPrefix(key, seenPlace)
		if !ok || now[target] == was {
			continue
		}
		if vm := mountOver(target, mounts); vm != nil {
			out[vm.MountPath] = true
		}
	}
	return out
}

// volumeWriter adds volumes and their mounts to a Pod template.
type volumeWriter struct {
	o         *corev1.PodTemplateSpec
	mounts    []corev1.VolumeMount
	volumes   []corev1.Volume
	trueNames map[string]string
}

// add says one place as Kubernetes would. What has no Kubernetes counterpart stays out.
func (w *volumeWriter) add(p placed) {
	at := slices.IndexFunc(w.mounts, func(vm corev1.VolumeMount) bool { return path.Clean(vm.MountPath) == p.target })
	if at >= 0 || strings.Contains(p.target, ":") || p.target == "/" {
		return
	}
	vm := corev1.VolumeMount{MountPath: p.target}
	var v corev1.Volume
	switch base := path.Base(p.target); {
	case p.config != nil:
		name := p.config.ConfigName
		v.Name, vm.SubPath = DNSName("config-"+name), base
		v.ConfigMap = &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: DNSName(name)},
			Items:                []corev1.KeyToPath{{Key: name, Path: base}},
			DefaultMode:          new(int32(p.config.File.Mode.Perm())),
		}
	case p.secret != nil:
		name := p.secret.SecretName
		v.Name, vm.SubPath = DNSName("secret-"+name), base
		v.Secret = &corev1.SecretVolumeSource{
			SecretName:  DNSName(name),
			Items:       []corev1.KeyToPath{{Key: name, Path: base}},
			DefaultMode: new(int32(p.secret.File.Mode.Perm())),
		}
	default:
		if !w.mount(&v, &vm, p) {
			return
		}
	}
	vm.Name = w.volume(v)
	w.mounts = append(w.mounts, vm)
}

// mount says a Swarm mount as a volume; false where Kubernetes has none like it.
func (w *volumeWriter) mount(v *corev1.Volume, vm *corev1.VolumeMount, p placed) bool {
	m := p.mount
	source, literal := plain(m.Source)
	if _, ok := plain(m.Target); !ok || !literal {
		return false
	}
	vm.ReadOnly = m.ReadOnly
	switch {
	case m.Type == mount.TypeBind && path.IsAbs(source):
		source = path.Clean(source)
		v.Name = DNSName("host-" + strings.Trim(source, "/"))
		v.HostPath = &corev1.HostPathVolumeSource{Path: source}
	case m.Type == mount.TypeTmpfs:
		v.Name = DNSName("tmp-" + strings.Trim(p.target, "/"))
		v.EmptyDir = &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
		if m.TmpfsOptions != nil && m.TmpfsOptions.SizeBytes > 0 {
			v.EmptyDir.SizeLimit = resource.NewQuantity(m.TmpfsOptions.SizeBytes, resource.BinarySI)
		}
	case m.Type == mount.TypeVolume && source == "":
		v.Name = DNSName("empty-" + strings.Trim(p.target, "/"))
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	case m.Type == mount.TypeVolume:
		claim := DNSName(source)
		if own := claimOf(*m); own != "" {
			claim = own
		} else if claim != source {
			if w.trueNames == nil {
				w.trueNames = map[string]string{}
			}
			w.trueNames[claim] = source
		}
		v.Name = DNSName("volume-" + source)
		v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}
	default:
		return false
	}
	if m.BindOptions != nil && m.BindOptions.Propagation == mount.PropagationRSlave {
		vm.MountPropagation = new(corev1.MountPropagationHostToContainer)
	}
	return true
}

// volume adds v unless the very same is there, and returns its name. A second one under its name that
// says something else (the same config with another mode) is told apart by that.
func (w *volumeWriter) volume(v corev1.Volume) string {
	same := func(have corev1.Volume) bool { return have.Name == v.Name }
	at := slices.IndexFunc(w.volumes, same)
	if at >= 0 && digest(w.volumes[at]) != digest(v) {
		v.Name = DNSName(v.Name + "." + digest(v.VolumeSource))
		at = slices.IndexFunc(w.volumes, same)
	}
	if at < 0 {
		w.volumes = append(w.volumes, v)
	}
	return v.Name
}

// writeNames keeps the true names of the volumes that are still claimed.
func (w *volumeWriter) writeNames() {
	kept := map[string]string{}
	for _, v := range w.volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim := v.PersistentVolumeClaim.ClaimName
		if name := w.trueNames[claim]; name != "" {
			kept[claim] = name
		}
	}
	doc := ""
	if len(kept) > 0 {
		encoded, err := json.Marshal(kept)
		if err != nil {
			return
		}
		doc = string(encoded)
	}
	setAnnotation(w.o, AnnotationVolumes, doc)
}
