package translate

import (
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
)

func TestPodMerge(t *testing.T) { laws(t, lawMerge) }

func FuzzPodMerge(f *testing.F) { f.Fuzz(lawMerge) }

// lawMerge: an edit through Kubernetes of what docker made keeps all that Kubernetes cannot say.
func lawMerge(t *testing.T, seed int64) {
	s := randomTask(rand.New(rand.NewSource(seed)))
	tpl := GetPod(&s, "shop_web")
	before := mustPutPlain(t, seed, &tpl, native{})
	c := &tpl.Spec.Containers[0]
	c.Env = append(c.Env, corev1.EnvVar{Name: "EDITED", Value: "{{yes"})
	tpl.Spec.Volumes = append(tpl.Spec.Volumes, corev1.Volume{Name: "edited", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "edited", MountPath: "/edited"})
	after := mustPutPlain(t, seed, &tpl, native{})
	for _, fresh := range []bool{false, true} {
		got, err := mergeTask(&s, &before.Task, &after.Task, fresh)
		if err != nil {
			t.Fatal(err)
		}
		spec := got.ContainerSpec
		if !slices.Contains(spec.Env, `EDITED={{"{{"}}yes`) {
			t.Errorf("seed %d: the new variable is not there: %q", seed, spec.Env)
		}
		for _, entry := range s.ContainerSpec.Env {
			repeated := slices.ContainsFunc(spec.Env, func(e string) bool { return envKey(e) == envKey(entry) })
			if !slices.Contains(spec.Env, entry) && !repeated {
				t.Errorf("seed %d: %q is lost", seed, entry)
			}
		}
		want := append(slices.Clone(s.ContainerSpec.Mounts), mount.Mount{Type: mount.TypeVolume, Target: "/edited", VolumeOptions: &mount.VolumeOptions{NoCopy: true}})
		for _, m := range want {
			if !slices.ContainsFunc(spec.Mounts, func(have mount.Mount) bool { return digest(have) == digest(m) }) {
				t.Errorf("seed %d: the mount at %s is not what it was", seed, m.Target)
			}
		}
		if len(spec.Configs) != len(s.ContainerSpec.Configs) || len(spec.Secrets) != len(s.ContainerSpec.Secrets) {
			t.Errorf("seed %d: configs or secrets are lost", seed)
		}
	}
}

func TestMergeTask(t *testing.T) {
	task := func(env string, constraints ...string) *swarm.TaskSpec {
		return &swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Env: strings.Fields(env)},
			Placement:     &swarm.Placement{Constraints: constraints},
		}
	}
	for name, c := range map[string]struct {
		prev, before, after *swarm.TaskSpec
		fresh               bool
		env                 string
		constraints         []string
	}{
		"one added, one removed, one of docker's kept": {
			task("A=1 BARE B=2", "node.id==x"), task("A=1 B=2"), task("B=2 C=3"), false, "B=2 C=3 BARE", []string{"node.id==x"},
		},
		"other words for the same": {
			task("", "node.role == worker"), task("", "node.role!=manager"), task("", "node.role!=manager", "node.labels.a==b"),
			false, "",
			[]string{"node.labels.a==b", "node.role == worker"},
		},
		"a ConfigMap changed, nobody rolled": {
			task("A=old"), task("A=new"), task("A=new"), false, "A=old", nil,
		},
		"a ConfigMap changed, and it rolls": {
			task("A=old GONE=1 BARE"), task("A=new B=came"), task("A=new B=came"), true, "A=new B=came BARE", nil,
		},
	} {
		got, err := mergeTask(c.prev, c.before, c.after, c.fresh)
		if err != nil {
			t.Fatal(err)
		}
		if env := strings.Join(got.ContainerSpec.Env, " "); env != c.env || !slices.Equal(constraintsOf(&got), c.constraints) {
			t.Errorf("%s: env %q, constraints %q", name, env, constraintsOf(&got))
		}
	}
}

// TestMergeFiles: a file that was empty is no more, and another is now.
func TestMergeFiles(t *testing.T) {
	tpl := &corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		Volumes:    []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "c"}}}}},
		Containers: []corev1.Container{{Name: "main", VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/c"}}}},
	}}
	put := func(data map[string]string) *swarm.TaskSpec {
		plan := mustPutPlain(t, 0, tpl, sources{configMaps: map[string]*corev1.ConfigMap{"c": {Data: data}}})
		return &plan.Task
	}
	old := put(map[string]string{"a": "", "b": "x", "c": "x"})
	now := put(map[string]string{"a": "x", "b": ""})
	got, err := mergeTask(old, now, now, true)
	if err != nil {
		t.Fatal(err)
	}
	if differ(volumesAt(now), volumesAt(&got)) != "" {
		t.Errorf("%v, want %v", volumesAt(&got), volumesAt(now))
	}
	if got, err = mergeTask(old, now, now, false); err != nil || differ(old, &got) != "" {
		t.Errorf("without a roll: %v, %v", volumesAt(&got), err)
	}
}
