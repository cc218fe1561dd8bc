package swarm

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install" // into legacyscheme, as by the gateway's registries
	appsdefaults "k8s.io/kubernetes/pkg/apis/apps/v1"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"

	"skep/translate"
)

// The tests and benchmarks of what a large Swarm costs run on a colony: services as kubectl's Deployments and
// Docker's stacks make them, with tasks and nodes, in memory only.

// upstream is the gateway's Scheme.
type upstream struct{}

func (upstream) ToInternal(o translate.Object) (runtime.Object, error) {
	return legacyscheme.Scheme.UnsafeConvertToVersion(o, runtime.InternalGroupVersioner)
}

func (upstream) ToExternal(o runtime.Object) (translate.Object, error) {
	out, err := legacyscheme.Scheme.ConvertToVersion(o, legacyscheme.Scheme.PrioritizedVersionsAllGroups()[0])
	if err != nil {
		return nil, err
	}
	return out.(translate.Object), nil
}

// served are the lenses of the gateway's table.
func served() []translate.Lens {
	return []translate.Lens{
		translate.Namespaces{},
		translate.Nodes{},
		translate.Pods{},
		translate.ConfigMaps,
		translate.Documents{Of: "Secret", Sealed: true, Native: translate.GroupSecret, New: func() translate.Object { return &corev1.Secret{} }},
		translate.ServiceAccounts,
		translate.Events{},
		translate.Deployments{},
		translate.ReplicaSets{},
		translate.DaemonSets{},
		translate.StatefulSets{},
		translate.ControllerRevisions{},
		translate.Jobs{},
		translate.Documents{Of: "Lease", New: func() translate.Object { return &coordinationv1.Lease{} }},
	}
}

// fullMirror has all views of the gateway.
func fullMirror(tb testing.TB) (*Mirror, map[string]*View) {
	tb.Helper()
	m, views := NewMirror(testSealer(tb)), map[string]*View{}
	for _, l := range served() {
		views[l.Kind()] = m.AddView(l, upstream{})
	}
	return m, views
}

// colony is a Swarm whose changes a test makes up.
type colony struct {
	tb       testing.TB
	index    uint64
	made     int
	now      time.Time
	nodes    []*swarm.Node
	services []*swarm.Service
	tasks    []*swarm.Task
}

const colonyNetwork = "netskepnetskepnetskepnets"

// newColony has services of perService running tasks each. Every fifth was deployed by Docker.
func newColony(tb testing.TB, nodes, services, perService int) *colony {
	tb.Helper()
	c := &colony{tb: tb, index: 1000, now: time.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second)}
	for i := range nodes {
		c.index++
		c.nodes = append(c.nodes, &swarm.Node{
			ID: c.id("n"), Meta: c.meta(), Spec: swarm.NodeSpec{Role: swarm.NodeRoleWorker, Availability: swarm.NodeAvailabilityActive},
			Description: swarm.NodeDescription{
				Hostname: fmt.Sprintf("node-%03d", i), Platform: swarm.Platform{Architecture: "x86_64", OS: "linux"},
				Resources: swarm.Resources{NanoCPUs: 8e9, MemoryBytes: 32 << 30}, Engine: swarm.EngineDescription{EngineVersion: "28.5.2"},
			},
			Status: swarm.NodeStatus{State: swarm.NodeStateReady, Addr: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)},
		})
	}
	m := NewMirror(testSealer(tb))
	for i := range services {
		s := c.addService(m, i, perService)
		for slot := range perService {
			c.tasks = append(c.tasks, c.newTask(s, slot+1, swarm.TaskStateRunning))
		}
	}
	return c
}

func (c *colony) meta() swarm.Meta {
	return swarm.Meta{Version: swarm.Version{Index: c.index}, CreatedAt: c.now, UpdatedAt: c.now}
}

// id is as long and as distinct at its beginning as Swarm's.
func (c *colony) id(prefix string) string {
	c.made++
	return fmt.Sprintf("%s%04x%020d", prefix, uint16(c.made*40503), c.made)
}

func (c *colony) addService(m *Mirror, i, replicas int) *swarm.Service {
	c.index++
	s := &swarm.Service{ID: c.id("s"), Meta: c.meta()}
	if i%5 == 4 {
		s.Spec = stackSpec(i, replicas)
	} else {
		plan, err := translate.Deployments{}.Put(m.world(), translate.Group{}, nil, aDeployment(i, replicas))
		if err != nil {
			c.tb.Fatal(err)
		}
		s.Spec = *plan.Commit.Service
	}
	for j := range s.Spec.TaskTemplate.Networks {
		s.Spec.TaskTemplate.Networks[j].Target = colonyNetwork
	}
	s.Spec.TaskTemplate.Runtime = swarm.RuntimeContainer // as Docker has it
	s = remade(c.tb, s)
	c.services = append(c.services, s)
	return s
}

// remade is a value as it comes off the wire: nothing in it is shared.
func remade[T any](tb testing.TB, v *T) *T {
	tb.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	out := new(T)
	if err := json.Unmarshal(doc, out); err != nil {
		tb.Fatal(err)
	}
	return out
}

func stackSpec(i, replicas int) swarm.ServiceSpec {
	n := uint64(replicas)
	stack := fmt.Sprintf("stack%d", i/50)
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: fmt.Sprintf("%s_svc%d", stack, i), Labels: map[string]string{
			"com.docker.stack.image": "registry.example.com/team/app:1.2.3", translate.LabelStack: stack,
			"traefik.enable": "true", "traefik.http.routers.app.rule": "Host(`app.example.com`)",
		}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image:  "registry.example.com/team/app:1.2.3@sha256:0123456789012345678901234567890123456789012345678901234567890123",
				Labels: map[string]string{translate.LabelStack: stack},
				Env:    []string{"LOG_LEVEL=info", "DATABASE_URL=postgres://db:5432/app", "CACHE=redis:6379", "PORT=8080"},
			},
			Placement: &swarm.Placement{Constraints: []string{"node.role == worker"}, Platforms: []swarm.Platform{{Architecture: "amd64", OS: "linux"}}},
			Networks:  []swarm.NetworkAttachmentConfig{{Target: colonyNetwork, Aliases: []string{fmt.Sprintf("svc%d", i)}}},
			Resources: &swarm.ResourceRequirements{Limits: &swarm.Limit{NanoCPUs: 5e8, MemoryBytes: 256 << 20}},
		},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}},
	}
}

// aDeployment is one that kubectl applied: with managed fields and what was last applied.
func aDeployment(i, replicas int) *appsv1.Deployment {
	name := fmt.Sprintf("web-%04d", i)
	labels := map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "prod", "app.kubernetes.io/managed-by": "kubectl", "tier": "web"}
	n := int32(replicas)
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fmt.Sprintf("team-%02d", i/50), Name: name, Labels: labels, UID: types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i)),
			CreationTimestamp: metav1.NewTime(time.Now().Add(-24 * time.Hour).Truncate(time.Second)), Generation: 1,
		},
		Spec: appsv1.DeploymentSpec{
			Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": name}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{aContainer()}}},
		},
	}
	applied, _ := json.Marshal(d)
	d.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: string(applied)}
	fields := `{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}},"f:labels":{".":{},"f:app.kubernetes.io/name":{},` +
		`"f:tier":{}}},"f:spec":{"f:progressDeadlineSeconds":{},"f:replicas":{},"f:revisionHistoryLimit":{},"f:selector":{},"f:strategy":{"f:rollingUpdate":{".":{},` +
		`"f:maxSurge":{},"f:maxUnavailable":{}},"f:type":{}},"f:template":{"f:metadata":{"f:labels":{".":{},"f:tier":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},` +
		`"f:env":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{},"f:resources":{}}},"f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{}}}}}`
	at := d.CreationTimestamp
	d.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: "kubectl-client-side-apply", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "apps/v1", Time: &at,
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}}
	appsdefaults.SetObjectDefaults_Deployment(d)
	return d
}

func aContainer() corev1.Container {
	return corev1.Container{
		Name: "app", Image: "registry.example.com/team/web:2.4.1",
		Args: []string{"--listen=:8080", "--log=json"},
		Env: []corev1.EnvVar{
			{Name: "LOG_LEVEL", Value: "info"},
			{Name: "DATABASE_URL", Value: "postgres://db.team.svc.cluster.local:5432/app"},
			{Name: "CACHE", Value: "redis:6379"},
			{Name: "FEATURES", Value: "a,b,c"},
			{Name: "REGION", Value: "eu-central-1"},
		},
		Ports:         []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
		LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"wget", "-qO-", "http://localhost:8080/healthz"}}}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
		},
	}
}

// newTask is a task of a service as the wire brings it.
func (c *colony) newTask(s *swarm.Service, slot int, state swarm.TaskState) *swarm.Task {
	c.index++
	id := c.id("t")
	t := &swarm.Task{ID: id, Meta: c.meta(), Spec: s.Spec.TaskTemplate, ServiceID: s.ID, Slot: slot, DesiredState: swarm.TaskStateRunning}
	t.NetworksAttachments = []swarm.NetworkAttachment{{
		Network: swarm.Network{ID: colonyNetwork, Meta: c.meta(), Spec: swarm.NetworkSpec{
			Annotations:         swarm.Annotations{Name: "skep", Labels: map[string]string{translate.LabelMaterial: "network"}},
			DriverConfiguration: &swarm.Driver{Name: "overlay"}, Attachable: true, Scope: "swarm",
		}, DriverState: swarm.Driver{Name: "overlay", Options: map[string]string{"com.docker.network.driver.overlay.vxlanid_list": "4097"}}},
		Addresses: []string{fmt.Sprintf("10.1.%d.%d/16", c.made/250%250, c.made%250+1)},
	}}
	return c.to(t, state)
}

// to is the task in another state, as the wire brings it.
func (c *colony) to(t *swarm.Task, state swarm.TaskState) *swarm.Task {
	c.tb.Helper()
	next := remade(c.tb, t)
	c.advance(next, state)
	return next
}

func (c *colony) advance(t *swarm.Task, state swarm.TaskState) {
	c.index++
	t.Version.Index = c.index
	t.UpdatedAt = c.now
	t.Status = swarm.TaskStatus{Timestamp: c.now, State: state, Message: string(state)}
	switch state {
	case swarm.TaskStateNew, swarm.TaskStatePending:
		return
	default:
	}
	if t.NodeID == "" {
		t.NodeID = c.nodes[c.made%len(c.nodes)].ID
	}
	switch state {
	case swarm.TaskStateStarting, swarm.TaskStateRunning, swarm.TaskStateShutdown, swarm.TaskStateFailed:
		t.Status.ContainerStatus = &swarm.ContainerStatus{ContainerID: fmt.Sprintf("%064x", c.made), PID: 4242}
	default:
	}
}

// taskStates are what a task goes through until it runs.
var taskStates = []swarm.TaskState{
	swarm.TaskStatePending, swarm.TaskStateAssigned, swarm.TaskStateAccepted, swarm.TaskStatePreparing,
	swarm.TaskStateReady, swarm.TaskStateStarting, swarm.TaskStateRunning,
}

// all is what a full read of the colony gives.
func (c *colony) all() []change {
	all := []change{{kind: kindNetwork, id: colonyNetwork, object: Network{ID: colonyNetwork, Name: "skep", Created: c.now}}}
	for _, n := range c.nodes {
		all = append(all, change{kind: translate.GroupNode, id: n.ID, object: n})
	}
	for _, s := range c.services {
		all = append(all, change{kind: translate.GroupService, id: s.ID, object: s})
	}
	for _, t := range c.tasks {
		all = append(all, taskChange(t))
	}
	return all
}

func taskChange(t *swarm.Task) change { return change{kind: kindTask, id: t.ID, object: slimTask(t)} }
