package translate

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProvisionVolume is the PersistentVolume for a claim of skep's provisioner. hostname is that of the node on which its
// Docker volume is made when the first Pod mounts it; it counts where the driver's volumes are each on one node.
func ProvisionVolume(name string, class *storagev1.StorageClass, claim *corev1.PersistentVolumeClaim, hostname string) *corev1.PersistentVolume {
	driver, options := DriverOf(class, claim)
	attributes := withEntry(options, paramDriver, driver)
	if scope := class.Parameters[paramScope]; scope != "" {
		attributes[paramScope] = scope
	}
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: StorageProvisioner, VolumeHandle: VolumeNameOf(claim), VolumeAttributes: attributes,
			}},
		},
	}
	if class.ReclaimPolicy != nil {
		pv.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
	}
	if OnOneNode(attributes) {
		pv.Spec.NodeAffinity = onNode(hostname)
	}
	return pv
}
