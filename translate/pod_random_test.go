package translate

import (
	"fmt"
	"math/rand"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// dice makes random things out of menus: supported, and now and then odd.
type dice struct{ *rand.Rand }

func (d dice) yes() bool                { return d.Intn(2) == 0 }
func (d dice) of(menu ...string) string { return menu[d.Intn(len(menu))] }

func (d dice) some(menu ...string) []string {
	var out []string
	for _, s := range menu {
		if d.Intn(3) == 0 {
			out = append(out, s)
		}
	}
	return out
}

var oddValues = []string{"", "x", "a=b", "{{", "{", "}}", "{{.Task.Slot}}", "$(A)", "$$", "$", "$(", "{{{$$(B)", `{{"{{"}}`, "ü", `{{"{"}}`, "a b"}

// randomPod is a template that has its fate, and what it refers to.
func randomPod(r *rand.Rand) (*corev1.PodTemplateSpec, sources) {
	d := dice{r}
	src := sources{
		configMaps: map[string]*corev1.ConfigMap{"settings": {Data: map[string]string{"color": "blue", "odd": d.of(oddValues...), "empty": ""}}},
		secrets:    map[string]*corev1.Secret{"keys": {Data: map[string][]byte{"token": []byte("s3cr3t"), "user": []byte("admin")}}},
	}
	holder := &corev1.PodTemplate{}
	tpl := &holder.Template
	tpl.Labels = map[string]string{"app": "web"}
	if d.yes() {
		tpl.Annotations = map[string]string{"note": d.of(oddValues...)}
	}
	if d.yes() {
		setAnnotation(tpl, AnnotationSwarmSpec, d.of(`{}`, `{"LogDriver":{"Name":"syslog"}}`, `{ "RestartPolicy":{"Condition":"none","Delay":1000000000} }`,
			`{"ContainerSpec":{"Ulimits":[{"Name":"nofile","Hard":2,"Soft":1}],"Init":false,"Labels":{"a b":"c"}},"Placement":{"MaxReplicas":3}}`))
	}
	c := corev1.Container{
		Name: "main", Image: d.of("nginx", "nginx:1.27", "registry:5000/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
		Command: d.some("sh", "-c", "$(A)", "$$"), Args: d.some("a", "{{", "$(B) $(color)"), WorkingDir: d.of("", "/srv"),
		Stdin: d.yes(), TTY: d.yes(),
	}
	d.env(&c)
	d.volumes(tpl, &c)
	d.security(tpl, &c)
	d.rest(tpl, &c)
	tpl.Spec.Containers = []corev1.Container{c}
	corev1defaults.SetObjectDefaults_PodTemplate(holder)
	return tpl, src
}

func (d dice) env(c *corev1.Container) {
	if d.yes() {
		c.EnvFrom = []corev1.EnvFromSource{{Prefix: d.of("", "P_"), ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}
	}
	for i, value := range d.some(oddValues...) {
		c.Env = append(c.Env, corev1.EnvVar{Name: string(rune('A' + i)), Value: value})
	}
	ref := corev1.LocalObjectReference{Name: "keys"}
	for name, from := range map[string]*corev1.EnvVarSource{
		"TOKEN": {SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: ref, Key: "token"}},
		"NONE":  {SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: ref, Key: "none", Optional: new(true)}},
		"POD":   {FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}},
		"NODE":  {FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "spec.nodeName"}},
	} {
		if d.yes() {
			c.Env = append(c.Env, corev1.EnvVar{Name: name, ValueFrom: from})
		}
	}
	if d.yes() {
		c.Env = append(c.Env, corev1.EnvVar{Name: "MIX", Value: "{$(POD){{$(TOKEN)"})
	}
}

func (d dice) volumes(tpl *corev1.PodTemplateSpec, c *corev1.Container) {
	add := func(name, path, sub string, src corev1.VolumeSource) {
		if d.yes() {
			tpl.Spec.Volumes = append(tpl.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: src})
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path, SubPath: sub, ReadOnly: d.yes()})
		}
	}
	settings := corev1.LocalObjectReference{Name: "settings"}
	add("all", "/etc/all", "", corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: settings}})
	add("one", "/etc/all/one.conf", "x", corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: settings, Items: []corev1.KeyToPath{{Key: "color", Path: "x", Mode: new(int32(0o600))}},
	}})
	add("keys", "/run/keys", "", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "keys", DefaultMode: new(int32(0o400))}})
	add("gone", "/gone", "", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "gone", Optional: new(true)}})
	add("scratch", "/scratch", "", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
	add("fast", "/fast", "", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: "Memory", SizeLimit: resource.NewQuantity(1<<20, resource.BinarySI)}})
	add("logs", "/logs", d.of("", "sub"), corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/{{log"}})
	add("data", "/data", "", corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data", ReadOnly: d.yes()}})
}

func (d dice) security(tpl *corev1.PodTemplateSpec, c *corev1.Container) {
	psc := &corev1.PodSecurityContext{}
	if d.yes() {
		psc.RunAsUser, psc.RunAsGroup = new(int64(1000)), new(int64(1000))
	}
	if d.yes() {
		psc.FSGroup, psc.SupplementalGroups = new(int64(2000)), []int64{3000}
	}
	if d.yes() {
		psc.Sysctls = []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}}
	}
	if d.yes() {
		psc.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileType(d.of("RuntimeDefault", "Unconfined"))}
	}
	tpl.Spec.SecurityContext = psc
	if d.yes() {
		c.SecurityContext = &corev1.SecurityContext{
			RunAsUser: new(int64(1)), RunAsNonRoot: new(true), ReadOnlyRootFilesystem: new(d.yes()), AllowPrivilegeEscalation: new(d.yes()),
			Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}, Drop: []corev1.Capability{"ALL"}},
		}
	}
	if d.yes() && c.SecurityContext == nil {
		c.SecurityContext = &corev1.SecurityContext{SELinuxOptions: &corev1.SELinuxOptions{Level: "s0:c1"}}
	}
}

func (d dice) rest(tpl *corev1.PodTemplateSpec, c *corev1.Container) {
	spec := &tpl.Spec
	if d.yes() {
		exec := corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check", "$$x"}}}
		c.LivenessProbe = &corev1.Probe{ProbeHandler: exec, InitialDelaySeconds: int32(d.Intn(9)), PeriodSeconds: 3}
		if d.yes() {
			c.StartupProbe, c.ReadinessProbe = &corev1.Probe{ProbeHandler: exec}, &corev1.Probe{ProbeHandler: exec}
		}
	}
	if d.yes() {
		c.Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse(d.of("1", "1500m")), "memory": resource.MustParse("64Mi")}
		c.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("10m")}
	}
	spec.RestartPolicy = corev1.RestartPolicy(d.of("Always", "OnFailure", "Never"))
	if d.yes() {
		spec.Hostname = "custom"
	}
	if d.yes() {
		spec.HostAliases = []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{"a", "b"}}}
		spec.DNSPolicy, spec.DNSConfig = corev1.DNSNone, &corev1.PodDNSConfig{Nameservers: []string{"10.0.0.2"}, Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: new("2")}}}
	}
	if d.yes() {
		spec.NodeSelector = map[string]string{"disk": "ssd", corev1.LabelArchStable: "amd64", labelControlPlane: ""}
	}
	own := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	if d.yes() {
		spec.Affinity = &corev1.Affinity{
			NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: "NotIn", Values: []string{"a", "b"}}},
			}}}},
			PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname, LabelSelector: own}}},
		}
	}
	if d.yes() {
		spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 2, TopologyKey: "rack", WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: own}}
	}
}

// randomTask is what docker's tools may have made.
func randomTask(r *rand.Rand) swarm.TaskSpec {
	d := dice{r}
	c := &swarm.ContainerSpec{
		Image: d.of("nginx:latest@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "Nginx", "a/b:1"),
		Labels: map[string]string{
			"com.docker.stack.namespace": "shop", "Upper": "Case", "spaced value": "x", "note": "a b", d.of("a", "b/c"): "v",
		},
		Command: d.some("sh", "-c", "$(A)", "$$", "{{.Node.ID}}"), Args: d.some("$(B)", "$$$("),
		Hostname: d.of("", "web", "{{.Task.Slot}}", "Web_1", "a.b", `{{printf "web-5d4b9c-%.5s" .Task.ID}}`),
		Dir:      d.of("", "/srv", "relative"), User: d.of("", "nginx", "0", "1000", "1000:1000", "1000:www", "99999999999"),
		Groups: d.some("4", "audio"), StopSignal: d.of("", "SIGTERM", "usr1", "9", "SIGRTMIN+3", "SIGNOPE"),
		TTY: d.yes(), OpenStdin: d.yes(), ReadOnly: d.yes(),
		Hosts:   d.some("10.0.0.1 a", "10.0.0.1 b c", "host-gateway x", "10.0.0.2 Not_A_Name", "fe80::1 six"),
		Sysctls: map[string]string{"net.core.somaxconn": "1024"}, CapabilityAdd: d.some("CAP_NET_ADMIN", "sys_time"), CapabilityDrop: d.some("ALL"),
		Ulimits: []*container.Ulimit{{Name: "nofile", Hard: 5, Soft: 5}}, Init: new(d.yes()),
	}
	for i, value := range d.some(oddValues...) {
		c.Env = append(c.Env, fmt.Sprintf("%c=%s", 'A'+i, value))
	}
	c.Env = append(c.Env, d.some("BARE", "A=again", "NODE={{.Node.Hostname}}", `POD={{printf "x-%.5s" .Task.ID}}`, "ü=1", "A B=c", "MIX={{\"{{\"}}{{.Task.ID}}", "COMMA,NAME={{.Task.ID}}")...)
	d.dockerMounts(c)
	d.dockerRest(c)
	s := swarm.TaskSpec{ContainerSpec: c, ForceUpdate: 3, Networks: []swarm.NetworkAttachmentConfig{{Target: "abc", Aliases: []string{"web"}}}}
	if d.yes() {
		s.Resources = &swarm.ResourceRequirements{
			Limits:       &swarm.Limit{NanoCPUs: d.Int63n(4) * 1_500_001, MemoryBytes: d.Int63n(3) * (4<<20 + 1), Pids: 5},
			Reservations: &swarm.Resources{NanoCPUs: d.Int63n(4) * 1e6, MemoryBytes: d.Int63n(3) * (5 << 20), GenericResources: []swarm.GenericResource{{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: "gpu", Value: 1}}}},
		}
	}
	if d.yes() {
		s.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyCondition(d.of("", "any", "none", "on-failure")), Delay: new(time.Duration(d.Intn(3)) * 5 * time.Second)}
		if d.yes() {
			s.RestartPolicy.MaxAttempts, s.RestartPolicy.Window = new(uint64(d.Intn(3))), new(time.Duration(d.Intn(2))*time.Minute)
		}
	}
	if d.yes() {
		s.LogDriver = &swarm.Driver{Name: d.of("syslog", "none"), Options: map[string]string{"tag": "{{.Name}}"}}
	}
	s.Placement = &swarm.Placement{
		Constraints: d.some("node.role == manager", "node.role!=manager", "node.labels.disk==ssd", "node.labels.disk != hdd", "node.labels.disk==nvme", "engine.labels.x==y",
			"node.platform.arch==x86_64", "node.platform.os!=windows", "node.hostname==Host_1", "node.hostname==host-1", "node.id==abc", "node.labels.a-==b", "node.labels.x==a b", "node.labels.skep.missing==configmap/x"),
		MaxReplicas: uint64(d.Intn(3)),
	}
	for _, label := range d.some("node.labels.rack", "engine.labels.y", "node.labels.topology.kubernetes.io/zone", "node.labels.") {
		s.Placement.Preferences = append(s.Placement.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: label}})
	}
	return s
}

func (d dice) dockerMounts(c *swarm.ContainerSpec) {
	for _, m := range []mount.Mount{
		{Type: mount.TypeVolume, Source: "shop_Data", Target: "/data", VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: "local"}}},
		{Type: mount.TypeVolume, Source: "data", Target: "/more/", ReadOnly: true},
		{Type: mount.TypeVolume, Source: "data", Target: "/again"},
		{Type: mount.TypeVolume, Target: "/anonymous"},
		{Type: mount.TypeVolume, Source: "slot-{{.Task.Slot}}", Target: "/slot"},
		{Type: mount.TypeBind, Source: "/var/run/docker.sock", Target: "/var/run/docker.sock", BindOptions: &mount.BindOptions{Propagation: mount.Propagation(d.of("rprivate", "rslave", "shared"))}},
		{Type: mount.TypeBind, Source: "/", Target: "/host", ReadOnly: true},
		{Type: mount.TypeBind, Source: "/a/../b", Target: "/dots"},
		{Type: mount.TypeTmpfs, Target: "/tmp", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: d.Int63n(2) << 20, Mode: 0o700}},
		{Type: mount.TypeCluster, Source: "csi", Target: "/csi"},
		{Type: mount.TypeNamedPipe, Source: `\\.\pipe\x`, Target: `\\.\pipe\x`},
	} {
		if d.yes() {
			c.Mounts = append(c.Mounts, m)
		}
	}
	for _, name := range d.some("site.conf", "/etc/Site.conf", "/etc/deep/file") {
		c.Configs = append(c.Configs, &swarm.ConfigReference{ConfigID: "id", ConfigName: d.of("shop_Site.v1", "site"), File: &swarm.ConfigReferenceFileTarget{Name: name, UID: d.of("0", "33"), GID: "0", Mode: 0o444}})
	}
	if d.yes() {
		c.Configs = append(c.Configs, &swarm.ConfigReference{ConfigID: "id", ConfigName: "credentials", Runtime: &swarm.ConfigReferenceRuntimeTarget{}})
	}
	for _, name := range d.some("token", "/etc/token") {
		c.Secrets = append(c.Secrets, &swarm.SecretReference{SecretID: "id", SecretName: "shop_token", File: &swarm.SecretReferenceFileTarget{Name: name, UID: "0", GID: "0", Mode: 0o400}})
	}
}

func (d dice) dockerRest(c *swarm.ContainerSpec) {
	if d.yes() {
		c.Healthcheck = &container.HealthConfig{
			Test:     [][]string{nil, {"NONE"}, {"CMD", "check", "$(X)"}, {"CMD-SHELL", "curl $$URL || exit 1"}}[d.Intn(4)],
			Interval: time.Duration(d.Intn(3)) * 1500 * time.Millisecond, Timeout: time.Duration(d.Intn(2)) * time.Second, Retries: d.Intn(3),
			StartPeriod: time.Duration(d.Intn(2)) * time.Minute, StartInterval: time.Second,
		}
	}
	if d.yes() {
		c.StopGracePeriod = new(time.Duration(d.Intn(4)) * 700 * time.Millisecond)
	}
	if d.yes() {
		c.DNSConfig = &swarm.DNSConfig{Nameservers: d.some("10.0.0.2", "10.0.0.3"), Search: d.some("example.com"), Options: d.some("ndots:2", "edns0")}
	}
	if d.yes() {
		c.Privileges = &swarm.Privileges{NoNewPrivileges: d.yes(), SELinuxContext: &swarm.SELinuxContext{Disable: d.yes(), Level: d.of("", "s0")}}
	}
	if d.yes() && c.Privileges != nil {
		c.Privileges.Seccomp = &swarm.SeccompOpts{Mode: swarm.SeccompMode(d.of("default", "unconfined", "custom"))}
		c.Privileges.AppArmor = &swarm.AppArmorOpts{Mode: swarm.AppArmorMode(d.of("default", "disabled"))}
	}
}

func withoutSwarmSpec(o *corev1.PodTemplateSpec) { setAnnotation(o, AnnotationSwarmSpec, "") }

// foreignChanges are what docker service update may do to a service of skep's.
var foreignChanges = []foreignChange{
	{"image", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Image = "other:2" }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.Containers[0].Image = "" })},
	{"log-driver", func(_ *swarm.ContainerSpec, s *swarm.TaskSpec) { s.LogDriver = &swarm.Driver{Name: "local"} }, sameExcept(withoutSwarmSpec)},
	{"restart-delay", func(_ *swarm.ContainerSpec, s *swarm.TaskSpec) {
		s.RestartPolicy = &swarm.RestartPolicy{Condition: s.RestartPolicy.Condition, Delay: new(time.Minute)}
	}, sameExcept(withoutSwarmSpec)},
	{"ulimit", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		c.Ulimits = []*container.Ulimit{{Name: "nproc", Hard: 1, Soft: 1}}
	}, sameExcept(withoutSwarmSpec)},
	{"args", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Args = []string{"$(A)", "$$"} }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.Containers[0].Args = nil })},
	{"command", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Command = nil }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.Containers[0].Command = nil })},
	{"dir", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Dir = "/other" }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.Containers[0].WorkingDir = "" })},
	{"tty", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.TTY = !c.TTY }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.Containers[0].TTY = false })},
	{"hostname", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Hostname = "other" }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.Hostname = "" })},
	{"label-add", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Labels["added"] = "x" }, sameExcept(func(o *corev1.PodTemplateSpec) { delete(o.Labels, "added") })},
	{"env-add", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Env = append(c.Env, "FOREIGN={{x $(A)") }, keepsEntries},
	{"env-change", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		c.Env = append([]string{"FOREIGN=1"}, withoutPrefix(c.Env, "A=")...)
	}, nil},
	{"env-rm", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		c.Env = withoutPrefix(withoutPrefix(c.Env, "color="), "P_color=")
	}, nil},
	{"mount-add", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		c.Mounts = append(c.Mounts, mount.Mount{Type: mount.TypeVolume, Source: "New_Volume", Target: "/new"})
	}, keepsEntries},
	{"mount-rm", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Mounts = nil }, nil},
	{"config-add", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		gid := "0"
		if slices.Contains(c.Groups, "2000") { // fsGroup's: all files have it
			gid = "2000"
		}
		c.Configs = append(c.Configs, &swarm.ConfigReference{ConfigID: "id", ConfigName: "Foreign", File: &swarm.ConfigReferenceFileTarget{Name: "/etc/all/foreign", UID: "0", GID: gid, Mode: 0o440}})
	}, keepsEntries},
	{"config-rm", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		if len(c.Configs) > 0 {
			c.Configs = c.Configs[1:]
		}
	}, nil},
	{"limit", func(_ *swarm.ContainerSpec, s *swarm.TaskSpec) {
		s.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 1 << 30}}
	}, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.Containers[0].Resources = corev1.ResourceRequirements{} })},
	{"restart", func(_ *swarm.ContainerSpec, s *swarm.TaskSpec) {
		s.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
	}, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.RestartPolicy = "" })},
	{"grace", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.StopGracePeriod = new(3 * time.Second) }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.TerminationGracePeriodSeconds = nil })},
	{"signal", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.StopSignal = "SIGINT" }, nil},
	{"user", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.User = "5:6" }, nil},
	// fsGroup's stays: it owns files, too.
	{"user-rm", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		c.User, c.Groups = "", slices.DeleteFunc(c.Groups, func(g string) bool { return g != "2000" })
	}, nil},
	{"cap", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		c.CapabilityAdd, c.CapabilityDrop = []string{"CAP_KILL"}, nil
	}, nil},
	{"read-only", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.ReadOnly = !c.ReadOnly }, nil},
	// What an old engine does to every service that is sent to it, too.
	{"privileges-rm", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		if c.Privileges != nil {
			c.Privileges = &swarm.Privileges{SELinuxContext: c.Privileges.SELinuxContext}
		}
	}, sameExcept(func(*corev1.PodTemplateSpec) {})},
	{"selinux-rm", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		if c.Privileges != nil {
			c.Privileges.SELinuxContext = nil
		}
	}, nil},
	{"sysctl-rm", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Sysctls = nil }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.SecurityContext.Sysctls = nil })},
	{"hosts", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Hosts = []string{"10.9.9.9 x"} }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.HostAliases = nil })},
	{"dns-rm", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.DNSConfig = nil }, sameExcept(func(o *corev1.PodTemplateSpec) { o.Spec.DNSConfig, o.Spec.DNSPolicy = nil, "" })},
	{"health", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) {
		c.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "other"}, Interval: time.Second, Timeout: time.Second, Retries: 1}
	}, nil},
	{"health-rm", func(c *swarm.ContainerSpec, _ *swarm.TaskSpec) { c.Healthcheck = nil }, nil},
	{"constraint-add", func(_ *swarm.ContainerSpec, s *swarm.TaskSpec) {
		s.Placement.Constraints = append(s.Placement.Constraints, "node.labels.more!=x")
	}, nil},
	{"constraint-rm", func(_ *swarm.ContainerSpec, s *swarm.TaskSpec) { s.Placement = &swarm.Placement{} }, nil},
	{"max-replicas", func(_ *swarm.ContainerSpec, s *swarm.TaskSpec) { s.Placement.MaxReplicas = 1 }, nil},
}
