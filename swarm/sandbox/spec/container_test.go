package spec

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"skep/translate/manifest"
)

// asJSON is the fields of a config that are not zero, as Docker's API has them.
func asJSON(t *testing.T, v any, names ...string) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	all, some := map[string]any{}, map[string]any{}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		some[name] = all[name]
	}
	out, err := json.Marshal(some)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestSecurity(t *testing.T) {
	fields := []string{"CapAdd", "CapDrop", "GroupAdd", "Privileged", "ReadonlyRootfs", "SecurityOpt", "MaskedPaths", "ReadonlyPaths"}
	for name, c := range map[string]struct{ pod, container, user, want string }{
		"nothing": {want: `{"CapAdd":null,"CapDrop":null,"GroupAdd":null,"MaskedPaths":null,"Privileged":false,"ReadonlyPaths":null,"ReadonlyRootfs":false,"SecurityOpt":null}`},
		"the container's over the Pod's": {
			pod:       `{runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [4000, 5000], seLinuxOptions: {level: "s0:c1"}, seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}}`,
			container: `{runAsUser: 1001, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, seccompProfile: {type: RuntimeDefault}, appArmorProfile: {type: Localhost, localhostProfile: mine}, seLinuxOptions: {type: t, role: r}}`,
			user:      "1001:3000",
			want:      `{"CapAdd":null,"CapDrop":null,"GroupAdd":["2000","4000","5000"],"MaskedPaths":null,"Privileged":false,"ReadonlyPaths":null,"ReadonlyRootfs":true,"SecurityOpt":["no-new-privileges","label=role:r","label=type:t","apparmor=mine"]}`,
		},
		"the Pod's profiles": {
			pod:  `{seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}, seLinuxOptions: {level: "s0:c1", user: u}}`,
			want: `{"CapAdd":null,"CapDrop":null,"GroupAdd":null,"MaskedPaths":null,"Privileged":false,"ReadonlyPaths":null,"ReadonlyRootfs":false,"SecurityOpt":["label=user:u","label=level:s0:c1","seccomp=unconfined","apparmor=unconfined"]}`,
		},
		"capabilities, procMount, local seccomp profile": {
			container: `{capabilities: {add: [NET_ADMIN, cap_sys_time, KILL], drop: [ALL, KILL]}, procMount: Unmasked, seccompProfile: {type: Localhost, localhostProfile: profiles/audit.json}}`,
			want:      `{"CapAdd":["NET_ADMIN","SYS_TIME"],"CapDrop":["ALL","KILL"],"GroupAdd":null,"MaskedPaths":[],"Privileged":false,"ReadonlyPaths":[],"ReadonlyRootfs":false,"SecurityOpt":["seccomp={\"defaultAction\":\"SCMP_ACT_LOG\"}"]}`,
		},
		"privileged": {
			pod: `{seccompProfile: {type: Localhost, localhostProfile: none.json}}`, container: `{privileged: true}`,
			want: `{"CapAdd":null,"CapDrop":null,"GroupAdd":null,"MaskedPaths":null,"Privileged":true,"ReadonlyPaths":null,"ReadonlyRootfs":false,"SecurityOpt":null}`,
		},
		"a group, the image's user": {
			container: `{runAsGroup: 7}`, user: "app:7",
			want: `{"CapAdd":null,"CapDrop":null,"GroupAdd":null,"MaskedPaths":null,"Privileged":false,"ReadonlyPaths":null,"ReadonlyRootfs":false,"SecurityOpt":null}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := stage(t, `containers: [{name: web}]`)
			s.set("pod/host/var/lib/kubelet/seccomp/profiles/audit.json", "{\n \"defaultAction\": \"SCMP_ACT_LOG\"\n}\n")
			if c.pod != "" {
				fill(t, &s.pod.Spec, "securityContext: "+c.pod)
			}
			if c.container != "" {
				fill(t, &s.pod.Spec.Containers[0], "securityContext: "+c.container)
			}
			config, host, err := s.Container(&s.pod.Spec.Containers[0], ImageConfig{User: "app:staff"}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := asJSON(t, host, fields...); got != c.want {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
			if config.User != c.user {
				t.Errorf("user %q, want %q", config.User, c.user)
			}
		})
	}
}

func TestSecurityRefused(t *testing.T) {
	const where = ` (pod: "web_shop(11-22)", container: web)`
	for _, c := range []struct{ context, user, want string }{
		{`{runAsNonRoot: true}`, "", "container has runAsNonRoot and image will run as root" + where},
		{`{runAsNonRoot: true}`, "0:1000", "container has runAsNonRoot and image will run as root" + where},
		{`{runAsNonRoot: true}`, "app", "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root" + where},
		{`{runAsNonRoot: true, runAsUser: 0}`, "1000", "container's runAsUser breaks non-root policy" + where},
		{`{runAsNonRoot: true}`, "-5", "container has runAsNonRoot and image has an invalid user id (-5). (Must be 1-(2147483647)): must be between 0 and 2147483647, inclusive" + where},
		{`{runAsNonRoot: true}`, "1000:0", ""},
		{`{runAsNonRoot: true, runAsUser: 7}`, "", ""},
		{`{seccompProfile: {type: Localhost, localhostProfile: nope.json}}`, "", `cannot load seccomp profile "/var/lib/kubelet/seccomp/nope.json": no such file or directory`},
		{`{seccompProfile: {type: Localhost}}`, "", `localhostProfile must be set if seccompProfile type is Localhost`},
		{`{seccompProfile: {type: Localhost, localhostProfile: ../../../../skep/bad}}`, "", `cannot load seccomp profile "/skep/bad": no such file or directory`},
		{`{appArmorProfile: {type: Localhost}}`, "", `missing localhost apparmor profile name`},
	} {
		s := stage(t, `containers: [{name: web, securityContext: `+c.context+`}]`)
		_, _, err := s.Container(&s.pod.Spec.Containers[0], ImageConfig{User: c.user}, 0)
		if err == nil && c.want != "" || err != nil && err.Error() != c.want {
			t.Errorf("%s, image's user %q:\ngot  %v\nwant %s", c.context, c.user, err, c.want)
		}
	}
	s := stage(t, `{securityContext: {supplementalGroupsPolicy: Strict}, containers: [{name: web}]}`)
	s.refuses("supplementalGroupsPolicy Strict is not supported: the Docker Engine adds the groups of the image's /etc/group")
}

func TestAppArmorAnnotation(t *testing.T) {
	for value, want := range map[string][]string{"unconfined": {"apparmor=unconfined"}, "localhost/mine": {"apparmor=mine"}, "runtime/default": nil} {
		s := stage(t, `{securityContext: {appArmorProfile: {type: Localhost, localhostProfile: pod}}, containers: [{name: web}]}`)
		s.pod.Annotations["container.apparmor.security.beta.kubernetes.io/web"] = value
		_, host := s.first()
		equal(t, value, host.SecurityOpt, want)
	}
}

func TestNamespaces(t *testing.T) {
	for spec, want := range map[string]string{
		``:                             `{"ExtraHosts":null,"IpcMode":"","NetworkMode":"container:5a4db0c","PidMode":""}`,
		`shareProcessNamespace: true`:  `{"ExtraHosts":null,"IpcMode":"","NetworkMode":"container:5a4db0c","PidMode":"container:5a4db0c"}`,
		"hostPID: true\nhostIPC: true": `{"ExtraHosts":null,"IpcMode":"host","NetworkMode":"container:5a4db0c","PidMode":"host"}`,
		"hostNetwork: true\nhostAliases: [{ip: 10.1.1.1, hostnames: [a, b]}]": `{"ExtraHosts":["a:10.1.1.1","b:10.1.1.1"],"IpcMode":"","NetworkMode":"host","PidMode":""}`,
	} {
		s := stage(t, spec+"\ncontainers: [{name: web}]")
		_, host := s.first()
		if got := asJSON(t, host, "NetworkMode", "PidMode", "IpcMode", "ExtraHosts"); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", spec, got, want)
		}
	}
	s := stage(t, `containers: [{name: web}]`)
	s.facts.ShareIPC = true
	if _, host := s.first(); host.IpcMode != "container:5a4db0c" {
		t.Errorf("IPC mode %q where the sandbox's can be shared", host.IpcMode)
	}
}

func TestResources(t *testing.T) {
	fields := []string{"CpuShares", "CpuQuota", "CpuPeriod", "Memory", "MemorySwap", "OomScoreAdj"}
	for _, c := range []struct{ pod, resources, want string }{
		{"", "{}", `{"CpuPeriod":0,"CpuQuota":0,"CpuShares":2,"Memory":0,"MemorySwap":0,"OomScoreAdj":1000}`},
		{"", "{limits: {cpu: 250m, memory: 64Mi}, requests: {cpu: 250m, memory: 64Mi}}", `{"CpuPeriod":100000,"CpuQuota":25000,"CpuShares":256,"Memory":67108864,"MemorySwap":67108864,"OomScoreAdj":-997}`},
		{"", "{limits: {cpu: 2}}", `{"CpuPeriod":100000,"CpuQuota":200000,"CpuShares":2048,"Memory":0,"MemorySwap":0,"OomScoreAdj":999}`},
		{"", "{limits: {cpu: 1m}, requests: {cpu: 1m, memory: 2Gi}}", `{"CpuPeriod":100000,"CpuQuota":1000,"CpuShares":2,"Memory":0,"MemorySwap":0,"OomScoreAdj":750}`},
		{"", "{requests: {cpu: 1000, memory: 8Gi}}", `{"CpuPeriod":0,"CpuQuota":0,"CpuShares":262144,"Memory":0,"MemorySwap":0,"OomScoreAdj":3}`},
		{"resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m, memory: 1Gi}}", "{limits: {cpu: 500m}}", `{"CpuPeriod":100000,"CpuQuota":50000,"CpuShares":512,"Memory":1073741824,"MemorySwap":1073741824,"OomScoreAdj":875}`},
		{"{priorityClassName: system-node-critical, priority: 2000001000}", "{}", `{"CpuPeriod":0,"CpuQuota":0,"CpuShares":2,"Memory":0,"MemorySwap":0,"OomScoreAdj":-997}`},
		{"initContainers: [{name: init, resources: {requests: {cpu: 1}}}]", "{}", `{"CpuPeriod":0,"CpuQuota":0,"CpuShares":2,"Memory":0,"MemorySwap":0,"OomScoreAdj":999}`},
	} {
		s := stage(t, `containers: [{name: web, resources: `+c.resources+`}]`)
		fill(t, &s.pod.Spec, c.pod)
		_, host := s.first()
		if got := asJSON(t, host, fields...); got != c.want {
			t.Errorf("%s %s\ngot  %s\nwant %s", c.pod, c.resources, got, c.want)
		}
	}
}

// A sidecar is not killed before the containers that it serves.
func TestOOMScoreOfSidecar(t *testing.T) {
	s := stage(t, `
initContainers: [{name: side, restartPolicy: Always, resources: {requests: {memory: 100Mi}}}]
containers: [{name: web, resources: {requests: {memory: 4Gi}}}, {name: big, resources: {requests: {memory: 6Gi}}}]`)
	_, host, err := s.Container(&s.pod.Spec.InitContainers[0], ImageConfig{}, 0)
	if err != nil || host.OomScoreAdj != 500 {
		t.Errorf("score %d, want 500: %v", host.OomScoreAdj, err)
	}
}

func TestConfig(t *testing.T) {
	s := stage(t, `
initContainers: [{name: init}]
containers: [{name: web, image: "nginx:1", stdin: true, stdinOnce: true, tty: true, lifecycle: {stopSignal: SIGRTMIN+1}}]`)
	config, _, err := s.Container(&s.pod.Spec.Containers[0], ImageConfig{}, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Healthcheck":{"Test":["NONE"]},"Hostname":"","Image":"nginx:1","Labels":{"io.kubernetes.container.name":"web","io.kubernetes.container.restartCount":"3","io.kubernetes.pod.name":"web","io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"11-22","skep.role":"container","skep.sandbox":"5a4db0c"},"OpenStdin":true,"StdinOnce":true,"StopSignal":"SIGRTMIN+1","Tty":true,"User":""}`
	if got := asJSON(t, config, "Image", "Labels", "OpenStdin", "StdinOnce", "Tty", "StopSignal", "Healthcheck", "User", "Hostname"); got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
	debug := s.pod.Spec.Containers[0]
	debug.Name = "debug-1"
	for _, c := range []struct{ name, role string }{{"init", manifest.RoleInit}, {"debug-1", manifest.RoleEphemeral}} {
		if got := s.role(c.name); got != c.role {
			t.Errorf("role of %s is %s", c.name, got)
		}
	}
}

// What Docker can do for a container and Kubernetes has no field for; a user by number stands over one by name.
func TestSwarmOnly(t *testing.T) {
	for security, user := range map[string]string{"{}": "app:www", "{runAsUser: 7}": "7"} {
		s := stage(t, `containers: [{name: web, securityContext: `+security+`}]`)
		s.pod.Annotations = map[string]string{manifest.AnnotationSwarmSpec: `{"LogDriver":{"Name":"local","Options":{"max-size":"1m"}},"RestartPolicy":{"Delay":1},
			"Resources":{"Limits":{"Pids":9}},"ContainerSpec":{"User":"app:www","Groups":["audio"],"StopSignal":"SIGODD","Init":true,"Ulimits":[{"Name":"nofile","Hard":2,"Soft":1}]}}`}
		config, host, err := s.Container(&s.pod.Spec.Containers[0], ImageConfig{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"GroupAdd":["audio"],"Init":true,"LogConfig":{"Config":{"max-size":"1m"},"Type":"local"},"PidsLimit":9,"Ulimits":[{"Hard":2,"Name":"nofile","Soft":1}]}`
		if got := asJSON(t, host, "GroupAdd", "Init", "LogConfig", "PidsLimit", "Ulimits"); got != want {
			t.Errorf("\ngot  %s\nwant %s", got, want)
		}
		if config.User != user || config.StopSignal != "SIGODD" {
			t.Errorf("user %q, stop signal %q", config.User, config.StopSignal)
		}
	}
}

// Containers are made while the Pod's volumes change (run with -race).
func TestConcurrentUse(t *testing.T) {
	s := stage(t, `
containers: [{name: web, envFrom: [{configMapRef: {name: settings}}], volumeMounts: [{name: v, mountPath: /v, subPath: colour}]}]
volumes: [{name: v, configMap: {name: settings}}]`)
	s.setup()
	next := make([]Sources, 20)
	for i := range next {
		next[i] = sources(t, fmt.Sprintf(`configMaps: {settings: {data: {colour: "%d"}}}`, i))
	}
	var all sync.WaitGroup
	for _, n := range next {
		all.Go(func() {
			if err := s.Update(map[string]string{"a": "b"}, nil, n); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if config, _, err := s.Container(&s.facts.Pod.Spec.Containers[0], ImageConfig{}, 0); err != nil || len(config.Env) == 0 {
				t.Errorf("%v %v", config, err)
			}
		})
	}
	all.Wait()
}
