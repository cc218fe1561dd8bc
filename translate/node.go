package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Nodes pairs Nodes with the Swarm's. Kubernetes labels are the node's Swarm labels, so that placement
// constraints see them.
type Nodes struct{}

var _ Lens = Nodes{}

// Kind implements Lens.
func (Nodes) Kind() string { return "Node" }

// Groups implements Lens.
func (Nodes) Groups() []GroupKind { return []GroupKind{GroupNode} }

// NodeIdentity is what a Swarm node is called: its host's name, which two nodes may share.
func NodeIdentity(n *swarm.Node) Identity {
	name := strings.ToLower(n.Description.Hostname)
	if name == "" {
		name = n.ID
	}
	return Identity{Kind: "Node", Name: DNSName(name)}
}

// NodeName is the Kubernetes name of a Swarm node.
func NodeName(w World, n *swarm.Node) string { return w.Name(NodeIdentity(n), n.ID) }

// Get implements Lens.
func (Nodes) Get(w World, g Group) []Derived {
	n := w.Node(g.ID)
	if n == nil {
		return nil
	}
	name := NodeName(w, n)
	return []Derived{{
		Key: Key{Name: name}, Parts: []any{n, name}, Index: n.Version.Index,
		Build: func() (Object, error) { return getNode(n, name), nil },
	}}
}

// derivedNodeLabels are the well-known labels that Kubernetes tools look for.
func derivedNodeLabels(n *swarm.Node) map[string]string {
	labels := map[string]string{
		corev1.LabelHostname:   n.Description.Hostname,
		corev1.LabelOSStable:   n.Description.Platform.OS,
		corev1.LabelArchStable: goArch(n.Description.Platform.Architecture),
	}
	if n.Spec.Role == swarm.NodeRoleManager {
		labels["node-role.kubernetes.io/control-plane"] = ""
	} else {
		labels["node-role.kubernetes.io/worker"] = ""
	}
	return labels
}

// goArch is a machine name of uname as Kubernetes writes it.
func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armv7l", "armv6l":
		return "arm"
	}
	return machine
}

func getNode(n *swarm.Node, name string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{UID: swarmUID(n.ID)}}
	if doc, ok := n.Spec.Labels[LabelObject]; ok {
		written := &corev1.Node{}
		if json.Unmarshal([]byte(doc), written) == nil {
			node = written
		}
	}
	node.Name = name
	node.CreationTimestamp = stamp(n.CreatedAt)
	var rest map[string]string
	node.Labels, rest = splitLabels(userLabels(n.Spec.Labels))
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	maps.Copy(node.Labels, derivedNodeLabels(n))
	if len(rest) > 0 {
		if doc, err := json.Marshal(rest); err == nil {
			metav1.SetMetaDataAnnotation(&node.ObjectMeta, AnnotationSwarmLabels, string(doc))
		}
	}
	node.Spec.ProviderID = "swarm://" + n.ID
	node.Spec.Unschedulable = n.Spec.Availability != swarm.NodeAvailabilityActive
	node.Spec.Taints = nil
	if node.Spec.Unschedulable {
		node.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}}
	}
	if n.Status.State != swarm.NodeStateReady {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute})
	}
	node.Status = nodeStatus(n)
	return node
}

func nodeStatus(n *swarm.Node) corev1.NodeStatus {
	d := n.Description
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(d.Resources.NanoCPUs/1e6, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(d.Resources.MemoryBytes, resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(1000, resource.DecimalSI),
	}
	ready := corev1.NodeCondition{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "Swarm says that the node is ready",
		LastTransitionTime: stamp(n.UpdatedAt), LastHeartbeatTime: stamp(n.UpdatedAt),
	}
	if n.Status.State != swarm.NodeStateReady {
		ready.Status, ready.Reason = corev1.ConditionUnknown, "NodeStatusUnknown"
		ready.Message = strings.TrimSpace(fmt.Sprintf("Swarm says that the node is %s. %s", n.Status.State, n.Status.Message))
	}
	status := corev1.NodeStatus{
		Capacity: capacity, Allocatable: capacity.DeepCopy(),
		Conditions: []corev1.NodeCondition{ready},
		NodeInfo: corev1.NodeSystemInfo{
			OperatingSystem: d.Platform.OS, Architecture: goArch(d.Platform.Architecture),
			ContainerRuntimeVersion: "docker://" + d.Engine.EngineVersion,
			KubeletVersion:          "swarm-" + d.Engine.EngineVersion,
			MachineID:               n.ID, SystemUUID: n.ID,
		},
	}
	if ip := NodeAddress(n); ip != "" {
		status.Addresses = append(status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
	}
	status.Addresses = append(status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: d.Hostname})
	return status
}

// NodeAddress is a node's address. A manager's own status address can be unspecified; its raft address is not.
func NodeAddress(n *swarm.Node) string {
	addr := n.Status.Addr
	if n.ManagerStatus != nil && (addr == "" || addr == "0.0.0.0" || addr == "127.0.0.1") {
		if host, _, err := net.SplitHostPort(n.ManagerStatus.Addr); err == nil {
			return host
		}
	}
	return addr
}

// Put implements Lens: labels, annotations and cordon are what there is to change of a node.
func (Nodes) Put(w World, g Group, old, object Object) (Plan, error) {
	n := w.Node(g.ID)
	if old == nil || n == nil {
		return Plan{}, Refusal{field.Forbidden(field.NewPath("metadata", "name"),
			"a node joins with \"docker swarm join\"; \"docker swarm join-token worker\" prints the command")}
	}
	was, node := old.(*corev1.Node), object.DeepCopyObject().(*corev1.Node)
	if err := checkNodeLabels(n, was, node); err != nil {
		return Plan{}, err
	}
	spec := n.Spec
	if was.Spec.Unschedulable != node.Spec.Unschedulable {
		spec.Availability = swarm.NodeAvailabilityActive
		if node.Spec.Unschedulable {
			spec.Availability = swarm.NodeAvailabilityPause
		}
	}
	spec.Labels = maps.Clone(n.Spec.Labels)
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	for k := range was.Labels {
		if _, ok := node.Labels[k]; !ok {
			delete(spec.Labels, k)
		}
	}
	derived := derivedNodeLabels(n)
	for k, v := range node.Labels {
		if says, ok := derived[k]; (!ok || says != v) && !reservedLabel(k) {
			spec.Labels[k] = v
		}
	}
	node.Labels, node.Status, node.Spec = nil, corev1.NodeStatus{}, corev1.NodeSpec{}
	delete(node.Annotations, AnnotationSwarmLabels)
	doc, err := encodeObject(node)
	if err != nil {
		return Plan{}, err
	}
	spec.Labels[LabelObject] = doc
	return Plan{Commit: Step{Group: GroupNode, ID: n.ID, Version: n.Version, Node: &spec}}, nil
}

// checkNodeLabels refuses labels that Get would not give back.
func checkNodeLabels(n *swarm.Node, was, node *corev1.Node) error {
	derived := derivedNodeLabels(n)
	for _, k := range slices.Sorted(maps.Keys(node.Labels)) {
		v := node.Labels[k]
		if old, ok := was.Labels[k]; ok && old == v {
			continue
		}
		at := field.NewPath("metadata", "labels").Key(k)
		if says, ok := derived[k]; ok && says != v {
			return Refusal{field.Forbidden(at, fmt.Sprintf("Swarm says that this is %q; use a label of another name", says))}
		}
		if reservedLabel(k) {
			return Refusal{field.Forbidden(at, "labels of skep.* and com.docker.* are skep's and Docker's own; use another name")}
		}
	}
	return nil
}

// Remove implements Lens. Swarm removes a node that is down, and says so otherwise.
func (Nodes) Remove(_ World, g Group, _ Object) (Plan, error) {
	return Plan{Commit: Step{Group: GroupNode, ID: g.ID}}, nil
}
