package translate

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	storageutil "k8s.io/kubernetes/pkg/apis/storage/util"
	storagedefaults "k8s.io/kubernetes/pkg/apis/storage/v1"
)

// A StorageClass of skep's provisioner is a volume driver with its options.
const (
	// StorageProvisioner makes a Docker volume for each claim. It is the driver of its PersistentVolumes, too, so the
	// name has to be one that a CSI driver may have.
	StorageProvisioner = "docker-volume.skep.io"
	// NoProvisioner is Kubernetes' own name for: there is what there is.
	NoProvisioner = "kubernetes.io/no-provisioner"
	// StorageClassLocal is the default class: Docker's own driver, on the disk of the node that runs the first Pod.
	StorageClassLocal = "local"
	// StorageClassDocker is the class of the volumes that were made by Docker's means.
	StorageClassDocker = "docker"

	// paramDriver names the volume driver; all other parameters are its options, as after docker volume create --opt.
	paramDriver = "driver"
	// paramScope says whether a plug-in's volumes are on one node (local) or can be had on every one (global).
	paramScope = "skep.io/scope"

	driverLocal = "local"
	scopeLocal  = "local"
)

// StorageClasses pairs StorageClasses with documents.
var StorageClasses = Documents{
	Of: "StorageClass", New: func() Object { return &storagev1.StorageClass{} },
	Default: func(o Object) { storagedefaults.SetObjectDefaults_StorageClass(o.(*storagev1.StorageClass)) },
}

// BuiltinClasses are the StorageClasses that are there from the start.
func BuiltinClasses() []*storagev1.StorageClass {
	return []*storagev1.StorageClass{
		{
			ObjectMeta:           metav1.ObjectMeta{Name: StorageClassLocal, Annotations: map[string]string{storageutil.IsDefaultStorageClassAnnotation: "true"}},
			Provisioner:          StorageProvisioner,
			Parameters:           map[string]string{paramDriver: driverLocal},
			ReclaimPolicy:        new(corev1.PersistentVolumeReclaimDelete),
			VolumeBindingMode:    new(storagev1.VolumeBindingWaitForFirstConsumer),
			AllowVolumeExpansion: new(true),
		},
		{
			ObjectMeta:        metav1.ObjectMeta{Name: StorageClassDocker},
			Provisioner:       NoProvisioner,
			ReclaimPolicy:     new(corev1.PersistentVolumeReclaimRetain),
			VolumeBindingMode: new(storagev1.VolumeBindingImmediate),
		},
	}
}

func waitsForConsumer(class *storagev1.StorageClass) bool {
	return class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
}

// IsDefaultClass says whether claims without a class get this one.
func IsDefaultClass(class *storagev1.StorageClass) bool {
	return class.Annotations[storageutil.IsDefaultStorageClassAnnotation] == "true"
}

// DefaultClass is the class that claims without one get: of several the newest, as Kubernetes has it. nil for none.
func DefaultClass(classes []*storagev1.StorageClass) *storagev1.StorageClass {
	var best *storagev1.StorageClass
	for _, c := range classes {
		if !IsDefaultClass(c) {
			continue
		}
		if best == nil || best.CreationTimestamp.Before(&c.CreationTimestamp) ||
			best.CreationTimestamp.Equal(&c.CreationTimestamp) && c.Name < best.Name {
			best = c
		}
	}
	return best
}

// DriverOf is the volume driver that a class means, with its options for a claim.
func DriverOf(class *storagev1.StorageClass, claim *corev1.PersistentVolumeClaim) (driver string, options map[string]string) {
	driver, options = driverOf(class.Parameters)
	size := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	// The names are those of csi-driver-nfs.
	values := strings.NewReplacer(
		"${pvc.metadata.name}", claim.Name, "${pvc.metadata.namespace}", claim.Namespace,
		"${pv.metadata.name}", "pvc-"+string(claim.UID), "${pvc.size}", strconv.FormatInt(size.Value(), 10),
	)
	for k, v := range options {
		options[k] = values.Replace(v)
	}
	if len(class.MountOptions) > 0 && driver == driverLocal {
		options = withMountOptions(options, class.MountOptions)
	}
	return driver, options
}

// driverOf reads the parameters of a class, or the attributes of a volume.
func driverOf(parameters map[string]string) (driver string, options map[string]string) {
	driver = parameters[paramDriver]
	if driver == "" {
		driver = driverLocal
	}
	options = maps.Clone(parameters)
	maps.DeleteFunc(options, func(k, _ string) bool { return reservedOption(k) })
	if len(options) == 0 {
		options = nil
	}
	return driver, options
}

// withMountOptions adds options of mount(8) to those of the local driver.
func withMountOptions(options map[string]string, more []string) map[string]string {
	all := slices.Clone(more)
	if o := options["o"]; o != "" {
		all = append([]string{o}, more...)
	}
	return withEntry(options, "o", strings.Join(all, ","))
}

// networkTypes are the file systems that every node can mount.
var networkTypes = []string{"nfs", "nfs4", "cifs", "smb", "smb3", "ceph", "glusterfs", "fuse.glusterfs", "lustre"}

// OnOneNode says whether the volumes of a driver with these parameters are each on one node.
func OnOneNode(parameters map[string]string) bool {
	driver, options := driverOf(parameters)
	if driver == driverLocal {
		return !slices.Contains(networkTypes, strings.ToLower(options["type"]))
	}
	return parameters[paramScope] == scopeLocal
}

// limitsSize says whether a driver is told how large its volumes may become.
func limitsSize(driver string, options map[string]string) bool {
	return driver != driverLocal || options["size"] != "" || strings.Contains(options["o"], "size=")
}
