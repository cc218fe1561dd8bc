package translate

import (
	"time"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is a Kubernetes object in its external version (k8s.io/api), defaulted.
type Object interface {
	metav1.Object
	runtime.Object
}

// Key names an object of one resource. Namespace is empty for cluster-scoped ones.
type Key struct{ Namespace, Name string }

// KeyOf returns an object's key.
func KeyOf(o metav1.Object) Key { return Key{Namespace: o.GetNamespace(), Name: o.GetName()} }

// Group is a set of Swarm objects that lenses read together: a service with its tasks and the documents
// that it owns, or a single node, config or secret, or all that makes a namespace.
type Group struct {
	Kind GroupKind
	ID   string
}

// GroupKind says what a Group's ID is the ID of.
type GroupKind string

// The groups. A namespace's ID is its Kubernetes name.
const (
	GroupService   GroupKind = "service"
	GroupNode      GroupKind = "node"
	GroupConfig    GroupKind = "config"
	GroupSecret    GroupKind = "secret"
	GroupNamespace GroupKind = "namespace"
	// GroupAddress is what makes a Kubernetes Service and its endpoints; its ID is AddressID of the Service's key.
	GroupAddress GroupKind = "address"
	// GroupVolume is a volume of a node's engine; its ID is VolumeGroupID.
	GroupVolume GroupKind = "volume"
)

// World is the Swarm as values, for reading only.
type World interface {
	Sources
	Givens
	Exposures
	Policies
	Reports
	// Workload is a service as a Kubernetes workload; nil when there is none of that ID. It stays
	// readable after the service was removed until its last task is gone.
	Workload(serviceID string) *Workload
	// Tasks are a service's tasks, newest first: the same slice as long as they are the same tasks.
	Tasks(serviceID string) []*swarm.Task
	// Departed is the index at which the last removal of one of a service's tasks took place; 0 for none that is known.
	Departed(serviceID string) uint64
	// Owned are the documents that belong to a service: past ReplicaSets, what was written on Pods.
	Owned(serviceID string) []*swarm.Config
	Node(id string) *swarm.Node
	// Event is one that is kept; id is its EventID.
	Event(id string) *corev1.Event
	SwarmConfig(id string) *swarm.Config
	SwarmSecret(id string) *swarm.Secret
	// Unreadable says whether there is a Secret that cannot be opened: it was sealed with another key.
	Unreadable(namespace, name string) bool
	// Namespace is what is known of a namespace; nil when nothing makes it one.
	Namespace(name string) *NamespaceParts
	// Name is the name that the Swarm object with this ID has among those that claim the identity.
	Name(identity Identity, swarmID string) string
	// Stack is the stack whose services show in a namespace.
	Stack(namespace string) string
	// Network is the name of the overlay that the network ID means.
	Network(id string) string
	// DockerVolume is a volume that a node's engine has and that shows by itself, by VolumeGroupID; nil for none.
	DockerVolume(id string) *DockerVolume
	// VolumeTaken says whether a claim, a PersistentVolume or an engine has a Docker volume of this name.
	VolumeTaken(name string) bool
	Seal(plain []byte, context string) (string, error)
	Open(sealed, context string) ([]byte, error)
	Now() time.Time
}

// NamespaceParts are the Swarm's parts of a namespace.
type NamespaceParts struct {
	Document *swarm.Config // its manifest; nil for a stack made by Docker and for the built-in ones
	Since    time.Time     // when its oldest part was made
	Index    uint64        // the lowest version index among its parts
}

// Derived is an object that a lens found in a group.
type Derived struct {
	Key Key
	// Parts are the values that the object was made of, to be compared with ==; while they are the same, so is
	// the object.
	Parts []any
	// Index is the highest version index of the parts: the object's resourceVersion.
	Index uint64
	// Build makes the object. What it points to may be shared with other objects, so only the object's own
	// struct may be changed.
	Build func() (Object, error)
	// Wake is when the object changes by itself, by time alone. Zero: never.
	Wake time.Time
}

// Lens pairs the objects of one resource with Swarm objects, in both directions. Its methods are pure.
type Lens interface {
	// Kind is the Kubernetes kind.
	Kind() string
	// Groups are the kinds of group that the lens reads.
	Groups() []GroupKind
	// Get returns all objects of the resource that a group holds.
	Get(w World, g Group) []Derived
	// Put plans how object becomes true. old is what Get gave for it, nil when it is to be created;
	// group is where Get found it.
	Put(w World, g Group, old, object Object) (Plan, error)
	// Remove plans how old ceases to be.
	Remove(w World, g Group, old Object) (Plan, error)
}

// Plan is what a write does to the Swarm: first what it needs, then one commit that is checked against
// the version that was read.
type Plan struct {
	Materials []Material
	// Networks are overlays that have to be there.
	Networks []string
	// Warnings are for the client whose write it is.
	Warnings []string
	Before   []Step
	Commit   Step
	// After is cleaning up; when it fails or is never reached, nothing is wrong.
	After []Step
}

// Step is one change of one Swarm object: exactly one of the specs is set, or none to remove it.
type Step struct {
	Group   GroupKind // GroupService, GroupConfig, GroupNode, GroupSecret; "" for nothing to do
	Task    string    // the task to remove
	ID      string    // empty to create
	Version swarm.Version
	Service *swarm.ServiceSpec
	// RegistryAuth goes with the service: Docker's X-Registry-Auth; "" for what it has.
	RegistryAuth string
	Config       *swarm.ConfigSpec
	Node         *swarm.NodeSpec
	Event        *corev1.Event // kept in memory, not in the Swarm
}

// Empty says that there is nothing to do.
func (s Step) Empty() bool { return s.Group == "" && s.Task == "" }
