package compose

// storeFates are the files of a container: volumes, configs, secrets.
var storeFates = []keyGroup{
	{title: "Volumes of a service", rows: []keyFate{
		{path: "services.*.volumes[]", when: copied, once: true, fate: Approximated, reason: "nothing is copied into a claim: where the image brings files at that path, which Docker copies into an empty volume, an init container has to"},
		{path: "services.*.volumes[].type", when: isAny("volume", "cluster"), fate: Mapped, to: "Pod.spec.volumes[].persistentVolumeClaim", reason: "a claim; without a source an emptyDir, which goes with its Pod"},
		{path: "services.*.volumes[].type", when: isAny("bind"), fate: Mapped, told: true, to: "Pod.spec.volumes[].hostPath, Pod.spec.volumes[].configMap", reason: "small files of the project are a ConfigMap, mounted file by file; a path of the machine is a hostPath of the node, and told"},
		{path: "services.*.volumes[].type", when: isAny("tmpfs"), fate: Mapped, to: "Pod.spec.volumes[].emptyDir.medium", reason: "in memory, which counts as the container's"},
		{path: "services.*.volumes[].type", when: isAny("image"), fate: Mapped, to: "Pod.spec.volumes[].image.reference", reason: "from Kubernetes 1.35 on", swarm: swarmIgnores},
		{path: "services.*.volumes[].type", fate: Refused, told: true, reason: "a named pipe of Windows: mount it as a hostPath on Windows nodes", swarm: swarmAlone},
		{path: "services.*.volumes[].source", when: like("a template", `\{\{`), fate: Refused, decide: true, reason: "Kubernetes fills in no templates: give each Pod a claim of its own by volumeClaimTemplates, or write the path", swarm: swarmAlone},
		{path: "services.*.volumes[].source", fate: Mapped, told: true, to: "Pod.spec.volumes[].persistentVolumeClaim.claimName, Pod.spec.volumes[].hostPath.path, Pod.spec.volumes[].configMap.name", swarm: "docker stack deploy mounts a relative path from the directory of that name on each node"},
		{path: "services.*.volumes[].target", fate: Mapped, to: "Pod.spec.containers[].volumeMounts[].mountPath"},
		{path: "services.*.volumes[].read_only", fate: Mapped, to: "Pod.spec.containers[].volumeMounts[].readOnly"},
		{path: "services.*.volumes[].consistency", fate: Meaningless, reason: "how Docker Desktop shares files with its machine", swarm: "kept, without any effect"},
		{path: "services.*.volumes[].bind.propagation", when: isAny("shared", "rshared"), fate: Approximated, to: "Pod.spec.containers[].volumeMounts[].mountPropagation", reason: "Bidirectional, for which Kubernetes asks the container to be privileged: it is now", swarm: "skep runs what is privileged in a sandbox"},
		{path: "services.*.volumes[].bind.propagation", when: isAny("slave", "rslave"), fate: Mapped, to: "Pod.spec.containers[].volumeMounts[].mountPropagation", reason: "HostToContainer"},
		{path: "services.*.volumes[].bind.propagation", fate: Mapped, reason: "what Kubernetes does anyway (None)", swarm: "written out; here a Swarm's default is not"},
		{path: "services.*.volumes[].bind.create_host_path", fate: Mapped, reason: "the container runtime makes a directory that is not there, as Docker does", swarm: swarmIgnores},
		{path: "services.*.volumes[].bind.recursive", when: isAny("disabled", "writable"), fate: Approximated, to: "Pod.spec.containers[].volumeMounts[].recursiveReadOnly", reason: "what is mounted below is mounted along, and is writable unless recursiveReadOnly is set", swarm: swarmIgnores},
		{path: "services.*.volumes[].bind.recursive", fate: Approximated, to: "Pod.spec.containers[].volumeMounts[].recursiveReadOnly", reason: "set recursiveReadOnly on a read-only mount whose parts have to be read-only, too", usual: "enabled", swarm: swarmIgnores},
		{path: "services.*.volumes[].bind.selinux", fate: Approximated, told: true, to: "Pod.spec.securityContext.seLinuxOptions", reason: "Kubernetes labels no directory of a node: give it the label of containers there, or set seLinuxOptions", swarm: swarmIgnores},
		{path: "services.*.volumes[].volume.nocopy", fate: Mapped, reason: "nothing is ever copied into a claim", swarm: "skep's claims are Docker's volumes, which are filled from the image"},
		{path: "services.*.volumes[].volume.subpath", fate: Mapped, to: "Pod.spec.containers[].volumeMounts[].subPath", swarm: "skep refuses it, since Engines before 26 drop it and mount the whole"},
		{path: "services.*.volumes[].volume.labels", fate: Meaningless, reason: "labels of a volume that is made for one container: it is no object in a cluster", swarm: swarmIgnores},
		{path: "services.*.volumes[].tmpfs.size", fate: Mapped, to: "Pod.spec.volumes[].emptyDir.sizeLimit"},
		{path: "services.*.volumes[].tmpfs.mode", fate: Approximated, reason: "an emptyDir is everybody's to write to (0777): set fsGroup, or change it by an init container", swarm: swarmIgnores},
		{path: "services.*.volumes[].image.subpath", fate: Mapped, to: "Pod.spec.containers[].volumeMounts[].subPath", swarm: swarmRefuses},
		{path: "services.*.volumes_from", fate: Mapped, to: "Pod.spec.containers[].volumeMounts[].mountPath", reason: "the volumes of that service, in the Pods of this one, too", told: true, swarm: swarmRefuses},
		{path: "services.*.tmpfs", fate: Mapped, to: "Pod.spec.volumes[].emptyDir.medium, Pod.spec.volumes[].emptyDir.sizeLimit", reason: "in memory; of its options the size", swarm: swarmIgnores},
		{path: "services.*.shm_size", usual: "0", fate: Mapped, to: "Pod.spec.volumes[].emptyDir.sizeLimit", reason: "an emptyDir in memory at /dev/shm", swarm: swarmIgnores},
	}},
	{title: "Configs and secrets of a service", note: "Mounted file by file, so that nothing else in their directory is hidden; a Pod sees a new version when it starts.", rows: append(
		mountFates("services.*.configs[]", "configMap.name", "configMap", "at its name in the root without it"),
		mountFates("services.*.secrets[]", "secret.secretName", "secret", "below /run/secrets, at its name without it")...,
	)},
	{title: "Devices", rows: []keyFate{
		{path: "services.*.devices[].source", fate: Approximated, told: true, to: "Pod.spec.volumes[].hostPath, Pod.spec.containers[].securityContext.privileged", reason: "mounted from the node, in a privileged container, since Kubernetes lets no other use it", swarm: swarmIgnores},
		{path: "services.*.devices[].target", fate: Mapped, to: "Pod.spec.containers[].volumeMounts[].mountPath", swarm: swarmIgnores},
		{path: "services.*.devices[].permissions", usual: "rwm", fate: Approximated, reason: "a privileged container may do all with a device", swarm: swarmIgnores},
		{path: "services.*.device_cgroup_rules", fate: Refused, reason: "which devices a container may use is a device plug-in's to say: install the one for them", swarm: swarmRefuses},
	}},
}

// mountFates are the keys of a config or secret that a service mounts.
func mountFates(path, name, source, target string) []keyFate {
	volume := "Pod.spec.volumes[]."
	return []keyFate{
		{path: path + ".source", fate: Mapped, to: volume + name},
		{path: path + ".target", fate: Mapped, to: "Pod.spec.containers[].volumeMounts[].mountPath, Pod.spec.containers[].volumeMounts[].subPath", reason: target},
		{path: path + ".uid", fate: Approximated, told: true, reason: ownerReason, swarm: swarmAlone},
		{path: path + ".gid", fate: Approximated, told: true, reason: ownerReason, swarm: swarmAlone},
		{path: path + ".mode", fate: Mapped, to: volume + source + ".defaultMode", reason: "0444 without it"},
	}
}

const ownerReason = "files of ConfigMaps and Secrets are root's: let others read them by mode, or give a group by fsGroup"

// copied are mounts of named volumes that Docker fills with what the image has there.
var copied = &condition{"a named volume, without nocopy", func(s subject) bool {
	mount, _ := s.value.(map[string]any)
	options, _ := mount["volume"].(map[string]any)
	return mount["type"] == "volume" && mount["source"] != nil && options["nocopy"] != true
}}
