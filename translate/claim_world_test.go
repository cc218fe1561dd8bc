package translate

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// Claim gives each claim a volume of its own, as if it waited for its first Pod.
func (s sources) Claim(namespace, name string) *ClaimedVolume {
	claim := s.claims[name]
	if claim == nil {
		return nil
	}
	claim = claim.DeepCopy()
	claim.Namespace = namespace
	return ResolveClaim(claim, s.volumes[claim.Spec.VolumeName], s.StorageClass(ClassOf(claim)), namespace)
}

func (s sources) StorageClass(name string) *storagev1.StorageClass {
	for _, c := range BuiltinClasses() {
		if c.Name == name || name == "" && IsDefaultClass(c) {
			return c
		}
	}
	return s.classes[name]
}

// Claim of a Swarm in which all is docker's own: there is one volume whose name is one in Kubernetes, too. The others
// are told by AnnotationVolumes.
func (native) Claim(_, name string) *ClaimedVolume {
	if name != "data" {
		return nil
	}
	return &ClaimedVolume{Name: name}
}

func (w *fakeWorld) Claim(namespace, name string) *ClaimedVolume {
	claim := &corev1.PersistentVolumeClaim{}
	if !w.read(Identity{kindClaim, namespace, name}, claim) {
		return nil
	}
	var volume *corev1.PersistentVolume
	for id := range w.configs {
		pv := &corev1.PersistentVolume{}
		if c := w.configs[id]; c.Spec.Labels[LabelKind] == kindVolume && readDocument(w, c, pv) == nil &&
			(claim.Spec.VolumeName == pv.Name || claim.Spec.VolumeName == "" && BoundTo(pv, claim)) {
			volume = pv
		}
	}
	var class *storagev1.StorageClass
	if of := ClassOf(claim); of != "" {
		class = w.StorageClass(of)
	}
	return ResolveClaim(claim, volume, class, w.Stack(namespace))
}

func (w *fakeWorld) StorageClass(name string) *storagev1.StorageClass {
	var all []*storagev1.StorageClass
	for _, c := range w.configs {
		class := &storagev1.StorageClass{}
		if c.Spec.Labels[LabelKind] != "StorageClass" || readDocument(w, c, class) != nil {
			continue
		}
		if class.Name == name {
			return class
		}
		all = append(all, class)
	}
	if name != "" {
		return nil
	}
	return DefaultClass(all)
}

func (w *fakeWorld) held(name string) bool {
	for _, c := range w.configs {
		claim, pv := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}
		switch c.Spec.Labels[LabelKind] {
		case kindClaim:
			if readDocument(w, c, claim) == nil && VolumeNameOf(claim) == name {
				return true
			}
		case kindVolume:
			if readDocument(w, c, pv) == nil && VolumeHandle(pv) == name {
				return true
			}
		}
	}
	return false
}

func (w *fakeWorld) VolumeTaken(name string) bool {
	for _, v := range w.volumes {
		if v.Volume.Name == name {
			return true
		}
	}
	return w.held(name)
}

func (w *fakeWorld) DockerVolume(id string) *DockerVolume {
	v := w.volumes[id]
	if v == nil || w.held(v.Volume.Name) {
		return nil
	}
	return v
}
