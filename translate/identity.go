package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	"k8s.io/apimachinery/pkg/types"

	"skep/translate/manifest"
)

// Identity says which Kubernetes object a Swarm object is, or claims to be.
type Identity struct{ Kind, Namespace, Name string }

// Swarm's limits for names: SwarmKit's validateAnnotations and the names of configs.
const (
	maxServiceName = 63
	maxConfigName  = 64
)

// ServiceIdentity is the object that a service is: what its labels say, else what its mode makes it.
func ServiceIdentity(spec *swarm.ServiceSpec) Identity {
	id := Identity{Namespace: StackNamespace(spec.Labels)}
	if kind, name := spec.Labels[LabelKind], spec.Labels[LabelName]; kind != "" && name != "" {
		id.Kind, id.Name = kind, name
		return id
	}
	switch {
	case spec.Mode.Global != nil:
		id.Kind = "DaemonSet"
	case spec.Mode.ReplicatedJob != nil, spec.Mode.GlobalJob != nil:
		id.Kind = "Job"
	default:
		id.Kind = "Deployment"
	}
	id.Name = DNSName(strings.TrimPrefix(spec.Name, spec.Labels[LabelStack]+"_"))
	return id
}

// ConfigIdentity is the object that a Swarm config or secret is; kind is what one without labels is. A
// container refers to it by its whole Swarm name, so the stack's name stays in front.
func ConfigIdentity(a swarm.Annotations, kind string) Identity {
	id := Identity{Kind: kind, Namespace: StackNamespace(a.Labels)}
	if k, name := a.Labels[LabelKind], a.Labels[LabelName]; k != "" && name != "" {
		id.Kind, id.Name = k, name
		if !namespaced(k) {
			id.Namespace = ""
		}
		return id
	}
	id.Name = DNSName(a.Name)
	return id
}

// namespaced says whether documents of a kind live in a namespace.
func namespaced(kind string) bool {
	switch kind {
	case "Namespace", "Node", "IngressClass", kindVolume, "StorageClass":
		return false
	}
	return true
}

// StackNamespace is the namespace in which an object with these labels shows.
func StackNamespace(labels map[string]string) string {
	if stack := labels[LabelStack]; stack != "" {
		return DNSName(stack)
	}
	return DefaultNamespace
}

// ServiceName is the Swarm name that a workload's service gets where no other has it: for the kinds that Docker's
// stacks know the name that docker stack deploy gives it. Kubernetes names hold no underscore, so the parts cannot run
// into each other; kinds that share a name are told apart by LongName.
func (id Identity) ServiceName() string {
	switch id.Kind {
	case "Deployment", kindStatefulSet, "DaemonSet", "Job":
		return fitService(id.Namespace + "_" + id.Name)
	}
	return id.LongName()
}

// LongName is a Swarm name for a workload's service that no other identity's has.
func (id Identity) LongName() string {
	return fitService(id.Namespace + "_" + strings.ToLower(id.Kind) + "_" + id.Name)
}

// OtherNames are names for a workload's service whose ServiceName another object's has, the first to be tried first.
func (id Identity) OtherNames() []string {
	long := id.LongName()
	return []string{long, OtherName(long, Key{id.Namespace + "/" + id.Kind, id.Name})}
}

func fitService(name string) string {
	return fit(name, strings.ReplaceAll(name, ".", "-"), maxServiceName)
}

var notInConfigName = regexp.MustCompile(`[^a-zA-Z0-9\-_.]`)

// DocumentName is the Swarm name of the config that holds an object's manifest. Creating it twice is
// Swarm's own conflict, so the name is what makes two clients agree on who was first.
func (id Identity) DocumentName() string {
	name := "skep." + strings.ToLower(id.Kind) + "." + id.Namespace + "." + id.Name
	if id.Namespace == "" {
		name = "skep." + strings.ToLower(id.Kind) + ".." + id.Name
	}
	// Swarm compares names without regard to case, and they end in a letter or digit. RBAC's need not.
	clean := strings.TrimRight(strings.ToLower(notInConfigName.ReplaceAllString(name, "-")), "-_.")
	return fit(name, clean, maxConfigName)
}

// fit returns clean where it still is the name and short enough, else its beginning and the name's hash.
func fit(name, clean string, most int) string {
	if name == clean && len(clean) <= most {
		return clean
	}
	sum := sha256.Sum256([]byte(name))
	tail := "-" + hex.EncodeToString(sum[:6])
	if len(clean) > most-len(tail) {
		clean = clean[:most-len(tail)]
	}
	return clean + tail
}

// swarmUID is the stable UID of an object that was never given one.
func swarmUID(parts ...string) types.UID {
	return manifest.UID(parts...)
}

// OtherName is the name for a service whose own is taken by a service that is another object.
func OtherName(name string, k Key) string {
	sum := sha256.Sum256([]byte(k.Namespace + "/" + k.Name))
	tail := "-" + hex.EncodeToString(sum[:6])
	return name[:min(len(name), maxServiceName-len(tail))] + tail
}
