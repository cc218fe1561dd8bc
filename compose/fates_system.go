package compose

// systemFates are what a process may do, and what it sees of its node.
var systemFates = []keyGroup{
	{title: "Users and privileges", rows: []keyFate{
		{path: "services.*.user", when: like("a number, or two", `^\d{1,9}(:\d{1,9})?$`), fate: Mapped, to: "Pod.spec.containers[].securityContext.runAsUser, Pod.spec.containers[].securityContext.runAsGroup"},
		{path: "services.*.user", fate: Refused, decide: true, reason: "Kubernetes knows users by their number: put what the image's /etc/passwd says, or the image's own user runs it", kept: true},
		{path: "services.*.group_add", fate: Mapped, told: true, to: "Pod.spec.securityContext.supplementalGroups", reason: "numbers; a name is told", swarm: swarmRefuses},
		{path: "services.*.privileged", fate: Mapped, to: "Pod.spec.containers[].securityContext.privileged", swarm: swarmIgnores},
		{path: "services.*.cap_add", fate: Mapped, to: "Pod.spec.containers[].securityContext.capabilities.add", reason: "without CAP_"},
		{path: "services.*.cap_drop", fate: Mapped, to: "Pod.spec.containers[].securityContext.capabilities.drop", reason: "without CAP_"},
		{path: "services.*.read_only", fate: Mapped, to: "Pod.spec.containers[].securityContext.readOnlyRootFilesystem"},
		{path: "services.*.security_opt", fate: Mapped, told: true, to: "Pod.spec.containers[].securityContext.allowPrivilegeEscalation, Pod.spec.containers[].securityContext.seccompProfile, Pod.spec.containers[].securityContext.appArmorProfile, Pod.spec.containers[].securityContext.seLinuxOptions, Pod.spec.containers[].securityContext.procMount", reason: "profiles have to be on the nodes, which is told", swarm: swarmIgnores},
		{path: "services.*.userns_mode", when: isAny("host"), fate: Mapped, reason: "what Kubernetes does anyway", swarm: swarmIgnores},
		{path: "services.*.userns_mode", fate: Approximated, to: "Pod.spec.hostUsers", reason: "Kubernetes gives a Pod a user namespace of its own or none: set hostUsers to false for one", swarm: swarmIgnores},
		{path: "services.*.credential_spec", fate: Refused, decide: true, reason: "only Windows has it: put the credential spec into windowsOptions.gmsaCredentialSpecName, by the GMSA webhook", swarm: swarmAlone},
		{path: "services.*.isolation", usual: "default", fate: Refused, reason: "only Windows has it: a RuntimeClass says how Pods are isolated", swarm: swarmAlone},
		{path: "services.*.runtime", fate: Mapped, to: "Pod.spec.runtimeClassName", reason: "there has to be a RuntimeClass of that name", swarm: swarmRefuses},
		{path: "services.*.use_api_socket", fate: Refused, decide: true, reason: "nodes of Kubernetes seldom run Docker: what asks its API has to ask the API server instead, by a ServiceAccount", swarm: swarmRefuses},
	}},
	{title: "Namespaces and the kernel", rows: []keyFate{
		{path: "services.*.pid", when: isAny("host"), fate: Mapped, to: "Pod.spec.hostPID", swarm: swarmIgnores},
		{path: "services.*.pid", fate: Refused, decide: true, reason: "what sees another's processes is a container of its Pod, with shareProcessNamespace: add it to that one's containers by hand", swarm: swarmIgnores},
		{path: "services.*.ipc", when: isAny("host"), fate: Mapped, to: "Pod.spec.hostIPC", swarm: swarmIgnores},
		{path: "services.*.ipc", when: isAny("private", "shareable", "none"), fate: Mapped, reason: "the containers of a Pod share theirs, and with no other", swarm: swarmIgnores},
		{path: "services.*.ipc", fate: Refused, decide: true, reason: "what shares another's IPC is a container of its Pod: add it to that one's containers by hand", swarm: swarmIgnores},
		{path: "services.*.uts", fate: Refused, reason: "a Pod has a host name of its own, unless it is on the node's network (network_mode: host)", swarm: swarmRefuses},
		{path: "services.*.cgroup", when: isAny("private"), fate: Mapped, reason: "what Kubernetes does anyway", swarm: swarmRefuses},
		{path: "services.*.cgroup", fate: Refused, reason: cgroupReason, swarm: swarmRefuses},
		{path: "services.*.cgroup_parent", fate: Refused, reason: cgroupReason, swarm: swarmIgnores},
		{path: "services.*.sysctls.*", when: keyLike("safe everywhere", `^(kernel\.shm_rmid_forced|net\.ipv4\.(ip_local_port_range|tcp_syncookies|ping_group_range|ip_unprivileged_port_start|ip_local_reserved_ports|`+
			`tcp_keepalive_(time|intvl|probes)|tcp_fin_timeout|tcp_[rw]mem|tcp_slow_start_after_idle|tcp_notsent_lowat))$`), fate: Mapped, to: "Pod.spec.securityContext.sysctls[]"},
		{path: "services.*.sysctls.*", fate: Approximated, to: "Pod.spec.securityContext.sysctls[]", reason: "nodes let Pods set it only where the kubelet's --allowed-unsafe-sysctls has it: else the Pods are refused there"},
		{path: "services.*.ulimits.*", fate: Refused, reason: "limits of processes are the container runtime's, for all Pods of a node alike: set them there, or by ulimit before the command", kept: true},
		{path: "services.*.umask", fate: Refused, reason: "Kubernetes sets no umask: set it before the command", swarm: swarmRefuses},
	}},
}

const cgroupReason = "the kubelet places Pods in its own tree of control groups, each in a namespace of its own"
