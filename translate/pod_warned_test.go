package translate

import (
	"regexp"
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
	`ephemeralContainers: [{name: a, image: b}]`,
	`activeDeadlineSeconds: 5`,
	`dnsPolicy: Default`,
	`automountServiceAccountToken: true`,
	`hostPID: true`,
	`hostIPC: true`,
	`shareProcessNamespace: true`,
	`imagePullSecrets: [{name: a}]`,
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
	`securityContext: {fsGroup: 5}`,
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
	`hostPath: {path: /a, type: DirectoryOrCreate}`,
	`hostPath: {path: /a, type: Directory}`,
	`persistentVolumeClaim: {claimName: a}`,
	`downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}`,
	`image: {reference: a}`,
	`nfs: {server: a, path: /b}`,
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
	`ephemeral: {volumeClaimTemplate: {}}`,
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
	case "volume":
		pod.Spec.Volumes = []corev1.Volume{{Name: "v"}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}
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

// TestFragments provokes every row of a Pod's spec that warns or refuses.
func TestFragments(t *testing.T) {
	provoked := sets.New[string]()
	for place, fragments := range map[string][]string{"spec": specFragments, "container": containerFragments, "volume": volumeFragments} {
		for _, fragment := range fragments {
			refused, warnings := Check("Pod", fragmentPod(t, place, fragment))
			if len(refused)+len(warnings) == 0 {
				t.Errorf("%s: %s: nothing is said", place, fragment)
			}
			for _, err := range refused {
				provoked.Insert(patternOf(err.Field) + ": " + err.Detail)
			}
			for _, warning := range warnings {
				path, reason, _ := strings.Cut(warning, ": ")
				provoked.Insert(patternOf(path) + ": " + reason)
			}
		}
	}
	for _, part := range podFates {
		for _, row := range part {
			said := join("spec", row.path) + ": " + row.reason
			if (row.fate == Warned || row.fate == Refused) && !provoked.Has(said) {
				t.Errorf("no case provokes %s", said)
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
		if refused, warnings := Check("Pod", fragmentPod(t, "spec", fragment)); len(refused)+len(warnings) > 0 {
			t.Errorf("%s: %v %q", fragment, refused, warnings)
		}
	}
}
