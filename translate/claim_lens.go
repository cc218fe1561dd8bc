package translate

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coredefaults "k8s.io/kubernetes/pkg/apis/core/v1"
)

// PersistentVolumeClaims pairs claims with documents. What they are in the Swarm, the Pods that mount them make.
type PersistentVolumeClaims struct{}

var _ Lens = PersistentVolumeClaims{}

var claimDocuments = Documents{
	Of: kindClaim, New: func() Object { return &corev1.PersistentVolumeClaim{} },
	Default: func(o Object) {
		coredefaults.SetObjectDefaults_PersistentVolumeClaim(o.(*corev1.PersistentVolumeClaim))
	},
}

// Kind implements Lens.
func (PersistentVolumeClaims) Kind() string { return kindClaim }

// Groups implements Lens.
func (PersistentVolumeClaims) Groups() []GroupKind { return claimDocuments.Groups() }

// Get implements Lens.
func (PersistentVolumeClaims) Get(w World, g Group) []Derived { return claimDocuments.Get(w, g) }

// Put implements Lens. A new claim is told which Docker volume will be made for it: one of its own name, unless there
// is such a volume: what is in that is someone's, if only an earlier claim's that was to be kept.
func (PersistentVolumeClaims) Put(w World, g Group, old, object Object) (Plan, error) {
	claim := object.DeepCopyObject().(*corev1.PersistentVolumeClaim)
	name := ClaimVolumeName(claim.Namespace, claim.Name)
	switch {
	case old != nil:
		name = VolumeNameOf(old.(*corev1.PersistentVolumeClaim))
	case ofPod(claim):
		name = claim.Namespace + "_" + claim.Name // as putEphemeral says it
	case asksFor(w, claim, name):
		name = claim.Annotations[AnnotationVolume]
	case w.VolumeTaken(name):
		const enough = 8
		name = fit(name, name, maxVolumeName-enough-1) + "_" + string(claim.UID)[:min(enough, len(claim.UID))]
	}
	claim.Annotations = withEntry(claim.Annotations, AnnotationVolume, name)
	plan, err := claimDocuments.Put(w, g, old, claim)
	if err == nil && old == nil {
		plan.Warnings = claimWarnings(w, claim)
	}
	return plan, err
}

// volumeName is what Docker takes as a volume's name.
var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// asksFor says whether a new claim asks for a Docker volume by its name and may have it: one that its stack has, whose
// names begin so (Kubernetes' hold no underscore), or one that nobody has. own is the name that it would get.
func asksFor(w World, claim *corev1.PersistentVolumeClaim, own string) bool {
	asked := claim.Annotations[AnnotationVolume]
	if !volumeName.MatchString(asked) || len(asked) > maxVolumeName {
		return false
	}
	return asked == own || strings.HasPrefix(asked, claim.Namespace+"_") || strings.HasPrefix(asked, w.Stack(claim.Namespace)+"_") || !w.VolumeTaken(asked)
}

// ofPod tells the claim of a Pod's ephemeral volume. Its volume may be there before it is.
func ofPod(claim *corev1.PersistentVolumeClaim) bool {
	owner := metav1.GetControllerOf(claim)
	return owner != nil && owner.Kind == "Pod"
}

// Remove implements Lens.
func (PersistentVolumeClaims) Remove(w World, g Group, old Object) (Plan, error) {
	return claimDocuments.Remove(w, g, old)
}

// claimWarnings are what a claim asks for and its class does not give.
func claimWarnings(w World, claim *corev1.PersistentVolumeClaim) []string {
	class := w.StorageClass(ClassOf(claim))
	if ClassOf(claim) == "" || class == nil || class.Provisioner != StorageProvisioner {
		return nil
	}
	driver, options := DriverOf(class, claim)
	if limitsSize(driver, options) {
		return nil
	}
	return []string{fmt.Sprintf("spec.resources.requests.storage: kept and reported; volumes of the driver %q (StorageClass %q) may fill the disk that they are on", driver, class.Name)}
}
