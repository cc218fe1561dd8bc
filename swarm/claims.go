package swarm

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/klog/v2"

	"skep/translate"
)

// provisions are what claims are made of: the documents of three kinds, read, and the engines' volumes. They are guarded by
// the mirror's lock.
type provisions struct {
	claims  map[translate.Key]*corev1.PersistentVolumeClaim
	volumes map[string]*corev1.PersistentVolume
	classes map[string]*storagev1.StorageClass
	// docker are the volumes that engines have, by translate.VolumeGroupID.
	docker map[string]*translate.DockerVolume
	// held counts the claims and PersistentVolumes of a Docker volume, by its name.
	held map[string]int
	// known counts the nodes that have a Docker volume, by its name.
	known map[string]int
}

func newProvisions() provisions {
	return provisions{
		claims: map[translate.Key]*corev1.PersistentVolumeClaim{}, volumes: map[string]*corev1.PersistentVolume{},
		classes: map[string]*storagev1.StorageClass{}, docker: map[string]*translate.DockerVolume{},
		held: map[string]int{}, known: map[string]int{},
	}
}

// take enters a document in place of an earlier version; either may be nil.
func (s *provisions) take(old, now *swarm.Config, touched dirty) {
	if old != nil {
		s.enter(old, true, touched)
	}
	if now != nil {
		s.enter(now, false, touched)
	}
}

// enter takes a document in, or out again.
func (s *provisions) enter(c *swarm.Config, out bool, touched dirty) {
	switch c.Spec.Labels[translate.LabelKind] {
	case "PersistentVolumeClaim":
		if claim := readStored(c, &corev1.PersistentVolumeClaim{}); claim != nil {
			keep(s.claims, translate.KeyOf(claim), claim, out)
			s.hold(translate.VolumeNameOf(claim), out, touched)
		}
	case "PersistentVolume":
		if pv := readStored(c, &corev1.PersistentVolume{}); pv != nil {
			keep(s.volumes, pv.Name, pv, out)
			s.hold(translate.VolumeHandle(pv), out, touched)
		}
	case "StorageClass":
		if class := readStored(c, &storagev1.StorageClass{}); class != nil {
			keep(s.classes, class.Name, class, out)
		}
	}
}

// readStored decodes a document; nil where it cannot be read, which its view tells.
func readStored[T any](c *swarm.Config, into *T) *T {
	if json.Unmarshal([]byte(c.Spec.Labels[translate.LabelObject]), into) != nil {
		return nil
	}
	return into
}

func keep[K comparable, V any](m map[K]V, k K, v V, out bool) {
	if out {
		delete(m, k)
	} else {
		m[k] = v
	}
}

// hold counts who has a Docker volume, and has it looked at again: it shows by itself while nobody has.
func (s *provisions) hold(name string, out bool, touched dirty) {
	if name == "" {
		return
	}
	count(s.held, name, out)
	for id, v := range s.docker {
		if v.Volume.Name == name {
			touched.add(translate.GroupVolume, id)
		}
	}
}

func count(m map[string]int, name string, down bool) {
	if !down {
		m[name]++
	} else if m[name]--; m[name] <= 0 {
		delete(m, name)
	}
}

// setVolumes says which volumes a node's engine has.
func (m *Mirror) setVolumes(nodeID string, list []volume.Volume) {
	m.mu.Lock()
	defer m.mu.Unlock()
	touched, s := dirty{}, &m.provisions
	present := map[string]bool{}
	for i := range list {
		v := &list[i]
		if !translate.ShownVolume(v) {
			continue
		}
		id := translate.VolumeGroupID(nodeID, v.Name)
		present[id] = true
		switch old := s.docker[id]; {
		case old == nil:
			count(s.known, v.Name, false)
		case old.Volume.CreatedAt == v.CreatedAt && old.Volume.Driver == v.Driver && maps.Equal(old.Volume.Options, v.Options):
			continue
		}
		s.docker[id] = &translate.DockerVolume{NodeID: nodeID, Volume: v}
		touched.add(translate.GroupVolume, id)
	}
	for id, v := range s.docker {
		if v.NodeID == nodeID && !present[id] {
			delete(s.docker, id)
			count(s.known, v.Volume.Name, true)
			touched.add(translate.GroupVolume, id)
		}
	}
	if len(touched) > 0 {
		m.applyBatch(nil, touched)
	}
}

// touchVolumesOn has the volumes of a node looked at again: they show its name.
func (m *Mirror) touchVolumesOn(nodeID string, touched dirty) {
	for id, v := range m.provisions.docker {
		if v.NodeID == nodeID {
			touched.add(translate.GroupVolume, id)
		}
	}
}

// DockerVolume implements translate.World.
func (w world) DockerVolume(id string) *translate.DockerVolume {
	v := w.m.provisions.docker[id]
	if v == nil || w.m.provisions.held[v.Volume.Name] > 0 {
		return nil
	}
	return v
}

// VolumeTaken implements translate.World.
func (w world) VolumeTaken(name string) bool {
	return w.m.provisions.held[name] > 0 || w.m.provisions.known[name] > 0
}

// Claim implements translate.Sources.
func (w world) Claim(namespace, name string) *translate.ClaimedVolume {
	claim := w.m.provisions.claims[translate.Key{Namespace: namespace, Name: name}]
	if claim == nil {
		return nil
	}
	var class *storagev1.StorageClass
	if of := translate.ClassOf(claim); of != "" {
		class = w.m.provisions.classes[of]
	}
	return translate.ResolveClaim(claim, w.m.volumeFor(claim), class, w.Stack(namespace))
}

// volumeFor is the PersistentVolume that a claim has or is to have; nil for none that is there.
func (m *Mirror) volumeFor(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	if claim.Spec.VolumeName != "" {
		if pv := m.provisions.volumes[claim.Spec.VolumeName]; pv != nil {
			return pv
		}
		return nil
	}
	for _, pv := range m.provisions.volumes {
		if translate.BoundTo(pv, claim) {
			return pv
		}
	}
	return nil
}

// StorageClass implements translate.Sources.
func (w world) StorageClass(name string) *storagev1.StorageClass {
	if name != "" {
		return w.m.provisions.classes[name]
	}
	return translate.DefaultClass(slices.Collect(maps.Values(w.m.provisions.classes)))
}

// logVolumes says once in a while that a node's volumes are not known.
func logVolumes(node string, err error) {
	klog.V(2).InfoS("The volumes of a node are not known", "node", node, "err", err)
}
