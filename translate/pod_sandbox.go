package translate

import (
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/resource"

	"skep/translate/manifest"
)

// sandboxFacets are the parts of a sandbox's task. Those that a Pod template can say are the sandbox's own
// container's; the Pod's containers are in the manifest, which nobody changes but skep.
var sandboxFacets = []podFacet{
	{"image", imageAt, leave},
	{"command", commandAt, leave},
	{"manifest", mountedAt, leave},
	{"resources", resourcesAt, leave},
	{"restart", restartAt, leave},
	{"stop", graceAt, leave},
	{"sysctls", sysctlsAt, getSysctls},
	{"hostname", hostnameAt, getHostname},
	{"labels", labelsAt, getLabels},
	{"hosts", hostsAt, getHosts},
	{"dns", dnsAt, getDNS},
	{"placement", placementAt, getPlacement},
	{"swarm-only", standOnlyAt, getStandOnly},
}

func leave(*swarm.TaskSpec, *corev1.PodTemplateSpec) {}

// mountedAt is what a sandbox is laid before: configs and secrets by name, and mounts.
func mountedAt(s *swarm.TaskSpec) any {
	spec := containerSpec(s)
	out := []any{spec.Mounts}
	for _, ref := range spec.Configs {
		out = append(out, ref.ConfigName)
	}
	for _, ref := range spec.Secrets {
		out = append(out, ref.SecretName)
	}
	return out
}

// podContainerName is the container name of a sandbox, as kubelets' runtimes have it.
const podContainerName = "POD"

// sandboxGrace is how long a sandbox has to clean up after its Pod's own grace period.
const sandboxGrace = 15 * time.Second

// putSandbox makes the task's container skep's sandbox, and lays the Pod before it.
func (p *putter) putSandbox() {
	net := p.src.Networking()
	p.spec.Image = net.Image
	p.spec.Command = []string{manifest.Command}
	p.spec.Env = []string{
		manifest.EnvPod + "=" + render(p.id.podName()),
		manifest.EnvTask + "={{.Task.ID}}",
		manifest.EnvNode + "=" + nodeName,
		manifest.EnvDomain + "=" + net.Domain,
		manifest.EnvNetwork + "=" + net.Network,
	}
	p.plan.Task.LogDriver = &swarm.Driver{Name: "json-file", Options: map[string]string{"max-size": "1m", "max-file": "2"}} // it is read by skep
	p.putHostname()
	p.putLabels()
	p.spec.Labels[LabelContainer] = podContainerName
	p.spec.Labels[manifest.LabelRole] = manifest.RoleSandbox
	p.putSandboxMounts(net)
	p.putSources()
	p.putManifest()
	p.putSandboxResources()
	p.putSandboxHealth(net)
	p.putRestart()
	grace := time.Duration(corev1.DefaultTerminationGracePeriodSeconds) * time.Second
	if s := p.pod.TerminationGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	p.spec.StopGracePeriod = new(grace + sandboxGrace)
	p.putSysctls()
	p.putHosts()
	p.putDNS()
	p.putPlacement()
	p.putStandOnly()
}

// putSandboxMounts gives the sandbox the Engine, and the Docker volumes that its Pod's containers share.
func (p *putter) putSandboxMounts(net Networking) {
	p.spec.Mounts = []mount.Mount{
		{Type: mount.TypeBind, Source: net.EngineSocket, Target: manifest.EngineSocket},
		{Type: mount.TypeVolume, Target: manifest.RunDir},
	}
	host := hasLocalProfile(p.pod)
	for i := range p.pod.Volumes {
		v := &p.pod.Volumes[i]
		target := path.Join(manifest.VolumeDir, v.Name)
		switch {
		case v.HostPath != nil:
			host = true
		case v.ConfigMap != nil, v.Secret != nil, v.Projected != nil, v.DownwardAPI != nil:
			p.spec.Mounts = append(p.spec.Mounts, memoryVolume(target, nil))
		case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory:
			p.spec.Mounts = append(p.spec.Mounts, memoryVolume(target, v.EmptyDir))
		default:
			at := p.at.Child("volumes").Index(i)
			p.putVolume(at, at, v, &corev1.VolumeMount{Name: v.Name, MountPath: target})
		}
	}
	if host {
		p.spec.Mounts = append(p.spec.Mounts, mount.Mount{Type: mount.TypeBind, Source: "/", Target: manifest.HostDir})
	}
}

// hasLocalProfile says whether a seccomp profile of the node is asked for.
func hasLocalProfile(pod *corev1.PodSpec) bool {
	local := func(s *corev1.SeccompProfile) bool { return s != nil && s.Type == corev1.SeccompProfileTypeLocalhost }
	found := local(podSecurityOf(pod).SeccompProfile)
	for _, list := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range list {
			found = found || local(securityOf(&list[i]).SeccompProfile)
		}
	}
	return found
}

// memoryVolume is an anonymous volume in memory: unlike a tmpfs mount it can be shared with other containers.
func memoryVolume(target string, e *corev1.EmptyDirVolumeSource) mount.Mount {
	options := map[string]string{"type": "tmpfs", "device": "tmpfs"}
	if e != nil && e.SizeLimit != nil && !e.SizeLimit.IsZero() {
		options["o"] = "size=" + strconv.FormatInt(e.SizeLimit.Value(), 10)
	}
	return mount.Mount{Type: mount.TypeVolume, Target: target, VolumeOptions: &mount.VolumeOptions{
		NoCopy: true, DriverConfig: &mount.Driver{Name: "local", Options: options},
	}}
}

// putManifest lays the Pod itself before the sandbox, as a config.
func (p *putter) putManifest() {
	pod := corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: p.id.Namespace, UID: p.id.UID, Labels: p.tpl.Labels, Annotations: p.tpl.Annotations},
		Spec:       p.tpl.Spec,
	}
	for k, v := range p.id.revisionLabels() {
		pod.Labels = withEntry(pod.Labels, k, v)
	}
	if p.id.First != nil { // the sandbox knows the name, and fills them in
		pod.Labels = withEntry(withEntry(pod.Labels, appsv1.StatefulSetPodNameLabel, ""), appsv1.PodIndexLabel, "")
	}
	if p.id.Indexed {
		pod.Labels = withEntry(pod.Labels, manifest.LabelIndex, "")
		pod.Annotations = withEntry(pod.Annotations, manifest.LabelIndex, "")
		pod.Spec.InitContainers, pod.Spec.Containers = withIndex(pod.Spec.InitContainers), withIndex(pod.Spec.Containers)
	}
	p.putJSON(manifest.PodFile, &pod, false)
}

// withIndex gives containers the variable with their Pod's number, as the Job controller does.
func withIndex(containers []corev1.Container) []corev1.Container {
	out := slices.Clone(containers)
	for i := range out {
		c := &out[i]
		if slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == completionIndex }) {
			continue
		}
		c.Env = append(slices.Clone(c.Env), corev1.EnvVar{Name: completionIndex, ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.annotations['" + manifest.LabelIndex + "']"},
		}})
	}
	return out
}

// putJSON lays a document before the sandbox, as a config or a secret.
func (p *putter) putJSON(target string, document any, secret bool) {
	data, err := json.Marshal(document)
	if err != nil {
		p.refuse(p.at, "cannot be encoded: %v", err)
		return
	}
	mode := int32(0o444)
	if secret {
		mode = 0o400
	}
	p.putFile(p.at, target, file{data: data, secret: secret, mode: mode})
}

// sourceRef is a ConfigMap or Secret that a Pod refers to.
type sourceRef struct {
	kind, name string
}

// putSources lays each ConfigMap and Secret that the Pod refers to before the sandbox. What is missing is waited for,
// unless it is optional.
func (p *putter) putSources() {
	required := p.sourceRefs()
	for _, ref := range sortedRefs(required) {
		switch ref.kind {
		case "ConfigMap":
			if cm := p.src.ConfigMap(p.id.Namespace, ref.name); cm != nil {
				p.putJSON(path.Join(manifest.ConfigMapDir, ref.name+".json"), &corev1.ConfigMap{Data: cm.Data, BinaryData: cm.BinaryData}, false)
				continue
			}
		default:
			if s := p.src.Secret(p.id.Namespace, ref.name); s != nil {
				p.putJSON(path.Join(manifest.SecretDir, ref.name+".json"), &corev1.Secret{Data: s.Data, Type: s.Type}, true)
				continue
			}
		}
		if !p.putNative(ref) && required[ref] {
			p.missing(ref.kind, ref.name, "")
		}
	}
}

// putNative lays Docker's own configs or secrets before the sandbox; false where the name means none. Their keys are
// known from the items of volumes: the API shows each as an object of one key.
func (p *putter) putNative(ref sourceRef) bool {
	r, dir := volumeRef{name: ref.name}, manifest.ConfigMapDir
	if ref.kind == "Secret" {
		r.secret, dir = true, manifest.SecretDir
	}
	found := false
	for _, key := range p.itemKeys(ref) {
		if native := p.nativeFile(r, key); native != "" {
			p.putFile(p.at, path.Join(dir, ref.name, key), file{native: native, secret: r.secret, mode: 0o400})
			found = true
		}
	}
	return found
}

// itemKeys are the keys of a ConfigMap or Secret that volumes ask for by name, in order.
func (p *putter) itemKeys(ref sourceRef) []string {
	keys := map[string]bool{}
	for i := range p.pod.Volumes {
		volumeRefs(&p.pod.Volumes[i].VolumeSource, func(found sourceRef, _ *bool, items []corev1.KeyToPath) {
			for _, item := range items {
				keys[item.Key] = keys[item.Key] || found == ref
			}
		})
	}
	return slices.DeleteFunc(sortedKeys(keys), func(key string) bool { return !keys[key] })
}

func (p *putter) putSandboxResources() {
	sum := resource.PodRequests(&corev1.Pod{Spec: p.tpl.Spec}, resource.PodResourcesOptions{})
	r := &swarm.Resources{NanoCPUs: sum.Cpu().MilliValue() * nanoPerMilli, MemoryBytes: sum.Memory().Value()}
	if r.NanoCPUs == 0 && r.MemoryBytes == 0 {
		return
	}
	if r.MemoryBytes != 0 {
		r.MemoryBytes = max(r.MemoryBytes, minMemory) // Swarm reserves no less
	}
	p.plan.Task.Resources = &swarm.ResourceRequirements{Reservations: r}
}

// Of Docker's health checks of a sandbox. It is never unhealthy: its start lasts longer than any Pod.
const (
	sandboxStart    = 100 * 365 * 24 * time.Hour
	sandboxInterval = 5 * time.Second
	sandboxIdle     = time.Hour
)

// putSandboxHealth has Swarm take the task for running, and send it traffic, once the Pod has been ready. Where the Pod
// is ready as soon as it runs, no check is needed.
func (p *putter) putSandboxHealth(net Networking) {
	wait := len(p.pod.InitContainers) > 0
	for i := range p.pod.Containers {
		wait = wait || p.pod.Containers[i].ReadinessProbe != nil || p.pod.Containers[i].StartupProbe != nil
	}
	if !wait {
		return
	}
	p.spec.Healthcheck = &container.HealthConfig{
		Test: []string{"CMD", manifest.Command, "ready"}, Interval: sandboxInterval, Timeout: sandboxInterval, StartPeriod: sandboxStart,
	}
	if net.QuickHealth {
		p.spec.Healthcheck.Interval, p.spec.Healthcheck.StartInterval = sandboxIdle, time.Second
	}
}

// sourceRefs are the ConfigMaps and Secrets that a Pod refers to; true where it cannot do without.
func (p *putter) sourceRefs() map[sourceRef]bool {
	refs := map[sourceRef]bool{}
	add := func(ref sourceRef, optional *bool, _ []corev1.KeyToPath) {
		if ref.name != "" {
			refs[ref] = refs[ref] || !isTrue(optional)
		}
	}
	for i := range p.pod.Volumes {
		volumeRefs(&p.pod.Volumes[i].VolumeSource, add)
	}
	for _, list := range [][]corev1.Container{p.pod.InitContainers, p.pod.Containers} {
		for i := range list {
			envRefs(&list[i], add)
		}
	}
	for _, s := range p.pod.ImagePullSecrets {
		add(sourceRef{"Secret", s.Name}, new(true), nil)
	}
	return refs
}

// visitRef is told of a reference, and of the items that are asked for; none: all.
type visitRef func(ref sourceRef, optional *bool, items []corev1.KeyToPath)

func volumeRefs(v *corev1.VolumeSource, visit visitRef) {
	switch {
	case v.ConfigMap != nil:
		visit(sourceRef{"ConfigMap", v.ConfigMap.Name}, v.ConfigMap.Optional, v.ConfigMap.Items)
	case v.Secret != nil:
		visit(sourceRef{"Secret", v.Secret.SecretName}, v.Secret.Optional, v.Secret.Items)
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				visit(sourceRef{"ConfigMap", s.ConfigMap.Name}, s.ConfigMap.Optional, s.ConfigMap.Items)
			}
			if s.Secret != nil {
				visit(sourceRef{"Secret", s.Secret.Name}, s.Secret.Optional, s.Secret.Items)
			}
		}
	}
}

func envRefs(c *corev1.Container, visit visitRef) {
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef != nil {
			visit(sourceRef{"ConfigMap", from.ConfigMapRef.Name}, from.ConfigMapRef.Optional, nil)
		}
		if from.SecretRef != nil {
			visit(sourceRef{"Secret", from.SecretRef.Name}, from.SecretRef.Optional, nil)
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			continue
		}
		if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil {
			visit(sourceRef{"ConfigMap", ref.Name}, ref.Optional, nil)
		}
		if ref := e.ValueFrom.SecretKeyRef; ref != nil {
			visit(sourceRef{"Secret", ref.Name}, ref.Optional, nil)
		}
	}
}

func sortedRefs(refs map[sourceRef]bool) []sourceRef {
	names := map[string]sourceRef{}
	for ref := range refs {
		names[ref.kind+"/"+ref.name] = ref
	}
	out := make([]sourceRef, 0, len(names))
	for _, name := range sortedKeys(names) {
		out = append(out, names[name])
	}
	return out
}

// SourcesOf are the names of the ConfigMaps and Secrets that a Pod template refers to, in order.
func SourcesOf(tpl *corev1.PodTemplateSpec) (configMaps, secrets []string) {
	p := putter{tpl: tpl, pod: &tpl.Spec}
	for _, ref := range sortedRefs(p.sourceRefs()) {
		if ref.kind == "ConfigMap" {
			configMaps = append(configMaps, ref.name)
		} else {
			secrets = append(secrets, ref.name)
		}
	}
	return configMaps, secrets
}
