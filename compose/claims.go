package compose

import (
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"skep/translate"
)

// claimName is the name of the claim for a volume.
func (c *converter) claimName(v *Volume) string {
	if v.External {
		return translate.DNSName(v.Name)
	}
	name := c.names.take("PersistentVolumeClaim", v.Key, "volumes."+v.Key)
	return name
}

// claims makes the claims of the stack's volumes, once it is known which services have them.
func (c *converter) claims() {
	for i := range c.stack.Volumes {
		v := &c.stack.Volumes[i]
		at := "volumes." + v.Key
		users := c.users(v)
		switch {
		case len(users) == 0:
			c.find(Meaningless, at, "no service mounts it")
		case v.External:
			c.external("PersistentVolumeClaim", c.claimName(v))
			c.decide(Approximated, at, "it is made elsewhere, and so is its claim: there has to be a claim %q", c.claimName(v))
		default:
			c.claim(v, at, users)
		}
	}
}

// users are the workloads that mount a volume's claim.
func (c *converter) users(v *Volume) []*workload {
	var all []*workload
	for _, w := range c.workloads {
		if slices.ContainsFunc(w.service.File.Volumes, func(have types.ServiceVolumeConfig) bool {
			return have.Source == v.Key && have.Type != types.VolumeTypeBind
		}) {
			all = append(all, w)
		}
	}
	return all
}

// claim makes the claim of a volume that services have.
func (c *converter) claim(v *Volume, at string, users []*workload) {
	source := c.sourceOf(users[0], v)
	if source.PersistentVolumeClaim == nil || strings.Contains(v.Name, "{{") {
		if source.HostPath != nil {
			c.find(Approximated, at, "a directory of the node, %s: it has to be on every node that the Pods may run on, or they have to stay on one", source.HostPath.Path)
		}
		return
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: newMeta(source.PersistentVolumeClaim.ClaimName)}
	claim.Labels = withoutDocker(first(splitLabels(v.Labels)))
	claim.Annotations = map[string]string{}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{c.access(v, at, users)}
	if c.options.StorageClass != "" {
		claim.Spec.StorageClassName = &c.options.StorageClass
	}
	if v.Name != v.Key || c.stack.Name == "" && v.Name != claim.Name {
		claim.Annotations[translate.AnnotationVolume] = v.Name // the volume that Docker has, with what is in it
	}
	switch kind := v.Options["type"]; {
	case strings.HasPrefix(kind, "nfs"):
		c.nfs(v, at, claim)
	case v.Driver != "" && v.Driver != "local":
		if claim.Spec.StorageClassName == nil {
			claim.Spec.StorageClassName = new(label(v.Driver))
		}
		c.decide(Approximated, at+".driver", "the claim asks for the StorageClass %q: make one for what the volume driver %q reached, or name another with --storage-class", *claim.Spec.StorageClassName, v.Driver)
	}
	if len(v.Options) > 0 && !strings.HasPrefix(v.Options["type"], "nfs") {
		c.find(Refused, at+".driver_opts", "a claim has no options of its own: put them into a StorageClass, and name it with --storage-class")
	}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: c.size(v, at)}
	c.add(claim, at)
}

// size is what a volume's claim asks for.
func (c *converter) size(v *Volume, at string) resource.Quantity {
	size := either(v.Labels["kompose.volume.size"], either(c.options.VolumeSize, defaultVolumeSize))
	quantity, err := resource.ParseQuantity(size)
	if err != nil || quantity.Sign() <= 0 {
		c.find(Refused, at, "%q is no size: a number with a unit, such as 1Gi; it is %s now", size, defaultVolumeSize)
		return resource.MustParse(defaultVolumeSize)
	}
	return quantity
}

func first[A, B any](a A, _ B) A { return a }

// access is how many nodes a claim is mounted on.
func (c *converter) access(v *Volume, at string, users []*workload) corev1.PersistentVolumeAccessMode {
	if strings.HasPrefix(v.Options["type"], "nfs") {
		return corev1.ReadWriteMany
	}
	several := len(users) > 1
	for _, w := range users {
		n := w.service.Spec.Mode.Replicated
		several = several || w.service.Spec.Mode.Global != nil || n != nil && n.Replicas != nil && *n.Replicas > 1
	}
	if several && (v.Driver == "" || v.Driver == "local") {
		c.find(Approximated, at, "several Pods have it, on several nodes perhaps; Docker gave each node a volume of its own by that name. "+
			"The claim is ReadWriteOnce, which keeps them on one node: take a class that can do ReadWriteMany, or a claim for each")
	}
	return corev1.ReadWriteOnce
}

// nfs makes the PersistentVolume of an NFS share, which its claim names.
func (c *converter) nfs(v *Volume, at string, claim *corev1.PersistentVolumeClaim) {
	server, options := "", []string(nil)
	for _, option := range strings.Split(v.Options["o"], ",") {
		switch text, is := strings.CutPrefix(option, "addr="); {
		case is:
			server = text
		case option != "" && option != "rw" && option != "ro":
			options = append(options, option)
		}
	}
	host, dir, found := strings.Cut(v.Options["device"], ":")
	if !found {
		host, dir = "", v.Options["device"]
	}
	server = either(server, host)
	if server == "" || !path.IsAbs(dir) {
		c.find(Refused, at+".driver_opts", "an NFS share has a server (o: addr=...) and an absolute path (device: :/path): it is an ordinary claim now")
		return
	}
	name := c.names.take("PersistentVolume", either(c.stack.Name, c.options.Namespace)+"-"+v.Key, at)
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}}}
	pv.Spec = corev1.PersistentVolumeSpec{
		Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(defaultVolumeSize)},
		AccessModes:                   claim.Spec.AccessModes,
		PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		MountOptions:                  options,
		PersistentVolumeSource: corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{
			Server: server, Path: path.Clean(dir), ReadOnly: slices.Contains(strings.Split(v.Options["o"], ","), "ro"),
		}},
	}
	delete(claim.Annotations, translate.AnnotationVolume)
	claim.Spec.StorageClassName, claim.Spec.VolumeName = new(""), name
	c.add(pv, at)
}
