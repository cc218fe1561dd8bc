package translate

import "skep/translate/manifest"

// Labels that skep keeps on Swarm objects. Identity is in labels; a Swarm name is decoration.
const (
	// LabelObject holds the Kubernetes object as the client sent it: JSON of metadata and spec, no status.
	LabelObject = "skep.object"
	// LabelKind and LabelName say which Kubernetes object a Swarm object is.
	LabelKind = "skep.kind"
	LabelName = "skep.name"
	// LabelSeen holds the Seen of the last write as JSON.
	LabelSeen = "skep.seen"
	// LabelRunning holds the Pod template that runs where it is not the object's: a paused Deployment's.
	LabelRunning = "skep.running"
	// LabelHeld marks a Deployment that was created paused and has not been resumed: it has no Pods.
	LabelHeld = "skep.held"
	// LabelRevised is when the running template took over from another, in RFC 3339.
	LabelRevised = "skep.revised"
	// LabelEnded is how a Job ended that skep stopped, as JSON: see endedJob.
	LabelEnded = "skep.ended"
	// LabelOver, on a Job's document, is a digest of the LabelObject of the service that it is written over.
	LabelOver = "skep.over"
	// LabelOwner is the ID of the service that a document belongs to and goes with.
	LabelOwner = "skep.owner"
	// LabelSealed holds a Secret's document, encrypted: labels can be read by anyone with the Docker API.
	LabelSealed = "skep.sealed"
	// LabelMaterial marks a Swarm config or secret that holds what a container mounts, and a Docker volume that anyone
	// could make again.
	LabelMaterial = "skep.material"
	// LabelStack is Docker's own: the stack that an object belongs to, here the namespace.
	LabelStack = "com.docker.stack.namespace"
)

// Labels on containers. The Pod template's own labels stand beside them.
const (
	// LabelContainer names the container within its Pod, as the kubelet's runtimes do.
	LabelContainer = manifest.LabelContainer
	// LabelPodNamespace is the Pod's namespace.
	LabelPodNamespace = manifest.LabelPodNamespace
	// LabelPod is the bare Pod's name, or the ReplicaSet's whose Pods are named <it>-<5 characters of the task id>.
	LabelPod = "skep.pod"
	// LabelFirst is the ordinal of a StatefulSet's first Pod, where it is not 0.
	LabelFirst = "skep.first"
	// LabelHash is the hash of the Pod template, the label by which a Deployment tells its ReplicaSets apart.
	LabelHash = "pod-template-hash"
	// LabelSpec is a digest of the task as skep wrote it: while it matches, LabelHash speaks of this task.
	LabelSpec = "skep.spec"
	// LabelPlain, on a sandbox, is the plain task that it took over from: see keptPlain.
	LabelPlain = "skep.plain"
	// LabelServiceName is Docker's own, on every container of a service.
	LabelServiceName = "com.docker.swarm.service.name"
)

// AnnotationSwarm marks on Kubernetes objects what has no other place there.
const (
	// AnnotationSwarmName is the true Swarm name where Kubernetes does not allow it.
	AnnotationSwarmName = "skep/swarm-name"
	// AnnotationAliases lists, with commas, the names that a service of Docker's tools has on its networks.
	AnnotationAliases = "skep/aliases"
	// AnnotationSwarmLabels holds, as a JSON object, the Swarm labels that Kubernetes does not allow as labels.
	AnnotationSwarmLabels = "skep/swarm-labels"
)

// DefaultNamespace is where services without a stack show.
const DefaultNamespace = "default"
