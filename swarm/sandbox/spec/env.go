package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	corev1 "k8s.io/api/core/v1"
	envfile "k8s.io/kubernetes/pkg/kubelet/util/env"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// environ is a container's environment: each name once, in the order of their first setting.
type environ struct {
	names  []string
	values map[string]string
}

func (e *environ) set(name, value string) {
	if _, known := e.values[name]; !known {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

// list is the environment as Docker takes it: NAME=value.
func (e *environ) list() []string {
	list := make([]string, len(e.names))
	for i, name := range e.names {
		list[i] = name + "=" + e.values[name]
	}
	return list
}

// expand replaces $(NAME) in each word; one that is not set stays as it is.
func (e *environ) expand(words []string) []string {
	var expanded []string
	for _, word := range words {
		expanded = append(expanded, expansion.Expand(word, expansion.MappingFuncFor(e.values)))
	}
	return expanded
}

// environment resolves envFrom and env of a container by the sources of now.
func (p *Pod) environment(c *corev1.Container) (*environ, error) {
	e := &environ{values: map[string]string{}}
	for i := range c.EnvFrom {
		if err := p.envFrom(e, &c.EnvFrom[i]); err != nil {
			return nil, err
		}
	}
	for i := range c.Env {
		v := &c.Env[i]
		value, found := expansion.Expand(v.Value, expansion.MappingFuncFor(e.values)), true
		if v.Value == "" && v.ValueFrom != nil {
			var err error
			if value, found, err = p.valueFrom(c, v.ValueFrom); err != nil {
				return nil, err
			}
		}
		if found {
			e.set(v.Name, value)
		}
	}
	return e, nil
}

// envFrom sets all keys of a ConfigMap or a Secret, in their order.
func (p *Pod) envFrom(e *environ, from *corev1.EnvFromSource) error {
	values := map[string]string{}
	switch {
	case from.ConfigMapRef != nil:
		configMap, err := p.configMap(from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		if err != nil {
			return err
		}
		values = configMap.Data
	case from.SecretRef != nil:
		secret, err := p.secret(from.SecretRef.Name, from.SecretRef.Optional)
		if err != nil {
			return err
		}
		for key, value := range secret.Data {
			values[key] = string(value)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		e.set(from.Prefix+key, values[key])
	}
	return nil
}

// valueFrom resolves one variable; not found: it is optional and its source is not there, so it is not set at all.
func (p *Pod) valueFrom(c *corev1.Container, from *corev1.EnvVarSource) (value string, found bool, err error) {
	switch {
	case from.FieldRef != nil:
		value, err = p.field(from.FieldRef.FieldPath)
		return value, err == nil, err
	case from.ResourceFieldRef != nil:
		value, err = p.resourceOf(from.ResourceFieldRef, c)
		return value, err == nil, err
	case from.ConfigMapKeyRef != nil:
		return p.configMapKey(from.ConfigMapKeyRef)
	case from.SecretKeyRef != nil:
		return p.secretKey(from.SecretKeyRef)
	case from.FileKeyRef != nil:
		return p.fileKey(from.FileKeyRef)
	}
	return "", true, nil
}

func (p *Pod) configMapKey(ref *corev1.ConfigMapKeySelector) (string, bool, error) {
	configMap, err := p.configMap(ref.Name, ref.Optional)
	if err != nil {
		return "", false, err
	}
	value, found := configMap.Data[ref.Key]
	if !found && !deref(ref.Optional, false) {
		return "", false, fmt.Errorf("couldn't find key %v in ConfigMap %v/%v", ref.Key, p.pod.Namespace, ref.Name)
	}
	return value, found, nil
}

func (p *Pod) secretKey(ref *corev1.SecretKeySelector) (string, bool, error) {
	secret, err := p.secret(ref.Name, ref.Optional)
	if err != nil {
		return "", false, err
	}
	value, found := secret.Data[ref.Key]
	if !found && !deref(ref.Optional, false) {
		return "", false, fmt.Errorf("couldn't find key %v in Secret %v/%v", ref.Key, p.pod.Namespace, ref.Name)
	}
	return string(value), found, nil
}

// fileKey reads a variable from a file in one of the Pod's volumes, which an init container wrote. The parser's error may
// quote the file, so it is not passed on.
func (p *Pod) fileKey(ref *corev1.FileKeySelector) (string, bool, error) {
	volume := p.volume(ref.VolumeName)
	if volume == nil || volume.HostPath != nil {
		return "", false, fmt.Errorf("cannot find the volume %q referenced by FileKeyRef", ref.VolumeName)
	}
	file, err := securejoin.SecureJoin(p.volumeDir(volume.Name), ref.Path)
	if err != nil {
		return "", false, fmt.Errorf("couldn't resolve path %q in volume %q", ref.Path, ref.VolumeName)
	}
	value, err := envfile.ParseEnv(file, ref.Key)
	if err != nil {
		return "", false, fmt.Errorf("couldn't parse env file %q of volume %q", ref.Path, ref.VolumeName)
	}
	if value == "" && !deref(ref.Optional, false) {
		return "", false, fmt.Errorf("environment variable key %q not found in file %q", ref.Key, ref.Path)
	}
	return value, value != "", nil
}

// configMap finds one by its name; an optional one that is missing is empty.
func (p *Pod) configMap(name string, optional *bool) (*corev1.ConfigMap, error) {
	if found := p.sources.ConfigMaps[name]; found != nil {
		return found, nil
	}
	if deref(optional, false) {
		return &corev1.ConfigMap{}, nil
	}
	return nil, fmt.Errorf("configmap %q not found", name)
}

// secret is as configMap.
func (p *Pod) secret(name string, optional *bool) (*corev1.Secret, error) {
	if found := p.sources.Secrets[name]; found != nil {
		return found, nil
	}
	if deref(optional, false) {
		return &corev1.Secret{}, nil
	}
	return nil, fmt.Errorf("secret %q not found", name)
}

// expandSubPath is the subPath of a mount. Other than in a command, each variable of a subPathExpr must have a value.
func (e *environ) expandSubPath(m *corev1.VolumeMount) (string, error) {
	if m.SubPathExpr == "" {
		return m.SubPath, nil
	}
	var missing []string
	path := expansion.Expand(m.SubPathExpr, func(name string) string {
		value := e.values[name]
		if value == "" {
			missing = append(missing, name)
		}
		return value
	})
	if len(missing) > 0 {
		slices.Sort(missing)
		return "", fmt.Errorf("missing value for %s", strings.Join(slices.Compact(missing), ", "))
	}
	return path, nil
}
