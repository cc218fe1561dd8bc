package translate

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	blockReason      = "Docker's volumes are file systems: use Filesystem"
	attributesReason = "Docker's volumes have no attributes that change: give the options in a StorageClass's parameters"
	copyReason       = "nothing copies a volume: fill it by a Pod, or an init container"
	pvDiskReason     = "Swarm attaches no disks: mount it on the nodes and use local or hostPath, or a volume plug-in by the driver " + StorageProvisioner
	pvNetworkReason  = "Swarm mounts no such file system by itself: use csi with the driver " + StorageProvisioner + " and the volume driver with its options in volumeAttributes"
	pvSecretReason   = "volume drivers are handed no Secrets: give the options in volumeAttributes, or set the plug-in up on the nodes"
)

// storageFates are the kinds that volumes are made of.
var storageFates = []kindFates{
	{
		kind: kindClaim, objects: []runtime.Object{&corev1.PersistentVolumeClaim{}}, template: noTemplate,
		note: "A document; its PersistentVolume is a Docker volume named `<namespace>_<claim>`, which the node's engine makes when the first Pod mounts it.",
		rows: append([]fate{{path: "status", fate: ViaGateway, reason: "by Kubernetes' own controllers"}}, claimSpecFates("spec")...),
	},
	{
		kind: kindVolume, objects: []runtime.Object{&corev1.PersistentVolume{}}, template: noTemplate,
		note: "A document. Named volumes that Docker made show by themselves, with the class `" + StorageClassDocker + "`, and can be claimed by `spec.volumeName`.",
		rows: volumeSpecFates,
	},
	{
		kind: "StorageClass", objects: []runtime.Object{&storagev1.StorageClass{}}, template: noTemplate,
		note: "A document: a volume driver with its options. `" + StorageClassLocal + "` is the default one.",
		rows: []fate{
			{
				path: "provisioner", fate: Warned, reason: "skep makes volumes for the provisioner " + StorageProvisioner + " only; " + NoProvisioner + " is for those that are there",
				when: &condition{"another than skep's", func(s subject) bool {
					return s.value != StorageProvisioner && s.value != NoProvisioner
				}},
			},
			{path: "provisioner", fate: ViaGateway, reason: StorageProvisioner + " makes a Docker volume for each claim"},
			{path: "parameters", fate: Native, reason: "driver (default local) and its options, as after docker volume create --opt; in them ${pvc.metadata.name}, ${pvc.metadata.namespace}, ${pv.metadata.name} and ${pvc.size} in bytes; " + paramScope + " says of a plug-in's volumes whether each is on one node (local) or on all (global, the default)"},
			{path: "reclaimPolicy", fate: ViaGateway, reason: "Delete removes the Docker volume with the claim; Retain keeps it"},
			{path: "mountOptions", fate: Native, reason: "added to the local driver's option o"},
			{path: "allowVolumeExpansion", fate: ViaGateway, reason: "kept and enforced; a larger claim is one at once"},
			{path: "volumeBindingMode", fate: ViaGateway, reason: "WaitForFirstConsumer: the volume is where Swarm puts the first Pod; Immediate: where there are fewest"},
			{path: "allowedTopologies", fate: Refused, reason: "Swarm's scheduler puts the first Pod where it likes: ask for nodes in the Pod, by nodeSelector"},
		},
	},
}

// claimSpecFates are those of a claim's spec at a path.
func claimSpecFates(at string) []fate {
	rows := []fate{
		{path: "accessModes[]", fate: Warned, reason: "Swarm does not keep a second Pod away", when: equals(corev1.ReadWriteOncePod)},
		{path: "accessModes", fate: ViaGateway, reason: "kept, and compared with the PersistentVolume's; a volume on one node has all its Pods there"},
		{path: "selector", fate: ViaGateway, reason: "chooses among PersistentVolumes that are there"},
		{path: "resources.requests", fate: ViaGateway, reason: "kept and reported; a limit where the driver is given one: ${pvc.size} in a StorageClass's parameters"},
		{path: "resources.limits", fate: ViaGateway, reason: "kept"},
		{path: "volumeName", fate: ViaGateway, reason: "that PersistentVolume"},
		{path: "storageClassName", fate: ViaGateway, reason: "the default class where it is left out"},
		{path: "volumeMode", fate: Refused, reason: blockReason, when: equals(corev1.PersistentVolumeBlock)},
		{path: "volumeMode", fate: Native, reason: "Filesystem"},
		{path: "dataSource", fate: Refused, reason: copyReason},
		{path: "dataSourceRef", fate: Refused, reason: copyReason},
		{path: "volumeAttributesClassName", fate: Refused, reason: attributesReason},
	}
	for i := range rows {
		rows[i].path = join(at, rows[i].path)
	}
	return rows
}

var volumeSpecFates = []fate{
	{path: "spec.capacity", fate: ViaGateway, reason: "kept; 1Pi for a volume that Docker made, which may fill its disk"},
	{path: "spec.accessModes", fate: ViaGateway, reason: "kept, and compared with the claim's"},
	{path: "spec.claimRef", fate: ViaGateway, reason: "by Kubernetes' own controllers"},
	{path: "spec.persistentVolumeReclaimPolicy", fate: Refused, reason: "nothing empties volumes: use Retain, or Delete for those that skep made", when: equals(corev1.PersistentVolumeReclaimRecycle)},
	{path: "spec.persistentVolumeReclaimPolicy", fate: ViaGateway, reason: "Delete removes the Docker volume if it was made for the claim"},
	{path: "spec.storageClassName", fate: ViaGateway, reason: "kept, and compared with the claim's"},
	{path: "spec.mountOptions", fate: Warned, reason: "Docker mounts a path as it is on the node; for csi give them in volumeAttributes, as the option o", when: &condition{"not of nfs", func(s subject) bool {
		spec, _ := s.within.(*corev1.PersistentVolumeSpec)
		return spec != nil && spec.NFS == nil
	}}},
	{path: "spec.mountOptions", fate: Native, reason: "options of the NFS mount"},
	{path: "spec.volumeMode", fate: Refused, reason: blockReason, when: equals(corev1.PersistentVolumeBlock)},
	{path: "spec.volumeMode", fate: Native, reason: "Filesystem"},
	{path: "spec.nodeAffinity", fate: Native, reason: "placement constraints of the Pods that claim it"},
	{path: "spec.volumeAttributesClassName", fate: Refused, reason: attributesReason},
	{path: "spec.csi", fate: Refused, reason: "Swarm has no such driver for volumes: the driver that makes Docker volumes is " + StorageProvisioner, when: &condition{"another driver than skep's", func(s subject) bool {
		csi, _ := s.value.(corev1.CSIPersistentVolumeSource)
		return csi.Driver != StorageProvisioner
	}}},
	{path: "spec.csi.driver", fate: Native, reason: StorageProvisioner},
	{path: "spec.csi.volumeHandle", fate: Native, reason: "the Docker volume's name"},
	{path: "spec.csi.readOnly", fate: Native, reason: "a read-only mount"},
	{path: "spec.csi.fsType", fate: Refused, reason: "the volume driver decides it: give it as its option in volumeAttributes"},
	{path: "spec.csi.volumeAttributes", fate: Native, reason: "the volume driver (driver, default local) and its options, for the node that does not have the volume yet"},
	{path: "spec.csi.controllerPublishSecretRef", fate: Refused, reason: pvSecretReason},
	{path: "spec.csi.nodeStageSecretRef", fate: Refused, reason: pvSecretReason},
	{path: "spec.csi.nodePublishSecretRef", fate: Refused, reason: pvSecretReason},
	{path: "spec.csi.controllerExpandSecretRef", fate: Refused, reason: pvSecretReason},
	{path: "spec.csi.nodeExpandSecretRef", fate: Refused, reason: pvSecretReason},
	{path: "spec.hostPath.path", fate: Native, reason: "a bind mount"},
	{path: "spec.hostPath.type", fate: Warned, reason: "Docker asks only that the path is there, and makes nothing", when: &condition{"given", func(s subject) bool { return s.value != corev1.HostPathUnset }}},
	{path: "spec.hostPath.type", fate: Native, reason: "Docker asks that the path is there"},
	{path: "spec.local.path", fate: Native, reason: "a bind mount"},
	{path: "spec.local.fsType", fate: Refused, reason: "Docker mounts no devices: mount it on the node"},
	{path: "spec.nfs", fate: Native, reason: "a Docker volume of the local driver with type=nfs"},
	{path: "spec.gcePersistentDisk", fate: Refused, reason: pvDiskReason},
	{path: "spec.awsElasticBlockStore", fate: Refused, reason: pvDiskReason},
	{path: "spec.glusterfs", fate: Refused, reason: pvNetworkReason},
	{path: "spec.rbd", fate: Refused, reason: pvDiskReason},
	{path: "spec.iscsi", fate: Refused, reason: pvDiskReason},
	{path: "spec.cinder", fate: Refused, reason: pvDiskReason},
	{path: "spec.cephfs", fate: Refused, reason: pvNetworkReason},
	{path: "spec.fc", fate: Refused, reason: pvDiskReason},
	{path: "spec.flocker", fate: Refused, reason: pvNetworkReason},
	{path: "spec.flexVolume", fate: Refused, reason: pvNetworkReason},
	{path: "spec.azureFile", fate: Refused, reason: pvNetworkReason},
	{path: "spec.vsphereVolume", fate: Refused, reason: pvDiskReason},
	{path: "spec.quobyte", fate: Refused, reason: pvNetworkReason},
	{path: "spec.azureDisk", fate: Refused, reason: pvDiskReason},
	{path: "spec.photonPersistentDisk", fate: Refused, reason: pvDiskReason},
	{path: "spec.portworxVolume", fate: Refused, reason: pvNetworkReason},
	{path: "spec.scaleIO", fate: Refused, reason: pvDiskReason},
	{path: "spec.storageos", fate: Refused, reason: pvNetworkReason},
	{path: "status", fate: ViaGateway, reason: "by Kubernetes' own controllers"},
}

// ephemeralFates are those of a volume that lives as long as its Pod, below a Pod's spec.
var ephemeralFates = append([]fate{
	{path: "volumes[].ephemeral.volumeClaimTemplate.spec.selector", fate: Refused, reason: "a volume that lives as long as its Pod is a new one: leave it out"},
	{path: "volumes[].ephemeral.volumeClaimTemplate.spec.volumeName", fate: Refused, reason: "a volume that lives as long as its Pod is a new one: leave it out"},
	{path: "volumes[].ephemeral.volumeClaimTemplate.metadata", fate: ViaGateway, reason: "the claim's"},
}, claimSpecFates("volumes[].ephemeral.volumeClaimTemplate.spec")...)
