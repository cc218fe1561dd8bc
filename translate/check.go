package translate

import (
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Check tells what would become of an object: the fields that are refused, each with the reason and what
// to do instead, and a warning for each that is only approximated. The object is of its external version
// and defaulted. It needs no Swarm, so a dry run is refused as well.
func Check(kind string, obj runtime.Object, net Networking) (refused field.ErrorList, warnings []string) {
	for _, k := range allKinds() {
		v := reflect.ValueOf(obj)
		if k.kind != kind || v.Kind() != reflect.Pointer || v.IsNil() {
			continue
		}
		c := newChecker(k.allRows())
		tpl, at := templateFor(obj)
		if tpl != nil && k.template != noTemplate {
			c.form = formFor(tpl, net)
		}
		c.walkStruct(v.Elem(), "", nil, subject{net: net})
		if c.form != eitherForm {
			c.refused = append(c.refused, beyond(c.refused, checkForm(tpl, at, net, c.form))...)
		}
		c.refused = append(c.refused, checkSwarmSpec(obj, tpl, at)...)
		c.more(obj)
		return c.refused, c.warnings
	}
	return nil, nil
}

// more is what rows of a table cannot say.
func (k *checker) more(obj runtime.Object) {
	switch o := obj.(type) {
	case *batchv1.Job:
		k.refused = append(k.refused, checkJob(o, nil)...)
	case *batchv1.CronJob:
		template := &batchv1.Job{ObjectMeta: o.Spec.JobTemplate.ObjectMeta, Spec: o.Spec.JobTemplate.Spec}
		k.refused = append(k.refused, checkJob(template, field.NewPath("spec", "jobTemplate"))...)
	case *corev1.PersistentVolume:
		k.warnings = append(k.warnings, CheckPersistentVolume(o)...)
	case *networkingv1.Ingress:
		k.warnings = append(k.warnings, IngressWarnings(o)...)
	case *networkingv1.NetworkPolicy:
		refused, warnings := CheckNetworkPolicy(o)
		k.refused, k.warnings = append(k.refused, refused...), append(k.warnings, warnings...)
	}
}

// templateFor is the object's Pod template, with the path of its spec.
func templateFor(obj runtime.Object) (*corev1.PodTemplateSpec, *field.Path) {
	at := field.NewPath("spec", "template", "spec")
	switch o := obj.(type) {
	case *corev1.Pod:
		return &corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}, field.NewPath("spec")
	case *appsv1.Deployment:
		return &o.Spec.Template, at
	case *appsv1.ReplicaSet:
		return &o.Spec.Template, at
	case *appsv1.DaemonSet:
		return &o.Spec.Template, at
	case *appsv1.StatefulSet:
		return withReplicaClaims(o, &o.Spec.Template), at
	case *batchv1.Job:
		return &o.Spec.Template, at
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template, field.NewPath("spec", "jobTemplate", "spec", "template", "spec")
	}
	return nil, nil
}

// checkForm is PutPod with nothing to refer to: what it refuses, it refuses of the template alone.
func checkForm(tpl *corev1.PodTemplateSpec, at *field.Path, net Networking, f form) field.ErrorList {
	if f == plainTask && len(tpl.Spec.Containers) != 1 {
		return nil // the fates say so
	}
	_, errs := putPod(tpl, PodIdentity{Namespace: "default", Name: "pod"}, nothing{net}, at, f)
	return errs
}

// beyond leaves out what is refused already, itself or as part of something.
func beyond(said, errs field.ErrorList) field.ErrorList {
	var out field.ErrorList
	for _, err := range errs {
		again := false
		for _, s := range said {
			again = again || err.Field == s.Field || strings.HasPrefix(err.Field, s.Field+".") || strings.HasPrefix(err.Field, s.Field+"[")
		}
		if !again {
			out = append(out, err)
		}
	}
	return out
}

// nothing is a Swarm without anything in it.
type nothing struct{ net Networking }

func (nothing) ConfigMap(string, string) *corev1.ConfigMap  { return nil }
func (nothing) Secret(string, string) *corev1.Secret        { return nil }
func (nothing) NativeConfig(string, string, string) string  { return "" }
func (nothing) NativeSecret(string, string, string) string  { return "" }
func (nothing) Claim(_, name string) *ClaimedVolume         { return &ClaimedVolume{Name: name} }
func (nothing) StorageClass(string) *storagev1.StorageClass { return BuiltinClasses()[0] }
func (n nothing) Networking() Networking                    { return n.net }
func (nothing) Digest([]byte) string                        { return strings.Repeat("0", 32) }
