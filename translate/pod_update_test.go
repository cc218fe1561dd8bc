package translate

import (
	"testing"

	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// TestUpdateOf follows a Pod that reads a ConfigMap: its sandbox hears of what is new, of nothing else, and keeps a Secret
// that this gateway cannot open.
func TestUpdateOf(t *testing.T) {
	w := newWorld()
	put := func(kind string, lens Lens, o Object) string {
		plan, err := lens.Put(w, Group{}, nil, o)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		return w.run(t, plan)
	}
	configMaps := Documents{Of: "ConfigMap", New: func() Object { return &corev1.ConfigMap{} }}
	cm := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "conf"}, Data: map[string]string{"a": "1"}}
	doc := put("ConfigMap", configMaps, cm)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "reader", UID: "u"},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "c", Image: "app:1", VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}}},
			Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: "conf"},
			}}}},
			ImagePullSecrets: []corev1.LocalObjectReference{{Name: "keys"}},
		},
	}
	coredefaults.SetObjectDefaults_Pod(pod)
	id := put("Pod", Pods{}, pod)
	task := w.sandboxTask(id, "task1task1", swarm.TaskStateRunning, swarm.TaskStateRunning, 0)
	if u := UpdateOf(w, task); u == nil || u.News || u.Pod.Name != "reader" || u.ConfigMaps["conf"].Data["a"] != "1" {
		t.Fatalf("as it was started: %+v", u)
	}
	changed := cm.DeepCopy()
	changed.Data["a"] = "2"
	plan, err := configMaps.Put(w, Group{Kind: GroupConfig, ID: doc}, cm, changed)
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, plan)
	if u := UpdateOf(w, task); u == nil || !u.News || u.ConfigMaps["conf"].Data["a"] != "2" {
		t.Fatalf("after a change: %+v", u)
	}
	w.unreadable = map[string]bool{"keys": true}
	if u := UpdateOf(w, task); u != nil {
		t.Fatalf("with a Secret that cannot be opened: %+v", u)
	}
}
