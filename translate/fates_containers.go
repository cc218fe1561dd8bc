package translate

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// What probes, hooks and resources share.
const (
	probeReason  = "the sandbox asks, as the kubelet does"
	graceReason  = "an unhealthy container is stopped with the Pod's own grace period"
	portReason   = "kept; containers on one overlay reach each other's ports without saying so"
	readyReason  = "kept; the livenessProbe's holds"
	secretReason = "the value can be read in the service's spec by whoever has the Docker API: mount the Secret as a file to keep it secret"
)

var containerFates = []fate{
	{path: "containers", fate: ViaSandbox, reason: "siblings in the sandbox's network namespace", when: &condition{"more than one", func(s subject) bool {
		list, _ := s.value.([]corev1.Container)
		return len(list) > 1
	}}},
	{path: "containers[].name", fate: Native, reason: "a label of the container"},
	{path: "containers[].image", fate: Native, reason: "the image"},
	{path: "containers[].command", fate: Native, reason: "the entrypoint; $(VAR) is expanded when the Pod's service is written"},
	{path: "containers[].args", fate: Native, reason: "the command; $(VAR) is expanded when the Pod's service is written"},
	{path: "containers[].workingDir", fate: Native, reason: "the working directory"},
	{path: "containers[].ports[].name", fate: ViaGateway, reason: portReason},
	{path: "containers[].ports[].containerPort", fate: ViaGateway, reason: portReason},
	{path: "containers[].ports[].protocol", fate: ViaGateway, reason: portReason},
	{path: "containers[].ports[].hostPort", fate: Refused, reason: "ports are published by Services, and not yet: leave hostPort out, or use hostNetwork", when: notOnHost},
	{path: "containers[].ports[].hostIP", fate: Refused, reason: "Swarm publishes on all of a node's addresses: leave hostIP out"},
	{path: "containers[].envFrom[].prefix", fate: Native, reason: "put before each name"},
	{path: "containers[].envFrom[].configMapRef", fate: Native, reason: "variables with the ConfigMap's values as of when the Pod's service is written"},
	{path: "containers[].envFrom[].secretRef", fate: Warned, onlyPlain: true, reason: secretReason},
	{path: "containers[].envFrom[].secretRef", fate: Native, reason: "the sandbox hands them to the container alone"},
	{path: "containers[].env[].name", fate: Native, reason: "variables"},
	{path: "containers[].env[].value", fate: Native, reason: "$(VAR) is expanded when the Pod's service is written"},
	{path: "containers[].env[].valueFrom.fieldRef.fieldPath", fate: ViaSandbox, reason: "known where the task runs", when: oneOf("metadata.uid, status.podIP, status.podIPs, status.hostIP, status.hostIPs", "metadata.uid", "status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs")},
	{path: "containers[].env[].valueFrom.fieldRef", fate: Native, reason: "metadata.name, .namespace, .labels and .annotations, spec.nodeName, spec.serviceAccountName"},
	{path: "containers[].env[].valueFrom.resourceFieldRef", fate: Native, reason: "limits and requests that are set; where none is, the sandbox knows what the node has"},
	{path: "containers[].env[].valueFrom.configMapKeyRef", fate: Native, reason: "the value as of when the Pod's service is written"},
	{path: "containers[].env[].valueFrom.secretKeyRef", fate: Warned, onlyPlain: true, reason: secretReason},
	{path: "containers[].env[].valueFrom.secretKeyRef", fate: Native, reason: "the sandbox hands it to the container alone"},
	{path: "containers[].env[].valueFrom.fileKeyRef", fate: ViaSandbox, reason: "read before the container starts"},
	{path: "containers[].resources.limits", fate: Native, reason: "limits of cpu and memory"},
	{path: "containers[].resources.limits{}", fate: Warned, reason: "Docker counts no storage", when: resourceNamed("ephemeral-storage", isStorage)},
	{path: "containers[].resources.limits{}", fate: Refused, reason: "Swarm hands out no huge pages: leave them out", when: resourceNamed("hugepages-*", isHugePages)},
	{path: "containers[].resources.limits{}", fate: Refused, reason: extendedReason, when: resourceNamed("extended resources", isExtended)},
	{path: "containers[].resources.requests", fate: Native, reason: "reservations of cpu and memory"},
	{path: "containers[].resources.requests{}", fate: Warned, reason: "Docker counts no storage", when: resourceNamed("ephemeral-storage", isStorage)},
	{path: "containers[].resources.requests{}", fate: Refused, reason: "Swarm hands out no huge pages: leave them out", when: resourceNamed("hugepages-*", isHugePages)},
	{path: "containers[].resources.requests{}", fate: Refused, reason: extendedReason, when: resourceNamed("extended resources", isExtended)},
	{path: "containers[].resources.claims", fate: Refused, reason: extendedReason},
	{path: "containers[].resizePolicy", fate: ViaGateway, reason: "kept; other resources mean a new task"},
	{path: "containers[].restartPolicy", fate: ViaSandbox, reason: "of an init container: Always makes it run beside the others; of any: its own policy"},
	{path: "containers[].restartPolicyRules", fate: ViaSandbox, reason: "by exit code"},
	{path: "containers[].volumeDevices", fate: Refused, reason: "Swarm passes no devices into containers: use a file system"},
	{path: "containers[].livenessProbe", fate: ViaSandbox, reason: "the container is started again within the Pod", plain: "is Docker's health check: the container counts as started when it first succeeds, and another task takes its place when it fails", when: unlikeHealth},
	{path: "containers[].livenessProbe.exec", fate: Native, reason: "in a plain task, Docker's health check"},
	{path: "containers[].livenessProbe.initialDelaySeconds", fate: Native, reason: "the check's start period"},
	{path: "containers[].livenessProbe.timeoutSeconds", fate: Native, reason: "its timeout"},
	{path: "containers[].livenessProbe.periodSeconds", fate: Native, reason: "its interval"},
	{path: "containers[].livenessProbe.failureThreshold", fate: Native, reason: "its retries"},
	{path: "containers[].livenessProbe.successThreshold", fate: Native, reason: "1, as Kubernetes demands"},
	{path: "containers[].livenessProbe.httpGet", fate: ViaSandbox, reason: probeReason},
	{path: "containers[].livenessProbe.tcpSocket", fate: ViaSandbox, reason: probeReason},
	{path: "containers[].livenessProbe.grpc", fate: ViaSandbox, reason: probeReason},
	{path: "containers[].livenessProbe.terminationGracePeriodSeconds", fate: ViaSandbox, reason: "the container's grace period when this probe fails", plain: graceReason},
	{path: "containers[].readinessProbe", fate: ViaSandbox, reason: "decides whether the Pod is Ready; Swarm sends traffic once it first was", plain: "readiness is health here: a container that is not ready for long is replaced", when: unlikeHealth},
	{path: "containers[].readinessProbe", fate: Warned, onlyPlain: true, reason: "asks what the livenessProbe asks, and so is health: a container that is not ready for long is replaced", when: &condition{"exec, with the livenessProbe's command", isExec}},
	{path: "containers[].readinessProbe.exec", fate: Native, reason: "the livenessProbe's command"},
	{path: "containers[].readinessProbe.initialDelaySeconds", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.timeoutSeconds", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.periodSeconds", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.failureThreshold", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.successThreshold", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.terminationGracePeriodSeconds", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.httpGet", fate: ViaSandbox, reason: probeReason},
	{path: "containers[].readinessProbe.tcpSocket", fate: ViaSandbox, reason: probeReason},
	{path: "containers[].readinessProbe.grpc", fate: ViaSandbox, reason: probeReason},
	{path: "containers[].startupProbe.exec", fate: Native, reason: "the livenessProbe's command; no failure counts within the health check's start period"},
	{path: "containers[].startupProbe.initialDelaySeconds", fate: Native, reason: "added to the start period"},
	{path: "containers[].startupProbe.periodSeconds", fate: Native, reason: "times failureThreshold: the start period"},
	{path: "containers[].startupProbe.failureThreshold", fate: Native, reason: "times periodSeconds: the start period"},
	{path: "containers[].startupProbe.timeoutSeconds", fate: ViaGateway, reason: "kept; the livenessProbe's holds"},
	{path: "containers[].startupProbe.successThreshold", fate: Native, reason: "1, as Kubernetes demands"},
	{path: "containers[].startupProbe.httpGet", fate: ViaSandbox, reason: probeReason},
	{path: "containers[].startupProbe.tcpSocket", fate: ViaSandbox, reason: probeReason},
	{path: "containers[].startupProbe.grpc", fate: ViaSandbox, reason: probeReason},
	{path: "containers[].startupProbe.terminationGracePeriodSeconds", fate: ViaSandbox, reason: "the container's grace period when this probe fails", plain: graceReason},
	{path: "containers[].lifecycle.postStart", fate: ViaSandbox, reason: "exec, httpGet, sleep"},
	{path: "containers[].lifecycle.preStop", fate: ViaSandbox, reason: "exec, httpGet, sleep; within the grace period"},
	{path: "containers[].lifecycle.stopSignal", fate: Native, reason: "the stop signal"},
	{path: "containers[].terminationMessagePath", fate: ViaSandbox, reason: "the file is read when the container ends", plain: "the file is not read", when: other(corev1.TerminationMessagePathDefault, corev1.TerminationMessagePathDefault)},
	{path: "containers[].terminationMessagePath", fate: ViaGateway, reason: "kept; read in a sandboxed Pod"},
	{path: "containers[].terminationMessagePolicy", fate: ViaSandbox, reason: "the end of the log", plain: "no message is taken from logs", when: equals("FallbackToLogsOnError")},
	{path: "containers[].terminationMessagePolicy", fate: ViaGateway, reason: "kept"},
	{path: "containers[].imagePullPolicy", fate: Warned, onlyPlain: true, reason: "Swarm asks the registry, and runs what the node has when that fails", when: equals("Never")},
	{path: "containers[].imagePullPolicy", fate: Native, reason: "Swarm asks the registry, and runs what the node has when that fails; the sandbox does what the policy says"},
	{path: "containers[].stdin", fate: Native, reason: "an open standard input"},
	{path: "containers[].stdinOnce", fate: ViaSandbox, reason: "standard input ends when the first client leaves", plain: "standard input stays open when the first client leaves"},
	{path: "containers[].tty", fate: Native, reason: "a terminal"},

	{path: "containers[].securityContext.capabilities", fate: Native, reason: "capabilities to add and to drop"},
	{path: "containers[].securityContext.privileged", fate: ViaSandbox, reason: "a privileged container", when: equals(true)},
	{path: "containers[].securityContext.privileged", fate: Native, reason: "no container is"},
	{path: "containers[].securityContext.seLinuxOptions", fate: Native, reason: "the SELinux context of the container"},
	{path: "containers[].securityContext.windowsOptions", fate: Refused, reason: windowsReason},
	{path: "containers[].securityContext.runAsUser", fate: Native, reason: "the container's user"},
	{path: "containers[].securityContext.runAsGroup", fate: Native, reason: "the container's group; together with runAsUser"},
	{path: "containers[].securityContext.runAsNonRoot", fate: ViaSandbox, reason: nonRootReason, plain: plainNonRoot, when: nonRootUnknown},
	{path: "containers[].securityContext.runAsNonRoot", fate: Native, reason: "checked against runAsUser"},
	{path: "containers[].securityContext.readOnlyRootFilesystem", fate: Native, reason: "a read-only root file system"},
	{path: "containers[].securityContext.allowPrivilegeEscalation", fate: ViaSandbox, reason: oldEngineReason, plain: privilegesReason, when: onOldEngine(false)},
	{path: "containers[].securityContext.allowPrivilegeEscalation", fate: Native, reason: "allowed unless it says no"},
	{path: "containers[].securityContext.procMount", fate: ViaSandbox, reason: "/proc as it is", when: equals("Unmasked")},
	{path: "containers[].securityContext.procMount", fate: Native, reason: "Default is what Docker does"},
	{path: "containers[].securityContext.seccompProfile.type", fate: ViaSandbox, reason: oldEngineReason, plain: privilegesReason, when: onOldEngine("Unconfined")},
	{path: "containers[].securityContext.seccompProfile.type", fate: ViaSandbox, reason: "the profile of the node's /var/lib/kubelet/seccomp", when: equals("Localhost")},
	{path: "containers[].securityContext.seccompProfile", fate: Native, reason: "RuntimeDefault is what Docker does; Unconfined"},
	{path: "containers[].securityContext.appArmorProfile.type", fate: ViaSandbox, reason: oldEngineReason, plain: privilegesReason, when: onOldEngine("Unconfined")},
	{path: "containers[].securityContext.appArmorProfile.type", fate: ViaSandbox, reason: "the profile that the node has loaded", when: equals("Localhost")},
	{path: "containers[].securityContext.appArmorProfile", fate: Native, reason: "RuntimeDefault is what Docker does; Unconfined"},
}

const extendedReason = "Swarm's generic resources are not given out by skep yet: place by a node label, or use docker service create --generic-resource"

func resourceNamed(text string, is func(string) bool) *condition {
	return &condition{text, func(s subject) bool { return is(s.key) }}
}

func isStorage(name string) bool   { return name == string(corev1.ResourceEphemeralStorage) }
func isHugePages(name string) bool { return strings.HasPrefix(name, corev1.ResourceHugePagesPrefix) }

func isExtended(name string) bool {
	return !isStorage(name) && !isHugePages(name) && name != string(corev1.ResourceCPU) && name != string(corev1.ResourceMemory)
}

func isExec(s subject) bool {
	probe, _ := s.value.(corev1.Probe)
	return probe.Exec != nil
}

// unlikeHealth is true of a probe by command unless liveness and readiness ask the same: then it is what Docker's health
// check is, and a plain task does.
var unlikeHealth = &condition{"exec, unless liveness and readiness ask the same command", func(s subject) bool {
	if !isExec(s) || s.c == nil {
		return false
	}
	live, ready := s.c.LivenessProbe, s.c.ReadinessProbe
	return live == nil || ready == nil || live.Exec == nil || ready.Exec == nil || !slices.Equal(live.Exec.Command, ready.Exec.Command)
}}

// notOnHost: with hostNetwork every port is the host's, and the API server fills them in.
var notOnHost = &condition{"without hostNetwork", func(s subject) bool { return s.pod == nil || !s.pod.HostNetwork }}
