package translate

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/randfill"
)

// TestAnyPodIsChecked: whatever a Pod holds, it is accepted or refused, and what is accepted can be put.
func TestAnyPodIsChecked(t *testing.T) {
	for seed := range int64(300) {
		pod := &corev1.Pod{}
		randfill.NewWithSeed(seed).NilChance(.7).NumElements(1, 2).MaxDepth(12).Fill(pod)
		refused, _ := Check("Pod", pod, DefaultNetworking)
		tpl := &corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
		plan, err := PutPod(tpl, somePod, nothing{})
		if len(refused) == 0 && err != nil {
			t.Errorf("seed %d: accepted, then %v", seed, err)
		}
		if err == nil {
			got := tpl.DeepCopy()
			OverlayPod(got, &plan.Task, nil)
		}
	}
}

// TestPutPodErrors are refusals of plain tasks, most of which only what a Pod refers to can cause.
func TestPutPodErrors(t *testing.T) {
	src := sources{
		configMaps: map[string]*corev1.ConfigMap{
			"big": {Data: map[string]string{"a": strings.Repeat("x", maxConfigData+1)}},
			"nul": {Data: map[string]string{"a": "x\x00y"}},
		},
		secrets: map[string]*corev1.Secret{
			"big": {Data: map[string][]byte{"a": []byte(strings.Repeat("x", maxSecretData+1))}},
			"nul": {Data: map[string][]byte{"a": []byte("x\x00y")}},
		},
	}
	for fragment, want := range map[string]string{
		`{volumes: [{name: v, configMap: {name: big}}], containers: [{name: a, image: b, volumeMounts: [{name: v, mountPath: /v}]}]}`:                                                   "spec.volumes[0]: Forbidden: /v/a has 1024000 bytes",
		`{volumes: [{name: v, secret: {secretName: big}}], containers: [{name: a, image: b, volumeMounts: [{name: v, mountPath: /v}]}]}`:                                                "spec.volumes[0]: Forbidden: /v/a has 512000 bytes",
		`containers: [{name: a, image: b, envFrom: [{configMapRef: {name: nul}}]}]`:                                                                                                     "spec.containers[0].envFrom[0].configMapRef",
		`containers: [{name: a, image: b, envFrom: [{secretRef: {name: nul}}]}]`:                                                                                                        "spec.containers[0].envFrom[0].secretRef",
		`containers: [{name: a, image: b, env: [{name: A, valueFrom: {configMapKeyRef: {name: nul, key: a}}}]}]`:                                                                        "spec.containers[0].env[0].valueFrom",
		`containers: [{name: a, image: b, env: [{name: A, value: "x\0y"}]}]`:                                                                                                            "spec.containers[0].env[0].value",
		`containers: [{name: a, image: b, env: [{name: A, value: ".."}], volumeMounts: [{name: v, mountPath: /v, subPathExpr: a/$(A)}]}]`:                                               "spec.containers[0].volumeMounts[0].name: Not found",
		`{volumes: [{name: v, hostPath: {path: /h}}], containers: [{name: a, image: b, env: [{name: A, value: ".."}], volumeMounts: [{name: v, mountPath: /v, subPathExpr: $(A)/x}]}]}`: "spec.containers[0].volumeMounts[0].subPathExpr: Forbidden: leads out",
	} {
		pod := fragmentPod(t, "spec", fragment)
		_, err := putPodAs(&corev1.PodTemplateSpec{Spec: pod.Spec}, somePod, src, plainTask)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", fragment, err, want)
		}
	}
}

// TestSandboxErrors: what is too big to be laid before a sandbox is refused by name, and in words that give nothing away.
func TestSandboxErrors(t *testing.T) {
	big := strings.Repeat("s3cr3t", maxConfigData/6+1)
	src := sources{
		configMaps: map[string]*corev1.ConfigMap{"big": {Data: map[string]string{"a": big}}},
		secrets:    map[string]*corev1.Secret{"big": {Data: map[string][]byte{"a": []byte(big)}}},
	}
	for fragment, want := range map[string]string{
		`{volumes: [{name: v, configMap: {name: big}}], containers: [{name: a, image: b}]}`: "/pod/configmaps/big.json has",
		`containers: [{name: a, image: b, envFrom: [{secretRef: {name: big}}]}]`:            "/pod/secrets/big.json has",
	} {
		pod := fragmentPod(t, "spec", fragment)
		_, err := putPodAs(&corev1.PodTemplateSpec{Spec: pod.Spec}, somePod, src, sandboxed)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %s", fragment, err, want)
		}
	}
}

// TestMaterialIsAReference: Get says a material that someone else mounted by its name, and Put takes it.
func TestMaterialIsAReference(t *testing.T) {
	name := materialName(strings.Repeat("ab", 32))
	pod := fragmentPod(t, "spec", `{volumes: [{name: v, configMap: {name: `+name+`, items: [{key: `+name+`, path: x}]}}],
		containers: [{name: a, image: b, volumeMounts: [{name: v, mountPath: /v, subPath: x}]}]}`)
	plan, err := PutPod(&corev1.PodTemplateSpec{Spec: pod.Spec}, somePod, nothing{})
	if err != nil || len(plan.Missing)+len(plan.Materials) > 0 || len(plan.Task.ContainerSpec.Configs) != 1 || len(name) > 64 {
		t.Errorf("%v, %+v", err, plan)
	}
}
