package translate

import (
	"math/rand"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// randomSandboxed is a random template that no plain task can hold, and what it refers to.
func randomSandboxed(r *rand.Rand) (*corev1.PodTemplateSpec, sources) {
	tpl, src := randomPod(r)
	tpl.Labels["tier"] = "front"
	dice{r}.needSandbox(tpl)
	return tpl, src
}

// needSandbox lays over a template some of what only a sandbox can do, at least one thing.
func (d dice) needSandbox(tpl *corev1.PodTemplateSpec) {
	needs := []func(*corev1.PodTemplateSpec){
		d.moreContainers, d.initContainers, d.askedProbes, d.filledVolumes, d.sharedVolumes, d.knownOnNode, d.hooks, d.powers,
	}
	sure := d.Intn(len(needs))
	for i, lay := range needs {
		if i == sure || d.Intn(4) == 0 {
			lay(tpl)
		}
	}
	holder := &corev1.PodTemplate{Template: *tpl}
	corev1defaults.SetObjectDefaults_PodTemplate(holder)
	*tpl = holder.Template
}

func (d dice) moreContainers(tpl *corev1.PodTemplateSpec) {
	for _, name := range append(d.some("log", "proxy"), "beside") {
		c := corev1.Container{Name: name, Image: d.of("busybox", "{{odd"), Command: d.some("sh", "$(A)"), TTY: d.yes()}
		d.env(&c)
		if d.yes() {
			c.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("5m"), "memory": resource.MustParse("16Mi")}
		}
		tpl.Spec.Containers = append(tpl.Spec.Containers, c)
	}
}

func (d dice) initContainers(tpl *corev1.PodTemplateSpec) {
	first := corev1.Container{Name: "first", Image: "busybox", Command: []string{"true"}}
	d.env(&first)
	tpl.Spec.InitContainers = append(tpl.Spec.InitContainers, first)
	if d.yes() {
		always := corev1.ContainerRestartPolicyAlways
		tpl.Spec.InitContainers = append(tpl.Spec.InitContainers, corev1.Container{Name: "sidecar", Image: "busybox", RestartPolicy: &always})
	}
}

func (d dice) askedProbes(tpl *corev1.PodTemplateSpec) {
	c := &tpl.Spec.Containers[0]
	c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = nil, nil, nil
	ask := func() *corev1.Probe {
		p := &corev1.Probe{PeriodSeconds: int32(1 + d.Intn(9))}
		switch d.Intn(3) {
		case 0:
			p.HTTPGet = &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8080), HTTPHeaders: []corev1.HTTPHeader{{Name: "X", Value: "{{"}}}
		case 1:
			p.TCPSocket = &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}
		default:
			p.GRPC = &corev1.GRPCAction{Port: 8080}
		}
		return p
	}
	c.ReadinessProbe = ask()
	if d.yes() {
		c.LivenessProbe, c.StartupProbe = ask(), ask()
		c.LivenessProbe.TerminationGracePeriodSeconds = new(int64(3))
	}
}

// filledVolumes are those whose files are written where the task runs.
func (d dice) filledVolumes(tpl *corev1.PodTemplateSpec) {
	labels := []corev1.DownwardAPIVolumeFile{{Path: "labels", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.labels"}}}
	d.mount(tpl, "about", corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: labels}})
	if d.yes() {
		tpl.Spec.ServiceAccountName, tpl.Spec.DeprecatedServiceAccount = "default", "default" // as admission sets it
		d.mount(tpl, "together", corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: labels}},
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: new(int64(3600))}},
		}}})
	}
}

// sharedVolumes has two containers in one emptyDir, or in one twice.
func (d dice) sharedVolumes(tpl *corev1.PodTemplateSpec) {
	e := &corev1.EmptyDirVolumeSource{}
	if d.yes() {
		e.Medium, e.SizeLimit = corev1.StorageMediumMemory, resource.NewQuantity(1<<20, resource.BinarySI)
	}
	d.mount(tpl, "shared", corev1.VolumeSource{EmptyDir: e})
	c := &tpl.Spec.Containers[len(tpl.Spec.Containers)-1]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "shared", MountPath: "/shared-again", SubPath: d.of("", "below")})
	if d.yes() {
		kind := corev1.HostPathType(d.of("Directory", "DirectoryOrCreate"))
		d.mount(tpl, "node", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/srv/{{x", Type: &kind}})
	}
}

func (d dice) mount(tpl *corev1.PodTemplateSpec, name string, source corev1.VolumeSource) {
	tpl.Spec.Volumes = append(tpl.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
	c := &tpl.Spec.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + name, ReadOnly: d.yes()})
}

// knownOnNode asks for what is known only where the task runs.
func (d dice) knownOnNode(tpl *corev1.PodTemplateSpec) {
	c := &tpl.Spec.Containers[0]
	for name, path := range map[string]string{"POD_IP": "status.podIP", "HOST_IP": "status.hostIP", "POD_UID": "metadata.uid"} {
		if name == "POD_IP" || d.yes() {
			c.Env = append(c.Env, fieldEnv(name, path))
		}
	}
	c.Args = append(c.Args, "--listen=$(POD_IP)")
}

func (d dice) hooks(tpl *corev1.PodTemplateSpec) {
	l := &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 2}}}
	if d.yes() {
		l.PostStart = &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "$(A)"}}}
	}
	tpl.Spec.Containers[0].Lifecycle = l
}

// powers are over the node, and within the Pod.
func (d dice) powers(tpl *corev1.PodTemplateSpec) {
	c := &tpl.Spec.Containers[0]
	c.SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
	tpl.Spec.HostPID = d.yes()
	if !tpl.Spec.HostPID {
		tpl.Spec.ShareProcessNamespace = new(true)
	}
}

// sandboxChanges are what docker service update may do to a sandbox that a Pod template can say.
var sandboxChanges = []foreignChange{
	changeNamed("hostname"), changeNamed("label-add"), changeNamed("sysctl-rm"), changeNamed("hosts"), changeNamed("dns-rm"),
	changeNamed("constraint-add"), changeNamed("constraint-rm"), changeNamed("max-replicas"),
	{"label-change", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Labels["tier"] = "back" }, sameExcept(func(o *corev1.PodTemplateSpec) { delete(o.Labels, "tier") })},
	{"sysctl", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		c.Sysctls = map[string]string{"net.core.somaxconn": "5"}
	}, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.SecurityContext.Sysctls = nil })},
	{"dns", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		c.DNSConfig = &swarm.DNSConfig{Nameservers: []string{"10.1.2.3"}}
	}, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.DNSConfig, o.Spec.DNSPolicy = nil, "" })},
}

// sandboxOwn are changes to what is the sandbox's own: no Pod template can say them.
var sandboxOwn = []foreignChange{
	changeNamed("image"), changeNamed("command"), changeNamed("args"), changeNamed("env-add"), changeNamed("mount-add"), changeNamed("limit"),
	changeNamed("grace"), changeNamed("health"), changeNamed("user"), changeNamed("tty"), changeNamed("read-only"), changeNamed("cap"),
}

func changeNamed(name string) foreignChange {
	for _, c := range foreignChanges {
		if c.name == name {
			return c
		}
	}
	panic("no foreign change " + name)
}
