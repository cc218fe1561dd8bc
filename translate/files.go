package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// SwarmKit's limits on the data of a config and of a secret (manager/controlapi/config.go,
// api/validation/secrets.go).
const (
	maxConfigData = 1000*1024 - 1
	maxSecretData = 500*1024 - 1
)

// materialPattern is a material's name. One that stands in a manifest is a reference to that very data.
var materialPattern = regexp.MustCompile(`^skep-[0-9a-f]{32,58}$`)

// materialName names data by its content. For secrets the hash is keyed.
func materialName(hash string) string { return "skep-" + hash[:min(len(hash), 58)] }

// filesOf lists what a ConfigMap, Secret or projected volume holds, in its order.
func (p *putter) filesOf(at *field.Path, src *corev1.VolumeSource) []file {
	switch {
	case src.ConfigMap != nil:
		cm := src.ConfigMap
		return p.files(volumeRef{name: cm.Name, items: cm.Items, optional: isTrue(cm.Optional), mode: cm.DefaultMode, user: cm.DefaultUser})
	case src.Secret != nil:
		s := src.Secret
		return p.files(volumeRef{secret: true, name: s.SecretName, items: s.Items, optional: isTrue(s.Optional), mode: s.DefaultMode, user: s.DefaultUser})
	}
	var out []file
	for i, s := range src.Projected.Sources {
		switch mode := src.Projected.DefaultMode; {
		case s.ConfigMap != nil:
			out = append(out, p.files(volumeRef{name: s.ConfigMap.Name, items: s.ConfigMap.Items, optional: isTrue(s.ConfigMap.Optional), mode: mode, user: src.Projected.DefaultUser})...)
		case s.Secret != nil:
			out = append(out, p.files(volumeRef{secret: true, name: s.Secret.Name, items: s.Secret.Items, optional: isTrue(s.Secret.Optional), mode: mode, user: src.Projected.DefaultUser})...)
		default:
			p.refuse(at.Child("projected", "sources").Index(i), "only ConfigMaps and Secrets can be projected into a plain task")
		}
	}
	return out
}

// volumeRef is what ConfigMap and Secret volumes, and their projections, have in common.
type volumeRef struct {
	secret   bool
	name     string
	items    []corev1.KeyToPath
	optional bool
	mode     *int32
	user     *int64
}

func (r volumeRef) kind() string {
	if r.secret {
		return "Secret"
	}
	return "ConfigMap"
}

func (p *putter) files(r volumeRef) []file {
	data, found := p.dataOf(r)
	items := r.items
	if len(items) == 0 {
		for _, key := range sortedKeys(data) {
			items = append(items, corev1.KeyToPath{Key: key, Path: key})
		}
		if !found && !r.optional {
			p.missing(r.kind(), r.name, "")
		}
	}
	var out []file
	for _, item := range items {
		f := file{path: item.Path, secret: r.secret, mode: 0o644}
		for _, mode := range []*int32{r.mode, item.Mode} {
			if mode != nil {
				f.mode = *mode
			}
		}
		f.user = first(item.User, r.user)
		var ok bool
		if f.data, ok = data[item.Key]; !ok {
			if f.native = p.nativeFile(r, item.Key); f.native == "" {
				p.missingKey(r, item.Key, found)
				continue
			}
		}
		if native := p.native(r, item.Key); native != "" {
			f.native = native
		}
		out = append(out, f)
	}
	return out
}

// missingKey reports the object where there is none, and the key where only that is missing.
func (p *putter) missingKey(r volumeRef, key string, found bool) {
	switch {
	case r.optional:
	case found:
		p.missing(r.kind(), r.name, key)
	default:
		p.missing(r.kind(), r.name, "")
	}
}

func (p *putter) dataOf(r volumeRef) (data map[string][]byte, found bool) {
	if r.secret {
		if s := p.src.Secret(p.id.Namespace, r.name); s != nil {
			return s.Data, true
		}
		return nil, false
	}
	cm := p.src.ConfigMap(p.id.Namespace, r.name)
	if cm == nil {
		return nil, false
	}
	data = make(map[string][]byte, len(cm.Data)+len(cm.BinaryData))
	for k, v := range cm.BinaryData {
		data[k] = v
	}
	for k, v := range cm.Data {
		data[k] = []byte(v)
	}
	return data, true
}

func (p *putter) native(r volumeRef, key string) string {
	if r.secret {
		return p.src.NativeSecret(p.id.Namespace, r.name, key)
	}
	return p.src.NativeConfig(p.id.Namespace, r.name, key)
}

// nativeFile also takes a material by its own name: that is how Get says one that somebody else mounted.
func (p *putter) nativeFile(r volumeRef, key string) string {
	if name := p.native(r, key); name != "" {
		return name
	}
	if key == r.name && materialPattern.MatchString(key) {
		return key
	}
	return ""
}

// putFile mounts one file and keeps its data for the caller to store.
func (p *putter) putFile(at *field.Path, target string, f file) {
	if f.native == "" && len(f.data) == 0 {
		// Swarm refuses empty configs and secrets; reading this finds nothing, too.
		p.spec.Mounts = append(p.spec.Mounts, mount.Mount{Type: mount.TypeBind, Source: emptyFile, Target: render(target), ReadOnly: true})
		return
	}
	uid, gid, mode := "0", "0", os.FileMode(f.mode).Perm()
	if f.user != nil {
		uid = strconv.FormatInt(*f.user, 10)
	}
	if sc := p.pod.SecurityContext; sc != nil && sc.FSGroup != nil {
		gid = strconv.FormatInt(*sc.FSGroup, 10)
		mode |= 0o440 // as the kubelet does for what is mounted read-only
	}
	name := f.native
	if name == "" {
		name = p.material(at, target, f, fmt.Sprintf("%s:%s:%o", uid, gid, mode))
	}
	if f.secret {
		p.spec.Secrets = append(p.spec.Secrets, &swarm.SecretReference{
			SecretName: name, File: &swarm.SecretReferenceFileTarget{Name: target, UID: uid, GID: gid, Mode: mode},
		})
		return
	}
	p.spec.Configs = append(p.spec.Configs, &swarm.ConfigReference{
		ConfigName: name, File: &swarm.ConfigReferenceFileTarget{Name: target, UID: uid, GID: gid, Mode: mode},
	})
}

// emptyFile stands in for a config or secret without data.
const emptyFile = "/dev/null"

func isEmptyFile(m mount.Mount) bool { return m.Type == mount.TypeBind && m.Source == emptyFile }

// material is the config or secret for a file. Owner and mode are part of its name: an engine keeps one
// file for each config of a container, and mounted twice it would have the mode of one place in both.
func (p *putter) material(at *field.Path, target string, f file, owner string) string {
	limit, hash := maxConfigData, ""
	named := append([]byte(owner+"\n"), f.data...)
	if f.secret {
		limit, hash = maxSecretData, p.src.Digest(named)
	} else {
		sum := sha256.Sum256(named)
		hash = hex.EncodeToString(sum[:])
	}
	if len(f.data) > limit {
		p.refuse(at, "%s has %d bytes, and Swarm takes at most %d: keep it in an image or on a volume", target, len(f.data), limit)
	}
	m := Material{Name: materialName(hash), Secret: f.secret, Data: f.data}
	for _, have := range p.plan.Materials {
		if have.Name == m.Name && have.Secret == m.Secret {
			return m.Name
		}
	}
	p.plan.Materials = append(p.plan.Materials, m)
	return m.Name
}
