package compose

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"skep/translate"
)

// maxData is what Kubernetes takes in a ConfigMap or Secret (validation.MaxConfigMapSize is a MiB for all keys); Swarm
// takes less in one config: see translate/files.go.
const maxData = 500*1024 - 1

// placeholder stands where a secret's data is not known.
const placeholder = "FILL-IN"

// Docker's places and mode for configs and secrets.
const (
	secretsDir      = "/run/secrets"
	defaultFileMode = 0o444
)

// stored makes ConfigMaps and Secrets of the stack's configs and secrets.
func (c *converter) stored() {
	for i := range c.stack.Configs {
		c.store("ConfigMap", "configs.", &c.stack.Configs[i], func(m metav1.ObjectMeta, key string, data []byte) translate.Object {
			object := &corev1.ConfigMap{ObjectMeta: m}
			setData(object, key, data)
			return object
		})
	}
	for i := range c.stack.Secrets {
		c.store("Secret", "secrets.", &c.stack.Secrets[i], func(m metav1.ObjectMeta, key string, data []byte) translate.Object {
			return &corev1.Secret{ObjectMeta: m, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{key: data}}
		})
	}
}

// store makes the object of a config or secret, or says which has to be there.
func (c *converter) store(kind, list string, f *File, object func(m metav1.ObjectMeta, key string, data []byte) translate.Object) {
	at := list + f.Key
	name := c.fileName(kind, f, at)
	switch {
	case f.External:
		c.external(kind, name)
		c.decide(Approximated, at, "it is made elsewhere: there has to be a %s %q with the key %q", kind, name, fileKey(f))
	case !c.tooBig(f, at):
		m := newMeta(name)
		m.Labels = withoutDocker(first(splitLabels(f.Labels)))
		c.add(object(m, fileKey(f), c.dataOf(kind, name, f, at)), at)
	}
}

// fileName is the name of the ConfigMap or Secret of a config or secret.
func (c *converter) fileName(kind string, f *File, at string) string {
	if f.External {
		return translate.DNSName(f.Name) // as skep shows what Docker has
	}
	name := c.names.take(kind, f.Key, at)
	return name
}

// fileKey is the key of a config's data: what skep shows of Docker's own has the Swarm's name.
func fileKey(f *File) string {
	key := f.Key
	if f.External {
		key = f.Name
	}
	if len(validation.IsConfigMapKey(key)) > 0 {
		return label(key)
	}
	return key
}

// dataOf is what a file holds; a marked placeholder where nobody can know.
func (c *converter) dataOf(kind, name string, f *File, at string) []byte {
	switch {
	case f.Driver != "":
		c.decide(Refused, at+".driver", "Kubernetes asks no driver for a Secret's data: fill it in, or have an operator write it (External Secrets, a CSI secret store)")
	case f.Unknown: // whoever read the stack has said why
	case f.Template != "" && strings.Contains(string(f.Data), "{{"):
		c.decide(Refused, at+".template_driver", "Kubernetes fills in no templates: write the values in, or have an init container do it")
		return f.Data
	default:
		return f.Data
	}
	c.fill(kind, name, fileKey(f), "not known")
	return []byte(placeholder)
}

func (c *converter) tooBig(f *File, at string) bool {
	if len(f.Data) > maxData {
		c.find(Refused, at, "it has %d bytes, and at most %d fit: put it into an image or on a volume", len(f.Data), maxData)
		return true
	}
	return false
}

// setData puts data into a ConfigMap, as text where it is text.
func setData(m *corev1.ConfigMap, key string, data []byte) {
	if utf8.Valid(data) && !strings.ContainsRune(string(data), 0) {
		if m.Data == nil {
			m.Data = map[string]string{}
		}
		m.Data[key] = string(data)
		return
	}
	if m.BinaryData == nil {
		m.BinaryData = map[string][]byte{}
	}
	m.BinaryData[key] = data
}

// files mounts a service's configs and secrets, each as the one file that it is: what lies beside it stays.
func (c *converter) files(w *workload) {
	for i, ref := range w.service.File.Configs {
		c.file(w, fmt.Sprintf("%s.configs[%d]", w.at, i), false, types.FileReferenceConfig(ref))
	}
	for i, ref := range w.service.File.Secrets {
		c.file(w, fmt.Sprintf("%s.secrets[%d]", w.at, i), true, types.FileReferenceConfig(ref))
	}
}

func (c *converter) file(w *workload, at string, secret bool, ref types.FileReferenceConfig) {
	list, kind, from, dir := c.stack.Configs, "ConfigMap", "configs.", "/"
	if secret {
		list, kind, from, dir = c.stack.Secrets, "Secret", "secrets.", secretsDir
	}
	i := slices.IndexFunc(list, func(f File) bool { return f.Key == ref.Source })
	if i < 0 {
		c.find(Refused, at, "there is no %s%s in the file", from, ref.Source)
		return
	}
	f := &list[i]
	if len(f.Data) > maxData {
		return // told where it is
	}
	target := either(ref.Target, ref.Source)
	if !path.IsAbs(target) {
		target = path.Join(dir, target)
	}
	target = path.Clean(target)
	if strings.Contains(target, ":") || target == "/" {
		c.find(Refused, at, "Kubernetes takes no mount path %q: an absolute path without a colon", target)
		return
	}
	mode := int32(defaultFileMode)
	if ref.Mode != nil {
		mode = int32(*ref.Mode) & 0o777
	}
	name, base := c.fileName(kind, f, from+f.Key), path.Base(target)
	items := []corev1.KeyToPath{{Key: fileKey(f), Path: base}}
	v := corev1.Volume{Name: label("secret-" + f.Key)}
	if secret {
		v.Secret = &corev1.SecretVolumeSource{SecretName: name, Items: items, DefaultMode: &mode}
	} else {
		v.Name = label("config-" + f.Key)
		v.ConfigMap = &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: items, DefaultMode: &mode}
	}
	w.mount(v, corev1.VolumeMount{MountPath: target, SubPath: base, ReadOnly: true})
	if owner := ref.UID + ref.GID; strings.Trim(owner, "0") != "" {
		c.find(Approximated, at, "Kubernetes gives a file to root: its mode %04o lets the container's user read it or not; fsGroup can give it a group", mode)
	}
}

// Files of a project that become a ConfigMap when they are mounted.
const maxMapFiles = 64

// projectBind mounts a relative path out of ConfigMaps that hold its files; false where they cannot.
func (c *converter) projectBind(w *workload, at, source string, m corev1.VolumeMount) bool {
	if clean := path.Clean(source); c.options.Project == nil || strings.HasPrefix(source, "~") || clean == "." || strings.HasSuffix(clean, "..") {
		return false // the whole project is more than anyone means to publish
	}
	files, found, err := c.options.Project.Read(source)
	if err != nil {
		c.find(Approximated, at, "%v", err)
	}
	if !found || err != nil || len(files) == 0 || len(files) > maxMapFiles {
		return false
	}
	size := 0
	for name, data := range files {
		size += len(data)
		if name != "" && len(validation.IsConfigMapKey(keyOf(name))) > 0 {
			return false
		}
	}
	if size > maxData {
		return false
	}
	c.projectMap(w, at, source, files, m)
	return true
}

// keyOf is the ConfigMap key for a file below a directory.
func keyOf(name string) string { return strings.ReplaceAll(name, "/", "__") }

// projectMap mounts the ConfigMap of a file or directory of the project.
func (c *converter) projectMap(w *workload, at, source string, files map[string][]byte, m corev1.VolumeMount) {
	clean := path.Clean(source)
	name := c.names.take("ConfigMap", either(label(strings.Trim(path.Base(clean), "./")), "files"), "file:"+clean)
	if _, single := files[""]; single {
		files = map[string][]byte{path.Base(clean): files[""]}
		if len(validation.IsConfigMapKey(path.Base(clean))) > 0 {
			files = map[string][]byte{"file": files[path.Base(clean)]}
		}
		m.SubPath = path.Base(m.MountPath)
	}
	volume := &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}
	object := &corev1.ConfigMap{ObjectMeta: newMeta(name)}
	for _, file := range sortedKeys(files) {
		setData(object, keyOf(file), files[file])
		p := file
		if m.SubPath != "" {
			p = m.SubPath
		}
		if p != keyOf(file) || m.SubPath != "" {
			volume.Items = append(volume.Items, corev1.KeyToPath{Key: keyOf(file), Path: p})
		}
	}
	if len(volume.Items) > 0 && len(volume.Items) < len(files) { // all of them, or none
		volume.Items = nil
		for _, file := range sortedKeys(files) {
			volume.Items = append(volume.Items, corev1.KeyToPath{Key: keyOf(file), Path: file})
		}
	}
	if !m.ReadOnly {
		c.find(Approximated, at, "its files are in the ConfigMap %q, which a container can read and not write", name)
	}
	m.ReadOnly = true
	w.mount(corev1.Volume{Name: label("files-" + name), VolumeSource: corev1.VolumeSource{ConfigMap: volume}}, m)
	if !slices.ContainsFunc(c.result.Objects, func(o translate.Object) bool {
		have, ok := o.(*corev1.ConfigMap)
		return ok && have.Name == name
	}) {
		c.add(object, at)
	}
}
