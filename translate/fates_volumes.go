package translate

import (
	corev1 "k8s.io/api/core/v1"
)

const (
	diskReason    = "Swarm attaches no disks: mount it on the nodes and use hostPath, or make a Docker volume of it with a volume plug-in and claim that by name"
	networkReason = "Swarm mounts no such file system for a Pod: make a Docker volume of the local driver with its options on the nodes, and claim that by name"
	driverReason  = "Swarm calls no such driver for a Pod: make a Docker volume with a volume plug-in and claim that by name"
	tokenReason   = "nobody renews it in a running container" + untilSandbox + "keep a long-lived one in a Secret"
	downReason    = "the files change while the Pod runs" + untilSandbox + "use env with fieldRef"
)

var volumeFates = []fate{
	{path: "volumes[].name", fate: ViaGateway, reason: "kept with the Pod"},
	{path: "volumes[].configMap", fate: Native, reason: "one Swarm config a file, laid beside what the image has in that directory; fixed while the Pod runs"},
	{path: "volumes[].secret", fate: Native, reason: "one Swarm secret a file, laid beside what the image has in that directory; fixed while the Pod runs"},
	{path: "volumes[].projected.defaultMode", fate: Native, reason: "the files' mode"},
	{path: "volumes[].projected.defaultUser", fate: Native, reason: "the files' owner"},
	{path: "volumes[].projected.sources[].configMap", fate: Native, reason: "as in a volume of its own"},
	{path: "volumes[].projected.sources[].secret", fate: Native, reason: "as in a volume of its own"},
	{path: "volumes[].projected.sources[].serviceAccountToken", fate: Refused, reason: tokenReason},
	{path: "volumes[].projected.sources[].downwardAPI", fate: Refused, reason: downReason},
	{path: "volumes[].projected.sources[].clusterTrustBundle", fate: Refused, reason: "there are no trust bundles: use a ConfigMap"},
	{path: "volumes[].projected.sources[].podCertificate", fate: Refused, reason: "nobody signs certificates for Pods: use a Secret"},
	{path: "volumes[].emptyDir", fate: Native, reason: "an anonymous volume that goes with the task; medium Memory is a tmpfs"},
	{path: "volumes[].emptyDir.medium", fate: Refused, reason: "Swarm hands out no huge pages: use Memory, or leave medium out", when: other("Memory", corev1.StorageMediumMemory)},
	{path: "volumes[].emptyDir.sizeLimit", fate: Warned, reason: "Docker limits the size of a tmpfs (medium Memory) only", when: &condition{"on disk", func(s subject) bool {
		e, _ := s.within.(*corev1.EmptyDirVolumeSource)
		return e != nil && e.Medium != corev1.StorageMediumMemory
	}}},
	{path: "volumes[].emptyDir.mode", fate: Refused, reason: "Docker makes the directory as the image has it: change its mode in the container's command"},
	{path: "volumes[].hostPath", fate: Native, reason: "a bind mount; subPath is joined to it"},
	{path: "volumes[].hostPath.type", fate: Warned, reason: "Docker makes nothing on the node: the task is rejected until the path is there", when: oneOf("DirectoryOrCreate, FileOrCreate", "DirectoryOrCreate", "FileOrCreate")},
	{path: "volumes[].hostPath.type", fate: Warned, reason: "Docker asks only that the path is there", when: oneOf("Directory, File, Socket, CharDevice, BlockDevice", "Directory", "File", "Socket", "CharDevice", "BlockDevice")},
	{path: "volumes[].persistentVolumeClaim", fate: Warned, reason: "becomes the Docker volume of that name on the node that runs the Pod, an empty one where there is none"},
	{path: "volumes[].downwardAPI", fate: Refused, reason: downReason},
	{path: "volumes[].image", fate: Refused, reason: "Swarm mounts no images: copy what you need into the Pod's image, or into a Docker volume"},
	{path: "volumes[].nfs", fate: Refused, reason: networkReason},
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
	{path: "volumes[].gitRepo", fate: Refused, reason: "nothing clones it before the container starts" + untilSandbox + "clone it in the container's command, or build it into the image"},
	{path: "volumes[].flexVolume", fate: Refused, reason: driverReason},
	{path: "volumes[].flocker", fate: Refused, reason: driverReason},
	{path: "volumes[].quobyte", fate: Refused, reason: driverReason},
	{path: "volumes[].portworxVolume", fate: Refused, reason: driverReason},
	{path: "volumes[].scaleIO", fate: Refused, reason: driverReason},
	{path: "volumes[].storageos", fate: Refused, reason: driverReason},
	{path: "volumes[].csi", fate: Refused, reason: driverReason},
	{path: "volumes[].ephemeral", fate: Refused, reason: "claims come with the volumes that Swarm can make: use emptyDir, or a Docker volume by the name of a persistentVolumeClaim"},

	{path: "containers[].volumeMounts[].name", fate: Native, reason: "the volume"},
	{path: "containers[].volumeMounts[].mountPath", fate: Native, reason: "where it stands in the container"},
	{path: "containers[].volumeMounts[].readOnly", fate: Native, reason: "a read-only mount"},
	{path: "containers[].volumeMounts[].subPath", fate: Native, reason: "of ConfigMaps, Secrets and hostPaths"},
	{path: "containers[].volumeMounts[].subPathExpr", fate: Native, reason: "of hostPaths"},
	{path: "containers[].volumeMounts[].mountPropagation", fate: Native, reason: "of hostPaths: rslave, rshared"},
	{path: "containers[].volumeMounts[].recursiveReadOnly", fate: Refused, reason: "Docker makes what is mounted below read-only as far as the kernel can, and does not fail otherwise: use IfPossible", when: equals("Enabled")},
	{path: "containers[].volumeMounts[].recursiveReadOnly", fate: Native, reason: "as far as the kernel can"},
	{path: "containers[].volumeMounts[].bindMountOptions", fate: Refused, reason: "Swarm passes no mount options: mount the path on the node with them"},
}
