package translate

import (
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// Sources answers what a Pod refers to.
type Sources interface {
	// ConfigMap and Secret return nil where there is none.
	ConfigMap(namespace, name string) *corev1.ConfigMap
	Secret(namespace, name string) *corev1.Secret
	// NativeConfig and NativeSecret return the name of the Swarm config or secret, made by docker and not
	// by skep, that this key of this ConfigMap or Secret simply is; "" if there is none.
	NativeConfig(namespace, name, key string) string
	NativeSecret(namespace, name, key string) string
	// Claim is the volume of a PersistentVolumeClaim; nil where there is none to mount yet.
	Claim(namespace, name string) *ClaimedVolume
	// StorageClass returns the default one for no name, and nil where there is none.
	StorageClass(name string) *storagev1.StorageClass
	// Digest is a keyed hash in hex, at least 32 characters. It names secret materials without giving
	// their content away to those who may list Swarm secrets.
	Digest(data []byte) string
	Networking() Networking
}

// Material is a Swarm config or secret that a container mounts: immutable, named by content.
type Material struct {
	Name   string
	Secret bool
	Data   []byte
}

// Missing is something that a Pod refers to and that is not there (yet). The task waits for it.
type Missing struct{ Kind, Name, Key string }

// PodIdentity says whose Pod it is.
type PodIdentity struct {
	Namespace string
	// Name is a bare Pod's name or, with Generated, the ReplicaSet's, whose Pods are named
	// <Name>-<first 5 characters of the task id>.
	Name      string
	Generated bool
	// Hash is the pod-template-hash, "" for none.
	Hash string
	// Revision is the controller-revision-hash of a DaemonSet's or StatefulSet's, "" for none.
	Revision string
	// Indexed: it is one of an Indexed Job's, of which each knows its number.
	Indexed bool
	// First is the ordinal of a StatefulSet's first Pod. Its Pods are named <Name>-<ordinal>.
	First *int32
	// Claims are the names of the volumes that are claims of each of a StatefulSet's Pods.
	Claims []string
	// UID is a bare Pod's; others have one that their task makes.
	UID types.UID
}

// PodPlan is what a Pod template asks of Swarm. References to configs and secrets carry names only.
type PodPlan struct {
	Task      swarm.TaskSpec
	Materials []Material
	Missing   []Missing
	// RegistryAuth is for pulling the image, as Docker's X-Registry-Auth; "" for none.
	RegistryAuth string
}

// podFacet pairs a part of a task with the part of a Pod template that it means.
type podFacet = facet[swarm.TaskSpec, corev1.PodTemplateSpec]

// podFacets are the parts of a task that a Pod template can say. Env and volumes look at seen themselves:
// a foreign change to one variable must not turn the references beside it into literals.
func podFacets(seen Seen) []podFacet {
	return []podFacet{
		{"image", imageAt, getImage},
		{"command", commandAt, getCommand},
		{"args", argsAt, getArgs},
		{"dir", dirAt, getDir},
		{"terminal", terminalAt, getTerminal},
		{"hostname", hostnameAt, getHostname},
		{"labels", labelsAt, getLabels},
		{"env", envAt, func(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) { getEnv(s, o, seen) }},
		{"volumes", volumesAt, func(s *swarm.TaskSpec, o *corev1.PodTemplateSpec) { getVolumes(s, o, seen) }},
		{"health", healthAt, getHealth},
		{"resources", resourcesAt, getResources},
		{"restart", restartAt, getRestart},
		{"stop", graceAt, getGrace},
		{"user", userAt, getUser},
		{"capabilities", capabilitiesAt, getCapabilities},
		{"privileges", privilegesAt, getPrivileges},
		{"readonly", readOnlyAt, getReadOnly},
		{"sysctls", sysctlsAt, getSysctls},
		{"hosts", hostsAt, getHosts},
		{"dns", dnsAt, getDNS},
		{"placement", placementAt, getPlacement},
		{"swarm-only", taskOnlyAt, getTaskOnly},
	}
}

// putter carries one Pod template on its way to a task. Errors name fields below at.
type putter struct {
	tpl  *corev1.PodTemplateSpec
	pod  *corev1.PodSpec
	c    *corev1.Container
	at   *field.Path // the Pod's spec
	cAt  *field.Path // its container
	id   PodIdentity
	src  Sources
	spec *swarm.ContainerSpec
	plan PodPlan
	env  map[string]string // resolved; templates marked, see marked
	errs field.ErrorList
}

func (p *putter) refuse(at *field.Path, format string, args ...any) {
	p.errs = append(p.errs, field.Forbidden(at, fmt.Sprintf(format, args...)))
}

func (p *putter) missing(kind, name, key string) {
	m := Missing{Kind: kind, Name: name, Key: key}
	for _, have := range p.plan.Missing {
		if have == m {
			return
		}
	}
	p.plan.Missing = append(p.plan.Missing, m)
}

// PutPod says as a Swarm task what the template, already defaulted and validated, says as a Pod: as a plain task
// where that can hold it, else as a sandbox. What the template refers to and src does not know comes back as Missing,
// and the task waits. An error means that the field fates let something pass that they should have refused.
func PutPod(tpl *corev1.PodTemplateSpec, id PodIdentity, src Sources) (PodPlan, error) {
	return putPodAs(tpl, id, src, formFor(tpl, src.Networking()))
}

// putPodAs is PutPod in a form that is decided.
func putPodAs(tpl *corev1.PodTemplateSpec, id PodIdentity, src Sources, f form) (PodPlan, error) {
	plan, errs := putPod(tpl, id, src, field.NewPath("spec"), f)
	return plan, errs.ToAggregate()
}

func putPod(tpl *corev1.PodTemplateSpec, id PodIdentity, src Sources, at *field.Path, f form) (PodPlan, field.ErrorList) {
	if len(tpl.Spec.Containers) == 0 || f == plainTask && len(tpl.Spec.Containers) > 1 {
		return PodPlan{}, field.ErrorList{field.Forbidden(at.Child("containers"), "a plain task is one container")}
	}
	p := &putter{
		tpl: tpl, pod: &tpl.Spec, c: &tpl.Spec.Containers[0], id: id, src: src,
		at: at, cAt: at.Child("containers").Index(0),
		spec: &swarm.ContainerSpec{},
	}
	p.plan.Task.ContainerSpec = p.spec
	if f == sandboxed {
		p.putSandbox()
	} else {
		p.putPlain()
	}
	network := src.Networking().Network
	if tpl.Spec.HostNetwork {
		network = "host"
	}
	p.plan.Task.Networks = []swarm.NetworkAttachmentConfig{{Target: network}}
	return p.plan, p.errs
}

// putPlain makes the task's container the Pod's one container.
func (p *putter) putPlain() {
	p.putEnv()
	p.putContainer()
	p.putPullSecrets()
	p.putHostname()
	p.putLabels()
	p.putVolumes()
	p.putHealth()
	p.putResources()
	p.putRestart()
	p.putGrace()
	p.putUser()
	p.putPrivileges()
	p.putHosts()
	p.putDNS()
	p.putPlacement()
	p.putTaskOnly()
}

// GetPod derives a Pod template from a task that docker made, with Kubernetes' defaults filled in. A
// Deployment must set restartPolicy Always over it: its validation knows no other.
func GetPod(task *swarm.TaskSpec, serviceName string) corev1.PodTemplateSpec {
	var tpl corev1.PodTemplateSpec
	spec := containerSpec(task)
	podContainer(&tpl).Name = containerName(spec, serviceName)
	overlay(podFacets(nil), task, &tpl, nil)
	if spec.Labels[LabelPod] == "" && serviceName != "" {
		if tpl.Labels == nil {
			tpl.Labels = map[string]string{}
		}
		tpl.Labels[LabelServiceName] = serviceName
	}
	holder := &corev1.PodTemplate{Template: tpl}
	corev1defaults.SetObjectDefaults_PodTemplate(holder)
	return holder.Template
}

// SeenPod remembers what was sent. Take it of the very spec that goes to Docker.
func SeenPod(task *swarm.TaskSpec) Seen {
	if isSandbox(task) {
		return look(sandboxFacets, task)
	}
	seen := look(podFacets(nil), task)
	for name, entry := range envByName(containerSpec(task).Env) {
		seen[seenEnv+name] = digest(entry)
	}
	for _, p := range placedFiles(containerSpec(task)) {
		seen[seenPlace+p.target] = p.digest()
	}
	return seen
}

// OverlayPod writes into the template what changed in Swarm since seen; with an empty seen, everything.
func OverlayPod(tpl *corev1.PodTemplateSpec, task *swarm.TaskSpec, seen Seen) {
	if len(seen) == 0 {
		seen = nil
	}
	if isSandbox(task) {
		overlay(sandboxFacets, task, tpl, seen)
		return
	}
	overlay(podFacets(seen), task, tpl, seen)
}

// containerSpec is the task's container, an empty one where the task runs something else.
func containerSpec(task *swarm.TaskSpec) *swarm.ContainerSpec {
	if task.ContainerSpec == nil {
		return &swarm.ContainerSpec{}
	}
	return task.ContainerSpec
}

// podContainer is the template's one container, made where there is none yet.
func podContainer(o *corev1.PodTemplateSpec) *corev1.Container {
	if len(o.Spec.Containers) == 0 {
		o.Spec.Containers = []corev1.Container{{Name: "main"}}
	}
	return &o.Spec.Containers[0]
}

func containerName(spec *swarm.ContainerSpec, serviceName string) string {
	if name := spec.Labels[LabelContainer]; name != "" {
		return DNSName(name)
	}
	name := serviceName
	if stack := spec.Labels[LabelStack]; stack != "" {
		name = strings.TrimPrefix(name, stack+"_")
	}
	if name == "" {
		name = "main"
	}
	return DNSName(name)
}
