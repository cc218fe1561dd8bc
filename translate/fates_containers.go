package translate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// What probes, hooks and resources share.
const (
	probeReason  = "Docker's health check runs a command in the container" + untilSandbox + "use exec (for HTTP: wget -qO- or curl -f)"
	graceReason  = "an unhealthy container is stopped with the Pod's own grace period"
	hookReason   = "Swarm runs nothing beside the container's command" + untilSandbox + "do it in that command, or on its stop signal"
	portReason   = "kept; containers on one overlay reach each other's ports without saying so"
	readyReason  = "kept; the livenessProbe's holds"
	secretReason = "the value can be read in the service's spec by whoever has the Docker API: mount the Secret as a file to keep it secret"
)

var containerFates = []fate{
	{path: "containers", fate: Refused, reason: "Swarm starts one container for a task" + untilSandbox + "make a Pod of each, or one image of all", when: &condition{"more than one", func(s subject) bool {
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
	{path: "containers[].envFrom[].secretRef", fate: Warned, reason: secretReason},
	{path: "containers[].env[].name", fate: Native, reason: "variables"},
	{path: "containers[].env[].value", fate: Native, reason: "$(VAR) is expanded when the Pod's service is written"},
	{path: "containers[].env[].valueFrom.fieldRef", fate: Native, reason: "metadata.name, .namespace, .labels and .annotations, spec.nodeName, spec.serviceAccountName"},
	{path: "containers[].env[].valueFrom.resourceFieldRef", fate: Native, reason: "limits and requests that are set"},
	{path: "containers[].env[].valueFrom.configMapKeyRef", fate: Native, reason: "the value as of when the Pod's service is written"},
	{path: "containers[].env[].valueFrom.secretKeyRef", fate: Warned, reason: secretReason},
	{path: "containers[].env[].valueFrom.fileKeyRef", fate: Refused, reason: "nothing reads the file before the container starts" + untilSandbox + "read it in the container's command"},
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
	{path: "containers[].restartPolicy", fate: Refused, reason: "Swarm restarts by task: set the Pod's restartPolicy"},
	{path: "containers[].restartPolicyRules", fate: Refused, reason: "Swarm restarts by task, whatever the exit code: set the Pod's restartPolicy"},
	{path: "containers[].volumeDevices", fate: Refused, reason: "Swarm passes no devices into containers: use a file system"},
	{path: "containers[].livenessProbe.exec", fate: Native, reason: "Docker's health check"},
	{path: "containers[].livenessProbe.initialDelaySeconds", fate: Native, reason: "the check's start period"},
	{path: "containers[].livenessProbe.timeoutSeconds", fate: Native, reason: "its timeout"},
	{path: "containers[].livenessProbe.periodSeconds", fate: Native, reason: "its interval"},
	{path: "containers[].livenessProbe.failureThreshold", fate: Native, reason: "its retries"},
	{path: "containers[].livenessProbe.successThreshold", fate: Native, reason: "1, as Kubernetes demands"},
	{path: "containers[].livenessProbe.httpGet", fate: Refused, reason: probeReason},
	{path: "containers[].livenessProbe.tcpSocket", fate: Refused, reason: probeReason},
	{path: "containers[].livenessProbe.grpc", fate: Refused, reason: probeReason},
	{path: "containers[].livenessProbe.terminationGracePeriodSeconds", fate: Warned, reason: graceReason},
	{path: "containers[].readinessProbe", fate: Warned, reason: "readiness is health here: a container that is not ready for long is replaced", when: &condition{"exec", isExec}},
	{path: "containers[].readinessProbe.exec", fate: Native, reason: "the livenessProbe's command"},
	{path: "containers[].readinessProbe.initialDelaySeconds", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.timeoutSeconds", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.periodSeconds", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.failureThreshold", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.successThreshold", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.terminationGracePeriodSeconds", fate: ViaGateway, reason: readyReason},
	{path: "containers[].readinessProbe.httpGet", fate: Refused, reason: probeReason},
	{path: "containers[].readinessProbe.tcpSocket", fate: Refused, reason: probeReason},
	{path: "containers[].readinessProbe.grpc", fate: Refused, reason: probeReason},
	{path: "containers[].startupProbe.exec", fate: Native, reason: "the livenessProbe's command; no failure counts within the health check's start period"},
	{path: "containers[].startupProbe.initialDelaySeconds", fate: Native, reason: "added to the start period"},
	{path: "containers[].startupProbe.periodSeconds", fate: Native, reason: "times failureThreshold: the start period"},
	{path: "containers[].startupProbe.failureThreshold", fate: Native, reason: "times periodSeconds: the start period"},
	{path: "containers[].startupProbe.timeoutSeconds", fate: ViaGateway, reason: "kept; the livenessProbe's holds"},
	{path: "containers[].startupProbe.successThreshold", fate: Native, reason: "1, as Kubernetes demands"},
	{path: "containers[].startupProbe.httpGet", fate: Refused, reason: probeReason},
	{path: "containers[].startupProbe.tcpSocket", fate: Refused, reason: probeReason},
	{path: "containers[].startupProbe.grpc", fate: Refused, reason: probeReason},
	{path: "containers[].startupProbe.terminationGracePeriodSeconds", fate: Warned, reason: graceReason},
	{path: "containers[].lifecycle.postStart", fate: Refused, reason: hookReason},
	{path: "containers[].lifecycle.preStop", fate: Refused, reason: hookReason},
	{path: "containers[].lifecycle.stopSignal", fate: Native, reason: "the stop signal"},
	{path: "containers[].terminationMessagePath", fate: Warned, reason: "the file is not read", when: other(corev1.TerminationMessagePathDefault, corev1.TerminationMessagePathDefault)},
	{path: "containers[].terminationMessagePath", fate: ViaGateway, reason: "kept; the file is not read"},
	{path: "containers[].terminationMessagePolicy", fate: Warned, reason: "no message is taken from logs", when: equals("FallbackToLogsOnError")},
	{path: "containers[].terminationMessagePolicy", fate: ViaGateway, reason: "kept"},
	{path: "containers[].imagePullPolicy", fate: Warned, reason: "Swarm asks the registry, and runs what the node has when that fails", when: equals("Never")},
	{path: "containers[].imagePullPolicy", fate: Native, reason: "Swarm asks the registry, and runs what the node has when that fails"},
	{path: "containers[].stdin", fate: Native, reason: "an open standard input"},
	{path: "containers[].stdinOnce", fate: Warned, reason: "standard input stays open when the first client leaves"},
	{path: "containers[].tty", fate: Native, reason: "a terminal"},

	{path: "containers[].securityContext.capabilities", fate: Native, reason: "capabilities to add and to drop"},
	{path: "containers[].securityContext.privileged", fate: Refused, reason: "Swarm runs no privileged containers: add the capabilities that it needs, or run it in plain Docker on the nodes", when: equals(true)},
	{path: "containers[].securityContext.privileged", fate: Native, reason: "no container is"},
	{path: "containers[].securityContext.seLinuxOptions", fate: Native, reason: "the SELinux context of the container"},
	{path: "containers[].securityContext.windowsOptions", fate: Refused, reason: windowsReason},
	{path: "containers[].securityContext.runAsUser", fate: Native, reason: "the container's user"},
	{path: "containers[].securityContext.runAsGroup", fate: Native, reason: "the container's group; together with runAsUser"},
	{path: "containers[].securityContext.runAsNonRoot", fate: Warned, reason: nonRootReason, when: nonRootUnknown},
	{path: "containers[].securityContext.runAsNonRoot", fate: Native, reason: "checked against runAsUser"},
	{path: "containers[].securityContext.readOnlyRootFilesystem", fate: Native, reason: "a read-only root file system"},
	{path: "containers[].securityContext.allowPrivilegeEscalation", fate: Warned, reason: privilegesReason, when: equals(false)},
	{path: "containers[].securityContext.allowPrivilegeEscalation", fate: Native, reason: "allowed unless it says no"},
	{path: "containers[].securityContext.procMount", fate: Refused, reason: "Docker masks /proc in every container: use Default", when: equals("Unmasked")},
	{path: "containers[].securityContext.procMount", fate: Native, reason: "Default is what Docker does"},
	{path: "containers[].securityContext.seccompProfile.type", fate: Warned, reason: privilegesReason, when: equals("Unconfined")},
	{path: "containers[].securityContext.seccompProfile.type", fate: Refused, reason: localhostReason, when: equals("Localhost")},
	{path: "containers[].securityContext.seccompProfile", fate: Native, reason: "RuntimeDefault is what Docker does"},
	{path: "containers[].securityContext.appArmorProfile.type", fate: Warned, reason: privilegesReason, when: equals("Unconfined")},
	{path: "containers[].securityContext.appArmorProfile.type", fate: Refused, reason: localhostReason, when: equals("Localhost")},
	{path: "containers[].securityContext.appArmorProfile", fate: Native, reason: "RuntimeDefault is what Docker does"},
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

// notOnHost: with hostNetwork every port is the host's, and the API server fills them in.
var notOnHost = &condition{"without hostNetwork", func(s subject) bool { return s.pod == nil || !s.pod.HostNetwork }}
