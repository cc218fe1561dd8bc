// Package manifest is what the gateway and a Pod's sandbox tell each other: where the sandbox finds its Pod, and how it
// reports on it. A sandbox runs for every Pod that needs one, so what this package imports stays small.
//
// The task's spec (package translate) lays these things before the sandbox (package swarm/sandbox): PodFile, one file for
// each ConfigMap and Secret that the Pod refers to, and a volume below VolumeDir for each of the Pod's volumes that live in
// Docker volumes. The sandbox writes a Report in one line to its standard output whenever something changed, so that any
// manager reads the last of them from the task's log, while the task runs and after it has ended.
package manifest

import (
	"strconv"
	"strings"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Command is the sandbox's program in skep's image. With "ready" it says by its exit code whether the Pod has been ready
// once; with "take" it reads an Update from standard input.
const Command = "/skep-pod"

// Files and directories in the sandbox's container. They are not below /skep, which is the gateway's program in the image.
const (
	// PodFile is a corev1.Pod as JSON: metadata (namespace, labels, annotations, the UID of a bare Pod) and the whole spec,
	// defaulted. Its name is not in it: see EnvPod.
	PodFile = "/pod/pod.json"
	// ConfigMapDir and SecretDir hold <name>.json: a corev1.ConfigMap or Secret with data only, for each that was there
	// when the task was written. One that is missing is optional. Docker's own configs and secrets lie at <name>/<key>,
	// as they are.
	ConfigMapDir = "/pod/configmaps"
	SecretDir    = "/pod/secrets"
	// VolumeDir holds a directory for each of the Pod's volumes but hostPaths: a Docker volume, to be found by its
	// destination among the mounts of the sandbox's own container. For emptyDir it is an anonymous one, a tmpfs where
	// the medium is Memory; for configMap, secret, projected and downwardAPI an anonymous tmpfs to be filled; for
	// persistentVolumeClaim and nfs the volume itself.
	VolumeDir = "/pod/volumes"
	// RunDir is an anonymous volume for what the sandbox itself keeps: termination messages, say.
	RunDir = "/pod/run"
	// HostDir is the node's root directory, only there for a Pod with hostPath volumes.
	HostDir = "/pod/host"
	// EngineSocket is the Docker Engine's.
	EngineSocket = "/var/run/docker.sock"
)

// Variables of the sandbox's container.
const (
	EnvPod    = "SKEP_POD"    // the Pod's name
	EnvTask   = "SKEP_TASK"   // ID of the Swarm task
	EnvNode   = "SKEP_NODE"   // the node's name in Kubernetes
	EnvDomain = "SKEP_DOMAIN" // DNS domain of the cluster
	// EnvNetwork names the network whose address is the Pod's. Unset: the first by name but the routing mesh's.
	EnvNetwork = "SKEP_NETWORK"
)

// AnnotationSwarmSpec holds, on a Pod, what Docker can do for containers and Kubernetes has no field for: package translate
// says what may be in it.
const AnnotationSwarmSpec = "skep/swarm-spec"

// Labels of containers.
const (
	// LabelSandbox is on each container of a Pod that the sandbox started: the ID of the sandbox's own container.
	LabelSandbox = "skep.sandbox"
	// LabelRole is on the sandbox's own container, RoleSandbox; on those that it started, what they are in the Pod; on an
	// agent's helper RoleHelper.
	LabelRole = "skep.role"
	// LabelContainer, LabelPodName, LabelPodNamespace and LabelPodUID are those of the kubelet's runtimes.
	LabelContainer    = "io.kubernetes.container.name"
	LabelPodName      = "io.kubernetes.pod.name"
	LabelPodNamespace = "io.kubernetes.pod.namespace"
	LabelPodUID       = "io.kubernetes.pod.uid"
	// LabelAttempt counts the container's restarts, from 0.
	LabelAttempt = "io.kubernetes.container.restartCount"
	// LabelTask is Docker's own: the Swarm task that a container is.
	LabelTask = "com.docker.swarm.task.id"
)

// Labels of a StatefulSet's Pods, which the sandbox fills in (apps/v1 has them as StatefulSetPodNameLabel and
// PodIndexLabel).
const (
	LabelOrdinalName = "statefulset.kubernetes.io/pod-name"
	LabelOrdinal     = "apps.kubernetes.io/pod-index"
)

// LabelIndex is the label, and the annotation, of an Indexed Job's Pods with their number (batch/v1 has it as
// JobCompletionIndexAnnotation). The sandbox fills both in.
const LabelIndex = "batch.kubernetes.io/job-completion-index"

// Roles of containers, the values of LabelRole.
const (
	RoleSandbox   = "sandbox"
	RoleInit      = "init"
	RoleContainer = "container"
	RoleEphemeral = "ephemeral"
	RoleHelper    = "helper"
)

// Report is what a sandbox says of its Pod: one line of JSON. It always has the whole status.
type Report struct {
	// Number counts a sandbox's reports from 1: one that is read again is not taken for news.
	Number int64 `json:"number,omitempty"`
	// Status has phase, reason, message, startTime, podIP and podIPs, the conditions Initialized, Ready, ContainersReady
	// and PodReadyToStartContainers, and the statuses of all containers in the order of the spec.
	Status corev1.PodStatus `json:"status"`
	// Events are those since the last report, as a kubelet words them.
	Events []Event `json:"events,omitempty"`
}

// Event is one that a kubelet would record of a Pod.
type Event struct {
	Time    metav1.MicroTime `json:"time"`
	Type    string           `json:"type"` // Normal or Warning
	Reason  string           `json:"reason"`
	Message string           `json:"message"`
	// FieldPath names the container: spec.containers{web}. Empty: the Pod.
	FieldPath string `json:"fieldPath,omitempty"`
}

// Update is what changed of a Pod that runs.
type Update struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// ConfigMaps and Secrets are all that the Pod refers to and that are there, by name, with data only.
	ConfigMaps map[string]*corev1.ConfigMap `json:"configMaps,omitempty"`
	Secrets    map[string]*corev1.Secret    `json:"secrets,omitempty"`
	// Tokens are of service accounts: see TokenKey.
	Tokens map[string]Token `json:"tokens,omitempty"`
	// EphemeralContainers are all of the Pod's; those that are new are started.
	EphemeralContainers []corev1.EphemeralContainer `json:"ephemeralContainers,omitempty"`
}

// Token is one of a service account, for a projected volume.
type Token struct {
	Token   string      `json:"token"`
	Expires metav1.Time `json:"expires"`
}

// TokenKey names a token by the source of the projected volume that asks for it.
func TokenKey(source *corev1.ServiceAccountTokenProjection) string {
	life := int64(0)
	if source.ExpirationSeconds != nil {
		life = *source.ExpirationSeconds
	}
	return source.Audience + "/" + strconv.FormatInt(life, 10)
}

// UID is the stable UID of an object that was never given one: of a Pod, by the ID of its task.
func UID(parts ...string) types.UID {
	return types.UID(uuid.NewSHA1(uuid.NameSpaceOID, []byte("skep/"+strings.Join(parts, "/"))).String())
}
