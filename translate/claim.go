package translate

import (
	"maps"
	"strings"

	"github.com/docker/docker/api/types/mount"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	storagehelpers "k8s.io/component-helpers/storage/volume"
)

// A claim is a Docker volume. Which one is decided when the claim is made, and written on it.
const (
	// AnnotationVolume is the name of the Docker volume that a claim gets when one is made for it.
	AnnotationVolume = "skep/volume"
	// LabelUID is the UID of the claim for which Docker made a volume: only such a volume is removed with it.
	LabelUID = "skep.uid"
	// LabelEphemeral marks a Docker volume that lives as long as its Pod.
	LabelEphemeral = "skep.ephemeral"

	kindClaim = "PersistentVolumeClaim"
)

// maxVolumeName is how long skep lets the name of a volume become: the local driver makes a directory of it.
const maxVolumeName = 200

// ClaimedVolume is what a container mounts for a claim.
type ClaimedVolume struct {
	// Name is the Docker volume's. Driver and Options make it where it is not there; Labels say whose it is.
	Name    string
	Driver  string
	Options map[string]string
	Labels  map[string]string
	// Path on the node stands in place of a Docker volume where a PersistentVolume says so.
	Path string
	// Placement are Swarm constraints by which its Pods run where the volume is.
	Placement []string
	ReadOnly  bool
	// Bound says that there is a PersistentVolume for it. One that is not bound waits for its first Pod.
	Bound bool
}

// ClaimVolumeName is the readable name of a claim's Docker volume. Names in Kubernetes hold no underscore, so the
// parts cannot run into each other.
func ClaimVolumeName(namespace, claim string) string {
	name := namespace + "_" + claim
	return fit(name, name, maxVolumeName)
}

// VolumeNameOf is the name of the volume that is made for a claim.
func VolumeNameOf(claim *corev1.PersistentVolumeClaim) string {
	if name := claim.Annotations[AnnotationVolume]; name != "" {
		return name
	}
	return ClaimVolumeName(claim.Namespace, claim.Name)
}

// VolumeLabels are the labels of the Docker volume that is made for a claim.
func VolumeLabels(claim *corev1.PersistentVolumeClaim, stack string) map[string]string {
	return map[string]string{LabelKind: kindClaim, LabelName: claim.Name, LabelStack: stack, LabelUID: string(claim.UID)}
}

// BoundTo says whether a PersistentVolume is kept for a claim.
func BoundTo(pv *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) bool {
	ref := pv.Spec.ClaimRef
	return ref != nil && ref.Namespace == claim.Namespace && ref.Name == claim.Name && (ref.UID == "" || ref.UID == claim.UID)
}

// ResolveClaim is what a Pod mounts for a claim: what its PersistentVolume says or, while the first Pod is to decide
// where the volume will be, what its class says. nil where the Pod has to wait. pv is the claim's PersistentVolume and
// class its StorageClass; nil where there is none. stack is that of the claim's namespace.
func ResolveClaim(claim *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume, class *storagev1.StorageClass, stack string) *ClaimedVolume {
	var v *ClaimedVolume
	switch {
	case claim.DeletionTimestamp != nil: // for those that have it
	case pv != nil:
		if !BoundTo(pv, claim) {
			return nil
		}
		v = volumeOf(pv)
	case claim.Spec.VolumeName == "" && claim.Spec.Selector == nil && class != nil && class.Provisioner == StorageProvisioner && waitsForConsumer(class):
		driver, options := DriverOf(class, claim)
		v = &ClaimedVolume{Name: VolumeNameOf(claim), Driver: driver, Options: options}
	}
	if v != nil {
		own := v.Labels
		v.Labels = VolumeLabels(claim, stack)
		maps.Copy(v.Labels, own)
	}
	return v
}

// ClassOf is the name of a claim's StorageClass; "" for none.
func ClassOf(claim *corev1.PersistentVolumeClaim) string {
	return storagehelpers.GetPersistentVolumeClaimClass(claim)
}

// mount mounts the volume. A claim's volume starts empty, whatever the image has in that place.
func (v *ClaimedVolume) mount(readOnly bool) mount.Mount {
	readOnly = readOnly || v.ReadOnly
	if v.Path != "" {
		return mount.Mount{Type: mount.TypeBind, Source: v.Path, ReadOnly: readOnly}
	}
	m := mount.Mount{Type: mount.TypeVolume, Source: render(v.Name), ReadOnly: readOnly}
	if len(v.Labels) > 0 || v.Driver != "" {
		m.VolumeOptions = &mount.VolumeOptions{NoCopy: true, Labels: v.Labels}
	}
	if v.Driver != "" {
		m.VolumeOptions.DriverConfig = &mount.Driver{Name: v.Driver, Options: v.Options}
	}
	return m
}

// isClaimMount tells the mount of a claim's volume as skep writes it.
func isClaimMount(m mount.Mount) bool {
	return m.Type == mount.TypeVolume && m.VolumeOptions != nil && m.VolumeOptions.Labels[LabelKind] == kindClaim
}

// claimOf is the claim that a mount was written for; "" where skep wrote it for none.
func claimOf(m mount.Mount) string {
	if !isClaimMount(m) {
		return ""
	}
	return m.VolumeOptions.Labels[LabelName]
}

// Claim implements Sources. What a service of Docker's tools mounts is a claim by that name.
func (h holding) Claim(namespace, name string) *ClaimedVolume {
	if h.spec != nil {
		for _, m := range h.spec.Mounts {
			source, literal := plain(m.Source)
			if m.Type == mount.TypeVolume && source != "" && literal && !isClaimMount(m) && DNSName(source) == name {
				return &ClaimedVolume{Name: source}
			}
		}
	}
	return h.Sources.Claim(namespace, name)
}

// reservedOption tells parameters and attributes that are no options of a volume driver.
func reservedOption(key string) bool {
	return key == paramDriver || key == paramScope || strings.HasPrefix(key, "csi.storage.k8s.io/") || strings.HasPrefix(key, "storage.kubernetes.io/")
}
