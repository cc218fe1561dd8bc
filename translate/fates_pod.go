package translate

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// podFates are those of a Pod's spec, wherever a template stands. Paths start below it.
var podFates = [][]fate{podSpecFates, containerFates, volumeFates, ephemeralFates}

var podSpecFates = []fate{
	{path: "initContainers", fate: ViaSandbox, reason: "started in order before the Pod's containers; those with restartPolicy Always run beside them"},
	{path: "ephemeralContainers", fate: ViaGateway, reason: "started in the Pod's namespaces by the sandbox, or by the agent of the Pod's node"},
	{path: "restartPolicy", fate: Native, reason: "the restart condition any, on-failure or none; Swarm starts a new task in place of a container, 5 seconds later"},
	{path: "terminationGracePeriodSeconds", fate: Native, reason: "the stop grace period"},
	{path: "activeDeadlineSeconds", fate: ViaSandbox, reason: "the sandbox ends the Pod"},
	{path: "dnsPolicy", fate: Warned, reason: "Swarm's resolver stands before the node's all the same", when: equals("Default")},
	{path: "dnsPolicy", fate: Native, reason: "ClusterFirst: names of Services as in any cluster; what is none goes to dnsConfig's or the node's nameservers"},
	{path: "dnsConfig", fate: Native, reason: "nameservers, search domains and options of the container"},
	{path: "nodeSelector", fate: Native, reason: "placement constraints; keys without '/', but for the well-known ones (hostname, os, arch, control-plane)"},
	{path: "nodeName", fate: Native, reason: "a constraint on the node's hostname"},
	{path: "serviceAccountName", fate: ViaGateway, reason: "kept; no token is mounted"},
	{path: "serviceAccount", fate: ViaGateway, reason: "kept; no token is mounted"},
	{path: "automountServiceAccountToken", fate: Warned, reason: "no token is mounted, until skep's sandbox comes", when: equals(true)},
	{path: "automountServiceAccountToken", fate: ViaGateway, reason: "nothing is mounted in any case"},
	{path: "hostNetwork", fate: Native, reason: "the node's network in place of the overlay"},
	{path: "hostPID", fate: ViaSandbox, reason: "the node's processes", when: equals(true)},
	{path: "hostPID", fate: Native, reason: "each container has processes of its own"},
	{path: "hostIPC", fate: ViaSandbox, reason: "the node's IPC", when: equals(true)},
	{path: "hostIPC", fate: Native, reason: "each container has IPC of its own, also within a Pod"},
	{path: "shareProcessNamespace", fate: ViaSandbox, reason: "the containers see each other's processes; the sandbox is the first", when: equals(true)},
	{path: "shareProcessNamespace", fate: Native, reason: "each container has processes of its own"},
	{path: "imagePullSecrets", fate: Native, reason: "registry credentials of the service; the sandbox uses them, too"},
	{path: "hostname", fate: Native, reason: "the container's hostname; by default the Pod's name"},
	{path: "hostnameOverride", fate: Native, reason: "the container's hostname"},
	{path: "subdomain", fate: Warned, reason: "no name is made of hostname and subdomain: other Pods find this one by its Service"},
	{path: "setHostnameAsFQDN", fate: Refused, reason: "Swarm gives Pods no domain: set hostnameOverride to the whole name", when: equals(true)},
	{path: "setHostnameAsFQDN", fate: ViaGateway, reason: "the hostname is the Pod's name"},
	{path: "schedulerName", fate: Refused, reason: "Swarm has one scheduler: leave schedulerName out", when: other("default-scheduler", corev1.DefaultSchedulerName)},
	{path: "schedulerName", fate: Native, reason: "Swarm's scheduler"},
	{path: "tolerations", fate: ViaGateway, reason: "kept; Swarm's nodes have no taints but cordon's, and a cordoned node takes nobody"},
	{path: "hostAliases", fate: Native, reason: "lines of /etc/hosts"},
	{path: "priorityClassName", fate: Warned, reason: "Swarm evicts nothing to make room"},
	{path: "priority", fate: Warned, reason: "Swarm evicts nothing to make room", when: other("0", int32(0))},
	{path: "priority", fate: ViaGateway, reason: "kept"},
	{path: "preemptionPolicy", fate: ViaGateway, reason: "kept; Swarm evicts nothing to make room"},
	{path: "readinessGates", fate: Refused, reason: "a task is ready once it runs and is healthy, and nothing else is asked: leave readinessGates out"},
	{path: "runtimeClassName", fate: Refused, reason: "Swarm starts containers in the engine's default runtime: set default-runtime in that engine's daemon.json, and place by a node label"},
	{path: "enableServiceLinks", fate: ViaGateway, reason: "kept; no variables are set for Services: use their names"},
	{path: "overhead", fate: Warned, reason: "Swarm does not count it: add it to the container's requests"},
	{path: "topologySpreadConstraints[]", fate: Warned, reason: "Swarm spreads over this topology as well as it can, and holds no Pod back", when: &condition{"DoNotSchedule", func(s subject) bool {
		c, _ := s.value.(corev1.TopologySpreadConstraint)
		return c.WhenUnsatisfiable == corev1.DoNotSchedule
	}}},
	{path: "topologySpreadConstraints[]", fate: Warned, reason: "Swarm spreads over node labels and hosts only", when: &condition{"over os or arch", func(s subject) bool {
		c, _ := s.value.(corev1.TopologySpreadConstraint)
		_, ok := spreadKey(c)
		return !ok && c.TopologyKey != corev1.LabelHostname
	}}},
	{path: "topologySpreadConstraints", fate: Native, reason: "a placement preference for spreading over the node label; the service's own tasks count, whatever labelSelector says"},
	{path: "os.name", fate: Refused, reason: "skep's Pods run on Linux: use docker service create for Windows", when: equals("windows")},
	{path: "os", fate: Native, reason: "linux"},
	{path: "hostUsers", fate: Refused, reason: "user namespaces are the engine's choice (userns-remap in daemon.json), not a container's: leave hostUsers out", when: equals(false)},
	{path: "hostUsers", fate: ViaGateway, reason: "as the engine does"},
	{path: "schedulingGates", fate: Refused, reason: "Swarm schedules at once: create the Pod when it may run"},
	{path: "schedulingGroup", fate: Refused, reason: "Swarm schedules each task by itself: leave schedulingGroup out"},
	{path: "resourceClaims", fate: Refused, reason: "Swarm has no device drivers: offer the device as a generic resource of the engine, and use docker service create --generic-resource"},
	{path: "resources", fate: Refused, reason: "Swarm counts by container: set resources on the container"},
	{path: "evictionResponders", fate: Refused, reason: "nobody is asked before a task ends: leave evictionResponders out"},

	{path: "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution", fate: Native, reason: "placement constraints: In with one value, NotIn; keys as in nodeSelector"},
	{path: "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution", fate: Warned, reason: "Swarm prefers no node: ask for it (required), or leave the choice to Swarm"},
	{path: "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution", fate: Refused, reason: "Swarm places no task by where others are: give the nodes a label and let both ask for it"},
	{path: "affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution", fate: Warned, reason: "Swarm places no task by where others are"},
	{path: "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution", fate: Native, reason: "at most one replica a node, for terms that select the template's own labels by kubernetes.io/hostname"},
	{path: "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution", fate: Warned, reason: "Swarm spreads a service's tasks over nodes, but not away from other services or over other topologies", when: &condition{"other than by kubernetes.io/hostname", func(s subject) bool {
		terms, _ := s.value.([]corev1.WeightedPodAffinityTerm)
		return slices.ContainsFunc(terms, func(t corev1.WeightedPodAffinityTerm) bool {
			return t.PodAffinityTerm.TopologyKey != corev1.LabelHostname
		})
	}}},
	{path: "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution", fate: Native, reason: "Swarm spreads a service's tasks over nodes by itself"},

	{path: "securityContext.seLinuxOptions", fate: Native, reason: "the SELinux context of the container"},
	{path: "securityContext.windowsOptions", fate: Refused, reason: windowsReason},
	{path: "securityContext.runAsUser", fate: Native, reason: "the container's user"},
	{path: "securityContext.runAsGroup", fate: Native, reason: "the container's group; together with runAsUser"},
	{path: "securityContext.runAsNonRoot", fate: ViaSandbox, reason: nonRootReason, plain: plainNonRoot, when: nonRootUnknown},
	{path: "securityContext.runAsNonRoot", fate: Native, reason: "checked against runAsUser"},
	{path: "securityContext.supplementalGroups", fate: Native, reason: "more groups of the process"},
	{path: "securityContext.supplementalGroupsPolicy", fate: Warned, reason: "Docker adds the groups that the image's /etc/group gives the user", when: equals("Strict")},
	{path: "securityContext.supplementalGroupsPolicy", fate: Native, reason: "Merge is what Docker does"},
	{path: "securityContext.fsGroup", fate: ViaSandbox, reason: "a group of the processes; owns the volumes' files as the kubelet does", plain: "becomes a group of the process and owns the files of ConfigMaps and Secrets, but Swarm changes no owner in other volumes", when: withVolumes},
	{path: "securityContext.fsGroup", fate: Native, reason: "a group of the process"},
	{path: "securityContext.fsGroupChangePolicy", fate: ViaGateway, reason: "kept; see fsGroup"},
	{path: "securityContext.sysctls", fate: Native, reason: "sysctls of the container"},
	{path: "securityContext.seccompProfile.type", fate: ViaSandbox, reason: oldEngineReason, plain: privilegesReason, when: onOldEngine("Unconfined")},
	{path: "securityContext.seccompProfile.type", fate: ViaSandbox, reason: "the profile of the node's /var/lib/kubelet/seccomp", when: equals("Localhost")},
	{path: "securityContext.seccompProfile", fate: Native, reason: "RuntimeDefault is what Docker does; Unconfined"},
	{path: "securityContext.appArmorProfile.type", fate: ViaSandbox, reason: oldEngineReason, plain: privilegesReason, when: onOldEngine("Unconfined")},
	{path: "securityContext.appArmorProfile.type", fate: ViaSandbox, reason: "the profile that the node has loaded", when: equals("Localhost")},
	{path: "securityContext.appArmorProfile", fate: Native, reason: "RuntimeDefault is what Docker does; Unconfined"},
	{path: "securityContext.seLinuxChangePolicy", fate: Warned, reason: "Swarm relabels no volume"},
}

const (
	windowsReason    = "skep's Pods run on Linux: use docker service create for Windows"
	nonRootReason    = "checked against the image's user before the container starts"
	plainNonRoot     = "the image's user is not checked: set runAsUser"
	oldEngineReason  = "natively from Docker Engine 25 on; older ones drop it from Swarm services without a word"
	privilegesReason = "needs Docker Engine 25 or later throughout the Swarm; older ones drop it without a word"
)

// equals and other read strings of any type by what they say.
func equals(want any) *condition {
	return &condition{fmt.Sprint(want), func(s subject) bool { return fmt.Sprint(s.value) == fmt.Sprint(want) }}
}

func other(than string, want any) *condition {
	return &condition{"other than " + than, func(s subject) bool { return fmt.Sprint(s.value) != fmt.Sprint(want) }}
}

// oneOf names its values where it is shown.
func oneOf(text string, values ...string) *condition {
	set := sets.New(values...)
	return &condition{text, func(s subject) bool { return set.Has(fmt.Sprint(s.value)) }}
}

// withVolumes is true of Pods that mount what has owners and is none of ConfigMaps and Secrets.
var withVolumes = &condition{"with volumes", func(s subject) bool {
	return s.pod != nil && slices.ContainsFunc(s.pod.Volumes, func(v corev1.Volume) bool {
		return v.EmptyDir != nil || v.PersistentVolumeClaim != nil || v.Ephemeral != nil
	})
}}

// onOldEngine is a value that Swarm passes on only to Engines from 25 on.
func onOldEngine(want any) *condition {
	return &condition{fmt.Sprint(want) + ", on Docker Engines before 25", func(s subject) bool {
		return !s.net.QuickHealth && fmt.Sprint(s.value) == fmt.Sprint(want)
	}}
}

// nonRootUnknown is true where only the image says who the process is.
var nonRootUnknown = &condition{"true, without runAsUser", func(s subject) bool {
	if s.value != true || s.pod == nil {
		return false
	}
	user := podSecurityOf(s.pod).RunAsUser
	if s.c != nil {
		user = first(securityOf(s.c).RunAsUser, user)
	} else if len(s.pod.Containers) > 0 {
		user = first(securityOf(&s.pod.Containers[0]).RunAsUser, user)
	}
	return user == nil
}}
