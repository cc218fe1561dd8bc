package translate

import (
	corev1 "k8s.io/api/core/v1"
)

const (
	diskReason    = "Swarm attaches no disks: mount it on the nodes and use hostPath, or make a Docker volume of it with a volume plug-in and claim that by name"
	networkReason = "Swarm mounts no such file system for a Pod: make a Docker volume of the local driver with its options on the nodes, and claim that by name"
	driverReason  = "Swarm calls no such driver for a Pod: make a Docker volume with a volume plug-in and claim that by name"
)

var volumeFates = []fate{
	{path: "volumes[].name", fate: ViaGateway, reason: "kept with the Pod"},
	{path: "volumes[]", fate: ViaSandbox, reason: "files that follow their ConfigMaps and Secrets", plain: "the files are as they were when the Pod's service was written, beside what the image has in that directory", when: followed},
	{path: "volumes[].configMap", fate: Native, reason: "one Swarm config a file where it is mounted by subPath"},
	{path: "volumes[].secret", fate: Native, reason: "one Swarm secret a file where it is mounted by subPath"},
	{path: "volumes[].projected.defaultMode", fate: Native, reason: "the files' mode"},
	{path: "volumes[].projected.defaultUser", fate: Native, reason: "the files' owner"},
	{path: "volumes[].projected.sources[].configMap", fate: Native, reason: "as in a volume of its own"},
	{path: "volumes[].projected.sources[].secret", fate: Native, reason: "as in a volume of its own"},
	{path: "volumes[].projected.sources[].serviceAccountToken", fate: ViaSandbox, reason: "a token of the ServiceAccount, renewed in time"},
	{path: "volumes[].projected.sources[].downwardAPI", fate: ViaSandbox, reason: "as in a volume of its own"},
	{path: "volumes[].projected.sources[].clusterTrustBundle", fate: Refused, reason: "there are no trust bundles: use a ConfigMap"},
	{path: "volumes[].projected.sources[].podCertificate", fate: Refused, reason: "nobody signs certificates for Pods: use a Secret"},
	{path: "volumes[].emptyDir", fate: ViaSandbox, reason: "an anonymous volume that everyone may write to, and that lasts as long as the Pod; medium Memory is a tmpfs", plain: "is root's to write to, unless medium is Memory, and begins anew when the container does"},
	{path: "volumes[].emptyDir.medium", fate: Refused, reason: "Swarm hands out no huge pages: use Memory, or leave medium out", when: other("Memory", corev1.StorageMediumMemory)},
	{path: "volumes[].emptyDir.sizeLimit", fate: Warned, reason: "Docker limits the size of a tmpfs (medium Memory) only", when: &condition{"on disk", func(s subject) bool {
		e, _ := s.within.(*corev1.EmptyDirVolumeSource)
		return e != nil && e.Medium != corev1.StorageMediumMemory
	}}},
	{path: "volumes[].emptyDir.mode", fate: ViaSandbox, reason: "the directory's mode"},
	{path: "volumes[].hostPath", fate: Native, reason: "a bind mount; subPath is joined to it"},
	{path: "volumes[].hostPath.type", fate: ViaSandbox, reason: "made on the node when it is missing", plain: "Docker makes nothing on the node: the task is rejected until the path is there", when: oneOf("DirectoryOrCreate, FileOrCreate", "DirectoryOrCreate", "FileOrCreate")},
	{path: "volumes[].hostPath.type", fate: ViaSandbox, reason: "looked at before the containers start", plain: "Docker asks only that the path is there", when: oneOf("Directory, File, Socket, CharDevice, BlockDevice", "Directory", "File", "Socket", "CharDevice", "BlockDevice")},
	{path: "volumes[].persistentVolumeClaim", fate: Native, reason: "the Docker volume of the claim; the Pod runs where that is, and waits until there is one"},
	{path: "volumes[].downwardAPI", fate: ViaSandbox, reason: "files that follow the Pod's labels and annotations"},
	{path: "volumes[].image", fate: Refused, reason: "Swarm mounts no images: copy what you need into the Pod's image, or into a Docker volume"},
	{path: "volumes[].nfs", fate: Native, reason: "a Docker volume of the local driver with type=nfs"},
	{path: "volumes[].iscsi", fate: Refused, reason: diskReason},
	{path: "volumes[].fc", fate: Refused, reason: diskReason},
	{path: "volumes[].glusterfs", fate: Refused, reason: networkReason},
	{path: "volumes[].cephfs", fate: Refused, reason: networkReason},
	{path: "volumes[].rbd", fate: Refused, reason: diskReason},
	{path: "volumes[].gcePersistentDisk", fate: Refused, reason: diskReason},
	{path: "volumes[].awsElasticBlockStore", fate: Refused, reason: diskReason},
	{path: "volumes[].azureDisk", fate: Refused, reason: diskReason},
	{path: "volumes[].azureFile", fate: Refused, reason: networkReason},
	{path: "volumes[].cinder", fate: Refused, reason: diskReason},
	{path: "volumes[].vsphereVolume", fate: Refused, reason: diskReason},
	{path: "volumes[].photonPersistentDisk", fate: Refused, reason: diskReason},
	{path: "volumes[].gitRepo", fate: Refused, reason: "nothing clones it: clone it in an init container into an emptyDir, or build it into the image"},
	{path: "volumes[].flexVolume", fate: Refused, reason: driverReason},
	{path: "volumes[].flocker", fate: Refused, reason: driverReason},
	{path: "volumes[].quobyte", fate: Refused, reason: driverReason},
	{path: "volumes[].portworxVolume", fate: Refused, reason: driverReason},
	{path: "volumes[].scaleIO", fate: Refused, reason: driverReason},
	{path: "volumes[].storageos", fate: Refused, reason: driverReason},
	{path: "volumes[].csi", fate: Refused, reason: driverReason},

	{path: "containers[].volumeMounts[].name", fate: Native, reason: "the volume"},
	{path: "containers[].volumeMounts[].mountPath", fate: Native, reason: "where it stands in the container"},
	{path: "containers[].volumeMounts[].readOnly", fate: Native, reason: "a read-only mount"},
	{path: "containers[].volumeMounts[].subPath", fate: Native, reason: "of ConfigMaps, Secrets and hostPaths; of other volumes by the sandbox"},
	{path: "containers[].volumeMounts[].subPathExpr", fate: Native, reason: "of hostPaths; of other volumes by the sandbox"},
	{path: "containers[].volumeMounts[].mountPropagation", fate: Native, reason: "of hostPaths: rslave, rshared"},
	{path: "containers[].volumeMounts[].recursiveReadOnly", fate: Refused, reason: "Docker makes what is mounted below read-only as far as the kernel can, and does not fail otherwise: use IfPossible", when: equals("Enabled")},
	{path: "containers[].volumeMounts[].recursiveReadOnly", fate: Native, reason: "as far as the kernel can"},
	{path: "containers[].volumeMounts[].bindMountOptions", fate: Refused, reason: "Swarm passes no mount options: mount the path on the node with them"},
}

// followed is true of a volume of files that some container mounts as a directory: the kubelet keeps those up to date.
var followed = &condition{"of ConfigMaps or Secrets, mounted as a directory", func(s subject) bool {
	v, _ := s.value.(corev1.Volume)
	if v.ConfigMap == nil && v.Secret == nil && v.Projected == nil || s.pod == nil {
		return false
	}
	for _, list := range [][]corev1.Container{s.pod.InitContainers, s.pod.Containers} {
		for i := range list {
			for _, vm := range list[i].VolumeMounts {
				if vm.Name == v.Name && vm.SubPath == "" && vm.SubPathExpr == "" {
					return true
				}
			}
		}
	}
	return false
}}
