package compose

// fileFates are the keys of the file itself, and of what is beside its services.
var fileFates = []keyGroup{
	{title: "The file", rows: []keyFate{
		{path: "name", fate: Mapped, to: "Namespace.metadata.name, Deployment.metadata.labels", reason: "the label app.kubernetes.io/part-of of all objects, and the namespace where --stack asks for one", swarm: swarmRefuses},
		{path: "version", fate: Mapped, reason: "decides nothing: the keys of every version are taken"},
		{path: "include", fate: Mapped, reason: "resolved while reading; what is included has fates of its own", swarm: swarmRefuses},
		{path: "x-*", fate: Mapped, to: "Namespace.metadata.annotations", reason: "most often an anchor for what is repeated; kept as an annotation of the Namespace where the stack has one: skep/x-..., as JSON"},
		{path: "services.*", fate: Mapped, to: "Deployment.metadata.name, Service.metadata.name", told: true, reason: "the name as a DNS label; one that had to be changed is told"},
		{path: "services.*.x-*", fate: Mapped, to: "Pod.metadata.annotations", reason: "kept as an annotation of the Pods: skep/x-..., as JSON"},
		{path: "services.*.profiles", fate: Mapped, reason: "resolved while reading: --profile says which services there are", swarm: swarmRefuses},
		{path: "services.*.extends", fate: Mapped, reason: "resolved while reading", swarm: swarmRefuses},
	}},
	{title: "Jobs", note: "What a job has in common with a service is as there.", rows: []keyFate{
		{path: "jobs.*", fate: Mapped, to: "Job.metadata.name, CronJob.metadata.name", told: true, reason: "a CronJob where a schedule triggers it, else a Job", swarm: swarmRefuses},
		{path: "jobs.*.triggers.manual", when: isAny("false"), fate: Approximated, reason: "whoever may create Jobs can run it by hand: kubectl create job --from=cronjob/NAME", swarm: swarmRefuses},
		{path: "jobs.*.triggers.manual", fate: Mapped, to: "Job.spec.suspend", reason: "a job that no schedule triggers is a suspended Job; a run by hand of another is kubectl create job --from=cronjob/NAME", swarm: swarmRefuses},
		{path: "jobs.*.triggers.schedule[].cron", fate: Mapped, to: "CronJob.spec.schedule", reason: "a CronJob for each schedule", swarm: swarmRefuses},
		{path: "jobs.*.triggers.schedule[].timezone", fate: Mapped, to: "CronJob.spec.timeZone", swarm: swarmRefuses},
		{path: "jobs.*.triggers.schedule[].concurrency", when: isAny("queue"), fate: Approximated, to: "CronJob.spec.concurrencyPolicy", told: true, reason: "Kubernetes queues no runs: one that is due while another runs starts when that has ended, and there is one at most (Forbid)", swarm: swarmRefuses},
		{path: "jobs.*.triggers.schedule[].concurrency", fate: Mapped, to: "CronJob.spec.concurrencyPolicy", swarm: swarmRefuses},
		{path: "jobs.*.triggers.schedule[].missed_fires", fate: Mapped, to: "CronJob.spec.startingDeadlineSeconds", reason: "skip: a run that is late by more than a minute is left out", swarm: swarmRefuses},
	}},
	{title: "Networks", note: "A cluster is one flat network. Membership becomes NetworkPolicies with --network-policies.", rows: []keyFate{
		{path: "networks.*", fate: Mapped, to: "NetworkPolicy.spec.podSelector, NetworkPolicy.spec.ingress[]", told: true, reason: "a label on the Pods of its services, and with --network-policies a policy that lets them reach each other", swarm: "docker stack deploy makes an overlay of each; here all are on skep's one, and NetworkPolicies part them"},
		{path: "networks.*.name", when: isAny("host"), fate: Mapped, to: "Pod.spec.hostNetwork", reason: "for the services that are on it"},
		{path: "networks.*.name", fate: Meaningless, reason: "a network is no object in a cluster: the labels of Pods say which they are on"},
		{path: "networks.*.driver", when: isAny("overlay", "bridge", "default"), fate: Mapped, reason: "the cluster's own network"},
		{path: "networks.*.driver", fate: Refused, reason: "a cluster's network is its CNI plug-in's: ask there for what this driver does, or attach Pods to a second network by Multus", swarm: "docker stack deploy makes a network of this driver"},
		{path: "networks.*.driver_opts.*", when: keyLike("encrypted", `^encrypted$`), fate: Refused, reason: "encryption between nodes is the CNI plug-in's: switch it on there, as WireGuard in Cilium or Calico", swarm: swarmAlone},
		{path: "networks.*.driver_opts.*", fate: Meaningless, reason: "options of Docker's network drivers say nothing to a cluster's network", swarm: swarmAlone},
		{path: "networks.*.attachable", fate: Approximated, told: true, to: "NetworkPolicy.spec.ingress[].from[].namespaceSelector", reason: "with --network-policies the Pods of all namespaces that carry the network's label are let in"},
		{path: "networks.*.internal", fate: Mapped, told: true, to: "NetworkPolicy.spec.egress[]", reason: "with --network-policies its services reach each other and DNS only"},
		{path: "networks.*.external", fate: Approximated, told: true, to: "NetworkPolicy.spec.ingress[].from[].namespaceSelector", reason: "with --network-policies the Pods of all namespaces that carry the network's label are let in; nothing has to be there before"},
		{path: "networks.*.ipam", fate: Refused, reason: "addresses of Pods are given out by the cluster: let names be used in place of them", swarm: swarmAlone},
		{path: "networks.*.enable_ipv4", fate: Refused, when: isAny("false"), reason: "the cluster decides on its address families: Service.spec.ipFamilies can ask for IPv6 only", swarm: swarmRefuses},
		{path: "networks.*.enable_ipv4", fate: Mapped, reason: "the cluster's", swarm: swarmRefuses},
		{path: "networks.*.enable_ipv6", fate: Approximated, reason: "the cluster decides on its address families: where it has both, Service.spec.ipFamilyPolicy can ask for them", swarm: swarmRefuses},
		{path: "networks.*.labels", fate: Meaningless, reason: "a network is no object in a cluster, and nothing can carry its labels", swarm: swarmAlone},
	}},
	{title: "Volumes", rows: []keyFate{
		{path: "volumes.*", fate: Mapped, told: true, to: "PersistentVolumeClaim.metadata.name", reason: "a claim that Pods share as containers share a volume; its size is asked for by --volume-size"},
		{path: "volumes.*.name", fate: Mapped, to: "PersistentVolumeClaim.metadata.name", reason: "the claim's name"},
		{path: "volumes.*.driver", when: isAny("local"), fate: Mapped, reason: "the cluster's default class, or that of --storage-class"},
		{path: "volumes.*.driver", fate: Approximated, told: true, decide: true, to: "PersistentVolumeClaim.spec.storageClassName", reason: "a volume plug-in is a StorageClass in Kubernetes: make one of that name, or give another by --storage-class", swarm: "docker stack deploy has the plug-in make the volume"},
		{path: "volumes.*.driver_opts.*", fate: Mapped, told: true, to: "PersistentVolume.spec.nfs, Pod.spec.volumes[].hostPath, Pod.spec.volumes[].emptyDir", reason: "type, o and device of the local driver: NFS is a PersistentVolume, bind a hostPath, tmpfs an emptyDir in memory; what is none of these is refused"},
		{path: "volumes.*.external", fate: Mapped, told: true, to: "Pod.spec.volumes[].persistentVolumeClaim.claimName", reason: "a claim that has to be there: none is made"},
		{path: "volumes.*.labels.*", when: keyLike("kompose.*", `^kompose\.`), fate: Mapped, told: true, to: "PersistentVolumeClaim.spec", reason: "understood as kompose does", swarm: "labels of the Docker volume; here the claim has them, and the volume skep's"},
		{path: "volumes.*.labels.*", when: labelable, fate: Mapped, to: "PersistentVolumeClaim.metadata.labels", swarm: "labels of the Docker volume; here the claim has them, and the volume skep's"},
		{path: "volumes.*.labels.*", fate: Refused, reason: narrowReason, swarm: "labels of the Docker volume; here the claim has them, and the volume skep's"},
		{path: "volumes.*.x-cluster-spec", fate: Refused, reason: "a cluster volume's parameters belong to its CSI driver: make a StorageClass that has them", swarm: "a Swarm makes the volume by its CSI plug-in"},
	}},
	{title: "Configs", rows: []keyFate{
		{path: "configs.*", fate: Mapped, told: true, to: "ConfigMap.metadata.name", reason: "one ConfigMap each", swarm: "a Swarm config named by its key; here by its content, beside the document of the ConfigMap"},
		{path: "configs.*.name", fate: Mapped, to: "ConfigMap.metadata.name", reason: "of an external one: which ConfigMap is mounted; else the key names it, so that every new version has the same name"},
		{path: "configs.*.file", fate: Mapped, to: "ConfigMap.data, ConfigMap.binaryData", reason: "read while converting; binaryData where it is no text"},
		{path: "configs.*.content", fate: Mapped, to: "ConfigMap.data", swarm: swarmRefuses},
		{path: "configs.*.environment", fate: Mapped, to: "ConfigMap.data", reason: "the variable's value while converting", swarm: swarmRefuses},
		{path: "configs.*.external", fate: Mapped, told: true, to: "Pod.spec.volumes[].configMap.name", reason: "a ConfigMap that has to be there: none is made"},
		{path: "configs.*.labels.*", when: labelable, fate: Mapped, to: "ConfigMap.metadata.labels"},
		{path: "configs.*.labels.*", fate: Refused, reason: narrowReason},
		{path: "configs.*.template_driver", fate: Refused, told: true, reason: "Kubernetes fills in no templates: write the values in, or have an init container do it", swarm: "a Swarm fills the template in where the task runs"},
	}},
	{title: "Secrets", rows: []keyFate{
		{path: "secrets.*", fate: Mapped, told: true, to: "Secret.metadata.name", reason: "one Secret each", swarm: "a Swarm secret named by its key; here by its content, beside the document of the Secret"},
		{path: "secrets.*.name", fate: Mapped, to: "Secret.metadata.name", reason: "of an external one: which Secret is mounted; else the key names it"},
		{path: "secrets.*.file", fate: Mapped, to: "Secret.data", reason: "read while converting"},
		{path: "secrets.*.environment", fate: Mapped, to: "Secret.data", reason: "the variable's value while converting", swarm: swarmRefuses},
		{path: "secrets.*.external", fate: Mapped, told: true, to: "Pod.spec.volumes[].secret.secretName", reason: "a Secret that has to be there: none is made"},
		{path: "secrets.*.labels.*", when: labelable, fate: Mapped, to: "Secret.metadata.labels"},
		{path: "secrets.*.labels.*", fate: Refused, reason: narrowReason},
		{path: "secrets.*.driver", fate: Refused, told: true, decide: true, reason: "a plug-in that hands out secrets is the Secrets Store CSI driver or External Secrets in a cluster: set one up that makes a Secret of this name", swarm: swarmAlone},
		{path: "secrets.*.driver_opts", fate: Refused, reason: "the options of a secret's driver belong to what takes its place: a SecretProviderClass or an ExternalSecret", swarm: swarmAlone},
		{path: "secrets.*.template_driver", fate: Refused, told: true, reason: "Kubernetes fills in no templates: write the values in, or have an init container do it", swarm: "a Swarm fills the template in where the task runs"},
	}},
	{title: "Models", rows: []keyFate{
		{path: "models.*", fate: Refused, decide: true, reason: "Docker's model runner is no part of a cluster: run a model server as a service of its own, and give its address in the environment", swarm: swarmRefuses},
	}},
}

const narrowReason = "labels of Kubernetes have 63 characters at most, letters, digits, '-', '_' and '.': this one is left out"

// labelable are labels that Kubernetes takes.
var labelable = &condition{"a label of Kubernetes", func(s subject) bool {
	valid, _ := splitLabels(map[string]string{s.key: s.text()})
	return len(valid) > 0
}}
