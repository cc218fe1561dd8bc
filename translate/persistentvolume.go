package translate

import (
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// PersistentVolumes pairs PersistentVolumes with documents and, where nobody wrote one, with the volumes that
// Docker's engines have.
type PersistentVolumes struct{}

var _ Lens = PersistentVolumes{}

const (
	kindVolume = "PersistentVolume"
	// protection is the finalizer that Kubernetes gives every PersistentVolume.
	protection = "kubernetes.io/pv-protection"
)

var volumeDocuments = Documents{
	Of: kindVolume, New: func() Object { return &corev1.PersistentVolume{} },
	Default: func(o Object) { coredefaults.SetObjectDefaults_PersistentVolume(o.(*corev1.PersistentVolume)) },
}

// DockerVolume is a volume of one node's engine.
type DockerVolume struct {
	NodeID string
	Volume *volume.Volume
}

// VolumeGroupID is the ID of a DockerVolume's group.
func VolumeGroupID(nodeID, name string) string { return nodeID + "/" + name }

// unlimited is the capacity of a volume that nobody gave one: what its file system holds.
const unlimited = "1Pi"

// Kind implements Lens.
func (PersistentVolumes) Kind() string { return kindVolume }

// Groups implements Lens.
func (PersistentVolumes) Groups() []GroupKind { return []GroupKind{GroupConfig, GroupVolume} }

// Get implements Lens.
func (PersistentVolumes) Get(w World, g Group) []Derived {
	if g.Kind == GroupConfig {
		return volumeDocuments.Get(w, g)
	}
	v := w.DockerVolume(g.ID)
	if v == nil {
		return nil
	}
	n := w.Node(v.NodeID)
	if n == nil {
		return nil
	}
	name := DNSName(v.Volume.Name) + "." + NodeName(w, n)
	return []Derived{{
		Key: Key{Name: name}, Parts: []any{v.Volume, name, n.Description.Hostname}, Index: 1,
		Build: func() (Object, error) { return getDockerVolume(v, n, name), nil },
	}}
}

// getDockerVolume is a volume that someone made by Docker's means: there to be claimed by name, and by name only,
// since no claim gets its class by default.
func getDockerVolume(v *DockerVolume, n *swarm.Node, name string) *corev1.PersistentVolume {
	attributes := map[string]string{paramDriver: v.Volume.Driver}
	for k, option := range v.Volume.Options {
		if !reservedOption(k) {
			attributes[k] = option
		}
	}
	labels, _ := splitLabels(userLabels(v.Volume.Labels))
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: swarmUID("volume", v.NodeID, v.Volume.Name), Labels: labels,
			Annotations: map[string]string{AnnotationNative: v.Volume.Name},
			Finalizers:  []string{protection},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(unlimited)},
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadOnlyMany, corev1.ReadWriteMany},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			StorageClassName:              StorageClassDocker,
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: StorageProvisioner, VolumeHandle: v.Volume.Name, VolumeAttributes: attributes,
			}},
		},
		Status: corev1.PersistentVolumeStatus{Phase: corev1.VolumeAvailable},
	}
	if v.Volume.Scope != "global" && OnOneNode(attributes) {
		pv.Spec.NodeAffinity = onNode(n.Description.Hostname)
	}
	if made := createdAt(v.Volume.CreatedAt); !made.IsZero() {
		pv.CreationTimestamp = made
	}
	coredefaults.SetObjectDefaults_PersistentVolume(pv)
	return pv
}

// Put implements Lens. A volume of Docker's that someone writes to becomes a document.
func (PersistentVolumes) Put(w World, g Group, old, object Object) (Plan, error) {
	pv := object.DeepCopyObject().(*corev1.PersistentVolume)
	if old != nil && g.Kind == GroupVolume {
		if pv.DeletionTimestamp != nil {
			return Plan{}, dockersOwn(pv)
		}
		delete(pv.Annotations, AnnotationNative)
		old = nil
	}
	return volumeDocuments.Put(w, g, old, pv)
}

// Remove implements Lens.
func (PersistentVolumes) Remove(w World, g Group, old Object) (Plan, error) {
	if g.Kind == GroupVolume {
		return Plan{}, dockersOwn(old.(*corev1.PersistentVolume))
	}
	return volumeDocuments.Remove(w, g, old)
}

func dockersOwn(pv *corev1.PersistentVolume) error {
	return Refusal{field.Forbidden(field.NewPath("metadata", "name"), fmt.Sprintf(
		"this is a Docker volume that skep did not make: remove it on its node, with \"docker volume rm %s\"", pv.Annotations[AnnotationNative]))}
}

// volumeOf is what Pods mount for a PersistentVolume; nil for one that nothing here can mount.
func volumeOf(pv *corev1.PersistentVolume) *ClaimedVolume {
	v := &ClaimedVolume{}
	switch src := &pv.Spec.PersistentVolumeSource; {
	case src.CSI != nil && src.CSI.Driver == StorageProvisioner:
		v.Name, v.ReadOnly = src.CSI.VolumeHandle, src.CSI.ReadOnly
		v.Driver, v.Options = driverOf(src.CSI.VolumeAttributes)
	case src.NFS != nil:
		v = nfsVolume(src.NFS, pv.Spec.MountOptions)
		v.ReadOnly = src.NFS.ReadOnly
	case src.HostPath != nil:
		v.Path = src.HostPath.Path
	case src.Local != nil:
		v.Path = src.Local.Path
	default:
		return nil
	}
	v.Bound = true
	v.Placement, _ = placementOf(pv.Spec.NodeAffinity)
	return v
}

// VolumeHandle is the Docker volume that a PersistentVolume is; "" for one that is something else.
func VolumeHandle(pv *corev1.PersistentVolume) string {
	if csi := pv.Spec.CSI; csi != nil && csi.Driver == StorageProvisioner {
		return csi.VolumeHandle
	}
	return ""
}

// ShownVolume says whether a Docker volume may show as a PersistentVolume: one that has a name, that no Pod has for
// itself, and that is not just how to reach what is elsewhere.
func ShownVolume(v *volume.Volume) bool {
	_, anonymous := v.Labels["com.docker.volume.anonymous"]
	return !anonymous && !isAnonymous(v.Name) && v.Labels[LabelEphemeral] == "" && v.Labels[LabelMaterial] == ""
}

// isAnonymous tells a name that Docker made up: 64 hexadecimal digits.
func isAnonymous(name string) bool {
	const digits = 64
	return len(name) == digits && strings.Trim(name, "0123456789abcdef") == ""
}

// CheckPersistentVolume tells what rows of the fates cannot say.
func CheckPersistentVolume(pv *corev1.PersistentVolume) (warnings []string) {
	if _, all := placementOf(pv.Spec.NodeAffinity); !all {
		warnings = append(warnings, "spec.nodeAffinity: Swarm's constraints know one value of a label, and not a value: Pods are not kept to these nodes")
	}
	return warnings
}
