package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// pinned begins the constraints by which a task runs where its volumes are. SwarmKit reads keys without regard to
// case; so spelled they are skep's own, and no part of what the Pod asks for.
const pinned = "NODE."

func isPin(constraint string) bool { return strings.HasPrefix(constraint, pinned) }

// claim is the volume of a claim. One that a template of Docker's making has by its true name is that.
func (p *putter) claim(name string) *ClaimedVolume {
	if v := p.src.Claim(p.id.Namespace, name); v != nil {
		return v
	}
	if trueName := jsonMap(p.tpl.Annotations[AnnotationVolumes])[name]; trueName != "" && DNSName(trueName) == name {
		return &ClaimedVolume{Name: trueName}
	}
	return nil
}

// putClaim mounts a claim's volume. While there is none, the task waits: see putPins.
func (p *putter) putClaim(at *field.Path, vm *corev1.VolumeMount, src *corev1.PersistentVolumeClaimVolumeSource) {
	if v := p.claim(src.ClaimName); v != nil {
		p.putMount(at, vm, v.mount(src.ReadOnly))
	}
}

// putPins has the task run where its volumes are, and wait for those that are not there.
func (p *putter) putPins(place *swarm.Placement) {
	p.putReplicaPins(place)
	for i := range p.pod.Volumes {
		src := p.pod.Volumes[i].PersistentVolumeClaim
		if src == nil {
			continue
		}
		v := p.claim(src.ClaimName)
		if v == nil {
			p.missing(kindClaim, src.ClaimName, "")
			continue
		}
		for _, c := range v.Placement {
			if !slices.Contains(place.Constraints, c) {
				place.Constraints = append(place.Constraints, c)
			}
		}
	}
}

// putNFS mounts a directory of an NFS server, by a Docker volume that all who mount the same share.
func (p *putter) putNFS(at *field.Path, vm *corev1.VolumeMount, src *corev1.NFSVolumeSource) {
	v := nfsVolume(src, nil)
	p.putMount(at, vm, v.mount(src.ReadOnly))
}

// nfsVolume is a Docker volume of an NFS server's directory. Its name tells it from every other.
func nfsVolume(src *corev1.NFSVolumeSource, mountOptions []string) *ClaimedVolume {
	mode := "rw"
	if src.ReadOnly {
		mode = "ro"
	}
	options := map[string]string{"type": "nfs", "device": ":" + src.Path, "o": "addr=" + src.Server + "," + mode}
	if len(mountOptions) > 0 {
		options = withMountOptions(options, mountOptions)
	}
	const enough = 6
	sum := sha256.Sum256([]byte(options["device"] + " " + options["o"]))
	return &ClaimedVolume{Name: "nfs." + DNSName(src.Server) + "." + hex.EncodeToString(sum[:enough]), Driver: driverLocal, Options: options, Labels: map[string]string{LabelMaterial: "nfs"}}
}

// putEphemeral mounts a volume that lives as long as its Pod. Kubernetes' controller makes the claim once it sees the
// Pod, named after both; the volume has been made by then.
func (p *putter) putEphemeral(vAt, at *field.Path, vm *corev1.VolumeMount, v *corev1.Volume) {
	if v.Ephemeral.VolumeClaimTemplate == nil {
		p.refuse(vAt.Child("ephemeral", "volumeClaimTemplate"), "says which volume it is to be")
		return
	}
	spec := v.Ephemeral.VolumeClaimTemplate.Spec
	claim := &corev1.PersistentVolumeClaim{Spec: spec}
	name := ClassOf(claim)
	class := p.src.StorageClass(name)
	switch {
	case class == nil:
		if name == "" {
			name = "default"
		}
		p.missing("StorageClass", name, "")
		return
	case class.Provisioner != StorageProvisioner:
		p.refuse(vAt.Child("ephemeral", "volumeClaimTemplate", "spec", "storageClassName"),
			"volumes that live as long as a Pod are made by the provisioner %s only: name a StorageClass of it", StorageProvisioner)
		return
	}
	own := slices.Contains(p.id.Claims, v.Name)
	for _, key := range sortedKeys(class.Parameters) {
		if unknown := class.Parameters[key]; strings.Contains(unknown, "${pv.") || !own && strings.Contains(unknown, "${") {
			p.refuse(vAt.Child("ephemeral", "volumeClaimTemplate", "spec", "storageClassName"),
				"StorageClass %q makes the option %s of the claim, which is not there yet when the Pod starts: name another, or use a claim of its own", class.Name, key)
			return
		}
	}
	if own {
		p.putReplicaClaim(at, vm, v.Name, claim, class)
		return
	}
	driver, options := DriverOf(class, claim)
	volume := &ClaimedVolume{
		Name: p.id.Namespace + "_" + p.id.podName() + "-" + v.Name, Driver: driver, Options: options,
		Labels: map[string]string{LabelKind: kindClaim, LabelStack: p.id.Namespace, LabelEphemeral: "true"},
	}
	p.putMount(at, vm, volume.mount(false))
}
