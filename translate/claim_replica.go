package translate

import (
	"maps"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/swarm"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A StatefulSet's volumeClaimTemplates give each of its Pods claims of its own, named <template>-<Pod>. Their Docker volumes
// are named <namespace>_<claim>, of which the ordinal is a template of Swarm's: so each replica mounts its own. Swarm keeps
// no replica on a node of its own, so where a volume is on one node all of them are on that of the first Pod.

// AnyUID is the LabelUID of a volume that the service made for a claim whose UID it did not know.
const AnyUID = "any"

// ReplicaClaims are the claims that a StatefulSet's Pods have, as its controller makes them.
func ReplicaClaims(set *appsv1.StatefulSet) []*corev1.PersistentVolumeClaim {
	var all []*corev1.PersistentVolumeClaim
	for i := range replicasOr1(set.Spec.Replicas) {
		for j := range set.Spec.VolumeClaimTemplates {
			claim := set.Spec.VolumeClaimTemplates[j].DeepCopy()
			claim.ObjectMeta = metav1.ObjectMeta{
				Namespace: set.Namespace, Name: replicaClaim(claim.Name, set.Name, int(firstOrdinal(set)+i)),
				Labels: maps.Clone(claim.Labels), Annotations: claim.Annotations,
			}
			claim.Annotations = withEntry(claim.Annotations, AnnotationVolume, ClaimVolumeName(claim.Namespace, claim.Name))
			if set.Spec.Selector != nil {
				for k, v := range set.Spec.Selector.MatchLabels {
					claim.Labels = withEntry(claim.Labels, k, v)
				}
			}
			claim.Status = corev1.PersistentVolumeClaimStatus{}
			all = append(all, claim)
		}
	}
	return all
}

func replicaClaim(template, set string, ordinal int) string {
	return template + "-" + set + "-" + strconv.Itoa(ordinal)
}

// claimTemplates are the volumeClaimTemplates of an object.
func claimTemplates(object Object) []corev1.PersistentVolumeClaim {
	if set, ok := object.(*appsv1.StatefulSet); ok {
		return set.Spec.VolumeClaimTemplates
	}
	return nil
}

// withReplicaClaims gives a Pod template the volumes of its StatefulSet's claims, as volumes that are made with the Pod.
func withReplicaClaims(object Object, template *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	claims := claimTemplates(object)
	if len(claims) == 0 {
		return template
	}
	whole := *template
	whole.Spec.Volumes = slices.DeleteFunc(slices.Clone(template.Spec.Volumes), func(v corev1.Volume) bool { return claimOfVolume(claims, v.Name) != nil })
	for i := range claims {
		whole.Spec.Volumes = append(whole.Spec.Volumes, corev1.Volume{Name: claims[i].Name, VolumeSource: corev1.VolumeSource{
			Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{Spec: claims[i].Spec}},
		}})
	}
	return &whole
}

func claimOfVolume(claims []corev1.PersistentVolumeClaim, name string) *corev1.PersistentVolumeClaim {
	for i := range claims {
		if claims[i].Name == name {
			return &claims[i]
		}
	}
	return nil
}

// withClaims names in a Pod of a StatefulSet the claims that are its own.
func withClaims(set *appsv1.StatefulSet, volumes []corev1.Volume, ordinal int) []corev1.Volume {
	claims := set.Spec.VolumeClaimTemplates
	if len(claims) == 0 {
		return volumes
	}
	volumes = slices.DeleteFunc(slices.Clone(volumes), func(v corev1.Volume) bool { return claimOfVolume(claims, v.Name) != nil })
	for i := range claims {
		volumes = append(volumes, corev1.Volume{Name: claims[i].Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: replicaClaim(claims[i].Name, set.Name, ordinal)},
		}})
	}
	return volumes
}

// putReplicaClaim mounts the volume of a replica's own claim. Swarm expands templates in the options and labels of volumes,
// too.
func (p *putter) putReplicaClaim(at *field.Path, vm *corev1.VolumeMount, name string, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) {
	claim.Namespace, claim.Name = p.id.Namespace, name+"-"+p.id.podName()
	driver, options := DriverOf(class, claim)
	for k, v := range options {
		options[k] = render(v)
	}
	volume := &ClaimedVolume{
		Name: p.id.Namespace + "_" + claim.Name, Driver: driver, Options: options,
		Labels: map[string]string{LabelKind: kindClaim, LabelName: render(claim.Name), LabelStack: p.id.Namespace, LabelUID: AnyUID},
	}
	p.putMount(at, vm, volume.mount(false))
}

// putReplicaPins has all Pods of a StatefulSet run where the first one's volumes are.
func (p *putter) putReplicaPins(place *swarm.Placement) {
	if p.id.First == nil {
		return
	}
	for _, name := range p.id.Claims {
		v := p.src.Claim(p.id.Namespace, replicaClaim(name, p.id.Name, int(*p.id.First)))
		if v == nil {
			continue
		}
		for _, c := range v.Placement {
			if !slices.Contains(place.Constraints, c) {
				place.Constraints = append(place.Constraints, c)
			}
		}
	}
}

// unplaced says whether a StatefulSet's Pods have claims whose volumes are to be on the node of the first one, which is not
// known yet.
func unplaced(src Sources, set *appsv1.StatefulSet) bool {
	for i := range set.Spec.VolumeClaimTemplates {
		claim := &set.Spec.VolumeClaimTemplates[i]
		if v := src.Claim(set.Namespace, replicaClaim(claim.Name, set.Name, int(firstOrdinal(set)))); v != nil && v.Bound {
			continue
		}
		if class := src.StorageClass(ClassOf(claim)); class == nil || classOnOneNode(class, claim) {
			return true
		}
	}
	return false
}

func classOnOneNode(class *storagev1.StorageClass, claim *corev1.PersistentVolumeClaim) bool {
	driver, options := DriverOf(class, claim)
	attributes := withEntry(options, paramDriver, driver)
	if scope := class.Parameters[paramScope]; scope != "" {
		attributes[paramScope] = scope
	}
	return OnOneNode(attributes)
}

// holdReplicas gives a StatefulSet one Pod until it is known on which node the volumes of all are to be, and then as many
// as it asks for. Who scales it by Docker's means has decided.
func holdReplicas(src Sources, spec *swarm.ServiceSpec, object Object) {
	set, ok := object.(*appsv1.StatefulSet)
	if !ok || spec.Mode.Replicated == nil || len(set.Spec.VolumeClaimTemplates) == 0 {
		return
	}
	want := uint64(replicasOr1(set.Spec.Replicas))
	n := replicasOf(spec)
	_, held := spec.Labels[LabelHeld]
	switch waits := want > 1 && unplaced(src, set); {
	case held && n != nil && *n != 1 && *n != want:
		spec.Labels = maps.Clone(spec.Labels)
		delete(spec.Labels, LabelHeld)
	case waits && (held || n != nil && *n == want):
		spec.Labels = withEntry(spec.Labels, LabelHeld, "true")
		setReplicas(spec, 1)
	case held && !waits:
		spec.Labels = maps.Clone(spec.Labels)
		delete(spec.Labels, LabelHeld)
		setReplicas(spec, want)
	}
}

// replicaWarnings tell of a StatefulSet whose Pods are kept together by their volumes.
func replicaWarnings(src Sources, set *appsv1.StatefulSet) []string {
	if replicasOr1(set.Spec.Replicas) < 2 {
		return nil
	}
	for i := range set.Spec.VolumeClaimTemplates {
		claim := &set.Spec.VolumeClaimTemplates[i]
		if class := src.StorageClass(ClassOf(claim)); class != nil && classOnOneNode(class, claim) {
			return []string{field.NewPath("spec", "volumeClaimTemplates").Index(i).String() +
				": volumes of StorageClass " + strconv.Quote(class.Name) + " are each on one node, and Swarm keeps no replica on a node of its own: all Pods run on the node of the first one"}
		}
	}
	return nil
}
