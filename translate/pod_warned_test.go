package translate

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"sigs.k8s.io/yaml"
)

// Each fragment provokes one row, some two. They are laid over a Pod with one plain container.
var specFragments = []string{
	`initContainers: [{name: a, image: b}]`,
	`activeDeadlineSeconds: 5`,
	`dnsPolicy: Default`,
	`automountServiceAccountToken: true`,
	`hostPID: true`,
	`hostIPC: true`,
	`shareProcessNamespace: true`,
	`subdomain: a`,
	`setHostnameAsFQDN: true`,
	`schedulerName: other`,
	`priorityClassName: high`,
	`priority: 5`,
	`readinessGates: [{conditionType: a}]`,
	`runtimeClassName: gvisor`,
	`overhead: {cpu: 1m}`,
	`topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]`,
	`topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/arch, whenUnsatisfiable: ScheduleAnyway}]`,
	`os: {name: windows}`,
	`hostUsers: false`,
	`schedulingGates: [{name: a}]`,
	`schedulingGroup: {podGroupName: a}`,
	`resourceClaims: [{name: a}]`,
	`resources: {limits: {cpu: 1}}`,
	`evictionResponders: [{name: a, priority: 1}]`,
	`affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {}}]}}`,
	`affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a}]}}`,
	`affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: a}}]}}`,
	`affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: a}}]}}`,
	`securityContext: {windowsOptions: {runAsUserName: a}}`,
	`securityContext: {runAsNonRoot: true}`,
	`securityContext: {supplementalGroupsPolicy: Strict}`,
	`{securityContext: {fsGroup: 5}, volumes: [{name: v, emptyDir: {}}]}`,
	`securityContext: {seccompProfile: {type: Unconfined}}`,
	`securityContext: {seccompProfile: {type: Localhost, localhostProfile: a}}`,
	`securityContext: {appArmorProfile: {type: Unconfined}}`,
	`securityContext: {appArmorProfile: {type: Localhost, localhostProfile: a}}`,
	`securityContext: {seLinuxChangePolicy: Recursive}`,
	`containers: [{name: a, image: b}, {name: c, image: d}]`,
}

var containerFragments = []string{
	`ports: [{containerPort: 80, hostPort: 80}]`,
	`ports: [{containerPort: 80, hostIP: 10.0.0.1}]`,
	`envFrom: [{secretRef: {name: a}}]`,
	`env: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b}}}]`,
	`env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]`,
	`env: [{name: A, valueFrom: {fileKeyRef: {volumeName: a, path: b, key: c}}}]`,
	`resources: {limits: {ephemeral-storage: 1Gi}, requests: {ephemeral-storage: 1Gi}}`,
	`resources: {limits: {hugepages-2Mi: 2Mi}, requests: {hugepages-2Mi: 2Mi}}`,
	`resources: {limits: {nvidia.com/gpu: 1}, requests: {nvidia.com/gpu: 1}}`,
	`resources: {claims: [{name: a}]}`,
	`restartPolicy: Always`,
	`restartPolicyRules: [{action: Restart}]`,
	`volumeDevices: [{name: a, devicePath: /dev/b}]`,
	`livenessProbe: {httpGet: {port: 80}}`,
	`livenessProbe: {tcpSocket: {port: 80}}`,
	`livenessProbe: {grpc: {port: 80}}`,
	`readinessProbe: {exec: {command: [a]}}`,
	`livenessProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 5}`,
	`{livenessProbe: {exec: {command: [a]}}, readinessProbe: {exec: {command: [a]}}}`,
	`readinessProbe: {httpGet: {port: 80}}`,
	`readinessProbe: {tcpSocket: {port: 80}}`,
	`readinessProbe: {grpc: {port: 80}}`,
	`startupProbe: {httpGet: {port: 80}}`,
	`startupProbe: {tcpSocket: {port: 80}}`,
	`startupProbe: {grpc: {port: 80}}`,
	`{livenessProbe: {exec: {command: [a]}}, startupProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 5}}`,
	`lifecycle: {postStart: {exec: {command: [a]}}}`,
	`lifecycle: {preStop: {sleep: {seconds: 5}}}`,
	`terminationMessagePath: /a`,
	`terminationMessagePolicy: FallbackToLogsOnError`,
	`imagePullPolicy: Never`,
	`{stdin: true, stdinOnce: true}`,
	`securityContext: {privileged: true}`,
	`securityContext: {windowsOptions: {runAsUserName: a}}`,
	`securityContext: {runAsNonRoot: true}`,
	`securityContext: {allowPrivilegeEscalation: false}`,
	`securityContext: {procMount: Unmasked}`,
	`securityContext: {seccompProfile: {type: Unconfined}}`,
	`securityContext: {seccompProfile: {type: Localhost, localhostProfile: a}}`,
	`securityContext: {appArmorProfile: {type: Unconfined}}`,
	`securityContext: {appArmorProfile: {type: Localhost, localhostProfile: a}}`,
	`volumeMounts: [{name: a, mountPath: /a, readOnly: true, recursiveReadOnly: Enabled}]`,
	`volumeMounts: [{name: a, mountPath: /a, bindMountOptions: [noexec]}]`,
}

var volumeFragments = []string{
	`projected: {sources: [{serviceAccountToken: {path: a}}]}`,
	`projected: {sources: [{downwardAPI: {items: [{path: a}]}}]}`,
	`projected: {sources: [{clusterTrustBundle: {path: a}}]}`,
	`projected: {sources: [{podCertificate: {keyType: a}}]}`,
	`emptyDir: {medium: HugePages}`,
	`emptyDir: {sizeLimit: 1Gi}`,
	`emptyDir: {mode: 448}`,
	`configMap: {name: a}`,
	`hostPath: {path: /a, type: DirectoryOrCreate}`,
	`hostPath: {path: /a, type: Directory}`,
	`downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}`,
	`image: {reference: a}`,
	`iscsi: {iqn: a}`,
	`fc: {lun: 1}`,
	`glusterfs: {path: a}`,
	`cephfs: {monitors: [a]}`,
	`rbd: {image: a}`,
	`gcePersistentDisk: {pdName: a}`,
	`awsElasticBlockStore: {volumeID: a}`,
	`azureDisk: {diskName: a}`,
	`azureFile: {shareName: a}`,
	`cinder: {volumeID: a}`,
	`vsphereVolume: {volumePath: a}`,
	`photonPersistentDisk: {pdID: a}`,
	`gitRepo: {repository: a}`,
	`flexVolume: {driver: a}`,
	`flocker: {datasetName: a}`,
	`quobyte: {volume: a}`,
	`portworxVolume: {volumeID: a}`,
	`scaleIO: {gateway: a}`,
	`storageos: {volumeName: a}`,
	`csi: {driver: a}`,
	`ephemeral: {volumeClaimTemplate: {spec: {selector: {matchLabels: {a: b}}}}}`,
	`ephemeral: {volumeClaimTemplate: {spec: {volumeName: a}}}`,
	`ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOncePod]}}}`,
	`ephemeral: {volumeClaimTemplate: {spec: {volumeMode: Block}}}`,
	`ephemeral: {volumeClaimTemplate: {spec: {dataSource: {kind: a, name: b}}}}`,
	`ephemeral: {volumeClaimTemplate: {spec: {dataSourceRef: {kind: a, name: b}}}}`,
	`ephemeral: {volumeClaimTemplate: {spec: {volumeAttributesClassName: a}}}`,
}

// fragmentPod lays a fragment over a plain Pod, at a given place of it.
func fragmentPod(t *testing.T, place, fragment string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	pod.Name, pod.Namespace = "web", "default"
	pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "nginx"}}
	var into any = &pod.Spec
	switch place {
	case "container":
		into = &pod.Spec.Containers[0]
	case "volume", "file":
		pod.Spec.Volumes = []corev1.Volume{{Name: "v"}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}
		if place == "file" {
			pod.Spec.Containers[0].VolumeMounts[0].SubPath = "a"
		}
		into = &pod.Spec.Volumes[0]
	}
	if err := yaml.UnmarshalStrict([]byte(fragment), into); err != nil {
		t.Fatalf("%s: %v", fragment, err)
	}
	corev1defaults.SetObjectDefaults_Pod(pod)
	return pod
}

var indexed = regexp.MustCompile(`\[([^\]]*)\]`)

// patternOf turns the path of a field into that of its row.
func patternOf(path string) string {
	return indexed.ReplaceAllStringFunc(path, func(index string) string {
		if strings.Trim(index, "[]0123456789") == "" {
			return "[]"
		}
		return "{}"
	})
}

// outcome is what becomes of a fragment that is no plain task's.
type outcome struct {
	refused, warned []string // pattern of the field: what is said
	// sandbox is how much it asks for a sandbox.
	sandbox need
}

// outcomeOf checks a Pod with an annotation that says in which form it may run; "" for any.
func outcomeOf(pod *corev1.Pod, annotation string) outcome {
	if annotation != "" {
		pod.Annotations = map[string]string{AnnotationSandbox: annotation}
	}
	tpl := &corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
	o := outcome{}
	if annotation == "" {
		o.sandbox = needOf(tpl, DefaultNetworking)
	}
	refused, warnings := Check("Pod", pod, DefaultNetworking)
	for _, err := range refused {
		o.refused = append(o.refused, patternOf(err.Field)+": "+err.Detail)
	}
	for _, warning := range warnings {
		path, reason, _ := strings.Cut(warning, ": ")
		o.warned = append(o.warned, patternOf(path)+": "+reason)
	}
	return o
}

// TestFragments provokes every row of a Pod's spec that is not simply so: each fragment is refused, warned of, or makes
// the Pod a sandboxed one; and in a Pod that may have no sandbox the last becomes one of the others.
func TestFragments(t *testing.T) {
	provoked := sets.New[string]()
	for place, fragments := range map[string][]string{"spec": specFragments, "container": containerFragments, "volume": volumeFragments} {
		for _, fragment := range fragments {
			free := outcomeOf(fragmentPod(t, place, fragment), "")
			plain := outcomeOf(fragmentPod(t, place, fragment), "never")
			if len(free.refused)+len(free.warned) == 0 && free.sandbox == needless && len(plain.warned) == 0 {
				t.Errorf("%s: %s: nothing is said, and it gets no sandbox", place, fragment)
			}
			if free.sandbox == must && len(plain.refused) == 0 || free.sandbox == better && len(plain.refused)+len(plain.warned) == 0 {
				t.Errorf("%s: %s: asks for the sandbox (%d), and nothing is said where it gets none", place, fragment, free.sandbox)
			}
			provoked.Insert(free.refused...)
			provoked.Insert(free.warned...)
			provoked.Insert(plain.refused...)
			provoked.Insert(plain.warned...)
			if place == "volume" { // what is mounted as one file is looked into where the whole is not followed
				file := outcomeOf(fragmentPod(t, "file", fragment), "never")
				provoked.Insert(append(file.refused, file.warned...)...)
			}
		}
	}
	for _, part := range podFates {
		for _, row := range part {
			said := row.reason
			switch {
			case row.fate == ViaSandbox && row.plain == "":
				said = noSandboxReason
			case row.fate == ViaSandbox:
				said = row.plain
			case row.fate != Warned && row.fate != Refused:
				continue
			}
			if said = join("spec", row.path) + ": " + said; !provoked.Has(said) {
				t.Errorf("no case provokes %s", said)
			}
		}
	}
}

// fragmentFates are of each kind some fragments with what becomes of them: refused, warned, or sandbox.
var fragmentFates = []struct{ place, fragment, fate string }{
	{"spec", `initContainers: [{name: a, image: b}]`, "sandbox"},
	{"spec", `activeDeadlineSeconds: 5`, "sandbox"},
	{"spec", `hostPID: true`, "sandbox"},
	{"spec", `shareProcessNamespace: true`, "sandbox"},
	{"spec", `containers: [{name: a, image: b}, {name: c, image: d}]`, "sandbox"},
	{"spec", `securityContext: {runAsNonRoot: true}`, "sandbox"},
	{"spec", `subdomain: a`, "warned"},
	{"spec", `overhead: {cpu: 1m}`, "warned"},
	{"spec", `readinessGates: [{conditionType: a}]`, "refused"},
	{"spec", `runtimeClassName: gvisor`, "refused"},
	// The rows of containers hold for the others.
	{"spec", `initContainers: [{name: a, image: b, resources: {limits: {nvidia.com/gpu: 1}}}]`, "refused"},
	{"spec", `initContainers: [{name: a, image: b, volumeDevices: [{name: a, devicePath: /dev/b}]}]`, "refused"},
	{"spec", `ephemeralContainers: [{name: a, image: b}]`, ""},
	{"spec", `securityContext: {fsGroup: 5}`, ""},
	{"spec", `ephemeralContainers: [{name: a, image: b, resources: {claims: [{name: a}]}}]`, "refused"},
	{"container", `env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]`, "sandbox"},
	{"container", `env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]`, ""},
	{"container", `env: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b}}}]`, "warned"},
	{"container", `livenessProbe: {exec: {command: [a]}}`, "sandbox"},
	{"container", `livenessProbe: {httpGet: {port: 80}}`, "sandbox"},
	{"container", `readinessProbe: {exec: {command: [a]}}`, "sandbox"},
	{"container", `lifecycle: {preStop: {sleep: {seconds: 5}}}`, "sandbox"},
	{"container", `securityContext: {privileged: true}`, "sandbox"},
	{"container", `resources: {limits: {ephemeral-storage: 1Gi}}`, "warned"},
	{"container", `resources: {limits: {hugepages-2Mi: 2Mi}}`, "refused"},
	{"container", `ports: [{containerPort: 80, hostPort: 80}]`, "refused"},
	{"volume", `configMap: {name: a}`, "sandbox"},
	{"volume", `downwardAPI: {items: [{path: a}]}`, "sandbox"},
	{"volume", `emptyDir: {}`, "sandbox"},
	{"volume", `emptyDir: {sizeLimit: 1Gi}`, "sandbox"},
	{"volume", `hostPath: {path: /a}`, ""},
	{"volume", `persistentVolumeClaim: {claimName: a}`, ""},
	{"file", `configMap: {name: a, items: [{key: a, path: a}]}`, ""},
	{"volume", `hostPath: {path: /a, type: Socket}`, "sandbox"},
	{"volume", `gitRepo: {repository: a}`, "refused"},
}

// TestFragmentFates asserts which of the three it is.
func TestFragmentFates(t *testing.T) {
	for _, c := range fragmentFates {
		o, got := outcomeOf(fragmentPod(t, c.place, c.fragment), ""), ""
		switch {
		case len(o.refused) > 0:
			got = "refused"
		case o.sandbox != needless:
			got = "sandbox"
		case len(o.warned) > 0:
			got = "warned"
		}
		if got != c.fate {
			t.Errorf("%s: %s: %q, want %q: %+v", c.place, c.fragment, got, c.fate, o)
		}
	}
}

// TestOnlyPlain: rows of plain tasks do not hold in a sandbox.
func TestOnlyPlain(t *testing.T) {
	for place, fragments := range map[string][]string{"container": containerFragments, "volume": volumeFragments} {
		for _, fragment := range fragments {
			o := outcomeOf(fragmentPod(t, place, fragment), "always")
			for _, part := range podFates {
				for _, row := range part {
					if said := join("spec", row.path) + ": " + row.reason; row.onlyPlain && slices.Contains(append(o.warned, o.refused...), said) {
						t.Errorf("%s: of a sandbox it is said: %s", fragment, said)
					}
				}
			}
		}
	}
}

// TestDefaultsSayNothing: a Pod that asks for nothing special gets no warning.
func TestDefaultsSayNothing(t *testing.T) {
	for _, fragment := range []string{
		`{}`,
		`enableServiceLinks: true`,
		`schedulerName: default-scheduler`,
		`{priority: 0, preemptionPolicy: PreemptLowerPriority}`,
		`tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}]`,
		`{hostUsers: true, hostNetwork: true, setHostnameAsFQDN: false, shareProcessNamespace: false}`,
		`securityContext: {runAsNonRoot: true, runAsUser: 5, seccompProfile: {type: RuntimeDefault}, appArmorProfile: {type: RuntimeDefault}}`,
		`affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/hostname}}]}}`,
		`topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway}]`,
		`{hostNetwork: true, containers: [{name: a, image: b, ports: [{containerPort: 80}]}]}`,
		`containers: [{name: a, image: b, imagePullPolicy: Always, terminationMessagePath: /dev/termination-log, securityContext: {privileged: false, procMount: Default, allowPrivilegeEscalation: true}}]`,
	} {
		if refused, warnings := Check("Pod", fragmentPod(t, "spec", fragment), DefaultNetworking); len(refused)+len(warnings) > 0 {
			t.Errorf("%s: %v %q", fragment, refused, warnings)
		}
	}
}
