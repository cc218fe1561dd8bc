package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"skep/translate"
)

// manifestStack is a stack on its way from manifests, and what their workloads refer to.
type manifestStack struct {
	*manifestReader
	stack      *Stack
	keys       map[string]map[string]bool // taken, by section
	volumeKeys map[string]int             // indices of the stack's volumes, by Docker's names
	trueNames  map[string]string          // the volumes of the workload that is being read, by their claims
}

var _ translate.Sources = (*manifestStack)(nil)

// ConfigMap implements translate.Sources.
func (m *manifestStack) ConfigMap(namespace, name string) *corev1.ConfigMap {
	if g := m.configs[translate.Key{Namespace: namespace, Name: name}]; g != nil {
		g.used = true
		return g.object
	}
	return nil
}

// Secret implements translate.Sources.
func (m *manifestStack) Secret(namespace, name string) *corev1.Secret {
	if g := m.secrets[translate.Key{Namespace: namespace, Name: name}]; g != nil {
		g.used = true
		return g.object
	}
	return nil
}

// NativeConfig implements translate.Sources: each key of a ConfigMap that is mounted is a config of the stack. One that was
// not given is Docker's own by that name, if it can be.
func (m *manifestStack) NativeConfig(namespace, name, key string) string {
	cm := m.ConfigMap(namespace, name)
	if cm == nil {
		return m.outside(&m.stack.Configs, "configs", name, key)
	}
	data, ok := cm.BinaryData[key]
	if text, is := cm.Data[key]; is {
		data, ok = []byte(text), true
	}
	if !ok || len(data) == 0 {
		return "" // Swarm has no empty ones
	}
	return m.mounted(&m.stack.Configs, "configs", cm, key, data, len(cm.Data)+len(cm.BinaryData))
}

// NativeSecret implements translate.Sources.
func (m *manifestStack) NativeSecret(namespace, name, key string) string {
	s := m.Secret(namespace, name)
	if s == nil {
		return m.outside(&m.stack.Secrets, "secrets", name, key)
	}
	if len(s.Data[key]) == 0 {
		return ""
	}
	return m.mounted(&m.stack.Secrets, "secrets", s, key, s.Data[key], len(s.Data))
}

// mounted takes a key's data into the stack, and returns the name that it has in the Swarm. Alone in its object it goes by
// the object's name.
func (m *manifestStack) mounted(list *[]File, section string, object translate.Object, key string, data []byte, all int) string {
	id := "skep/read:" + object.GetNamespace() + "/" + object.GetName() + "/" + key
	for _, have := range *list {
		if have.Labels[id] != "" {
			return have.Name
		}
	}
	name := object.GetName()
	switch from, ok := strings.CutPrefix(object.GetAnnotations()[AnnotationFrom], section+"."); {
	case all == 1 && ok:
		name = from
	case all > 1:
		name += "-" + key
	}
	f := File{Key: m.take(section, name), Data: data, Labels: map[string]string{id: "x"}}
	f.Name = m.stack.scoped(f.Key)
	if section == "secrets" && string(data) == placeholder {
		f.Data, f.Unknown = nil, true
		m.findings = append(m.findings, Finding{Fate: Approximated, Path: "secrets." + f.Key, Decide: true, Message: "its data is a placeholder: fill in " + dataPath(section, f.Key)})
	}
	*list = append(*list, f)
	return f.Name
}

// outside is Docker's own config or secret that a ConfigMap's key stands for: skep shows it by its name as a DNS label, with
// its own name for a key.
func (m *manifestStack) outside(list *[]File, section, name, key string) string {
	if translate.DNSName(key) != name {
		return ""
	}
	if !slices.ContainsFunc(*list, func(f File) bool { return f.Name == key }) {
		*list = append(*list, File{Key: m.take(section, key), Name: key, External: true, Unknown: true})
	}
	return key
}

// maxFileName is how long Swarm lets the name of a config or secret be.
const maxFileName = 64

// take gives a name's key in a section.
func (m *manifestStack) take(section, name string) string {
	if m.keys[section] == nil {
		m.keys[section] = map[string]bool{}
	}
	if room := maxFileName - len(m.stack.scoped("")); (section == "configs" || section == "secrets") && len(name) > room {
		sum := sha256.Sum256([]byte(name))
		const tail = 9
		name = strings.TrimRight(name[:max(1, room-tail)], "-._") + "-" + hex.EncodeToString(sum[:4])
	}
	return freeKey(name, m.keys[section])
}

// Claim implements translate.Sources.
func (m *manifestStack) Claim(namespace, name string) *translate.ClaimedVolume {
	g := m.claims[translate.Key{Namespace: namespace, Name: name}]
	if g == nil {
		if m.trueNames[name] != "" {
			return nil // the template itself says which
		}
		return &translate.ClaimedVolume{Name: name}
	}
	g.used = true
	claim := g.object
	pv := m.volumes[claim.Spec.VolumeName]
	if pv != nil {
		pv = pv.DeepCopy()
		pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: namespace, Name: name}
	}
	v := translate.ResolveClaim(claim, pv, m.StorageClass(translate.ClassOf(claim)), m.stack.Name)
	if v == nil {
		v = &translate.ClaimedVolume{}
	}
	if v.Path != "" {
		return v // a path of the node
	}
	own := Volume{Driver: v.Driver, Options: v.Options, Name: claim.Annotations[translate.AnnotationVolume], Labels: maps.Clone(claim.Labels)}
	if own.Labels[LabelManagedBy] == managedBy {
		withoutConverters(own.Labels)
	}
	key := name
	if from, ok := strings.CutPrefix(claim.Annotations[AnnotationFrom], "volumes."); ok {
		key = from
	}
	if own.Driver == "local" && len(own.Options) == 0 {
		own.Driver = ""
	}
	if own.Name == "" {
		own.Name = m.stack.scoped(key)
	}
	m.volume(own, key)
	return &translate.ClaimedVolume{Name: own.Name}
}

// volume takes a volume into the stack, once.
func (m *manifestStack) volume(v Volume, key string) {
	if _, have := m.volumeKeys[v.Name]; have {
		return
	}
	m.volumeKeys[v.Name] = len(m.stack.Volumes)
	v.Key = m.take("volumes", key)
	m.stack.Volumes = append(m.stack.Volumes, v)
}

// StorageClass implements translate.Sources. What was not given makes volumes of the node, as Docker does by itself.
func (m *manifestStack) StorageClass(name string) *storagev1.StorageClass {
	for _, class := range m.classes {
		if class.Name == name || name == "" && class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			return class
		}
	}
	return &storagev1.StorageClass{ObjectMeta: newMeta(name), Provisioner: translate.StorageProvisioner}
}

// Digest implements translate.Sources. Nothing is named by it here: see NativeSecret.
func (m *manifestStack) Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Networking implements translate.Sources. A stack file is for an Engine of today.
func (m *manifestStack) Networking() translate.Networking {
	n := translate.DefaultNetworking
	n.QuickHealth = true
	return n
}

// leftOver tells what nothing uses, and takes out what only served to tell objects apart.
func (m *manifestStack) leftOver() {
	for _, k := range slices.SortedFunc(maps.Keys(m.configs), byKey) {
		if g := m.configs[k]; !g.used {
			m.unused("ConfigMap", k, g.at)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(m.secrets), byKey) {
		if g := m.secrets[k]; !g.used {
			m.unused("Secret", k, g.at)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(m.claims), byKey) {
		if g := m.claims[k]; !g.used {
			m.unused("PersistentVolumeClaim", k, g.at)
		}
	}
	for _, g := range m.services {
		if !g.used {
			m.findings = append(m.findings, Finding{
				Fate: Refused, File: g.at.File, Line: g.at.Line, Path: "Service/" + g.object.Name,
				Message: "selects nothing that was given: in a stack only a service has a name; for what is outside of the Swarm use extra_hosts",
			})
		}
	}
	for _, part := range m.stack.parts() {
		for i := range part.files {
			part.files[i].Labels = nil
		}
	}
}

func byKey(a, b translate.Key) int {
	return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
}

func (m *manifestStack) unused(kind string, k translate.Key, at Place) {
	m.findings = append(m.findings, Finding{
		Fate: Meaningless, File: at.File, Line: at.Line, Path: kind + "/" + k.Name, Message: "nothing that was given uses it, so it is left out",
	})
}
